// SPDX-License-Identifier: MIT
// Passwords, sessions, removal and withdrawal as the clients of a whole tracker see them.
#include "daemon/base/log.h"
#include "tests/support/tracker_server.h"

using namespace p2p;
using test::Person;
using test::World;
namespace msg = ::p2p::pb::tracker;

namespace {

// alice owns "lab", bob is a member.
struct Lab {
  Lab() {
    alice.create_group("lab");
    group = group_id(alice, "lab");
    bob.join("lab");
    alice.accept("lab", "bob");
    bob.heard(msg::Event::kRoster);
  }
  World world;
  Person alice{world, "alice"};
  Person bob{world, "bob"};
  GroupId group;
};

// --- passwords

const std::string kNewProof(32, 'n');

msg::Request password_request(const std::string& proof, const std::string& new_proof = kNewProof,
                              const std::string& salt = std::string(16, 's')) {
  msg::Request request;
  request.mutable_change_password()->set_proof(proof);
  request.mutable_change_password()->set_new_proof(new_proof);
  request.mutable_change_password()->set_new_salt(salt);
  return request;
}

TEST(changed_password_lets_in_and_the_former_one_no_more) {
  World world;
  Person alice(world, "alice");
  const auto laptop = world.connect(trust::KeyPair::generate());

  EXPECT(alice.ask(password_request(test::kProof)).has_done());

  EXPECT_EQ(world.enter(*laptop, "alice", test::kProof, false).error().code(), "login_refused");
  msg::Request parameters;
  parameters.mutable_password_parameters()->set_user("alice");
  EXPECT_EQ(world.ask(*laptop, parameters).password_parameters().salt(), std::string(16, 's'));
  EXPECT_EQ(world.enter(*laptop, "alice", kNewProof, false).account().user(), "alice");
  EXPECT_EQ(alice.ask(password_request(test::kProof)).error().code(), "login_refused");
}

TEST(password_request_of_a_wrong_form_is_refused) {
  World world;
  Person alice(world, "alice");

  EXPECT_EQ(alice.ask(password_request("short")).error().code(), "invalid_argument");
  EXPECT_EQ(alice.ask(password_request(test::kProof, "short")).error().code(), "invalid_argument");
  EXPECT_EQ(alice.ask(password_request(test::kProof, kNewProof, "short")).error().code(), "invalid_argument");
  EXPECT_EQ(world.enter(*alice.client, "alice", test::kProof, false).account().user(), "alice");
}

TEST(wrong_present_passwords_count_like_wrong_logins) {
  World world;
  Person alice(world, "alice");
  const auto wrong = password_request(std::string(32, 'w'));
  int tries = 0;
  while (alice.ask(wrong).error().code() == "login_refused") EXPECT(++tries < 100);

  EXPECT_EQ(alice.ask(wrong).error().code(), "busy");
  EXPECT_EQ(alice.ask(password_request(test::kProof)).error().code(), "busy");
  EXPECT_EQ(world.enter(*alice.client, "alice", test::kProof, false).error().code(), "busy");
  EXPECT(tries >= 10);
}

// --- sessions

msg::Request revoke_request(const DeviceId& device) {
  msg::Request request;
  request.mutable_revoke_session()->set_device_id(device.raw());
  return request;
}

trust::Grant grant_of(Person& person) {
  msg::Request renew;
  renew.mutable_renew_grants();
  const auto memberships = person.ask(renew).memberships();
  return *trust::Grant::open(as_bytes(memberships.rows(0).grant()), person.keys());
}

TEST(sessions_are_listed_with_who_is_online) {
  World world;
  Person bob(world, "bob");
  Person laptop(world, "bob", false);
  msg::Request list;
  list.mutable_list_sessions();

  const auto sessions = bob.ask(list).sessions();
  EXPECT_EQ(sessions.rows_size(), 2);
  for (const auto& row : sessions.rows()) {
    EXPECT_EQ(row.current(), row.device_id() == bob.device().raw());
    EXPECT(row.online());
  }
  laptop.client.reset();
  world.waiter.until([&] {
    const auto page = bob.ask(list).sessions();
    return page.rows(0).online() != page.rows(1).online();
  });
}

TEST(revoked_session_ends_and_fellow_members_get_the_statement) {
  Lab lab;
  Person laptop(lab.world, "bob", false);
  const auto old_grant = grant_of(laptop);
  lab.alice.client->events.clear();

  EXPECT_EQ(lab.bob.ask(revoke_request(laptop.device())).session().device_id(), laptop.device().raw());

  EXPECT_EQ(laptop.heard(msg::Event::kSessionEnded).session_ended().error().code(), "login_required");
  lab.world.waiter.until([&] { return laptop.client->closed; });
  const auto revoked = lab.alice.heard(msg::Event::kRevoked).revoked();
  lab.bob.heard(msg::Event::kRevoked);
  const auto statement = trust::Revocation::open(as_bytes(revoked.revocation()), lab.alice.keys());
  EXPECT_OK(statement);
  EXPECT_EQ(statement->user, lab.bob.user);
  EXPECT(statement->voids(old_grant));
  EXPECT(!statement->voids(grant_of(lab.bob)));
  EXPECT(statement->until > old_grant.not_after);
  EXPECT_EQ(std::count_if(lab.alice.client->events.begin(), lab.alice.client->events.end(),
                          [](const auto& event) { return event.has_revoked(); }),
            1);
}

TEST(key_of_a_revoked_session_is_a_strangers_until_it_logs_in_again) {
  Lab lab;
  Person laptop(lab.world, "bob", false);
  const auto old_grant = grant_of(laptop);
  lab.bob.ask(revoke_request(laptop.device()));
  laptop.client = lab.world.connect(laptop.key);

  EXPECT(!lab.world.attach(*laptop.client).attached().known());
  msg::Request renew;
  renew.mutable_renew_grants();
  EXPECT_EQ(laptop.ask(renew).error().code(), "login_required");
  lab.world.enter(*laptop.client, "bob", test::kProof, false);
  const auto attached = lab.world.attach(*lab.alice.client).attached();

  EXPECT_EQ(attached.revocations_size(), 1);
  const auto statement = *trust::Revocation::open(as_bytes(attached.revocations(0)), lab.alice.keys());
  EXPECT(statement.voids(old_grant));
  const auto new_grant = grant_of(laptop);
  EXPECT(!statement.voids(new_grant));
  lab.bob.ask(revoke_request(laptop.device()));
  const auto again = lab.world.attach(*lab.alice.client).attached();
  EXPECT_EQ(again.revocations_size(), 1);
  EXPECT(trust::Revocation::open(as_bytes(again.revocations(0)), lab.alice.keys())->voids(new_grant));
}

TEST(revocation_is_told_to_nobody_outside_the_groups) {
  Lab lab;
  Person carol(lab.world, "carol");
  carol.join("lab");
  Person laptop(lab.world, "bob", false);

  lab.bob.ask(revoke_request(laptop.device()));

  lab.alice.heard(msg::Event::kRevoked);
  EXPECT_EQ(lab.world.attach(*carol.client).attached().revocations_size(), 0);
  for (const auto& event : carol.client->events) EXPECT(!event.has_revoked());
}

TEST(new_member_learns_of_revocations_with_its_membership) {
  Lab lab;
  Person carol(lab.world, "carol");
  Person laptop(lab.world, "bob", false);
  lab.bob.ask(revoke_request(laptop.device()));
  carol.join("lab");

  lab.alice.accept("lab", "carol");

  const auto revoked = carol.heard(msg::Event::kRevoked).revoked();
  const auto statement = trust::Revocation::open(as_bytes(revoked.revocation()), carol.keys());
  EXPECT_OK(statement);
  EXPECT_EQ(statement->device, laptop.device());
}

// --- removal and how far it has come

msg::RosterProgress progress(Person& asker, const GroupId& group, std::uint64_t epoch) {
  msg::Request request;
  request.mutable_show_roster_progress()->set_group_id(group.raw());
  request.mutable_show_roster_progress()->set_epoch(epoch);
  const auto answer = asker.ask(request);
  EXPECT(answer.has_roster_progress());
  return answer.roster_progress();
}

void apply(Person& person, const GroupId& group, std::uint64_t epoch) {
  msg::Request request;
  request.mutable_roster_applied()->set_group_id(group.raw());
  request.mutable_roster_applied()->set_epoch(epoch);
  EXPECT(person.ask(request).has_done());
}

TEST(removal_is_counted_as_the_online_members_take_it_over) {
  Lab lab;
  Person carol(lab.world, "carol");
  carol.join("lab");
  lab.alice.accept("lab", "carol");
  Person second(lab.world, "carol", false);
  lab.bob.client->events.clear();

  const auto removed = lab.alice.remove("lab", "bob");

  EXPECT_EQ(removed.group_id(), lab.group.raw());
  const auto told = lab.bob.heard(msg::Event::kMembership).membership();
  EXPECT_EQ(told.role(), pb::none);
  EXPECT_EQ(told.decided_by(), "alice");
  EXPECT_EQ(progress(lab.alice, lab.group, removed.epoch()).online(), 2u);
  EXPECT_EQ(progress(lab.alice, lab.group, removed.epoch()).applied(), 0u);
  apply(carol, lab.group, removed.epoch() - 1);
  EXPECT_EQ(progress(lab.alice, lab.group, removed.epoch()).applied(), 0u);
  apply(carol, lab.group, removed.epoch());
  EXPECT_EQ(progress(lab.alice, lab.group, removed.epoch()).applied(), 1u);
  apply(carol, lab.group, 1);  // an older one takes nothing back
  apply(second, lab.group, removed.epoch());
  EXPECT_EQ(progress(lab.alice, lab.group, removed.epoch()).applied(), 2u);
  carol.client.reset();
  lab.world.waiter.until([&] { return progress(lab.alice, lab.group, removed.epoch()).online() == 1; });
}

TEST(roster_that_a_device_attaches_with_counts_as_taken_over) {
  Lab lab;
  const auto roster =
      *trust::Roster::open(as_bytes(lab.bob.heard(msg::Event::kRoster).roster().roster()), lab.bob.keys());
  EXPECT_EQ(progress(lab.alice, lab.group, roster.epoch).applied(), 0u);
  msg::Request attach;
  auto& position = *attach.mutable_attach()->add_positions();
  position.set_group_id(lab.group.raw());
  position.set_epoch(roster.epoch + 100);

  EXPECT(lab.bob.ask(attach).has_attached());

  EXPECT_EQ(progress(lab.alice, lab.group, roster.epoch).applied(), 1u);
  EXPECT_EQ(progress(lab.alice, lab.group, roster.epoch + 1).applied(), 0u);  // there is none yet
}

TEST(change_of_a_role_says_whether_the_member_is_online) {
  Lab lab;
  msg::Request request;
  request.mutable_set_role()->set_group("lab");
  request.mutable_set_role()->set_user("bob");
  request.mutable_set_role()->set_role(pb::admin);
  lab.bob.client->events.clear();

  EXPECT(lab.alice.ask(request).member().online());

  const auto told = lab.bob.heard(msg::Event::kMembership).membership();
  EXPECT_EQ(told.role(), pb::admin);
  const auto grant = trust::Grant::open(as_bytes(told.grant()), lab.bob.keys());
  EXPECT(grant->role == trust::Role::Admin);
}

TEST(owner_and_former_owner_hear_of_a_transfer) {
  Lab lab;
  lab.alice.client->events.clear();
  lab.bob.client->events.clear();
  msg::Request request;
  request.mutable_transfer_group()->set_group("lab");
  request.mutable_transfer_group()->set_user("bob");

  EXPECT_EQ(lab.alice.ask(request).group().owner(), "bob");

  EXPECT_EQ(lab.bob.heard(msg::Event::kMembership).membership().role(), pb::owner);
  EXPECT_EQ(lab.alice.heard(msg::Event::kMembership).membership().role(), pb::admin);
  lab.alice.heard(msg::Event::kRoster);
}

// --- withdrawal

msg::Request withdraw_request() {
  msg::Request request;
  request.mutable_withdraw_file()->set_group("lab");
  request.mutable_withdraw_file()->set_name("film.mkv");
  return request;
}

TEST(withdrawn_file_is_told_to_members_and_gone_for_announcers) {
  Lab lab;
  const auto share = lab.bob.share("lab", lab.group, "film.mkv", 1);
  EXPECT_EQ(lab.bob.announce(lab.group, share).gone_size(), 0);

  EXPECT_EQ(lab.alice.ask(withdraw_request()).file().name(), "film.mkv");

  const auto told = lab.bob.heard(msg::Event::kFileWithdrawn).file_withdrawn();
  EXPECT_EQ(told.group_id(), lab.group.raw());
  EXPECT_EQ(told.info_hash(), share.raw());
  EXPECT_EQ(told.name(), "film.mkv");
  EXPECT_EQ(told.by(), "alice");
  const auto gone = lab.bob.announce(lab.group, share);
  EXPECT_EQ(gone.gone_size(), 1);
  EXPECT_EQ(gone.gone(0).group_id(), lab.group.raw());
  EXPECT_EQ(gone.gone(0).info_hash(), share.raw());
  msg::Request read;
  read.mutable_read_metadata()->set_group_id(lab.group.raw());
  read.mutable_read_metadata()->set_info_hash(share.raw());
  EXPECT_EQ(lab.bob.ask(read).error().code(), "not_found");
}

TEST(name_of_a_withdrawn_file_is_free_and_nobody_is_in_the_new_share) {
  Lab lab;
  const auto share = lab.bob.share("lab", lab.group, "film.mkv", 1);
  lab.bob.announce(lab.group, share);
  lab.bob.ask(withdraw_request());

  lab.alice.share("lab", lab.group, "film.mkv", 2);
  EXPECT(lab.alice.ask(withdraw_request()).has_file());
  lab.alice.share("lab", lab.group, "film.mkv", 1);

  msg::Request list;
  list.mutable_list_files()->set_group("lab");
  const auto page = lab.alice.ask(list).files();
  EXPECT_EQ(page.rows_size(), 1);
  EXPECT_EQ(page.rows(0).shared_by(), "alice");
  EXPECT_EQ(page.rows(0).seeders(), 0u);
}

}  // namespace

int main() {
  log::start("test_tracker_requests", log::Level::Error);
  const CMUnitTest tests[] = {
      cmocka_unit_test(changed_password_lets_in_and_the_former_one_no_more),
      cmocka_unit_test(password_request_of_a_wrong_form_is_refused),
      cmocka_unit_test(wrong_present_passwords_count_like_wrong_logins),
      cmocka_unit_test(sessions_are_listed_with_who_is_online),
      cmocka_unit_test(revoked_session_ends_and_fellow_members_get_the_statement),
      cmocka_unit_test(key_of_a_revoked_session_is_a_strangers_until_it_logs_in_again),
      cmocka_unit_test(revocation_is_told_to_nobody_outside_the_groups),
      cmocka_unit_test(new_member_learns_of_revocations_with_its_membership),
      cmocka_unit_test(removal_is_counted_as_the_online_members_take_it_over),
      cmocka_unit_test(roster_that_a_device_attaches_with_counts_as_taken_over),
      cmocka_unit_test(change_of_a_role_says_whether_the_member_is_online),
      cmocka_unit_test(owner_and_former_owner_hear_of_a_transfer),
      cmocka_unit_test(withdrawn_file_is_told_to_members_and_gone_for_announcers),
      cmocka_unit_test(name_of_a_withdrawn_file_is_free_and_nobody_is_in_the_new_share),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
