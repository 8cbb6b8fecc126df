// SPDX-License-Identifier: MIT
#include <optional>

#include "daemon/meta/piece_batch.h"
#include "daemon/peer/piece_verifier.h"
#include "tests/support/hashed_file.h"

using namespace p2p;
using peer::PieceVerifier;
using test::HashedFile;
using test::kFilePiece;
using test::World;

namespace {

TEST(verifier_names_the_pieces_that_are_not_what_they_were) {
  const HashedFile file(50 * kFilePiece + 1);
  auto made = meta::Metainfo::make("file", file.bytes.size(), kFilePiece, file.hashes);
  EXPECT_OK(made);
  const std::uint8_t other = static_cast<std::uint8_t>(file.bytes[7 * kFilePiece] + 1);
  EXPECT_OK(file.payload->write(7 * kFilePiece, ByteSpan(&other, 1)));
  file.cut(50 * kFilePiece);
  World world;
  io::WorkPool pool(world.loop, "hash", 2);
  std::vector<PieceIndex> pieces;
  for (std::uint32_t i = 0; i < 51; i += (i == 20 ? 2 : 1)) pieces.push_back({i});
  std::vector<std::optional<bool>> found(51);
  PieceVerifier verifier(
      pool, file.payload, std::make_shared<const meta::Metainfo>(*made), pieces,
      [&](PieceIndex piece, bool good) {
        EXPECT(!found[piece.value]);
        found[piece.value] = good;
      },
      [&] { world.loop.stop(); });

  world.run();

  for (std::uint32_t i = 0; i < 51; ++i) {
    if (i == 21) EXPECT(!found[i]);
    else EXPECT(found[i] == std::optional(i != 7 && i != 50));
  }
}

TEST(verifier_that_is_stopped_begins_nothing_more) {
  const HashedFile file(200 * kFilePiece);
  auto made = meta::Metainfo::make("file", file.bytes.size(), kFilePiece, file.hashes);
  EXPECT_OK(made);
  World world;
  io::WorkPool pool(world.loop, "hash", 1);
  std::vector<PieceIndex> pieces;
  for (std::uint32_t i = 0; i < 200; ++i) pieces.push_back({i});
  std::size_t found = 0;
  std::unique_ptr<PieceVerifier> verifier;
  verifier = std::make_unique<PieceVerifier>(
      pool, file.payload, std::make_shared<const meta::Metainfo>(*made), pieces,
      [&](PieceIndex, bool) {
        ++found;
        verifier->stop();
      },
      [&] { world.loop.stop(); });

  world.run();

  EXPECT_EQ(found, meta::PieceBatch::kPiecesMax);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(verifier_names_the_pieces_that_are_not_what_they_were),
      cmocka_unit_test(verifier_that_is_stopped_begins_nothing_more),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
