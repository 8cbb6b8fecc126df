// SPDX-License-Identifier: MIT
// Accounts, the devices that are bound to them, and revocations of these.
#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/base/names.h"
#include "daemon/tracker/presence.h"
#include "daemon/tracker/refusals.h"
#include "daemon/tracker/registry.h"

namespace p2p::tracker {

Result<Device> Registry::new_binding(const Account& account, const Asked& asked) const {
  const auto found = devices_of_.find(account.id);
  if (found != devices_of_.end() && !found->second.contains(asked.device) &&
      found->second.size() >= limits::kDevicesPerUser)
    return fail(Code::Limit,
                fmt::format("'{}' is logged in on {} devices already", account.name, found->second.size()),
                "log out on one of them: p2pctl logout");
  return Device{asked.device, asked.key, account.id, asked.now};
}

Decision Registry::bound_to(const Account& account, const Asked& asked, ChangeSet change) const {
  change.changes.emplace_back(PutDevice{Device{asked.device, asked.key, account.id, asked.now}});
  Decision decision;
  decision.answer.mutable_account()->set_user_id(account.id.raw());
  decision.answer.mutable_account()->set_user(account.name);
  decision.change = std::move(change);
  decision.notices.emplace_back(DeviceNotice{asked.device});
  return decision;
}

Result<Decision> Registry::decide_create_account(const Asked& asked) const {
  // A repeated request is not prepared; its answer may have been forgotten while it waited for its turn.
  if (!asked.new_account) return fail(Code::Busy, "the request came again too late", "try again");
  const auto name = user_name(asked.request.create_account().user());
  if (!name) return fail(name.error());
  const auto& invite = asked.new_account->invite;
  // First of all: who has no invite does not learn which names are taken.
  if (invite)
    if (const auto admitted = admits(*invite, asked.now); !admitted) return fail(admitted.error());
  if (account(*name) != nullptr)
    return fail(Code::Exists, fmt::format("the user name '{}' is taken", *name),
                fmt::format("choose another one, or log in: p2pctl login {}", *name));
  Account made;
  made.id = asked.new_account->id;
  made.name = *name;
  made.record = asked.new_account->record;
  made.salt = asked.new_account->salt;
  made.log_n = asked.new_account->log_n;
  made.created = asked.now;
  ChangeSet change;
  change.scope = {Scope::Kind::Account, *name};
  if (invite) change.changes.emplace_back(UseInvite{*invite});
  change.changes.emplace_back(PutAccount{made});
  return bound_to(made, asked, std::move(change));
}

// The caller has compared the proof; whether the account may be used is decided here.
Result<Decision> Registry::decide_login(const Asked& asked) const {
  const auto name = user_name(asked.request.login().user());
  if (!name) return fail(name.error());
  const auto* found = account(*name);
  // Another record: the password was changed while this request waited for its turn.
  if (found == nullptr || found->disabled || found->record != asked.record) return login_refused();
  if (const auto binding = new_binding(*found, asked); !binding) return fail(binding.error());
  return bound_to(*found, asked, change_of(*found));
}

Result<Decision> Registry::decide_logout(const Account& asker, const Asked& asked) const {
  auto change = change_of(asker);
  change.changes.emplace_back(DropDevice{asked.device, asker.id});
  Decision decision;
  decision.answer.mutable_done();
  decision.change = std::move(change);
  decision.notices.emplace_back(DeviceNotice{asked.device});
  return decision;
}

Result<Decision> Registry::decide_password(const Account& asker, const Asked& asked) const {
  if (!asked.new_account || asker.record != asked.record) return password_refused();
  auto account = asker;
  account.record = asked.new_account->record;
  account.salt = asked.new_account->salt;
  Decision decision;
  decision.answer.mutable_done();
  decision.change = change_of(asker);
  decision.change->changes.emplace_back(PutAccount{std::move(account)});
  return decision;
}

// --- sessions ------------------------------------------------------------------------------------

msg::SessionPage Registry::list_sessions(const Account& asker, const DeviceId& current,
                                         const msg::ListSessions& request, const Presence& presence) const {
  msg::SessionPage page;
  const auto bound = devices_of_.find(asker.id);
  if (bound == devices_of_.end()) return page;
  for (const auto& device : bound->second) {
    if (device.hex() <= request.cursor()) continue;
    if (static_cast<std::size_t>(page.rows_size()) == limits::kListPageRows) {
      page.set_next_cursor(to_hex(as_bytes(page.rows(page.rows_size() - 1).device_id())));
      break;
    }
    auto& row = *page.add_rows();
    row.set_device_id(device.raw());
    row.set_current(device == current);
    row.set_online(presence.is_online(device));
    if (const auto endpoint = presence.endpoint(device, current)) {
      row.add_addresses()->set_host(to_string(endpoint->host));
      row.mutable_addresses(0)->set_port(endpoint->port);
    }
    row.set_since(devices_.at(device).since.seconds);
  }
  return page;
}

void Registry::revoke_device(const Account& owner, const DeviceId& device, WallTime now,
                             std::chrono::seconds grant_lifetime, Decision& decision) const {
  CHECK(decision.change && decision.change->scope.kind == Scope::Kind::Account);
  // What the device was granted since an earlier revocation may be dated later than now.
  Revocation made{device, owner.id, issue_time(device, now), {}};
  made.until = made.at + grant_lifetime + limits::kGrantGrace + limits::kRevocationMargin;
  if (const auto former = revocations_.find({device, owner.id}); former != revocations_.end())
    made.until = std::max(made.until, former->second.until);
  decision.change->changes.emplace_back(DropDevice{device, owner.id});
  decision.change->changes.emplace_back(PutRevocation{made});
  decision.notices.emplace_back(RevocationNotice{made});
}

Result<Decision> Registry::decide_revoke(const Account& asker, const Asked& asked) const {
  const auto device = DeviceId::from(std::string_view(asked.request.revoke_session().device_id()));
  const auto found = device ? devices_.find(*device) : devices_.end();
  if (found == devices_.end() || found->second.user != asker.id)
    return fail(Code::NotFound, fmt::format("'{}' is not logged in on such a device", asker.name),
                "p2pctl account sessions list shows the devices there are");
  if (*device == asked.device)
    return fail(Code::Conflict, "this device's own session is ended by logging out", "p2pctl account logout");
  const auto in_force = std::count_if(revocations_.begin(), revocations_.end(), [&](const auto& row) {
    return row.first.second == asker.id && row.second.until > asked.now;
  });
  if (static_cast<std::size_t>(in_force) >= limits::kRevocationsPerUser)
    return fail(Code::Limit, fmt::format("{} sessions were revoked in the last hours", in_force),
                "change the password, so that nobody else logs in: p2pctl account passwd");

  Decision decision;
  auto& row = *decision.answer.mutable_session();
  row.set_device_id(device->raw());
  row.set_since(found->second.since.seconds);
  decision.change = change_of(asker);
  revoke_device(asker, *device, asked.now, asked.grant_lifetime, decision);
  return decision;
}

// --- revocations ---------------------------------------------------------------------------------

bool Registry::are_together(const UserId& one, const UserId& other) const {
  const auto& names = groups_of(one);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const auto& shared = *group(name);
    return trust::is_member(shared.role_of(one)) && trust::is_member(shared.role_of(other));
  });
}

std::vector<const Revocation*> Registry::revocations_for(const Account& asker, WallTime now) const {
  std::vector<const Revocation*> found;
  for (const auto& [key, revocation] : revocations_)
    if (revocation.until > now && are_together(asker.id, revocation.user)) found.push_back(&revocation);
  return found;
}

std::vector<const Revocation*> Registry::revocations_in(const Group& group, WallTime now) const {
  std::vector<const Revocation*> found;
  for (const auto& [key, revocation] : revocations_)
    if (revocation.until > now && trust::is_member(group.role_of(revocation.user)))
      found.push_back(&revocation);
  return found;
}

WallTime Registry::issue_time(const DeviceId& device, WallTime now) const {
  for (auto row = revocations_.lower_bound({device, {}});
       row != revocations_.end() && row->first.first == device; ++row)
    now = std::max(now, row->second.at + std::chrono::seconds(1));
  return now;
}

}  // namespace p2p::tracker
