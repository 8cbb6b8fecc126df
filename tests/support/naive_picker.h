// SPDX-License-Identifier: MIT
// What daemon/swarm/piece_picker.h promises, in plain sets and with a look at everything in every call: for
// comparison with the real one. It does not choose; it says what may be chosen.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "daemon/swarm/piece_picker.h"

namespace p2p::test {

class NaivePicker {
 public:
  using Number = std::uint32_t;  // of a piece, a block or a session
  using State = swarm::PiecePicker::State;
  struct Block {
    std::vector<Number> askers;  // in the order in which they were asked
    std::optional<DeviceId> source;
    bool is_free() const { return askers.empty() && !source; }
  };
  struct Piece {
    State state = State::Missing;
    bool high = false;
    bool failed = false;  // had several contributors
    // Of an open or filled piece:
    std::vector<Block> blocks = {};
    std::optional<Number> owner = {};
    bool parole = false;
    bool kept_any = false;
    std::uint64_t age = 0;
  };
  struct Session {
    std::set<Number> pieces;
    bool seed = false;
  };
  struct Wish {
    Number session;
    bool open_new = true;
    bool only_unshared = false;
  };

  NaivePicker(const meta::Geometry& shape, std::uint32_t open_limit)
      : geometry(shape), open_max(open_limit), pieces(shape.pieces()) {}

  // --- questions -----------------------------------------------------------------------------------
  Number peers(Number piece) const {
    return static_cast<Number>(std::count_if(sessions.begin(), sessions.end(), [&](const auto& entry) {
      return !entry.second.seed && entry.second.pieces.contains(piece);
    }));
  }
  Number seeds() const {
    return static_cast<Number>(
        std::count_if(sessions.begin(), sessions.end(), [](const auto& entry) { return entry.second.seed; }));
  }
  Number count(State state) const {
    return static_cast<Number>(std::count_if(pieces.begin(), pieces.end(),
                                             [&](const Piece& piece) { return piece.state == state; }));
  }
  Number open_pieces() const { return count(State::Open) + count(State::Filled); }
  Number missing_at_peers() const {
    return count_missing([&](Number piece) { return peers(piece) > 0; });
  }
  bool all_requested() const {
    return std::all_of(pieces.begin(), pieces.end(), [](const Piece& piece) {
      return piece.state != State::Missing && (piece.state != State::Open || !first_free(piece));
    });
  }
  std::vector<DeviceId> contributors(Number piece) const {
    std::set<DeviceId> devices;
    for (const auto& block : pieces[piece].blocks) {
      if (block.source) devices.insert(*block.source);
    }
    return {devices.begin(), devices.end()};
  }
  bool is_received(Number piece, Number block) const {
    const auto& it = pieces[piece];
    return it.state == State::Filled || it.state == State::Stored ||
           (it.state == State::Open && it.blocks[block].source);
  }
  // Missing pieces that the session could be given.
  std::set<Number> candidates(const Wish& wish) const {
    std::set<Number> result;
    for (const auto piece : sessions.at(wish.session).pieces) {
      if (pieces[piece].state == State::Missing && may_choose(piece, wish)) result.insert(piece);
    }
    return result;
  }

  // --- picking -------------------------------------------------------------------------------------
  // The one block that pick_begun() may give.
  std::optional<swarm::BlockRef> begun(const Wish& wish) const {
    if (auto own = oldest(wish, [&](const Piece& piece, Number) { return piece.owner == wish.session; }))
      return own;
    return oldest(
        wish, [&](const Piece& piece, Number number) { return !piece.owner && may_choose(number, wish); });
  }
  std::optional<swarm::BlockRef> shared(const Wish& wish) const {
    return oldest(
        wish, [&](const Piece& piece, Number number) { return !piece.parole && may_choose(number, wish); });
  }
  std::optional<swarm::BlockRef> of_owner(Number owner, const Wish& wish) const {
    return oldest(wish, [&](const Piece& piece, Number) { return !piece.parole && piece.owner == owner; });
  }
  Number unasked_of(Number owner) const {
    Number count = 0;
    for (const auto& piece : pieces) {
      if (piece.state == State::Open && piece.owner == owner)
        count += static_cast<Number>(std::count_if(piece.blocks.begin(), piece.blocks.end(),
                                                   [](const Block& block) { return block.is_free(); }));
    }
    return count;
  }
  std::optional<swarm::BlockRef> of_piece(PieceIndex piece, Number session) const {
    const auto& it = pieces[piece.value];
    if (it.state == State::Missing)
      return may_open() ? std::optional(swarm::BlockRef{piece, {0}}) : std::nullopt;
    if (it.state != State::Open || (it.parole && it.owner && it.owner != session)) return std::nullopt;
    const auto free = first_free(it);
    return free ? std::optional(swarm::BlockRef{piece, {*free}}) : std::nullopt;
  }
  bool may_open() const { return open_pieces() < open_max; }
  // Is this choice of a missing piece by the rules?
  bool is_right(Number piece, const Wish& wish) const {
    const auto all = candidates(wish);
    if (!all.contains(piece)) return false;
    const auto& has = sessions.at(wish.session).pieces;
    std::vector<Number> looked_at;  // urgent ones that the session has
    std::vector<Number> urgent;     // ... and that it may be given
    for (const auto one : has) {
      if (!pieces[one].high || pieces[one].state != State::Missing) continue;
      looked_at.push_back(one);
      if (all.contains(one)) urgent.push_back(one);
    }
    const bool few = looked_at.size() <= swarm::PiecePicker::kSampleLooks;
    if (!urgent.empty() && (few || !wish.only_unshared))
      return std::count(urgent.begin(), urgent.end(), piece) == 1 && is_right_among(urgent, piece, few, wish);
    if (!urgent.empty()) return true;  // those that were looked at may all have been shared
    return is_right_among({all.begin(), all.end()}, piece, is_best_in_sight(all, wish), wish);
  }

  // --- what happens --------------------------------------------------------------------------------
  void take(swarm::BlockRef ref, Number session) {
    auto& piece = pieces[ref.piece.value];
    if (piece.state == State::Missing) {
      piece.state = State::Open;
      piece.blocks.assign(geometry.blocks(ref.piece), {});
      piece.owner = session;
      piece.parole = piece.failed;
      piece.kept_any = false;
      piece.age = next_age_++;
    } else if (!piece.owner) {
      piece.owner = session;
    }
    piece.blocks[ref.block.value].askers.push_back(session);
  }
  bool request_again(swarm::BlockRef ref, Number session) {
    auto& piece = pieces[ref.piece.value];
    if (piece.state != State::Open || piece.parole) return false;
    auto& askers = piece.blocks[ref.block.value].askers;
    if (askers.size() != 1 || askers[0] == session) return false;
    if (!sessions.at(session).pieces.contains(ref.piece.value)) return false;
    askers.push_back(session);
    return true;
  }
  void release(swarm::BlockRef ref, Number session) {
    auto& piece = pieces[ref.piece.value];
    if (piece.state != State::Open) return;
    if (std::erase(piece.blocks[ref.block.value].askers, session) == 0 || piece.kept_any) return;
    const bool idle = std::all_of(piece.blocks.begin(), piece.blocks.end(),
                                  [](const Block& block) { return block.is_free(); });
    if (idle) piece.state = State::Missing;
  }
  // The pieces that begin anew.
  std::vector<Number> disown(Number session) {
    std::vector<Number> restarts;
    for (Number i = 0; i < pieces.size(); ++i) {
      auto& piece = pieces[i];
      if (piece.state != State::Open || piece.owner != session) continue;
      piece.owner.reset();
      const bool has_any = std::any_of(piece.blocks.begin(), piece.blocks.end(),
                                       [](const Block& one) { return one.source.has_value(); });
      if (!piece.parole || !has_any) continue;
      restarts.push_back(i);
      piece.blocks.assign(piece.blocks.size(), {});
    }
    return restarts;
  }
  bool take_back(swarm::BlockRef ref) {
    auto& piece = pieces[ref.piece.value];
    if (piece.state != State::Open || !is_received(ref.piece.value, ref.block.value)) return false;
    piece.blocks[ref.block.value] = {};
    return true;
  }
  swarm::PiecePicker::Receipt receive(swarm::BlockRef ref, Number session, const DeviceId& device) {
    if (is_received(ref.piece.value, ref.block.value)) return {.verdict = swarm::BlockVerdict::Duplicate};
    auto& piece = pieces[ref.piece.value];
    if (piece.state != State::Open) return {};
    auto& block = piece.blocks[ref.block.value];
    if (piece.parole && (block.askers.empty() || block.askers[0] != session)) return {};
    swarm::PiecePicker::Receipt receipt{.verdict = swarm::BlockVerdict::Keep};
    std::erase(block.askers, session);
    for (std::size_t i = 0; i < block.askers.size(); ++i)
      receipt.others.at(i) = swarm::SessionId{block.askers[i]};
    block = {{}, device};
    piece.kept_any = true;
    receipt.filled = std::all_of(piece.blocks.begin(), piece.blocks.end(),
                                 [](const Block& one) { return one.source.has_value(); });
    if (receipt.filled) piece.state = State::Filled;
    return receipt;
  }
  void fail(Number number) {
    if (contributors(number).size() > 1) pieces[number].failed = true;
    pieces[number].state = State::Missing;
  }
  void store(Number number) {
    pieces[number].failed = false;
    pieces[number].state = State::Stored;
  }
  void reopen(Number number, const std::vector<BlockIndex>& bad_blocks) {
    auto& piece = pieces[number];
    piece.state = State::Open;
    piece.owner.reset();
    piece.parole = piece.failed = false;
    for (const auto block : bad_blocks) piece.blocks[block.value] = {};
  }

  meta::Geometry geometry;
  std::uint32_t open_max;
  bool sequential = false;
  std::vector<Piece> pieces;
  std::map<Number, Session> sessions;

 private:
  static std::optional<Number> first_free(const Piece& piece) {
    for (Number i = 0; i < piece.blocks.size(); ++i) {
      if (piece.blocks[i].is_free()) return i;
    }
    return std::nullopt;
  }
  bool may_choose(Number piece, const Wish& wish) const { return !wish.only_unshared || peers(piece) == 0; }
  template <class Condition>
  Number count_missing(Condition&& is_counted) const {
    Number result = 0;
    for (Number i = 0; i < pieces.size(); ++i) {
      if (pieces[i].state == State::Missing && is_counted(i)) ++result;
    }
    return result;
  }
  // The first free block of the oldest open piece that the session has and that fits.
  template <class Condition>
  std::optional<swarm::BlockRef> oldest(const Wish& wish, Condition&& fits) const {
    std::optional<Number> found;
    for (const auto i : sessions.at(wish.session).pieces) {
      const auto& piece = pieces[i];
      if (piece.state != State::Open || !first_free(piece) || !fits(piece, i)) continue;
      if (!found || piece.age < pieces[*found].age) found = i;
    }
    if (!found) return std::nullopt;
    return swarm::BlockRef{{*found}, {*first_free(pieces[*found])}};
  }
  bool is_first_come() const {
    return count(State::Stored) + open_pieces() < swarm::PiecePicker::kRandomPieces;
  }
  // Do the bounded searches come to the best of these for certain?
  bool is_best_in_sight(const std::set<Number>& all, const Wish& wish) const {
    // In sequential mode the shared ones are looked at, too.
    if (wish.only_unshared) return !sequential || count(State::Missing) <= swarm::PiecePicker::kSampleLooks;
    if (all.size() <= swarm::PiecePicker::kSampleLooks) return true;
    Number rarest = peers(*all.begin());
    for (const auto piece : all) rarest = std::min(rarest, peers(piece));
    const bool has_all = sessions.at(wish.session).pieces.size() == pieces.size();
    const auto before = count_missing([&](Number piece) {
      if (!has_all && peers(piece) == 0) return false;
      return peers(piece) < rarest || (peers(piece) == rarest && !all.contains(piece));
    });
    return before < swarm::PiecePicker::kRarestLooks;
  }
  // `in_order` are all that may be chosen. When the rarest may be out of sight, it is the rarest of some that
  // lie one behind the other.
  bool is_right_among(const std::vector<Number>& in_order, Number piece, bool best_in_sight,
                      const Wish& wish) const {
    if (sequential) return piece == in_order.front() || (wish.only_unshared && !best_in_sight);
    if (is_first_come()) return true;
    const auto is_best = [&](std::size_t begin, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) {
        if (peers(in_order[(begin + i) % in_order.size()]) < peers(piece)) return false;
      }
      return true;
    };
    if (best_in_sight) return is_best(0, in_order.size());
    const auto at =
        static_cast<std::size_t>(std::find(in_order.begin(), in_order.end(), piece) - in_order.begin());
    const std::size_t sample = swarm::PiecePicker::kSampleLooks;
    for (std::size_t back = 0; back < sample; ++back) {
      if (is_best(at + in_order.size() - back, sample)) return true;
    }
    return false;
  }

  std::uint64_t next_age_ = 0;
};

}  // namespace p2p::test
