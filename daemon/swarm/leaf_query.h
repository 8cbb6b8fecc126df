// SPDX-License-Identifier: MIT
// All leaves of one piece, asked of one session (BEP 52; leaf_exchange.h): in ranges, whose answers may come
// in any order. Leaves that give the piece's root are the truth, whoever sent them.
//
// Pure; loop thread only.
#pragma once

#include <optional>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/meta/geometry.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

class LeafQuery {
 public:
  LeafQuery(const meta::Geometry& geometry, PieceIndex piece, LeafRoots roots);

  // What to send; forgets what came before.
  std::vector<wire::HashRequest> ask();
  // Was it asked for, and not answered yet?
  bool awaits(const wire::HashRange& range) const { return part_of(range).has_value(); }
  enum class Answer : std::uint8_t { Incomplete, Solved, Lie };
  // Of a range that it awaits.
  Answer on_hashes(const wire::Hashes& message);
  // Solved: of a block of the piece.
  const Sha256& leaf(BlockIndex block) const { return leaves_.at(block.value); }

 private:
  std::optional<std::size_t> part_of(const wire::HashRange& range) const;

  meta::Geometry geometry_;
  LeafRoots roots_;
  std::vector<wire::HashRange> ranges_;
  std::vector<Sha256> leaves_;  // as they came, padding included
  std::vector<bool> here_;      // which of ranges_ have come
};

}  // namespace p2p::swarm
