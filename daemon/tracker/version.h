// SPDX-License-Identifier: MIT
// Protocol versions that the tracker speaks, on sessions.
#pragma once

#include <cstdint>

#include "proto/common.pb.h"

namespace p2p::tracker {

inline constexpr std::uint32_t kProtocolVersionMin = 1;
inline constexpr std::uint32_t kProtocolVersionMax = 1;

inline pb::Hello our_hello() {
  pb::Hello hello;
  hello.set_version_min(kProtocolVersionMin);
  hello.set_version_max(kProtocolVersionMax);
  hello.set_software("p2p-trackerd " P2P_VERSION);
  return hello;
}

}  // namespace p2p::tracker
