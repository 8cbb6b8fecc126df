// SPDX-License-Identifier: MIT
// A set of pieces out of a fixed number, with its count. The wire form is BEP 3's: most significant bit
// first, spare bits zero.
//
// Pieces are kept 512 to a line, which is what a processor fetches at a time, and one bit says of each line
// whether anything is in it: so what two sets have in common is found without a look at the lines that are
// empty in either.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/check.h"
#include "daemon/base/ids.h"

namespace p2p::swarm {

class Bitfield {
 public:
  explicit Bitfield(std::uint32_t size = 0, bool filled = false);
  // Nothing when the length is wrong or a spare bit is set.
  static std::optional<Bitfield> from_wire(std::uint32_t size, ByteSpan bits);

  std::uint32_t size() const { return size_; }
  std::uint32_t count() const { return count_; }
  bool all() const { return count_ == size_; }
  bool none() const { return count_ == 0; }
  bool has(PieceIndex piece) const {
    CHECK(piece.value < size_);
    return (word_of(piece.value) >> (63 - piece.value % 64) & 1) != 0;
  }
  bool set(PieceIndex piece);    // true if it was not in the set
  bool clear(PieceIndex piece);  // true if it was in the set
  // The first piece in [begin, end) that is in both sets, which are of one size. Takes a step for every line
  // in which both sets have something, and one for every 64 lines.
  std::optional<PieceIndex> first_common(const Bitfield& other, std::uint32_t begin, std::uint32_t end) const;
  Bytes to_wire() const;

 private:
  using Line = std::array<std::uint64_t, 8>;
  std::uint64_t& word_of(std::uint32_t piece) { return lines_[piece / 512][piece / 64 % 8]; }
  const std::uint64_t& word_of(std::uint32_t piece) const { return lines_[piece / 512][piece / 64 % 8]; }

  std::uint32_t size_;
  std::uint32_t count_;
  std::vector<Line> lines_;              // of each word the first piece is the highest bit
  std::vector<std::uint64_t> occupied_;  // lines with anything in them, in the same order of bits
};

}  // namespace p2p::swarm
