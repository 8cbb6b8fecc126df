// SPDX-License-Identifier: MIT
// The SHA-256 hash tree of a file (BEP 52): leaves are the hashes of its 16 KiB blocks, the last one
// short; what is missing to a power of two are leaves of 32 zero bytes (zero hashes, not hashes of zero
// blocks). Thread: safe on any.
#pragma once

#include <span>
#include <vector>

#include "daemon/base/ids.h"

namespace p2p::meta {

// The root of a tree of `leaves` zero leaves, a power of two.
Sha256 zero_root(std::uint32_t leaves);

// The root over `nodes`, followed by as many `padding` as make `width`, a power of two not below their
// number. Costs about one hash per node; padding costs one per level.
Sha256 merkle_root(std::span<const Sha256> nodes, std::uint64_t width, const Sha256& padding);

// The leaf hashes of bytes that begin at a block.
std::vector<Sha256> leaf_hashes(ByteSpan bytes);

// The root of one piece: its leaves padded to a full piece, or, for a file that is this piece alone, to
// their own next power of two. `piece` is not empty. Either from its bytes or from its leaves.
Sha256 piece_root(ByteSpan piece, std::uint32_t piece_length, bool whole_file);
Sha256 piece_root(std::span<const Sha256> leaves, std::uint32_t piece_length, bool whole_file);

// The pieces root of a file from its layer of piece roots, which is not empty. The layer of one piece is
// the root itself.
Sha256 file_root(std::span<const Sha256> layer, std::uint32_t piece_length);

}  // namespace p2p::meta
