// SPDX-License-Identifier: MIT
// All transfers of the account in use, and every peer link: who is dialled, who is let in, which link
// stays when two cross, the limits that all share, and what the tracker is told of it.
//
// A link is owned here from its first byte; once open it belongs to one transfer as well. A link that is
// dropped is silent at once and destroyed on a clean stack. transfers.cc has the set, its order and its
// limits; links are in transfers_links.cc, what concerns the tracker in transfers_tracker.cc.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "daemon/base/log_limit.h"
#include "daemon/peer/membership_book.h"
#include "daemon/peer/options.h"
#include "daemon/peer/tracker_client.h"
#include "daemon/peer/tracker_clock.h"
#include "daemon/peer/transfer.h"
#include "daemon/swarm/dial_gate.h"

namespace p2p::peer {

class Transfers final : private PeerLinkOwner, private TransferOwner, private io::Acceptor::Listener {
 public:
  // Everything must outlive this. `on_changed`: something that commands show or wait for has changed.
  struct Surroundings {
    io::Loop& loop;
    io::WorkPool& disk;
    io::WorkPool& hash;
    io::WorkPool& background;
    StateStore& store;
    Random& random;
    const MembershipBook& memberships;
    TrackerClient& tracker;
    const TrackerClock& clock;
    const tls::Context& context;
    const Options& options;
    DeviceId self;
  };
  // `on_loaded`: a share that is not listed yet can be published now.
  Transfers(Surroundings around, Bound<> on_changed, Bound<> on_loaded);
  ~Transfers();

  Result<io::SocketAddress> listen();
  const io::SocketAddress& listening() const { return listening_; }

  // The account's transfers, as stored; `piece_list` of each is read from the store.
  void load(std::int64_t account, std::vector<storage::TransferRow> rows);
  // Logged out: links are cut in this turn, nothing stays but the rows on disk.
  void unload();

  // A new one; its row is in the database already.
  Transfer& add(storage::TransferRow row, std::shared_ptr<const meta::Metainfo> metainfo);
  using Done = Transfer::Done;
  // Ends it and forgets its row; `done` when that is durable.
  void remove(const DownloadId& id, Done done);
  void resume(Transfer& transfer, Done done);
  // The same with what it has fetched: its part file goes first.
  void discard(Transfer& transfer, Done done);
  std::int64_t account() const { return account_; }

  const std::map<DownloadId, std::unique_ptr<Transfer>>& all() const { return transfers_; }
  Transfer* find(const DownloadId& id) const;
  Transfer* find(const ShareKey& share) const;  // the one that is not failed, if there are several
  // A share is hashed: it has its key from now on.
  void set_published(Transfer& transfer, storage::TransferRow row,
                     std::shared_ptr<const meta::Metainfo> metainfo);
  Result<Transfer*> find_download(const std::string& id_prefix) const;

  // The tracker's side.
  void on_attached();
  void on_peers(const pb::tracker::Peers& peers);
  // Members' devices as they were last known: what the group's downloads try while the tracker is away.
  void add_known(const GroupId& group, const std::vector<storage::KnownDevice>& devices);
  void forget_device(const DeviceId& device);  // its session was revoked
  void close_unwelcome();  // links of those who are no longer members, or whose grant was revoked
  // Stops what is in a group that was left (`cause` says why), takes it up again in one that was joined.
  void on_membership_changed(const GroupId& group, const std::string& cause);
  // The share has left the catalogue: it is served no longer, a download of it fails, files stay.
  enum class Withdrawal : std::uint8_t { ByUs, ByOther };
  void withdraw(const ShareKey& share, const std::string& cause, Withdrawal withdrawal);
  static std::string not_a_member(const std::string& group);
  // Is a link over whose grant this is? It has limits::kGrantGrace after the grant's end, to be renewed in.
  static bool is_over(const trust::Grant& grant, WallTime now);
  // Pieces that each of so many active downloads may have open: all together limits::kUnverifiedBytes, but
  // one at least.
  static std::uint32_t open_pieces(std::size_t active, std::uint32_t piece_length);

  void on_settings_changed();
  void set_limits(std::uint64_t upload, std::uint64_t download);
  std::uint64_t upload_limit() const { return upload_.rate(); }
  std::uint64_t download_limit() const { return download_.rate(); }
  std::size_t links_open() const;

  // Orderly stop: no new links, last checkpoints; `done` when all is on disk.
  void stop(std::function<void()> done);

 private:
  std::optional<Admission> admit(PeerLink& link, const wire::Hello& hello) override;
  void on_link_open(PeerLink& link, bool fast, bool extended) override;
  void on_link_message(PeerLink& link, const wire::Message& message) override;
  void on_link_drained(PeerLink& link) override;
  void on_link_closed(PeerLink& link, const Error& reason) override;
  void on_transfer_changed(Transfer& transfer) override;
  void drop_link(PeerLink& link) override;
  void on_turn_wanted() override;
  void on_dial_wanted() override;
  void on_accept(std::unique_ptr<io::Stream> stream) override;

  WallTime now_wall() const;
  Transfer* transfer_of(const PeerLink& link) const;
  void dial_due();
  void dial(Transfer& transfer, const swarm::Candidate& candidate);
  void give_turns();
  void arm_turn_timer();
  void on_grant_timer();
  void load_metainfo(const DownloadId& id);
  void check_files();
  bool count_in(const Transfer& transfer);
  void forget_share(Transfer& transfer);
  void schedule();  // which downloads fetch, and with how much memory
  void announce(Transfer& transfer);
  void announce_end(const Transfer& transfer);
  void on_gone(const pb::tracker::Announced& announced);
  void on_announce_due();
  void announce_again(const Error& refusal, const std::vector<DownloadId>& ids);
  bool is_welcome(const PeerLink& link) const;
  void ask_peers(Transfer& transfer);

  Surroundings around_;
  Bound<> on_changed_;
  Bound<> on_loaded_;
  io::Acceptor acceptor_;
  io::SocketAddress listening_;
  std::int64_t account_ = 0;
  std::map<DownloadId, std::unique_ptr<Transfer>> transfers_;
  std::multimap<ShareKey, Transfer*> by_share_;  // each message of a link looks here
  std::set<DownloadId> fetching_;                // downloads in their turns or waiting for one
  std::map<PeerLink*, std::unique_ptr<PeerLink>> links_;
  std::size_t greeting_ = 0;  // accepted, not yet open
  swarm::DialGate dials_;
  std::set<DownloadId> queued_;
  std::map<DownloadId, std::uint64_t> turns_;  // as they were started, or resumed
  std::uint64_t next_turn_ = 0;
  std::map<DownloadId, pb::tracker::Activity> announced_;
  std::set<DownloadId> announce_due_;
  swarm::SharedLimit upload_;
  swarm::SharedLimit download_;
  log::Limit refused_;  // lines about links that the other side is to blame for
  bool scheduling_ = false;
  bool stopping_ = false;
  bool checking_ = false;  // a look at the files is under way
  std::size_t stops_waiting_ = 0;
  io::Timer announce_timer_;
  io::Timer dial_timer_;
  io::Timer turn_timer_;
  io::Timer grant_timer_;
  io::Timer check_timer_;
  io::WorkScope scope_;
};

}  // namespace p2p::peer
