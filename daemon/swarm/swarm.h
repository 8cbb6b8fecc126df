// SPDX-License-Identifier: MIT
// One share as this daemon takes part in it: who is connected, what they have, what to ask of whom, whom
// to serve. It decides; it moves no byte, reads no clock, knows no socket and no file.
//
// The driver (peer/transfer) calls an input for every event outside, with `now` last, and then takes
// actions until there are none. Payload stays in the driver: blocks are named, not carried.
//
//   fetching   open_session → on_message(...) → [Send Interested, Request ...] → on_block(...) says
//              whether to keep the payload → [PieceFilled] → the driver verifies and stores the piece →
//              on_piece_stored / on_piece_failed / on_piece_lost → [Send Have to all] ... [Completed]
//   blame      a piece failed its hash. One device sent all of it: that one is convicted. Several did: its
//              SHA-256 leaves are asked of a session that has the piece (piece_inquiry.h), then only the
//              bad blocks are fetched again, and who sent them is convicted. No leaves to be had: the whole
//              piece comes again from one session alone (parole), and that names who is to blame.
//   trial      of a device that nothing verified has come from yet the first blocks are compared with leaves,
//              each by itself (trial.h): [CompareBlock] → on_block_compared
//   origin     while nobody else has some piece, each peer is told by Suggest which of them to fetch
//              (origin.h); a peer that directs us so is asked for what it suggests and nothing else. Who
//              directs audits: it asks for a block of what a peer has of it (on_block says Compare), and
//              compares it with its own → on_block_compared
//   serving    a peer's requests wait in its session; the driver takes one with next_upload() whenever
//              the link and the rate limit allow it, reads the block and sends it.
//
// Invariants: (1) a piece is announced only after on_piece_stored; (2) a block is requested from at most
// one session at a time, and in the end game moved from a slow one to a fast one; (3) at most
// `open_pieces_max` pieces are between their first request and on_piece_stored/failed/lost;
// (4) a session has at most min(its reqq, pipeline_max) requests outstanding; (5) every limit of
// limits.h on messages holds, and who breaks one is dropped.
//
// Loop thread only. Cost: O(1) amortised per message but for picking, which looks at pieces in order of
// rarity until it finds one that the session has.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/meta/geometry.h"
#include "daemon/swarm/bitfield.h"
#include "daemon/swarm/rate.h"
#include "daemon/wire/message.h"

namespace p2p::swarm {

using SessionId = Index<struct SessionTag>;  // never reused within a swarm

struct BlockRef {
  PieceIndex piece;
  BlockIndex block;
  auto operator<=>(const BlockRef&) const = default;
};

struct Abilities {
  bool fast = true;      // BEP 6
  bool extended = true;  // BEP 10
};

// What the leaves of a piece are under.
struct LeafRoots {
  Sha256 file;  // as BEP 52's requests name the file
  Sha256 piece;
};

struct Options {
  std::uint32_t open_pieces_max = 32;
  std::uint32_t pipeline_new = 8;    // requests outstanding to a new session
  std::uint32_t pipeline_min = 2;    // to one whose pace is known
  std::uint32_t pipeline_max = 256;  // and the reqq we announce
  Duration pipeline_time = 100ms;    // of data to keep requested, beyond the round trip
  std::uint32_t upload_slots = 16;   // sessions unchoked at a time
  Duration choke_interval = 10s;     // rotation when more want than there are slots
  Duration block_timeout = 20s;      // the most that any session is given for an answer
  std::uint64_t metadata_bytes = 0;  // BEP 9: of the info dictionary that the driver gives; 0: it does not
};

enum class CloseReason : std::uint8_t {
  MalformedMessage,    // lengths or indices that this share cannot have
  UnexpectedBitfield,  // twice, or not first
  MessageFlood,        // more control messages than allowed
  RequestFlood,        // keeps asking over its limit
  BadBlock,            // sent a block that failed its hash
  BadLeaves,           // sent leaves that do not give the root of their piece
  NothingToExchange,   // both sides are complete
};
std::string_view describe(CloseReason reason);

// --- Actions ---------------------------------------------------------------------------------------
struct Send {
  SessionId session;
  wire::Message message;  // never a Piece
};
// All blocks of the piece were kept. The driver verifies and stores it, then reports.
struct PieceFilled {
  PieceIndex piece;
};
// A piece that failed begins anew, and the driver drops what it has of it. Without this action it keeps it
// until it reports again: the blocks that were bad come in place of the old ones.
struct PieceDiscarded {
  PieceIndex piece;
};
// Has this block, which was kept, this leaf? The driver answers by on_block_compared() in the same turn.
struct CompareBlock {
  DeviceId device;  // that sent it
  BlockRef block;
  Sha256 leaf;
};
// Proved at first hand: the driver lets this device in no more. Its sessions are closed by actions of their
// own. At once, for one bad block: a leaf under the signed root is proof, TLS lets nothing change on the way,
// and an honest member sends only what it has verified.
struct DeviceConvicted {
  DeviceId device;
  CloseReason reason;
};
struct CloseSession {  // the session is already forgotten
  SessionId session;
  CloseReason reason;
};
// Requests of this session are waiting again: the driver should call next_upload().
struct UploadReady {
  SessionId session;
};
struct Completed {};  // the last piece was stored
// Something could be requested, and the allowance is used up: allow_requests() when the rate limit allows.
struct AllowanceSpent {};
using Action = std::variant<Send, PieceFilled, PieceDiscarded, CompareBlock, DeviceConvicted, CloseSession,
                            UploadReady, Completed, AllowanceSpent>;

enum class BlockVerdict : std::uint8_t {
  Keep,       // copy the payload into the piece's buffer; PieceFilled follows when it was the last
  Duplicate,  // already here: drop it
  Compare,    // already here, and asked for to see whether it is the same: on_block_compared()
  Unwanted,   // never requested, or late after a cancel: drop it
};

struct SessionView {
  SessionId session;
  DeviceId device;
  std::uint32_t pieces = 0;  // that it has
  bool interested_in_us = false;
  bool unchoked_by_us = false;
  bool choking_us = true;
  double download_rate = 0;  // bytes a second
  double upload_rate = 0;
  std::uint32_t requests_outstanding = 0;
  std::uint32_t requests_queued = 0;  // its requests to us
};

struct Totals {
  std::uint64_t downloaded = 0;  // payload kept
  std::uint64_t uploaded = 0;
  std::uint64_t duplicate = 0;  // payload received twice
  std::uint64_t wasted = 0;     // payload that failed its hash, or came unasked
};

// Of a piece that failed its hash: what it takes to tell its good blocks from the bad ones.
struct Evidence {
  LeafRoots roots;
  std::vector<Sha256> leaves;  // of what came, one a block; empty: not to be had
};

class Origin;
struct Contender;
struct Holders;
class PeerSession;
class PieceInquiry;
class PiecePicker;

class Swarm {
 public:
  using LeafRootsOf = std::function<LeafRoots(PieceIndex)>;
  // `random` must outlive the swarm. `have` is what is verified and stored already. Without `leaf_roots` no
  // device is on trial.
  Swarm(const meta::Geometry& geometry, Bitfield have, Options options, Random& random,
        LeafRootsOf leaf_roots = nullptr);
  ~Swarm();

  // --- inputs --------------------------------------------------------------------------------------
  // A link whose hello and BEP 3 handshake are done. Sends our bitfield and extension handshake.
  SessionId open_session(const DeviceId& device, Abilities abilities, TimePoint now);
  // The link is gone (or the driver closes it). Its requests go back to the picker.
  void close_session(SessionId session, TimePoint now);
  // Every message but Piece. A session that was closed by an action of this swarm is ignored.
  void on_message(SessionId session, const wire::Message& message, TimePoint now);
  // A piece message arrived. Also tops up the session's requests.
  BlockVerdict on_block(SessionId session, const wire::BlockSpan& block, TimePoint now);
  // Compared at first hand: a block that was kept with its leaf, or one that on_block() said to compare with
  // ours, which is what was published.
  void on_block_compared(const DeviceId& device, BlockRef block, bool right, TimePoint now);
  void on_piece_stored(PieceIndex piece, TimePoint now);
  // Its hash was wrong. The driver keeps what came until PieceDiscarded.
  void on_piece_failed(PieceIndex piece, Evidence evidence, TimePoint now);
  // Our own fault (disk): nobody is blamed, the piece is wanted again.
  void on_piece_lost(PieceIndex piece, TimePoint now);
  // A stored piece turned out to be unreadable or changed: we no longer have it. Peers that were told
  // otherwise get rejects.
  void on_piece_withdrawn(PieceIndex piece, TimePoint now);
  void on_timer(TimePoint now);
  // What the way to it and back takes at least, as the transport measures it.
  void on_round_trip(SessionId session, Duration trip);
  // Fetching can be switched off (paused, disk full) and on again; serving goes on.
  void set_fetching(bool fetching, TimePoint now);
  void set_open_pieces_max(std::uint32_t count, TimePoint now);
  // A limit of the download rate acts on what is asked for: once `limited`, only as many bytes are requested
  // as are allowed; what a peer does not answer may be asked of another. Sessions ask in turns. So reading
  // never stops, and who is limited serves as ever.
  void limit_requests(bool limited, TimePoint now);
  void allow_requests(std::uint64_t bytes, TimePoint now);

  // --- serving -------------------------------------------------------------------------------------
  // The next block to send to this session, taken from its queue. The driver sends it or calls
  // on_upload_failed (then a Reject is sent where the peer speaks BEP 6).
  std::optional<wire::BlockSpan> next_upload(SessionId session);
  bool has_upload(SessionId session) const;
  void on_upload_sent(SessionId session, const wire::BlockSpan& block, TimePoint now);
  void on_upload_failed(SessionId session, const wire::BlockSpan& block, TimePoint now);

  // --- outputs -------------------------------------------------------------------------------------
  std::optional<Action> next_action();
  // When on_timer() is due; TimePoint::max() for never. It may be due for nothing, never too late.
  TimePoint next_deadline() const { return next_deadline_; }

  // --- questions -----------------------------------------------------------------------------------
  const Bitfield& have() const { return have_; }
  bool complete() const { return have_.all(); }
  // Somebody still depends on us for a piece, and peers are told what to fetch (origin.h).
  bool directs() const { return directing_; }
  // The incomplete peers have noticeably more than we: a few links more would help.
  bool lags() const;
  const Totals& totals() const { return totals_; }
  std::vector<SessionView> sessions(TimePoint now) const;
  // Payload kept, by the device that sent it; survives its sessions.
  const std::map<DeviceId, std::uint64_t>& sources() const { return sources_; }
  double download_rate(TimePoint now) const;
  double upload_rate(TimePoint now) const;
  // For tests and debug builds: CHECKs the invariants above.
  void check_invariants() const;

 private:
  using Verdict = std::optional<CloseReason>;  // of a message: close the session, or nothing
  PeerSession* find(SessionId session);
  void send(const PeerSession& session, wire::Message message);
  void close(PeerSession& session, CloseReason reason, TimePoint now);
  void forget(PeerSession& session, TimePoint now);
  void close_if_both_complete(PeerSession& session, TimePoint now);
  void set_pieces(PeerSession& session, Bitfield pieces, TimePoint now);
  void remove_piece(PeerSession& session, PieceIndex piece, TimePoint now);
  void send_opening(PeerSession& session);
  void send_extensions(const PeerSession& session);
  void wake_at(TimePoint time) { next_deadline_ = std::min(next_deadline_, time); }

  // swarm_messages.cc
  Verdict receive(PeerSession& session, const wire::Choke& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::Unchoke& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::Interested& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::NotInterested& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::Have& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::BitfieldMessage& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::HaveAll& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::HaveNone& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::Suggest& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::Request& message, TimePoint now);
  Verdict queue_request(PeerSession& session, const wire::BlockSpan& block, bool servable, TimePoint now);
  Verdict receive(PeerSession& session, const wire::Cancel& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::Reject& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::Extended& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::Hashes& message, TimePoint now);
  Verdict receive(PeerSession& session, const wire::HashReject& message, TimePoint now);

  // swarm_download.cc
  void update_interest(PeerSession& session);
  void pump(PeerSession& session, TimePoint now);  // sends the requests that the session can bear
  void pump_all(TimePoint now);
  void pump_in_turns(TimePoint now);
  bool is_directed(const PeerSession& by) const;
  bool is_trusted(const PeerSession& session) const;
  bool request_next(PeerSession& session, TimePoint now);
  void ask(const PeerSession& session, const wire::BlockSpan& block);
  bool may_request();
  void charge(std::int64_t bytes);
  std::optional<BlockRef> pick_for(PeerSession& session, TimePoint now);
  std::optional<BlockRef> pick_suggested(PeerSession& session, TimePoint now);
  std::optional<BlockRef> take_suggestion(PeerSession& session);
  bool seeds_wait_for_peers(TimePoint now) const;
  bool is_left_to_faster(const PeerSession& session, PieceIndex piece, bool seeds_wait, TimePoint now) const;
  bool is_far_from_end(TimePoint now) const;
  bool may_move(TimePoint now);
  bool settle_late(PeerSession& session, BlockRef block, TimePoint now);
  std::optional<BlockRef> pick_from_slower(PeerSession& session, double times, TimePoint now);
  wire::BlockSpan span_of(BlockRef block) const;
  enum class Farewell : std::uint8_t { Silent, Cancel };
  void give_back_requests(PeerSession& session, const std::vector<BlockRef>& blocks, Farewell farewell);
  void disown(const PeerSession& session);
  void snub_silent_sessions(TimePoint now);
  void tell_piece(PieceIndex piece);
  void withhold(PeerSession& session, PieceIndex piece);
  void tell_withheld(TimePoint now);
  void complete_download(TimePoint now);

  // swarm_blame.cc
  void inquire(PieceIndex piece, TimePoint now);
  void stop_asking(SessionId session, TimePoint now);
  void stop_waiting_for_leaves(TimePoint now);
  void settle(PieceIndex piece, TimePoint now);
  void discard_piece(PieceIndex piece);
  void convict(const std::set<DeviceId>& guilty, CloseReason reason, TimePoint now);

  // swarm_trial.cc
  void begin_trial(PeerSession& session, PieceIndex piece, TimePoint now);
  void compare_kept(PeerSession& session);
  void trust(const DeviceId& device, TimePoint now);
  void end_late_trials(TimePoint now);
  bool wants_audit(const PeerSession& session) const;
  void audit(PeerSession& session);
  bool end_audit(PeerSession& session, BlockRef block);

  // swarm_origin.cc
  void draw_first();
  void begin_origin(TimePoint now);
  void tell_direction();
  void direct(PeerSession& session, TimePoint now);
  void direct_all(TimePoint now);
  void on_pieces_seen(const Bitfield& pieces, TimePoint now);
  void on_pieces_gone(PeerSession& session, TimePoint now);
  void prove(PeerSession& session, PieceIndex piece, TimePoint now);
  Holders holders(PieceIndex piece) const;
  void tell_holders(PieceIndex piece, TimePoint now);
  void close_window(const PeerSession& session, TimePoint now);

  // swarm_upload.cc
  std::vector<Contender> contenders(TimePoint now) const;
  void serve_keepers_last(std::vector<Contender>& contenders, TimePoint now) const;
  bool is_turn_over(const PeerSession& session, TimePoint now) const;
  void run_choker(TimePoint now);
  void choke(PeerSession& session, TimePoint now);

  meta::Geometry geometry_;
  Bitfield have_;
  Options options_;
  Random& random_;
  LeafRootsOf leaf_roots_;
  Totals totals_;
  std::map<DeviceId, std::uint64_t> sources_;
  std::set<DeviceId> trusted_;  // something that came from it was verified
  std::deque<Action> actions_;
  std::unique_ptr<PiecePicker> picker_;
  std::unique_ptr<Origin> origin_;  // while we are complete, from the first session on
  PieceIndex first_directed_{};     // what it begins with
  bool others_wait_ = false;        // for a slot
  bool directing_ = false;          // as the sessions were told
  std::map<SessionId, std::unique_ptr<PeerSession>> sessions_;
  SessionId next_session_{1};
  std::map<PieceIndex, std::unique_ptr<PieceInquiry>> inquiries_;  // each Asking, its piece filled
  // Requests that were moved from slow sessions to fast ones lately: what the slow one says is still open.
  struct Move {
    TimePoint time;
    SessionId from;
    BlockRef block;
  };
  std::vector<Move> moves_;
  bool fetching_ = true;
  std::optional<std::int64_t> allowance_;  // bytes that may still be requested; nothing: no limit
  bool allowance_asked_ = false;
  std::optional<TimePoint> idle_since_;  // directed, and nothing is requested of anybody
  SessionId last_in_turn_{};             // asked last while there was a limit
  std::uint32_t open_pieces_allowed_;  // the most that was ever allowed; pieces above a lower limit stay open
  TimePoint last_look_{};
  TimePoint last_told_{};
  TimePoint next_deadline_ = TimePoint::max();
  Rate download_rate_;
  double rate_at_block_ = 0;  // what it was with the last block: silence does not bring it down
  Rate upload_rate_;
};

}  // namespace p2p::swarm
