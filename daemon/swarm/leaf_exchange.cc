// SPDX-License-Identifier: MIT
#include "daemon/swarm/leaf_exchange.h"

#include <algorithm>
#include <bit>

#include "daemon/base/check.h"
#include "daemon/meta/merkle.h"

namespace p2p::swarm {

std::uint32_t leaf_width(const meta::Geometry& geometry) {
  if (geometry.pieces() == 1) return std::bit_ceil(geometry.blocks({0}));
  return geometry.piece_length() / limits::kBlockBytes;
}

std::vector<wire::HashRange> leaf_ranges(const meta::Geometry& geometry, const Sha256& file_root,
                                         PieceIndex piece) {
  const auto width = leaf_width(geometry);
  const auto length = std::min(width, limits::kHashesPerMessage);
  std::vector<wire::HashRange> ranges;
  for (std::uint32_t at = 0; at < width; at += length)
    ranges.push_back({file_root, 0, piece.value * width + at, length, 0});
  return ranges;
}

Sha256 leaf_root(const meta::Geometry& geometry, std::span<const Sha256> leaves) {
  return meta::merkle_root(leaves, leaf_width(geometry), Sha256{});
}

wire::Hashes leaves_answer(const wire::HashRange& range, const meta::Geometry& geometry,
                           std::span<const Sha256> leaves) {
  wire::Hashes answer{range, {}};
  answer.hashes.reserve(std::size_t{range.length} * Sha256::kSize);
  const auto begin = range.index % leaf_width(geometry);
  for (std::size_t i = begin; i < std::size_t{begin} + range.length; ++i) {
    const auto leaf = i < leaves.size() ? leaves[i] : Sha256{};
    answer.hashes.insert(answer.hashes.end(), leaf.bytes.begin(), leaf.bytes.end());
  }
  return answer;
}

LeafServer::LeafServer(std::shared_ptr<const meta::Metainfo> metainfo) : metainfo_(std::move(metainfo)) {}

std::optional<PieceIndex> LeafServer::admit(Asker& asker, const wire::HashRange& range, const Bitfield& have,
                                            TimePoint now) {
  if (asker.under_way >= limits::kLeafJobsPerLink || under_way_ >= limits::kLeafJobsPerShare)
    return std::nullopt;
  const auto width = leaf_width(metainfo_->geometry());
  const PieceIndex piece{range.index / width};
  if (!concerns(range) || range.proof_layers != 0 || !std::has_single_bit(range.length) ||
      range.length > std::min(width, limits::kHashesPerMessage) || range.index % range.length != 0 ||
      !metainfo_->geometry().contains(piece) || !have.has(piece))
    return std::nullopt;
  if (!root_) root_ = metainfo_->pieces_root();
  if (range.root != root_ || asker.answers.available(now) < 1) return std::nullopt;
  asker.answers.take(1, now);
  ++asker.under_way;
  ++under_way_;
  return piece;
}

void LeafServer::on_read(Asker* asker) {
  CHECK(under_way_ > 0);
  --under_way_;
  if (asker != nullptr) --asker->under_way;
}

}  // namespace p2p::swarm
