// SPDX-License-Identifier: MIT
// Making, listing, joining and leaving groups.
#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/base/names.h"
#include "daemon/tracker/refusals.h"
#include "daemon/tracker/registry.h"

namespace p2p::tracker {

msg::GroupRow Registry::group_row(const Account& asker, const Group& group) const {
  const auto role = group.role_of(asker.id);
  msg::GroupRow row;
  row.set_group_id(group.head.id.raw());
  row.set_group(group.head.name);
  row.set_role(static_cast<pb::Role>(role));
  row.set_members(static_cast<std::uint32_t>(group.members.size()));
  if (trust::is_admin(role)) row.set_requests(static_cast<std::uint32_t>(group.requests.size()));
  row.set_description(group.head.description);
  row.set_unlisted(group.head.unlisted);
  for (const auto& [user, member] : group.members)
    if (member.role == Role::Owner) row.set_owner(name_of(user));
  row.set_created(group.head.created.seconds);
  row.set_invited(group.invitations.contains(asker.id));
  return row;
}

Result<msg::GroupRow> Registry::show_group(const Account& asker, const msg::ShowGroup& request) const {
  const auto group = visible_group(asker, request.group());
  if (!group) return fail(group.error());
  auto row = group_row(asker, **group);
  if (!trust::is_admin((*group)->role_of(asker.id))) return row;
  std::set<std::string> invited;
  for (const auto& [user, invitation] : (*group)->invitations) invited.insert(name_of(user));
  for (const auto& name : invited) row.add_invitations(name);
  return row;
}

msg::GroupPage Registry::list_groups(const Account& asker, const msg::ListGroups& request) const {
  msg::GroupPage page;
  // True when the page is full; the cursor is the last name on it.
  const auto add = [&](const Group& group) {
    if (!group.is_visible_to(asker.id)) return false;
    if (static_cast<std::size_t>(page.rows_size()) == limits::kListPageRows) {
      page.set_next_cursor(page.rows(page.rows_size() - 1).group());
      return true;
    }
    *page.add_rows() = group_row(asker, group);
    return false;
  };
  if (request.mine()) {
    auto mine = groups_of(asker.id);
    const auto& invited = invited_to(asker.id);
    mine.insert(invited.begin(), invited.end());
    for (auto name = mine.upper_bound(request.cursor()); name != mine.end(); ++name)
      if (add(*group(*name))) break;
  } else {
    for (auto row = group_names_.upper_bound(request.cursor()); row != group_names_.end(); ++row)
      if (add(groups_.at(row->second))) break;
  }
  return page;
}

Result<Decision> Registry::decide_create_group(const Account& asker, const Asked& asked) const {
  const auto& request = asked.request.create_group();
  const auto creation = trust::GroupCreation::open(as_bytes(request.statement()));
  if (!creation) return fail(creation.error());
  if (creation->tracker != tracker_)
    return fail(Code::InvalidArgument, "the creation statement is for another tracker");
  if (creation->creator != asker.id || creation->device_key != asked.key)
    return fail(Code::InvalidArgument, "the creation statement is not from this user and device");
  const auto name = group_name(creation->name);
  if (!name) return fail(name.error());
  if (*name != creation->name) return fail(Code::InvalidName, "the signed group name must be in lower case");
  if (const auto text = check_text(request.description(), limits::kMessageBytes, "the description"); !text)
    return fail(text.error());
  const auto id = trust::group_id_of(as_bytes(request.statement()));
  if (group(*name) != nullptr || groups_.contains(id) || ended_.contains(id))
    return fail(Code::Exists, fmt::format("the group name '{}' is taken", *name));
  if (groups_of(asker.id).size() >= limits::kGroupsPerUser)
    return fail(Code::Limit, fmt::format("you are in {} groups already", limits::kGroupsPerUser));

  Group made;
  made.head = {
      id,       *name, request.description(), request.unlisted(), to_bytes(as_bytes(request.statement())),
      asked.now};
  made.members[asker.id] = {Role::Owner, asked.now};
  ChangeSet change;
  change.scope = {Scope::Kind::Group, *name};
  change.changes.emplace_back(PutGroup{made.head});
  change.changes.emplace_back(PutMember{id, asker.id, made.members[asker.id]});
  Decision decision;
  *decision.answer.mutable_group() = group_row(asker, made);
  decision.change = std::move(change);
  decision.notices.emplace_back(MembershipNotice{id, *name, asker.id, {}});
  return decision;
}

Result<Decision> Registry::decide_join(const Account& asker, const Asked& asked) const {
  const auto& request = asked.request.join_group();
  const auto found = visible_group(asker, request.group());
  if (!found) return fail(found.error());
  const auto& group = **found;
  if (trust::is_member(group.role_of(asker.id)))
    return fail(Code::Exists, fmt::format("you are a member of '{}' already", group.head.name));
  if (const auto text = check_text(request.message(), limits::kMessageBytes, "the message"); !text)
    return fail(text.error());

  const auto pending = group.requests.find(asker.id);
  const bool is_new = pending == group.requests.end();
  if (is_new && groups_of(asker.id).size() >= limits::kGroupsPerUser)
    return fail(Code::Limit, fmt::format("you are in {} groups already", limits::kGroupsPerUser));

  Decision decision;
  *decision.answer.mutable_group() = group_row(asker, group);
  if (const auto invited = group.invitations.find(asker.id); invited != group.invitations.end()) {
    if (const auto room = has_room(group, 1); !room) return fail(room.error());
    auto& row = *decision.answer.mutable_group();
    row.set_role(pb::member);
    row.set_members(row.members() + 1);
    row.set_invited(false);
    decision.change = change_of(group);
    decision.change->changes.emplace_back(DropInvitation{group.head.id, asker.id});
    let_in(group, asker.id, name_of(invited->second.by), asked.now, decision);
    decision.notices.emplace_back(RosterNotice{group.head.id});
    return decision;
  }
  if (is_new && group.requests.size() >= limits::kJoinRequestsPerGroup)
    return fail(Code::Limit, fmt::format("'{}' has too many undecided requests", group.head.name));
  decision.answer.mutable_group()->set_role(pb::pending);
  if (!is_new && pending->second.message == request.message()) return decision;
  auto change = change_of(group);
  change.changes.emplace_back(PutRequest{
      group.head.id, asker.id, JoinRequest{request.message(), is_new ? asked.now : pending->second.since}});
  decision.change = std::move(change);
  decision.notices.emplace_back(JoinNotice{group.head.id, asker.name, request.message()});
  if (is_new) decision.notices.emplace_back(MembershipNotice{group.head.id, group.head.name, asker.id, {}});
  return decision;
}

Result<Decision> Registry::decide_leave(const Account& asker, const Asked& asked) const {
  const auto found = visible_group(asker, asked.request.leave_group().group());
  if (!found) return fail(found.error());
  const auto& group = **found;
  const auto role = group.role_of(asker.id);
  const bool invited = group.invitations.contains(asker.id);
  if (role == Role::None && !invited) return not_member(group.head.name);

  Decision decision;
  decision.answer.mutable_done();
  auto change = change_of(group);
  if (invited) {
    change.changes.emplace_back(DropInvitation{group.head.id, asker.id});
    decision.change = std::move(change);
    return decision;
  }
  decision.notices.emplace_back(MembershipNotice{group.head.id, group.head.name, asker.id, {}});
  if (role == Role::Pending) {
    change.changes.emplace_back(DropRequest{group.head.id, asker.id});
  } else if (group.members.size() == 1) {
    change.changes.emplace_back(EndGroup{group.head.id});
    for (const auto& [user, request] : group.requests)
      decision.notices.emplace_back(MembershipNotice{group.head.id, group.head.name, user, {}});
  } else if (role == Role::Owner) {
    return fail(Code::Conflict, fmt::format("you own '{}', which has other members", group.head.name),
                fmt::format("give it to one of them first: p2pctl group transfer {} USER", group.head.name));
  } else {
    change.changes.emplace_back(DropMember{group.head.id, asker.id});
    decision.notices.emplace_back(RosterNotice{group.head.id});
  }
  decision.change = std::move(change);
  return decision;
}

}  // namespace p2p::tracker
