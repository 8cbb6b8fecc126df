// SPDX-License-Identifier: MIT
#include "tests/sim/swarm_world.h"

#include <algorithm>
#include <vector>

#include "tests/support/check.h"

using namespace p2p;
using sim::SwarmWorld;

namespace {

constexpr double kUplink = 1024 * 1024;
constexpr std::uint64_t kSize = 32 * 1024 * 1024 + 5000;
constexpr std::uint64_t kSeeds[] = {1, 2, 3, 20, 77};

meta::Geometry geometry() { return *meta::Geometry::make(kSize, 256 * 1024); }

sim::WorldOptions with_latency(Duration latency) {
  sim::WorldOptions options;
  options.network.latency = latency;
  return options;
}

void print(const char* what, std::uint64_t seed, SwarmWorld& world, SwarmWorld::Member nodes) {
  Duration last{};
  std::uint64_t duplicate = 0;
  std::uint64_t wasted = 0;
  for (SwarmWorld::Member i = 0; i < nodes; ++i) {
    last = std::max(last, world.completed_at(i));
    duplicate += world.swarm(i).totals().duplicate;
    wasted += world.swarm(i).totals().wasted;
  }
  std::printf(
      "%s: seed %llu, %.2f uploads of time, %.3f copies from the seeder, duplicate %llu, wasted %llu\n", what,
      static_cast<unsigned long long>(seed), seconds_of(last) / (kSize / kUplink),
      static_cast<double>(world.swarm(0).totals().uploaded) / kSize,
      static_cast<unsigned long long>(duplicate), static_cast<unsigned long long>(wasted));
}

void check_all(const SwarmWorld& world) {
  world.check_invariants();
  EXPECT_EQ(world.violations().size(), 0u);
}

TEST(two_leechers_fetch_disjoint_pieces_and_exchange_them) {
  for (const auto seed : kSeeds) {
    SwarmWorld world(geometry(), seed);
    world.add({.uplink = kUplink, .seed = true});
    world.add({.uplink = kUplink});
    world.add({.uplink = kUplink});
    world.connect_all();

    EXPECT(world.run([&] { return world.all_complete(); }, 10min));

    print("1+2", seed, world, 3);
    std::printf("  %.2f and %.2f of the bytes came from the other leecher\n",
                static_cast<double>(world.received(2, 1)) / kSize,
                static_cast<double>(world.received(1, 2)) / kSize);
    check_all(world);
    EXPECT(world.received(2, 1) * 3 >= kSize);
    EXPECT(world.received(1, 2) * 3 >= kSize);
    EXPECT(static_cast<double>(world.swarm(0).totals().uploaded) <= 1.25 * kSize);
    const auto last = std::max(world.completed_at(1), world.completed_at(2));
    EXPECT(seconds_of(last) < 1.4 * kSize / kUplink);
    for (const SwarmWorld::Member node : {1u, 2u}) {
      EXPECT_EQ(world.swarm(node).totals().downloaded, kSize);
      EXPECT(world.swarm(node).totals().duplicate <= kSize / 100);
    }
  }
}

TEST(eight_leechers_complete) {
  for (const auto seed : kSeeds) {
    SwarmWorld world(geometry(), seed, with_latency(20ms));
    world.add({.uplink = kUplink, .seed = true});
    for (int i = 0; i < 8; ++i) world.add({.uplink = kUplink});
    world.connect_all();

    EXPECT(world.run([&] { return world.all_complete(); }, 20min));

    print("1+8", seed, world, 9);
    check_all(world);
    for (SwarmWorld::Member node = 1; node < 9; ++node)
      EXPECT_EQ(world.swarm(node).totals().downloaded, kSize);
  }
}

TEST(seeder_may_vanish_once_the_others_hold_a_full_copy) {
  for (const auto seed : kSeeds) {
    SwarmWorld world(geometry(), seed);
    world.add({.uplink = kUplink, .seed = true});
    for (int i = 0; i < 3; ++i) world.add({.uplink = kUplink});
    world.connect_all();
    EXPECT(world.run([&] { return world.full_copy_without(0); }, 10min));
    EXPECT(!world.all_complete());

    world.cut_links(0);

    EXPECT(world.run([&] { return world.all_complete(); }, 20min));
    print("1+3, seeder gone", seed, world, 4);
    check_all(world);
  }
}

TEST(slots_are_shared_in_time_when_there_are_fewer_than_leechers) {
  SwarmWorld world(geometry(), 5);
  swarm::Options options;
  options.upload_slots = 1;
  options.choke_interval = 2s;
  world.add({.uplink = kUplink, .seed = true, .swarm = options});
  for (int i = 0; i < 4; ++i) world.add({.uplink = kUplink, .swarm = options});
  world.connect_all();

  EXPECT(world.run([&] { return world.all_complete(); }, 20min));

  print("1+4, one slot", 5, world, 5);
  check_all(world);
}

TEST(fast_seeder_is_not_held_back_by_slow_leechers) {
  SwarmWorld world(geometry(), 6);
  world.add({.uplink = 10 * kUplink, .seed = true});
  world.add({.uplink = kUplink / 4});
  world.add({.uplink = kUplink / 4});
  world.connect_all();

  EXPECT(world.run([&] { return world.all_complete(); }, 20min));

  print("1+2, fast seeder", 6, world, 3);
  check_all(world);
  const auto last = std::max(world.completed_at(1), world.completed_at(2));
  EXPECT(seconds_of(last) < 0.3 * kSize / kUplink);
}

TEST(long_round_trip_is_bridged_by_the_pipeline) {
  SwarmWorld world(geometry(), 8, with_latency(150ms));
  world.add({.uplink = 4 * kUplink, .seed = true});
  world.add({.uplink = kUplink});
  world.connect_all();

  EXPECT(world.run([&] { return world.all_complete(); }, 20min));

  print("1+1, 300 ms", 8, world, 2);
  check_all(world);
  EXPECT(seconds_of(world.completed_at(1)) < 1.4 * kSize / (4 * kUplink));
}

TEST(links_close_when_both_ends_are_complete) {
  SwarmWorld world(geometry(), 9);
  world.add({.uplink = kUplink, .seed = true});
  for (int i = 0; i < 3; ++i) world.add({.uplink = kUplink});
  world.connect_all();

  const auto alone = [&] {
    for (SwarmWorld::Member node = 0; node < 4; ++node) {
      if (!world.swarm(node).sessions(TimePoint{}).empty()) return false;
    }
    return true;
  };

  EXPECT(world.run(alone, 10min));
  EXPECT(world.all_complete());
}

TEST(same_seed_gives_the_same_events) {
  std::vector<std::uint64_t> digests;
  for (const std::uint64_t seed : {42u, 42u, 43u}) {
    SwarmWorld world(geometry(), seed);
    world.add({.uplink = kUplink, .seed = true});
    for (int i = 0; i < 3; ++i) world.add({.uplink = kUplink / (i + 1)});
    world.connect_all();
    EXPECT(world.run([&] { return world.all_complete(); }, 20min));
    digests.push_back(world.digest());
  }

  EXPECT_EQ(digests[0], digests[1]);
  EXPECT(digests[0] != digests[2]);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(two_leechers_fetch_disjoint_pieces_and_exchange_them),
      cmocka_unit_test(eight_leechers_complete),
      cmocka_unit_test(seeder_may_vanish_once_the_others_hold_a_full_copy),
      cmocka_unit_test(slots_are_shared_in_time_when_there_are_fewer_than_leechers),
      cmocka_unit_test(fast_seeder_is_not_held_back_by_slow_leechers),
      cmocka_unit_test(long_round_trip_is_bridged_by_the_pipeline),
      cmocka_unit_test(links_close_when_both_ends_are_complete),
      cmocka_unit_test(same_seed_gives_the_same_events),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
