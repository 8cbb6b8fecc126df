// SPDX-License-Identifier: MIT
#include <optional>

#include "daemon/peer/file_hasher.h"
#include "tests/support/hashed_file.h"
#include "tests/support/limit.h"

using namespace p2p;
using peer::FileHasher;
using peer::FileHashes;
using test::HashedFile;
using test::kFilePiece;
using test::World;

namespace {

// Whatever comes, it comes once.
struct Answer {
  std::optional<Result<FileHashes>> result;
  std::uint64_t progress = 0;
  int calls = 0;

  std::unique_ptr<FileHasher> ask(World& world, io::WorkPool& pool, const HashedFile& file) {
    return std::make_unique<FileHasher>(pool, FileHasher::Task{file.payload, file.geometry}, listener(world));
  }
  FileHasher::Listener listener(World& world) {
    return {[this](std::uint64_t bytes) {
              EXPECT(bytes > progress);
              progress = bytes;
            },
            [this, &world](Result<FileHashes> hashes) {
              ++calls;
              result = std::move(hashes);
              world.loop.stop();
            }};
  }
};

// Too large to be kept in memory as well: holes, with something at every checkpoint.
struct LargeFile {
  explicit LargeFile(std::uint64_t size) : geometry(*meta::Geometry::make(size, limits::kPieceBytesMax)) {
    const auto path = temp.put("file", "");
    EXPECT_EQ(::truncate(path.c_str(), static_cast<off_t>(size)), 0);
    payload = std::make_shared<storage::PayloadFile>(
        storage::Descriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC)), path);
    for (std::uint64_t at = 0; at < size; at += FileHasher::kCheckpointBytes)
      EXPECT_OK(payload->write(at, Bytes(1, static_cast<std::uint8_t>(at >> 20))));
  }
  test::TempDir temp;
  meta::Geometry geometry;
  std::shared_ptr<storage::PayloadFile> payload;
};

TEST(file_is_hashed_three_ways_whatever_its_size_and_the_threads) {
  for (const unsigned threads : {1u, 2u, 5u})
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{kFilePiece},
                                   std::size_t{20} * kFilePiece + 7, std::size_t{10} * limits::kMiB + 1}) {
      const HashedFile file(size);
      World world;
      io::WorkPool pool(world.loop, "hash", threads);
      Answer answer;
      const auto hasher = answer.ask(world, pool, file);
      EXPECT_EQ(answer.calls, 0);

      world.run();

      EXPECT_EQ(answer.calls, 1);
      EXPECT_OK(*answer.result);
      EXPECT_EQ((*answer.result)->whole, sha1(file.bytes));
      EXPECT((*answer.result)->pieces.sha1 == file.hashes.sha1);
      EXPECT((*answer.result)->pieces.layer == file.hashes.layer);
      EXPECT_EQ(answer.progress, size);
    }
}

TEST(file_that_gets_shorter_ends_in_one_error) {
  const HashedFile file(12 * limits::kMiB);
  file.cut(9 * limits::kMiB);
  World world;
  io::WorkPool pool(world.loop, "hash", 2);
  Answer answer;
  const auto hasher = answer.ask(world, pool, file);

  world.run();
  const auto progress = answer.progress;
  world.settle();

  EXPECT_EQ(answer.calls, 1);
  EXPECT_EQ(answer.result->error().code, Code::Io);
  EXPECT_EQ(answer.progress, progress);  // the end was the last that it said
}

TEST(hasher_that_is_gone_calls_nobody) {
  const HashedFile file(8 * limits::kMiB);
  World world;
  io::WorkPool pool(world.loop, "hash", 2);
  Answer answer;
  auto hasher = answer.ask(world, pool, file);

  hasher.reset();
  world.settle();

  EXPECT_EQ(answer.calls, 0);
}

TEST(hashing_goes_on_at_each_checkpoint) {
  const LargeFile file(2 * FileHasher::kCheckpointBytes + 7);
  World world;
  io::WorkPool pool(world.loop, "hash", 2);
  std::vector<meta::HashCheckpoint> checkpoints;
  Answer first;
  auto listener = first.listener(world);
  listener.checkpoint = [&](meta::HashCheckpoint one) { checkpoints.push_back(std::move(one)); };
  const FileHasher hasher(pool, {file.payload, file.geometry}, listener);
  world.run();

  EXPECT_EQ(checkpoints.size(), 2u);
  meta::HashCheckpoint from;
  for (const auto& one : checkpoints) {
    EXPECT_EQ(one.bytes, from.bytes + FileHasher::kCheckpointBytes);
    from.bytes = one.bytes;
    from.whole = one.whole;
    from.pieces.sha1.insert(from.pieces.sha1.end(), one.pieces.sha1.begin(), one.pieces.sha1.end());
    from.pieces.layer.insert(from.pieces.layer.end(), one.pieces.layer.begin(), one.pieces.layer.end());
    Answer again;
    again.progress = from.bytes;
    const FileHasher second(pool, {file.payload, file.geometry, from}, again.listener(world));
    world.run();

    EXPECT_EQ((*again.result)->whole, (*first.result)->whole);
    EXPECT((*again.result)->pieces.sha1 == (*first.result)->pieces.sha1);
    EXPECT((*again.result)->pieces.layer == (*first.result)->pieces.layer);
  }
}

TEST(no_more_is_read_than_may_be_lost) {
  const LargeFile file(FileHasher::kLossBytes + 7);
  World world;
  io::WorkPool pool(world.loop, "hash", 2);
  Answer answer;
  auto listener = answer.listener(world);
  std::uint64_t reported = 0;
  listener.checkpoint = [&](const meta::HashCheckpoint& one) { reported = one.bytes; };
  listener.progress = [&](std::uint64_t bytes) {
    answer.progress = bytes;
    if (bytes == FileHasher::kLossBytes) world.loop.stop();
  };
  FileHasher hasher(pool, {file.payload, file.geometry}, listener);
  world.run();
  LIMIT_AT(FileHasher::kLossBytes);
  EXPECT_EQ(answer.progress, FileHasher::kLossBytes);
  world.settle();
  LIMIT_ABOVE(FileHasher::kLossBytes);
  EXPECT_EQ(answer.progress, FileHasher::kLossBytes);
  EXPECT(reported > 0);

  hasher.on_checkpoint_kept(reported);
  world.run();

  EXPECT_OK(*answer.result);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(file_is_hashed_three_ways_whatever_its_size_and_the_threads),
      cmocka_unit_test(file_that_gets_shorter_ends_in_one_error),
      cmocka_unit_test(hasher_that_is_gone_calls_nobody),
      cmocka_unit_test(hashing_goes_on_at_each_checkpoint),
      cmocka_unit_test(no_more_is_read_than_may_be_lost),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
