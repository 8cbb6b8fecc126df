// SPDX-License-Identifier: MIT
// Progress of the work a request waits for: a bar redrawn in place on a terminal, otherwise a line on
// standard error for every 10 % (it is talk, and standard output belongs to the data).
//
// Several pieces of work under one request (`download wait A B`) are shown as one sum.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "daemon/base/time.h"

namespace p2p::ctl {

struct WorkState {
  std::string label;
  double done = 0;  // bytes
  double size = 0;
  double rate = 0;              // bytes a second; 0: not known
  std::optional<double> peers;  // absent where peers mean nothing
  std::string note;             // why it does not move, shown instead of rate, peers and time left
};

// 0 to 100, rounded down; work of size 0 is done.
int percent_of(const WorkState& state);

// One line that fits into `width` columns: a long label is cut to a third of it, then parts are dropped.
//   lab/film.mkv  [##########--------]  56%  1.1/2.0 GiB  84.2 MiB/s  6 peers  ETA 0:11
std::string progress_line(const WorkState& state, std::size_t width);

enum class ProgressStyle : std::uint8_t { None, Bar, Lines };

class Progress {
 public:
  Progress(ProgressStyle style, std::size_t width) : style_(style), width_(width) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `id` tells pieces of work apart.
  void update(const std::string& id, WorkState state, TimePoint now);
  // Nothing was heard for a while: says so on a terminal that shows nothing yet.
  void show_waiting();
  // Takes the bar off the terminal, so that something else can be written.
  void clear();

 private:
  struct Work {
    WorkState state;
    TimePoint since;
    double done_at_start = 0;
  };
  WorkState sum() const;
  void draw(const std::string& line);

  ProgressStyle style_;
  std::size_t width_;
  std::map<std::string, Work> works_;  // bounded by the ids of one request
  std::optional<TimePoint> drawn_at_;
  bool is_drawn_ = false;
  int tenths_told_ = 0;
};

}  // namespace p2p::ctl
