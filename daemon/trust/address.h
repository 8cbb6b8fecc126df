// SPDX-License-Identifier: MIT
// A tracker's enrolment address: p2p://HOST:PORT/#<64 hex digits of the root key's fingerprint>.
#pragma once

#include <string>

#include "daemon/base/ids.h"
#include "daemon/base/result.h"
#include "daemon/base/units.h"

namespace p2p::trust {

struct TrackerAddress {
  HostPort host_port;
  TrackerId tracker;

  std::string text() const;
  static Result<TrackerAddress> parse(std::string_view text);
  bool operator==(const TrackerAddress&) const = default;
};

}  // namespace p2p::trust
