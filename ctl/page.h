// SPDX-License-Identifier: MIT
// A text for standard output as it grows: tables, "key: value" lines and plain lines, for a terminal or for
// a script. Pure. Everything foreign that is put into it is made printable here or in Table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ctl/table.h"

namespace p2p::ctl {

// One "key: value" line.
struct Pair {
  std::string key;
  std::string value;
  Tone tone = Tone::Plain;  // of the value
};

class Page {
 public:
  explicit Page(const TableStyle& style) : style_(style) {}

  // For a terminal: columns are laid out and quantities have units. For a script neither.
  bool is_laid_out() const { return style_.laid_out; }
  std::size_t width() const { return style_.width; }
  const std::string& text() const { return text_; }

  void table(const Table& table) { text_ += table.text(style_); }
  void line(std::string_view foreign);
  // Those with an empty value are left out. On a terminal the values stand below each other.
  void pairs(const std::vector<Pair>& pairs);
  // `parts` side by side with nothing between them.
  void parts(const std::vector<Cell>& parts);

  // For people "1.1 GiB", for scripts the number of bytes.
  std::string size(double bytes) const;
  // As size(), a second; for a limit 0 is "unlimited".
  std::string rate(double bytes) const;
  std::string limit(double bytes) const;

 private:
  std::string shown(const Cell& cell) const;

  TableStyle style_;
  std::string text_;
};

// A count that travelled as a double, printed without a fraction.
std::string count_text(double count);

}  // namespace p2p::ctl
