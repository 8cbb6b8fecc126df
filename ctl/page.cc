// SPDX-License-Identifier: MIT
#include "ctl/page.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/units.h"

namespace p2p::ctl {

std::string Page::shown(const Cell& cell) const {
  const auto text = safe_text(cell.text);
  return style_.color ? painted(text, cell.tone) : text;
}

void Page::line(std::string_view foreign) { text_ += safe_text(foreign) + "\n"; }

void Page::pairs(const std::vector<Pair>& pairs) {
  std::size_t width = 0;
  for (const auto& pair : pairs)
    if (is_laid_out() && !pair.value.empty()) width = std::max(width, pair.key.size());
  for (const auto& pair : pairs) {
    if (pair.value.empty()) continue;
    const std::string blanks(pair.key.size() < width ? width - pair.key.size() : 0, ' ');
    text_ += pair.key + ": " + blanks + shown({pair.value, pair.tone}) + "\n";
  }
}

void Page::parts(const std::vector<Cell>& parts) {
  for (const auto& part : parts) text_ += shown(part);
  text_ += "\n";
}

std::string Page::size(double bytes) const { return is_laid_out() ? format_size(bytes) : count_text(bytes); }

std::string Page::rate(double bytes) const {
  return is_laid_out() ? format_size(bytes) + "/s" : count_text(bytes);
}

std::string Page::limit(double bytes) const { return bytes > 0 ? rate(bytes) : "unlimited"; }

std::string count_text(double count) { return fmt::format("{:.0f}", count); }

}  // namespace p2p::ctl
