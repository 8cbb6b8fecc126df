// SPDX-License-Identifier: MIT
// Worlds are drawn: availability at incomplete sessions "1 2 1", and what is there "#.-": '#' all of the
// piece, '-' some of it (open), '.' nothing.
#include "daemon/swarm/piece_picker.h"

#include <set>
#include <sstream>
#include <string_view>

#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using swarm::Bitfield;
using swarm::BlockRef;
using swarm::BlockVerdict;
using swarm::PiecePicker;
using swarm::SessionId;

namespace {

constexpr std::uint32_t kPieceBytes = 256 * 1024;
constexpr std::uint32_t kBlocks = kPieceBytes / (16 * 1024);
constexpr SessionId kAnn{1};
constexpr SessionId kBob{2};
constexpr SessionId kCem{3};

DeviceId device(SessionId session) {
  DeviceId id;
  id.bytes[0] = static_cast<std::uint8_t>(session.value);
  return id;
}

Bitfield field(std::string_view picture) {
  Bitfield result(static_cast<std::uint32_t>(picture.size()));
  for (std::uint32_t i = 0; i < picture.size(); ++i) {
    if (picture[i] == '#') result.set(PieceIndex{i});
  }
  return result;
}

struct World {
  // The first kRandomPieces pieces come at random; four stored ones in front end that.
  World(std::string_view have, const std::string& availability, std::uint32_t open_max = 32,
        std::uint64_t seed = 11)
      : random(seed),
        geometry(*meta::Geometry::make(std::uint64_t{have.size() + 4} * kPieceBytes, kPieceBytes)),
        picker(geometry, field("####" + std::string(have)), open_max, random) {
    std::istringstream counts(availability);
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; counts >> count; ++i) {
      for (; count > 0; --count) picker.add_piece(piece(i));
    }
    for (std::uint32_t i = 0; i < have.size(); ++i) {
      if (have[i] == '-') open(i, kCem);
    }
    picker.check_invariants();
  }
  static PieceIndex piece(std::uint32_t number) { return {number + 4}; }
  static Bitfield all(std::string_view picture) { return field("####" + std::string(picture)); }

  // One block is there; nobody works on it any more.
  void open(std::uint32_t number, SessionId session) {
    Bitfield only(geometry.pieces());
    only.set(piece(number));
    picker.add_peer(only);
    picker.remove_peer(only);
    const auto block = picker.pick({session, only});
    EXPECT(block && block->piece == piece(number));
    EXPECT(picker.receive(*block, session, device(session)).verdict == BlockVerdict::Keep);
    picker.disown(session);
  }
  int pick(SessionId session, std::string_view pieces) {
    const auto block = picker.pick({session, all(pieces)});
    picker.check_invariants();
    if (!block) return -1;
    last = *block;
    return static_cast<int>(block->piece.value) - 4;
  }
  void fill(std::uint32_t number, SessionId session, std::string_view pieces) {
    for (std::uint32_t i = 0; i < kBlocks; ++i) {
      EXPECT_EQ(pick(session, pieces), static_cast<int>(number));
      const auto receipt = picker.receive(last, session, device(session));
      EXPECT(receipt.verdict == BlockVerdict::Keep);
      EXPECT_EQ(receipt.filled, i + 1 == kBlocks);
    }
  }

  Random random;
  meta::Geometry geometry;
  PiecePicker picker;
  BlockRef last{};
};

TEST(rarest_piece_comes_first) {
  World world("......", "3 2 1 2 3 3");

  EXPECT_EQ(world.pick(kAnn, "######"), 2);
}

TEST(pieces_that_the_session_has_not_are_passed_over) {
  World world("......", "3 2 1 2 3 2");

  EXPECT_EQ(world.pick(kAnn, "#....#"), 5);
  EXPECT_EQ(world.pick(kBob, "......"), -1);
}

TEST(pieces_of_seeds_alone_come_before_all_others) {
  World world("....", "1 1 0 1");
  EXPECT_EQ(world.pick(kAnn, "##.#") == 2, false);
  world.picker.add_seed();

  EXPECT_EQ(world.pick(kBob, "####"), 2);
}

TEST(haves_move_pieces_between_bands) {
  World world("...", "1 2 3");
  for (int i = 0; i < 3; ++i) world.picker.add_piece(World::piece(0));
  world.picker.remove_piece(World::piece(2));
  world.picker.remove_piece(World::piece(2));
  world.picker.check_invariants();

  EXPECT_EQ(world.picker.availability(World::piece(0)), 4u);
  EXPECT_EQ(world.pick(kAnn, "###"), 2);
}

TEST(equals_come_in_random_order) {
  std::set<int> first;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    World world("....", "1 1 1 1", 32, seed);
    first.insert(world.pick(kAnn, "####"));
  }

  EXPECT_EQ(first.size(), 4u);
}

TEST(first_pieces_of_all_are_random) {
  std::set<std::uint32_t> first;
  const auto geometry = *meta::Geometry::make(8 * kPieceBytes, kPieceBytes);
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    PiecePicker picker(geometry, Bitfield(8), 32, random);
    picker.add_peer(Bitfield(8, true));
    for (std::uint32_t i = 1; i < 8; ++i) picker.add_piece(PieceIndex{i});
    const Bitfield everything(8, true);
    first.insert(picker.pick({kAnn, everything})->piece.value);
  }

  EXPECT(first.size() > 4);
}

TEST(session_that_becomes_a_seed_changes_no_order) {
  World world(".....", "2 1 3 2 3");
  const auto everything = World::all("#####");
  world.picker.add_peer(everything);
  world.picker.check_invariants();
  EXPECT_EQ(world.picker.availability(World::piece(1)), 2u);

  world.picker.remove_peer(everything);
  world.picker.add_seed();
  world.picker.check_invariants();

  EXPECT_EQ(world.picker.availability(World::piece(1)), 2u);
  EXPECT_EQ(world.picker.missing_at_peers(), 5u);
  EXPECT_EQ(world.pick(kAnn, "#####"), 1);
}

TEST(small_and_large_bitfields_count_alike) {
  World world("....................", "3 1 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2");
  const auto small = field("......#.................");
  const auto large = field("####.###################");
  for (const auto* pieces : {&small, &large, &small}) {
    world.picker.add_peer(*pieces);
    world.picker.check_invariants();
  }
  world.picker.remove_peer(small);
  world.picker.check_invariants();

  EXPECT_EQ(world.picker.availability(World::piece(0)), 3u);
  EXPECT_EQ(world.picker.availability(World::piece(1)), 2u);
  EXPECT_EQ(world.picker.availability(World::piece(2)), 4u);
  EXPECT_EQ(world.pick(kAnn, "####################"), 1);
  world.picker.remove_peer(large);
  EXPECT_EQ(world.picker.availability(World::piece(3)), 2u);
}

TEST(rarest_is_found_within_the_first_looks) {
  constexpr std::uint32_t kRarer = PiecePicker::kRarestLooks - 1;
  std::string availability;
  for (std::uint32_t i = 0; i < kRarer; ++i) availability += "1 ";
  availability += "2 ";
  for (std::uint32_t i = 0; i < 60; ++i) availability += "3 ";
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    World world(std::string(kRarer + 61, '.'), availability, 32, seed);

    LIMIT_AT(PiecePicker::kRarestLooks);
    EXPECT_EQ(world.pick(kAnn, std::string(kRarer, '.') + std::string(61, '#')), static_cast<int>(kRarer));
  }
}

// What follows the rarest kRarestLooks pieces in the order is found by a sample of what the session has.
TEST(session_that_has_none_of_the_rarest_gets_the_rarest_of_its_own) {
  constexpr std::uint32_t kRare = PiecePicker::kRarestLooks + 10;
  std::string availability;
  for (std::uint32_t i = 0; i < kRare; ++i) availability += "1 ";
  World world(std::string(kRare + 4, '.'), availability + "4 3 2 5");
  const std::string lacks(kRare, '.');

  LIMIT_ABOVE(PiecePicker::kRarestLooks);
  EXPECT_EQ(world.pick(kAnn, lacks + "##.#"), static_cast<int>(kRare) + 1);
  EXPECT_EQ(world.pick(kBob, lacks + "...#"), static_cast<int>(kRare) + 3);
  EXPECT_EQ(world.pick(kCem, lacks + "...."), -1);
}

// How many of 40 random orders give the rarest of so many pieces that the session has.
int times_rarest_of(std::uint32_t count) {
  constexpr std::uint32_t kRare = PiecePicker::kRarestLooks + 1;
  std::string availability;
  for (std::uint32_t i = 0; i < kRare; ++i) availability += "1 ";
  for (std::uint32_t i = 1; i < count; ++i) availability += "4 ";
  availability += "2";
  int times = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    World world(std::string(kRare + count, '.'), availability, 32, seed);
    const int rarest = static_cast<int>(kRare + count) - 1;
    if (world.pick(kAnn, std::string(kRare, '.') + std::string(count, '#')) == rarest) ++times;
  }
  return times;
}

TEST(so_many_pieces_of_a_session_are_looked_at_for_the_rarest) {
  LIMIT_AT(PiecePicker::kSampleLooks);
  EXPECT_EQ(times_rarest_of(PiecePicker::kSampleLooks), 40);
  LIMIT_ABOVE(PiecePicker::kSampleLooks);
  EXPECT(times_rarest_of(PiecePicker::kSampleLooks + 16) < 40);
}

TEST(pieces_of_high_priority_come_first_by_rarity) {
  World world("......", "1 4 2 3 1 3");
  for (const auto number : {1u, 3u, 5u}) {
    world.picker.set_priority(World::piece(number), PiecePicker::Priority::High);
  }
  world.picker.set_priority(World::piece(5), PiecePicker::Priority::Normal);

  EXPECT_EQ(world.pick(kAnn, "######"), 3);
  EXPECT_EQ(world.pick(kBob, "##.#.#"), 1);
  EXPECT_EQ(world.pick(kCem, ".##..#"), 2);
}

TEST(piece_of_high_priority_has_it_again_when_it_is_missing_again) {
  World world("..", "1 3");
  world.picker.set_priority(World::piece(1), PiecePicker::Priority::High);
  world.fill(1, kAnn, "##");
  world.picker.set_priority(World::piece(1), PiecePicker::Priority::High);  // as it was, in any state
  world.picker.check_invariants();
  world.picker.lose(World::piece(1));

  EXPECT_EQ(world.pick(kBob, "##"), 1);
}

TEST(pieces_of_high_priority_wait_for_open_ones) {
  World world(".-.", "1 3 3");
  world.picker.set_priority(World::piece(2), PiecePicker::Priority::High);

  EXPECT_EQ(world.pick(kAnn, "###"), 1);
  EXPECT_EQ(world.pick(kBob, "###"), 2);
}

TEST(sequential_mode_follows_the_index) {
  World world("......", "3 2 1 2 1 3");
  world.picker.set_sequential(true);
  EXPECT_EQ(world.pick(kAnn, "######"), 0);
  EXPECT_EQ(world.pick(kBob, "#.####"), 2);
  EXPECT_EQ(world.pick(kCem, "######"), 1);

  world.picker.set_sequential(false);
  EXPECT_EQ(world.pick({9}, "######"), 4);
}

TEST(sequential_mode_has_pieces_of_high_priority_first_and_begins_with_the_first_piece) {
  const auto geometry = *meta::Geometry::make(8 * kPieceBytes, kPieceBytes);
  Random random(3);
  PiecePicker picker(geometry, Bitfield(8), 32, random);
  const Bitfield everything(8, true);
  picker.add_seed();
  picker.set_sequential(true);
  picker.set_priority(PieceIndex{7}, PiecePicker::Priority::High);  // a player looks at the end
  picker.set_priority(PieceIndex{6}, PiecePicker::Priority::High);

  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 1; i <= 4; ++i) order.push_back(picker.pick({{i}, everything})->piece.value);
  EXPECT(order == (std::vector<std::uint32_t>{6, 7, 0, 1}));
}

TEST(open_pieces_come_before_rarer_ones) {
  World world("..-.", "1 1 3 1");

  EXPECT_EQ(world.pick(kAnn, "####"), 2);
}

TEST(every_session_works_on_its_own_piece) {
  World world("....", "1 2 2 2");

  EXPECT_EQ(world.pick(kAnn, "####"), 0);
  EXPECT(world.pick(kBob, "####") != 0);
  EXPECT_EQ(world.pick(kAnn, "####"), 0);
}

TEST(pieces_are_shared_when_no_more_may_be_open) {
  World world("....", "1 2 2 2", 1);

  EXPECT_EQ(world.pick(kAnn, "####"), 0);
  EXPECT_EQ(world.pick(kBob, "####"), 0);
  EXPECT_EQ(world.picker.open_pieces(), 1u);
  world.picker.set_open_max(2);
  EXPECT(world.pick(kCem, "####") != 0);
}

TEST(pieces_are_shared_when_nothing_else_is_left) {
  World world("#.#", "1 2 2");

  EXPECT_EQ(world.pick(kAnn, "###"), 1);
  EXPECT_EQ(world.pick(kBob, "###"), 1);
  EXPECT_EQ(world.last.block.value, 1u);
}

TEST(block_is_given_out_once_until_it_is_released) {
  World world(".", "2");
  for (std::uint32_t i = 0; i < kBlocks; ++i) EXPECT_EQ(world.pick(kAnn, "#"), 0);
  EXPECT_EQ(world.pick(kBob, "#"), -1);

  const BlockRef third{World::piece(0), BlockIndex{3}};
  world.picker.release(third, kAnn);

  EXPECT_EQ(world.pick(kBob, "#"), 0);
  EXPECT(world.last == third);
  EXPECT_EQ(world.picker.requesters(third).size(), 1u);
}

TEST(piece_without_blocks_is_missing_again_when_all_requests_are_given_back) {
  World world("..", "1 1");
  const auto number = world.pick(kAnn, "##");
  const auto generation = world.picker.generation();

  world.picker.release(world.last, kAnn);

  EXPECT(world.picker.state(World::piece(static_cast<std::uint32_t>(number))) == PiecePicker::State::Missing);
  EXPECT(world.picker.generation() != generation);
  EXPECT_EQ(world.picker.open_pieces(), 0u);
  world.picker.check_invariants();
}

TEST(filled_piece_is_stored_lost_or_withdrawn) {
  World world("..", "1 2");
  world.fill(0, kAnn, "##");
  EXPECT(world.picker.state(World::piece(0)) == PiecePicker::State::Filled);
  EXPECT(world.picker.is_received(world.last));

  world.picker.lose(World::piece(0));
  EXPECT(!world.picker.is_received(world.last));
  world.fill(0, kAnn, "##");
  world.picker.store(World::piece(0));
  EXPECT_EQ(world.pick(kAnn, "##"), 1);
  world.picker.withdraw(World::piece(0));

  EXPECT(world.picker.state(World::piece(0)) == PiecePicker::State::Missing);
  EXPECT_EQ(world.pick(kBob, "##"), 0);
}

TEST(end_game_begins_when_all_that_is_missing_is_requested) {
  World world("..", "1 1");
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    EXPECT(!world.picker.all_requested());
    EXPECT_EQ(world.pick(kAnn, "#."), 0);
  }
  // The other piece may come to a peer: no time for duplicates.
  EXPECT(!world.picker.all_requested());

  for (std::uint32_t i = 0; i < kBlocks; ++i) EXPECT_EQ(world.pick(kBob, ".#"), 1);

  EXPECT(world.picker.all_requested());
}

TEST(duplicate_goes_to_one_other_session_and_is_cancelled_by_the_block) {
  World world(".", "3");
  for (std::uint32_t i = 0; i < kBlocks; ++i) EXPECT_EQ(world.pick(kAnn, "#"), 0);
  const auto pieces = World::all("#");

  EXPECT(!world.picker.request_again(world.last, kAnn, pieces));
  EXPECT(!world.picker.request_again(world.last, kBob, World::all(".")));
  EXPECT(world.picker.request_again(world.last, kBob, pieces));
  EXPECT(!world.picker.request_again(world.last, kBob, pieces));
  EXPECT(!world.picker.request_again(world.last, kCem, pieces));
  world.picker.release(world.last, kAnn);
  EXPECT(world.picker.all_requested());
  EXPECT(world.picker.request_again(world.last, kAnn, pieces));

  const auto receipt = world.picker.receive(world.last, kAnn, device(kAnn));
  EXPECT(receipt.verdict == BlockVerdict::Keep && receipt.others[0] == kBob && !receipt.others[1]);
  EXPECT(world.picker.receive(world.last, kBob, device(kBob)).verdict == BlockVerdict::Duplicate);
  EXPECT(!world.picker.request_again(world.last, kCem, pieces));
  world.picker.check_invariants();
}

TEST(piece_on_parole_comes_from_one_session) {
  World world(".", "3");
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    const auto session = i % 2 == 0 ? kAnn : kBob;
    EXPECT_EQ(world.pick(session, "#"), 0);
    EXPECT(world.picker.receive(world.last, session, device(session)).verdict == BlockVerdict::Keep);
  }
  EXPECT_EQ(world.picker.contributors(World::piece(0)).size(), 2u);
  EXPECT(world.picker.source({World::piece(0), BlockIndex{1}}) == device(kBob));
  world.picker.fail(World::piece(0));

  EXPECT_EQ(world.pick(kAnn, "#"), 0);
  EXPECT_EQ(world.pick(kBob, "#"), -1);
  EXPECT(world.picker.receive(world.last, kAnn, device(kAnn)).verdict == BlockVerdict::Keep);
  world.picker.disown(kAnn);
  world.picker.check_invariants();
  world.fill(0, kBob, "#");

  EXPECT_EQ(world.picker.contributors(World::piece(0)).size(), 1u);
}

TEST(bad_blocks_of_a_piece_are_free_again_and_its_good_ones_stay) {
  World world("..", "3 3");
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    const auto session = i % 4 == 3 ? kBob : kAnn;
    EXPECT_EQ(world.pick(session, "#."), 0);
    EXPECT(world.picker.receive(world.last, session, device(session)).verdict == BlockVerdict::Keep);
  }

  world.picker.reopen(World::piece(0), {{3}, {7}, {11}, {15}});  // all that came from bob
  world.picker.check_invariants();

  EXPECT(world.picker.state(World::piece(0)) == PiecePicker::State::Open);
  EXPECT(world.picker.is_received({World::piece(0), BlockIndex{4}}));
  for (const std::uint32_t block : {3u, 7u, 11u, 15u}) {
    EXPECT(!world.picker.is_received({World::piece(0), BlockIndex{block}}));
    EXPECT_EQ(world.pick(kAnn, "##"), 0);  // before a new piece
    EXPECT_EQ(world.last.block.value, block);
    world.picker.receive(world.last, kAnn, device(kAnn));
  }
  EXPECT(world.picker.state(World::piece(0)) == PiecePicker::State::Filled);
  EXPECT_EQ(world.picker.contributors(World::piece(0)).size(), 1u);
  EXPECT(world.picker.source({World::piece(0), BlockIndex{15}}) == device(kAnn));
}

TEST(reopened_piece_is_no_longer_on_parole) {
  World world(".", "3");
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    const auto session = i % 2 == 0 ? kAnn : kBob;
    EXPECT_EQ(world.pick(session, "#"), 0);
    world.picker.receive(world.last, session, device(session));
  }
  world.picker.fail(World::piece(0));
  world.fill(0, kAnn, "#");
  world.picker.reopen(World::piece(0), {{0}, {1}});

  EXPECT_EQ(world.pick(kBob, "#"), 0);
  EXPECT_EQ(world.pick(kCem, "#"), 0);  // shared, which parole forbids
  world.picker.check_invariants();
}

TEST(piece_of_bad_blocks_alone_stays_open_when_nobody_asks_for_it) {
  World world(".", "3");
  world.fill(0, kAnn, "#");
  std::vector<BlockIndex> all;
  for (std::uint32_t i = 0; i < kBlocks; ++i) all.push_back({i});

  world.picker.reopen(World::piece(0), all);
  EXPECT_EQ(world.pick(kBob, "#"), 0);
  world.picker.release(world.last, kBob);
  world.picker.disown(kBob);
  world.picker.check_invariants();

  EXPECT(world.picker.state(World::piece(0)) == PiecePicker::State::Open);  // the driver holds its buffer
  world.fill(0, kBob, "#");
}

TEST(shared_pieces_are_left_out_on_wish) {
  World world("...", "1 0 2");
  world.picker.add_seed();
  const auto everything = World::all("###");
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    const auto block = world.picker.pick({.session = kAnn, .pieces = everything, .only_unshared = true});
    EXPECT(block && block->piece == World::piece(1));
  }

  EXPECT(!world.picker.pick({.session = kAnn, .pieces = everything, .only_unshared = true}));
  EXPECT_EQ(world.picker.missing_at_peers(), 2u);
  EXPECT_EQ(world.pick(kAnn, "###"), 0);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(rarest_piece_comes_first),
      cmocka_unit_test(pieces_that_the_session_has_not_are_passed_over),
      cmocka_unit_test(pieces_of_seeds_alone_come_before_all_others),
      cmocka_unit_test(haves_move_pieces_between_bands),
      cmocka_unit_test(equals_come_in_random_order),
      cmocka_unit_test(first_pieces_of_all_are_random),
      cmocka_unit_test(session_that_becomes_a_seed_changes_no_order),
      cmocka_unit_test(small_and_large_bitfields_count_alike),
      cmocka_unit_test(rarest_is_found_within_the_first_looks),
      cmocka_unit_test(session_that_has_none_of_the_rarest_gets_the_rarest_of_its_own),
      cmocka_unit_test(so_many_pieces_of_a_session_are_looked_at_for_the_rarest),
      cmocka_unit_test(pieces_of_high_priority_come_first_by_rarity),
      cmocka_unit_test(piece_of_high_priority_has_it_again_when_it_is_missing_again),
      cmocka_unit_test(pieces_of_high_priority_wait_for_open_ones),
      cmocka_unit_test(sequential_mode_follows_the_index),
      cmocka_unit_test(sequential_mode_has_pieces_of_high_priority_first_and_begins_with_the_first_piece),
      cmocka_unit_test(open_pieces_come_before_rarer_ones),
      cmocka_unit_test(every_session_works_on_its_own_piece),
      cmocka_unit_test(pieces_are_shared_when_no_more_may_be_open),
      cmocka_unit_test(pieces_are_shared_when_nothing_else_is_left),
      cmocka_unit_test(block_is_given_out_once_until_it_is_released),
      cmocka_unit_test(piece_without_blocks_is_missing_again_when_all_requests_are_given_back),
      cmocka_unit_test(filled_piece_is_stored_lost_or_withdrawn),
      cmocka_unit_test(end_game_begins_when_all_that_is_missing_is_requested),
      cmocka_unit_test(duplicate_goes_to_one_other_session_and_is_cancelled_by_the_block),
      cmocka_unit_test(piece_on_parole_comes_from_one_session),
      cmocka_unit_test(bad_blocks_of_a_piece_are_free_again_and_its_good_ones_stay),
      cmocka_unit_test(reopened_piece_is_no_longer_on_parole),
      cmocka_unit_test(piece_of_bad_blocks_alone_stays_open_when_nobody_asks_for_it),
      cmocka_unit_test(shared_pieces_are_left_out_on_wish),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
