// SPDX-License-Identifier: MIT
// A backup of a store that is being written, and trackers made of it.
#include "daemon/tracker/backup.h"

#include <fcntl.h>

#include "daemon/base/limits.h"
#include "daemon/tracker/backup_file.h"
#include "daemon/tracker/keys.h"
#include "daemon/tracker/restore.h"
#include "tests/support/io_world.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tracker_world.h"

using namespace p2p;
using test::TempDir;
using tracker::CommitResult;

namespace {

constexpr std::size_t kBigList = 4 * limits::kMiB;  // many steps of a copy

// A tracker's data directory with its store open, and the loop that runs it.
struct Running {
  Running() {
    keys.emplace(std::move(*tracker::Keys::load_or_make(folder.path())));
    store = std::move(*tracker::SqliteStore::open(world.loop, folder.path_of("tracker.db")));
    backup.emplace(world.loop, *store, folder.path());
  }
  void commit(std::function<void()> done = [] {}) {
    store->commit(*tracker.last.change, [done](const CommitResult& result) {
      EXPECT(result.outcome == CommitResult::Outcome::Ok);
      done();
    });
  }
  void create_account(
      const std::string& name, std::function<void()> done = [] {}) {
    EXPECT_EQ(tracker.create_account(name), "");
    commit(std::move(done));
  }
  // alice with a group and a share whose piece list is large.
  void fill() {
    create_account("alice");
    tracker.create_group("alice", "lab");
    commit();
    tracker.share("alice", "lab", "film.mkv", 1);
    for (auto& change : tracker.last.change->changes)
      if (auto* put = std::get_if<tracker::PutShare>(&change))
        put->piece_list = std::make_shared<const Bytes>(kBigList, 7);
    commit([this] { world.loop.stop(); });
    world.run();
  }
  Result<std::uint64_t> run_backup(const std::string& path) {
    Result<std::uint64_t> result = fail(Code::Internal, "not called");
    bool called = false;
    backup->run(path, [&](const Result<std::uint64_t>& bytes) {
      called = true;
      result = bytes;
      world.loop.stop();
    });
    if (!called) world.run();
    return result;
  }

  TempDir folder;
  test::World world;
  test::TrackerWorld tracker;
  std::optional<tracker::Keys> keys;
  std::unique_ptr<tracker::SqliteStore> store;
  std::optional<tracker::Backup> backup;
};

tracker::Snapshot snapshot_of(const std::string& data_dir) {
  return std::move(*tracker::SqliteRows::open(data_dir + "/tracker.db")->load());
}

TEST(restored_tracker_has_the_same_keys_and_rows_and_nothing_more) {
  Running running;
  running.fill();
  const TempDir target;
  const auto file = target.path_of("tracker.backup");
  const auto data_dir = target.path_of("data");

  const auto bytes = running.run_backup(file);
  EXPECT_OK(bytes);
  EXPECT_OK(tracker::restore_backup(file, data_dir));

  EXPECT_EQ(*bytes, std::filesystem::file_size(file));
  EXPECT_EQ(target.mode("tracker.backup"), 0600u);
  for (const auto* name : tracker::Keys::kFiles) {
    EXPECT(target.content(std::string("data/") + name) == running.folder.content(name));
    EXPECT_EQ(target.mode(std::string("data/") + name), 0600u);
  }
  const auto content = target.content("data/tracker.db");
  EXPECT(content.find("backup_keys") == std::string::npos);
  EXPECT(content.find(running.folder.content("pepper")) == std::string::npos);
  const auto snapshot = snapshot_of(data_dir);
  EXPECT_EQ(snapshot.accounts.size(), 1u);
  EXPECT_EQ(snapshot.groups.at(0).shares.size(), 1u);
  // Members' daemons may hold rosters that are newer than the backup; the next one must be newer still.
  EXPECT(snapshot.groups.at(0).epoch > 1'000'000'000'000'000u);
  EXPECT_EQ(snapshot.groups.at(0).epoch, snapshot.groups.at(0).change);
  EXPECT_OK(tracker::check_restored(data_dir));
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir))
    names.insert(entry.path().filename());
  EXPECT(names ==
         std::set<std::string>({"grant.key", "lock", "pepper", "root.key", "salt", "tls.key", "tracker.db"}));
}

TEST(backup_under_load_has_all_that_was_acknowledged_before_and_commits_go_on) {
  Running running;
  running.fill();
  const TempDir target;
  const auto file = target.path_of("tracker.backup");
  int before = 0;
  int during = 0;
  for (int i = 0; i < 50; ++i) running.create_account("before" + std::to_string(i), [&] { ++before; });
  std::optional<Result<std::uint64_t>> result;
  std::function<void()> next = [&] {
    if (result) return;
    running.create_account("during" + std::to_string(during++), next);
  };
  int acknowledged_before = 0;
  running.create_account("last-before", [&] {
    acknowledged_before = before;
    running.backup->run(file, [&](const Result<std::uint64_t>& bytes) {
      result = bytes;
      running.world.loop.stop();
    });
    next();
  });

  running.world.run();

  EXPECT_OK(*result);
  EXPECT_EQ(acknowledged_before, 50);
  EXPECT(during > 2);
  EXPECT_OK(tracker::restore_backup(file, target.path_of("data")));
  std::set<std::string> names;
  for (const auto& account : snapshot_of(target.path_of("data")).accounts) names.insert(account.name);
  for (int i = 0; i < 50; ++i) EXPECT(names.contains("before" + std::to_string(i)));
  EXPECT(names.contains("last-before"));
}

TEST(backup_never_replaces_and_leaves_nothing_when_refused) {
  Running running;
  running.fill();
  const TempDir target;
  target.put("there", "mine");

  EXPECT_EQ(running.run_backup(target.path_of("there")).error().code, Code::Exists);
  EXPECT_EQ(running.run_backup(target.path_of("none/file")).error().code, Code::NotFound);
  EXPECT(!running.run_backup("relative"));

  EXPECT_EQ(target.content("there"), "mine");
  const std::filesystem::directory_iterator entries(target.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST(file_that_appears_while_a_backup_runs_is_not_replaced) {
  Running running;
  running.fill();
  const TempDir target;
  std::optional<Result<std::uint64_t>> result;
  running.backup->run(target.path_of("file"), [&](const Result<std::uint64_t>& bytes) {
    result = bytes;
    running.world.loop.stop();
  });
  // Once its temporary file is there, the name has been looked at.
  test::Alarm* again = nullptr;
  test::Alarm alarm(running.world, [&] {
    if (std::filesystem::is_empty(target.path())) again->timer.set(std::chrono::milliseconds(1));
    else target.put("file", "mine");
  });
  again = &alarm;
  alarm.timer.set(std::chrono::milliseconds(0));

  running.world.run();

  EXPECT_EQ(result->error().code, Code::Exists);
  EXPECT_EQ(target.content("file"), "mine");
  const std::filesystem::directory_iterator entries(target.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST(second_backup_at_the_same_time_is_refused) {
  Running running;
  running.fill();
  const TempDir target;
  bool first = false;
  running.backup->run(target.path_of("one"), [&](const Result<std::uint64_t>& bytes) {
    first = bytes.has_value();
    running.world.loop.stop();
  });
  Code second = Code::Internal;

  running.backup->run(target.path_of("two"),
                      [&](const Result<std::uint64_t>& bytes) { second = bytes.error().code; });
  running.world.run();

  EXPECT_EQ(second, Code::Busy);
  EXPECT(first);
}

TEST(backup_that_is_given_up_leaves_no_file) {
  const TempDir target;
  {
    Running running;
    running.fill();
    running.backup->run(target.path_of("file"), [](const Result<std::uint64_t>&) {});
    running.world.settle();
  }

  for (const auto& entry : std::filesystem::directory_iterator(target.path()))
    EXPECT_EQ(entry.path().filename().string(), "file");
}

// --- restoring

// A backup, and a place to restore it.
struct Restored {
  Restored() {
    Running running;
    running.fill();
    EXPECT_OK(running.run_backup(file));
  }
  Code restore() {
    const auto status = tracker::restore_backup(file, data_dir);
    return status ? Code::Cancelled : status.error().code;  // Cancelled: it was done
  }
  bool has_tracker() const { return std::filesystem::exists(data_dir + "/tracker.db"); }
  TempDir folder;
  std::string file = folder.path_of("backup");
  std::string data_dir = folder.path_of("data");
};

TEST(any_damage_is_refused_and_nothing_is_made) {
  Restored world;
  const auto whole = world.folder.content("backup");

  for (const std::size_t at : {std::size_t{20}, whole.size() / 2, whole.size() - 100, whole.size() - 10}) {
    auto damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    world.folder.put("backup", damaged);
    EXPECT_EQ(world.restore(), Code::Corrupt);
  }
  world.folder.put("backup", whole.substr(0, whole.size() - 1));
  EXPECT_EQ(world.restore(), Code::Corrupt);
  world.folder.put("backup", whole + "x");
  EXPECT_EQ(world.restore(), Code::Corrupt);
  world.folder.put("backup", "");
  EXPECT_EQ(world.restore(), Code::Corrupt);
  world.folder.put("backup", std::string(10'000, 'x'));
  EXPECT_EQ(world.restore(), Code::Corrupt);

  EXPECT(!world.has_tracker());
}

TEST(sound_file_of_something_else_leaves_no_tracker) {
  Restored world;
  // A database with a trailer, but without keys and tables.
  const auto other = world.folder.path_of("other.db");
  EXPECT_OK(storage::Database::open(other)->execute("CREATE TABLE words (word TEXT)"));
  {
    const storage::Descriptor file(::open(other.c_str(), O_RDWR));
    EXPECT_OK(tracker::seal_backup(file, other, false));
  }

  const auto status = tracker::restore_backup(other, world.data_dir);

  EXPECT(!status);
  EXPECT(!world.has_tracker());
  EXPECT_OK(tracker::check_restored(world.data_dir));
  EXPECT_EQ(world.restore(), Code::Cancelled);
}

TEST(directory_with_a_tracker_is_left_alone) {
  Restored world;
  std::filesystem::create_directory(world.data_dir);
  world.folder.put("data/root.key", "another tracker's");

  EXPECT_EQ(world.restore(), Code::Exists);

  EXPECT_EQ(world.folder.content("data/root.key"), "another tracker's");
  EXPECT(!world.has_tracker());
}

TEST(file_that_is_not_there_is_not_found) {
  Restored world;
  world.file += ".none";

  EXPECT_EQ(world.restore(), Code::NotFound);
  EXPECT(!std::filesystem::exists(world.data_dir));
}

TEST(restore_that_was_cut_short_keeps_a_tracker_from_starting_and_is_repeated) {
  Restored world;
  EXPECT_EQ(world.restore(), Code::Cancelled);
  world.folder.put("data/restoring", world.file);
  std::filesystem::remove(world.data_dir + "/pepper");

  EXPECT_EQ(tracker::check_restored(world.data_dir).error().code, Code::Corrupt);
  EXPECT_EQ(world.restore(), Code::Cancelled);

  EXPECT_OK(tracker::check_restored(world.data_dir));
  EXPECT_OK(tracker::read_key_files(world.data_dir));
  EXPECT_EQ(snapshot_of(world.data_dir).accounts.size(), 1u);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(restored_tracker_has_the_same_keys_and_rows_and_nothing_more),
      cmocka_unit_test(backup_under_load_has_all_that_was_acknowledged_before_and_commits_go_on),
      cmocka_unit_test(backup_never_replaces_and_leaves_nothing_when_refused),
      cmocka_unit_test(file_that_appears_while_a_backup_runs_is_not_replaced),
      cmocka_unit_test(second_backup_at_the_same_time_is_refused),
      cmocka_unit_test(backup_that_is_given_up_leaves_no_file),
      cmocka_unit_test(any_damage_is_refused_and_nothing_is_made),
      cmocka_unit_test(sound_file_of_something_else_leaves_no_tracker),
      cmocka_unit_test(directory_with_a_tracker_is_left_alone),
      cmocka_unit_test(file_that_is_not_there_is_not_found),
      cmocka_unit_test(restore_that_was_cut_short_keeps_a_tracker_from_starting_and_is_repeated),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
