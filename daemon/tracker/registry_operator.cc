// SPDX-License-Identifier: MIT
// What only the operator may do, and invites.
#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/base/names.h"
#include "daemon/tracker/refusals.h"
#include "daemon/tracker/registry.h"

namespace p2p::tracker {
namespace {

Result<Scope> account_scope(const std::string& name) {
  const auto folded = user_name(name);
  if (!folded) return fail(folded.error());
  return Scope{Scope::Kind::Account, *folded};
}

}  // namespace

Sha256 invite_hash(std::string_view token) {
  const auto parsed = InviteToken::from_hex(token);
  return parsed ? sha256(parsed->view()) : Sha256{};
}

// --- lookups -------------------------------------------------------------------------------------

std::vector<const Account*> Registry::all_accounts() const {
  std::vector<const Account*> all;
  all.reserve(account_names_.size());
  for (const auto& [name, user] : account_names_) all.push_back(account(user));
  return all;
}

std::vector<const Group*> Registry::all_groups() const {
  std::vector<const Group*> all;
  all.reserve(group_names_.size());
  for (const auto& [name, id] : group_names_) all.push_back(group(id));
  return all;
}

const std::set<DeviceId>& Registry::devices_of(const UserId& user) const {
  static const std::set<DeviceId> none;
  const auto found = devices_of_.find(user);
  return found == devices_of_.end() ? none : found->second;
}

const std::string& Registry::owner_of(const Group& group) const {
  static const std::string unknown;
  for (const auto& [user, member] : group.members)
    if (member.role == Role::Owner) return name_of(user);
  return unknown;
}

std::size_t Registry::memberships_of(const UserId& user) const {
  const auto& names = groups_of(user);
  return static_cast<std::size_t>(std::count_if(names.begin(), names.end(), [&](const std::string& name) {
    return trust::is_member(group(name)->role_of(user));
  }));
}

bool Registry::has_expired_invites(WallTime now) const {
  for (const auto& [hash, invite] : invites_)
    if (invite.expires <= now) return true;
  return false;
}

// --- decisions -----------------------------------------------------------------------------------

Result<Scope> scope_of(const Operation& operation) {
  if (const auto* set = std::get_if<SetDisabled>(&operation)) return account_scope(set->user);
  if (const auto* reset = std::get_if<ResetPassword>(&operation)) return account_scope(reset->user);
  if (const auto* add = std::get_if<AddInvite>(&operation))
    return Scope{Scope::Kind::Invite, add->invite.hash.hex()};
  return Scope{Scope::Kind::Invite, {}};
}

Result<const Account*> Registry::existing_account(const std::string& name) const {
  const auto folded = user_name(name);
  if (!folded) return fail(folded.error());
  const auto* found = account(*folded);
  if (found == nullptr) return no_such_user(*folded);
  return found;
}

Decision Registry::decide_operation(const Asked& asked) const {
  auto decision =
      std::visit([&](const auto& operation) { return decide_one(operation, asked); }, *asked.operation);
  if (decision) return std::move(*decision);
  Decision refusal;
  refusal.answer = error_response(decision.error());
  return refusal;
}

Decision Registry::change_account(const Account& before, Account after) const {
  Decision decision;
  decision.answer.mutable_done();
  decision.change = change_of(before);
  decision.change->changes.emplace_back(PutAccount{std::move(after)});
  return decision;
}

void Registry::end_devices(const Account& account, const Error& reason, const Asked& asked,
                           Decision& decision) const {
  for (const auto& device : devices_of(account.id)) {
    decision.notices.emplace_back(EndNotice{device, reason});  // before the words of a revocation
    revoke_device(account, device, asked.now, asked.grant_lifetime, decision);
  }
}

Result<Decision> Registry::decide_one(const SetDisabled& operation, const Asked& asked) const {
  const auto found = existing_account(operation.user);
  if (!found) return fail(found.error());
  const auto& account = **found;
  if (account.disabled == operation.disabled) {
    Decision unchanged;
    unchanged.answer.mutable_done();
    return unchanged;
  }
  auto changed = account;
  changed.disabled = operation.disabled;
  auto decision = change_account(account, std::move(changed));
  if (operation.disabled) end_devices(account, account_disabled(), asked, decision);
  return decision;
}

Result<Decision> Registry::decide_one(const ResetPassword& operation, const Asked& asked) const {
  const auto found = existing_account(operation.user);
  if (!found) return fail(found.error());
  const auto& account = **found;
  auto changed = account;
  changed.record = operation.record;
  changed.salt = operation.salt;
  changed.log_n = operation.log_n;
  auto decision = change_account(account, std::move(changed));
  end_devices(account, password_was_reset(account.name), asked, decision);
  return decision;
}

Decision Registry::change_invites(const Sha256& subject, WallTime now) const {
  Decision decision;
  decision.answer.mutable_done();
  auto& change = decision.change.emplace();
  for (const auto& [hash, invite] : invites_)
    if (invite.expires <= now) change.changes.emplace_back(DropInvite{hash});
  change.scope = {Scope::Kind::Invite, subject.is_zero() ? std::string() : subject.hex()};
  return decision;
}

Result<Decision> Registry::decide_one(const AddInvite& operation, const Asked& asked) const {
  auto decision = change_invites(operation.invite.hash, asked.now);
  const auto left = invites_.size() - decision.change->changes.size();
  if (left >= limits::kInvites)
    return fail(Code::Limit, fmt::format("{} invites wait to be used", left),
                "let some be used or run out; give new ones a shorter --expires");
  decision.change->changes.emplace_back(PutInvite{operation.invite});
  return decision;
}

Result<Decision> Registry::decide_one(const DropExpiredInvites& /*all*/, const Asked& asked) const {
  auto decision = change_invites({}, asked.now);
  if (decision.change->changes.empty()) decision.change.reset();
  return decision;
}

// --- invites -------------------------------------------------------------------------------------

Status Registry::admits(const Sha256& invite, WallTime now) const {
  const auto found = invites_.find(invite);
  if (found == invites_.end() || found->second.expires <= now) return invite_refused();
  return {};
}

void Registry::carry_out(const PutInvite& change) { invites_[change.invite.hash] = change.invite; }

void Registry::carry_out(const UseInvite& change) {
  const auto found = invites_.find(change.hash);
  CHECK(found != invites_.end());
  if (--found->second.uses == 0) invites_.erase(found);
}

void Registry::carry_out(const DropInvite& change) { invites_.erase(change.hash); }

}  // namespace p2p::tracker
