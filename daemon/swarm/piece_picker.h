// SPDX-License-Identifier: MIT
// Which block to ask of whom next: rarest piece first, and every block asked once. It knows pieces,
// blocks and session ids; it does not know time, messages or what a session can bear.
//
// A piece is
//   missing  -> open    by pick(): its first block is requested
//   open     -> filled  by receive(): its last block came;   -> missing  when all requests were given back
//                       and none of its blocks had come (otherwise it stays open: its buffer is taken)
//   filled   -> stored  by store();   -> missing  by fail() or lose();   -> open  by reopen()
//   stored   -> missing by withdraw()
// A block of an open piece is free -> requested (by one session; by two while it moves) -> received.
//
// Order of choice for a session: open pieces that it works on; open pieces that nobody works on; while
// fewer than `open_max` are open, a missing piece; open pieces of others. So a piece comes from one session
// as a rule, which tells who spoiled it, and yet no free block waits for a slow session when there is
// nothing else to do.
//
// Of the missing pieces that the session has: those of priority High before all others; then by rarity, which
// is the number of incomplete sessions that have the piece (sessions that have everything change the rarity
// of no piece relative to others and are one number), equals in random order; the first pieces of all at
// random; in sequential mode by index.
//
// The search for the rarest is bounded. It looks at the first kRarestLooks missing pieces in the order of
// rarity. A session that has none of these gets the rarest of the first kSampleLooks missing pieces that it
// has, counted from a random one on. So many are looked at, too, among the pieces of priority High, and in
// sequential mode for one that is unshared, where the wish is for such.
//
// Cost. A have (rarity_order.h), an answer, what becomes of a piece, and a block of an open piece take no
// step that depends on the number of pieces; a pick passes the open pieces with a free block, three times at
// most. A new piece takes the looks above and a pass over two sets of bits, which skips 512 pieces at once
// where either is empty: the longest single step is the pass over two dense sets that have nothing in common,
// 0.7 us for 100,000 pieces. The first pick after a larger bitfield came or went sorts all pieces.
//
// After a piece failed and its blocks had come from several devices it is on parole: all its blocks are
// asked of one session, so that the next failure has a name.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/limits.h"
#include "daemon/base/random.h"
#include "daemon/meta/geometry.h"
#include "daemon/swarm/bitfield.h"
#include "daemon/swarm/rarity_order.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

class PiecePicker {
 public:
  enum class State : std::uint8_t { Missing, Open, Filled, Stored };
  enum class Priority : std::uint8_t { Normal, High };
  static constexpr std::uint32_t kRandomPieces = 4;  // so that a newcomer soon has something to give
  static constexpr std::uint32_t kRarestLooks = 64;
  static constexpr std::uint32_t kSampleLooks = 16;

  // `random` must outlive the picker.
  PiecePicker(const meta::Geometry& geometry, const Bitfield& have, std::uint32_t open_max, Random& random);

  // --- availability --------------------------------------------------------------------------------
  void add_seed() { ++seeds_; }
  void remove_seed() { --seeds_; }
  void add_peer(const Bitfield& pieces);
  void remove_peer(const Bitfield& pieces) { rarity_.remove_all(pieces); }
  void add_piece(PieceIndex piece) { rarity_.add(piece); }        // a session that is no seed got it
  void remove_piece(PieceIndex piece) { rarity_.remove(piece); }  // ... and lost it
  std::uint32_t availability(PieceIndex piece) const { return seeds_ + rarity_.peers(piece); }
  std::uint32_t seeds() const { return seeds_; }
  // Missing pieces that some incomplete session has.
  std::uint32_t missing_at_peers();

  // --- picking -------------------------------------------------------------------------------------
  struct Wish {
    SessionId session;
    const Bitfield& pieces;      // of the session
    bool open_new = true;        // false: a search for a new piece has failed at this generation()
    bool only_unshared = false;  // of a seed: nothing that incomplete sessions have, but what it works on
  };
  // A free block, which is the session's from now on.
  std::optional<BlockRef> pick(const Wish& wish);
  // The same without a piece that nobody works on yet.
  std::optional<BlockRef> pick_begun(const Wish& wish);
  // Of the pieces that this session works on: how many blocks are free, and one of them for another.
  std::uint32_t unasked_of(SessionId owner) const;
  std::optional<BlockRef> pick_of(SessionId owner, const Wish& wish);
  // A free block of this piece, if it is open or may be opened; it becomes the session's, whoever had it. Not
  // when it is on parole at another.
  std::optional<BlockRef> pick_piece(PieceIndex piece, SessionId session);
  // Changes whenever a search for a new piece may succeed that failed before.
  std::uint64_t generation() const { return generation_; }
  // Blocks that nobody was asked for; a shorter last piece counts as a whole one.
  std::uint64_t unasked_blocks() const {
    return std::uint64_t{missing_.count()} * geometry_.piece_length() / limits::kBlockBytes + free_blocks_;
  }
  bool all_begun() const { return missing_.none(); }
  // Everything that is missing is requested: the end game.
  bool all_requested() const { return missing_.none() && free_blocks_ == 0; }
  // End game: may this session ask for a block that one other was asked for? Marks it; release() ends the
  // other's.
  bool request_again(BlockRef block, SessionId session, const Bitfield& pieces);
  // Both act on what is chosen from here on.
  void set_sequential(bool sequential) { sequential_ = sequential; }
  void set_priority(PieceIndex piece, Priority priority);

  // --- answers -------------------------------------------------------------------------------------
  void release(BlockRef block, SessionId session);  // the request will not be answered
  struct Restart {
    PieceIndex piece;
    std::uint64_t bytes;  // had come, and are dropped
  };
  // It works on no piece any more; its requests are released already. What it had on parole begins anew.
  std::vector<Restart> disown(SessionId session);
  struct Receipt {
    BlockVerdict verdict = BlockVerdict::Unwanted;
    bool filled = false;
    std::array<std::optional<SessionId>, 2> others = {};  // were asked for the same block
  };
  Receipt receive(BlockRef block, SessionId session, const DeviceId& device);
  // It came and was wrong: it is free again. False, and nothing happens, when its piece is not open.
  bool take_back(BlockRef block);

  // --- pieces --------------------------------------------------------------------------------------
  State state(PieceIndex piece) const { return pieces_[piece.value].state; }
  bool is_open_with(BlockRef block, const DeviceId& device) const;  // which sent the block
  bool is_received(BlockRef block) const;                           // also when its piece is filled or stored
  void store(PieceIndex piece);                                     // filled -> stored
  void lose(PieceIndex piece);                                      // filled -> missing
  void fail(PieceIndex piece);  // filled -> missing, on parole if several devices were in it
  // filled -> open: these blocks were wrong and are free again, the others stay. Not empty. Ends a parole.
  void reopen(PieceIndex piece, const std::vector<BlockIndex>& bad_blocks);
  void withdraw(PieceIndex piece);  // stored -> missing
  // Of a filled piece: who sent its blocks.
  const std::vector<DeviceId>& contributors(PieceIndex piece) const;
  const DeviceId& source(BlockRef block) const;
  bool is_on_parole(PieceIndex piece) const { return parole_.contains(piece); }
  std::uint32_t open_pieces() const { return open_count_; }
  void set_open_max(std::uint32_t count);
  std::uint32_t open_max() const { return open_max_; }

  // For tests: the requesters of a block, at most two.
  std::vector<SessionId> requesters(BlockRef block) const;
  void check_invariants() const;

 private:
  static constexpr SessionId kNobody{0xffffffff};
  static constexpr std::uint16_t kNotReceived = 0xffff;
  struct Piece {
    std::uint32_t slot = 0;  // in slots_, of an open or filled piece
    State state = State::Missing;
    Priority priority = Priority::Normal;
  };
  struct Block {
    SessionId first = kNobody;
    SessionId second = kNobody;
    std::uint16_t source = kNotReceived;  // in contributors
    bool is_free() const { return source == kNotReceived && first == kNobody; }
  };
  struct OpenPiece {
    PieceIndex piece;
    std::uint64_t age = 0;      // higher is younger
    SessionId owner = kNobody;  // nobody in a slot that is not in use, too
    bool parole = false;
    bool kept_any = false;  // the driver holds a buffer for it
    std::uint32_t free = 0;
    std::uint32_t received = 0;
    std::uint32_t first_free = 0;  // no block before it is free
    std::vector<Block> blocks;
    std::vector<DeviceId> contributors;
  };
  // An open piece with a free block, in few bytes: all of them are looked at in a pick.
  struct Begun {
    std::uint64_t age;
    PieceIndex piece;
    SessionId owner;
  };

  OpenPiece& open(PieceIndex piece) { return slots_[pieces_[piece.value].slot]; }
  const OpenPiece& open(PieceIndex piece) const { return slots_[pieces_[piece.value].slot]; }
  std::optional<PieceIndex> choose_missing(const Wish& wish);
  std::optional<PieceIndex> choose_rarest(const Wish& wish) const;
  std::optional<PieceIndex> choose_among(const Bitfield& set, const Wish& wish, bool first_come);
  BlockRef take_free(OpenPiece& piece, SessionId session);
  static std::uint16_t add_contributor(OpenPiece& piece, const DeviceId& device);
  void set_free(OpenPiece& piece, std::uint32_t free);
  void set_owner(OpenPiece& piece, SessionId owner);
  std::vector<Begun>::iterator begun_at(std::uint64_t age);
  void start(PieceIndex piece);
  void reset_blocks(OpenPiece& piece);
  std::uint64_t bytes_received(const OpenPiece& piece) const;
  static void forget_contributors(OpenPiece& piece);
  void set_missing(PieceIndex piece, bool missing);
  void finish(PieceIndex piece, State state);  // open or filled no more
  void check_open(const OpenPiece& it, PieceIndex piece) const;

  bool may_choose(PieceIndex piece, const Wish& wish) const {
    return !wish.only_unshared || rarity_.peers(piece) == 0;
  }

  meta::Geometry geometry_;
  std::uint32_t open_max_;
  Random& random_;
  std::vector<Piece> pieces_;
  RarityOrder rarity_;
  Bitfield missing_;
  Bitfield urgent_;  // missing and of priority High
  bool sequential_ = false;
  std::uint32_t seeds_ = 0;
  std::uint32_t stored_ = 0;
  std::uint32_t open_count_ = 0;   // open and filled
  std::uint32_t free_blocks_ = 0;  // of open pieces
  std::uint64_t generation_ = 1;
  std::uint64_t next_age_ = 0;
  std::vector<OpenPiece> slots_;  // kept for reuse
  std::vector<std::uint32_t> spare_slots_;
  std::vector<Begun> begun_;  // oldest first
  std::set<PieceIndex> parole_;
};

}  // namespace p2p::swarm
