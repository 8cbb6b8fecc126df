// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/base/names.h"
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
  CHECK(asked.new_account.has_value());
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
  if (found == nullptr || found->disabled) return login_refused();
  if (const auto binding = new_binding(*found, asked); !binding) return fail(binding.error());
  ChangeSet change;
  change.scope = {Scope::Kind::Account, *name};
  change.expected = found->change;
  change.next = found->change + 1;
  return bound_to(*found, asked, std::move(change));
}

Result<Decision> Registry::decide_logout(const Account& asker, const Asked& asked) const {
  ChangeSet change;
  change.scope = {Scope::Kind::Account, asker.name};
  change.expected = asker.change;
  change.next = asker.change + 1;
  change.changes.emplace_back(DropDevice{asked.device});
  Decision decision;
  decision.answer.mutable_done();
  decision.change = std::move(change);
  decision.notices.emplace_back(DeviceNotice{asked.device});
  return decision;
}

}  // namespace p2p::tracker
