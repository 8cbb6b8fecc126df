// SPDX-License-Identifier: MIT
#include "daemon/tracker/registry.h"

#include <fmt/format.h>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/base/names.h"
#include "daemon/tracker/refusals.h"

namespace p2p::tracker {

msg::Response error_response(const Error& error) {
  msg::Response response;
  auto& body = *response.mutable_error();
  body.set_code(std::string(code_name(error.code)));
  body.set_message(error.message);
  body.set_hint(error.hint);
  return response;
}

// --- lookups -------------------------------------------------------------------------------------

const Account* Registry::account(std::string_view name) const {
  const auto found = account_names_.find(name);
  return found == account_names_.end() ? nullptr : account(found->second);
}

const Account* Registry::account(const UserId& user) const {
  const auto found = accounts_.find(user);
  return found == accounts_.end() ? nullptr : &found->second;
}

const Account* Registry::account_of(const DeviceId& device) const {
  const auto found = devices_.find(device);
  if (found == devices_.end()) return nullptr;
  const auto* bound = account(found->second.user);
  return bound != nullptr && !bound->disabled ? bound : nullptr;
}

const Group* Registry::group(std::string_view name) const {
  const auto found = group_names_.find(name);
  return found == group_names_.end() ? nullptr : group(found->second);
}

const Group* Registry::group(const GroupId& id) const {
  const auto found = groups_.find(id);
  return found == groups_.end() ? nullptr : &found->second;
}

const std::set<std::string>& Registry::groups_of(const UserId& user) const {
  static const std::set<std::string> none;
  const auto found = groups_of_.find(user);
  return found == groups_of_.end() ? none : found->second;
}

const std::set<std::string>& Registry::invited_to(const UserId& user) const {
  static const std::set<std::string> none;
  const auto found = invited_to_.find(user);
  return found == invited_to_.end() ? none : found->second;
}

const std::string& Registry::name_of(const UserId& user) const {
  static const std::string unknown;
  const auto* found = account(user);
  return found != nullptr ? found->name : unknown;
}

trust::Roster Registry::roster(const Group& group) const {
  trust::Roster roster;
  roster.tracker = tracker_;
  roster.group = group.head.id;
  roster.epoch = group.epoch;
  roster.members.reserve(group.members.size());
  for (const auto& [user, member] : group.members) roster.members.push_back({user, member.role});
  return roster;
}

Result<const Group*> Registry::visible_group(const Account& asker, std::string_view name) const {
  const auto folded = group_name(name);
  if (!folded) return fail(folded.error());
  const auto* found = group(*folded);
  if (found == nullptr || !found->is_visible_to(asker.id)) return no_such_group(*folded);
  return found;
}

Result<const Group*> Registry::member_group(const Account& asker, std::string_view name) const {
  const auto found = visible_group(asker, name);
  if (!found) return found;
  if (!trust::is_member((*found)->role_of(asker.id))) return not_member((*found)->head.name);
  return found;
}

Result<const Group*> Registry::admin_group(const Account& asker, std::string_view name) const {
  const auto found = member_group(asker, name);
  if (!found) return found;
  if (!trust::is_admin((*found)->role_of(asker.id))) return not_admin((*found)->head.name);
  return found;
}

Result<const Group*> Registry::joined_group(const Account& asker, const std::string& group_id) const {
  const auto id = GroupId::from(std::string_view(group_id));
  if (!id) return fail(Code::InvalidArgument, "a group id has 32 bytes");
  const auto* found = group(*id);
  if (found == nullptr || !found->is_visible_to(asker.id)) return no_such_group({});
  if (!trust::is_member(found->role_of(asker.id))) return not_member(found->head.name);
  return found;
}

// --- decisions -----------------------------------------------------------------------------------

Result<Scope> Registry::scope_of(const Asked& asked) const {
  if (asked.operation) return tracker::scope_of(*asked.operation);
  const auto& request = asked.request;
  const auto account_scope = [](const std::string& name) -> Result<Scope> {
    const auto folded = user_name(name);
    if (!folded) return fail(folded.error());
    return Scope{Scope::Kind::Account, *folded};
  };
  const auto group_scope = [](const std::string& name) -> Result<Scope> {
    const auto folded = group_name(name);
    if (!folded) return fail(folded.error());
    return Scope{Scope::Kind::Group, *folded};
  };
  switch (request.body_case()) {
    case msg::Request::kCreateAccount: return account_scope(request.create_account().user());
    case msg::Request::kLogin: return account_scope(request.login().user());
    case msg::Request::kLogout:
    case msg::Request::kChangePassword:
    case msg::Request::kRevokeSession: {
      const auto* asker = account_of(asked.device);
      if (asker == nullptr) return login_required();
      return Scope{Scope::Kind::Account, asker->name};
    }
    case msg::Request::kCreateGroup: {
      const auto creation = trust::GroupCreation::open(as_bytes(request.create_group().statement()));
      if (!creation) return fail(creation.error());
      return group_scope(creation->name);
    }
    case msg::Request::kJoinGroup: return group_scope(request.join_group().group());
    case msg::Request::kLeaveGroup: return group_scope(request.leave_group().group());
    case msg::Request::kDecideJoinRequests: return group_scope(request.decide_join_requests().group());
    case msg::Request::kInviteUsers: return group_scope(request.invite_users().group());
    case msg::Request::kSetRole: return group_scope(request.set_role().group());
    case msg::Request::kRemoveMember: return group_scope(request.remove_member().group());
    case msg::Request::kTransferGroup: return group_scope(request.transfer_group().group());
    case msg::Request::kShareFile: return group_scope(request.share_file().group());
    case msg::Request::kWithdrawFile: return group_scope(request.withdraw_file().group());
    default: return fail(Code::Unsupported, "the tracker does not know this request");
  }
}

Result<Decision> Registry::decide_body(const Asked& asked) const {
  const auto& request = asked.request;
  if (request.body_case() == msg::Request::kCreateAccount) return decide_create_account(asked);
  if (request.body_case() == msg::Request::kLogin) return decide_login(asked);
  const auto* asker = account_of(asked.device);
  // Another login of the same device may have been decided while this waited for its turn.
  if (asker == nullptr || (asked.user && asker->id != *asked.user)) return login_required();
  switch (request.body_case()) {
    case msg::Request::kLogout: return decide_logout(*asker, asked);
    case msg::Request::kChangePassword: return decide_password(*asker, asked);
    case msg::Request::kRevokeSession: return decide_revoke(*asker, asked);
    case msg::Request::kCreateGroup: return decide_create_group(*asker, asked);
    case msg::Request::kJoinGroup: return decide_join(*asker, asked);
    case msg::Request::kLeaveGroup: return decide_leave(*asker, asked);
    case msg::Request::kDecideJoinRequests: return decide_requests(*asker, asked);
    case msg::Request::kInviteUsers: return decide_invite(*asker, asked);
    case msg::Request::kSetRole: return decide_role(*asker, asked);
    case msg::Request::kRemoveMember: return decide_remove(*asker, asked);
    case msg::Request::kTransferGroup: return decide_transfer(*asker, asked);
    case msg::Request::kShareFile: return decide_share(*asker, asked);
    case msg::Request::kWithdrawFile: return decide_withdraw(*asker, asked);
    default: return fail(Code::Unsupported, "the tracker does not know this request");
  }
}

bool Registry::is_repeated(const Asked& asked) const {
  const auto key = IdempotencyKey::from(std::string_view(asked.request.idempotency_key()));
  return key && answers_.contains({asked.device, *key});
}

Decision Registry::decide(const Asked& asked) const {
  if (asked.operation) return decide_operation(asked);
  const auto key = IdempotencyKey::from(std::string_view(asked.request.idempotency_key()));
  Decision refusal;
  if (!key) {
    refusal.answer =
        error_response({Code::InvalidArgument, "this request needs an idempotency key of 16 bytes"});
    return refusal;
  }
  if (const auto found = answers_.find({asked.device, *key}); found != answers_.end()) {
    CHECK(refusal.answer.ParseFromString(found->second));
    return refusal;
  }
  auto decision = decide_body(asked);
  if (!decision) {
    refusal.answer = error_response(decision.error());
    return refusal;
  }
  if (decision->change)
    decision->change->remembered = Remembered{asked.device, *key, decision->answer.SerializeAsString()};
  return std::move(*decision);
}

ChangeSet Registry::change_of(const Account& account) const {
  ChangeSet change;
  change.scope = {Scope::Kind::Account, account.name};
  change.expected = account.change;
  change.next = account.change + 1;
  return change;
}

ChangeSet Registry::change_of(const Group& group) const {
  ChangeSet change;
  change.scope = {Scope::Kind::Group, group.head.name};
  change.expected = group.change;
  change.next = group.change + 1;
  return change;
}

// --- carrying out --------------------------------------------------------------------------------

void Registry::load(Snapshot snapshot, WallTime now) {
  CHECK(accounts_.empty() && groups_.empty());
  for (auto& account : snapshot.accounts) carry_out(PutAccount{std::move(account)});
  for (auto& device : snapshot.devices) carry_out(PutDevice{std::move(device)});
  for (const auto& revocation : snapshot.revocations)
    if (revocation.until > now) revocations_[{revocation.device, revocation.user}] = revocation;
  for (auto& group : snapshot.groups) add_group(std::move(group));
  ended_.insert(snapshot.ended_groups.begin(), snapshot.ended_groups.end());
  for (const auto& invite : snapshot.invites) carry_out(PutInvite{invite});
  for (const auto& remembered : snapshot.remembered) remember(remembered);
}

void Registry::apply(const ChangeSet& change) {
  for (const auto& part : change.changes) std::visit([this](const auto& one) { carry_out(one); }, part);
  if (change.scope.kind == Scope::Kind::Account) {
    const auto found = account_names_.find(change.scope.name);
    CHECK(found != account_names_.end());
    auto& changed = accounts_.at(found->second);
    CHECK(change.next > changed.change);
    changed.change = change.next;
  } else if (const auto found = group_names_.find(change.scope.name); found != group_names_.end()) {
    auto& changed = groups_.at(found->second);
    CHECK(change.next > changed.change);
    changed.change = change.next;
    if (change.alters_roster()) changed.epoch = change.next;
  }
  if (change.remembered) remember(*change.remembered);
}

void Registry::replace(ScopeState state) {
  if (state.scope.kind == Scope::Kind::Account) {
    if (state.account) {
      const auto bound = devices_of_[state.account->id];  // a copy: dropping alters it
      for (const auto& device : bound) carry_out(DropDevice{device, state.account->id});
      std::erase_if(revocations_, [&](const auto& row) { return row.first.second == state.account->id; });
      carry_out(PutAccount{std::move(*state.account)});
    }
    for (auto& device : state.devices) carry_out(PutDevice{std::move(device)});
    for (const auto& revocation : state.revocations)
      revocations_[{revocation.device, revocation.user}] = revocation;
  } else {
    if (const auto* known = group(state.scope.name)) drop_group(GroupId(known->head.id));
    if (state.group) add_group(std::move(*state.group));
  }
  if (state.invites) {
    invites_.clear();
    for (const auto& invite : *state.invites) carry_out(PutInvite{invite});
  }
  if (state.remembered) remember(*state.remembered);
}

Group* Registry::find_group(const GroupId& id) {
  const auto found = groups_.find(id);
  return found == groups_.end() ? nullptr : &found->second;
}

void Registry::carry_out(const PutAccount& change) {
  account_names_[change.account.name] = change.account.id;
  accounts_[change.account.id] = change.account;
}

void Registry::carry_out(const PutDevice& change) {
  if (const auto former = devices_.find(change.device.id); former != devices_.end())
    carry_out(DropDevice{change.device.id, former->second.user});
  devices_[change.device.id] = change.device;
  devices_of_[change.device.user].insert(change.device.id);
}

void Registry::carry_out(const DropDevice& change) {
  const auto found = devices_.find(change.device);
  if (found == devices_.end() || found->second.user != change.user) return;
  devices_of_[found->second.user].erase(change.device);
  devices_.erase(found);
}

void Registry::carry_out(const PutRevocation& change) {
  const auto& made = change.revocation;
  std::erase_if(revocations_, [&](const auto& row) { return row.second.until <= made.at; });
  revocations_[{made.device, made.user}] = made;
}

void Registry::carry_out(const PutGroup& change) {
  CHECK(!groups_.contains(change.head.id));
  Group group;
  group.head = change.head;
  add_group(std::move(group));
}

void Registry::carry_out(const EndGroup& change) {
  drop_group(change.group);
  ended_.insert(change.group);
}

void Registry::carry_out(const PutMember& change) {
  auto* group = find_group(change.group);
  CHECK(group != nullptr);
  group->members[change.user] = change.member;
  note_role(*group, change.user);
}

void Registry::carry_out(const DropMember& change) {
  auto* group = find_group(change.group);
  CHECK(group != nullptr);
  group->members.erase(change.user);
  note_role(*group, change.user);
}

void Registry::carry_out(const PutRequest& change) {
  auto* group = find_group(change.group);
  CHECK(group != nullptr);
  group->requests[change.user] = change.request;
  note_role(*group, change.user);
}

void Registry::carry_out(const DropRequest& change) {
  auto* group = find_group(change.group);
  CHECK(group != nullptr);
  group->requests.erase(change.user);
  note_role(*group, change.user);
}

void Registry::carry_out(const PutInvitation& change) {
  auto* group = find_group(change.group);
  CHECK(group != nullptr);
  group->invitations[change.user] = change.invitation;
  invited_to_[change.user].insert(group->head.name);
}

void Registry::carry_out(const DropInvitation& change) {
  auto* group = find_group(change.group);
  CHECK(group != nullptr);
  group->invitations.erase(change.user);
  invited_to_[change.user].erase(group->head.name);
}

void Registry::carry_out(const PutShare& change) {
  auto* group = find_group(change.share.group);
  CHECK(group != nullptr);
  CHECK(!group->shares.contains(change.share.name));
  group->shares[change.share.name] = change.share;
  group->share_names[change.share.info_hash] = change.share.name;
  ++shares_of_[change.share.publisher];
  ++shares_;
}

void Registry::carry_out(const DropShare& change) {
  auto* group = find_group(change.group);
  CHECK(group != nullptr);
  const auto name = group->share_names.find(change.info_hash);
  CHECK(name != group->share_names.end());
  const auto share = group->shares.find(name->second);
  --shares_of_[share->second.publisher];
  --shares_;
  group->shares.erase(share);
  group->share_names.erase(name);
}

void Registry::add_group(Group group) {
  const auto id = group.head.id;
  group_names_[group.head.name] = id;
  for (const auto& [name, share] : group.shares) ++shares_of_[share.publisher];
  shares_ += group.shares.size();
  for (const auto& [user, member] : group.members) groups_of_[user].insert(group.head.name);
  for (const auto& [user, request] : group.requests) groups_of_[user].insert(group.head.name);
  for (const auto& [user, invitation] : group.invitations) invited_to_[user].insert(group.head.name);
  groups_[id] = std::move(group);
}

void Registry::drop_group(const GroupId& id) {
  const auto found = groups_.find(id);
  CHECK(found != groups_.end());
  const auto& group = found->second;
  for (const auto& [name, share] : group.shares) --shares_of_[share.publisher];
  shares_ -= group.shares.size();
  for (const auto& [user, member] : group.members) groups_of_[user].erase(group.head.name);
  for (const auto& [user, request] : group.requests) groups_of_[user].erase(group.head.name);
  for (const auto& [user, invitation] : group.invitations) invited_to_[user].erase(group.head.name);
  group_names_.erase(group.head.name);
  groups_.erase(found);
}

void Registry::note_role(const Group& group, const UserId& user) {
  if (group.role_of(user) == Role::None) groups_of_[user].erase(group.head.name);
  else groups_of_[user].insert(group.head.name);
}

void Registry::remember(const Remembered& remembered) {
  const Key key{remembered.device, remembered.key};
  if (!answers_.emplace(key, remembered.response).second) return;
  answer_order_.push_back(key);
  while (answer_order_.size() > limits::kIdempotencyKeys) {
    answers_.erase(answer_order_.front());
    answer_order_.pop_front();
  }
}

}  // namespace p2p::tracker
