// SPDX-License-Identifier: MIT
// Processor seconds so far, with the kernel's part: of this process, or with CLOCK_THREAD_CPUTIME_ID of this
// thread.
#pragma once

#include <ctime>

#include "daemon/base/check.h"

namespace p2p {

inline double cpu_seconds(clockid_t clock = CLOCK_PROCESS_CPUTIME_ID) {
  timespec time{};
  CHECK(::clock_gettime(clock, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace p2p
