// SPDX-License-Identifier: MIT
// A file of its own: the kernel's header has a longer tcp_info than the C library's, which libuv includes.
#include "daemon/io/tcp_round_trip.h"

#include <cstddef>
#include <cstdint>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace p2p::io {

std::optional<Duration> tcp_round_trip(int socket) {
  tcp_info found{};
  socklen_t size = sizeof(found);
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &found, &size) != 0) return std::nullopt;
  if (size < offsetof(tcp_info, tcpi_min_rtt) + sizeof(found.tcpi_min_rtt)) return std::nullopt;
  if (found.tcpi_min_rtt == UINT32_MAX) return std::nullopt;
  return std::chrono::microseconds(found.tcpi_min_rtt);
}

}  // namespace p2p::io
