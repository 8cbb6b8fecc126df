// SPDX-License-Identifier: MIT
#include "daemon/swarm/bitfield.h"

#include <bit>

#include "daemon/base/check.h"

namespace p2p::swarm {

namespace {

std::size_t bytes_for(std::uint32_t size) { return (std::size_t{size} + 7) / 8; }

std::uint8_t mask_of(PieceIndex piece) { return static_cast<std::uint8_t>(0x80u >> (piece.value & 7u)); }

// The bits of the last byte that stand for no piece.
std::uint8_t spare_mask(std::uint32_t size) {
  return size % 8 == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(0xffu >> (size % 8));
}

}  // namespace

Bitfield::Bitfield(std::uint32_t size, bool filled)
    : size_(size), count_(filled ? size : 0), bits_(bytes_for(size), filled ? 0xff : 0x00) {
  if (filled && !bits_.empty()) bits_.back() = static_cast<std::uint8_t>(bits_.back() & ~spare_mask(size));
}

std::optional<Bitfield> Bitfield::from_wire(std::uint32_t size, ByteSpan bits) {
  if (bits.size() != bytes_for(size)) return std::nullopt;
  if (!bits.empty() && (bits.back() & spare_mask(size)) != 0) return std::nullopt;
  Bitfield field(size);
  field.bits_.assign(bits.begin(), bits.end());
  for (const auto byte : bits) field.count_ += static_cast<std::uint32_t>(std::popcount(byte));
  return field;
}

bool Bitfield::has(PieceIndex piece) const {
  CHECK(piece.value < size_);
  return (bits_[piece.value / 8] & mask_of(piece)) != 0;
}

bool Bitfield::set(PieceIndex piece) {
  if (has(piece)) return false;
  auto& byte = bits_[piece.value / 8];
  byte = static_cast<std::uint8_t>(byte | mask_of(piece));
  ++count_;
  return true;
}

bool Bitfield::clear(PieceIndex piece) {
  if (!has(piece)) return false;
  auto& byte = bits_[piece.value / 8];
  byte = static_cast<std::uint8_t>(byte & ~mask_of(piece));
  --count_;
  return true;
}

Bytes Bitfield::to_wire() const { return bits_; }

}  // namespace p2p::swarm
