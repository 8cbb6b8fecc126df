// SPDX-License-Identifier: MIT
#include <filesystem>
#include <unistd.h>

#include "daemon/base/limits.h"
#include "daemon/tracker/mutations.h"
#include "daemon/tracker/sqlite_store.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"
#include "tests/support/tracker_world.h"

using namespace p2p;
using test::TrackerWorld;
using tracker::CommitResult;
namespace msg = ::p2p::pb::tracker;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/p2p-store-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/tracker.db"; }
  std::string path;
};

// A world whose changes also go to a database.
struct StoredWorld : TrackerWorld {
  explicit StoredWorld(const std::string& file) : rows(*tracker::SqliteRows::open(file)) {
    registry.load(*rows.load());
  }
  // Writes what the last request changed.
  CommitResult::Outcome store() { return rows.write(std::span(&*last.change, 1))[0].outcome; }
  tracker::SqliteRows rows;
};

std::string state_of(const tracker::Registry& registry, const std::string& user) {
  std::string text;
  msg::ListGroups request;
  const auto page = registry.list_groups(*registry.account(user), request);
  for (const auto& row : page.rows()) text += row.ShortDebugString() + "\n";
  for (const auto& name : registry.groups_of(registry.account(user)->id)) {
    const auto& group = *registry.group(name);
    text += std::to_string(group.change) + " " + std::to_string(group.epoch) + "\n";
    for (const auto& [share_name, share] : group.shares)
      text += registry.file_row(group, share, nullptr).ShortDebugString() + to_hex(share.entry) + "\n";
  }
  return text;
}

TEST(reopened_store_gives_the_same_registry) {
  const Folder folder;
  std::string before;
  std::map<std::string, test::TrackerDevice> devices;
  {
    StoredWorld world(folder.file());
    world.create_account("alice");
    world.store();
    world.create_account("bob");
    world.store();
    world.create_group("alice", "lab");
    world.store();
    world.create_group("alice", "old");
    world.store();
    world.leave("alice", "old");
    world.store();
    world.join("bob", "lab", "let me in");
    world.store();
    world.share("alice", "lab", "film.mkv", 1);
    EXPECT(world.store() == CommitResult::Outcome::Ok);
    before = state_of(world.registry, "alice");
    devices = world.devices;
  }

  StoredWorld again(folder.file());

  EXPECT_EQ(state_of(again.registry, "alice"), before);
  EXPECT(again.registry.account_of(devices["bob"].id) != nullptr);
  EXPECT_EQ(again.registry.groups(), 1u);
  again.devices = devices;
  EXPECT_EQ(again.decide("alice", "lab", {"bob"}), "");
  EXPECT(again.store() == CommitResult::Outcome::Ok);
}

TEST(repeated_request_after_reopening_gets_its_first_answer) {
  const Folder folder;
  msg::Request request;
  request.set_idempotency_key(std::string(16, 'k'));
  request.mutable_create_account()->set_user("alice");
  std::map<std::string, test::TrackerDevice> devices;
  std::string first;
  {
    StoredWorld world(folder.file());
    world.run("alice", request);
    first = world.last.answer.SerializeAsString();
    world.store();
    devices = world.devices;
  }

  StoredWorld again(folder.file());
  again.devices = devices;
  EXPECT_EQ(again.run("alice", request), "");

  EXPECT_EQ(again.last.answer.SerializeAsString(), first);
  EXPECT(!again.last.change);
}

TEST(conflicting_change_leaves_out_itself_only) {
  const Folder folder;
  StoredWorld world(folder.file());
  world.create_account("alice");
  const auto alice = *world.last.change;
  world.create_account("bob");
  const auto bob = *world.last.change;

  const auto results = world.rows.write(std::vector{alice, alice, bob});

  EXPECT(results[0].outcome == CommitResult::Outcome::Ok);
  EXPECT(results[1].outcome == CommitResult::Outcome::Conflict);
  EXPECT(results[2].outcome == CommitResult::Outcome::Ok);
  EXPECT_EQ(world.rows.load()->accounts.size(), 2u);
}

TEST(failed_batch_leaves_nothing_behind) {
  const Folder folder;
  StoredWorld world(folder.file());
  world.create_account("alice");
  const auto alice = *world.last.change;
  world.create_group("alice", "lab");
  auto broken = *world.last.change;
  broken.changes.emplace_back(tracker::PutMember{{}, {}, {}});  // of no group

  const auto results = world.rows.write(std::vector{alice, broken});

  EXPECT(results[0].outcome == CommitResult::Outcome::Failed);
  EXPECT(results[1].outcome == CommitResult::Outcome::Failed);
  EXPECT(world.rows.load()->accounts.empty());
}

TEST(piece_list_is_read_back_in_chunks) {
  const Folder folder;
  StoredWorld world(folder.file());
  world.create_account("alice");
  world.store();
  world.create_group("alice", "lab");
  world.store();
  world.share("alice", "lab", "film.mkv", 1);
  auto& put = std::get<tracker::PutShare>(world.last.change->changes[0]);
  Bytes list(limits::kMetadataChunkBytes + 10);
  for (std::size_t i = 0; i < list.size(); ++i) list[i] = static_cast<std::uint8_t>(i * 7);
  put.piece_list = std::make_shared<const Bytes>(list);
  EXPECT(world.store() == CommitResult::Outcome::Ok);
  const ShareKey key{put.share.group, put.share.info_hash};

  EXPECT_EQ(world.rows.read_piece_list(key, 0)->size(), limits::kMetadataChunkBytes);
  const auto tail = world.rows.read_piece_list(key, limits::kMetadataChunkBytes + 4);
  EXPECT(*tail == to_bytes(ByteSpan(list).last(6)));
  EXPECT(world.rows.read_piece_list(key, list.size())->empty());
  EXPECT(world.rows.read_piece_list({key.group, {}}, 0)->empty());

  world.leave("alice", "lab");
  world.store();
  EXPECT(world.rows.read_piece_list(key, 0)->empty());
}

TEST(reopened_store_knows_roles_removals_passwords_and_withdrawals) {
  const Folder folder;
  std::string before;
  {
    StoredWorld world(folder.file());
    const auto stored = [&](const std::string& code) {
      EXPECT_EQ(code, "");
      EXPECT(world.store() == CommitResult::Outcome::Ok);
    };
    for (const auto* user : {"alice", "bob", "mia"}) stored(world.create_account(user));
    stored(world.create_group("alice", "lab"));
    for (const auto* user : {"bob", "mia"}) {
      stored(world.join(user, "lab"));
      stored(world.decide("alice", "lab", {user}));
    }
    stored(world.set_role("alice", "lab", "bob", pb::admin));
    stored(world.remove("bob", "lab", "mia"));
    stored(world.share("alice", "lab", "film.mkv", 1));
    stored(world.withdraw("bob", "lab", "film.mkv"));
    stored(world.share("bob", "lab", "film.mkv", 2));
    stored(world.transfer("alice", "lab", "bob"));
    msg::Request password;
    password.mutable_change_password();
    stored(world.run("mia", password));
    before = state_of(world.registry, "bob");
  }

  StoredWorld again(folder.file());

  EXPECT_EQ(state_of(again.registry, "bob"), before);
  const auto& group = *again.registry.group("lab");
  EXPECT(group.role_of(again.account("bob").id) == tracker::Role::Owner);
  EXPECT(group.role_of(again.account("alice").id) == tracker::Role::Admin);
  EXPECT(group.role_of(again.account("mia").id) == tracker::Role::None);
  EXPECT_EQ(group.shares.size(), 1u);
  EXPECT(again.account("mia").record == Bytes(33, 3));
  EXPECT(again.account("mia").salt == Bytes(16, 4));
}

TEST(withdrawn_share_leaves_no_piece_list_behind) {
  const Folder folder;
  StoredWorld world(folder.file());
  world.create_account("alice");
  world.store();
  world.create_group("alice", "lab");
  world.store();
  world.share("alice", "lab", "film.mkv", 1);
  const auto share = std::get<tracker::PutShare>(world.last.change->changes[0]).share;
  world.store();
  const ShareKey key{share.group, share.info_hash};
  EXPECT(!world.rows.read_piece_list(key, 0)->empty());

  world.withdraw("alice", "lab", "film.mkv");
  EXPECT(world.store() == CommitResult::Outcome::Ok);

  EXPECT(world.rows.read_piece_list(key, 0)->empty());
  EXPECT(world.rows.load()->groups[0].shares.empty());
}

// bob with two devices, of which he revokes one.
struct Revoked {
  Revoked() {
    world.create_account("bob");
    world.store();
    for (const auto* device : {"laptop", "phone"}) {
      world.login(device, "bob");
      world.store();
    }
    world.revoke("bob", "laptop");
    EXPECT(world.store() == CommitResult::Outcome::Ok);
    until = std::get<tracker::PutRevocation>(world.last.change->changes[1]).revocation.until;
  }
  Folder folder;
  StoredWorld world{folder.file()};
  WallTime until;
};

TEST(revocation_is_kept_until_it_has_ended) {
  Revoked revoked;
  const auto load = [&](WallTime now) {
    auto registry = std::make_unique<tracker::Registry>(TrackerWorld::tracker_id());
    registry->load(*revoked.world.rows.load(), now);
    return registry;
  };

  const auto before = load(revoked.until - std::chrono::seconds(1));

  EXPECT_EQ(before->revocations(), 1u);
  EXPECT(before->account_of(revoked.world.devices["laptop"].id) == nullptr);
  EXPECT(before->issue_time(revoked.world.devices["laptop"].id, {}).seconds > 0);
  EXPECT_EQ(load(revoked.until)->revocations(), 0u);
}

TEST(ended_revocation_leaves_the_database_with_the_next) {
  Revoked revoked;
  revoked.world.seconds = revoked.until.seconds;

  revoked.world.revoke("bob", "phone");
  EXPECT(revoked.world.store() == CommitResult::Outcome::Ok);

  const auto left = revoked.world.rows.load()->revocations;
  EXPECT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].device, revoked.world.devices["phone"].id);
}

TEST(reloaded_account_has_its_revocations) {
  Revoked revoked;
  TrackerWorld other;
  other.registry.load(*revoked.world.rows.load());
  revoked.world.login("laptop", "bob");
  revoked.world.store();
  revoked.world.revoke("bob", "phone");
  revoked.world.store();

  other.registry.replace(
      *revoked.world.rows.load_scope({tracker::Scope::Kind::Account, "bob"}, std::nullopt));

  EXPECT_EQ(other.registry.revocations(), 2u);
  EXPECT(other.registry.account_of(revoked.world.devices["laptop"].id) != nullptr);
  EXPECT(other.registry.account_of(revoked.world.devices["phone"].id) == nullptr);
}

// --- the way of a mutation -----------------------------------------------------------------------

// Holds every call until the test lets it go on. It has rows of its own: the other writers' view.
class HeldStore final : public tracker::Store {
 public:
  explicit HeldStore(tracker::SqliteRows& rows) : rows_(rows) {}
  Result<tracker::Snapshot> load() override { return rows_.load(); }
  void commit(tracker::ChangeSet change, CommitDone done) override {
    commits.emplace_back(std::move(change), std::move(done));
  }
  void reload(tracker::Scope scope, std::optional<tracker::Remembered> request, ScopeDone done) override {
    ++reloads;
    done(rows_.load_scope(scope, request));
  }
  void read_piece_list(ShareKey, std::uint64_t, BytesDone) override {}

  void release_first() {
    auto [change, done] = std::move(commits.front());
    commits.erase(commits.begin());
    done(rows_.write(std::span(&change, 1))[0]);
  }
  void fail_first(Code code) {
    auto [change, done] = std::move(commits.front());
    commits.erase(commits.begin());
    done({CommitResult::Outcome::Failed, {code, "no luck"}});
  }

  std::vector<std::pair<tracker::ChangeSet, CommitDone>> commits;
  int reloads = 0;

 private:
  tracker::SqliteRows& rows_;
};

struct Answers final : tracker::Mutations::Listener {
  void on_decided(const tracker::Asked&, const tracker::Decision& decision) override {
    codes.push_back(decision.answer.error().code());
    bodies.push_back(decision.answer.SerializeAsString());
  }
  void on_store_failed(const Error& error) override { failures.push_back(error.code); }
  std::vector<std::string> codes;
  std::vector<std::string> bodies;
  std::vector<Code> failures;
};

msg::Request join_lab() {
  msg::Request request;
  request.mutable_join_group()->set_group("lab");
  return request;
}

// alice owns "lab" and bob has an account, in memory and on disk.
struct Lab {
  Lab() {
    world.create_account("alice");
    world.store();
    world.create_account("bob");
    world.store();
    world.create_group("alice", "lab");
    world.store();
  }
  Folder folder;
  StoredWorld world{folder.file()};
  HeldStore store{world.rows};
  Answers answers;
  tracker::Mutations mutations{world.registry, store, answers};
};

TEST(answer_waits_until_the_change_is_durable) {
  Lab lab;

  lab.mutations.submit(lab.world.asked("bob", join_lab()));

  EXPECT(lab.answers.codes.empty());
  EXPECT(lab.world.registry.group("lab")->requests.empty());
  lab.store.release_first();
  EXPECT(lab.answers.codes == std::vector<std::string>{""});
  EXPECT_EQ(lab.world.registry.group("lab")->requests.size(), 1u);
  EXPECT(lab.mutations.idle());
}

TEST(requests_of_one_scope_go_one_by_one_and_others_pass) {
  Lab lab;
  msg::Request leave;
  leave.mutable_leave_group()->set_group("lab");
  lab.mutations.submit(lab.world.asked("bob", join_lab()));
  lab.mutations.submit(lab.world.asked("bob", leave));
  msg::Request account;
  account.mutable_create_account()->set_user("carol");
  lab.mutations.submit(lab.world.asked("carol", account));

  EXPECT_EQ(lab.store.commits.size(), 2u);
  EXPECT_EQ(lab.store.commits[1].first.scope.name, "carol");
  lab.store.release_first();
  EXPECT_EQ(lab.store.commits.size(), 2u);
  lab.store.release_first();
  lab.store.release_first();
  EXPECT_EQ(lab.answers.codes.size(), 3u);
  EXPECT(lab.world.registry.group("lab")->requests.empty());
}

TEST(same_key_while_the_first_is_under_way_gets_the_same_answer) {
  Lab lab;
  auto request = join_lab();
  request.set_idempotency_key(std::string(16, 'k'));
  lab.mutations.submit(lab.world.asked("bob", request));
  lab.mutations.submit(lab.world.asked("bob", request));

  lab.store.release_first();

  EXPECT_EQ(lab.answers.bodies.size(), 2u);
  EXPECT(lab.answers.bodies[0] == lab.answers.bodies[1]);
  EXPECT(lab.store.commits.empty());
}

TEST(conflict_reloads_the_group_and_decides_again) {
  Lab lab;
  // Another tracker accepts bob, which this one's memory does not know.
  TrackerWorld other;
  other.registry.load(*lab.world.rows.load());
  other.devices = lab.world.devices;
  const auto write = [&] {
    EXPECT(lab.world.rows.write(std::span(&*other.last.change, 1))[0].outcome == CommitResult::Outcome::Ok);
  };
  other.join("bob", "lab");
  write();
  other.decide("alice", "lab", {"bob"});
  write();

  lab.mutations.submit(lab.world.asked("bob", join_lab()));
  lab.store.release_first();

  EXPECT_EQ(lab.store.reloads, 1);
  EXPECT(lab.answers.codes == std::vector<std::string>{"exists"});
  EXPECT_EQ(lab.world.registry.group("lab")->members.size(), 2u);
  EXPECT_EQ(lab.world.registry.group("lab")->epoch, other.registry.group("lab")->epoch);
}

TEST(conflict_with_the_same_request_elsewhere_gives_its_first_answer) {
  Lab lab;
  TrackerWorld other;
  other.registry.load(*lab.world.rows.load());
  other.devices = lab.world.devices;
  auto request = join_lab();
  request.set_idempotency_key(std::string(16, 'k'));
  other.run("bob", request);
  lab.world.rows.write(std::span(&*other.last.change, 1));

  lab.mutations.submit(lab.world.asked("bob", request));
  lab.store.release_first();

  EXPECT(lab.answers.bodies == std::vector<std::string>{other.last.answer.SerializeAsString()});
}

TEST(failed_store_refuses_and_keeps_memory_as_it_was) {
  Lab lab;
  lab.mutations.submit(lab.world.asked("bob", join_lab()));

  lab.store.fail_first(Code::NoSpace);

  EXPECT(lab.answers.codes == std::vector<std::string>{"no_space"});
  EXPECT(lab.answers.failures == std::vector<Code>{Code::NoSpace});
  EXPECT(lab.world.registry.group("lab")->requests.empty());
  EXPECT(lab.mutations.idle());
}

TEST(queue_of_a_scope_is_bounded) {
  Lab lab;
  for (std::size_t i = 0; i < limits::kQueuedPerScope + 1; ++i)
    lab.mutations.submit(lab.world.asked("bob", join_lab()));
  LIMIT_AT(limits::kQueuedPerScope);
  EXPECT(lab.answers.codes.empty());

  LIMIT_ABOVE(limits::kQueuedPerScope);
  lab.mutations.submit(lab.world.asked("bob", join_lab()));

  EXPECT(lab.answers.codes == std::vector<std::string>{"busy"});
}

TEST(sqlite_store_commits_what_waits_together_and_answers_in_order) {
  const Folder folder;
  io::Loop loop;
  const auto store = std::move(*tracker::SqliteStore::open(loop, folder.file()));
  TrackerWorld world;
  std::vector<int> order;
  constexpr int kCount = 20;
  for (int i = 0; i < kCount; ++i) {
    world.create_account("user" + std::to_string(i));
    store->commit(*world.last.change, [&, i](const CommitResult& result) {
      if (result.outcome == CommitResult::Outcome::Ok) order.push_back(i);
      if (i == kCount - 1) loop.stop();
    });
  }
  EXPECT(order.empty());

  loop.run();

  EXPECT_EQ(order.size(), static_cast<std::size_t>(kCount));
  EXPECT(std::is_sorted(order.begin(), order.end()));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(reopened_store_gives_the_same_registry),
      cmocka_unit_test(repeated_request_after_reopening_gets_its_first_answer),
      cmocka_unit_test(conflicting_change_leaves_out_itself_only),
      cmocka_unit_test(failed_batch_leaves_nothing_behind),
      cmocka_unit_test(piece_list_is_read_back_in_chunks),
      cmocka_unit_test(reopened_store_knows_roles_removals_passwords_and_withdrawals),
      cmocka_unit_test(withdrawn_share_leaves_no_piece_list_behind),
      cmocka_unit_test(revocation_is_kept_until_it_has_ended),
      cmocka_unit_test(ended_revocation_leaves_the_database_with_the_next),
      cmocka_unit_test(reloaded_account_has_its_revocations),
      cmocka_unit_test(answer_waits_until_the_change_is_durable),
      cmocka_unit_test(requests_of_one_scope_go_one_by_one_and_others_pass),
      cmocka_unit_test(same_key_while_the_first_is_under_way_gets_the_same_answer),
      cmocka_unit_test(conflict_reloads_the_group_and_decides_again),
      cmocka_unit_test(conflict_with_the_same_request_elsewhere_gives_its_first_answer),
      cmocka_unit_test(failed_store_refuses_and_keeps_memory_as_it_was),
      cmocka_unit_test(queue_of_a_scope_is_bounded),
      cmocka_unit_test(sqlite_store_commits_what_waits_together_and_answers_in_order),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
