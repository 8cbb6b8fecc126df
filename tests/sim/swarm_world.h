// SPDX-License-Identifier: MIT
// Many daemons of one share in virtual time: the very Swarm and PeerBook objects that p2pd links, behind a
// network and a driver that are modelled. Used by unit tests, by the scenarios, and by `simulate`.
//
// The driver is peer/transfer as far as it matters to a swarm: a link has at most 2 x kSendLowWaterBytes of
// blocks in user space, filled again when it has fallen to half, read from the disk in batches; a filled
// piece is verified and written one after the other, and announced when that is done; a write may fail for
// want of space, then fetching rests for two seconds. Payload does not exist, but each block is as it was
// published or bad; a piece with a bad block fails its hash, with the evidence of payload.h, and who has a
// piece gives its leaves.
//
// A hostile member (hostile.h) has the same swarm and driver, and bends what it sends.
//
// A member is connected by the test (connect), or by its own PeerBook (join), which then knows everybody.
//
// Checked all the time, and kept in violations(): nothing is served that was not verified and written; no
// more pieces are open, and no more requests outstanding, than allowed; a piece is filled with every block of
// it, none is kept twice, and no bad one is stored, or counted as downloaded when all is there; honest
// members never close each other's links for anything but having nothing to exchange, and never convict each
// other. What a hostile member does itself is not checked.
//
// Everything follows from the seed; digest() names the run.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/limits.h"
#include "daemon/base/random.h"
#include "daemon/meta/geometry.h"
#include "daemon/swarm/leaf_exchange.h"
#include "daemon/swarm/peer_book.h"
#include "daemon/swarm/swarm.h"
#include "tests/sim/hostile.h"
#include "tests/sim/network.h"
#include "tests/sim/payload.h"

namespace p2p::sim {

struct MemberOptions {
  double uplink = 1024 * 1024;  // bytes a second; 0: no limit
  double downlink = 0;
  bool seed = false;
  std::size_t links_wanted = limits::kLinksWanted;
  swarm::Options swarm = {};
  Attack attack = Attack::None;  // anything else: hostile
  double share = 1;              // of the blocks that are bad
};

struct WorldOptions {
  NetworkOptions network = {};
  std::size_t socket_buffer = 128 * 1024;  // of the kernel, for each direction of a link
  double verify_rate = 500.0 * 1024 * 1024;
  Duration write_time = 500us;
  double write_errors = 0;  // part of the writes that finds the disk full
  Duration read_time = 200us;
  Duration handshake_time = 3ms;  // of processors; round trips come on top
  double disk_spread = 0;         // times of the disk are up to this part longer or shorter
  Duration slow_spell{};          // for so long a member's disk takes kSlowTimes as long,
  Duration slow_spell_every{};    // about so often; 0: never
};

// A member that found another one out.
struct Ban {
  std::uint32_t by = 0;
  std::uint32_t device = 0;  // of this member
  Duration time{};
  swarm::CloseReason reason{};
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
  void cut_some_links(double part);  // each with this chance
  void set_island(Member member, std::uint32_t island) { network_.set_island(member, island); }
  void at(Duration time, std::function<void()> script);

  // Runs until `done`, looked at whenever a piece was stored, a link closed, somebody began or ceased to
  // direct, or a script ran, or until the
  // virtual time `limit`; true if done.
  bool run(const std::function<bool()>& done, Duration limit);
  bool all_complete() const;  // all honest ones that have not left
  // The other honest ones that are there hold together every piece.
  bool full_copy_without(Member member) const;

  swarm::Swarm& swarm(Member member) { return *members_[member].swarm; }
  const swarm::Swarm& swarm(Member member) const { return *members_[member].swarm; }
  std::size_t members() const { return members_.size(); }
  bool has_left(Member member) const { return members_[member].left; }
  bool is_hostile(Member member) const { return members_[member].hostile != nullptr; }
  static DeviceId device(Member member);
  static Member member_of(const DeviceId& device);
  std::uint64_t received(Member from, Member to) const;  // payload kept
  Network& network() { return network_; }
  std::vector<swarm::SessionView> sessions(Member member) const {
    return swarm(member).sessions(events_.now());
  }
  Duration now() const { return events_.now().time_since_epoch(); }
  Duration completed_at(Member member) const { return members_[member].completed_at; }
  Duration nearly_complete_at(Member member) const { return members_[member].nearly_complete_at; }  // 99 %
  Duration last_completed_at() const;
  std::uint64_t digest() const { return digest_; }  // of everything so far
  std::uint64_t events() const { return events_.happened(); }
  const std::vector<std::string>& violations() const { return violations_; }
  const std::vector<Ban>& bans() const { return bans_; }  // by honest members
  // Bad blocks that came to an honest member, by who sent them and to whom.
  const std::map<std::pair<Member, Member>, std::uint32_t>& bad_blocks() const { return bad_blocks_; }
  void check_invariants() const;  // of every honest swarm

 private:
  struct End {  // of a link
    Member member = 0;
    swarm::SessionId session;
    std::vector<wire::BlockSpan> reading;  // asked of the disk
    std::size_t reading_bytes = 0;
    TimePoint read_at{};            // when the last of these is there
    std::uint32_t outstanding = 0;  // requests without answer
    std::deque<wire::HashRange> leaf_reads;
    swarm::LeafServer::Asker leaf_asker;
    bool is_full = false;  // above the low-water mark, waits to fall below it
  };
  struct Link {
    End ends[2];
    bool open = true;
  };
  enum class Block : std::uint8_t { Missing, Good, Bad };
  struct State {
    std::unique_ptr<Random> random;
    std::unique_ptr<swarm::Swarm> swarm;
    std::unique_ptr<swarm::PeerBook> book;
    std::unique_ptr<Hostile> hostile;
    std::unique_ptr<swarm::LeafServer> leaves;  // made with the first question
    MemberOptions options;
    swarm::Bitfield stored;
    std::map<PieceIndex, std::vector<Block>> buffers;
    std::uint64_t unwanted = 0;  // payload that its swarm did not keep
    std::uint64_t lost = 0;      // or kept, and the disk did not
    TimePoint slow_from{};       // the disk
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
  void send(Direction direction, wire::Message message);
  void put(Direction direction, wire::Message message, bool bad);
  std::size_t pending(Direction direction) const;
  void pump_upload(Direction direction);
  void on_read(Direction direction, std::uint32_t blocks);
  void on_piece(Direction direction, const wire::Piece& piece, bool bad);
  void keep(Member member, const wire::BlockSpan& span, bool bad);
  BadBlocks bad_blocks(Member member, PieceIndex piece) const;
  void check_piece(Member member, PieceIndex piece);
  void check_sums(Member member);
  void on_piece_done(Member member, PieceIndex piece, bool written);
  void set_timer(Member member);
  void set_dial_timer(Member member);
  void dial_due(Member member);
  void on_dialled(Member member, Member other);
  // swarm_world_faults.cc
  Duration disk_time(Member member, Duration usual);
  void answer_leaves(Direction direction, const wire::HashRange& range);
  void on_leaves_read(Direction direction);
  void compare(Member member, const swarm::CompareBlock& action);
  void convict(Member member, const swarm::DeviceConvicted& convicted);
  void attack(Member member);
  void dial_all_at_once(Member member);
  void put_all(Direction direction, Hostile::Outbox out);

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
  Random faults_;  // apart: what has no faults draws what it always drew
  Payload payload_;
  EventQueue events_;
  Network network_;
  std::uint64_t digest_ = 0xcbf29ce484222325;
  std::vector<State> members_;
  std::vector<Link> links_;
  std::vector<std::function<void()>> scripts_;
  std::vector<std::string> violations_;
  std::vector<Ban> bans_;
  std::map<std::pair<Member, Member>, std::uint32_t> bad_blocks_;
  bool look_ = true;  // `done` may have become true
};

}  // namespace p2p::sim
