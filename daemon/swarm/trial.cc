// SPDX-License-Identifier: MIT
#include "daemon/swarm/trial.h"

#include <algorithm>

#include "daemon/base/check.h"

namespace p2p::swarm {

std::vector<wire::HashRequest> Trial::begin(PieceIndex piece, LeafQuery query, TimePoint now) {
  CHECK(is_fresh());
  piece_ = piece;
  deadline_ = now + kTime;
  query_ = std::move(query);
  return query_->ask();
}

void Trial::end() {
  over_ = true;
  query_.reset();
  waiting_ = {};
}

LeafQuery::Answer Trial::on_hashes(const wire::Hashes& message) {
  const auto answer = query_->on_hashes(message);
  knows_ = answer == LeafQuery::Answer::Solved;
  return answer;
}

void Trial::on_kept(BlockRef block) {
  if (over_) return;
  kept_ = std::min(kept_ + 1, kBlocks);
  if (query_ && block.piece == piece_ && waiting_.size() < kBlocks) waiting_.push_back(block);
}

std::vector<std::pair<BlockRef, Sha256>> Trial::take_comparable() {
  std::vector<std::pair<BlockRef, Sha256>> comparable;
  if (over_ || !knows_) return comparable;
  for (const auto& block : std::exchange(waiting_, {}))
    comparable.emplace_back(block, query_->leaf(block.block));
  return comparable;
}

}  // namespace p2p::swarm
