// SPDX-License-Identifier: MIT
// Gets the piece list of a share from other members, over links of its own: the first that lets us in is
// asked (swarm/metadata_exchange.h); when it fails, falls silent or gives what does not have the share's
// info-hash, the next one is.
//
// At most kDialsAtOnce links at a time, each address is tried once, and all of it ends by the deadline.
// Whoever is asked has a third of the time that is left, as long as there is somebody else to ask. Destroying
// it drops everything. Loop thread only; the judgement runs on the hash pool.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/io/work_pool.h"
#include "daemon/meta/metainfo.h"
#include "daemon/peer/membership_book.h"
#include "daemon/peer/peer_link.h"
#include "daemon/peer/tracker_clock.h"
#include "daemon/swarm/metadata_exchange.h"
#include "daemon/swarm/peer_book.h"

namespace p2p::peer {

// What is known of a share before its piece list.
struct ShareFacts {
  ShareKey key;
  std::string name;
  std::uint64_t size = 0;
  std::uint32_t piece_length = 0;
};

// The metadata that follows from a piece list, if that is the share's. On any thread.
Result<std::shared_ptr<const meta::Metainfo>> judge_piece_list(const ShareFacts& share, ByteSpan piece_list);

class MetadataFetch final : private PeerLinkOwner {
 public:
  static constexpr std::size_t kDialsAtOnce = 4;
  static constexpr Duration kSilence = 10s;  // of the one that is asked

  struct Surroundings {
    io::Loop& loop;
    io::WorkPool& hash;
    const tls::Context& context;
    const MembershipBook& memberships;
    const TrackerClock& clock;
    DeviceId self;
    std::optional<io::SocketAddress> from;
  };
  struct Fetched {
    std::shared_ptr<const meta::Metainfo> metainfo;
    Bytes piece_list;
  };
  using Done = std::function<void(Result<Fetched>)>;

  // The share has a piece at least. `done` comes once, from the loop; it may destroy this.
  MetadataFetch(Surroundings around, ShareFacts share, const meta::Geometry& geometry,
                std::vector<swarm::Candidate> candidates, Duration timeout, Done done,
                Duration silence = kSilence);
  ~MetadataFetch();

 private:
  std::optional<Admission> admit(PeerLink& link, const wire::Hello& hello) override;
  void on_link_open(PeerLink& link, bool fast, bool extended) override;
  void on_link_message(PeerLink& link, const wire::Message& message) override;
  void on_link_drained(PeerLink&) override {}
  void on_link_closed(PeerLink& link, const Error& reason) override;
  void dial_next();
  void dial(const swarm::Candidate& candidate);
  void ask(PeerLink& link);
  PeerLink* waiting() const;
  void await_answer();
  void give_up(PeerLink& link, std::string_view why);
  void drop(PeerLink& link);
  void on_piece_list(PeerLink& link);
  void on_silence();
  void on_deadline();
  void finish(Result<Fetched> result);

  Surroundings around_;
  ShareFacts share_;
  meta::Geometry geometry_;
  std::vector<swarm::Candidate> candidates_;  // not yet tried, best last
  Done done_;
  const Duration silence_;
  std::map<PeerLink*, std::unique_ptr<PeerLink>> links_;
  PeerLink* asked_ = nullptr;  // the one that is asked
  std::optional<swarm::MetadataReader> reader_;
  TimePoint turn_end_{};  // of that one
  TimePoint deadline_;
  bool judging_ = false;  // a piece list came and is on the hash pool
  io::Timer silence_timer_;
  io::Timer deadline_timer_;
  io::WorkScope scope_;
};

}  // namespace p2p::peer
