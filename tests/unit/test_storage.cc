// SPDX-License-Identifier: MIT
#include <array>
#include <filesystem>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "daemon/base/limits.h"
#include "daemon/storage/payload_file.h"
#include "daemon/storage/state_db.h"
#include "tests/support/check.h"
#include "tests/support/temp_dir.h"

using namespace p2p;
using namespace p2p::storage;
using test::TempDir;

namespace {

constexpr std::uint32_t kPiece = limits::kPieceBytesMin;

bool is_root() { return ::geteuid() == 0; }

TEST(regular_file_is_opened_and_identified) {
  const TempDir temp;
  temp.put("film.mkv", "content");
  const auto folder = Directory::open(temp.path());
  EXPECT_OK(folder);
  const auto file = folder->open_to_read("film.mkv");
  EXPECT_OK(file);
  const auto identity = identify(*file, "film.mkv");
  EXPECT_EQ(identity->size, 7u);
  temp.put("film.mkv", "content2");
  EXPECT(*identify(*file, "film.mkv") != *identity);
  EXPECT_EQ(folder->open_to_read("missing").error().code, Code::NotFound);
  EXPECT(!Directory::open(temp.path_of("film.mkv")));
  EXPECT(!Directory::open(temp.path_of("missing")));
}

TEST(symbolic_link_is_refused_in_the_folder_and_allowed_on_the_way_to_it) {
  const TempDir temp;
  temp.put("film.mkv", "content");
  std::filesystem::create_symlink("film.mkv", temp.path_of("link"));
  std::filesystem::create_symlink(temp.path(), temp.path_of("here"));

  const auto folder = Directory::open(temp.path_of("here"));

  EXPECT_OK(folder);
  EXPECT_OK(folder->open_to_read("film.mkv"));
  EXPECT_EQ(folder->open_to_read("link").error().code, Code::NotRegularFile);
  EXPECT_EQ(folder->open_to_write("link").error().code, Code::NotRegularFile);
  EXPECT_EQ(folder->open_to_read("here/film.mkv").error().code, Code::NotRegularFile);
  std::filesystem::create_symlink("nowhere", temp.path_of("dangling"));
  EXPECT(!folder->create("dangling"));
  EXPECT(folder->exists("dangling"));
}

TEST(nothing_leads_out_of_the_folder) {
  const TempDir temp;
  temp.put("secret", "content");
  std::filesystem::create_directory(temp.path_of("inner"));
  temp.put("inner/film.mkv", "film");
  const auto folder = Directory::open(temp.path_of("inner"));

  EXPECT(!folder->open_to_read("../secret"));
  EXPECT(!folder->open_to_read(".."));
  EXPECT(!folder->open_to_write("../secret"));
  EXPECT(!folder->open_to_read(temp.path_of("secret")));
  EXPECT(!folder->create("../new"));
  EXPECT(!folder->create(temp.path_of("new")));
  EXPECT(!folder->rename("film.mkv", "../moved", false));
  EXPECT(!folder->rename("film.mkv", "../secret", true));
  EXPECT(!folder->rename("../secret", "stolen", false));
  EXPECT(!folder->rename("film.mkv", temp.path_of("moved"), false));
  EXPECT(!folder->remove("../secret"));
  EXPECT(!folder->remove(temp.path_of("secret")));
  EXPECT(!folder->exists("../secret"));

  EXPECT_EQ(temp.content("secret"), std::string("content"));
  EXPECT_EQ(temp.content("inner/film.mkv"), std::string("film"));
  EXPECT(!std::filesystem::exists(temp.path_of("new")) && !std::filesystem::exists(temp.path_of("moved")));
}

// For the calling thread and for good, as the filter of a systemd unit does it.
bool filter_openat2_away() {
  std::array<sock_filter, 4> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{program.size(), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(without_openat2_plain_names_are_opened_and_nothing_leads_out) {
  const TempDir temp;
  temp.put("film.mkv", "content");
  std::filesystem::create_directory(temp.path_of("inner"));
  std::filesystem::create_symlink("film.mkv", temp.path_of("link"));
  const auto folder = Directory::open(temp.path());
  EXPECT_OK(folder);
  bool filtered = false;
  std::vector<bool> opened;
  Code link = Code::Internal;

  std::thread([&] {
    filtered = filter_openat2_away();
    opened = {bool(folder->open_to_read("film.mkv")), bool(folder->create("new")),
              bool(folder->open_to_read("link")),     bool(folder->open_to_read("inner/../film.mkv")),
              bool(folder->open_to_read("..")),       bool(folder->create("film.mkv")),
              bool(folder->create("inner/new"))};
    link = folder->open_to_write("link").error().code;
  }).join();

  EXPECT(filtered);
  EXPECT(opened == std::vector<bool>({true, true, false, false, false, false, false}));
  EXPECT_EQ(link, Code::NotRegularFile);
}

TEST(rename_keeps_an_existing_file_unless_told_otherwise) {
  const TempDir temp;
  temp.put("part", "new");
  temp.put("film.mkv", "old");
  const auto folder = Directory::open(temp.path());

  EXPECT_EQ(folder->rename("part", "film.mkv", false).error().code, Code::Exists);
  EXPECT_EQ(temp.content("film.mkv"), std::string("old"));
  EXPECT_EQ(temp.content("part"), std::string("new"));

  EXPECT_OK(folder->rename("part", "film.mkv", true));
  EXPECT_EQ(temp.content("film.mkv"), std::string("new"));
  EXPECT(!folder->exists("part"));
  EXPECT_OK(folder->rename("film.mkv", "other.mkv", false));
  EXPECT_EQ(temp.content("other.mkv"), std::string("new"));
  EXPECT_EQ(folder->rename("missing", "x", false).error().code, Code::NotFound);
}

TEST(only_regular_files_are_files) {
  const TempDir temp;
  std::filesystem::create_directory(temp.path_of("folder"));
  EXPECT_EQ(::mkfifo(temp.path_of("pipe").c_str(), 0600), 0);
  const auto folder = Directory::open(temp.path());
  EXPECT_EQ(folder->open_to_read("folder").error().code, Code::NotRegularFile);
  EXPECT_EQ(folder->open_to_read("pipe").error().code, Code::NotRegularFile);
  EXPECT_EQ(folder->open_to_write("pipe").error().code, Code::NotRegularFile);
  EXPECT_EQ(folder->open_to_read(".").error().code, Code::NotRegularFile);
}

TEST(unreadable_file_is_refused) {
  const TempDir temp;
  temp.put("film.mkv", "content", 0000);
  const auto folder = Directory::open(temp.path());
  const auto file = folder->open_to_read("film.mkv");
  EXPECT(is_root() || (!file && file.error().code == Code::PermissionDenied));
  EXPECT(folder->is_writable());
  EXPECT(folder->free_bytes().has_value());
}

TEST(file_is_made_once_and_removed_twice) {
  const TempDir temp;
  const auto folder = Directory::open(temp.path());
  EXPECT_OK(folder->create("part"));
  EXPECT_EQ(folder->create("part").error().code, Code::Exists);
  EXPECT_OK(folder->open_to_write("part"));
  EXPECT_OK(folder->remove("part"));
  EXPECT_OK(folder->remove("part"));
  EXPECT(!folder->exists("part"));
}

TEST(path_is_split_into_folder_and_name) {
  const auto split = split_path("/a/b/c");
  EXPECT(split && split->folder == "/a/b" && split->name == "c");
  EXPECT_EQ(split_path("/c")->folder, std::string("/"));
  EXPECT_EQ(split_path("/a/c//")->name, std::string("c"));
  for (const auto* path : {"/", "/a/..", "/a/.", "//"})
    EXPECT_EQ(split_path(path).error().code, Code::NotRegularFile);
  for (const auto* path : {"", "a/b", "./a"}) EXPECT_EQ(split_path(path).error().code, Code::InvalidArgument);
}

TEST(folders_are_made_with_their_parents) {
  const TempDir temp;
  EXPECT_OK(make_folder(temp.path_of("a/b/c")));
  EXPECT_OK(make_folder(temp.path_of("a/b/c")));
  EXPECT_EQ(temp.mode("a/b"), 0700u);
  temp.put("file", "x");
  EXPECT(!make_folder(temp.path_of("file")));
  EXPECT(!make_folder(temp.path_of("file/a")));
}

PayloadFile payload(const TempDir& temp, const std::string& name) {
  const auto folder = Directory::open(temp.path());
  EXPECT_OK(folder);
  auto file = folder->create(name);
  EXPECT_OK(file);
  return PayloadFile(std::move(*file), temp.path_of(name));
}

TEST(parts_of_memory_are_filled_one_after_the_other) {
  const TempDir temp;
  auto file = payload(temp, "part");
  EXPECT_OK(file.write(10, Bytes{1, 2, 3, 4, 5, 6}));
  std::array<std::uint8_t, 3> first{};
  std::array<std::uint8_t, 100> unused{};
  std::array<std::uint8_t, 4> second{};
  std::vector<iovec> parts{
      {unused.data(), 0}, {first.data(), 3}, {unused.data(), 0}, {second.data(), 3}, {unused.data(), 0}};

  EXPECT_OK(file.read_parts(10, parts));

  EXPECT(first == (std::array<std::uint8_t, 3>{1, 2, 3}));
  EXPECT(second == (std::array<std::uint8_t, 4>{4, 5, 6, 0}));
  std::array<std::uint8_t, 12> across{};
  EXPECT_OK(file.read(0, across));
  EXPECT_EQ(across[9], 0);
  EXPECT_EQ(across[10], 1);
}

TEST(more_than_one_system_call_takes_is_written_and_read_whole) {
  const TempDir temp;
  auto file = payload(temp, "part");
  Bytes content(limits::kBlockBytes + 3000);  // two calls to write on some file systems, many to read
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<std::uint8_t>(i * 7);
  EXPECT_OK(file.write(7, content));
  Bytes read(content.size());
  std::vector<iovec> parts;
  for (auto& byte : read) parts.push_back({&byte, 1});
  EXPECT_OK(file.read_parts(7, parts));
  EXPECT(read == content);
}

TEST(file_that_is_too_short_is_an_error) {
  const TempDir temp;
  auto file = payload(temp, "part");
  EXPECT_OK(file.write(0, Bytes(10, 1)));
  Bytes out(11);
  EXPECT_EQ(file.read(0, out).error().code, Code::Io);
  EXPECT_EQ(file.read(1'000'000, out).error().code, Code::Io);
  EXPECT_OK(file.read(10, std::span(out).first(0)));
  EXPECT_OK(file.resize(11));
  EXPECT_OK(file.read(0, out));
  EXPECT_OK(file.sync());
  EXPECT_EQ(file.identity()->size, 11u);
}

TEST(pieces_with_data_are_those_that_were_written) {
  const TempDir temp;
  const auto geometry = meta::Geometry::make(std::uint64_t{100} * kPiece + 5, kPiece);
  auto file = payload(temp, "part");
  EXPECT_OK(file.resize(geometry->size()));
  EXPECT(file.pieces_with_data(*geometry).empty());

  EXPECT_OK(file.write(std::uint64_t{3} * kPiece + 17, Bytes(1, 1)));
  EXPECT_OK(file.write(std::uint64_t{50} * kPiece - 4096, Bytes(8192, 1)));
  EXPECT_OK(file.write(std::uint64_t{100} * kPiece, Bytes(5, 1)));
  EXPECT_OK(file.sync());

  const std::vector<PieceIndex> expected{{3}, {49}, {50}, {100}};
  EXPECT(file.pieces_with_data(*geometry) == expected);
  EXPECT(file.pieces_with_data(*meta::Geometry::make(0, kPiece)).empty());
}

AccountRow account(const std::string& tracker, std::uint8_t user) {
  AccountRow row;
  row.tracker = "p2p://tracker:7733/#" + tracker;
  row.user = "user" + std::to_string(user);
  row.user_id.bytes[0] = user;
  row.key_set = {1, 2, 3};
  row.highest_time = 100;
  return row;
}

TransferRow transfer(std::uint8_t number) {
  TransferRow row;
  row.id.bytes[0] = number;
  row.kind = TransferKind::Download;
  row.state = TransferState::Downloading;
  row.group.bytes[5] = 7;
  row.group_name = "lab";
  row.name = "film.mkv";
  row.info_hash.bytes[1] = number;
  row.size = limits::kFileBytes;
  row.piece_length = limits::kPieceBytesMax;
  row.sha1.bytes[2] = 9;
  row.path = "/videos/film.mkv";
  row.part_name = ".film.mkv.part";
  row.overwrite = true;
  row.identity = {UINT64_MAX, 2, 3, -4, 5};
  row.have = {0x80, 0x00};
  row.writing = true;
  row.cause = "disk full";
  row.file_sha1 = FileSha1::Mismatch;
  row.added = number;
  row.seconds = 1.5;
  row.sources = {{"bob", {{1}}, 1000}, {std::string(200, 'x'), {{2}}, UINT64_MAX}};
  row.entry = {4, 5};
  row.code = "no_space";
  row.hold = Hold::Missing;
  return row;
}

void expect_same(const TransferRow& a, const TransferRow& b) {
  EXPECT(a.id == b.id && a.kind == b.kind && a.state == b.state && a.group == b.group);
  EXPECT(a.group_name == b.group_name && a.name == b.name && a.info_hash == b.info_hash);
  EXPECT(a.size == b.size && a.piece_length == b.piece_length && a.sha1 == b.sha1 && a.path == b.path);
  EXPECT(a.part_name == b.part_name && a.overwrite == b.overwrite && a.identity == b.identity);
  EXPECT(a.have == b.have && a.writing == b.writing && a.cause == b.cause && a.file_sha1 == b.file_sha1);
  EXPECT(a.added == b.added && a.seconds == b.seconds && a.entry == b.entry);
  EXPECT(a.code == b.code && a.hold == b.hold);
  EXPECT_EQ(a.sources.size(), b.sources.size());
  for (std::size_t i = 0; i < a.sources.size(); ++i)
    EXPECT(a.sources[i].user == b.sources[i].user && a.sources[i].device == b.sources[i].device &&
           a.sources[i].bytes == b.sources[i].bytes);
}

TEST(reopened_state_has_the_same_rows) {
  const TempDir temp;
  {
    auto db = StateDb::open(temp.path_of("state.db"));
    EXPECT_OK(db);
    EXPECT(!db->load()->account);
    const auto id = db->enter(account("aa", 1))->account->id;
    EXPECT_OK(db->put_membership(id, {{{7}}, "lab", {1}, {2, 3}}));
    EXPECT_OK(db->put_transfer(id, transfer(1)));
    EXPECT_OK(db->put_transfer(id, TransferRow{}));
    EXPECT_OK(db->put_limits(1000, UINT64_MAX));
  }
  auto db = StateDb::open(temp.path_of("state.db"));
  EXPECT_OK(db);
  const auto state = db->load();
  EXPECT_OK(state);
  EXPECT(state->account && state->account->logged_in && state->account->user == "user1");
  EXPECT(state->account->user_id == account("aa", 1).user_id && state->account->key_set == Bytes({1, 2, 3}));
  EXPECT_EQ(state->account->tracker, std::string("p2p://tracker:7733/#aa"));
  EXPECT_EQ(state->memberships.size(), 1u);
  EXPECT(state->memberships[0].name == "lab" && state->memberships[0].roster == Bytes({2, 3}));
  EXPECT_EQ(state->transfers.size(), 2u);
  expect_same(state->transfers[0], TransferRow{});
  expect_same(state->transfers[1], transfer(1));
  EXPECT(state->limits_set && state->upload_limit == 1000 && state->download_limit == UINT64_MAX);
  EXPECT_EQ(temp.mode("state.db"), 0600u);
}

TEST(users_of_one_device_see_nothing_of_each_other) {
  const TempDir temp;
  auto db = StateDb::open(temp.path_of("state.db"));
  const auto first = db->enter(account("aa", 1))->account->id;
  EXPECT_OK(db->put_membership(first, {{{7}}, "lab", {}, {}}));
  EXPECT_OK(db->put_transfer(first, transfer(1)));

  for (const auto& other : {account("aa", 2), account("bb", 1)}) {
    const auto state = db->enter(other);
    EXPECT(state->account->id != first);
    EXPECT(state->memberships.empty() && state->transfers.empty());
    EXPECT_OK(db->put_membership(state->account->id, {{{7}}, "other", {}, {}}));
    EXPECT_OK(db->remove_membership(state->account->id, {{7}}));
  }
  const auto again = db->enter(account("aa", 1));
  EXPECT_EQ(again->account->id, first);
  EXPECT(again->memberships.size() == 1 && again->transfers.size() == 1);

  EXPECT_OK(db->leave(first));
  EXPECT(!db->load()->account->logged_in);
  EXPECT_EQ(db->load()->transfers.size(), 1u);
}

TEST(time_of_a_tracker_never_goes_back) {
  const TempDir temp;
  auto db = StateDb::open(temp.path_of("state.db"));
  const auto id = db->enter(account("aa", 1))->account->id;
  EXPECT_OK(db->put_tracker_facts(id, Bytes{9}, 500));
  EXPECT_OK(db->put_tracker_facts(id, Bytes{8}, 400));
  EXPECT_EQ(db->load()->account->highest_time, 500);
  EXPECT(db->load()->account->key_set == Bytes{8});
  EXPECT_EQ(db->enter(account("aa", 1))->account->highest_time, 500);
}

TEST(piece_list_goes_with_its_transfer) {
  const TempDir temp;
  auto db = StateDb::open(temp.path_of("state.db"));
  const auto id = db->enter(account("aa", 1))->account->id;
  auto row = transfer(1);
  EXPECT(!db->put_piece_list(row.id, Bytes{1}));
  EXPECT_OK(db->put_transfer(id, row));
  EXPECT(db->piece_list(row.id)->empty());
  EXPECT_OK(db->put_piece_list(row.id, Bytes(100'000, 5)));

  row.state = TransferState::Complete;
  row.have.clear();
  EXPECT_OK(db->put_transfer(id, row));

  EXPECT_EQ(db->piece_list(row.id)->size(), 100'000u);
  expect_same(db->load()->transfers.at(0), row);
  EXPECT_OK(db->remove_transfer(row.id));
  EXPECT(db->piece_list(row.id)->empty());
  EXPECT(db->load()->transfers.empty());
}

// The checkpoint with `bytes`, of pieces of one byte, with all that came since `since`.
meta::HashCheckpoint checkpoint(std::uint8_t since, std::uint8_t bytes) {
  meta::HashCheckpoint made;
  made.bytes = made.whole.bytes = bytes;
  made.whole.words = {bytes, 2, 3, 4, 5};
  for (std::uint8_t i = since; i < bytes; ++i) {
    made.pieces.sha1.push_back({{i}});
    made.pieces.layer.push_back({{i, 1}});
  }
  return made;
}

TEST(checkpoints_of_a_hashing_are_one_while_the_file_is_the_same) {
  const TempDir temp;
  auto db = StateDb::open(temp.path_of("state.db"));
  const auto account_id = db->enter(account("aa", 1))->account->id;
  const auto row = transfer(1);
  EXPECT_OK(db->put_transfer(account_id, row));
  EXPECT_EQ(db->checkpoint(row.id, row.identity)->bytes, 0u);

  EXPECT_OK(db->put_checkpoint(row.id, row.identity, checkpoint(0, 3)));
  EXPECT_OK(db->put_checkpoint(row.id, row.identity, checkpoint(3, 5)));
  const auto found = db->checkpoint(row.id, row.identity);
  const auto whole = checkpoint(0, 5);
  EXPECT(found->bytes == 5 && found->whole.bytes == 5 && found->whole.words == whole.whole.words);
  EXPECT(found->pieces.sha1 == whole.pieces.sha1 && found->pieces.layer == whole.pieces.layer);

  auto changed = row.identity;
  ++changed.changed_ns;
  EXPECT_EQ(db->checkpoint(row.id, changed)->bytes, 0u);
  EXPECT_EQ(db->checkpoint(row.id, row.identity)->bytes, 0u);

  EXPECT_OK(db->put_checkpoint(row.id, row.identity, checkpoint(0, 3)));
  EXPECT_OK(db->put_transfer_and_list(account_id, row, {}));
  EXPECT_EQ(db->checkpoint(row.id, row.identity)->bytes, 0u);
  EXPECT(!db->put_checkpoint({{9}}, row.identity, checkpoint(0, 3)));
}

TEST(rows_belong_to_an_account_that_exists) {
  const TempDir temp;
  auto db = StateDb::open(temp.path_of("state.db"));
  EXPECT(!db->put_transfer(77, transfer(1)));
  EXPECT(!db->put_membership(77, {{{7}}, "lab", {}, {}}));
}

TEST(limits_are_unset_until_they_are_put) {
  const TempDir temp;
  auto db = StateDb::open(temp.path_of("state.db"));
  EXPECT(!db->load()->limits_set);
  EXPECT_OK(db->put_limits(0, 5));
  EXPECT_OK(db->put_limits(7, 0));
  const auto state = db->load();
  EXPECT(state->limits_set && state->upload_limit == 7 && state->download_limit == 0);
}

TEST(revocation_is_kept_until_it_ends_and_replaced_by_a_later_one) {
  const TempDir temp;
  auto db = StateDb::open(temp.path_of("state.db"));
  const auto id = db->enter(account("aa", 1))->account->id;
  EXPECT_OK(db->put_revocation(id, {{{1}}, 100, {1}}));
  EXPECT_OK(db->put_revocation(id, {{{2}}, 200, {2}}));
  EXPECT_OK(db->put_revocation(id, {{{1}}, 150, {3}}));

  EXPECT_OK(db->forget_revocations(id, 150));
  EXPECT_EQ(db->load()->revocations.size(), 2u);
  EXPECT_EQ(db->load()->revocations.at(0).statement.at(0), 3);
  EXPECT_OK(db->forget_revocations(id, 151));

  const auto state = db->load();
  EXPECT_EQ(state->revocations.size(), 1u);
  EXPECT(state->revocations[0].device == DeviceId{{2}} && state->revocations[0].until == 200);
  EXPECT(db->enter(account("aa", 2))->revocations.empty());
  EXPECT(!db->put_revocation(77, {{{1}}, 100, {1}}));
}

TEST(state_of_the_first_version_is_taken_over) {
  const TempDir temp;
  auto row = transfer(1);
  row.hold = Hold::None;
  row.code.clear();
  {
    auto db = StateDb::open(temp.path_of("state.db"));
    EXPECT_OK(db->put_transfer(db->enter(account("aa", 1))->account->id, row));
  }
  {
    auto old = Database::open(temp.path_of("state.db"));
    EXPECT_OK(
        old->execute("ALTER TABLE transfer DROP COLUMN code; ALTER TABLE transfer DROP COLUMN hold; "
                     "DROP TABLE revocation; DROP TABLE catalogue; DROP TABLE device; DROP TABLE checkpoint; "
                     "PRAGMA user_version=1"));
  }

  auto db = StateDb::open(temp.path_of("state.db"));

  EXPECT_OK(db);
  expect_same(db->load()->transfers.at(0), row);
  EXPECT(db->load()->revocations.empty());
}

TEST(identity_by_path_is_that_of_the_open_file) {
  const TempDir temp;
  temp.put("film.mkv", "content");
  std::filesystem::create_symlink("film.mkv", temp.path_of("link"));
  const auto folder = Directory::open(temp.path());

  EXPECT(*identify_path(temp.path_of("film.mkv")) == *identify(*folder->open_to_read("film.mkv"), "film"));
  EXPECT_EQ(identify_path(temp.path_of("gone")).error().code, Code::NotFound);
  EXPECT_EQ(identify_path(temp.path_of("no/folder")).error().code, Code::NotFound);
  EXPECT_EQ(identify_path(temp.path_of("link")).error().code, Code::NotRegularFile);
  EXPECT_EQ(identify_path(temp.path()).error().code, Code::NotRegularFile);
  EXPECT_EQ(folder->identity_of("../x").error().code, Code::InvalidName);
}

TEST(database_has_one_owner) {
  const TempDir temp;
  {
    const auto first = Database::open(temp.path_of("state.db"));
    EXPECT_OK(first);
    EXPECT_EQ(Database::open(temp.path_of("state.db")).error().code, Code::AddressInUse);
  }
  EXPECT_OK(Database::open(temp.path_of("state.db")));
}

TEST(database_of_a_newer_version_is_refused_untouched) {
  const TempDir temp;
  const std::array<std::string_view, 5> newer{"CREATE TABLE a (x)", "CREATE TABLE b (x)",
                                              "CREATE TABLE c (x)", "CREATE TABLE d (x)",
                                              "CREATE TABLE e (x)"};
  {
    auto database = Database::open(temp.path_of("state.db"));
    EXPECT_OK(database->migrate(newer));
    EXPECT_OK(database->migrate(newer));
  }
  EXPECT_EQ(StateDb::open(temp.path_of("state.db")).error().code, Code::Corrupt);
  auto database = Database::open(temp.path_of("state.db"));
  EXPECT_OK(database->migrate(newer));
  EXPECT_OK(database->execute("INSERT INTO b VALUES (1)"));
}

TEST(migration_that_fails_leaves_the_version_before) {
  const TempDir temp;
  auto database = Database::open(temp.path_of("state.db"));
  const std::array<std::string_view, 2> broken{"CREATE TABLE a (x)", "CREATE TABLE b (x); nonsense"};
  EXPECT(!database->migrate(broken));
  const std::array<std::string_view, 2> good{"nonsense, not run again", "CREATE TABLE b (x)"};
  EXPECT_OK(database->migrate(good));
}

TEST(file_that_is_no_database_is_corrupt) {
  const TempDir temp;
  temp.put("state.db", std::string(5000, 'x'));
  EXPECT_EQ(StateDb::open(temp.path_of("state.db")).error().code, Code::Corrupt);
  EXPECT_EQ(temp.content("state.db").size(), 5000u);
  std::filesystem::create_symlink("other.db", temp.path_of("link.db"));
  EXPECT(!Database::open(temp.path_of("link.db")));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(regular_file_is_opened_and_identified),
      cmocka_unit_test(symbolic_link_is_refused_in_the_folder_and_allowed_on_the_way_to_it),
      cmocka_unit_test(nothing_leads_out_of_the_folder),
      cmocka_unit_test(without_openat2_plain_names_are_opened_and_nothing_leads_out),
      cmocka_unit_test(rename_keeps_an_existing_file_unless_told_otherwise),
      cmocka_unit_test(only_regular_files_are_files),
      cmocka_unit_test(unreadable_file_is_refused),
      cmocka_unit_test(file_is_made_once_and_removed_twice),
      cmocka_unit_test(path_is_split_into_folder_and_name),
      cmocka_unit_test(folders_are_made_with_their_parents),
      cmocka_unit_test(parts_of_memory_are_filled_one_after_the_other),
      cmocka_unit_test(more_than_one_system_call_takes_is_written_and_read_whole),
      cmocka_unit_test(file_that_is_too_short_is_an_error),
      cmocka_unit_test(pieces_with_data_are_those_that_were_written),
      cmocka_unit_test(reopened_state_has_the_same_rows),
      cmocka_unit_test(users_of_one_device_see_nothing_of_each_other),
      cmocka_unit_test(time_of_a_tracker_never_goes_back),
      cmocka_unit_test(piece_list_goes_with_its_transfer),
      cmocka_unit_test(checkpoints_of_a_hashing_are_one_while_the_file_is_the_same),
      cmocka_unit_test(rows_belong_to_an_account_that_exists),
      cmocka_unit_test(limits_are_unset_until_they_are_put),
      cmocka_unit_test(revocation_is_kept_until_it_ends_and_replaced_by_a_later_one),
      cmocka_unit_test(state_of_the_first_version_is_taken_over),
      cmocka_unit_test(identity_by_path_is_that_of_the_open_file),
      cmocka_unit_test(database_has_one_owner),
      cmocka_unit_test(database_of_a_newer_version_is_refused_untouched),
      cmocka_unit_test(migration_that_fails_leaves_the_version_before),
      cmocka_unit_test(file_that_is_no_database_is_corrupt),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
