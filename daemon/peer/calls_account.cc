// SPDX-License-Identifier: MIT
// Requests of the control socket: dispatch, account, limits, status.
#include <fmt/format.h>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/peer/node.h"
#include "daemon/peer/tracker_probe.h"

namespace p2p::peer {
namespace {

constexpr auto kLogoutTime = std::chrono::seconds(3);

using Rows = std::shared_ptr<pb::control::Response>;

Rows new_rows() { return std::make_shared<pb::control::Response>(); }

}  // namespace

void Node::on_call(CallPointer call) { dispatch(call); }

void Node::dispatch(const CallPointer& call) {
  using pb::control::Request;
  switch (call->request().body_case()) {
    case Request::kAccountParameters: return call_account_parameters(call);
    case Request::kAccountEnter: return call_account_enter(call);
    case Request::kAccountLogout: return call_account_logout(call);
    case Request::kDaemonStatus: return call_status(call);
    case Request::kLimitsShow:
    case Request::kLimitsSet: return call_limits(call);
    case Request::kDownloadList: return call_download_list(call);
    case Request::kDaemonDoctor: return call_doctor(call);
    case Request::kTrackerAddress:
    case Request::kTrackerStatus:
    case Request::kOperatorUserList:
    case Request::kOperatorUserSet:
    case Request::kOperatorPasswordParameters:
    case Request::kOperatorPasswordReset:
    case Request::kOperatorGroupList:
    case Request::kOperatorBackup:
    case Request::kOperatorInvite:
      return call->refuse(Error{Code::Unsupported, "this is a peer daemon's socket, not a tracker's",
                                "name the tracker's with --socket"});
    default: break;
  }
  if (!check_logged_in(call)) return;
  std::erase_if(users_calls_, [](const auto& known) {
    const auto open = known.lock();
    return open == nullptr || !open->is_open();
  });
  users_calls_.push_back(call);
  dispatch_logged_in(call);
}

// Whatever they wait for (the tracker, a job, a transfer) may never come now, or come for another user.
void Node::end_users_calls() {
  for (const auto& known : std::exchange(users_calls_, {}))
    if (const auto call = known.lock())
      call->refuse(Error{
          Code::LoginRequired, "logged out while the command was under way",
          "p2pctl login NAME; what was accepted before goes on then, anything else is to be given again"});
}

void Node::dispatch_logged_in(const CallPointer& call) {
  using pb::control::Request;
  switch (call->request().body_case()) {
    case Request::kAccountWhoami: return call_whoami(call);
    case Request::kAccountPasswordParameters: return call_password_parameters(call);
    case Request::kAccountPassword: return call_password(call);
    case Request::kAccountSessions: return call_sessions(call);
    case Request::kAccountRevoke: return call_revoke(call);
    case Request::kGroupInvite: return call_group_invite(call);
    case Request::kGroupSetRole: return call_group_set_role(call);
    case Request::kGroupRemove: return call_group_remove(call);
    case Request::kGroupTransfer: return call_group_transfer(call);
    case Request::kFileUnshare: return call_file_unshare(call);
    case Request::kFileWithdraw: return call_file_withdraw(call);
    case Request::kGroupCreate: return call_group_create(call);
    case Request::kGroupList: return call_group_list(call, new_rows(), "");
    case Request::kGroupShow: return call_group_show(call);
    case Request::kGroupJoin: return call_group_join(call);
    case Request::kGroupLeave: return call_group_leave(call);
    case Request::kGroupRequests: return call_group_requests(call, new_rows(), "");
    case Request::kGroupDecide: return call_group_decide(call);
    case Request::kGroupMembers: return call_group_members(call, new_rows(), "");
    case Request::kFileShare: return call_file_share(call);
    case Request::kFileList: return call_file_list(call, new_rows(), "");
    case Request::kFileShow: return call_file_show(call);
    case Request::kDownloadStart: return call_download_start(call);
    case Request::kDownloadShow: return call_download_show(call);
    case Request::kDownloadWait: return call_download_wait(call);
    case Request::kDownloadChange: return call_download_change(call);
    default:
      return call->refuse(Error{Code::Unsupported, "this daemon does not know the request",
                                "update p2pd, or use the p2pctl that came with it"});
  }
}

bool Node::check_logged_in(const CallPointer& call) {
  if (is_logged_in()) return true;
  call->refuse(Error{Code::LoginRequired, "nobody is logged in on this device",
                     "p2pctl account login NAME, or account create NAME --tracker ADDRESS"});
  return false;
}

void Node::ask(const CallPointer& call, pb::tracker::Request request, TrackerClient::Kind kind, Reply then) {
  tracker_.request(std::move(request), kind, call->timeout(),
                   [call, then = std::move(then)](const Result<pb::tracker::Response>& response) {
                     if (!response) call->refuse(response.error());
                     else then(*response);
                   });
}

// --- account -----------------------------------------------------------------------------------------

void Node::call_account_parameters(const CallPointer& call) {
  const auto& wanted = call->request().account_parameters();
  const auto name = user_name(wanted.user());
  if (!name) return call->refuse(name.error());
  if (leaving_) return call->refuse(Error{Code::Busy, "a logout is under way", "try again in a moment"});
  if (is_logged_in())
    return call->refuse(Error{Code::Conflict, fmt::format("'{}' is logged in on this device", account_->user),
                              "p2pctl account logout first"});
  auto text = wanted.tracker();
  if (text.empty() && account_) text = account_->tracker;
  if (text.empty())
    return call->refuse(Error{Code::InvalidArgument, "no tracker was used on this device before",
                              "name it: --tracker p2p://HOST:PORT/#FINGERPRINT"});
  if (!text.starts_with("p2p://")) {
    if (probe_ != nullptr) return call->refuse(Error{Code::Busy, "another login is under way", "try again"});
    const auto target = parse_host_port(text);
    if (!target) return call->refuse(target.error());
    std::optional<io::SocketAddress> from;
    if (!options_.listen.is_unspecified()) from = options_.listen;
    probe_ = std::make_unique<TrackerProbe>(
        loop_, tracker_context_, self_, *target, from, [this, call](Result<trust::TrackerAddress> found) {
          probe_.reset();
          if (!found) return call->refuse(found.error());
          pb::control::Response response;
          response.mutable_challenge()->set_tracker(found->text());
          response.mutable_challenge()->set_fingerprint(found->tracker.hex());
          call->answer(response);
        });
    return;
  }
  const auto target = trust::TrackerAddress::parse(text);
  if (!target) return call->refuse(target.error());
  follow_tracker(*target);
  pb::tracker::Request request;
  request.mutable_password_parameters()->set_user(*name);
  ask(call, std::move(request), TrackerClient::Kind::Query,
      [call, address = *target](const pb::tracker::Response& answer) {
        pb::control::Response response;
        fill_challenge(*response.mutable_challenge(), address, answer.password_parameters());
        call->answer(response);
      });
}

void Node::call_account_enter(const CallPointer& call) {
  const auto& wanted = call->request().account_enter();
  const auto name = user_name(wanted.user());
  const auto target = trust::TrackerAddress::parse(wanted.tracker());
  if (!name) return call->refuse(name.error());
  if (!target) return call->refuse(target.error());
  if (leaving_) return call->refuse(Error{Code::Busy, "a logout is under way", "try again in a moment"});
  if (is_logged_in())
    return call->refuse(Error{Code::Conflict, fmt::format("'{}' is logged in on this device", account_->user),
                              "p2pctl account logout first"});
  follow_tracker(*target);
  pb::tracker::Request request;
  if (wanted.create()) {
    request.mutable_create_account()->set_user(*name);
    request.mutable_create_account()->set_proof(wanted.proof());
    request.mutable_create_account()->set_invite(wanted.invite());
  } else {
    request.mutable_login()->set_user(*name);
    request.mutable_login()->set_proof(wanted.proof());
  }
  ask(call, std::move(request), TrackerClient::Kind::Mutating,
      [this, call](const pb::tracker::Response& answer) { enter_account(call, answer.account()); });
}

void Node::enter_account(const CallPointer& call, const pb::tracker::Account& account) {
  const auto user_id = UserId::from(account.user_id());
  if (!user_id || !tracker_.target())
    return call->refuse(Error{Code::Internal, "the tracker gave no account", {}});
  storage::AccountRow row;
  row.tracker = tracker_.target()->text();
  row.user = account.user();
  row.user_id = *user_id;
  row.key_set = pending_key_set_;
  store_.run(
      scope_, [row](storage::StateDb& db) { return db.enter(row); },
      [this, call](Result<storage::State> state) {
        if (!state) return call->refuse(state.error());
        adopt(std::move(*state));
        log::info("logged in", {{"user", account_->user}});
        users_calls_.push_back(call);
        // A fresh attach brings grants and rosters, and tells what this device serves.
        pb::tracker::Request request;
        *request.mutable_attach() = make_tracker_attach();
        ask(call, std::move(request), TrackerClient::Kind::Query,
            [this, call](const pb::tracker::Response& answer) {
              if (is_logged_in() && answer.has_attached()) on_tracker_attached(answer.attached());
              pb::control::Response response;
              *response.mutable_account() = account_view();
              call->answer(response);
            });
      });
}

void Node::call_account_logout(const CallPointer& call) {
  if (!check_logged_in(call)) return;
  const auto view = account_view();
  log::info("logged out", {{"user", account_->user}});
  leaving_ = true;
  const auto finish = [this, call, view](const Status& stored) {
    leaving_ = false;
    if (!is_logged_in()) tracker_.set_target(std::nullopt);
    if (!stored) return call->refuse(stored.error().in("sharing has ended, but cannot be stored as ended"));
    pb::control::Response response;
    *response.mutable_account() = view;
    response.mutable_account()->set_connected(false);
    call->answer(response);
  };
  leave_account([this, finish](const Status& stored) {
    if (!tracker_.is_attached() || is_logged_in()) return finish(stored);
    pb::tracker::Request request;
    request.mutable_logout();
    tracker_.request(std::move(request), TrackerClient::Kind::Mutating, kLogoutTime,
                     [finish, stored](const Result<pb::tracker::Response>&) { finish(stored); });
  });
}

pb::control::Account Node::account_view() const {
  pb::control::Account view;
  view.set_user(account_->user);
  view.set_device(self_.hex());
  view.set_tracker(account_->tracker);
  view.set_connected(tracker_.is_attached());
  return view;
}

void Node::call_whoami(const CallPointer& call) {
  pb::control::Response response;
  *response.mutable_account() = account_view();
  call->answer(response);
}

// --- limits, status ----------------------------------------------------------------------------------

void Node::call_limits(const CallPointer& call) {
  const auto reply = [this](const CallPointer& to) {
    pb::control::Response response;
    response.mutable_limits()->set_upload(static_cast<double>(transfers_.upload_limit()));
    response.mutable_limits()->set_download(static_cast<double>(transfers_.download_limit()));
    to->answer(response);
  };
  if (call->request().has_limits_show()) return reply(call);
  const auto& wanted = call->request().limits_set();
  const auto rate = [](double value) { return value >= 0 && value <= 0x1p50; };
  if ((wanted.has_upload() && !rate(wanted.upload())) || (wanted.has_download() && !rate(wanted.download())))
    return call->refuse(Error{Code::InvalidArgument, "a rate lies between 0 and 1 PiB a second", {}});
  const auto upload =
      wanted.has_upload() ? static_cast<std::uint64_t>(wanted.upload()) : transfers_.upload_limit();
  const auto download =
      wanted.has_download() ? static_cast<std::uint64_t>(wanted.download()) : transfers_.download_limit();
  store_.run(
      scope_, [upload, download](storage::StateDb& db) { return db.put_limits(upload, download); },
      [this, call, reply, upload, download](const Status& status) {
        if (!status) return call->refuse(status.error());
        transfers_.set_limits(upload, download);
        reply(call);
      });
}

void Node::call_status(const CallPointer& call) {
  pb::control::Response response;
  auto* status = response.mutable_status();
  status->set_account(is_logged_in() ? account_->user : "");
  auto* link = status->mutable_tracker();
  if (tracker_.target()) link->set_address(tracker_.target()->text());
  link->set_connected(tracker_.is_attached());
  if (tracker_.target() && !tracker_.is_attached()) link->set_cause(tracker_.last_error().message);
  double up = 0;
  double down = 0;
  std::size_t served = 0;
  std::size_t downloads = 0;
  std::size_t shares = 0;
  const auto warn = [status](Code code, std::string message) {
    auto* warning = status->add_warnings();
    warning->set_code(std::string(code_name(code)));
    warning->set_message(std::move(message));
  };
  for (const auto& [id, transfer] : transfers_.all()) {
    up += transfer->upload_rate();
    down += transfer->is_complete() ? 0 : transfer->download_rate();
    served += transfer->peers_served();
    if (transfer->is_complete()) shares += transfer->takes_part() ? 1 : 0;
    else if (transfer->row().kind == storage::TransferKind::Download) ++downloads;
    if (!transfer->cause().empty())
      warn(transfer->is_barred() ? Code::NotMember : code_from_name(transfer->error_code()),
           transfer->row().group_name + "/" + transfer->row().name + ": " + transfer->cause());
  }
  if (is_logged_in() && !tracker_.is_attached())
    warn(Code::TrackerUnreachable, "not connected with the tracker: " + tracker_.last_error().message);
  if (!unreachable_.empty()) warn(Code::Io, "other members cannot connect to this device: " + unreachable_);
  status->set_uploads(static_cast<double>(served));
  status->set_downloads(static_cast<double>(downloads));
  status->set_shares(static_cast<double>(shares));
  status->mutable_rates()->set_upload(up);
  status->mutable_rates()->set_download(down);
  status->set_version(P2P_VERSION);
  status->set_device(self_.hex());
  status->set_listen(transfers_.listening().text());
  call->answer(response);
}

}  // namespace p2p::peer
