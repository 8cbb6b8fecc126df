// SPDX-License-Identifier: MIT
#include "tests/sim/payload.h"

#include <utility>

#include "daemon/base/digest.h"
#include "daemon/swarm/leaf_exchange.h"

namespace p2p::sim {

std::vector<Sha256> Payload::leaves(PieceIndex piece, const BadBlocks& bad) const {
  std::vector<Sha256> leaves;
  for (std::uint32_t i = 0; i < geometry_.blocks(piece); ++i) {
    Bytes name;
    for (const auto word : {piece.value, i, bad.contains({i}) ? 1u : 0u})
      for (int shift = 24; shift >= 0; shift -= 8) name.push_back(static_cast<std::uint8_t>(word >> shift));
    leaves.push_back(sha256(name));
  }
  return leaves;
}

swarm::LeafRoots Payload::roots(PieceIndex piece) {
  if (file_root_ == Sha256{}) file_root_ = *metainfo()->pieces_root();
  return {file_root_, metainfo()->piece_layer()[piece.value]};
}

swarm::Evidence Payload::evidence(PieceIndex piece, const BadBlocks& bad) {
  return {roots(piece), leaves(piece, bad)};
}

const std::shared_ptr<const meta::Metainfo>& Payload::metainfo() {
  if (metainfo_ != nullptr) return metainfo_;
  meta::PieceHashes hashes;
  hashes.sha1.resize(geometry_.pieces());
  for (std::uint32_t i = 0; i < geometry_.pieces(); ++i)
    hashes.layer.push_back(swarm::leaf_root(geometry_, leaves({i}, {})));
  metainfo_ = std::make_shared<const meta::Metainfo>(
      *meta::Metainfo::make("payload", geometry_.size(), geometry_.piece_length(), std::move(hashes)));
  return metainfo_;
}

}  // namespace p2p::sim
