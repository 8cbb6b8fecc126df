// SPDX-License-Identifier: MIT
// Quantities as people write them: rates, sizes, durations, and HOST:PORT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/base/time.h"

namespace p2p {

// "20MiB", "20M" (both 2^20), "512K", "1.5G"; a plain number is bytes. "0" and "unlimited" give 0.
Result<std::uint64_t> parse_rate(std::string_view text);

// "30s", "5m", "4h", "250ms", "1d"; a plain number is seconds.
Result<Duration> parse_duration(std::string_view text);

// HOST:PORT, where HOST may be a name, an IPv4 address, or an IPv6 address in brackets.
struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;

  std::string text() const;
  bool operator==(const HostPort&) const = default;
};
Result<HostPort> parse_host_port(std::string_view text);

std::string format_size(double bytes);           // "1.1 GiB"
std::string format_duration(Duration duration);  // "0:11", "1:02:03"
std::string format_wall_time(WallTime time);     // RFC 3339 in UTC

}  // namespace p2p
