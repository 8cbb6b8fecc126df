// SPDX-License-Identifier: MIT
#include "daemon/trust/address.h"

#include <fmt/format.h>

#include "daemon/base/names.h"

namespace p2p::trust {

std::string TrackerAddress::text() const {
  return fmt::format("p2p://{}/#{}", host_port.text(), tracker.hex());
}

Result<TrackerAddress> TrackerAddress::parse(std::string_view text) {
  constexpr std::string_view kScheme = "p2p://";
  const auto refuse = [&] {
    return fail(Code::InvalidArgument, fmt::format("'{}' is not a tracker address", printable(text, 200)),
                "it looks like p2p://HOST:PORT/#FINGERPRINT; the tracker prints it: p2pctl tracker address");
  };
  if (!text.starts_with(kScheme)) return refuse();
  const auto rest = text.substr(kScheme.size());
  const auto mark = rest.find("/#");
  if (mark == std::string_view::npos) return refuse();
  auto host_port = parse_host_port(rest.substr(0, mark));
  const auto tracker = TrackerId::from_hex(rest.substr(mark + 2));
  if (!host_port || host_port->port == 0 || !tracker) return refuse();
  return TrackerAddress{std::move(*host_port), *tracker};
}

}  // namespace p2p::trust
