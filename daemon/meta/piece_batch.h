// SPDX-License-Identifier: MIT
// Both hashes of several pieces at once. Their bytes come a part of each at a time, so that nobody has to
// hold whole pieces: hashing is fastest, and needs least memory, when the parts of all fit into a cache.
// Pure; one thread at a time.
#pragma once

#include <span>
#include <vector>

#include "daemon/base/sha1_lanes.h"
#include "daemon/meta/metainfo.h"

namespace p2p::meta {

class PieceBatch {
 public:
  static constexpr std::size_t kPiecesMax = kSha1LanesMax;
  // Between the bytes of pieces that lie side by side in memory: those at the same place of a page push each
  // other out of the first cache.
  static constexpr std::size_t kGapBytes = 4 * Sha1State::kStepBytes;

  // `count` pieces; `whole_file` says that the file is one piece alone.
  PieceBatch(std::size_t count, std::uint32_t piece_length, bool whole_file);

  // The next bytes of each piece: whole blocks, but at the end of a piece. Empty where nothing more comes.
  void update(std::span<const ByteSpan> parts);
  // Of the pieces as far as they have come; nothing may come after it. A piece without a byte has none.
  std::vector<PieceDigest> digests() const;

 private:
  std::uint32_t piece_length_;
  bool whole_file_;
  std::vector<Sha1State> sha1_;
  std::vector<std::vector<Sha256>> leaves_;
};

// The same of pieces in memory.
std::vector<PieceDigest> hash_pieces(std::span<const ByteSpan> pieces, std::uint32_t piece_length,
                                     bool whole_file);

}  // namespace p2p::meta
