// SPDX-License-Identifier: MIT
#include "daemon/tracker/operator.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/limits.h"
#include "daemon/base/log.h"
#include "daemon/base/units.h"
#include "daemon/io/clock.h"
#include "daemon/tracker/version.h"

namespace p2p::tracker {
namespace {

namespace ctl = pb::control;

constexpr std::size_t kSaltBytes = 16;
constexpr auto kInviteLifeDefault = std::chrono::hours(24 * 7);
constexpr auto kSweepInterval = std::chrono::hours(1);

double as_double(std::size_t count) { return static_cast<double>(count); }

// The refusal in a decision, if it is one.
bool refuse_if_error(const CallPointer& call, const Decision& decision) {
  if (!decision.answer.has_error()) return false;
  ctl::Response response;
  *response.mutable_error() = decision.answer.error();
  call->answer(std::move(response));
  return true;
}

}  // namespace

Operator::Operator(io::Loop& loop, const Options& options, const Registry& registry, Service& service,
                   SqliteStore& store, const std::string& data_dir)
    : loop_(loop),
      options_(options),
      registry_(registry),
      service_(service),
      backup_(loop, store, data_dir),
      started_(loop.now()),
      sweep_(loop, bind<&Operator::drop_expired>(this)) {}

void Operator::start(std::string listening, std::string address) {
  listening_ = std::move(listening);
  address_ = std::move(address);
  drop_expired();
}

void Operator::drop_expired() {
  sweep_.set(kSweepInterval);
  if (registry_.has_expired_invites(io::wall_now()))
    service_.operate(DropExpiredInvites{}, [](const Decision&) {});
}

void Operator::on_call(CallPointer call) {
  switch (call->request().body_case()) {
    case ctl::Request::kTrackerAddress: return call_address(call);
    case ctl::Request::kTrackerStatus: {
      ctl::Response response;
      *response.mutable_operator_status() = status();
      return call->answer(std::move(response));
    }
    case ctl::Request::kOperatorUserList: return call_user_list(call);
    case ctl::Request::kOperatorUserSet: return call_user_set(call);
    case ctl::Request::kOperatorPasswordParameters: return call_password_parameters(call);
    case ctl::Request::kOperatorPasswordReset: return call_password_reset(call);
    case ctl::Request::kOperatorGroupList: return call_group_list(call);
    case ctl::Request::kOperatorBackup: return call_backup(call);
    case ctl::Request::kOperatorInvite: return call_invite(call);
    default:
      return call->refuse({Code::Unsupported,
                           "this is the control socket of a tracker, which does not know this request",
                           "for a peer daemon give its own socket: p2pctl --socket PATH"});
  }
}

// --- what there is -------------------------------------------------------------------------------

void Operator::call_address(const CallPointer& call) {
  ctl::Response response;
  response.mutable_address()->set_address(address_);
  call->answer(std::move(response));
}

ctl::OperatorStatus Operator::status() const {
  ctl::OperatorStatus status;
  status.set_version(P2P_VERSION);
  status.set_address(address_);
  status.set_listen(listening_);
  status.set_users(as_double(registry_.accounts()));
  status.set_groups(as_double(registry_.groups()));
  status.set_shares(as_double(registry_.shares()));
  status.set_sessions(as_double(service_.sessions()));
  status.set_uptime_seconds(seconds_of(loop_.now() - started_));
  status.set_registration(std::string(registration_name(options_.registration)));
  return status;
}

ctl::OperatorUser Operator::user_row(const Account& account) const {
  ctl::OperatorUser row;
  row.set_user(account.name);
  row.set_disabled(account.disabled);
  row.set_devices(as_double(registry_.devices_of(account.id).size()));
  row.set_online(as_double(service_.presence().devices_of(account.id).size()));
  row.set_groups(as_double(registry_.memberships_of(account.id)));
  row.set_created(format_wall_time(account.created));
  return row;
}

void Operator::call_user_list(const CallPointer& call) {
  ctl::Response response;
  auto& users = *response.mutable_operator_users();
  for (const auto* account : registry_.all_accounts()) *users.add_users() = user_row(*account);
  call->answer(std::move(response));
}

void Operator::call_group_list(const CallPointer& call) {
  ctl::Response response;
  auto& groups = *response.mutable_operator_groups();
  for (const auto* group : registry_.all_groups()) {
    auto& row = *groups.add_groups();
    row.set_group(group->head.name);
    row.set_owner(registry_.owner_of(*group));
    row.set_members(as_double(group->members.size()));
    row.set_shares(as_double(group->shares.size()));
    row.set_unlisted(group->head.unlisted);
    row.set_created(format_wall_time(group->head.created));
  }
  call->answer(std::move(response));
}

// --- users ---------------------------------------------------------------------------------------

void Operator::change_user(const CallPointer& call, Operation operation, const UserId& user) {
  service_.operate(std::move(operation), [this, call, user](const Decision& decision) {
    if (refuse_if_error(call, decision)) return;
    ctl::Response response;
    *response.mutable_operator_user() = user_row(*registry_.account(user));
    call->answer(std::move(response));
  });
}

void Operator::call_user_set(const CallPointer& call) {
  const auto& request = call->request().operator_user_set();
  const auto account = registry_.existing_account(request.user());
  if (!account) return call->refuse(account.error());
  log::info("operator changes a user", {{"user", (*account)->name}, {"disabled", request.disabled()}});
  change_user(call, SetDisabled{(*account)->name, request.disabled()}, (*account)->id);
}

void Operator::call_password_parameters(const CallPointer& call) {
  const auto account = registry_.existing_account(call->request().operator_password_parameters().user());
  if (!account) return call->refuse(account.error());
  Challenge challenge{(*account)->id, Bytes(kSaltBytes), service_.passwords().log_n()};
  trust::fill_random(challenge.salt);
  ctl::Response response;
  auto& answer = *response.mutable_challenge();
  answer.set_tracker(address_);
  answer.set_fingerprint(registry_.tracker().hex());
  answer.set_pinned(true);
  answer.set_version(Passwords::kVersion);
  answer.set_salt(to_string(challenge.salt));
  answer.set_log_n(challenge.log_n);
  answer.set_r(Passwords::kBlockSize);
  answer.set_p(Passwords::kParallelization);
  if (challenges_.size() == limits::kPasswordChallenges) challenges_.pop_front();
  challenges_.push_back(std::move(challenge));
  call->answer(std::move(response));
}

void Operator::call_password_reset(const CallPointer& call) {
  const auto& request = call->request().operator_password_reset();
  const auto account = registry_.existing_account(request.user());
  if (!account) return call->refuse(account.error());
  if (request.proof().size() != Passwords::kProofBytes)
    return call->refuse({Code::InvalidArgument, "the proof of a password has 32 bytes"});
  const auto found = std::find_if(challenges_.begin(), challenges_.end(), [&](const Challenge& one) {
    return one.user == (*account)->id && as_text(one.salt) == request.salt();
  });
  if (found == challenges_.end())
    return call->refuse({Code::Conflict, "this reset was not begun, or it was begun too long ago",
                         "begin again: p2pctl tracker user reset-password NAME"});
  ResetPassword reset{(*account)->name, service_.passwords().record(found->user, as_bytes(request.proof())),
                      std::move(found->salt), found->log_n};
  challenges_.erase(found);
  log::info("operator resets a password", {{"user", reset.user}});
  change_user(call, std::move(reset), (*account)->id);
}

// --- invites, backup -----------------------------------------------------------------------------

void Operator::call_invite(const CallPointer& call) {
  const auto& request = call->request().operator_invite();
  const auto uses = request.uses() == 0 ? 1 : request.uses();
  const auto longest = std::chrono::duration_cast<std::chrono::seconds>(limits::kInviteLife);
  if (uses > limits::kInviteUses)
    return call->refuse(
        {Code::InvalidArgument, fmt::format("an invite has at most {} uses", limits::kInviteUses)});
  if (request.expires_seconds() > static_cast<std::uint64_t>(longest.count()))
    return call->refuse({Code::InvalidArgument, "an invite lasts for a year at most"});
  const auto life = request.expires_seconds() == 0
                        ? std::chrono::duration_cast<std::chrono::seconds>(kInviteLifeDefault)
                        : std::chrono::seconds(request.expires_seconds());
  const auto token = trust::random_id<InviteToken>().hex();
  const Invite invite{invite_hash(token), uses, io::wall_now() + life};
  service_.operate(AddInvite{invite}, [call, token, invite](const Decision& decision) {
    if (refuse_if_error(call, decision)) return;
    log::info("invite made", {{"uses", invite.uses}, {"expires", format_wall_time(invite.expires)}});
    ctl::Response response;
    auto& answer = *response.mutable_invite();
    answer.set_token(token);
    answer.set_uses(invite.uses);
    answer.set_expires(format_wall_time(invite.expires));
    call->answer(std::move(response));
  });
}

void Operator::call_backup(const CallPointer& call) {
  const auto path = call->request().operator_backup().path();
  backup_.run(path, [call, path](const Result<std::uint64_t>& bytes) {
    if (!bytes) {
      log::error("backup failed", {{"path", path}, {"reason", bytes.error().message}});
      call->refuse(bytes.error());
      return;
    }
    log::info("backup written", {{"path", path}, {"bytes", *bytes}});
    ctl::Response response;
    response.mutable_backup()->set_path(path);
    response.mutable_backup()->set_bytes(static_cast<double>(*bytes));
    call->answer(std::move(response));
  });
}

}  // namespace p2p::tracker
