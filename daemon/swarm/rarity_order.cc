// SPDX-License-Identifier: MIT
#include "daemon/swarm/rarity_order.h"

#include <algorithm>

#include "daemon/base/check.h"

namespace p2p::swarm {

namespace {

// Is it cheaper to move these pieces one by one than to sort all?
bool is_small(const Bitfield& pieces) { return pieces.count() <= pieces.size() / RarityOrder::kFewPart; }

template <class Action>
void for_each(const Bitfield& pieces, Action&& act) {
  const auto end = pieces.size();
  for (auto piece = pieces.first_common(pieces, 0, end); piece;
       piece = pieces.first_common(pieces, piece->value + 1, end))
    act(*piece);
}

}  // namespace

RarityOrder::RarityOrder(const Bitfield& have, Random& random)
    : random_(random), entries_(have.size()), order_(have.size()) {
  for (std::uint32_t i = 0; i < have.size(); ++i) entries_[i].missing = !have.has({i});
  sort();
}

// --- counting ----------------------------------------------------------------------------------------

void RarityOrder::add(PieceIndex piece) {
  auto& entry = entries_[piece.value];
  const auto part = part_of(entry);
  ++entry.peers;
  if (settled_) move(entry, part, part + 2);
}

void RarityOrder::remove(PieceIndex piece) {
  auto& entry = entries_[piece.value];
  CHECK(peers_of(entry) > 0);
  const auto part = part_of(entry);
  --entry.peers;
  if (settled_) move(entry, part, part - 2);
}

void RarityOrder::add_all(const Bitfield& pieces) {
  if (pieces.none()) return;
  if (pieces.all()) {
    ++everywhere_;
    part_end_.insert(part_end_.begin(), {0, 0});
    return;
  }
  if (!is_small(pieces)) settled_ = false;
  for_each(pieces, [this](PieceIndex piece) { add(piece); });
}

void RarityOrder::remove_all(const Bitfield& pieces) {
  if (pieces.none()) return;
  if (pieces.all()) {
    --everywhere_;
    // The band of the pieces that nobody had is empty.
    if (settled_) part_end_.erase(part_end_.begin(), part_end_.begin() + 2);
    return;
  }
  if (!is_small(pieces)) settled_ = false;
  for_each(pieces, [this](PieceIndex piece) { remove(piece); });
}

void RarityOrder::set_missing(PieceIndex piece, bool missing) {
  auto& entry = entries_[piece.value];
  const auto part = part_of(entry);
  entry.missing = missing;
  if (settled_) move(entry, part, part_of(entry));
}

// --- the order ---------------------------------------------------------------------------------------

void RarityOrder::place(std::uint32_t piece, std::uint32_t position) {
  order_[position] = piece;
  entries_[piece].position = position;
}

void RarityOrder::swap_positions(std::uint32_t one, std::uint32_t other) {
  const auto first = order_[one];
  const auto second = order_[other];
  place(second, one);
  place(first, other);
}

void RarityOrder::move(Entry& entry, std::size_t from, std::size_t to) {
  while (part_end_.size() <= to) part_end_.insert(part_end_.end(), 2, part_end_.back());
  for (; from < to; ++from) swap_positions(entry.position, --part_end_[from]);
  for (; from > to; --from) swap_positions(entry.position, part_end_[from - 1]++);
  if (!entry.missing) return;
  const auto begin = part_begin(to);
  swap_positions(entry.position, begin + static_cast<std::uint32_t>(random_.below(part_end_[to] - begin)));
}

void RarityOrder::sort() {
  std::vector<std::uint32_t> mixed;
  mixed.reserve(entries_.size());
  std::size_t bands = 1;
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].missing) mixed.push_back(i);
    bands = std::max<std::size_t>(bands, std::size_t{peers_of(entries_[i])} + 1);
  }
  random_.shuffle(mixed);
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].missing) mixed.push_back(i);
  }
  part_end_.assign(2 * bands, 0);
  for (const auto& entry : entries_) ++part_end_[part_of(entry)];
  for (std::size_t part = 1; part < part_end_.size(); ++part) part_end_[part] += part_end_[part - 1];
  // Counting sort, backwards: next[part] is one past the place to fill.
  auto next = part_end_;
  for (const auto piece : mixed) place(piece, --next[part_of(entries_[piece])]);
  settled_ = true;
}

void RarityOrder::check_invariants(const Bitfield& missing) const {
  for (std::uint32_t i = 0; i < entries_.size(); ++i) CHECK(entries_[i].missing == missing.has({i}));
  if (!settled_) return;
  CHECK(part_end_.back() == order_.size() && part_end_.size() % 2 == 0);
  for (std::uint32_t i = 0; i < order_.size(); ++i) {
    const auto& entry = entries_[order_[i]];
    const auto part = part_of(entry);
    CHECK(entry.position == i && part < part_end_.size());
    CHECK(i >= part_begin(part) && i < part_end_[part]);
  }
}

}  // namespace p2p::swarm
