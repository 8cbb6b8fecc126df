// SPDX-License-Identifier: MIT
// Virtual time: events in the order of their time, those of one time in the order they were made.
#pragma once

#include <algorithm>
#include <cstdint>
#include <queue>
#include <vector>

#include "daemon/base/time.h"

namespace p2p::sim {

enum class Happening : std::uint8_t {
  Sent,        // a: direction, b: its items that have left the uplink
  Arrived,     // a: direction, b: its items that have come
  Read,        // a: direction, b: blocks that the disk has given for it
  PieceDone,   // a: member, b: piece, that was verified and written; c: written
  SwarmTimer,  // a: member
  Dial,        // a: member
  Dialled,     // a: member that dialled, b: the one dialled
  SpaceRetry,  // a: member
  Script,      // a: number of the script
  LeavesRead,  // a: direction whose oldest request for leaves can be answered
  Attack,      // a: hostile member
};

struct Event {
  TimePoint time;
  std::uint64_t number = 0;
  Happening kind{};
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  std::uint32_t c = 0;
};

class EventQueue {
 public:
  TimePoint now() const { return now_; }
  std::uint64_t happened() const { return happened_; }
  void at(TimePoint time, Happening kind, std::uint32_t a, std::uint32_t b = 0, std::uint32_t c = 0) {
    queue_.push({std::max(time, now_), made_++, kind, a, b, c});
  }
  bool empty() const { return queue_.empty(); }
  TimePoint next_time() const { return queue_.top().time; }
  Event take() {
    const Event event = queue_.top();
    queue_.pop();
    now_ = event.time;
    ++happened_;
    return event;
  }

 private:
  struct Later {
    bool operator()(const Event& one, const Event& other) const {
      return one.time != other.time ? one.time > other.time : one.number > other.number;
    }
  };
  TimePoint now_{};
  std::uint64_t made_ = 0;
  std::uint64_t happened_ = 0;
  std::priority_queue<Event, std::vector<Event>, Later> queue_;
};

}  // namespace p2p::sim
