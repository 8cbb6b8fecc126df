// SPDX-License-Identifier: MIT
// The clocks of the machine. Everything else gets its time passed in.
#pragma once

#include "daemon/base/time.h"

namespace p2p::io {

// Since boot, time asleep included: what the tracker's time is kept against.
TimePoint boot_now();
// CLOCK_MONOTONIC, as systemd wants to be told of a reload.
std::uint64_t monotonic_microseconds();
// The wall clock as this machine has it; only where no tracker has told the time.
WallTime wall_now();

}  // namespace p2p::io
