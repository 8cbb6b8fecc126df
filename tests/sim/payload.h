// SPDX-License-Identifier: MIT
// The hashes of payload that does not exist: a leaf follows from piece, block, and whether the block is as it
// was published, and the share's metadata from the leaves (BEP 52). Two wrong blocks of one place are alike.
// Hashes are computed when somebody asks; most runs never do.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "daemon/meta/metainfo.h"
#include "daemon/swarm/swarm.h"

namespace p2p::sim {

using BadBlocks = std::set<BlockIndex>;  // of one piece

class Payload {
 public:
  explicit Payload(const meta::Geometry& geometry) : geometry_(geometry) {}

  std::vector<Sha256> leaves(PieceIndex piece, const BadBlocks& bad) const;
  swarm::LeafRoots roots(PieceIndex piece);
  swarm::Evidence evidence(PieceIndex piece, const BadBlocks& bad);
  const std::shared_ptr<const meta::Metainfo>& metainfo();

 private:
  meta::Geometry geometry_;
  std::shared_ptr<const meta::Metainfo> metainfo_;
  Sha256 file_root_{};
};

}  // namespace p2p::sim
