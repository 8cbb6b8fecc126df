// SPDX-License-Identifier: MIT
#include "ctl/watch.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <vector>

#include "ctl/interrupts.h"
#include "ctl/table.h"

namespace p2p::ctl {
namespace {

constexpr Duration kInterval = std::chrono::seconds(1);

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The colour that begins here, "\x1b[1;31m", or nothing.
std::string_view color_at(std::string_view text) {
  if (!text.starts_with("\x1b[")) return {};
  const auto end = text.find('m');
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
}

Status watch(Session& session, const Look& look) {
  const InterruptWatch interrupts;
  Output output = session.output();
  Redraw redraw;
  for (;;) {
    const TimePoint begin = monotonic_now();
    output.measure();
    const auto text = look(output);
    if (session.was_interrupted()) return {};
    if (!text) return fail(text.error());
    const auto& terminal = output.terminal();
    const bool in_place = terminal.moves_cursor && !output.is_json();
    output.write(in_place ? redraw.frame(*text, terminal.width, terminal.height) : *text);
    if (std::fflush(stdout) != 0) return fail(system_error(errno, "cannot write to standard output"));
    if (!interrupts.wait(begin + kInterval - monotonic_now())) continue;
    session.set_interrupted();
    return {};
  }
}

}  // namespace

std::string cut_colored(std::string_view line, std::size_t width) {
  std::string plain;
  for (auto rest = line; !rest.empty();) {
    const auto color = color_at(rest);
    if (color.empty()) plain += rest.front();
    rest.remove_prefix(std::max<std::size_t>(color.size(), 1));
  }
  if (display_width(plain) <= width) return std::string(line);
  // The bytes that stay, with the colours that stood among them, and then none.
  std::string kept = cut_to_width(plain, width);
  const std::string_view ellipsis = "…";
  std::size_t left = kept.size() - std::min(kept.size(), ellipsis.size());
  std::string out;
  bool is_colored = false;
  for (auto rest = line; left > 0;) {
    const auto color = color_at(rest);
    out += color.empty() ? rest.substr(0, 1) : color;
    if (color.empty()) --left;
    else is_colored = true;
    rest.remove_prefix(std::max<std::size_t>(color.size(), 1));
  }
  if (!kept.empty()) out += ellipsis;
  return is_colored ? out + "\x1b[0m" : out;
}

std::string Redraw::frame(std::string_view text, std::size_t width, std::size_t height) {
  auto lines = lines_of(text);
  // The cursor waits on the line below the last one.
  const std::size_t room = std::max<std::size_t>(height, 2) - 1;
  const std::size_t unseen = lines.size() > room ? lines.size() - room + 1 : 0;
  lines.resize(lines.size() - unseen);
  const std::size_t up = std::min(lines_, room);
  std::string out = up > 0 ? fmt::format("\r\x1b[{}A", up) : "\r";
  for (const auto line : lines) out += cut_colored(line, width) + "\x1b[K\n";
  if (unseen > 0) out += cut_to_width(fmt::format("… and {} more", unseen), width) + "\x1b[K\n";
  lines_ = lines.size() + (unseen > 0 ? 1 : 0);
  return out + "\x1b[J";
}

Status look_or_watch(Session& session, bool is_watched, const Look& look) {
  if (is_watched) return watch(session, look);
  const auto text = look(session.output());
  if (!text) return fail(text.error());
  session.output().write(*text);
  return {};
}

}  // namespace p2p::ctl
