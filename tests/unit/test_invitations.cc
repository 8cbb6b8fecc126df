// SPDX-License-Identifier: MIT
// Who may join a group without being asked about: invitations, from the rule to the store and the wire.
#include "daemon/base/log.h"
#include "daemon/tracker/sqlite_rows.h"
#include "tests/support/limit.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tracker_server.h"
#include "tests/support/tracker_world.h"

using namespace p2p;
using test::Person;
using test::TrackerWorld;
using test::World;
namespace msg = ::p2p::pb::tracker;

namespace {

// alice owns the unlisted "lab"; bob and carol have accounts.
TrackerWorld make_world() {
  TrackerWorld world;
  for (const auto* user : {"alice", "bob", "carol"}) world.create_account(user);
  world.create_group("alice", "lab", true);
  return world;
}

template <class T>
std::size_t notices(const TrackerWorld& world) {
  std::size_t count = 0;
  for (const auto& notice : world.last.notices) count += std::holds_alternative<T>(notice) ? 1 : 0;
  return count;
}

Result<msg::GroupRow> shown(const TrackerWorld& world, const std::string& user) {
  msg::ShowGroup request;
  request.set_group("lab");
  return world.registry.show_group(*world.registry.account(user), request);
}

int listed(const TrackerWorld& world, const std::string& user, bool mine) {
  msg::ListGroups request;
  request.set_mine(mine);
  return world.registry.list_groups(*world.registry.account(user), request).rows_size();
}

TEST(invited_user_sees_an_unlisted_group_and_nobody_else_does) {
  auto world = make_world();
  EXPECT(!shown(world, "bob"));

  EXPECT_EQ(world.invite("alice", "lab", {"bob"}), "");

  EXPECT_EQ(world.last.answer.invitations().invited(0), "bob");
  EXPECT_EQ(notices<tracker::InvitationNotice>(world), 1u);
  EXPECT(shown(world, "bob")->invited());
  EXPECT_EQ(shown(world, "bob")->role(), pb::none);
  EXPECT_EQ(shown(world, "bob")->invitations_size(), 0);
  EXPECT_EQ(listed(world, "bob", false), 1);
  EXPECT_EQ(listed(world, "bob", true), 1);
  EXPECT_EQ(shown(world, "carol").error().code, Code::NotFound);
  EXPECT_EQ(listed(world, "carol", false), 0);
  EXPECT_EQ(world.join("carol", "lab"), "not_found");
  EXPECT_EQ(shown(world, "alice")->invitations(0), "bob");
}

TEST(invited_user_is_no_member_before_it_joins) {
  auto world = make_world();
  world.invite("alice", "lab", {"bob"});
  const auto epoch = world.registry.group("lab")->epoch;

  EXPECT_EQ(world.share("bob", "lab", "film.mkv", 1), "not_member");
  EXPECT_EQ(world.invite("bob", "lab", {"carol"}), "not_member");

  EXPECT_EQ(world.registry.group("lab")->epoch, epoch);
  EXPECT(world.registry.roster(*world.registry.group("lab")).members.size() == 1);
}

TEST(invited_user_is_a_member_when_it_joins) {
  auto world = make_world();
  world.invite("alice", "lab", {"bob"});

  EXPECT_EQ(world.join("bob", "lab"), "");

  const auto& row = world.last.answer.group();
  EXPECT_EQ(row.role(), pb::member);
  EXPECT_EQ(row.members(), 2u);
  EXPECT(!row.invited());
  EXPECT_EQ(notices<tracker::MembershipNotice>(world), 1u);
  EXPECT_EQ(notices<tracker::RosterNotice>(world), 1u);
  const auto& group = *world.registry.group("lab");
  EXPECT_EQ(group.epoch, group.change);
  EXPECT(group.invitations.empty());
  EXPECT(world.registry.invited_to(world.account("bob").id).empty());
  EXPECT_EQ(world.join("bob", "lab"), "exists");
}

TEST(invitation_is_used_up_by_joining) {
  auto world = make_world();
  world.invite("alice", "lab", {"bob"});
  world.join("bob", "lab");

  EXPECT_EQ(world.leave("bob", "lab"), "");

  EXPECT_EQ(world.join("bob", "lab"), "not_found");
}

TEST(inviting_again_changes_nothing) {
  auto world = make_world();
  world.invite("alice", "lab", {"bob"});

  EXPECT_EQ(world.invite("alice", "lab", {"bob", "bob"}), "");

  EXPECT_EQ(world.last.answer.invitations().invited_size(), 1);
  EXPECT(!world.last.change && world.last.notices.empty());
}

TEST(inviting_an_applicant_accepts_it) {
  TrackerWorld world;
  for (const auto* user : {"alice", "bob", "carol"}) world.create_account(user);
  world.create_group("alice", "lab");
  world.join("bob", "lab");

  EXPECT_EQ(world.invite("alice", "lab", {"carol", "bob"}), "");

  EXPECT_EQ(world.last.answer.invitations().accepted(0), "bob");
  EXPECT_EQ(world.last.answer.invitations().invited(0), "carol");
  EXPECT_EQ(world.registry.group("lab")->role_of(world.account("bob").id), tracker::Role::Member);
  EXPECT(world.registry.group("lab")->requests.empty());
  EXPECT_EQ(notices<tracker::RosterNotice>(world), 1u);
}

TEST(rejecting_ends_an_invitation) {
  auto world = make_world();
  world.invite("alice", "lab", {"bob"});
  EXPECT_EQ(world.decide("alice", "lab", {"bob"}, true), "not_found");

  EXPECT_EQ(world.decide("alice", "lab", {"bob"}, false), "");

  EXPECT_EQ(world.join("bob", "lab"), "not_found");
  EXPECT_EQ(world.decide("alice", "lab", {"bob"}, false), "not_found");
}

TEST(invited_user_declines_by_leaving) {
  auto world = make_world();
  world.invite("alice", "lab", {"bob"});

  EXPECT_EQ(world.leave("bob", "lab"), "");

  EXPECT(world.registry.group("lab")->invitations.empty());
  EXPECT_EQ(world.leave("bob", "lab"), "not_found");
}

TEST(invitation_ends_with_its_group) {
  auto world = make_world();
  world.invite("alice", "lab", {"bob"});

  EXPECT_EQ(world.leave("alice", "lab"), "");

  EXPECT(world.registry.invited_to(world.account("bob").id).empty());
  EXPECT_EQ(listed(world, "bob", true), 0);
}

TEST(one_who_cannot_be_invited_keeps_all_from_being_invited) {
  auto world = make_world();

  EXPECT_EQ(world.invite("alice", "lab", {"bob", "nobody"}), "not_found");
  EXPECT_EQ(world.invite("alice", "lab", {"bob", "alice"}), "exists");
  EXPECT_EQ(world.invite("alice", "lab", {"bob", "Not A Name"}), "invalid_name");
  EXPECT_EQ(world.invite("alice", "lab", {}), "invalid_argument");

  EXPECT(world.registry.group("lab")->invitations.empty());
}

TEST(group_has_a_thousand_invitations_and_not_one_more) {
  auto world = make_world();
  auto full = *world.registry.group("lab");
  for (std::size_t i = 1; i < limits::kInvitationsPerGroup; ++i)
    full.invitations[trust::random_id<UserId>()] = {world.account("alice").id, WallTime{1}};
  tracker::ScopeState state;
  state.scope = {tracker::Scope::Kind::Group, "lab"};
  state.group = full;
  world.registry.replace(std::move(state));

  EXPECT_EQ(world.invite("alice", "lab", {"bob", "carol"}), "limit");
  LIMIT_AT(limits::kInvitationsPerGroup);
  EXPECT_EQ(world.invite("alice", "lab", {"bob"}), "");
  EXPECT_EQ(world.registry.group("lab")->invitations.size(), limits::kInvitationsPerGroup);
  LIMIT_ABOVE(limits::kInvitationsPerGroup);
  EXPECT_EQ(world.invite("alice", "lab", {"carol"}), "limit");
  EXPECT_EQ(world.invite("alice", "lab", {"bob"}), "");
}

TEST(user_has_a_thousand_invitations_and_not_one_more) {
  auto world = make_world();
  for (std::size_t i = 0; i + 1 < limits::kInvitationsPerUser; ++i) {
    tracker::Group group;
    group.head.id = trust::random_id<GroupId>();
    group.head.name = "other" + std::to_string(i);
    group.change = 1;
    group.invitations[world.account("bob").id] = {world.account("carol").id, WallTime{1}};
    tracker::ScopeState state;
    state.scope = {tracker::Scope::Kind::Group, group.head.name};
    state.group = group;
    world.registry.replace(std::move(state));
  }
  world.create_group("alice", "den");

  LIMIT_AT(limits::kInvitationsPerUser);
  EXPECT_EQ(world.invite("alice", "lab", {"bob"}), "");
  LIMIT_ABOVE(limits::kInvitationsPerUser);
  EXPECT_EQ(world.invite("alice", "den", {"bob"}), "limit");
  EXPECT_EQ(world.invite("alice", "den", {"carol"}), "");
}

TEST(invitation_is_in_the_store) {
  const test::TempDir folder;
  auto world = make_world();
  {
    TrackerWorld stored;
    auto rows = *tracker::SqliteRows::open(folder.path_of("tracker.db"));
    const auto run = [&](const std::string& code) {
      EXPECT_EQ(code, "");
      EXPECT(rows.write(std::span(&*stored.last.change, 1))[0].outcome == tracker::CommitResult::Outcome::Ok);
    };
    for (const auto* user : {"alice", "bob", "carol"}) run(stored.create_account(user));
    run(stored.create_group("alice", "lab", true));
    run(stored.invite("alice", "lab", {"bob", "carol"}));
    run(stored.join("carol", "lab"));
    world.devices = stored.devices;
  }

  TrackerWorld again;
  again.devices = world.devices;
  auto rows = *tracker::SqliteRows::open(folder.path_of("tracker.db"));
  again.registry.load(*rows.load(), WallTime{1});

  const auto& group = *again.registry.group("lab");
  EXPECT_EQ(group.invitations.size(), 1u);
  EXPECT(group.invitations.at(again.account("bob").id).by == again.account("alice").id);
  EXPECT_EQ(again.join("bob", "lab"), "");
  EXPECT(rows.write(std::span(&*again.last.change, 1))[0].outcome == tracker::CommitResult::Outcome::Ok);
  const auto scope = rows.load_scope({tracker::Scope::Kind::Group, "lab"}, std::nullopt);
  EXPECT(scope->group->invitations.empty());
  EXPECT_EQ(scope->group->members.size(), 3u);
}

TEST(invited_user_hears_of_it_and_gets_grant_and_roster_with_joining) {
  World world;
  Person alice(world, "alice");
  Person bob(world, "bob");
  alice.create_group("lab");
  msg::Request request;
  request.mutable_invite_users()->set_group("lab");
  request.mutable_invite_users()->add_users("bob");
  EXPECT_EQ(alice.ask(request).invitations().invited(0), "bob");
  const auto heard = bob.heard(msg::Event::kInvitation).invitation();
  EXPECT_EQ(heard.group(), "lab");
  EXPECT_EQ(heard.by(), "alice");

  msg::Request join;
  join.mutable_join_group()->set_group("lab");
  EXPECT_EQ(bob.ask(join).group().role(), pb::member);

  const auto membership = bob.heard(msg::Event::kMembership).membership();
  EXPECT_EQ(membership.role(), pb::member);
  EXPECT(!membership.grant().empty());
  EXPECT(!membership.roster().empty());
  EXPECT_EQ(membership.decided_by(), "alice");
  EXPECT_EQ(alice.heard(msg::Event::kRoster).roster().roster(), membership.roster());
}

}  // namespace

int main() {
  log::start("test_invitations", log::Level::Error);
  const CMUnitTest tests[] = {
      cmocka_unit_test(invited_user_sees_an_unlisted_group_and_nobody_else_does),
      cmocka_unit_test(invited_user_is_no_member_before_it_joins),
      cmocka_unit_test(invited_user_is_a_member_when_it_joins),
      cmocka_unit_test(invitation_is_used_up_by_joining),
      cmocka_unit_test(inviting_again_changes_nothing),
      cmocka_unit_test(inviting_an_applicant_accepts_it),
      cmocka_unit_test(rejecting_ends_an_invitation),
      cmocka_unit_test(invited_user_declines_by_leaving),
      cmocka_unit_test(invitation_ends_with_its_group),
      cmocka_unit_test(one_who_cannot_be_invited_keeps_all_from_being_invited),
      cmocka_unit_test(group_has_a_thousand_invitations_and_not_one_more),
      cmocka_unit_test(user_has_a_thousand_invitations_and_not_one_more),
      cmocka_unit_test(invitation_is_in_the_store),
      cmocka_unit_test(invited_user_hears_of_it_and_gets_grant_and_roster_with_joining),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
