// SPDX-License-Identifier: MIT
// Who is in a group, who asked, and the admins' decisions.
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
    if (user == nullptr || !group.requests.contains(user->id))
      return fail(Code::NotFound, fmt::format("'{}' has not asked to join '{}'", *name, group.head.name),
                  fmt::format("p2pctl group requests {} shows who has", group.head.name));
    users.insert(user->id);
  }
  if (request.accept() && group.members.size() + users.size() > limits::kRosterMembers)
    return fail(Code::Limit, fmt::format("a group has at most {} members", limits::kRosterMembers));

  Decision decision;
  decision.answer.mutable_done();
  auto change = change_of(group);
  for (const auto& user : users) {
    change.changes.emplace_back(DropRequest{group.head.id, user});
    if (request.accept())
      change.changes.emplace_back(PutMember{group.head.id, user, {Role::Member, asked.now}});
    decision.notices.emplace_back(MembershipNotice{group.head.id, group.head.name, user, asker.name});
  }
  if (request.accept()) decision.notices.emplace_back(RosterNotice{group.head.id});
  decision.change = std::move(change);
  return decision;
}

}  // namespace p2p::tracker
