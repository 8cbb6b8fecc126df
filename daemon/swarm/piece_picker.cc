// SPDX-License-Identifier: MIT
#include "daemon/swarm/piece_picker.h"

#include <algorithm>
#include <utility>

#include "daemon/base/check.h"

namespace p2p::swarm {

PiecePicker::PiecePicker(const meta::Geometry& geometry, const Bitfield& have, std::uint32_t open_max,
                         Random& random)
    : geometry_(geometry), open_max_(open_max), random_(random), pieces_(geometry.pieces()) {
  CHECK(have.size() == geometry.pieces());
  stored_ = have.count();
  for (std::uint32_t i = 0; i < have.size(); ++i) {
    if (have.has(PieceIndex{i})) pieces_[i].state = State::Stored;
  }
  rebuild();
}

// --- availability ------------------------------------------------------------------------------------

void PiecePicker::add_peer(const Bitfield& pieces) {
  for (std::uint32_t i = 0; i < pieces.size(); ++i) {
    if (pieces.has(PieceIndex{i})) ++pieces_[i].peers;
  }
  dirty_ = true;
  ++generation_;
}

void PiecePicker::remove_peer(const Bitfield& pieces) {
  if (pieces.none()) return;
  for (std::uint32_t i = 0; i < pieces.size(); ++i) {
    if (pieces.has(PieceIndex{i})) --pieces_[i].peers;
  }
  dirty_ = true;
}

void PiecePicker::add_piece(PieceIndex piece) {
  auto& it = pieces_[piece.value];
  const std::size_t band = it.peers++;
  if (dirty_ || it.state != State::Missing) return;
  if (band_end_.size() == band + 1) band_end_.push_back(band_end_.back());
  swap_positions(it.position, band_end_[band] - 1);
  --band_end_[band];
  mix_into_band(it.position, band + 1);
}

void PiecePicker::remove_piece(PieceIndex piece) {
  auto& it = pieces_[piece.value];
  CHECK(it.peers > 0);
  const std::size_t band = it.peers--;
  if (dirty_ || it.state != State::Missing) return;
  swap_positions(it.position, band_begin(band));
  ++band_end_[band - 1];
  mix_into_band(it.position, band - 1);
}

std::uint32_t PiecePicker::missing_at_peers() {
  rebuild_if_dirty();
  return static_cast<std::uint32_t>(order_.size()) - band_end_[0];
}

void PiecePicker::place(std::uint32_t piece, std::uint32_t position) {
  order_[position] = piece;
  pieces_[piece].position = position;
}

void PiecePicker::swap_positions(std::uint32_t one, std::uint32_t other) {
  const auto first = order_[one];
  const auto second = order_[other];
  place(second, one);
  place(first, other);
}

void PiecePicker::mix_into_band(std::uint32_t position, std::size_t band) {
  const auto begin = band_begin(band);
  swap_positions(position, begin + static_cast<std::uint32_t>(random_.below(band_end_[band] - begin)));
}

// A new last place is made in every band above, from the rarest to the commonest last.
void PiecePicker::insert(PieceIndex piece) {
  ++generation_;
  if (dirty_) return;
  const std::size_t band = pieces_[piece.value].peers;
  while (band_end_.size() <= band) band_end_.push_back(band_end_.back());
  order_.push_back(piece.value);
  auto hole = static_cast<std::uint32_t>(order_.size() - 1);
  for (std::size_t above = band_end_.size() - 1; above > band; --above) {
    const auto begin = band_begin(above);
    if (begin != hole) place(order_[begin], hole);
    hole = begin;
    ++band_end_[above];
  }
  ++band_end_[band];
  place(piece.value, hole);
  mix_into_band(hole, band);
}

void PiecePicker::erase(PieceIndex piece) {
  if (dirty_) return;
  auto hole = pieces_[piece.value].position;
  for (std::size_t band = pieces_[piece.value].peers; band < band_end_.size(); ++band) {
    const auto last = --band_end_[band];
    if (last != hole) place(order_[last], hole);
    hole = last;
  }
  order_.pop_back();
}

void PiecePicker::rebuild() {
  std::vector<std::uint32_t> mixed;
  std::size_t bands = 1;
  for (std::uint32_t i = 0; i < pieces_.size(); ++i) {
    if (pieces_[i].state != State::Missing) continue;
    mixed.push_back(i);
    bands = std::max<std::size_t>(bands, std::size_t{pieces_[i].peers} + 1);
  }
  random_.shuffle(mixed);
  band_end_.assign(bands, 0);
  for (const auto piece : mixed) ++band_end_[pieces_[piece].peers];
  for (std::size_t band = 1; band < bands; ++band) band_end_[band] += band_end_[band - 1];
  // Counting sort, backwards: next[band] is one past the place to fill.
  auto next = band_end_;
  order_.resize(mixed.size());
  for (const auto piece : mixed) place(piece, --next[pieces_[piece].peers]);
  dirty_ = false;
}

// --- picking -----------------------------------------------------------------------------------------

std::optional<BlockRef> PiecePicker::pick(const Wish& wish) {
  rebuild_if_dirty();
  if (auto block = pick_begun(wish)) return block;
  if (open_.size() < open_max_ && wish.open_new) {
    if (auto block = pick_new(wish)) return block;
  }
  return free_blocks_ > 0 ? pick_shared(wish) : std::nullopt;
}

std::optional<BlockRef> PiecePicker::pick_begun(const Wish& wish) {
  if (free_blocks_ == 0) return std::nullopt;
  if (auto block = pick_open(wish, wish.session)) return block;
  return pick_open(wish, kNobody);
}

std::optional<BlockRef> PiecePicker::pick_piece(PieceIndex piece, SessionId session) {
  if (state(piece) != State::Missing || open_.size() >= open_max_) return std::nullopt;
  rebuild_if_dirty();
  start(piece);
  open(piece).owner = session;
  return take_free(open(piece), session);
}

// From an open piece of this owner; a piece without one gets the session for its owner.
std::optional<BlockRef> PiecePicker::pick_open(const Wish& wish, SessionId owner) {
  for (const auto slot : open_) {
    auto& piece = slots_[slot];
    if (piece.free == 0 || piece.owner != owner || !wish.pieces.has(piece.piece)) continue;
    if (owner == kNobody && wish.only_unshared && pieces_[piece.piece.value].peers > 0) continue;
    piece.owner = wish.session;
    return take_free(piece, wish.session);
  }
  return std::nullopt;
}

std::optional<BlockRef> PiecePicker::pick_shared(const Wish& wish) {
  for (const auto slot : open_) {
    auto& piece = slots_[slot];
    if (piece.free == 0 || piece.parole || !wish.pieces.has(piece.piece)) continue;
    if (wish.only_unshared && pieces_[piece.piece.value].peers > 0) continue;
    return take_free(piece, wish.session);
  }
  return std::nullopt;
}

std::optional<BlockRef> PiecePicker::pick_new(const Wish& wish) {
  // What an incomplete session has is at least in band 1.
  const std::uint32_t begin = wish.pieces.all() ? 0 : band_end_[0];
  const auto end = wish.only_unshared ? band_end_[0] : static_cast<std::uint32_t>(order_.size());
  if (begin >= end) return std::nullopt;
  const auto count = end - begin;
  const bool at_random = stored_ + open_.size() < kRandomPieces;
  const auto offset = at_random ? static_cast<std::uint32_t>(random_.below(count)) : 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const PieceIndex piece{order_[begin + (offset + i) % count]};
    if (!wish.pieces.has(piece)) continue;
    start(piece);
    open(piece).owner = wish.session;
    return take_free(open(piece), wish.session);
  }
  return std::nullopt;
}

BlockRef PiecePicker::take_free(OpenPiece& piece, SessionId session) {
  while (!piece.blocks[piece.first_free].is_free()) ++piece.first_free;
  const BlockIndex block{piece.first_free++};
  piece.blocks[block.value].first = session;
  --piece.free;
  --free_blocks_;
  return {piece.piece, block};
}

bool PiecePicker::all_requested() {
  rebuild_if_dirty();
  return order_.empty() && free_blocks_ == 0;
}

bool PiecePicker::request_again(BlockRef block, SessionId session, const Bitfield& pieces) {
  if (state(block.piece) != State::Open || !pieces.has(block.piece)) return false;
  auto& piece = open(block.piece);
  auto& it = piece.blocks[block.block.value];
  if (piece.parole || it.source != kNotReceived) return false;
  if (it.first == kNobody || it.second != kNobody || it.first == session) return false;
  it.second = session;
  return true;
}

// --- answers -----------------------------------------------------------------------------------------

void PiecePicker::release(BlockRef block, SessionId session) {
  if (state(block.piece) != State::Open) return;
  auto& piece = open(block.piece);
  auto& it = piece.blocks[block.block.value];
  if (it.second == session) {
    it.second = kNobody;
  } else if (it.first == session) {
    it.first = std::exchange(it.second, kNobody);
    if (it.first != kNobody) return;
    ++piece.free;
    ++free_blocks_;
    piece.first_free = std::min(piece.first_free, block.block.value);
    if (piece.free == piece.blocks.size() && !piece.kept_any) return_to_missing(block.piece);
  }
}

void PiecePicker::disown(SessionId session) {
  for (const auto slot : open_) {
    auto& piece = slots_[slot];
    if (piece.owner != session || state(piece.piece) != State::Open) continue;
    piece.owner = kNobody;
    // Another session would add a second contributor; it starts over.
    if (piece.parole) reset_blocks(piece);
  }
}

std::uint16_t PiecePicker::add_contributor(OpenPiece& piece, const DeviceId& device) {
  const auto known = std::find(piece.contributors.begin(), piece.contributors.end(), device);
  const auto index = static_cast<std::uint16_t>(known - piece.contributors.begin());
  if (known == piece.contributors.end()) piece.contributors.push_back(device);
  return index;
}

PiecePicker::Receipt PiecePicker::receive(BlockRef block, SessionId session, const DeviceId& device) {
  Receipt receipt;
  if (is_received(block)) return {.verdict = BlockVerdict::Duplicate};
  if (state(block.piece) != State::Open) return receipt;
  auto& piece = open(block.piece);
  auto& it = piece.blocks[block.block.value];
  if (piece.parole && it.first != session) return receipt;
  if (it.first == kNobody) {
    --piece.free;
    --free_blocks_;
  }
  std::size_t count = 0;
  for (auto* requester : {&it.first, &it.second}) {
    if (*requester != kNobody && *requester != session) receipt.others[count++] = *requester;
    *requester = kNobody;
  }
  it.source = add_contributor(piece, device);
  piece.kept_any = true;
  receipt.verdict = BlockVerdict::Keep;
  receipt.filled = ++piece.received == piece.blocks.size();
  if (receipt.filled) pieces_[block.piece.value].state = State::Filled;
  return receipt;
}

// --- pieces ------------------------------------------------------------------------------------------

bool PiecePicker::is_received(BlockRef block) const {
  switch (state(block.piece)) {
    case State::Missing: return false;
    case State::Open: return open(block.piece).blocks[block.block.value].source != kNotReceived;
    case State::Filled:
    case State::Stored: return true;
  }
  return false;
}

void PiecePicker::start(PieceIndex piece) {
  erase(piece);
  if (spare_slots_.empty()) {
    spare_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const auto slot = spare_slots_.back();
  spare_slots_.pop_back();
  open_.push_back(slot);
  pieces_[piece.value].state = State::Open;
  pieces_[piece.value].position = slot;

  auto& opened = slots_[slot];
  opened.piece = piece;
  opened.owner = kNobody;
  opened.parole = parole_.contains(piece);
  opened.kept_any = false;
  opened.free = geometry_.blocks(piece);
  opened.received = 0;
  opened.first_free = 0;
  opened.blocks.assign(opened.free, Block{});
  opened.contributors.clear();
  free_blocks_ += opened.free;
}

void PiecePicker::reset_blocks(OpenPiece& piece) {
  free_blocks_ -= piece.free;
  piece.free = static_cast<std::uint32_t>(piece.blocks.size());
  free_blocks_ += piece.free;
  piece.received = 0;
  piece.first_free = 0;
  piece.blocks.assign(piece.blocks.size(), Block{});
  piece.contributors.clear();
}

void PiecePicker::finish(PieceIndex piece, State state) {
  auto& it = pieces_[piece.value];
  CHECK(it.state == State::Open || it.state == State::Filled);
  const auto slot = it.position;
  open_.erase(std::find(open_.begin(), open_.end(), slot));
  spare_slots_.push_back(slot);
  it.state = state;
}

void PiecePicker::return_to_missing(PieceIndex piece) {
  free_blocks_ -= open(piece).free;
  finish(piece, State::Missing);
  insert(piece);
}

void PiecePicker::store(PieceIndex piece) {
  CHECK(state(piece) == State::Filled);
  finish(piece, State::Stored);
  parole_.erase(piece);
  ++stored_;
}

void PiecePicker::lose(PieceIndex piece) {
  CHECK(state(piece) == State::Filled);
  finish(piece, State::Missing);
  insert(piece);
}

void PiecePicker::fail(PieceIndex piece) {
  if (contributors(piece).size() > 1) parole_.insert(piece);
  lose(piece);
}

void PiecePicker::reopen(PieceIndex piece, const std::vector<BlockIndex>& bad_blocks) {
  CHECK(state(piece) == State::Filled && !bad_blocks.empty());
  pieces_[piece.value].state = State::Open;
  auto& it = open(piece);
  it.owner = kNobody;
  for (const auto block : bad_blocks) it.blocks.at(block.value) = Block{};
  const auto count = static_cast<std::uint32_t>(bad_blocks.size());
  it.free += count;
  free_blocks_ += count;
  it.received -= count;
  it.first_free = std::min_element(bad_blocks.begin(), bad_blocks.end())->value;
  // Whose blocks were all bad has no part in it any more.
  const auto all = std::exchange(it.contributors, {});
  for (auto& block : it.blocks)
    if (block.source != kNotReceived) block.source = add_contributor(it, all[block.source]);
}

void PiecePicker::withdraw(PieceIndex piece) {
  CHECK(state(piece) == State::Stored);
  pieces_[piece.value].state = State::Missing;
  --stored_;
  insert(piece);
}

const std::vector<DeviceId>& PiecePicker::contributors(PieceIndex piece) const {
  CHECK(state(piece) == State::Filled);
  return open(piece).contributors;
}

const DeviceId& PiecePicker::source(BlockRef block) const {
  CHECK(state(block.piece) == State::Filled);
  const auto& piece = open(block.piece);
  return piece.contributors[piece.blocks.at(block.block.value).source];
}

void PiecePicker::set_open_max(std::uint32_t count) {
  open_max_ = count;
  ++generation_;
}

std::vector<SessionId> PiecePicker::requesters(BlockRef block) const {
  std::vector<SessionId> result;
  if (state(block.piece) != State::Open) return result;
  const auto& it = open(block.piece).blocks[block.block.value];
  for (const auto one : {it.first, it.second}) {
    if (one != kNobody) result.push_back(one);
  }
  return result;
}

void PiecePicker::check_invariants() const {
  std::uint32_t free = 0;
  for (const auto slot : open_) {
    const auto& piece = slots_[slot];
    CHECK(pieces_[piece.piece.value].position == slot);
    std::uint32_t piece_free = 0;
    std::uint32_t received = 0;
    for (const auto& block : piece.blocks) {
      if (block.is_free()) ++piece_free;
      if (block.source != kNotReceived) ++received;
      CHECK(block.first != block.second || block.first == kNobody);
      CHECK(block.first != kNobody || block.second == kNobody);
      CHECK(block.source == kNotReceived || block.first == kNobody);
    }
    CHECK(piece_free == piece.free);
    CHECK(received == piece.received);
    CHECK((received == piece.blocks.size()) == (state(piece.piece) == State::Filled));
    CHECK(!piece.parole || piece.contributors.size() <= 1);
    free += piece_free;
  }
  CHECK(free == free_blocks_);
  if (dirty_) return;
  CHECK(band_end_.back() == order_.size());
  for (std::uint32_t i = 0; i < order_.size(); ++i) {
    const auto& piece = pieces_[order_[i]];
    CHECK(piece.position == i && piece.state == State::Missing);
    CHECK(i >= band_begin(piece.peers) && i < band_end_[piece.peers]);
  }
  CHECK(order_.size() + open_.size() + stored_ == pieces_.size());
}

}  // namespace p2p::swarm
