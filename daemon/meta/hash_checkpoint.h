// SPDX-License-Identifier: MIT
// What is known of the first bytes of a file that is being hashed: enough to go on behind them.
// A value; any thread.
#pragma once

#include <cstdint>

#include "daemon/base/sha1_lanes.h"
#include "daemon/meta/metainfo.h"

namespace p2p::meta {

struct HashCheckpoint {
  std::uint64_t bytes = 0;  // whole pieces
  Sha1State whole = {};     // the SHA-1 of the file, as far as there
  PieceHashes pieces = {};
};

}  // namespace p2p::meta
