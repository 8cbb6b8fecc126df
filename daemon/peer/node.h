// SPDX-License-Identifier: MIT
// Everything in a p2pd process, in construction order, and the requests of its user.
//
// Account states: nobody (no tracker is contacted) → entering (a tracker session exists, the device may
// not be bound yet) → logged in. Leaving stops sharing in the same turn of the loop, with or without the
// tracker, and answers every command of the user that is under way (login_required); logging in again finds
// every share and download where it was.
#pragma once

#include <functional>
#include <list>
#include <memory>

#include "daemon/control/control_server.h"
#include "daemon/peer/fetcher.h"
#include "daemon/peer/group_memory.h"
#include "daemon/peer/publisher.h"
#include "daemon/peer/transfers.h"

namespace p2p::peer {

using control::Call;
using control::CallPointer;

class TrackerProbe;

void fill_challenge(pb::control::PasswordChallenge& challenge, const trust::TrackerAddress& tracker,
                    const pb::tracker::PasswordParametersAnswer& parameters);
void fill_group(pb::control::Group& view, const pb::tracker::GroupRow& row);

class Node final : private TrackerClient::Listener, private control::ControlServer::Listener {
 public:
  // `state` was loaded from `db`.
  Node(io::Loop& loop, Options options, trust::KeyPair identity, storage::StateDb db, storage::State state);
  ~Node();

  // Opens the port and the control socket and takes up the work where it was left.
  Result<io::SocketAddress> start();
  // Takes over those settings that may change while the daemon runs: limits, queue, checks of files.
  void reload(const Options& fresh);
  // `done` when everything is closed and on disk.
  void stop(std::function<void()> done);
  std::string status_line() const;  // for the service manager

 private:
  using Reply = std::function<void(const pb::tracker::Response&)>;
  // Polled when something changed, and now and then for progress: true when the call was answered.
  struct Wait {
    CallPointer call;
    TimePoint shown;  // when progress was last sent
    std::function<bool(Call&)> poll;
  };

  // A removal that is answered when every online member's daemon has closed the links.
  struct Removing {
    CallPointer call;
    GroupId group;
    std::uint64_t epoch = 0;
    TimePoint deadline;
    bool asking = false;
    pb::control::Removal removal;
  };

  // node.cc
  void on_tracker_hello(const TrackerSession::Hello& hello) override;
  pb::tracker::Attach make_tracker_attach() override;
  void on_tracker_attached(const pb::tracker::Attached& attached) override;
  void on_tracker_lost(const Error& reason) override;
  void adopt(storage::State state);
  // Sharing ends in this turn; `done` when the database says so too.
  void leave_account(std::function<void(const Status&)> done);
  void on_changed();
  void on_loaded();
  void poll_waits();
  void renew_grants();
  void follow_tracker(const trust::TrackerAddress& target);
  void look_for_members();
  bool is_logged_in() const { return account_ && account_->logged_in; }

  // node_events.cc
  void on_tracker_event(const pb::tracker::Event& event) override;
  void take_memberships(const pb::tracker::Memberships& memberships);
  void take_membership(const pb::tracker::Membership& membership);
  void forget_membership(const GroupId& group);
  void lose_membership(const GroupId& group, const std::string& decided_by);
  void take_roster(const GroupId& group, ByteSpan roster);
  void tell_roster_applied(const GroupId& group);
  void take_revocation(ByteSpan revocation);
  void take_withdrawal(const pb::tracker::FileWithdrawn& withdrawn);

  // calls_account.cc
  void on_call(CallPointer call) override;
  void dispatch(const CallPointer& call);
  void dispatch_logged_in(const CallPointer& call);
  void end_users_calls();
  void call_account_parameters(const CallPointer& call);
  void call_account_enter(const CallPointer& call);
  void enter_account(const CallPointer& call, const pb::tracker::Account& account);
  void call_account_logout(const CallPointer& call);
  void call_whoami(const CallPointer& call);
  void call_status(const CallPointer& call);
  void call_limits(const CallPointer& call);
  pb::control::Account account_view() const;
  // Sends to the tracker; errors are answered here, success is the continuation's.
  void ask(const CallPointer& call, pb::tracker::Request request, TrackerClient::Kind kind, Reply then);
  bool check_logged_in(const CallPointer& call);

  // calls_session.cc
  void call_password_parameters(const CallPointer& call);
  void call_password(const CallPointer& call);
  using Sessions = std::vector<pb::tracker::SessionRow>;
  void list_sessions(const CallPointer& call, std::shared_ptr<Sessions> rows, const std::string& cursor,
                     std::function<void(const Sessions&)> then);
  void call_sessions(const CallPointer& call);
  void call_revoke(const CallPointer& call);

  // calls_doctor.cc
  void call_doctor(const CallPointer& call);
  void check_tracker(pb::control::Doctor& doctor) const;
  void check_reach(pb::control::Doctor& doctor) const;
  void check_shares(pb::control::Doctor& doctor) const;

  // calls_members.cc
  void call_group_invite(const CallPointer& call);
  void call_group_set_role(const CallPointer& call);
  void call_group_transfer(const CallPointer& call);
  void call_group_remove(const CallPointer& call);
  void poll_removals();
  void ask_progress(const std::shared_ptr<Removing>& removing);

  // calls_group.cc
  void call_group_create(const CallPointer& call);
  void call_group_list(const CallPointer& call, std::shared_ptr<pb::control::Response> rows,
                       const std::string& cursor);
  void call_group_show(const CallPointer& call);
  void call_group_join(const CallPointer& call);
  void call_group_leave(const CallPointer& call);
  void call_group_requests(const CallPointer& call, std::shared_ptr<pb::control::Response> rows,
                           const std::string& cursor);
  void call_group_decide(const CallPointer& call);
  void call_group_members(const CallPointer& call, std::shared_ptr<pb::control::Response> rows,
                          const std::string& cursor);
  void wait_for_decision(const CallPointer& call, const std::string& group);

  // calls_file.cc
  void call_file_share(const CallPointer& call);
  void begin_share(const CallPointer& call, storage::TransferRow row);
  void wait_for_share(const CallPointer& call, const DownloadId& id, const std::string& group,
                      const std::string& name);
  void call_file_list(const CallPointer& call, std::shared_ptr<pb::control::Response> rows,
                      const std::string& cursor);
  void call_file_show(const CallPointer& call);
  void call_file_unshare(const CallPointer& call);
  void call_file_withdraw(const CallPointer& call);
  const Transfer* unfinished_download(const std::string& group, const std::string& name,
                                      const std::string& path) const;
  void fill_own(pb::control::File& view, const ShareKey& share) const;
  Transfer* own_share(const std::string& group, const std::string& name) const;
  void add_wait(const CallPointer& call, std::function<bool(Call&)> poll);

  // calls_download.cc
  void call_download_start(const CallPointer& call);
  void call_download_list(const CallPointer& call);
  void call_download_show(const CallPointer& call);
  void call_download_wait(const CallPointer& call);
  void call_download_change(const CallPointer& call);
  void end_download(const CallPointer& call, Transfer& transfer);

  io::Loop& loop_;
  Options options_;
  trust::KeyPair identity_;
  DeviceId self_;
  Random random_;
  tls::Context tracker_context_;
  tls::Context peer_context_;
  StateStore store_;
  io::WorkPool disk_;
  io::WorkPool hash_;
  io::WorkPool background_;
  std::optional<storage::AccountRow> account_;
  MembershipBook memberships_;
  TrackerClock clock_;
  TrackerClient tracker_;
  GroupMemory group_memory_;
  Transfers transfers_;
  Publisher publisher_;
  Fetcher fetcher_;
  control::ControlServer control_;
  std::unique_ptr<TrackerProbe> probe_;
  std::vector<std::weak_ptr<Call>> users_calls_;  // of whoever is logged in; some may be answered
  std::list<Wait> waits_;
  std::list<std::shared_ptr<Removing>> removals_;
  Bytes pending_key_set_;  // of the tracker being talked to
  bool renewing_ = false;
  bool leaving_ = false;     // a logout is not yet durable, or not yet known to the tracker
  std::string unreachable_;  // why the tracker lists no address of ours; empty: it does, or is not known
  std::optional<bool> reachable_;  // what the tracker's dial-back found
  std::string reachable_address_;
  io::Timer wait_timer_;
  io::Timer removal_timer_;
  io::Timer grant_timer_;
  io::Timer away_timer_;  // set while the tracker is away
  io::WorkScope scope_;
};

}  // namespace p2p::peer
