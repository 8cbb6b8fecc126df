// SPDX-License-Identifier: MIT
// Many daemons of one share in virtual time: the very Swarm and PeerBook objects that p2pd links, behind a
// network and a driver that are modelled. Used by unit tests, by the scenarios, and by `simulate`.
//
// The driver is peer/transfer as far as it matters to a swarm: a link has at most 2 x kSendLowWaterBytes of
// blocks in user space, filled again when it has fallen to half, read from the disk in batches; a filled
// piece is verified and written one after the other, and announced when that is done; a write may fail for
// want of space, then fetching rests for two seconds. Payload does not exist.
//
// A member is connected by the test (connect), or by its own PeerBook (join), which then knows everybody.
//
// Checked all the time, and kept in violations(): nothing is served that was not verified and written; no
// more pieces are open, and no more requests outstanding, than allowed; honest members never close each
// other's links for anything but having nothing to exchange.
//
// Everything follows from the seed; digest() names the run.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/limits.h"
#include "daemon/base/random.h"
#include "daemon/meta/geometry.h"
#include "daemon/swarm/peer_book.h"
#include "daemon/swarm/swarm.h"
#include "tests/sim/network.h"

namespace p2p::sim {

struct MemberOptions {
  double uplink = 1024 * 1024;  // bytes a second; 0: no limit
  double downlink = 0;
  bool seed = false;
  std::size_t links_wanted = limits::kLinksWanted;
  swarm::Options swarm = {};
};

struct WorldOptions {
  NetworkOptions network = {};
  std::size_t socket_buffer = 128 * 1024;  // of the kernel, for each direction of a link
  double verify_rate = 500.0 * 1024 * 1024;
  Duration write_time = 500us;
  double write_errors = 0;  // part of the writes that finds the disk full
  Duration read_time = 200us;
  Duration handshake_time = 3ms;  // of processors; round trips come on top
};

class SwarmWorld final : private Network::Listener {
 public:
  using Member = std::uint32_t;

  SwarmWorld(const meta::Geometry& geometry, std::uint64_t seed, WorldOptions options = {});
  ~SwarmWorld();

  Member add(const MemberOptions& options);
  void connect(Member one, Member other);
  void connect_all();
  // The tracker tells it of all that have joined, and them of it.
  void join(Member member);
  void leave(Member member);  // for good: its links are cut and nobody hears of it again
  void cut_links(Member member);
  void set_island(Member member, std::uint32_t island) { network_.set_island(member, island); }
  void at(Duration time, std::function<void()> script);

  // Runs until `done`, looked at whenever a piece was stored, a link closed, somebody began or ceased to
  // direct, or a script ran, or until the
  // virtual time `limit`; true if done.
  bool run(const std::function<bool()>& done, Duration limit);
  bool all_complete() const;  // all that have not left
  // The others that are there hold together every piece.
  bool full_copy_without(Member member) const;

  swarm::Swarm& swarm(Member member) { return *members_[member].swarm; }
  const swarm::Swarm& swarm(Member member) const { return *members_[member].swarm; }
  std::size_t members() const { return members_.size(); }
  bool has_left(Member member) const { return members_[member].left; }
  static DeviceId device(Member member);
  std::uint64_t received(Member from, Member to) const;  // payload kept
  Network& network() { return network_; }
  Duration now() const { return events_.now().time_since_epoch(); }
  Duration completed_at(Member member) const { return members_[member].completed_at; }
  Duration nearly_complete_at(Member member) const { return members_[member].nearly_complete_at; }  // 99 %
  Duration last_completed_at() const;
  std::uint64_t digest() const { return digest_; }  // of everything so far
  std::uint64_t events() const { return events_.happened(); }
  const std::vector<std::string>& violations() const { return violations_; }
  void check_invariants() const;  // of every swarm

 private:
  struct End {  // of a link
    Member member = 0;
    swarm::SessionId session;
    std::vector<wire::BlockSpan> reading;  // asked of the disk
    std::size_t reading_bytes = 0;
    std::uint32_t outstanding = 0;  // requests without answer
    bool is_full = false;           // above the low-water mark, waits to fall below it
  };
  struct Link {
    End ends[2];
    bool open = true;
  };
  struct State {
    std::unique_ptr<Random> random;
    std::unique_ptr<swarm::Swarm> swarm;
    std::unique_ptr<swarm::PeerBook> book;
    MemberOptions options;
    swarm::Bitfield stored;
    std::vector<LinkNumber> link_of_session;
    TimePoint timer = TimePoint::max();
    TimePoint dial_timer = TimePoint::max();
    TimePoint disk_free{};
    Duration nearly_complete_at{};
    Duration completed_at{};
    bool joined = false;
    bool left = false;
  };

  void on_item(Direction direction, const Item& item) override;
  void on_left(Direction direction) override;

  void happen(const Event& event);
  void settle(Member member);  // takes the member's actions, sets its timer
  void act(Member member, const swarm::Action& action);
  void send(Direction direction, wire::Message message, std::uint32_t bytes);
  std::size_t pending(Direction direction) const;
  void pump_upload(Direction direction);
  void on_read(Direction direction, std::uint32_t blocks);
  void check_piece(Member member, PieceIndex piece);
  void on_piece_done(Member member, PieceIndex piece, bool written);
  void set_timer(Member member);
  void set_dial_timer(Member member);
  void dial_due(Member member);
  void on_dialled(Member member, Member other);
  bool are_linked(Member one, Member other) const;
  void close(LinkNumber link);
  Direction direction_of(Member member, swarm::SessionId session) const;
  End& end_of(Direction direction) { return links_[direction / 2].ends[direction % 2]; }
  End& far_end_of(Direction direction) { return links_[direction / 2].ends[1 - direction % 2]; }
  void violate(Member member, const std::string& what);
  void note(std::uint64_t word) { digest_ = (digest_ ^ word) * 0x100000001b3; }  // FNV-1a, by words

  meta::Geometry geometry_;
  std::uint64_t seed_;
  WorldOptions options_;
  Random random_;
  EventQueue events_;
  Network network_;
  std::uint64_t digest_ = 0xcbf29ce484222325;
  std::vector<State> members_;
  std::vector<Link> links_;
  std::vector<std::function<void()>> scripts_;
  std::vector<std::string> violations_;
  bool look_ = true;  // `done` may have become true
};

}  // namespace p2p::sim
