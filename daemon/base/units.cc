// SPDX-License-Identifier: MIT
#include "daemon/base/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <fmt/format.h>
#include <optional>

#include "daemon/base/names.h"

namespace p2p {
namespace {

// A non-negative decimal number and the unit written behind it.
struct Quantity {
  double amount = 0;
  std::string_view unit;
};

std::optional<Quantity> split(std::string_view text) {
  Quantity quantity;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, quantity.amount, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(quantity.amount) || quantity.amount < 0) return std::nullopt;
  quantity.unit = {rest, static_cast<std::size_t>(end - rest)};
  return quantity;
}

}  // namespace

Result<std::uint64_t> parse_rate(std::string_view text) {
  if (text == "unlimited") return 0;
  const auto refuse = [&] {
    return fail(Code::InvalidArgument, fmt::format("'{}' is not a rate", printable(text, 64)),
                "write a number of bytes a second with K, M or G (KiB, MiB, GiB), or 'unlimited'");
  };
  const auto quantity = split(text);
  if (!quantity) return refuse();
  auto unit = quantity->unit;
  double factor = 1;
  if (!unit.empty() && unit != "B") {
    switch (unit[0]) {
      case 'K':
      case 'k': factor = 0x1p10; break;
      case 'M':
      case 'm': factor = 0x1p20; break;
      case 'G':
      case 'g': factor = 0x1p30; break;
      default: return refuse();
    }
    unit.remove_prefix(1);
    if (!unit.empty() && unit != "iB" && unit != "B") return refuse();
  }
  const double bytes = std::round(quantity->amount * factor);
  if (bytes > 0x1p50) return refuse();
  if (quantity->amount > 0 && bytes < 1) return refuse();
  return static_cast<std::uint64_t>(bytes);
}

Result<Duration> parse_duration(std::string_view text) {
  const auto refuse = [&] {
    return fail(Code::InvalidArgument, fmt::format("'{}' is not a duration", printable(text, 64)),
                "write a number with s, m, h or d, such as 30s or 5m");
  };
  const auto quantity = split(text);
  if (!quantity) return refuse();
  const auto unit = quantity->unit;
  double factor = 0;
  if (unit.empty() || unit == "s") factor = 1;
  else if (unit == "ms") factor = 1e-3;
  else if (unit == "m") factor = 60;
  else if (unit == "h") factor = 3600;
  else if (unit == "d") factor = 86400;
  else return refuse();
  const double seconds = quantity->amount * factor;
  if (seconds > 86400.0 * 3650) return refuse();
  return Duration(static_cast<Duration::rep>(seconds * 1e9));
}

std::string HostPort::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<HostPort> parse_host_port(std::string_view text) {
  const auto refuse = [&] {
    return fail(Code::InvalidArgument, fmt::format("'{}' is not HOST:PORT", printable(text, 128)),
                "an IPv6 address goes in brackets: [::1]:7733");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return refuse();
  auto host = text.substr(0, colon);
  const auto digits = text.substr(colon + 1);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return refuse();
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return refuse();
  }
  if (host.size() > 253 || printable(host) != host || host.find_first_of(" /#@[]") != std::string_view::npos)
    return refuse();
  HostPort result{std::string(host), 0};
  const auto* end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, result.port);
  if (error != std::errc() || rest != end) return refuse();
  return result;
}

std::string format_size(double bytes) {
  static constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string format_duration(Duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (seconds >= 3600) return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
}

std::string format_wall_time(WallTime time) {
  const std::time_t seconds = time.seconds;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), length};
}

}  // namespace p2p
