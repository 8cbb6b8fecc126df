// SPDX-License-Identifier: MIT
#include "daemon/meta/geometry.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"

namespace p2p::meta {
namespace {

constexpr std::uint64_t kPiecesAimed = 4096;

// Neither can overflow: a size is at most 2^44, a piece length at most 2^24.
std::uint64_t divide_up(std::uint64_t bytes, std::uint64_t unit) { return (bytes + unit - 1) / unit; }

static_assert(std::has_single_bit(limits::kPieceBytesMin) && std::has_single_bit(limits::kPieceBytesMax));
static_assert(limits::kPieceBytesMin % limits::kBlockBytes == 0);
static_assert(limits::kFileBytes / limits::kPieceBytesMax <= limits::kPieces);

}  // namespace

Result<Geometry> Geometry::make(std::uint64_t size, std::uint32_t piece_length) {
  if (!std::has_single_bit(piece_length) || piece_length < limits::kPieceBytesMin ||
      piece_length > limits::kPieceBytesMax)
    return fail(Code::InvalidArgument,
                fmt::format("{} is not a piece length: a power of two from {} to {} is needed", piece_length,
                            limits::kPieceBytesMin, limits::kPieceBytesMax));
  if (size > limits::kFileBytes)
    return fail(Code::InvalidArgument,
                fmt::format("a file of {} bytes is over the limit of {}", size, limits::kFileBytes));
  const auto pieces = divide_up(size, piece_length);
  if (pieces > limits::kPieces)
    return fail(Code::InvalidArgument,
                fmt::format("{} pieces are over the limit of {}", pieces, limits::kPieces));
  return Geometry(size, piece_length, static_cast<std::uint32_t>(pieces));
}

std::uint32_t Geometry::piece_length_for(std::uint64_t size) {
  std::uint32_t length = limits::kPieceBytesMin;
  // Asked with the smaller side multiplied, so that any size is safe.
  while (length < limits::kPieceBytesMax && size > (kPiecesAimed - 1) * length) length *= 2;
  return length;
}

std::uint32_t Geometry::piece_bytes(PieceIndex piece) const {
  CHECK(contains(piece));
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(piece_length_, size_ - piece_offset(piece)));
}

std::uint64_t Geometry::piece_offset(PieceIndex piece) const {
  CHECK(contains(piece));
  return std::uint64_t{piece.value} * piece_length_;
}

std::uint32_t Geometry::blocks(PieceIndex piece) const {
  return static_cast<std::uint32_t>(divide_up(piece_bytes(piece), limits::kBlockBytes));
}

std::uint32_t Geometry::block_begin(BlockIndex block) const {
  CHECK(block.value < piece_length_ / limits::kBlockBytes);
  return block.value * limits::kBlockBytes;
}

std::uint32_t Geometry::block_bytes(PieceIndex piece, BlockIndex block) const {
  CHECK(block.value < blocks(piece));
  return std::min(limits::kBlockBytes, piece_bytes(piece) - block_begin(block));
}

bool Geometry::spans(PieceIndex piece, std::uint32_t begin, std::uint32_t length) const {
  if (!contains(piece) || length == 0) return false;
  return std::uint64_t{begin} + length <= piece_bytes(piece);
}

}  // namespace p2p::meta
