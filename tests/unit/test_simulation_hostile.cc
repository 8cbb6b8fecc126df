// SPDX-License-Identifier: MIT
// Swarms with hostile members: the honest ones complete, blame nobody honest, and do not lose much time.
#include <algorithm>

#include "tests/sim/scenario.h"

#include "tests/support/check.h"

using namespace p2p;
using sim::Attack;
using sim::SwarmWorld;

namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kSeeds = 2;
constexpr std::uint64_t kSize = 64 * kMiB;

constexpr double kCorruptTime = 1.1;
constexpr std::uint64_t kCorruptWasted = 1 * kMiB;
constexpr std::uint32_t kCorruptBlocks = 3;
// Of whom only every tenth block is bad: known by a whole piece, which is dropped where all of it is its own.
constexpr std::uint64_t kTenthWasted = kCorruptWasted + 256 * 1024;
constexpr std::uint32_t kTenthBlocks = 8;
constexpr double kLiarTime = 1.2;
constexpr double kStallerTime = 1.15;
constexpr double kDripperTime = 1.15;
constexpr double kQuitterTime = 1.4;
constexpr double kFlooderTime = 1.25;
constexpr double kChurnerTime = 1.15;
constexpr double kFlapperTime = 1.25;
constexpr double kAccuserTime = 1.5;

struct Pair {
  sim::Figures hostile;
  double times = 0;  // as long as the clean twin
};

Pair play_with_twin(sim::Scenario scenario, std::uint64_t seed) {
  scenario.size = kSize;
  const auto clean = sim::play(sim::clean_twin(scenario), seed);
  const auto hostile = sim::play(scenario, seed);
  std::printf("%s\n", sim::describe(scenario, seed, hostile, &clean).c_str());
  for (const auto* figures : {&clean, &hostile}) {
    EXPECT(figures->complete);
    EXPECT_EQ(figures->violations.size(), 0u);
    EXPECT_EQ(figures->honest_bans, 0u);
  }
  return {hostile, hostile.last / clean.last};
}

void expect_times(std::string_view name, double most) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed)
    EXPECT(play_with_twin(sim::scenario(name), seed).times <= most);
}

TEST(who_sends_bad_blocks_is_banned_by_all_and_costs_little) {
  const auto expect = [](std::string_view name, std::uint64_t wasted, std::uint32_t blocks) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      const auto [figures, times] = play_with_twin(sim::scenario(name), seed);
      EXPECT(times <= kCorruptTime);
      EXPECT(figures.wasted_bytes > 0 && figures.wasted_bytes <= wasted);
      EXPECT(figures.bad_blocks_most <= blocks);
      EXPECT_EQ(figures.bans, figures.harmed);
    }
  };
  expect("corrupt-1-of-5", kCorruptWasted, kCorruptBlocks);
  expect("corrupt-tenth-1-of-5", kTenthWasted, kTenthBlocks);
}

TEST(half_of_twenty_accuse_and_no_honest_member_is_banned) {
  for (const auto* name : {"accusers-10-of-20", "accusing-seeds-10-of-20"}) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      const auto [figures, times] = play_with_twin(sim::scenario(name), seed);
      EXPECT(times <= kAccuserTime);
      EXPECT(figures.bans > 0);
    }
  }
}

TEST(liars_delay) { expect_times("liars-3-of-8", kLiarTime); }
TEST(stallers_delay) { expect_times("stallers-3-of-8", kStallerTime); }
TEST(drippers_delay) { expect_times("drippers-3-of-8", kDripperTime); }
TEST(quitters_delay) { expect_times("quitters-3-of-8", kQuitterTime); }
TEST(flooders_delay) { expect_times("flooders-3-of-8", kFlooderTime); }
TEST(churners_delay) { expect_times("churners-3-of-8", kChurnerTime); }
TEST(flappers_delay) { expect_times("flappers-3-of-8", kFlapperTime); }

TEST(who_is_banned_is_not_let_in_again) {
  SwarmWorld world(*meta::Geometry::make(16 * kMiB, 256 * 1024), 3);
  for (std::uint32_t i = 0; i < 4; ++i) {
    world.add({.uplink = 2e6, .seed = i == 0, .attack = i == 3 ? Attack::Corrupt : Attack::None});
    world.join(i);
  }

  EXPECT(world.run([&] { return world.all_complete(); }, 5min));

  EXPECT_EQ(world.bans().size(), 3u);  // by the publisher too, who had a look
  for (const auto& ban : world.bans()) {
    EXPECT_EQ(ban.device, 3u);
    EXPECT(ban.reason == swarm::CloseReason::BadBlock);
    for (const auto& one : world.sessions(ban.by)) EXPECT(one.device != SwarmWorld::device(3));
  }
  EXPECT(!world.bad_blocks().empty());
  EXPECT_EQ(world.violations().size(), 0u);
  world.check_invariants();
}

TEST(slow_disks_cut_links_and_a_partition_delay_and_blame_nobody) {
  for (const auto* name : {"slow-disks", "cut-links", "partition"}) {
    const auto figures = sim::play(sim::scenario(name), 1);
    EXPECT(figures.complete);
    EXPECT_EQ(figures.violations.size(), 0u);
    EXPECT(figures.digest != sim::play({.name = "plain"}, 1).digest);
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(who_sends_bad_blocks_is_banned_by_all_and_costs_little),
      cmocka_unit_test(half_of_twenty_accuse_and_no_honest_member_is_banned),
      cmocka_unit_test(liars_delay),
      cmocka_unit_test(stallers_delay),
      cmocka_unit_test(drippers_delay),
      cmocka_unit_test(quitters_delay),
      cmocka_unit_test(flooders_delay),
      cmocka_unit_test(churners_delay),
      cmocka_unit_test(flappers_delay),
      cmocka_unit_test(who_is_banned_is_not_let_in_again),
      cmocka_unit_test(slow_disks_cut_links_and_a_partition_delay_and_blame_nobody),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
