// SPDX-License-Identifier: MIT
// Both hashes of every piece of a file whose bytes come once, from front to back. The SHA-1 of a piece is a
// serial stream; so the bytes of several pieces are held back until their streams can move side by side:
// pieces that came first are further on. How many at a time follows from how much may be held.
//
// Bytes are borrowed, not copied: each addition stays where it is until released() has named it.
// Pure; one thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

#include "daemon/base/sha1_lanes.h"
#include "daemon/meta/metainfo.h"

namespace p2p::meta {

class PieceStream {
 public:
  // Holds about `held_bytes_max` back. Where nothing is gained by holding (see sha1_lanes.h), zero is best.
  PieceStream(const Geometry& geometry, std::size_t held_bytes_max);

  // The next bytes of the file, whole blocks but at its end, and the SHA-256 of each block.
  void add(ByteSpan bytes, std::span<const Sha256> leaves);
  // The additions, counted from zero, that have ceased to be needed since the last call.
  std::vector<std::size_t> take_released();
  std::uint32_t pieces_done() const { return pieces_done_; }
  PieceHashes take_hashes();  // when all bytes have come

 private:
  struct Part {
    ByteSpan bytes;
    std::size_t addition;
  };
  struct Lane {
    PieceIndex piece;
    std::uint32_t to_come = 0;  // bytes of the piece
    Sha1State sha1 = {};
    std::vector<Sha256> leaves = {};
    std::deque<Part> parts = {};
  };
  void begin_piece();
  void step();
  void end_piece(const Lane& lane);

  Geometry geometry_;
  std::size_t held_bytes_max_;
  PieceHashes hashes_;
  std::vector<Lane> lanes_;
  std::uint32_t next_piece_ = 0;
  std::uint32_t pieces_done_ = 0;
  std::size_t held_bytes_ = 0;
  std::size_t additions_ = 0;
  std::map<std::size_t, std::size_t> bytes_left_;  // of each addition that is still needed
  std::vector<std::size_t> released_;
};

}  // namespace p2p::meta
