// SPDX-License-Identifier: MIT
// The arithmetic of pieces and blocks of one file, and nothing else. Every offset in the program goes
// through here: 64-bit, checked, no caller multiplies a piece index by itself.
//
// Invariants: piece length is a power of two in [kPieceBytesMin, kPieceBytesMax]; size at most
// kFileBytes; pieces = ceil(size / piece length), at most kPieces; only the last piece and its last block
// may be short.
// An empty file has no pieces.
#pragma once

#include <cstdint>

#include "daemon/base/ids.h"
#include "daemon/base/result.h"

namespace p2p::meta {

class Geometry {
 public:
  // Code::InvalidArgument when a bound above is broken.
  static Result<Geometry> make(std::uint64_t size, std::uint32_t piece_length);

  // The piece length for a new share: the smallest allowed one that gives fewer than 4,096 pieces.
  static std::uint32_t piece_length_for(std::uint64_t size);

  std::uint64_t size() const { return size_; }
  std::uint32_t piece_length() const { return piece_length_; }
  std::uint32_t pieces() const { return pieces_; }
  bool contains(PieceIndex piece) const { return piece.value < pieces_; }

  // All below: piece must exist.
  std::uint32_t piece_bytes(PieceIndex piece) const;
  std::uint64_t piece_offset(PieceIndex piece) const;
  std::uint32_t blocks(PieceIndex piece) const;
  std::uint32_t block_begin(BlockIndex block) const;  // within the piece
  std::uint32_t block_bytes(PieceIndex piece, BlockIndex block) const;
  // Is [begin, begin + length) inside the piece and not empty? Safe for any input, also a piece that
  // does not exist.
  bool spans(PieceIndex piece, std::uint32_t begin, std::uint32_t length) const;

 private:
  Geometry(std::uint64_t size, std::uint32_t piece_length, std::uint32_t pieces)
      : size_(size), piece_length_(piece_length), pieces_(pieces) {}
  std::uint64_t size_;
  std::uint32_t piece_length_;
  std::uint32_t pieces_;
};

}  // namespace p2p::meta
