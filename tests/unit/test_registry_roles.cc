// SPDX-License-Identifier: MIT
// What changes after a group and its accounts exist: roles, removal, withdrawal, passwords, sessions.
#include <algorithm>

#include "daemon/base/limits.h"
#include "daemon/tracker/presence.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"
#include "tests/support/tracker_world.h"

using namespace p2p;
using test::TrackerWorld;
namespace msg = ::p2p::pb::tracker;

namespace {

const tracker::Presence kNobodyOnline;

// alice owns "lab"; adam is an admin, bob and mia are members; carol has an account.
TrackerWorld lab() {
  TrackerWorld world;
  world.create_account("alice");
  world.create_account("carol");
  world.create_group("alice", "lab");
  for (const auto* user : {"adam", "bob", "mia"}) world.add_member("alice", "lab", user);
  world.set_role("alice", "lab", "adam", pb::admin);
  return world;
}

tracker::Role role_of(TrackerWorld& world, const std::string& user) {
  return world.registry.group("lab")->role_of(world.account(user).id);
}

std::uint64_t epoch_of(const TrackerWorld& world) { return world.registry.group("lab")->epoch; }

template <class Notice>
std::vector<Notice> notices(const TrackerWorld& world) {
  std::vector<Notice> found;
  for (const auto& notice : world.last.notices)
    if (const auto* one = std::get_if<Notice>(&notice)) found.push_back(*one);
  return found;
}

// --- roles

TEST(owner_promotes_and_demotes) {
  auto world = lab();
  const auto before = epoch_of(world);

  EXPECT_EQ(world.set_role("alice", "lab", "bob", pb::admin), "");

  EXPECT(role_of(world, "bob") == tracker::Role::Admin);
  EXPECT_EQ(world.last.answer.member().user(), "bob");
  EXPECT_EQ(world.last.answer.member().role(), pb::admin);
  EXPECT(epoch_of(world) > before);
  EXPECT_EQ(notices<tracker::RosterNotice>(world).size(), 1u);
  EXPECT_EQ(notices<tracker::MembershipNotice>(world)[0].user, world.account("bob").id);
  EXPECT_EQ(notices<tracker::MembershipNotice>(world)[0].decided_by, "alice");
  EXPECT_EQ(world.set_role("alice", "lab", "bob", pb::member), "");
  EXPECT(role_of(world, "bob") == tracker::Role::Member);
}

TEST(role_that_somebody_has_already_changes_nothing) {
  auto world = lab();

  EXPECT_EQ(world.set_role("alice", "lab", "adam", pb::admin), "");

  EXPECT(!world.last.change);
  EXPECT(world.last.notices.empty());
  EXPECT_EQ(world.last.answer.member().role(), pb::admin);
}

TEST(member_keeps_the_time_it_joined_through_a_change_of_role) {
  auto world = lab();
  const auto since = world.registry.group("lab")->members.at(world.account("bob").id).since;

  world.set_role("alice", "lab", "bob", pb::admin);

  EXPECT_EQ(world.registry.group("lab")->members.at(world.account("bob").id).since.seconds, since.seconds);
}

TEST(admin_steps_down_by_itself_and_decides_no_more) {
  auto world = lab();
  world.join("carol", "lab");

  EXPECT_EQ(world.set_role("adam", "lab", "adam", pb::member), "");

  EXPECT_EQ(world.decide("adam", "lab", {"carol"}), "not_admin");
  EXPECT_EQ(world.set_role("adam", "lab", "adam", pb::admin), "not_allowed");
}

TEST(only_roles_of_members_and_admins_can_be_given) {
  auto world = lab();
  world.join("carol", "lab");

  for (const auto role : {pb::none, pb::pending, pb::owner, static_cast<pb::Role>(9)})
    EXPECT_EQ(world.set_role("alice", "lab", "bob", role), "invalid_argument");
  EXPECT_EQ(world.set_role("alice", "lab", "carol", pb::member), "not_found");
  EXPECT_EQ(world.set_role("alice", "lab", "nobody", pb::member), "not_found");
  EXPECT_EQ(world.set_role("alice", "lab", "alice", pb::member), "conflict");
  EXPECT(world.last.answer.error().hint().find("group transfer lab") != std::string::npos);
}

// --- removal

TEST(removal_answers_with_the_epoch_without_the_member) {
  auto world = lab();
  const auto before = epoch_of(world);

  EXPECT_EQ(world.remove("adam", "lab", "bob"), "");

  EXPECT(epoch_of(world) > before);
  EXPECT_EQ(world.last.answer.removed().epoch(), epoch_of(world));
  EXPECT_EQ(world.last.answer.removed().group_id(), world.registry.group("lab")->head.id.raw());
  EXPECT(!world.registry.roster(*world.registry.group("lab")).contains(world.account("bob").id));
  EXPECT(world.registry.groups_of(world.account("bob").id).empty());
  EXPECT_EQ(notices<tracker::RosterNotice>(world).size(), 1u);
  EXPECT_EQ(notices<tracker::MembershipNotice>(world)[0].user, world.account("bob").id);
  EXPECT_EQ(notices<tracker::MembershipNotice>(world)[0].decided_by, "adam");
}

TEST(removed_member_may_ask_again_and_is_nothing_until_accepted) {
  auto world = lab();
  world.remove("alice", "lab", "bob");

  EXPECT_EQ(world.remove("alice", "lab", "bob"), "not_found");
  EXPECT_EQ(world.join("bob", "lab"), "");
  EXPECT(role_of(world, "bob") == tracker::Role::Pending);
}

TEST(admins_remove_members_and_the_owner_removes_admins) {
  auto world = lab();
  world.set_role("alice", "lab", "mia", pb::admin);

  EXPECT_EQ(world.remove("adam", "lab", "mia"), "not_allowed");
  EXPECT_EQ(world.remove("adam", "lab", "alice"), "not_allowed");
  EXPECT_EQ(world.remove("bob", "lab", "mia"), "not_admin");
  EXPECT_EQ(world.remove("alice", "lab", "mia"), "");
}

TEST(nobody_removes_itself) {
  auto world = lab();

  for (const auto* user : {"alice", "adam", "bob"}) {
    EXPECT_EQ(world.remove(user, "lab", user), "conflict");
    EXPECT(world.last.answer.error().hint().find("group leave lab") != std::string::npos);
  }
}

TEST(applicant_is_not_removed_but_rejected) {
  auto world = lab();
  world.join("carol", "lab");

  EXPECT_EQ(world.remove("alice", "lab", "carol"), "not_found");
}

TEST(admin_who_was_removed_is_not_admin_after_coming_back) {
  auto world = lab();
  world.remove("alice", "lab", "adam");
  world.add_member("alice", "lab", "adam");

  EXPECT(role_of(world, "adam") == tracker::Role::Member);
}

// --- transfer

TEST(group_is_given_to_a_member_and_the_former_owner_is_an_admin) {
  auto world = lab();

  EXPECT_EQ(world.transfer("alice", "lab", "bob"), "");

  EXPECT_EQ(world.last.answer.group().owner(), "bob");
  EXPECT_EQ(world.last.answer.group().role(), pb::admin);
  EXPECT(role_of(world, "alice") == tracker::Role::Admin);
  EXPECT(role_of(world, "bob") == tracker::Role::Owner);
  EXPECT_EQ(notices<tracker::MembershipNotice>(world).size(), 2u);
  EXPECT_EQ(notices<tracker::RosterNotice>(world).size(), 1u);
  const auto& members = world.registry.group("lab")->members;
  EXPECT_EQ(std::count_if(members.begin(), members.end(),
                          [](const auto& row) { return row.second.role == tracker::Role::Owner; }),
            1);
  EXPECT_EQ(world.leave("alice", "lab"), "");
  EXPECT_EQ(world.leave("bob", "lab"), "conflict");
}

TEST(group_is_given_to_members_only_and_not_to_oneself) {
  auto world = lab();
  world.join("carol", "lab");

  EXPECT_EQ(world.transfer("alice", "lab", "carol"), "not_found");
  EXPECT_EQ(world.transfer("alice", "lab", "nobody"), "not_found");
  EXPECT_EQ(world.transfer("alice", "lab", "alice"), "conflict");
  EXPECT_EQ(world.transfer("adam", "lab", "adam"), "not_allowed");
}

// --- withdrawal

TEST(withdrawn_file_is_gone_and_its_name_is_free) {
  auto world = lab();
  world.share("bob", "lab", "film.mkv", 1);
  const auto hash = *InfoHash::from(std::string_view(world.last.answer.file().info_hash()));

  EXPECT_EQ(world.withdraw("bob", "lab", "film.mkv"), "");

  EXPECT_EQ(world.last.answer.file().name(), "film.mkv");
  EXPECT_EQ(notices<tracker::WithdrawalNotice>(world)[0].share.info_hash, hash);
  EXPECT_EQ(notices<tracker::WithdrawalNotice>(world)[0].by, "bob");
  EXPECT_EQ(world.registry.shares(), 0u);
  EXPECT(world.registry.group("lab")->share(hash) == nullptr);
  EXPECT_EQ(world.withdraw("bob", "lab", "film.mkv"), "not_found");
  EXPECT_EQ(world.share("mia", "lab", "film.mkv", 2), "");
  EXPECT_EQ(world.withdraw("mia", "lab", "film.mkv"), "");
  EXPECT_EQ(world.share("bob", "lab", "film.mkv", 1), "");
  EXPECT_EQ(world.last.answer.file().shared_by(), "bob");
}

TEST(withdrawal_leaves_the_epoch_as_it_is) {
  auto world = lab();
  world.share("bob", "lab", "film.mkv", 1);
  const auto before = epoch_of(world);

  world.withdraw("alice", "lab", "film.mkv");

  EXPECT_EQ(epoch_of(world), before);
}

TEST(publisher_and_admins_withdraw_and_other_members_do_not) {
  auto world = lab();
  world.share("bob", "lab", "one", 1);
  world.share("bob", "lab", "two", 2);

  EXPECT_EQ(world.withdraw("mia", "lab", "one"), "not_allowed");
  EXPECT_EQ(world.withdraw("adam", "lab", "one"), "");
  world.remove("alice", "lab", "bob");
  EXPECT_EQ(world.withdraw("bob", "lab", "two"), "not_member");
}

// --- password

msg::Request password_request() {
  msg::Request request;
  request.mutable_change_password();
  return request;
}

TEST(password_change_puts_record_and_salt_and_keeps_the_rest) {
  auto world = lab();
  const auto before = world.account("bob");

  EXPECT_EQ(world.run("bob", password_request()), "");

  const auto& after = world.account("bob");
  EXPECT(after.record == Bytes(33, 3));
  EXPECT(after.salt == Bytes(16, 4));
  EXPECT_EQ(after.id, before.id);
  EXPECT_EQ(after.log_n, before.log_n);
  EXPECT_EQ(after.change, before.change + 1);
  EXPECT(world.registry.account_of(world.devices["bob"].id) != nullptr);
}

TEST(proof_that_was_compared_before_a_change_of_the_password_fits_no_more) {
  auto world = lab();
  msg::Request login;
  login.mutable_login()->set_user("bob");
  const auto waiting_login = world.asked("laptop", login);
  const auto waiting_change = world.asked("bob", password_request());

  EXPECT_EQ(world.run("bob", password_request()), "");

  EXPECT_EQ(world.run(waiting_login), "login_refused");
  EXPECT_EQ(world.run(waiting_change), "login_refused");
  EXPECT_EQ(world.login("laptop", "bob"), "");
}

// --- sessions

TEST(sessions_of_a_user_are_listed_with_the_present_one) {
  auto world = lab();
  world.login("laptop", "bob");
  tracker::Presence presence;
  const auto laptop = world.devices["laptop"].id;
  presence.attach(laptop, world.account("bob").id, true);
  presence.set_endpoint(laptop, tracker::Endpoint{{127, 0, 0, 1}, 7734, true});

  const auto from_laptop = world.registry.list_sessions(world.account("bob"), laptop, {}, presence);
  const auto from_bob =
      world.registry.list_sessions(world.account("bob"), world.devices["bob"].id, {}, presence);

  EXPECT_EQ(from_laptop.rows_size(), 2);
  for (const auto& row : from_laptop.rows()) {
    const bool is_laptop = row.device_id() == laptop.raw();
    EXPECT_EQ(row.current(), is_laptop);
    EXPECT_EQ(row.online(), is_laptop);
    EXPECT_EQ(row.addresses_size(), is_laptop ? 1 : 0);
    EXPECT(row.since() > 0);
  }
  for (const auto& row : from_bob.rows()) EXPECT_EQ(row.addresses_size(), 0);  // a loopback one
  msg::ListSessions after_first;
  after_first.set_cursor(to_hex(as_bytes(from_laptop.rows(0).device_id())));
  EXPECT_EQ(world.registry.list_sessions(world.account("bob"), laptop, after_first, presence).rows_size(), 1);
}

TEST(revoked_device_is_unbound_and_its_revocation_is_for_its_groups) {
  auto world = lab();
  world.login("laptop", "bob");
  world.create_account("dave");
  const auto laptop = world.devices["laptop"].id;

  EXPECT_EQ(world.revoke("bob", "laptop"), "");

  const WallTime now{world.seconds};
  EXPECT_EQ(world.last.answer.session().device_id(), laptop.raw());
  EXPECT(world.registry.account_of(laptop) == nullptr);
  EXPECT(world.registry.account_of(world.devices["bob"].id) != nullptr);
  const auto notice = notices<tracker::RevocationNotice>(world).at(0).revocation;
  EXPECT_EQ(notice.device, laptop);
  EXPECT_EQ(notice.user, world.account("bob").id);
  EXPECT_EQ(notice.at.seconds, now.seconds);
  EXPECT(notice.until > now + std::chrono::hours(4) + limits::kGrantGrace);
  EXPECT_EQ(world.registry.revocations_for(world.account("alice"), now).size(), 1u);
  EXPECT_EQ(world.registry.revocations_for(world.account("bob"), now).size(), 1u);
  EXPECT(world.registry.revocations_for(world.account("dave"), now).empty());
  EXPECT(world.registry.revocations_for(world.account("alice"), notice.until).empty());
}

TEST(applicants_hear_of_no_revocation_and_theirs_are_not_heard_of) {
  auto world = lab();
  world.join("carol", "lab");
  world.login("laptop", "bob");
  world.login("phone", "carol");

  world.revoke("bob", "laptop");
  world.revoke("carol", "phone");

  const WallTime now{world.seconds};
  EXPECT(world.registry.revocations_for(world.account("carol"), now).empty());
  EXPECT_EQ(world.registry.revocations_for(world.account("alice"), now).size(), 1u);
}

TEST(own_device_and_devices_of_others_are_not_revoked) {
  auto world = lab();

  EXPECT_EQ(world.revoke("bob", "bob"), "conflict");
  EXPECT_EQ(world.last.answer.error().hint(), "p2pctl account logout");
  EXPECT_EQ(world.revoke("bob", "alice"), "not_found");
  const auto known = world.last.answer.error().message();
  EXPECT_EQ(world.revoke("bob", "never seen"), "not_found");
  EXPECT_EQ(world.last.answer.error().message(), known);
  msg::Request request;
  request.mutable_revoke_session()->set_device_id("short");
  EXPECT_EQ(world.run("bob", request), "not_found");
}

TEST(grant_after_a_revocation_is_issued_later_than_it) {
  auto world = lab();
  world.login("laptop", "bob");
  const auto laptop = world.devices["laptop"].id;
  const auto same_second = [&] { return WallTime{world.seconds}; };
  EXPECT_EQ(world.registry.issue_time(laptop, same_second()).seconds, world.seconds);
  world.revoke("bob", "laptop");
  const auto first = notices<tracker::RevocationNotice>(world).at(0).revocation;

  const auto issued = world.registry.issue_time(laptop, same_second());
  EXPECT_EQ(issued.seconds, first.at.seconds + 1);
  EXPECT_EQ(world.registry.issue_time(laptop, first.at + std::chrono::seconds(9)).seconds,
            first.at.seconds + 9);
  EXPECT_EQ(world.registry.issue_time(world.devices["bob"].id, same_second()).seconds, world.seconds);

  // Revoked again before the clock went on, it voids also what was issued in between.
  world.login("laptop", "bob");
  world.seconds = first.at.seconds - 1;
  world.revoke("bob", "laptop");
  const auto second = notices<tracker::RevocationNotice>(world).at(0).revocation;
  EXPECT(second.at >= issued);
  EXPECT(second.until >= first.until);
  EXPECT_EQ(world.registry.revocations(), 1u);
}

TEST(device_revoked_by_two_users_keeps_both_revocations) {
  auto world = lab();
  world.login("laptop", "bob");
  world.revoke("bob", "laptop");
  world.login("laptop", "mia");

  EXPECT_EQ(world.revoke("mia", "laptop"), "");

  EXPECT_EQ(world.registry.revocations(), 2u);
}

TEST(revocation_that_has_ended_is_forgotten_with_the_next) {
  auto world = lab();
  world.login("laptop", "bob");
  world.login("phone", "bob");
  world.revoke("bob", "laptop");
  const auto ended = notices<tracker::RevocationNotice>(world).at(0).revocation.until;
  world.seconds = ended.seconds;

  world.revoke("bob", "phone");

  EXPECT_EQ(world.registry.revocations(), 1u);
}

TEST(revocations_of_a_user_are_bounded) {
  TrackerWorld world;
  world.create_account("bob");
  LIMIT_AT(limits::kRevocationsPerUser);
  for (std::size_t i = 0; i < limits::kRevocationsPerUser; ++i) {
    const auto device = "device" + std::to_string(i);
    world.login(device, "bob");
    EXPECT_EQ(world.revoke("bob", device), "");
  }
  world.login("one too many", "bob");

  LIMIT_ABOVE(limits::kRevocationsPerUser);
  EXPECT_EQ(world.revoke("bob", "one too many"), "limit");
  EXPECT(world.registry.account_of(world.devices["one too many"].id) != nullptr);
}

// --- leaving, as it is since groups can be given away

TEST(owner_leaves_after_giving_the_group_away) {
  auto world = lab();
  EXPECT_EQ(world.leave("alice", "lab"), "conflict");
  EXPECT(world.last.answer.error().hint().find("group transfer lab") != std::string::npos);
  world.transfer("alice", "lab", "mia");

  EXPECT_EQ(world.leave("alice", "lab"), "");

  EXPECT(role_of(world, "alice") == tracker::Role::None);
  EXPECT(world.registry.group("lab") != nullptr);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(owner_promotes_and_demotes),
      cmocka_unit_test(role_that_somebody_has_already_changes_nothing),
      cmocka_unit_test(member_keeps_the_time_it_joined_through_a_change_of_role),
      cmocka_unit_test(admin_steps_down_by_itself_and_decides_no_more),
      cmocka_unit_test(only_roles_of_members_and_admins_can_be_given),
      cmocka_unit_test(removal_answers_with_the_epoch_without_the_member),
      cmocka_unit_test(removed_member_may_ask_again_and_is_nothing_until_accepted),
      cmocka_unit_test(admins_remove_members_and_the_owner_removes_admins),
      cmocka_unit_test(nobody_removes_itself),
      cmocka_unit_test(applicant_is_not_removed_but_rejected),
      cmocka_unit_test(admin_who_was_removed_is_not_admin_after_coming_back),
      cmocka_unit_test(group_is_given_to_a_member_and_the_former_owner_is_an_admin),
      cmocka_unit_test(group_is_given_to_members_only_and_not_to_oneself),
      cmocka_unit_test(withdrawn_file_is_gone_and_its_name_is_free),
      cmocka_unit_test(withdrawal_leaves_the_epoch_as_it_is),
      cmocka_unit_test(publisher_and_admins_withdraw_and_other_members_do_not),
      cmocka_unit_test(password_change_puts_record_and_salt_and_keeps_the_rest),
      cmocka_unit_test(proof_that_was_compared_before_a_change_of_the_password_fits_no_more),
      cmocka_unit_test(sessions_of_a_user_are_listed_with_the_present_one),
      cmocka_unit_test(revoked_device_is_unbound_and_its_revocation_is_for_its_groups),
      cmocka_unit_test(applicants_hear_of_no_revocation_and_theirs_are_not_heard_of),
      cmocka_unit_test(own_device_and_devices_of_others_are_not_revoked),
      cmocka_unit_test(grant_after_a_revocation_is_issued_later_than_it),
      cmocka_unit_test(device_revoked_by_two_users_keeps_both_revocations),
      cmocka_unit_test(revocation_that_has_ended_is_forgotten_with_the_next),
      cmocka_unit_test(revocations_of_a_user_are_bounded),
      cmocka_unit_test(owner_leaves_after_giving_the_group_away),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
