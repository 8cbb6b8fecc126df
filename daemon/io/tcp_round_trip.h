// SPDX-License-Identifier: MIT
// What the kernel knows of the way of a TCP connection (tcp(7), TCP_INFO). Any thread.
#pragma once

#include <optional>

#include "daemon/base/time.h"

namespace p2p::io {

// The least that a packet and its acknowledgement have taken lately; nothing when none have been measured, or
// when `socket` is not a connected TCP socket.
std::optional<Duration> tcp_round_trip(int socket);

}  // namespace p2p::io
