// SPDX-License-Identifier: MIT
#include "daemon/meta/piece_batch.h"

#include <algorithm>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/meta/merkle.h"

namespace p2p::meta {
namespace {

constexpr std::size_t kPartBytes = 64 * limits::kKiB;

}  // namespace

PieceBatch::PieceBatch(std::size_t count, std::uint32_t piece_length, bool whole_file)
    : piece_length_(piece_length), whole_file_(whole_file), sha1_(count), leaves_(count) {
  CHECK(count <= kPiecesMax);
}

void PieceBatch::update(std::span<const ByteSpan> parts) {
  CHECK(parts.size() == sha1_.size());
  std::vector<ByteSpan> blocks;
  for (auto rest : parts)
    while (!rest.empty()) {
      blocks.push_back(rest.first(std::min<std::size_t>(rest.size(), limits::kBlockBytes)));
      rest = rest.subspan(blocks.back().size());
    }
  std::vector<Sha256> leaves(blocks.size());
  sha256_batch(blocks, leaves);
  auto next = leaves.begin();
  std::vector<Sha1State*> streams;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto end =
        next + static_cast<std::ptrdiff_t>((parts[i].size() + limits::kBlockBytes - 1) / limits::kBlockBytes);
    leaves_[i].insert(leaves_[i].end(), next, end);
    next = end;
    streams.push_back(&sha1_[i]);
  }
  update_side_by_side(streams, parts);
}

std::vector<PieceDigest> PieceBatch::digests() const {
  std::vector<PieceDigest> all(sha1_.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (leaves_[i].empty()) continue;
    all[i] = {sha1_[i].digest(), piece_root(leaves_[i], piece_length_, whole_file_)};
  }
  return all;
}

std::vector<PieceDigest> hash_pieces(std::span<const ByteSpan> pieces, std::uint32_t piece_length,
                                     bool whole_file) {
  PieceBatch batch(pieces.size(), piece_length, whole_file);
  std::vector<ByteSpan> left(pieces.begin(), pieces.end());
  // One piece alone goes in parts that give its leaves enough company.
  const std::size_t part = pieces.size() < 4 ? 4 * kPartBytes : kPartBytes;
  for (bool more = true; more;) {
    std::vector<ByteSpan> parts;
    more = false;
    for (auto& rest : left) {
      parts.push_back(rest.first(std::min(part, rest.size())));
      rest = rest.subspan(parts.back().size());
      more = more || !rest.empty();
    }
    batch.update(parts);
  }
  return batch.digests();
}

}  // namespace p2p::meta
