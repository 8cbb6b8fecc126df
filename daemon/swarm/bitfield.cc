// SPDX-License-Identifier: MIT
#include "daemon/swarm/bitfield.h"

#include <bit>

namespace p2p::swarm {

namespace {

constexpr std::uint32_t kWordBits = 64;
constexpr std::uint32_t kLineBits = 512;

std::uint32_t divide_up(std::uint32_t count, std::uint32_t unit) {
  return count / unit + (count % unit == 0 ? 0 : 1);
}

std::uint64_t mask_of(std::uint32_t bit) { return std::uint64_t{1} << (kWordBits - 1 - bit % kWordBits); }

// This bit of its word and all behind it.
std::uint64_t mask_from(std::uint32_t bit) { return ~std::uint64_t{0} >> bit % kWordBits; }

std::uint32_t first_bit(std::uint64_t word) { return static_cast<std::uint32_t>(std::countl_zero(word)); }

// Where byte i of the wire form is in its word.
std::uint32_t shift_of(std::uint32_t byte) { return kWordBits - 8 - byte % 8 * 8; }

// The bits of the last byte that stand for no piece.
std::uint8_t spare_mask(std::uint32_t size) {
  return size % 8 == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(0xffu >> (size % 8));
}

}  // namespace

Bitfield::Bitfield(std::uint32_t size, bool filled)
    : size_(size),
      count_(filled ? size : 0),
      lines_(divide_up(size, kLineBits)),
      occupied_(divide_up(divide_up(size, kLineBits), kWordBits)) {
  if (!filled) return;
  for (std::uint32_t i = 0; i < size; i += kWordBits)
    word_of(i) = size - i < kWordBits ? ~mask_from(size) : ~std::uint64_t{0};
  for (std::uint32_t i = 0; i < lines_.size(); ++i) occupied_[i / kWordBits] |= mask_of(i);
}

std::optional<Bitfield> Bitfield::from_wire(std::uint32_t size, ByteSpan bits) {
  if (bits.size() != divide_up(size, 8)) return std::nullopt;
  if (!bits.empty() && (bits.back() & spare_mask(size)) != 0) return std::nullopt;
  Bitfield field(size);
  for (std::uint32_t i = 0; i < bits.size(); ++i) {
    if (bits[i] == 0) continue;
    field.word_of(i * 8) |= std::uint64_t{bits[i]} << shift_of(i);
    field.count_ += static_cast<std::uint32_t>(std::popcount(bits[i]));
    const auto line = i * 8 / kLineBits;
    field.occupied_[line / kWordBits] |= mask_of(line);
  }
  return field;
}

bool Bitfield::set(PieceIndex piece) {
  if (has(piece)) return false;
  const auto line = piece.value / kLineBits;
  word_of(piece.value) |= mask_of(piece.value);
  occupied_[line / kWordBits] |= mask_of(line);
  ++count_;
  return true;
}

bool Bitfield::clear(PieceIndex piece) {
  if (!has(piece)) return false;
  const auto line = piece.value / kLineBits;
  word_of(piece.value) &= ~mask_of(piece.value);
  if (lines_[line] == Line{}) occupied_[line / kWordBits] &= ~mask_of(line);
  --count_;
  return true;
}

std::optional<PieceIndex> Bitfield::first_common(const Bitfield& other, std::uint32_t begin,
                                                 std::uint32_t end) const {
  CHECK(size_ == other.size_ && end <= size_);
  if (begin >= end) return std::nullopt;
  const auto first_line = begin / kLineBits;
  const auto last_line = (end - 1) / kLineBits;
  for (auto group = first_line / kWordBits; group <= last_line / kWordBits; ++group) {
    auto both = occupied_[group] & other.occupied_[group];
    if (group == first_line / kWordBits) both &= mask_from(first_line);
    for (; both != 0; both &= ~mask_of(first_bit(both))) {
      const auto line = group * kWordBits + first_bit(both);
      Line common;
      std::uint64_t any = 0;
      for (std::uint32_t i = 0; i < common.size(); ++i)
        any |= common[i] = lines_[line][i] & other.lines_[line][i];
      if (any == 0) continue;
      for (auto word = line == first_line ? begin / kWordBits % 8 : 0; word < common.size(); ++word) {
        const auto from = line * kLineBits + word * kWordBits;
        if (from < begin) common[word] &= mask_from(begin);
        if (common[word] == 0) continue;
        const auto found = from + first_bit(common[word]);
        return found < end ? std::optional(PieceIndex{found}) : std::nullopt;
      }
    }
  }
  return std::nullopt;
}

Bytes Bitfield::to_wire() const {
  Bytes bits(divide_up(size_, 8));
  for (std::uint32_t i = 0; i < bits.size(); ++i)
    bits[i] = static_cast<std::uint8_t>(word_of(i * 8) >> shift_of(i));
  return bits;
}

}  // namespace p2p::swarm
