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
// A block of an open piece is free -> requested (by one session, in the end game by two) -> received.
//
// Order of choice for a session: open pieces that it works on; open pieces that nobody works on; while
// fewer than `open_max` are open, a missing piece by rarity, equals in random order (the first pieces of
// all: at random); open pieces of others. So a piece comes from one session as a rule, which tells who
// spoiled it, and yet no free block waits for a slow session when there is nothing else to do.
//
// Rarity counts the incomplete sessions that have the piece. Sessions that have everything change the
// rarity of no piece relative to others and are one number. Missing pieces lie in one array ordered by
// rarity; band r ends at band_end_[r]; a piece moves to the next band by one swap and one boundary (the
// structure of libtorrent's piece picker). Cost: availability O(1); pick O(open pieces) plus, for a new
// piece, the missing pieces rarer than the first that the session has; a new bitfield O(pieces).
//
// After a piece failed and its blocks had come from several devices it is on parole: all its blocks are
// asked of one session, so that the next failure has a name.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/random.h"
#include "daemon/meta/geometry.h"
#include "daemon/swarm/bitfield.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

struct BlockRef {
  PieceIndex piece;
  BlockIndex block;
  auto operator<=>(const BlockRef&) const = default;
};

class PiecePicker {
 public:
  enum class State : std::uint8_t { Missing, Open, Filled, Stored };
  static constexpr std::uint32_t kRandomPieces = 4;  // so that a newcomer soon has something to give

  // `random` must outlive the picker.
  PiecePicker(const meta::Geometry& geometry, const Bitfield& have, std::uint32_t open_max, Random& random);

  // --- availability --------------------------------------------------------------------------------
  void add_seed() { ++seeds_; }
  void remove_seed() { --seeds_; }
  void add_peer(const Bitfield& pieces);
  void remove_peer(const Bitfield& pieces);
  void add_piece(PieceIndex piece);     // a session that is no seed got it
  void remove_piece(PieceIndex piece);  // ... and lost it
  std::uint32_t availability(PieceIndex piece) const { return seeds_ + pieces_[piece.value].peers; }
  std::uint32_t seeds() const { return seeds_; }
  // Missing pieces that some incomplete session has.
  std::uint32_t missing_at_peers();

  // --- picking -------------------------------------------------------------------------------------
  struct Wish {
    SessionId session;
    const Bitfield& pieces;      // of the session
    bool open_new = true;        // false: a search for a new piece has failed at this generation()
    bool only_unshared = false;  // nothing that incomplete sessions have, but for pieces it works on
  };
  // A free block, which is the session's from now on.
  std::optional<BlockRef> pick(const Wish& wish);
  // The same without a piece that nobody works on yet.
  std::optional<BlockRef> pick_begun(const Wish& wish);
  // The first block of this piece, if it is missing and may be opened; it becomes the session's.
  std::optional<BlockRef> pick_piece(PieceIndex piece, SessionId session);
  // Changes whenever a search for a new piece may succeed that failed before.
  std::uint64_t generation() const { return generation_; }
  // Everything that is missing is requested: the end game.
  bool all_requested();
  // End game: may this session ask for a block that one other was asked for? Marks it.
  bool request_again(BlockRef block, SessionId session, const Bitfield& pieces);

  // --- answers -------------------------------------------------------------------------------------
  void release(BlockRef block, SessionId session);  // the request will not be answered
  void disown(SessionId session);  // it works on no piece any more; its requests are released already
  struct Receipt {
    BlockVerdict verdict = BlockVerdict::Unwanted;
    bool filled = false;
    std::array<std::optional<SessionId>, 2> others = {};  // were asked for the same block
  };
  Receipt receive(BlockRef block, SessionId session, const DeviceId& device);

  // --- pieces --------------------------------------------------------------------------------------
  State state(PieceIndex piece) const { return pieces_[piece.value].state; }
  bool is_received(BlockRef block) const;  // also when its piece is filled or stored
  void store(PieceIndex piece);            // filled -> stored
  void lose(PieceIndex piece);             // filled -> missing
  void fail(PieceIndex piece);             // filled -> missing, on parole if several devices were in it
  // filled -> open: these blocks were wrong and are free again, the others stay. Not empty.
  void reopen(PieceIndex piece, const std::vector<BlockIndex>& bad_blocks);
  void withdraw(PieceIndex piece);  // stored -> missing
  // Of a filled piece: who sent its blocks.
  const std::vector<DeviceId>& contributors(PieceIndex piece) const;
  const DeviceId& source(BlockRef block) const;
  std::uint32_t open_pieces() const { return static_cast<std::uint32_t>(open_.size()); }
  void set_open_max(std::uint32_t count);
  std::uint32_t open_max() const { return open_max_; }

  // For tests: the requesters of a block, at most two.
  std::vector<SessionId> requesters(BlockRef block) const;
  void check_invariants() const;

 private:
  static constexpr SessionId kNobody{0xffffffff};
  static constexpr std::uint16_t kNotReceived = 0xffff;
  struct Piece {
    std::uint32_t position = 0;  // missing: in order_; open and filled: in slots_
    std::uint16_t peers = 0;     // incomplete sessions that have it
    State state = State::Missing;
  };
  struct Block {
    SessionId first = kNobody;
    SessionId second = kNobody;
    std::uint16_t source = kNotReceived;  // in contributors
    bool is_free() const { return source == kNotReceived && first == kNobody; }
  };
  struct OpenPiece {
    PieceIndex piece;
    SessionId owner = kNobody;
    bool parole = false;
    bool kept_any = false;  // the driver holds a buffer for it
    std::uint32_t free = 0;
    std::uint32_t received = 0;
    std::uint32_t first_free = 0;  // no block before it is free
    std::vector<Block> blocks;
    std::vector<DeviceId> contributors;
  };

  OpenPiece& open(PieceIndex piece) { return slots_[pieces_[piece.value].position]; }
  const OpenPiece& open(PieceIndex piece) const { return slots_[pieces_[piece.value].position]; }
  std::optional<BlockRef> pick_open(const Wish& wish, SessionId owner);
  std::optional<BlockRef> pick_shared(const Wish& wish);
  std::optional<BlockRef> pick_new(const Wish& wish);
  BlockRef take_free(OpenPiece& piece, SessionId session);
  static std::uint16_t add_contributor(OpenPiece& piece, const DeviceId& device);
  void start(PieceIndex piece);
  void reset_blocks(OpenPiece& piece);
  void finish(PieceIndex piece, State state);  // open or filled no more
  void return_to_missing(PieceIndex piece);

  std::uint32_t band_begin(std::size_t band) const { return band == 0 ? 0 : band_end_[band - 1]; }
  void place(std::uint32_t piece, std::uint32_t position);
  void swap_positions(std::uint32_t one, std::uint32_t other);
  void mix_into_band(std::uint32_t position, std::size_t band);
  void insert(PieceIndex piece);
  void erase(PieceIndex piece);
  void rebuild();
  void rebuild_if_dirty() {
    if (dirty_) rebuild();
  }

  meta::Geometry geometry_;
  std::uint32_t open_max_;
  Random& random_;
  std::vector<Piece> pieces_;
  std::vector<std::uint32_t> order_;     // missing pieces
  std::vector<std::uint32_t> band_end_;  // of order_, per availability at peers; never empty
  bool dirty_ = true;                    // order_ does not fit the availability
  std::uint32_t seeds_ = 0;
  std::uint32_t stored_ = 0;
  std::uint32_t free_blocks_ = 0;  // of open pieces
  std::uint64_t generation_ = 1;
  std::vector<OpenPiece> slots_;  // kept for reuse
  std::vector<std::uint32_t> spare_slots_;
  std::vector<std::uint32_t> open_;  // slots of open and filled pieces, oldest first
  std::set<PieceIndex> parole_;
};

}  // namespace p2p::swarm
