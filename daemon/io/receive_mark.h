// SPDX-License-Identifier: MIT
// How many bytes have to be there before a fast stream is read from: the low-water mark of its socket
// (SO_RCVLOWAT, socket(7)). Pure.
//
// Left to itself a loop that keeps up is woken for every burst of its sender, and a wake costs as much as
// reading what it is for: two changes of thread and cold caches, at the sender too, whose send(2) does the
// waking. So of a fast stream kTime's worth is gathered. Nothing that is there waits for longer than kPause:
// a mark that is not reached by then is given up. Requests reach ten times as far (swarm.h, pipeline_time).
#pragma once

#include <algorithm>
#include <bit>
#include <utility>

#include "daemon/base/limits.h"
#include "daemon/base/time.h"

namespace p2p::io {

class ReceiveMark {
 public:
  static constexpr std::size_t kNone = 1;  // reading begins with the first byte
  static constexpr std::size_t kLeast = 256 * limits::kKiB;
  static constexpr std::size_t kMost = 1 * limits::kMiB;  // a quarter of what one may have requested
  static constexpr Duration kTime = 10ms;
  static constexpr Duration kPause = 20ms;  // no turn of the loop is as long
  static constexpr Duration kWindow = 50ms;

  // kNone, or a power of two so that it moves seldom.
  std::size_t bytes() const { return bytes_; }
  bool is_gathering() const { return bytes_ != kNone; }

  // True: bytes() is another.
  bool on_received(std::size_t count, TimePoint now) {
    received_ += count;
    const Duration time = now - since_;
    if (time < kWindow) return false;
    // A window with a silence in it says nothing.
    const std::size_t worth = time < 2 * kWindow ? received_ * kTime / time : 0;
    received_ = 0;
    since_ = now;
    return move_to(worth < kLeast ? kNone : std::bit_floor(std::min(worth, kMost)));
  }

  // Nothing was read for kPause. True: bytes() is another.
  bool on_pause() { return move_to(kNone); }

 private:
  bool move_to(std::size_t bytes) { return std::exchange(bytes_, bytes) != bytes; }

  std::size_t bytes_ = kNone;
  std::size_t received_ = 0;  // since then
  TimePoint since_{};
};

}  // namespace p2p::io
