// SPDX-License-Identifier: MIT
#include "daemon/io/clock.h"

#include <ctime>

namespace p2p::io {

TimePoint boot_now() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return TimePoint(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

std::uint64_t monotonic_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

WallTime wall_now() { return {static_cast<std::int64_t>(::time(nullptr))}; }

}  // namespace p2p::io
