// SPDX-License-Identifier: MIT
#include "ctl/progress.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>

#include "ctl/table.h"
#include "daemon/base/units.h"

namespace p2p::ctl {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr std::size_t kBarWide = 18;
constexpr std::size_t kBarNarrow = 8;
constexpr std::size_t kLabelMin = 8;
constexpr double kEtaSecondsMax = 100.0 * 3600;

double sane(double value) { return std::isfinite(value) && value > 0 ? value : 0; }

std::string bar(int percent, std::size_t width) {
  const auto filled = static_cast<std::size_t>(percent) * width / 100;
  return "[" + std::string(filled, '#') + std::string(width - filled, '-') + "]";
}

// "1.1/2.0 GiB": both in the unit of the whole.
std::string amounts(double done, double size) {
  const std::string whole = format_size(size);
  const auto blank = whole.find(' ');
  double unit = 1;
  for (double rest = size; rest >= 1024 && unit < 0x1p40; rest /= 1024) unit *= 1024;
  const auto part = unit > 1 ? fmt::format("{:.1f}", done / unit) : fmt::format("{:.0f}", done);
  return part + "/" + whole.substr(0, blank) + whole.substr(blank);
}

std::string time_left(double bytes, double rate) {
  if (rate <= 0) return {};
  const double seconds = std::ceil(bytes / rate);
  if (seconds > kEtaSecondsMax) return {};
  return "ETA " + format_duration(std::chrono::seconds(static_cast<std::int64_t>(seconds)));
}

// What a line shows beside label and percentage; the variants of a line differ in it.
struct Parts {
  std::size_t bar = 0;
  bool amounts = false;
  bool rate = false;
  bool peers = false;
  bool left = false;
};

// From everything to next to nothing. A bar that is shown grows into the room that is left.
constexpr std::array kVariants{
    Parts{kBarNarrow, true, true, true, true},     Parts{kBarNarrow, true, true, false, true},
    Parts{kBarNarrow, false, true, false, true},   Parts{kBarNarrow, false, true, false, false},
    Parts{kBarNarrow, false, false, false, false}, Parts{},
};

std::string tail(const WorkState& state, const Parts& parts) {
  const double size = sane(state.size);
  const double done = std::min(sane(state.done), size);
  const double rate = sane(state.rate);
  std::string out;
  const auto add = [&out](const std::string& part) {
    if (!part.empty()) out += "  " + part;
  };
  const int percent = percent_of(state);
  if (parts.bar != 0) add(bar(percent, parts.bar));
  out += fmt::format(" {:3}%", percent);
  if (parts.amounts) add(amounts(done, size));
  if (!state.note.empty()) {
    if (parts.rate) add(safe_text(state.note));
    return out;
  }
  if (parts.rate && rate > 0) add(format_size(rate) + "/s");
  if (parts.peers && state.peers)
    add(fmt::format("{:.0f} {}", sane(*state.peers), *state.peers == 1 ? "peer" : "peers"));
  if (parts.left) add(time_left(size - done, rate));
  return out;
}

}  // namespace

int percent_of(const WorkState& state) {
  const double size = sane(state.size);
  if (size <= 0) return 100;
  return static_cast<int>(std::floor(std::min(sane(state.done) / size, 1.0) * 100));
}

std::string progress_line(const WorkState& state, std::size_t width) {
  const std::string label = safe_text(state.label);
  const std::size_t label_width = display_width(label);
  // A long label gives way first, down to a third of the line; what is told about the work comes next.
  const std::size_t label_kept = std::min(label_width, std::max(kLabelMin, width / 3));
  for (auto parts : kVariants) {
    const std::size_t least = label_kept + display_width(tail(state, parts));
    if (least > width) continue;
    const std::size_t spare = width - least;
    const std::size_t label_missing = label_width - label_kept;
    if (parts.bar != 0 && spare > label_missing)
      parts.bar = std::min(kBarWide, parts.bar + spare - label_missing);
    const std::string rest = tail(state, parts);
    return cut_to_width(label, width - display_width(rest)) + rest;
  }
  return cut_to_width(label + tail(state, Parts{}), width);
}

WorkState Progress::sum() const {
  if (works_.size() == 1) return works_.begin()->second.state;
  WorkState sum;
  sum.label = fmt::format("{} files", works_.size());
  for (const auto& [id, work] : works_) {
    sum.done += work.state.done;
    sum.size += work.state.size;
    sum.rate += work.state.rate;
  }
  return sum;
}

void Progress::update(const std::string& id, WorkState state, TimePoint now) {
  if (style_ == ProgressStyle::None) return;
  const auto [place, is_new] = works_.try_emplace(id);
  Work& work = place->second;
  if (is_new) {
    work.since = now;
    work.done_at_start = state.done;
  }
  const double seconds = seconds_of(now - work.since);
  if (state.rate <= 0 && state.note.empty() && seconds > 0)
    state.rate = (state.done - work.done_at_start) / seconds;
  work.state = std::move(state);

  const WorkState shown = sum();
  if (style_ == ProgressStyle::Bar) {
    if (drawn_at_ && now - *drawn_at_ < kRedrawInterval) return;
    drawn_at_ = now;
    // One column is left free: a full line would wrap on some terminals.
    draw(progress_line(shown, width_ - 1));
    return;
  }
  const int tenths = percent_of(shown) / 10;
  if (tenths <= tenths_told_) return;
  tenths_told_ = tenths;
  std::fputs((safe_text(shown.label) + tail(shown, Parts{0, true, true, true, true}) + "\n").c_str(), stderr);
}

void Progress::show_waiting() {
  if (style_ == ProgressStyle::Bar && !is_drawn_) draw("waiting for the daemon ...");
}

void Progress::draw(const std::string& line) {
  std::fputs(("\r" + line + "\x1b[K").c_str(), stdout);
  std::fflush(stdout);
  is_drawn_ = true;
}

void Progress::clear() {
  if (!is_drawn_) return;
  std::fputs("\r\x1b[K", stdout);
  std::fflush(stdout);
  is_drawn_ = false;
}

}  // namespace p2p::ctl
