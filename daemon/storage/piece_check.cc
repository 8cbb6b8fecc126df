// SPDX-License-Identifier: MIT
#include "daemon/storage/piece_check.h"

#include <algorithm>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"

namespace p2p::storage {
namespace {

constexpr std::size_t kBufferBytes = 1 * limits::kMiB;  // of all pieces together

}  // namespace

std::vector<Result<meta::PieceDigest>> hash_pieces(const PayloadFile& file, const meta::Geometry& geometry,
                                                   std::span<const PieceIndex> pieces,
                                                   std::span<const std::span<std::uint8_t>> into) {
  CHECK(!pieces.empty() && pieces.size() <= meta::PieceBatch::kPiecesMax);
  const std::size_t step =
      std::max<std::size_t>(1, kBufferBytes / pieces.size() / limits::kBlockBytes) * limits::kBlockBytes;
  for (const auto piece : pieces) file.will_read(geometry.piece_offset(piece), geometry.piece_bytes(piece));
  Buffer memory(into.empty() ? pieces.size() * (step + meta::PieceBatch::kGapBytes) : 0);
  std::vector<Status> read(pieces.size());
  std::vector<ByteSpan> parts(pieces.size());
  meta::PieceBatch batch(pieces.size(), geometry.piece_length(), geometry.pieces() == 1);
  for (std::uint32_t at = 0; at < geometry.piece_length(); at += static_cast<std::uint32_t>(step)) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const std::size_t size = geometry.piece_bytes(pieces[i]);
      parts[i] = {};
      if (!read[i] || at >= size) continue;
      const auto bytes = std::min(step, size - at);
      const auto part = into.empty() ? memory.span().subspan(i * (step + meta::PieceBatch::kGapBytes), bytes)
                                     : into[i].subspan(at, bytes);
      read[i] = file.read(geometry.piece_offset(pieces[i]) + at, part);
      if (read[i]) parts[i] = part;
    }
    batch.update(parts);
  }
  const auto digests = batch.digests();
  std::vector<Result<meta::PieceDigest>> results;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (read[i]) results.emplace_back(digests[i]);
    else results.emplace_back(fail(read[i].error()));
  }
  return results;
}

std::vector<bool> check_pieces(const PayloadFile& file, const meta::Metainfo& metainfo,
                               std::span<const PieceIndex> pieces) {
  const auto hashed = hash_pieces(file, metainfo.geometry(), pieces);
  std::vector<bool> good(pieces.size());
  for (std::size_t i = 0; i < pieces.size(); ++i)
    good[i] = hashed[i] && hashed[i]->sha1 == metainfo.pieces_sha1()[pieces[i].value] &&
              hashed[i]->root == metainfo.piece_layer()[pieces[i].value];
  return good;
}

}  // namespace p2p::storage
