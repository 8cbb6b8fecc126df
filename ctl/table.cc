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
constexpr std::size_t kNoteIndent = 10;    // an id and a gap
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

std::string shown(const Cell& cell, bool color) {
  return color && cell.tone != Tone::Plain ? painted(cell.text, cell.tone) : cell.text;
}

// The cell in `width` columns. Blanks are not coloured, so that the last ones of a line can be left out.
std::string padded(Cell cell, std::size_t width, Align align, bool color) {
  cell.text = cut_to_width(cell.text, width);
  const std::size_t have = display_width(cell.text);
  const std::string blanks(have < width ? width - have : 0, ' ');
  return align == Align::Right ? blanks + shown(cell, color) : shown(cell, color) + blanks;
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

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (lines.back().empty()) lines.back() = word;
    else if (display_width(lines.back()) + 1 + display_width(word) <= width)
      lines.back().append(" ").append(word);
    else lines.emplace_back(word);
  }
  return lines;
}

std::string painted(std::string_view text, Tone tone) {
  const char* begin = "";
  switch (tone) {
    case Tone::Plain: return std::string(text);
    case Tone::Strong: begin = "\x1b[1m"; break;
    case Tone::Good: begin = "\x1b[32m"; break;
    case Tone::Warning: begin = "\x1b[33m"; break;
    case Tone::Bad: begin = "\x1b[1;31m"; break;
  }
  return begin + std::string(text) + "\x1b[0m";
}

void Table::add(std::vector<Cell> cells) {
  cells.resize(columns_.size());
  for (auto& cell : cells) cell.text = safe_text(cell.text);
  rows_.push_back({std::move(cells), {}});
}

void Table::note(std::string_view foreign) {
  if (!rows_.empty()) rows_.back().note = safe_text(foreign);
}

std::vector<std::size_t> Table::fitted_widths(const TableStyle& style) const {
  std::vector<std::size_t> widths;
  for (const auto& column : columns_) widths.push_back(style.heading ? display_width(column.heading) : 0);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < widths.size(); ++i)
      widths[i] = std::max(widths[i], display_width(row.cells[i].text));

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

std::string Table::line_of(const std::vector<Cell>& cells, const TableStyle& style,
                           const std::vector<std::size_t>& widths) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i != 0) line += style.laid_out ? std::string(kGap, ' ') : "\t";
    line += style.laid_out ? padded(cells[i], widths[i], columns_[i].align, style.color)
                           : shown(cells[i], style.color);
  }
  if (style.laid_out) line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string Table::text(const TableStyle& style) const {
  const auto widths = style.laid_out ? fitted_widths(style) : std::vector<std::size_t>{};
  std::string out;
  if (style.heading) {
    std::vector<Cell> headings;
    for (const auto& column : columns_) headings.emplace_back(column.heading);
    const auto line = line_of(headings, style, widths);
    out += (style.color ? painted(line, Tone::Strong) : line) + "\n";
  }
  const std::string indent(kNoteIndent, ' ');
  for (const auto& row : rows_) {
    out += line_of(row.cells, style, widths) + "\n";
    if (!style.laid_out || row.note.empty()) continue;
    for (const auto& line : wrapped(row.note, style.width - kNoteIndent))
      out += cut_to_width(indent + line, style.width) + "\n";
  }
  return out;
}

}  // namespace p2p::ctl
