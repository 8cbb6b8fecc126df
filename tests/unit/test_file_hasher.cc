// SPDX-License-Identifier: MIT
#include <optional>

#include "daemon/peer/file_hasher.h"
#include "tests/support/hashed_file.h"

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
    return std::make_unique<FileHasher>(
        pool, file.payload, file.geometry,
        [this](std::uint64_t bytes) {
          EXPECT(bytes > progress);
          progress = bytes;
        },
        [this, &world](Result<FileHashes> hashes) {
          ++calls;
          result = std::move(hashes);
          world.loop.stop();
        });
  }
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
  world.settle();

  EXPECT_EQ(answer.calls, 1);
  EXPECT_EQ(answer.result->error().code, Code::Io);
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

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(file_is_hashed_three_ways_whatever_its_size_and_the_threads),
      cmocka_unit_test(file_that_gets_shorter_ends_in_one_error),
      cmocka_unit_test(hasher_that_is_gone_calls_nobody),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
