// SPDX-License-Identifier: MIT
// How many incomplete sessions have each piece, and the missing pieces in the order of that number. It does
// not know who has what, nor what becomes of a piece that is not missing.
//
// All pieces lie in one array, band after band; band r holds those that r sessions have, the missing ones in
// front and in random order, then the others. A piece that moves to the next band, or within its band from
// the missing to the others, costs one swap and one boundary for each boundary that it crosses, two at most
// (the structure of libtorrent's piece picker). So add(), remove() and set_missing() do not depend on the
// number of pieces, nor does a session that has everything: it moves all bands by one. Only a bitfield with
// more than one piece in kFewPart is counted first and sorted in by the next settle(), O(pieces).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/random.h"
#include "daemon/swarm/bitfield.h"

namespace p2p::swarm {

class RarityOrder {
 public:
  static constexpr std::uint32_t kFewPart = 8;

  // No session has anything yet. `random` must outlive this.
  RarityOrder(const Bitfield& have, Random& random);

  // --- counting ------------------------------------------------------------------------------------
  void add(PieceIndex piece);     // one more session has it
  void remove(PieceIndex piece);  // ... and one less
  void add_all(const Bitfield& pieces);
  void remove_all(const Bitfield& pieces);
  std::uint32_t peers(PieceIndex piece) const { return peers_of(entries_[piece.value]); }
  void set_missing(PieceIndex piece, bool missing);

  // --- the order -----------------------------------------------------------------------------------
  void settle() {
    if (!settled_) sort();
  }
  // After settle():
  std::uint32_t bands() const { return static_cast<std::uint32_t>(part_end_.size()) / 2; }
  // Numbers of missing pieces that so many sessions have. Valid until anything changes.
  std::span<const std::uint32_t> missing(std::uint32_t band) const {
    return {order_.data() + part_begin(2 * band), order_.data() + part_end_[2 * band]};
  }

  // For tests.
  void check_invariants(const Bitfield& missing) const;

 private:
  struct Entry {
    std::uint32_t position = 0;  // in order_
    std::uint16_t peers = 0;     // less those in everywhere_
    bool missing = true;
  };
  // Of two parts a band consists: even numbers are the missing ones, odd numbers the others.
  std::uint16_t peers_of(const Entry& entry) const {
    return static_cast<std::uint16_t>(entry.peers + everywhere_);
  }
  std::size_t part_of(const Entry& entry) const {
    return std::size_t{peers_of(entry)} * 2 + (entry.missing ? 0 : 1);
  }
  std::uint32_t part_begin(std::size_t part) const { return part == 0 ? 0 : part_end_[part - 1]; }
  void place(std::uint32_t piece, std::uint32_t position);
  void swap_positions(std::uint32_t one, std::uint32_t other);
  void move(Entry& entry, std::size_t from, std::size_t to);
  void sort();

  Random& random_;
  std::vector<Entry> entries_;
  // Added to every count, modulo 2^16: sessions that had all pieces when they came or went.
  std::uint16_t everywhere_ = 0;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> part_end_;  // in order_; never empty
  bool settled_ = false;                 // order_ fits the counts
};

}  // namespace p2p::swarm
