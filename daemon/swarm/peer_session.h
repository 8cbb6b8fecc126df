// SPDX-License-Identifier: MIT
// What is known about one connected peer of a swarm, and what it may do. It judges single messages and
// keeps the queues of both directions; what concerns several sessions is decided by Swarm.
//
// States, independent of each other:
//   opening      until the first message other than keep-alive or extension; only then may a bitfield,
//                HaveAll or HaveNone come -> open
//   choking_us   (begins so) <-> not, by Choke and Unchoke
//   interested_in_us, interested (we in it), unchoked (it by us): begin as no
//   ramping      the pipeline grows by one request per block -> steady when the rate stops growing
//   snubbed      no answer for patience() with requests outstanding: they were given up, and it is asked for
//                nothing until it answers one of them (BEP 6: it owes an answer to each; without BEP 6 for
//                one block at a time)
//
// A request of ours is outstanding until its block or a Reject comes, or until we give it up: then it is
// `late`, no longer counts and no longer holds the block, but when it arrives after all it is taken.
// Both lists are bounded by the pipeline. The peer's requests wait in a queue of kRequestsFromPeer.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <vector>

#include "daemon/base/limits.h"
#include "daemon/swarm/piece_picker.h"
#include "daemon/swarm/rate.h"
#include "daemon/swarm/request_memory.h"
#include "daemon/swarm/swarm.h"
#include "daemon/swarm/trial.h"

namespace p2p::swarm {

class PeerSession {
 public:
  PeerSession(SessionId id, const DeviceId& device, Abilities abilities, const meta::Geometry& geometry,
              const Options& options, TimePoint now);

  SessionId id() const { return id_; }
  const DeviceId& device() const { return device_; }
  const Abilities& abilities() const { return abilities_; }

  // --- admission -----------------------------------------------------------------------------------
  // Judges a message before it has any effect: who sends too much, sends what this share cannot have, or
  // breaks the order, is to be closed.
  std::optional<CloseReason> admit(const wire::Message& message, TimePoint now);
  // A block came that nothing was asked for; false when that happens too often.
  bool allow_unwanted_block(TimePoint now);
  // Is this request one that we could have sent: whole block, existing piece?
  std::optional<BlockRef> block_of(const wire::BlockSpan& span) const;

  // --- what it has ---------------------------------------------------------------------------------
  const Bitfield& pieces() const { return pieces_; }
  void set_pieces(Bitfield pieces) { pieces_ = std::move(pieces); }
  bool add_piece(PieceIndex piece) { return pieces_.set(piece); }
  bool remove_piece(PieceIndex piece) { return pieces_.clear(piece); }
  std::uint32_t wanted = 0;     // pieces that it has and we lack
  bool counts_as_seed = false;  // in the picker's availability
  bool is_proven = false;       // while we direct: it announced a piece that it had from us
  bool was_corrected = false;   // it rejected what it claims to have; it counts piece by piece from then on
  // Haves that it was not told yet because it has the pieces. Bounded: a complete peer is told when it begins
  // to direct, and else has no use for them.
  static constexpr std::size_t kWithheldHaves = 2048;
  std::vector<PieceIndex> withheld;
  std::optional<BlockRef> audited_block;  // while we direct: asked for, to be compared
  std::uint32_t audited_pieces = 0;       // how many it had when the last one was answered

  // --- fetching from it ----------------------------------------------------------------------------
  bool choking_us = true;
  bool interested = false;
  bool snubbed = false;
  // It directs: only what it suggests is asked of it (origin.h).
  bool directs = false;
  std::deque<PieceIndex> suggested;     // at most limits::kSuggestionsFromPeer, to be asked for in this order
  std::uint64_t barren_generation = 0;  // of the picker, when no new piece was found for this session
  void set_request_queue(std::uint32_t reqq) { reqq_ = reqq; }
  void set_way(Duration trip) { way_ = trip; }
  void set_request_bytes(std::uint32_t bytes) { request_bytes_ = std::min(bytes, limits::kRequestBytes); }
  // The next block may go with a request of so many bytes.
  bool takes_request(std::uint32_t bytes) const { return bytes <= request_bytes_; }
  // Is there room for enough requests to send some? They go several at a time, so that one message, one read
  // from disk and one record carry many.
  bool is_due(TimePoint now, bool far) const;  // `far`: is the end of the share
  std::uint32_t pipeline_depth(TimePoint now, bool far) const;
  Trial trial;
  // Near the end it may be asked for more than its pace asks for.
  bool may_hurry() const {
    return first_block_ != TimePoint{} && !snubbed && trial.is_over() &&
           outstanding() < std::min(options_.pipeline_new, reqq_);
  }
  std::size_t outstanding() const { return outstanding_.size(); }
  void on_requested(BlockRef block, TimePoint now);
  // A Reject came. Ends the request; false if it was not outstanding.
  bool settle(BlockRef block, TimePoint now);
  bool settle_late(BlockRef block, TimePoint now);
  void give_up(BlockRef block);  // outstanding -> late
  std::vector<BlockRef> give_up_all();
  std::vector<BlockRef> snub();  // gives up all
  // A block came. False, and nothing happens, when it is not outstanding.
  bool on_block(BlockRef block, std::uint32_t bytes, TimePoint now);
  void count_download(std::uint32_t bytes, TimePoint now) { download_.add(bytes, now); }
  // When it will be snubbed for want of answers; max() with nothing outstanding.
  TimePoint snub_time() const;
  // In how long a request sent now may be answered, and the last of those outstanding and of `more`.
  Duration expected_answer(TimePoint now) const;
  Duration expected_last(std::uint64_t more, TimePoint now) const;
  template <class Visit>
  bool any_outstanding_from_last(Visit visit) const {
    for (auto one = outstanding_.rbegin(); one != outstanding_.rend(); ++one) {
      if (visit(one->block)) return true;
    }
    return false;
  }
  double download_rate(TimePoint now) const { return download_.per_second(now); }

  // --- serving it ----------------------------------------------------------------------------------
  bool interested_in_us = false;
  bool unchoked = false;
  TimePoint choker_since{};  // see Contender::since
  enum class Enqueued : std::uint8_t { First, Behind, Refused, Flood };
  // `servable`: unchoked, and we have the piece.
  Enqueued enqueue(const wire::BlockSpan& block, bool servable, TimePoint now);
  bool cancel(const wire::BlockSpan& block);
  std::optional<wire::BlockSpan> take_upload();
  std::size_t queued() const { return queue_.size(); }
  // Requests that will not be served.
  std::vector<wire::BlockSpan> drop_queue();
  std::vector<wire::BlockSpan> drop_queued(PieceIndex piece);
  // Requests that were under way when we choked are not held against it.
  void forgive_refusals() { forgiven_refusals_ = limits::kRequestsFromPeer; }
  void on_upload_sent(std::uint32_t bytes, TimePoint now) { upload_.add(bytes, now); }
  double upload_rate(TimePoint now) const { return upload_.per_second(now); }

 private:
  struct Outstanding {
    BlockRef block;
    TimePoint sent;
  };
  // So many in a minute.
  struct PerMinute {
    std::size_t count = 0;
    TimePoint since{};
    bool allow(std::size_t most, TimePoint now);
  };
  bool is_valid(const wire::BlockSpan& block) const;
  bool is_valid_request(const wire::BlockSpan& request) const;
  std::optional<CloseReason> admit_first(const wire::Message& message);
  bool count_refusal(TimePoint now);
  void steer_ramp(TimePoint now);
  double steady_depth(TimePoint now) const;
  bool take_outstanding(BlockRef block);
  void on_answer(TimePoint now);

  SessionId id_;
  DeviceId device_;
  Abilities abilities_;
  meta::Geometry geometry_;
  Options options_;
  bool opening_ = true;
  TokenBucket messages_;
  Bitfield pieces_;

  std::uint32_t reqq_ = kDefaultRequestQueue;
  std::uint32_t request_bytes_ = limits::kBlockBytes;
  static constexpr std::uint32_t kDefaultRequestQueue = 250;  // what clients assume without a word
  std::deque<Outstanding> outstanding_;
  std::deque<BlockRef> late_;
  Rate download_;
  double rate_at_block_ = 0;            // what it was with the last block
  std::optional<Duration> way_;         // to it and back, without what waits at the ends
  std::optional<Duration> round_trip_;  // the least seen from a request to its block
  TimePoint last_block_{};              // or the first request after a pause
  TimePoint last_answer_{};             // the same of any answer
  Duration longest_gap_{};              // between two blocks, lately
  Duration patience_;                   // with the next answer
  bool ramping_ = true;
  double ramp_depth_;
  TimePoint first_request_{};
  TimePoint first_block_{};
  double ramp_rate_ = 0;  // at the last look
  TimePoint ramp_look_{};

  std::deque<wire::BlockSpan> queue_;
  std::size_t forgiven_refusals_ = 0;
  PerMinute refusals_;
  RequestMemory asked_of_us_;
  PerMinute repeats_;
  Rate upload_;
};

}  // namespace p2p::swarm
