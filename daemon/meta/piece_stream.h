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
#include <optional>
#include <span>
#include <vector>

#include "daemon/base/sha1_lanes.h"
#include "daemon/meta/metainfo.h"

namespace p2p::meta {

// What is known of the first bytes of a file: enough to go on behind them.
struct HashCheckpoint {
  std::uint64_t bytes = 0;  // whole pieces
  Sha1State whole = {};     // the SHA-1 of the file, as far as there
  PieceHashes pieces = {};
};

class PieceStream {
 public:
  // Holds about `held_bytes_max` back. Where nothing is gained by holding (see sha1_lanes.h), zero is best.
  // `known`: of the first pieces, whose bytes do not come.
  PieceStream(const Geometry& geometry, std::size_t held_bytes_max, PieceHashes known = {});

  // The next bytes of the file, whole blocks but at its end, and the SHA-256 of each block.
  void add(ByteSpan bytes, std::span<const Sha256> leaves);
  // The additions, counted from zero, that have ceased to be needed since the last call.
  std::vector<std::size_t> take_released();
  std::uint32_t pieces_done() const { return pieces_done_; }
  // The hashes of these pieces, in their order; nothing while one of them is not done.
  std::optional<PieceHashes> hashes_of(std::uint32_t begin, std::uint32_t end) const;
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
