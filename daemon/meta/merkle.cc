// SPDX-License-Identifier: MIT
#include "daemon/meta/merkle.h"

#include <algorithm>
#include <array>
#include <bit>

#include "daemon/base/check.h"
#include "daemon/base/digest.h"
#include "daemon/base/digest_batch.h"
#include "daemon/base/limits.h"

namespace p2p::meta {
namespace {

Sha256 parent(const Sha256& left, const Sha256& right) {
  std::array<std::uint8_t, 2 * Sha256::kSize> both;
  std::copy(left.bytes.begin(), left.bytes.end(), both.begin());
  std::copy(right.bytes.begin(), right.bytes.end(), both.begin() + Sha256::kSize);
  return sha256(both);
}

}  // namespace

Sha256 zero_root(std::uint32_t leaves) {
  CHECK(std::has_single_bit(leaves));
  Sha256 root;
  for (; leaves > 1; leaves /= 2) root = parent(root, root);
  return root;
}

Sha256 merkle_root(std::span<const Sha256> nodes, std::uint64_t width, const Sha256& padding) {
  CHECK(std::has_single_bit(width) && nodes.size() <= width);
  std::vector<Sha256> level(nodes.begin(), nodes.end());
  std::vector<ByteSpan> pairs;
  Sha256 pad = padding;
  for (; width > 1; width /= 2) {
    if (level.size() % 2 != 0) level.push_back(pad);
    // Nodes that stand side by side are already what their parent is the hash of.
    static_assert(sizeof(Sha256) == Sha256::kSize);
    pairs.clear();
    for (std::size_t i = 0; i < level.size(); i += 2)
      pairs.emplace_back(level[i].bytes.data(), 2 * Sha256::kSize);
    std::vector<Sha256> above(pairs.size());
    sha256_batch(pairs, above);
    level = std::move(above);
    pad = parent(pad, pad);
  }
  return level.empty() ? pad : level[0];
}

std::vector<Sha256> leaf_hashes(ByteSpan bytes) {
  std::vector<ByteSpan> blocks;
  blocks.reserve((bytes.size() + limits::kBlockBytes - 1) / limits::kBlockBytes);
  while (!bytes.empty()) {
    blocks.push_back(bytes.first(std::min<std::size_t>(bytes.size(), limits::kBlockBytes)));
    bytes = bytes.subspan(blocks.back().size());
  }
  std::vector<Sha256> leaves(blocks.size());
  sha256_batch(blocks, leaves);
  return leaves;
}

Sha256 piece_root(ByteSpan piece, std::uint32_t piece_length, bool whole_file) {
  CHECK(!piece.empty() && piece.size() <= piece_length);
  return piece_root(leaf_hashes(piece), piece_length, whole_file);
}

Sha256 piece_root(std::span<const Sha256> leaves, std::uint32_t piece_length, bool whole_file) {
  const std::uint64_t width =
      whole_file ? std::bit_ceil(leaves.size()) : std::uint64_t{piece_length} / limits::kBlockBytes;
  return merkle_root(leaves, width, Sha256{});
}

Sha256 file_root(std::span<const Sha256> layer, std::uint32_t piece_length) {
  CHECK(!layer.empty());
  return merkle_root(layer, std::bit_ceil(layer.size()), zero_root(piece_length / limits::kBlockBytes));
}

}  // namespace p2p::meta
