// SPDX-License-Identifier: MIT
// What p2pd keeps of its groups for times without the tracker. A cache: the tracker says it again.
#pragma once

#include <string>
#include <vector>

#include "daemon/base/ids.h"

namespace p2p::storage {

// A file that a group shares. `name` orders a catalogue, byte by byte.
struct CatalogueRow {
  std::string name;
  InfoHash info_hash;
  Bytes entry;  // signed
};

// A device of a member, and where it could be reached.
struct KnownAddress {
  Bytes host;  // 4 or 16 bytes
  std::uint16_t port = 0;
};
struct KnownDevice {
  DeviceId device;
  UserId user_id;
  std::string user;
  std::vector<KnownAddress> addresses;
};

}  // namespace p2p::storage
