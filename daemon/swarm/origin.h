// SPDX-License-Identifier: MIT
// Who fetches which piece from us while nobody else has it: origin mode.
//
// The uplink of the first source bounds the time of a whole swarm (Mundinger, Weber and Weiss 2008; Kumar
// and Ross 2006), so a piece should leave it once and spread from there. Peers that choose for themselves
// choose the same: what was just begun by one still looks rare to the others. So the origin says who begins
// what: every peer has a window of pieces that no other peer has in its window, and asks for those only.
//
//   unsent -> suggested   assign(): it is in the window of one session, which is told (BEP 6, Suggest)
//   suggested -> taken    on_requested(): the session has begun to ask for it
//   any -> shared         on_holders(1): a peer has it (its Have): what follows is the peers' business
//   any -> settled        on_holders(2 or more)
//   any -> claimed        on_holders(nobody proven): whoever says to have it never took a piece from us and
//                         announced it. That may be another source, or a lie: it is sent when nothing is
//                         unsent, and no peer's word can end the mode
//   any -> unsent         on_holders(0): nobody who is connected has it any more;
//                         on_closed(): it was in the window of a session that is gone
// and, when nothing is unsent, so that nobody waits for a slow one while our uplink has nothing to do:
//   suggested, taken -> in the window of another session that would bring it kSoonerTimes as soon, by what
//                       each usually takes from suggestion to Have; kFreeSoonerTimes is enough for what is
//                       only suggested, when the other has nothing to begin
//   shared -> suggested   to one who lacks it, when it has been at a single peer for kSoonerTimes as
//                       long as a piece takes from us; at once when that peer is so much slower than the
//                       fastest
//
// A window has `ahead` suggestions that the session has not taken; so it follows the session's pace, and a
// slow one holds little. Nothing is refused: who asks for something else (an older version, a client that
// takes suggestions for hints) is served.
//
// Invariants: a piece is in at most one window; what is settled is in none; `unsettled()` counts the pieces
// that are not settled. The mode is on as long as there are any: the others hold two copies when it ends.
//
// Pieces are sent in ascending order from a random one on: neighbours on the disk, and two origins begin at
// different ends. Memory: 16 bytes a piece. Cost: O(1); when nothing is unsent,
// assign() looks at all windows and at most kLook claimed and shared pieces.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/limits.h"
#include "daemon/base/time.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

// How many peers have a piece, and whether one of them has shown that it takes part: it announced a piece
// that it had from us.
struct Holders {
  Holders(std::uint32_t number, bool proven = true) : count(number), is_proven(proven) {}
  std::uint32_t count;
  bool is_proven;
};

class Origin {
 public:
  // What a session should have to do beyond what it has asked for: a suggestion takes this long to come, be
  // taken, and be seen to be taken.
  static constexpr Duration kAheadTime = 500ms;
  static constexpr std::uint32_t kAheadLeast = 2;
  static constexpr std::uint32_t kAheadMost = limits::kSuggestionsFromPeer / 2;  // more might be dropped
  static constexpr Duration kPatienceLeast = 2s;
  static constexpr Duration kPatienceUnknown = 60s;  // while no piece has come back yet
  static constexpr int kPatienceTimes = 4;           // of the usual time, for what is in a window
  static constexpr int kSoonerTimes = 3;
  static constexpr int kFreeSoonerTimes = 2;  // 1: 200 members with churn took 4 % more of our uplink
  static constexpr Duration kLookInterval = 200ms;
  static constexpr Duration kUsualLeast = 200ms;  // shorter times are taken for chance
  static constexpr std::size_t kKeptMost = 4;
  static constexpr int kKeptTimes = 4;
  static constexpr std::size_t kLook = 64;  // shared pieces, in one assign()

  // Begins with `first`, which the caller draws. `holders(piece)` gives Holders.
  template <class Holders>
  Origin(std::uint32_t pieces, PieceIndex first, Holders holders) : places_(pieces), unsettled_(pieces) {
    for (std::uint32_t i = 0; i < pieces; ++i) {
      const PieceIndex piece{(first.value + i) % pieces};
      unsent_.push_back(piece);
      on_holders(piece, holders(piece), TimePoint{});
    }
  }

  void on_requested(PieceIndex piece, SessionId session, TimePoint now);
  // It has asked us for the piece, which was in its window: when it announces it, it is proven.
  bool is_taken_by(PieceIndex piece, SessionId session) const;
  void on_holders(PieceIndex piece, Holders holders, TimePoint now);
  // Gives back what was in its window; the caller says with on_holders() what others have of it.
  std::vector<PieceIndex> on_closed(SessionId session);
  void on_gone(SessionId session) { kept_.erase(session); }

  // Another piece for a session that has `pieces` and takes `pieces_per_second` from us; nothing when its
  // window is full or there is nothing to give.
  std::optional<PieceIndex> assign(SessionId session, const Bitfield& pieces, double pieces_per_second,
                                   TimePoint now);

  // It keeps what it was given: kKeptMost pieces have been at it alone for kKeptTimes as long as a piece
  // takes to come from one peer to the next. Nobody fetches from it, whatever the reason is: slow, hidden
  // behind its network, banned by those whom it sent bad blocks. Who does not is served first.
  bool keeps(SessionId session, TimePoint now) const;

  // Until when what is in the session's window may be expected of it; the past when there is nothing.
  TimePoint awaited_until(SessionId session) const;
  std::uint32_t unsettled() const { return unsettled_; }
  // For tests: U unsent, C claimed, S suggested, T taken, 1 shared, # settled.
  std::string picture() const;

 private:
  enum class State : std::uint8_t { Unsent, Claimed, Suggested, Taken, Shared, Settled };
  struct Place {
    State state = State::Unsent;
    bool at_slow_one = false;  // shared
    SessionId session{};       // whose window it is in
  };
  static_assert(sizeof(Place) == 8);
  struct Entry {
    PieceIndex piece;
    TimePoint since;
  };
  struct Window {
    std::deque<Entry> entries;           // oldest first
    std::optional<Duration> usual_time;  // from suggestion to Have, smoothed
  };
  static void smooth(std::optional<Duration>& usual, Duration taken);
  Duration patience(const Window& window) const;
  bool is_slow(const Window& window) const;
  bool is_in_window(PieceIndex piece) const;
  void drop_stale();                                            // from the front of the three queues
  std::optional<TimePoint> take_from_window(PieceIndex piece);  // since when it was there
  void take_from_kept(PieceIndex piece, bool settled, TimePoint now);
  void put(PieceIndex piece, SessionId session, TimePoint now);
  bool has_to_begin(SessionId session) const;
  std::optional<PieceIndex> slow_in_window(SessionId session, const Bitfield& pieces, TimePoint now) const;
  std::optional<PieceIndex> first_claimed(const Bitfield& pieces) const;
  std::optional<PieceIndex> overdue_shared(const Bitfield& pieces, TimePoint now) const;

  std::vector<Place> places_;
  std::deque<PieceIndex> unsent_;   // and some that are not any more
  std::deque<PieceIndex> claimed_;  // and some that are not any more
  std::deque<Entry> shared_;        // since when; and some that are not any more
  std::map<SessionId, Window> windows_;
  std::map<SessionId, std::deque<Entry>> kept_;  // shared: at the session that had it from us; oldest first
  std::uint32_t unsettled_;
  std::optional<Duration> usual_time_;    // of all sessions
  std::optional<Duration> usual_spread_;  // from shared to settled
};

}  // namespace p2p::swarm
