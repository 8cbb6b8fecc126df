// SPDX-License-Identifier: MIT
#include "daemon/io/clock.h"

#include <ctime>

namespace p2p::io {

TimePoint boot_now() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return TimePoint(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

WallTime wall_now() { return {static_cast<std::int64_t>(::time(nullptr))}; }

}  // namespace p2p::io
