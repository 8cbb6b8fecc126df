// SPDX-License-Identifier: MIT
// What a device has to show first: as long as nothing that came from it has been verified, only kBlocks of
// its blocks are taken. With its first request the leaves of that piece are asked of it, and each of its
// blocks of this piece is compared with its leaf as soon as both are here. So a device that spoils what it
// sends is found out by its first block, and nobody else is waited for.
//
//   Fresh    ──begin(), with its first request──▶ Asking
//   Asking   ──leaves that give the root──▶ Knowing
//   Knowing  ──a block was compared: right──▶ Over; wrong: its device is convicted
//   any      ──it refuses, kTime is over, a piece with a part of it was verified──▶ Over
//
// A refusal proves nothing: it may have too much to do. What it sends is then judged piece by piece, as what
// everybody sends after his trial. Pure; loop thread only.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "daemon/base/time.h"
#include "daemon/swarm/leaf_query.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

class Trial {
 public:
  static constexpr std::uint32_t kBlocks = 3;
  static constexpr Duration kTime = 1s;

  bool is_fresh() const { return !query_ && !over_; }
  bool is_over() const { return over_; }
  // How many blocks may still come from it, or have been asked for.
  std::uint32_t blocks_left() const { return kBlocks - kept_; }
  // Fresh -> Asking. What to send.
  std::vector<wire::HashRequest> begin(PieceIndex piece, LeafQuery query, TimePoint now);
  void end();
  // max() unless Asking or Knowing.
  TimePoint deadline() const { return query_ ? deadline_ : TimePoint::max(); }

  bool awaits(const wire::HashRange& range) const { return query_ && query_->awaits(range); }
  LeafQuery::Answer on_hashes(const wire::Hashes& message);
  void on_kept(BlockRef block);
  // The blocks that can be compared by now, each once, with the leaves that they must have.
  std::vector<std::pair<BlockRef, Sha256>> take_comparable();

 private:
  std::optional<LeafQuery> query_;
  PieceIndex piece_{};
  TimePoint deadline_{};
  std::uint32_t kept_ = 0;         // at most kBlocks are counted
  std::vector<BlockRef> waiting_;  // kept of the piece, and not compared
  bool knows_ = false;
  bool over_ = false;
};

}  // namespace p2p::swarm
