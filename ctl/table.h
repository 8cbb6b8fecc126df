// SPDX-License-Identifier: MIT
// Text laid out in columns: how wide a text is on a terminal, cutting to a width, and borderless tables.
//
// Pure. Foreign text goes through printable() on its way into a table, so that a name can neither move
// the cursor nor break a line; a table for a script is one row a line with a tab between cells.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace p2p::ctl {

bool is_utf8(std::string_view text);

// Terminal columns: two for wide characters, none for combining ones. `text` is printable.
std::size_t display_width(std::string_view text);

// `text` itself if it fits into `width` columns, else its beginning and "…".
std::string cut_to_width(std::string_view text, std::size_t width);

// Foreign text for output, with room for long paths; see printable().
std::string safe_text(std::string_view foreign);

// `text` in lines of at most `width` columns, broken at blanks; a word that is longer stays whole.
std::vector<std::string> wrapped(std::string_view text, std::size_t width);

// How a word is meant. It is shown as a colour, and never by the colour alone: the word says it too.
enum class Tone : std::uint8_t { Plain, Strong, Good, Warning, Bad };

// `text`, coloured unless it is plain.
std::string painted(std::string_view text, Tone tone);

enum class Align : std::uint8_t { Left, Right };

struct Column {
  std::string heading;
  Align align = Align::Left;
};

struct Cell {
  Cell() = default;
  template <std::convertible_to<std::string_view> Text>
  Cell(const Text& foreign, Tone meant = Tone::Plain) : text(std::string_view(foreign)), tone(meant) {}

  std::string text;
  Tone tone = Tone::Plain;
};

struct TableStyle {
  bool laid_out = false;  // padded columns cut to `width`; otherwise cells with tabs between them
  std::size_t width = 80;
  bool heading = true;
  bool color = false;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // One cell a column; missing ones are empty.
  void add(std::vector<Cell> cells);

  // A sentence below the row that was added last. Where nothing is laid out it is left out: a script reads
  // one line a row.
  void note(std::string_view foreign);

  // All rows, each with a line end.
  std::string text(const TableStyle& style) const;

 private:
  std::vector<std::size_t> fitted_widths(const TableStyle& style) const;
  std::string line_of(const std::vector<Cell>& cells, const TableStyle& style,
                      const std::vector<std::size_t>& widths) const;

  struct Row {
    std::vector<Cell> cells;
    std::string note;
  };
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace p2p::ctl
