// SPDX-License-Identifier: MIT
// Who is in a group, who asked, who is invited, and the admins' decisions.
#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/limits.h"
#include "daemon/base/names.h"
#include "daemon/tracker/presence.h"
#include "daemon/tracker/refusals.h"
#include "daemon/tracker/registry.h"

namespace p2p::tracker {
namespace {

// "group/user": names contain no slash, so the order of cursors is the order of rows.
std::string cursor_of(const std::string& group, const std::string& user) { return group + "/" + user; }

}  // namespace

void Registry::add_requests(const Group& group, const std::string& after, msg::JoinRequestPage& page) const {
  std::map<std::string, const JoinRequest*> by_name;
  for (const auto& [user, request] : group.requests) by_name[name_of(user)] = &request;
  for (const auto& [user, request] : by_name) {
    if (cursor_of(group.head.name, user) <= after) continue;
    if (static_cast<std::size_t>(page.rows_size()) == limits::kListPageRows) {
      const auto& last = page.rows(page.rows_size() - 1);
      page.set_next_cursor(cursor_of(last.group(), last.user()));
      return;
    }
    auto& row = *page.add_rows();
    row.set_group(group.head.name);
    row.set_user(user);
    row.set_message(request->message);
    row.set_since(request->since.seconds);
  }
}

Result<msg::JoinRequestPage> Registry::list_requests(const Account& asker,
                                                     const msg::ListJoinRequests& request) const {
  msg::JoinRequestPage page;
  if (!request.group().empty()) {
    const auto group = admin_group(asker, request.group());
    if (!group) return fail(group.error());
    add_requests(**group, request.cursor(), page);
    return page;
  }
  const auto& mine = groups_of(asker.id);
  const auto first = request.cursor().substr(0, request.cursor().find('/'));
  for (auto name = mine.lower_bound(first); name != mine.end() && page.next_cursor().empty(); ++name) {
    const auto& one = *group(*name);
    // A later group's name may sort before the cursor as text ("a-b" < "a/"), so only the cursor's own
    // group is compared with it.
    if (trust::is_admin(one.role_of(asker.id)))
      add_requests(one, *name == first ? request.cursor() : "", page);
  }
  return page;
}

Result<msg::MemberPage> Registry::list_members(const Account& asker, const msg::ListMembers& request,
                                               const Presence& presence) const {
  const auto group = member_group(asker, request.group());
  if (!group) return fail(group.error());
  std::map<std::string, UserId> by_name;
  for (const auto& [user, member] : (*group)->members) by_name[name_of(user)] = user;
  msg::MemberPage page;
  for (auto row = by_name.upper_bound(request.cursor()); row != by_name.end(); ++row) {
    if (static_cast<std::size_t>(page.rows_size()) == limits::kListPageRows) {
      page.set_next_cursor(page.rows(page.rows_size() - 1).user());
      break;
    }
    auto& member = *page.add_rows();
    member.set_user(row->first);
    member.set_role(static_cast<pb::Role>((*group)->role_of(row->second)));
    member.set_online(presence.is_online(row->second));
  }
  return page;
}

Result<Decision> Registry::decide_requests(const Account& asker, const Asked& asked) const {
  const auto& request = asked.request.decide_join_requests();
  const auto found = admin_group(asker, request.group());
  if (!found) return fail(found.error());
  const auto& group = **found;
  if (request.users().empty()) return fail(Code::InvalidArgument, "no user is named");
  std::set<UserId> users;
  for (const auto& text : request.users()) {
    const auto name = user_name(text);
    if (!name) return fail(name.error());
    const auto* user = account(*name);
    const bool asks = user != nullptr && group.requests.contains(user->id);
    const bool invited = user != nullptr && group.invitations.contains(user->id);
    if (!asks && (request.accept() || !invited))
      return fail(Code::NotFound, fmt::format("'{}' has not asked to join '{}'", *name, group.head.name),
                  fmt::format("p2pctl group requests {} shows who has", group.head.name));
    users.insert(user->id);
  }
  if (const auto room = has_room(group, request.accept() ? users.size() : 0); !room)
    return fail(room.error());

  Decision decision;
  decision.answer.mutable_done();
  decision.change = change_of(group);
  auto& changes = decision.change->changes;
  for (const auto& user : users) {
    if (group.invitations.contains(user)) {
      changes.emplace_back(DropInvitation{group.head.id, user});
      continue;
    }
    changes.emplace_back(DropRequest{group.head.id, user});
    if (request.accept()) let_in(group, user, asker.name, asked.now, decision);
    else decision.notices.emplace_back(MembershipNotice{group.head.id, group.head.name, user, asker.name});
  }
  if (request.accept()) decision.notices.emplace_back(RosterNotice{group.head.id});
  return decision;
}

Status Registry::has_room(const Group& group, std::size_t members) {
  if (group.members.size() + members <= limits::kRosterMembers) return {};
  return fail(Code::Limit, fmt::format("a group has at most {} members", limits::kRosterMembers));
}

void Registry::let_in(const Group& group, const UserId& user, const std::string& admin, WallTime now,
                      Decision& decision) {
  decision.change->changes.emplace_back(PutMember{group.head.id, user, {Role::Member, now}});
  decision.notices.emplace_back(MembershipNotice{group.head.id, group.head.name, user, admin});
}

// --- invitations ---------------------------------------------------------------------------------

Status Registry::may_be_invited(const Group& group, const Account& user) const {
  if (trust::is_member(group.role_of(user.id)))
    return fail(Code::Exists, fmt::format("'{}' is a member of '{}' already", user.name, group.head.name),
                fmt::format("p2pctl group members {} shows who is", group.head.name));
  if (group.invitations.contains(user.id) || group.requests.contains(user.id)) return {};
  if (invited_to(user.id).size() >= limits::kInvitationsPerUser)
    return fail(Code::Limit, fmt::format("'{}' has too many invitations", user.name),
                "try again when some of them are taken up or ended");
  return {};
}

Result<Decision> Registry::decide_invite(const Account& asker, const Asked& asked) const {
  const auto& request = asked.request.invite_users();
  const auto found = admin_group(asker, request.group());
  if (!found) return fail(found.error());
  const auto& group = **found;
  if (request.users().empty()) return fail(Code::InvalidArgument, "no user is named");
  std::map<std::string, UserId> users;
  for (const auto& text : request.users()) {
    const auto name = user_name(text);
    if (!name) return fail(name.error());
    const auto* user = account(*name);
    if (user == nullptr)
      return fail(Code::NotFound, fmt::format("there is no user '{}'", *name),
                  "ask for the name that the account was made with");
    if (const auto status = may_be_invited(group, *user); !status) return fail(status.error());
    users[*name] = user->id;
  }

  Decision decision;
  auto& answer = *decision.answer.mutable_invitations();
  decision.change = change_of(group);
  auto& changes = decision.change->changes;
  auto invitations = group.invitations.size();
  for (const auto& [name, user] : users) {
    if (group.requests.contains(user)) {
      answer.add_accepted(name);
      changes.emplace_back(DropRequest{group.head.id, user});
      let_in(group, user, asker.name, asked.now, decision);
      continue;
    }
    answer.add_invited(name);
    if (group.invitations.contains(user)) continue;
    ++invitations;
    changes.emplace_back(PutInvitation{group.head.id, user, {asker.id, asked.now}});
    decision.notices.emplace_back(InvitationNotice{group.head.id, user, asker.name});
  }
  if (invitations > limits::kInvitationsPerGroup)
    return fail(Code::Limit,
                fmt::format("'{}' has at most {} invitations that are not taken up", group.head.name,
                            limits::kInvitationsPerGroup),
                fmt::format("p2pctl group show {} names them; end some with p2pctl group reject {} USER",
                            group.head.name, group.head.name));
  if (const auto room = has_room(group, static_cast<std::size_t>(answer.accepted_size())); !room)
    return fail(room.error());
  if (answer.accepted_size() > 0) decision.notices.emplace_back(RosterNotice{group.head.id});
  if (changes.empty()) decision.change.reset();
  return decision;
}

}  // namespace p2p::tracker
