// SPDX-License-Identifier: MIT
// Time as the pure parts see it. Nothing here reads a clock: `now` is always passed in.
//
// TimePoint has a clock of our own without now(), so that std::chrono::steady_clock::now() does not
// compile where a TimePoint is asked for. It counts from an arbitrary start and never goes back.
// WallTime is what people, disks and signatures see: seconds since 1970, in the tracker's time.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace p2p {

using Duration = std::chrono::nanoseconds;

struct MonotonicClock {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<MonotonicClock, Duration>;
  static constexpr bool is_steady = true;
};

using TimePoint = MonotonicClock::time_point;

struct WallTime {
  std::int64_t seconds = 0;
  auto operator<=>(const WallTime&) const = default;
};

inline WallTime operator+(WallTime time, std::chrono::seconds span) { return {time.seconds + span.count()}; }
inline WallTime operator-(WallTime time, std::chrono::seconds span) { return {time.seconds - span.count()}; }

inline double seconds_of(Duration span) { return std::chrono::duration<double>(span).count(); }

using namespace std::chrono_literals;

}  // namespace p2p
