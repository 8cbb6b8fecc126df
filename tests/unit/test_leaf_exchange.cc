// SPDX-License-Identifier: MIT
// The leaves of a piece as they are asked for, given and refused.
#include "daemon/swarm/leaf_exchange.h"

#include "daemon/base/random.h"
#include "daemon/meta/merkle.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using namespace p2p::swarm;

namespace {

constexpr std::uint32_t kPiece = limits::kPieceBytesMin;
constexpr TimePoint kNow(1h);

// A share of real bytes.
struct World {
  explicit World(std::size_t size, std::uint32_t piece_length = kPiece) : bytes(size) {
    Random random(5);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.below(256));
    const auto geometry = *meta::Geometry::make(size, piece_length);
    meta::PieceHashes hashes;
    for (std::uint32_t i = 0; i < geometry.pieces(); ++i) {
      const auto digest = meta::hash_piece(piece_bytes(geometry, {i}), piece_length, geometry.pieces() == 1);
      hashes.sha1.push_back(digest.sha1);
      hashes.layer.push_back(digest.root);
    }
    auto made = meta::Metainfo::make("film.mkv", size, piece_length, std::move(hashes));
    EXPECT_OK(made);
    share = std::make_shared<const meta::Metainfo>(std::move(*made));
    server = std::make_unique<LeafServer>(share);
    have = Bitfield(geometry.pieces(), true);
  }
  ByteSpan piece_bytes(const meta::Geometry& geometry, PieceIndex piece) const {
    return ByteSpan(bytes).subspan(geometry.piece_offset(piece), geometry.piece_bytes(piece));
  }
  std::vector<wire::HashRange> ranges(std::uint32_t piece) const {
    return leaf_ranges(share->geometry(), *share->pieces_root(), {piece});
  }
  bool admits(const wire::HashRange& range) { return server->admit(asker, range, have, kNow).has_value(); }

  Bytes bytes;
  std::shared_ptr<const meta::Metainfo> share;
  std::unique_ptr<LeafServer> server;
  LeafServer::Asker asker;
  Bitfield have;
};

TEST(leaves_that_are_given_have_the_root_of_their_piece) {
  struct Case {
    std::size_t size;
    std::uint32_t piece_length;
    std::size_t ranges;
  };
  for (const auto& one : {Case{kPiece * 2 + 100'001, kPiece, 1}, Case{100'001, kPiece, 1},
                          Case{limits::kPieceBytesMax + 1, limits::kPieceBytesMax, 2}}) {
    World world(one.size, one.piece_length);
    const auto& geometry = world.share->geometry();
    for (std::uint32_t piece = 0; piece < geometry.pieces(); ++piece) {
      const auto leaves = meta::leaf_hashes(world.piece_bytes(geometry, {piece}));
      const auto ranges = world.ranges(piece);
      EXPECT_EQ(ranges.size(), one.ranges);
      std::vector<Sha256> told;
      for (const auto& range : ranges) {
        EXPECT(world.server->admit(world.asker, range, world.have, kNow) == PieceIndex{piece});
        world.server->on_read(&world.asker);
        const auto answer = leaves_answer(range, geometry, leaves);
        EXPECT(answer.range == range);
        EXPECT_EQ(answer.hashes.size(), std::size_t{range.length} * Sha256::kSize);
        for (std::size_t at = 0; at < answer.hashes.size(); at += Sha256::kSize)
          told.push_back(*Sha256::from(ByteSpan(answer.hashes).subspan(at, Sha256::kSize)));
      }
      EXPECT_EQ(told.size(), leaf_width(geometry));
      EXPECT(leaf_root(geometry, told) == world.share->piece_layer()[piece]);
      EXPECT(leaf_root(geometry, leaves) == world.share->piece_layer()[piece]);
    }
  }
}

TEST(what_is_no_part_of_a_stored_piece_is_refused) {
  World world(kPiece * 3);
  const auto good = world.ranges(1).at(0);
  world.have.clear({2});
  const auto spoil = [&](auto change) {
    auto range = good;
    change(range);
    return world.admits(range);
  };

  EXPECT(!world.admits(world.ranges(2).at(0)));  // not stored
  EXPECT(!spoil([](auto& range) { range.root.bytes[0] ^= 1; }));
  EXPECT(!spoil([](auto& range) { range.base_layer = 1; }));
  EXPECT(!spoil([](auto& range) { range.proof_layers = 1; }));
  EXPECT(!spoil([](auto& range) { range.index += 1; }));
  EXPECT(!spoil([](auto& range) { range.index = 3 * 16; }));
  EXPECT(!spoil([](auto& range) { range.index = 0xfffffff0; }));
  EXPECT(!spoil([](auto& range) { range.length = 0; }));
  EXPECT(!spoil([](auto& range) { range.length = 3; }));
  EXPECT(!spoil([](auto& range) { range.index = 0, range.length = 32; }));
  EXPECT(!spoil([](auto& range) { range.index = 0, range.length = 2 * limits::kHashesPerMessage; }));
  EXPECT(spoil([](auto& range) { range.length = 8; }));
  EXPECT(world.admits(good));
}

TEST(a_link_has_so_many_pieces_read_at_a_time_and_no_more) {
  World world(kPiece * 2);
  const auto range = world.ranges(0).at(0);
  LIMIT_AT(limits::kLeafJobsPerLink);
  for (std::size_t i = 0; i < limits::kLeafJobsPerLink; ++i) EXPECT(world.admits(range));
  LIMIT_ABOVE(limits::kLeafJobsPerLink);
  EXPECT(!world.admits(range));

  world.server->on_read(&world.asker);

  EXPECT(world.admits(range));
}

TEST(a_share_has_so_many_pieces_read_at_a_time_and_no_more) {
  World world(kPiece * 2);
  const auto range = world.ranges(0).at(0);
  LIMIT_AT(limits::kLeafJobsPerShare);
  for (std::size_t i = 0; i < limits::kLeafJobsPerShare; ++i) {
    world.asker = {};
    EXPECT(world.admits(range));
  }
  LIMIT_ABOVE(limits::kLeafJobsPerShare);
  world.asker = {};
  EXPECT(!world.admits(range));

  world.server->on_read(nullptr);  // of a link that has gone

  EXPECT(world.admits(range));
}

TEST(a_link_gets_so_many_answers_a_minute_and_no_more) {
  World world(kPiece * 2);
  const auto range = world.ranges(0).at(0);
  const auto answered_at = [&](TimePoint now) {
    double count = 0;
    for (; world.server->admit(world.asker, range, world.have, now); ++count)
      world.server->on_read(&world.asker);
    return count;
  };

  LIMIT_AT(limits::kLeafAnswersBurst);
  EXPECT_EQ(answered_at(kNow), limits::kLeafAnswersBurst);
  LIMIT_ABOVE(limits::kLeafAnswersBurst);
  EXPECT(!world.server->admit(world.asker, range, world.have, kNow));
  LIMIT_AT(limits::kLeafAnswersPerMinute);
  EXPECT_EQ(answered_at(kNow + 1min), limits::kLeafAnswersPerMinute);
  LIMIT_ABOVE(limits::kLeafAnswersPerMinute);
  EXPECT(!world.server->admit(world.asker, range, world.have, kNow + 1min));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(leaves_that_are_given_have_the_root_of_their_piece),
      cmocka_unit_test(what_is_no_part_of_a_stored_piece_is_refused),
      cmocka_unit_test(a_link_has_so_many_pieces_read_at_a_time_and_no_more),
      cmocka_unit_test(a_share_has_so_many_pieces_read_at_a_time_and_no_more),
      cmocka_unit_test(a_link_gets_so_many_answers_a_minute_and_no_more),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
