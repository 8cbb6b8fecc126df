// SPDX-License-Identifier: MIT
#include "daemon/swarm/piece_picker.h"

#include <algorithm>
#include <utility>

#include "daemon/base/check.h"

namespace p2p::swarm {

PiecePicker::PiecePicker(const meta::Geometry& geometry, const Bitfield& have, std::uint32_t open_max,
                         Random& random)
    : geometry_(geometry),
      open_max_(open_max),
      random_(random),
      pieces_(geometry.pieces()),
      rarity_(have, random),
      missing_(geometry.pieces(), true),
      urgent_(geometry.pieces()),
      stored_(have.count()) {
  CHECK(have.size() == geometry.pieces());
  for (std::uint32_t i = 0; i < have.size(); ++i) {
    if (!have.has({i})) continue;
    pieces_[i].state = State::Stored;
    missing_.clear({i});
  }
}

// --- availability ------------------------------------------------------------------------------------

void PiecePicker::add_peer(const Bitfield& pieces) {
  rarity_.add_all(pieces);
  ++generation_;
}

std::uint32_t PiecePicker::missing_at_peers() {
  rarity_.settle();
  return missing_.count() - static_cast<std::uint32_t>(rarity_.missing(0).size());
}

// --- picking -----------------------------------------------------------------------------------------

std::optional<BlockRef> PiecePicker::pick(const Wish& wish) {
  if (auto block = pick_begun(wish)) return block;
  if (open_count_ < open_max_ && wish.open_new) {
    if (const auto piece = choose_missing(wish)) return pick_piece(*piece, wish.session);
  }
  for (const auto& [age, piece, owner] : begun_) {
    if (wish.pieces.has(piece) && may_choose(piece, wish) && !open(piece).parole)
      return take_free(open(piece), wish.session);
  }
  return std::nullopt;
}

std::optional<BlockRef> PiecePicker::pick_begun(const Wish& wish) {
  for (const auto& [age, piece, owner] : begun_) {
    if (owner == wish.session && wish.pieces.has(piece)) return take_free(open(piece), wish.session);
  }
  for (const auto& [age, piece, owner] : begun_) {
    if (owner != kNobody || !wish.pieces.has(piece) || !may_choose(piece, wish)) continue;
    set_owner(open(piece), wish.session);
    return take_free(open(piece), wish.session);
  }
  return std::nullopt;
}

std::uint32_t PiecePicker::unasked_of(SessionId owner) const {
  std::uint32_t count = 0;
  for (const auto& one : begun_)
    if (one.owner == owner) count += open(one.piece).free;
  return count;
}

std::optional<BlockRef> PiecePicker::pick_of(SessionId owner, const Wish& wish) {
  for (const auto& [age, piece, its_owner] : begun_) {
    if (its_owner == owner && wish.pieces.has(piece) && !open(piece).parole)
      return take_free(open(piece), wish.session);
  }
  return std::nullopt;
}

std::optional<BlockRef> PiecePicker::pick_piece(PieceIndex piece, SessionId session) {
  if (state(piece) == State::Missing && open_count_ < open_max_) start(piece);
  if (state(piece) != State::Open || open(piece).free == 0) return std::nullopt;
  if (open(piece).parole && open(piece).owner != kNobody && open(piece).owner != session) return std::nullopt;
  set_owner(open(piece), session);
  return take_free(open(piece), session);
}

std::optional<PieceIndex> PiecePicker::choose_missing(const Wish& wish) {
  const bool first_come = sequential_ || stored_ + open_count_ < kRandomPieces;
  if (auto piece = choose_among(urgent_, wish, first_come)) return piece;
  if (first_come) {
    if (auto piece = choose_among(missing_, wish, true)) return piece;
  }
  rarity_.settle();
  if (auto piece = choose_rarest(wish)) return piece;
  return wish.only_unshared ? std::nullopt : choose_among(missing_, wish, false);
}

std::optional<PieceIndex> PiecePicker::choose_rarest(const Wish& wish) const {
  // What an incomplete session has is at least in band 1.
  const auto bands = wish.only_unshared ? 1 : rarity_.bands();
  std::uint32_t looks = 0;
  for (std::uint32_t band = wish.pieces.all() ? 0 : 1; band < bands; ++band) {
    for (const auto number : rarity_.missing(band)) {
      if (wish.pieces.has({number})) return PieceIndex{number};
      if (++looks == kRarestLooks) return std::nullopt;
    }
  }
  return std::nullopt;
}

// A piece of this set that the session has: the rarest of those looked at, or the first.
std::optional<PieceIndex> PiecePicker::choose_among(const Bitfield& set, const Wish& wish, bool first_come) {
  if (set.none()) return std::nullopt;
  const auto start = sequential_ ? 0 : static_cast<std::uint32_t>(random_.below(set.size()));
  std::optional<PieceIndex> best;
  std::uint32_t looks = 0;
  for (const auto& [begin, end] : {std::pair(start, set.size()), std::pair(0u, start)}) {
    for (auto next = set.first_common(wish.pieces, begin, end); next;
         next = set.first_common(wish.pieces, next->value + 1, end)) {
      if (may_choose(*next, wish)) {
        if (first_come) return next;
        if (!best || rarity_.peers(*next) < rarity_.peers(*best)) best = next;
      }
      if (++looks == kSampleLooks) return best;
    }
  }
  return best;
}

void PiecePicker::set_priority(PieceIndex piece, Priority priority) {
  pieces_[piece.value].priority = priority;
  if (priority == Priority::High && state(piece) == State::Missing) urgent_.set(piece);
  else urgent_.clear(piece);
}

BlockRef PiecePicker::take_free(OpenPiece& piece, SessionId session) {
  while (!piece.blocks[piece.first_free].is_free()) ++piece.first_free;
  const BlockIndex block{piece.first_free++};
  piece.blocks[block.value].first = session;
  set_free(piece, piece.free - 1);
  return {piece.piece, block};
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
    set_free(piece, piece.free + 1);
    piece.first_free = std::min(piece.first_free, block.block.value);
    if (piece.free < piece.blocks.size() || piece.kept_any) return;
    set_free(piece, 0);
    finish(block.piece, State::Missing);
  }
}

std::vector<PiecePicker::Restart> PiecePicker::disown(SessionId session) {
  std::vector<Restart> restarts;
  for (auto& piece : slots_) {
    if (piece.owner != session || state(piece.piece) != State::Open) continue;
    set_owner(piece, kNobody);
    if (!piece.parole || piece.received == 0) continue;
    // Another session would add a second contributor.
    restarts.push_back({piece.piece, bytes_received(piece)});
    reset_blocks(piece);
  }
  return restarts;
}

std::uint64_t PiecePicker::bytes_received(const OpenPiece& piece) const {
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < piece.blocks.size(); ++i)
    if (piece.blocks[i].source != kNotReceived) bytes += geometry_.block_bytes(piece.piece, {i});
  return bytes;
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
  if (it.first == kNobody) set_free(piece, piece.free - 1);
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

bool PiecePicker::is_open_with(BlockRef block, const DeviceId& device) const {
  if (state(block.piece) != State::Open || !is_received(block)) return false;
  const auto& piece = open(block.piece);
  return piece.contributors[piece.blocks[block.block.value].source] == device;
}

// Where the piece of this age is, or belongs.
std::vector<PiecePicker::Begun>::iterator PiecePicker::begun_at(std::uint64_t age) {
  return std::lower_bound(begun_.begin(), begun_.end(), age,
                          [](const Begun& one, std::uint64_t other) { return one.age < other; });
}

void PiecePicker::set_free(OpenPiece& piece, std::uint32_t free) {
  free_blocks_ = free_blocks_ - piece.free + free;
  if (piece.free == 0 && free > 0) begun_.insert(begun_at(piece.age), {piece.age, piece.piece, piece.owner});
  if (piece.free > 0 && free == 0) begun_.erase(begun_at(piece.age));
  piece.free = free;
}

void PiecePicker::set_owner(OpenPiece& piece, SessionId owner) {
  piece.owner = owner;
  if (piece.free > 0) begun_at(piece.age)->owner = owner;
}

void PiecePicker::start(PieceIndex piece) {
  if (spare_slots_.empty()) {
    spare_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const auto slot = spare_slots_.back();
  spare_slots_.pop_back();
  pieces_[piece.value].state = State::Open;
  pieces_[piece.value].slot = slot;
  set_missing(piece, false);
  ++open_count_;

  auto& opened = slots_[slot];
  opened.piece = piece;
  opened.age = next_age_++;
  opened.parole = parole_.contains(piece);
  opened.kept_any = false;
  opened.blocks.resize(geometry_.blocks(piece));
  reset_blocks(opened);
}

void PiecePicker::reset_blocks(OpenPiece& piece) {
  set_free(piece, static_cast<std::uint32_t>(piece.blocks.size()));
  piece.received = 0;
  piece.first_free = 0;
  piece.blocks.assign(piece.blocks.size(), Block{});
  piece.contributors.clear();
}

void PiecePicker::set_missing(PieceIndex piece, bool missing) {
  rarity_.set_missing(piece, missing);
  if (missing) {
    missing_.set(piece);
    if (pieces_[piece.value].priority == Priority::High) urgent_.set(piece);
    ++generation_;
  } else {
    missing_.clear(piece);
    urgent_.clear(piece);
  }
}

void PiecePicker::finish(PieceIndex piece, State state) {
  auto& it = pieces_[piece.value];
  CHECK((it.state == State::Open || it.state == State::Filled) && slots_[it.slot].free == 0);
  slots_[it.slot].owner = kNobody;
  spare_slots_.push_back(it.slot);
  --open_count_;
  it.state = state;
  if (state == State::Missing) set_missing(piece, true);
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
}

void PiecePicker::fail(PieceIndex piece) {
  if (contributors(piece).size() > 1) parole_.insert(piece);
  lose(piece);
}

void PiecePicker::reopen(PieceIndex piece, const std::vector<BlockIndex>& bad_blocks) {
  CHECK(state(piece) == State::Filled && !bad_blocks.empty());
  pieces_[piece.value].state = State::Open;
  auto& it = open(piece);
  set_owner(it, kNobody);
  for (const auto block : bad_blocks) it.blocks.at(block.value) = Block{};
  const auto count = static_cast<std::uint32_t>(bad_blocks.size());
  set_free(it, count);
  it.received -= count;
  it.first_free = std::min_element(bad_blocks.begin(), bad_blocks.end())->value;
  // The blocks that stay are known to be good, each by itself: whoever brings the others has a name.
  it.parole = false;
  parole_.erase(piece);
  forget_contributors(it);
}

bool PiecePicker::take_back(BlockRef block) {
  if (state(block.piece) != State::Open || !is_received(block)) return false;
  auto& piece = open(block.piece);
  piece.blocks[block.block.value] = Block{};
  --piece.received;
  set_free(piece, piece.free + 1);
  piece.first_free = std::min(piece.first_free, block.block.value);
  forget_contributors(piece);
  return true;
}

// Whose blocks were all bad has no part in it any more.
void PiecePicker::forget_contributors(OpenPiece& piece) {
  const auto all = std::exchange(piece.contributors, {});
  for (auto& block : piece.blocks)
    if (block.source != kNotReceived) block.source = add_contributor(piece, all[block.source]);
}

void PiecePicker::withdraw(PieceIndex piece) {
  CHECK(state(piece) == State::Stored);
  pieces_[piece.value].state = State::Missing;
  --stored_;
  set_missing(piece, true);
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
  rarity_.check_invariants(missing_);
  std::uint32_t counts[4] = {};
  std::uint32_t begun = 0;
  std::uint32_t free = 0;
  for (std::uint32_t i = 0; i < pieces_.size(); ++i) {
    const PieceIndex piece{i};
    const bool is_missing = state(piece) == State::Missing;
    CHECK(missing_.has(piece) == is_missing);
    CHECK(urgent_.has(piece) == (is_missing && pieces_[i].priority == Priority::High));
    ++counts[static_cast<std::size_t>(state(piece))];
    if (state(piece) == State::Open || state(piece) == State::Filled) {
      check_open(open(piece), piece);
      free += open(piece).free;
      if (open(piece).free > 0) ++begun;
    }
  }
  CHECK(counts[1] + counts[2] == open_count_ && counts[3] == stored_);
  CHECK(open_count_ + spare_slots_.size() == slots_.size());
  CHECK(free == free_blocks_ && begun == begun_.size());
  for (std::size_t i = 0; i < begun_.size(); ++i) {
    CHECK(i == 0 || begun_[i - 1].age < begun_[i].age);
    const auto& piece = open(begun_[i].piece);
    CHECK(state(piece.piece) == State::Open && piece.free > 0);
    CHECK(piece.piece == begun_[i].piece && piece.age == begun_[i].age && piece.owner == begun_[i].owner);
  }
}

void PiecePicker::check_open(const OpenPiece& it, PieceIndex piece) const {
  std::uint32_t free = 0;
  std::uint32_t received = 0;
  CHECK(it.piece == piece);
  for (const auto& block : it.blocks) {
    if (block.is_free()) ++free;
    if (block.source != kNotReceived) ++received;
    CHECK(block.first != block.second || block.first == kNobody);
    CHECK(block.first != kNobody || block.second == kNobody);
    CHECK(block.source == kNotReceived || block.first == kNobody);
    CHECK(!block.is_free() || &block >= &it.blocks[it.first_free]);
  }
  CHECK(free == it.free);
  CHECK(received == it.received);
  CHECK((received == it.blocks.size()) == (state(piece) == State::Filled));
  CHECK(!it.parole || it.contributors.size() <= 1);
}

}  // namespace p2p::swarm
