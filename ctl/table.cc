// SPDX-License-Identifier: MIT
#include "ctl/table.h"

#include <algorithm>
#include <numeric>
#include <utf8proc.h>

#include "daemon/base/names.h"

namespace p2p::ctl {
namespace {

constexpr std::string_view kEllipsis = "…";
constexpr std::size_t kGap = 2;            // columns between two cells
constexpr std::size_t kColumnMin = 4;      // no column is cut below this
constexpr std::size_t kTextBytes = 16384;  // a path of 4096 bytes, every one escaped

struct CodePoint {
  std::size_t bytes = 1;
  std::size_t width = 1;
  bool valid = false;
};

CodePoint first_code_point(std::string_view text) {
  utf8proc_int32_t c = 0;
  const auto used = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                     static_cast<utf8proc_ssize_t>(text.size()), &c);
  if (used <= 0) return {};
  const int width = utf8proc_charwidth(c);
  return {static_cast<std::size_t>(used), width > 0 ? static_cast<std::size_t>(width) : 0, true};
}

std::string padded(const std::string& text, std::size_t width, Align align) {
  const std::size_t have = display_width(text);
  const std::string blanks(have < width ? width - have : 0, ' ');
  return align == Align::Right ? blanks + text : text + blanks;
}

void append_tabbed(std::string& out, const std::vector<std::string>& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i != 0) out += '\t';
    out += cells[i];
  }
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto c = first_code_point(text);
    if (!c.valid) return false;
    text.remove_prefix(c.bytes);
  }
  return true;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto c = first_code_point(text);
    width += c.width;
    text.remove_prefix(c.bytes);
  }
  return width;
}

std::string cut_to_width(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t used = 0;
  std::size_t end = 0;
  while (end < text.size()) {
    const auto c = first_code_point(text.substr(end));
    if (used + c.width > width - 1) break;
    used += c.width;
    end += c.bytes;
  }
  return std::string(text.substr(0, end)) + std::string(kEllipsis);
}

std::string safe_text(std::string_view foreign) { return printable(foreign, kTextBytes); }

void Table::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (auto& cell : cells) cell = safe_text(cell);
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::fitted_widths(const TableStyle& style) const {
  std::vector<std::size_t> widths;
  for (const auto& column : columns_) widths.push_back(style.heading ? display_width(column.heading) : 0);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));

  const std::size_t gaps = widths.empty() ? 0 : kGap * (widths.size() - 1);
  std::size_t total = std::accumulate(widths.begin(), widths.end(), gaps);
  while (total > style.width) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (widest == widths.end() || *widest <= kColumnMin) break;
    --*widest;
    --total;
  }
  return widths;
}

std::string Table::text(const TableStyle& style) const {
  std::vector<std::string> headings;
  for (const auto& column : columns_) headings.push_back(column.heading);

  const auto widths = style.laid_out ? fitted_widths(style) : std::vector<std::size_t>{};
  const auto line_of = [&](const std::vector<std::string>& cells) {
    std::string line;
    if (!style.laid_out) {
      append_tabbed(line, cells);
      return line;
    }
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i != 0) line.append(kGap, ' ');
      line += padded(cut_to_width(cells[i], widths[i]), widths[i], columns_[i].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  };

  std::string out;
  if (style.heading)
    out += style.color ? "\x1b[1m" + line_of(headings) + "\x1b[0m\n" : line_of(headings) + "\n";
  for (const auto& row : rows_) out += line_of(row) + "\n";
  return out;
}

}  // namespace p2p::ctl
