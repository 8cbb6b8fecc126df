// SPDX-License-Identifier: MIT
// How much a stream gives to TCP in one call, and so how much the kernel sends as one burst at most. Pure.
//
// Left to itself the kernel makes bursts of 64 KiB where the round trip once was short. A token bucket of the
// usual 64 KB on the way, whose count includes every packet's head, cuts those into single packets or drops
// them. Two of kShort in a row still fit: what libuv writes does not end a burst. Ways of more than half a
// gigabit a second have larger buckets or none, and there each burst costs processor time for nothing. Such a
// way is known by kFastBytes, more than sockets hold, having left within kFastTime.
#pragma once

#include "daemon/base/limits.h"
#include "daemon/base/time.h"

namespace p2p::io {

class BurstSize {
 public:
  static constexpr std::size_t kShort = 30 * limits::kKiB;
  static constexpr std::size_t kLong = 1 * limits::kMiB;
  static constexpr std::size_t kFastBytes = 16 * limits::kMiB;
  static constexpr Duration kFastTime = 300ms;

  std::size_t bytes() const { return fast_ ? kLong : kShort; }

  void on_sent(std::size_t count, TimePoint now) {
    sent_ += count;
    const bool late = now - since_ > kFastTime;
    if (!late && sent_ < kFastBytes) return;
    fast_ = !late;
    sent_ = 0;
    since_ = now;
  }

 private:
  bool fast_ = false;
  std::size_t sent_ = 0;  // since then
  TimePoint since_{};
};

}  // namespace p2p::io
