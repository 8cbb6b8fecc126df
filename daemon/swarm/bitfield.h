// SPDX-License-Identifier: MIT
// A set of pieces out of a fixed number, with its count. The wire form is BEP 3's: most significant bit
// first, spare bits zero.
#pragma once

#include <optional>
#include <vector>

#include "daemon/base/bytes.h"
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
  bool has(PieceIndex piece) const;
  bool set(PieceIndex piece);    // true if it was not in the set
  bool clear(PieceIndex piece);  // true if it was in the set
  Bytes to_wire() const;

 private:
  std::uint32_t size_;
  std::uint32_t count_;
  std::vector<std::uint8_t> bits_;  // in wire order
};

}  // namespace p2p::swarm
