// SPDX-License-Identifier: MIT
// Giving roles, removing members, giving a group away.
#include <fmt/format.h>

#include "daemon/base/names.h"
#include "daemon/tracker/refusals.h"
#include "daemon/tracker/registry.h"

namespace p2p::tracker {
namespace {

// What the owner cannot do to itself, as long as it is the owner.
tl::unexpected<Error> owner_must_transfer(const std::string& group) {
  return fail(Code::Conflict, fmt::format("you own '{}': transfer the group first", group),
              fmt::format("p2pctl group transfer {} USER", group));
}

}  // namespace

Result<const Account*> Registry::fellow_member(const Group& group, const std::string& user) const {
  const auto name = user_name(user);
  if (!name) return fail(name.error());
  const auto* found = account(*name);
  if (found == nullptr || !trust::is_member(group.role_of(found->id)))
    return fail(Code::NotFound, fmt::format("'{}' is not a member of '{}'", *name, group.head.name),
                fmt::format("p2pctl group members {} shows who is", group.head.name));
  return found;
}

void Registry::note_role_change(const Group& group, const Account& user, const Account& by,
                                Decision& decision) const {
  decision.notices.emplace_back(MembershipNotice{group.head.id, group.head.name, user.id, by.name});
}

Result<Decision> Registry::decide_role(const Account& asker, const Asked& asked) const {
  const auto& request = asked.request.set_role();
  const auto found = member_group(asker, request.group());
  if (!found) return fail(found.error());
  const auto& group = **found;
  const auto name = user_name(request.user());
  if (!name) return fail(name.error());
  const auto role = static_cast<Role>(request.role());
  if (request.role() != pb::member && request.role() != pb::admin)
    return fail(Code::InvalidArgument, "a role that can be given is member or admin",
                fmt::format("to give the group away: p2pctl group transfer {} USER", group.head.name));
  const auto own = group.role_of(asker.id);
  const bool steps_down = own == Role::Admin && *name == asker.name;
  if (own != Role::Owner && !steps_down) return not_owner(group.head.name);
  const auto user = fellow_member(group, *name);
  if (!user) return fail(user.error());
  const auto& member = group.members.at((*user)->id);
  if (member.role == Role::Owner) return owner_must_transfer(group.head.name);

  Decision decision;
  decision.answer.mutable_member()->set_user((*user)->name);
  decision.answer.mutable_member()->set_role(request.role());
  if (member.role == role) return decision;
  decision.change = change_of(group);
  decision.change->changes.emplace_back(PutMember{group.head.id, (*user)->id, {role, member.since}});
  note_role_change(group, **user, asker, decision);
  decision.notices.emplace_back(RosterNotice{group.head.id});
  return decision;
}

Result<Decision> Registry::decide_remove(const Account& asker, const Asked& asked) const {
  const auto& request = asked.request.remove_member();
  const auto found = member_group(asker, request.group());
  if (!found) return fail(found.error());
  const auto& group = **found;
  const auto name = user_name(request.user());
  if (!name) return fail(name.error());
  if (*name == asker.name)
    return fail(Code::Conflict, "nobody removes itself from a group",
                fmt::format("to leave it: p2pctl group leave {}", group.head.name));
  const auto own = group.role_of(asker.id);
  if (!trust::is_admin(own)) return not_admin(group.head.name);
  const auto user = fellow_member(group, *name);
  if (!user) return fail(user.error());
  if (own != Role::Owner && trust::is_admin(group.role_of((*user)->id))) return not_owner(group.head.name);

  Decision decision;
  decision.change = change_of(group);
  decision.change->changes.emplace_back(DropMember{group.head.id, (*user)->id});
  decision.answer.mutable_removed()->set_group_id(group.head.id.raw());
  decision.answer.mutable_removed()->set_epoch(decision.change->next);
  note_role_change(group, **user, asker, decision);
  decision.notices.emplace_back(RosterNotice{group.head.id});
  return decision;
}

Result<Decision> Registry::decide_transfer(const Account& asker, const Asked& asked) const {
  const auto& request = asked.request.transfer_group();
  const auto found = member_group(asker, request.group());
  if (!found) return fail(found.error());
  const auto& group = **found;
  if (group.role_of(asker.id) != Role::Owner) return not_owner(group.head.name);
  const auto user = fellow_member(group, request.user());
  if (!user) return fail(user.error());
  if ((*user)->id == asker.id)
    return fail(Code::Conflict, fmt::format("you own '{}' already", group.head.name),
                fmt::format("p2pctl group members {} shows who else is in it", group.head.name));

  Decision decision;
  auto& row = *decision.answer.mutable_group();
  row = group_row(asker, group);
  row.set_role(pb::admin);
  row.set_owner((*user)->name);
  decision.change = change_of(group);
  const auto give = [&](const UserId& to, Role role) {
    decision.change->changes.emplace_back(PutMember{group.head.id, to, {role, group.members.at(to).since}});
  };
  give((*user)->id, Role::Owner);
  give(asker.id, Role::Admin);
  note_role_change(group, **user, asker, decision);
  note_role_change(group, asker, asker, decision);
  decision.notices.emplace_back(RosterNotice{group.head.id});
  return decision;
}

}  // namespace p2p::tracker
