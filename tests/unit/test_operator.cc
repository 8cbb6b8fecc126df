// SPDX-License-Identifier: MIT
// What the operator changes: users, passwords, invites; decided by the registry and kept by the store.
#include "daemon/tracker/operations.h"

#include "daemon/base/limits.h"
#include "daemon/tracker/mutations.h"
#include "daemon/tracker/sqlite_store.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tracker_world.h"

using namespace p2p;
using test::TempDir;
using tracker::CommitResult;
namespace msg = ::p2p::pb::tracker;

namespace {

struct OperatorWorld : test::TrackerWorld {
  tracker::Asked operation(tracker::Operation wanted) {
    tracker::Asked made;
    made.now = WallTime{++seconds};
    made.grant_lifetime = std::chrono::hours(4);
    made.operation = std::move(wanted);
    return made;
  }
  std::string operate(tracker::Operation wanted) { return run(operation(std::move(wanted))); }

  // Makes an invite and gives its token.
  std::string invite(std::uint32_t uses, std::int64_t life = 100) {
    const auto token = trust::random_id<tracker::InviteToken>().hex();
    EXPECT_EQ(operate(tracker::AddInvite{{tracker::invite_hash(token), uses, WallTime{seconds + life}}}), "");
    return token;
  }
  tracker::Asked invited(const std::string& user, const std::string& token) {
    msg::Request request;
    request.mutable_create_account()->set_user(user);
    auto made = asked(user, request);
    made.new_account->invite = tracker::invite_hash(token);
    return made;
  }
  bool is_bound(const std::string& device) { return registry.account_of(devices[device].id) != nullptr; }
  template <class Wanted>
  std::size_t notices() const {
    return static_cast<std::size_t>(
        std::count_if(last.notices.begin(), last.notices.end(),
                      [](const tracker::Notice& notice) { return std::holds_alternative<Wanted>(notice); }));
  }
  std::string reason() const {
    for (const auto& notice : last.notices)
      if (const auto* end = std::get_if<tracker::EndNotice>(&notice))
        return std::string(code_name(end->reason.code));
    return "none";
  }
};

// --- users

TEST(disabling_revokes_every_device_and_keeps_memberships) {
  OperatorWorld world;
  world.create_account("alice");
  world.login("laptop", "alice");
  world.create_group("alice", "lab");

  EXPECT_EQ(world.operate(tracker::SetDisabled{"Alice", true}), "");

  EXPECT(!world.is_bound("alice") && !world.is_bound("laptop"));
  EXPECT_EQ(world.notices<tracker::EndNotice>(), 2u);
  EXPECT_EQ(world.notices<tracker::RevocationNotice>(), 2u);
  EXPECT_EQ(world.reason(), "login_refused");
  EXPECT(world.registry.devices_of(world.account("alice").id).empty());
  EXPECT_EQ(world.registry.memberships_of(world.account("alice").id), 1u);
}

TEST(disabled_user_is_refused_as_an_unknown_one_and_comes_back_when_enabled) {
  OperatorWorld world;
  world.create_account("alice");
  world.operate(tracker::SetDisabled{"alice", true});

  EXPECT_EQ(world.login("alice", "alice"), "login_refused");
  const auto disabled = world.last.answer.SerializeAsString();
  EXPECT_EQ(world.login("alice", "nobody"), "login_refused");
  EXPECT_EQ(world.last.answer.SerializeAsString(), disabled);
  EXPECT_EQ(world.operate(tracker::SetDisabled{"alice", false}), "");
  EXPECT(!world.is_bound("alice"));
  EXPECT_EQ(world.login("alice", "alice"), "");

  EXPECT(world.is_bound("alice"));
}

TEST(setting_what_is_so_already_changes_nothing) {
  OperatorWorld world;
  world.create_account("alice");

  EXPECT_EQ(world.operate(tracker::SetDisabled{"alice", false}), "");

  EXPECT(!world.last.change);
  EXPECT(world.is_bound("alice"));
}

TEST(operation_on_a_user_that_is_not_there_is_refused) {
  OperatorWorld world;

  EXPECT_EQ(world.operate(tracker::SetDisabled{"nobody", true}), "not_found");
  EXPECT_EQ(world.operate(tracker::ResetPassword{"nobody", Bytes(33), Bytes(16), 17}), "not_found");
  EXPECT_EQ(world.operate(tracker::SetDisabled{"a b", true}), "invalid_name");
}

TEST(password_reset_stores_the_record_and_asks_every_device_to_log_in) {
  OperatorWorld world;
  world.create_account("alice");
  world.login("laptop", "alice");

  EXPECT_EQ(world.operate(tracker::ResetPassword{"alice", Bytes(33, 7), Bytes(16, 8), 18}), "");

  EXPECT(world.account("alice").record == Bytes(33, 7));
  EXPECT(world.account("alice").salt == Bytes(16, 8));
  EXPECT_EQ(world.account("alice").log_n, 18u);
  EXPECT(!world.is_bound("alice") && !world.is_bound("laptop"));
  EXPECT_EQ(world.reason(), "login_required");
}

TEST(login_that_was_checked_against_the_former_password_is_refused_after_a_reset) {
  OperatorWorld world;
  world.create_account("alice");
  msg::Request request;
  request.mutable_login()->set_user("alice");
  auto waiting = world.asked("laptop", request);
  waiting.record = world.account("alice").record;
  world.operate(tracker::ResetPassword{"alice", Bytes(33, 7), Bytes(16, 8), 17});

  EXPECT_EQ(world.run(waiting), "login_refused");
}

// --- invites

TEST(invite_makes_as_many_accounts_as_it_has_uses) {
  OperatorWorld world;
  const auto token = world.invite(2);

  EXPECT_EQ(world.run(world.invited("alice", token)), "");
  EXPECT_EQ(world.run(world.invited("bob", token)), "");
  EXPECT_EQ(world.run(world.invited("carol", token)), "not_allowed");
  EXPECT_EQ(world.registry.invites(), 0u);
}

TEST(missing_wrong_used_and_expired_invites_get_the_same_answer) {
  OperatorWorld world;
  const auto used = world.invite(1);
  world.run(world.invited("alice", used));
  const auto expired = world.invite(1, 5);
  world.seconds += 10;
  std::set<std::string> answers;

  for (const auto& token : {std::string(), std::string("nonsense"), std::string(32, 'a'), used, expired}) {
    EXPECT_EQ(world.run(world.invited("bob", token)), "not_allowed");
    answers.insert(world.last.answer.SerializeAsString());
  }
  // Nor does a name that is taken show without an invite.
  EXPECT_EQ(world.run(world.invited("alice", "nonsense")), "not_allowed");
  answers.insert(world.last.answer.SerializeAsString());

  EXPECT_EQ(answers.size(), 1u);
}

TEST(refused_account_uses_nothing_up) {
  OperatorWorld world;
  world.create_account("alice");
  const auto token = world.invite(1);

  EXPECT_EQ(world.run(world.invited("alice", token)), "exists");
  EXPECT_EQ(world.run(world.invited("bob", token)), "");
}

TEST(token_is_taken_in_upper_case_too) {
  OperatorWorld world;
  auto token = world.invite(1);
  for (auto& c : token) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));

  EXPECT_EQ(world.run(world.invited("alice", token)), "");
}

TEST(expired_invites_are_dropped_by_the_sweep_and_with_the_next_one) {
  OperatorWorld world;
  world.invite(1, 5);
  world.invite(1, 1000);
  world.seconds += 10;
  EXPECT(world.registry.has_expired_invites(WallTime{world.seconds}));

  EXPECT_EQ(world.operate(tracker::DropExpiredInvites{}), "");
  EXPECT_EQ(world.registry.invites(), 1u);
  EXPECT_EQ(world.operate(tracker::DropExpiredInvites{}), "");
  EXPECT(!world.last.change);
  world.invite(1, 5);
  world.seconds += 10;
  world.invite(1);

  EXPECT_EQ(world.registry.invites(), 2u);
}

TEST(invites_are_bounded) {
  OperatorWorld world;
  LIMIT_AT(limits::kInvites);
  for (std::size_t i = 0; i < limits::kInvites; ++i) world.invite(1, 1'000'000);
  EXPECT_EQ(world.registry.invites(), limits::kInvites);

  LIMIT_ABOVE(limits::kInvites);
  EXPECT_EQ(world.operate(tracker::AddInvite{{{}, 1, WallTime{2'000'000}}}), "limit");
}

// --- in the store

struct StoredWorld : OperatorWorld {
  explicit StoredWorld(const std::string& file) : rows(*tracker::SqliteRows::open(file)) {
    registry.load(*rows.load());
  }
  std::string stored(const tracker::Asked& asked) {
    auto error = run(asked);
    if (last.change) EXPECT(rows.write(std::span(&*last.change, 1))[0].outcome == CommitResult::Outcome::Ok);
    return error;
  }
  tracker::SqliteRows rows;
};

TEST(disabled_users_and_invites_are_there_after_reopening_and_no_token_is) {
  const TempDir folder;
  const auto file = folder.path_of("tracker.db");
  const auto token = trust::random_id<tracker::InviteToken>();
  std::map<std::string, test::TrackerDevice> devices;
  {
    StoredWorld world(file);
    msg::Request create;
    create.mutable_create_account()->set_user("alice");
    EXPECT_EQ(world.stored(world.asked("alice", create)), "");
    EXPECT_EQ(world.stored(world.operation(tracker::SetDisabled{"alice", true})), "");
    const tracker::Invite invite{tracker::invite_hash(token.hex()), 2, WallTime{1'000'000}};
    EXPECT_EQ(world.stored(world.operation(tracker::AddInvite{invite})), "");
    EXPECT_EQ(world.stored(world.invited("bob", token.hex())), "");
    devices = world.devices;
  }

  StoredWorld again(file);

  EXPECT(again.account("alice").disabled);
  EXPECT(again.registry.devices_of(again.account("alice").id).empty());
  EXPECT_EQ(again.registry.invites(), 1u);
  EXPECT_EQ(again.stored(again.invited("carol", token.hex())), "");
  EXPECT_EQ(again.registry.invites(), 0u);
  const auto content = folder.content("tracker.db");
  EXPECT(content.find(token.hex()) == std::string::npos);
  EXPECT(content.find(token.raw()) == std::string::npos);
}

TEST(two_accounts_that_were_decided_on_one_use_become_one) {
  const TempDir folder;
  StoredWorld world(folder.path_of("tracker.db"));
  const auto token = trust::random_id<tracker::InviteToken>().hex();
  world.stored(world.operation(tracker::AddInvite{{tracker::invite_hash(token), 1, WallTime{1'000'000}}}));
  const auto one = world.registry.decide(world.invited("alice", token));
  const auto two = world.registry.decide(world.invited("bob", token));
  EXPECT(one.change && two.change);

  const auto results = world.rows.write(std::vector{*one.change, *two.change});

  EXPECT(results[0].outcome == CommitResult::Outcome::Ok);
  EXPECT(results[1].outcome == CommitResult::Outcome::Conflict);
  const auto snapshot = *world.rows.load();
  EXPECT_EQ(snapshot.accounts.size(), 1u);
  EXPECT(snapshot.invites.empty());
}

struct Decided final : tracker::Mutations::Listener {
  std::multiset<std::string> codes;
  std::size_t wanted = 0;
  io::Loop* loop = nullptr;
  void on_decided(const tracker::Asked&, const tracker::Decision& decision) override {
    codes.insert(decision.answer.error().code());
    if (codes.size() == wanted) loop->stop();
  }
  void on_store_failed(const Error&) override {}
};

TEST(many_at_once_share_the_uses_of_an_invite_and_the_others_are_refused) {
  const TempDir folder;
  OperatorWorld world;
  io::Loop loop;
  const auto store = std::move(*tracker::SqliteStore::open(loop, folder.path_of("tracker.db")));
  Decided decided;
  decided.loop = &loop;
  tracker::Mutations mutations(world.registry, *store, decided);
  const auto token = trust::random_id<tracker::InviteToken>().hex();
  decided.wanted = 1;
  mutations.submit(
      world.operation(tracker::AddInvite{{tracker::invite_hash(token), 3, WallTime{1'000'000}}}));
  loop.run();
  decided.codes.clear();

  decided.wanted = 10;
  for (int i = 0; i < 10; ++i) mutations.submit(world.invited("user" + std::to_string(i), token));
  loop.run();

  EXPECT_EQ(decided.codes.count(""), 3u);
  EXPECT_EQ(decided.codes.count("not_allowed"), 7u);
  EXPECT_EQ(world.registry.accounts(), 3u);
  EXPECT_EQ(world.registry.invites(), 0u);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(disabling_revokes_every_device_and_keeps_memberships),
      cmocka_unit_test(disabled_user_is_refused_as_an_unknown_one_and_comes_back_when_enabled),
      cmocka_unit_test(setting_what_is_so_already_changes_nothing),
      cmocka_unit_test(operation_on_a_user_that_is_not_there_is_refused),
      cmocka_unit_test(password_reset_stores_the_record_and_asks_every_device_to_log_in),
      cmocka_unit_test(login_that_was_checked_against_the_former_password_is_refused_after_a_reset),
      cmocka_unit_test(invite_makes_as_many_accounts_as_it_has_uses),
      cmocka_unit_test(missing_wrong_used_and_expired_invites_get_the_same_answer),
      cmocka_unit_test(refused_account_uses_nothing_up),
      cmocka_unit_test(token_is_taken_in_upper_case_too),
      cmocka_unit_test(expired_invites_are_dropped_by_the_sweep_and_with_the_next_one),
      cmocka_unit_test(invites_are_bounded),
      cmocka_unit_test(disabled_users_and_invites_are_there_after_reopening_and_no_token_is),
      cmocka_unit_test(two_accounts_that_were_decided_on_one_use_become_one),
      cmocka_unit_test(many_at_once_share_the_uses_of_an_invite_and_the_others_are_refused),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
