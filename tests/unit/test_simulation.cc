// SPDX-License-Identifier: MIT
// The simulation itself: its network keeps what it promises, runs can be replayed, checks see what is wrong.
#include "tests/sim/scenario.h"

#include <algorithm>
#include <map>

#include "tests/support/check.h"

using namespace p2p;
using sim::Direction;
using sim::Network;
using sim::SwarmWorld;

namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

// --- network -----------------------------------------------------------------------------------------

struct Wire final : Network::Listener {
  explicit Wire(sim::NetworkOptions options) : network(events, *this, options) {}
  void on_item(Direction direction, const sim::Item& item) override {
    bytes[direction] += item.bytes;
    arrivals.push_back({direction, item.bytes, seconds_of(events.now().time_since_epoch())});
  }
  void on_left(Direction) override {}
  void run(Duration until) {
    while (!events.empty() && events.next_time() <= TimePoint(until)) {
      const auto event = events.take();
      if (event.kind == sim::Happening::Sent) network.on_sent(event);
      else network.on_arrived(event);
    }
  }
  struct Arrival {
    Direction direction;
    std::uint32_t bytes;
    double time;
  };
  sim::EventQueue events;
  std::map<Direction, std::uint64_t> bytes;
  std::vector<Arrival> arrivals;
  Network network;
};

TEST(a_link_takes_size_by_rate_and_latency_and_keeps_the_order) {
  Wire wire({.latency = 100ms});
  const auto one = wire.network.add_host(1e6, 0);
  const auto other = wire.network.add_host(0, 0);
  const Direction there = 2 * wire.network.add_link(one, other);
  for (std::uint32_t i = 1; i <= 20; ++i) wire.network.send(there, {wire::Have{}, i * 1000});

  wire.run(1h);

  EXPECT_EQ(wire.arrivals.size(), 20u);
  for (std::uint32_t i = 0; i < 20; ++i) EXPECT_EQ(wire.arrivals[i].bytes, (i + 1) * 1000);
  EXPECT(wire.arrivals.back().time > 0.309 && wire.arrivals.back().time < 0.311);
}

TEST(an_uplink_is_shared_alike_and_a_full_downlink_slows_its_own_links_only) {
  Wire wire({.latency = 1ms, .window = 64 * 1024});
  const auto one = wire.network.add_host(3e6, 0);
  const auto slow = wire.network.add_host(0, 0.5e6);
  const auto fast = wire.network.add_host(0, 0);
  const auto third = wire.network.add_host(0, 0);
  const Direction ways[] = {2 * wire.network.add_link(one, slow), 2 * wire.network.add_link(one, fast),
                            2 * wire.network.add_link(one, third)};
  for (const auto way : ways) {
    for (int i = 0; i < 1000; ++i) wire.network.send(way, {wire::Piece{}, 16'397});
  }

  wire.run(4s);

  EXPECT(wire.bytes[ways[0]] > 1'900'000 && wire.bytes[ways[0]] < 2'050'000);
  EXPECT(wire.bytes[ways[1]] > 4'800'000 && wire.bytes[ways[1]] < 5'050'000);
  EXPECT(wire.bytes[ways[2]] > 4'800'000 && wire.bytes[ways[2]] < 5'050'000);
}

TEST(nothing_arrives_on_a_link_that_was_cut_and_a_partition_only_delays) {
  Wire wire({.latency = 1ms});
  const auto one = wire.network.add_host(1e6, 0);
  const auto other = wire.network.add_host(1e6, 0);
  const auto cut = wire.network.add_link(one, other);
  const auto kept = wire.network.add_link(one, other);
  wire.network.send(2 * cut, {wire::Have{}, 9});
  wire.network.cut(cut);
  wire.network.set_island(other, 1);
  wire.network.send(2 * kept, {wire::Have{}, 9});
  wire.run(1s);
  EXPECT_EQ(wire.arrivals.size(), 0u);

  wire.network.set_island(other, 0);
  wire.run(2s);

  EXPECT_EQ(wire.arrivals.size(), 1u);
  EXPECT_EQ(wire.arrivals[0].direction, 2 * kept);
}

// --- swarms ------------------------------------------------------------------------------------------

sim::Scenario small(std::uint32_t members) {
  return {.name = "small", .members = members, .size = 16 * kMiB, .rates = {2e6}};
}

sim::Figures play_well(const sim::Scenario& scenario, std::uint64_t seed) {
  const auto figures = sim::play(scenario, seed);
  std::printf("%s\n", sim::describe(scenario, seed, figures).c_str());
  EXPECT(figures.complete);
  EXPECT_EQ(figures.violations.size(), 0u);
  return figures;
}

TEST(the_same_seed_is_the_same_run) {
  const auto scenario = small(4);

  const auto once = play_well(scenario, 42);
  const auto again = play_well(scenario, 42);
  const auto other = play_well(scenario, 43);

  EXPECT_EQ(once.digest, again.digest);
  EXPECT_EQ(once.events, again.events);
  EXPECT(once.digest != other.digest);
}

TEST(members_complete_when_the_publisher_dies_with_a_full_copy_among_them) {
  auto scenario = small(6);
  scenario.publisher_dies = sim::Scenario::PublisherDies::WithFullCopy;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) play_well(scenario, seed);
}

TEST(members_complete_when_the_publisher_dies_as_it_ceases_to_direct) {
  auto scenario = small(6);
  scenario.publisher_dies = sim::Scenario::PublisherDies::WhenOriginEnds;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) play_well(scenario, seed);
}

TEST(members_complete_while_others_come_and_go) {
  auto scenario = small(10);
  scenario.churn = 0.2;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) play_well(scenario, seed);
}

TEST(a_link_of_100_ms_and_100_mbit_is_filled) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed)
    EXPECT(play_well(sim::scenario("long-link"), seed).last <= 1 / 0.9);
}

// By the slowest lines, which nothing holds up: 5.235 is what they need.
TEST(slow_members_get_all_they_can_take_while_fast_ones_are_busy) {
  for (const std::uint64_t seed : {3u, 10u, 18u})
    EXPECT(play_well(sim::scenario("lab-mixed"), seed).last <= 5.3);
}

TEST(the_last_piece_does_not_wait_for_a_slow_member) {
  std::vector<double> last_pieces;
  for (std::uint64_t seed = 1; seed <= 9; ++seed) {
    const auto figures = play_well(sim::scenario("last-piece"), seed);
    EXPECT(figures.last_pieces <= 6);
    EXPECT(figures.duplicate <= 0.015);
    last_pieces.push_back(figures.last_pieces);
  }
  std::sort(last_pieces.begin(), last_pieces.end());
  EXPECT(last_pieces[4] <= 3);
}

TEST(full_disks_delay_and_blame_nobody) {
  auto scenario = small(4);
  scenario.write_errors = 0.05;
  play_well(scenario, 1);
}

TEST(members_of_two_islands_complete_when_they_are_together_again) {
  SwarmWorld world(*meta::Geometry::make(16 * kMiB, 256 * 1024), 7);
  for (std::uint32_t i = 0; i < 6; ++i) {
    world.add({.uplink = 2e6, .downlink = 2e6, .seed = i == 0});
    world.join(i);
  }
  world.at(2s, [&] {
    for (std::uint32_t i = 3; i < 6; ++i) world.set_island(i, 1);
  });
  world.at(60s, [&] {
    for (std::uint32_t i = 3; i < 6; ++i) world.set_island(i, 0);
  });

  EXPECT(!world.run([&] { return world.all_complete(); }, 59s));
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT(world.swarm(i).complete());
  EXPECT(world.run([&] { return world.all_complete(); }, 5min));
  EXPECT_EQ(world.violations().size(), 0u);
  world.check_invariants();
}

TEST(who_left_is_not_waited_for) {
  SwarmWorld world(*meta::Geometry::make(16 * kMiB, 256 * 1024), 8);
  for (std::uint32_t i = 0; i < 4; ++i) {
    world.add({.uplink = 2e6, .seed = i == 0});
    world.join(i);
  }
  world.at(3s, [&] { world.leave(2); });

  EXPECT(world.run([&] { return world.all_complete(); }, 5min));
  EXPECT(!world.swarm(2).complete());
}

TEST(every_named_scenario_has_a_name_of_its_own) {
  std::vector<std::string_view> names;
  for (const auto& one : sim::scenarios()) names.push_back(one.name);
  std::sort(names.begin(), names.end());
  EXPECT(std::adjacent_find(names.begin(), names.end()) == names.end());
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_link_takes_size_by_rate_and_latency_and_keeps_the_order),
      cmocka_unit_test(an_uplink_is_shared_alike_and_a_full_downlink_slows_its_own_links_only),
      cmocka_unit_test(nothing_arrives_on_a_link_that_was_cut_and_a_partition_only_delays),
      cmocka_unit_test(the_same_seed_is_the_same_run),
      cmocka_unit_test(members_complete_when_the_publisher_dies_with_a_full_copy_among_them),
      cmocka_unit_test(members_complete_when_the_publisher_dies_as_it_ceases_to_direct),
      cmocka_unit_test(members_complete_while_others_come_and_go),
      cmocka_unit_test(a_link_of_100_ms_and_100_mbit_is_filled),
      cmocka_unit_test(slow_members_get_all_they_can_take_while_fast_ones_are_busy),
      cmocka_unit_test(the_last_piece_does_not_wait_for_a_slow_member),
      cmocka_unit_test(full_disks_delay_and_blame_nobody),
      cmocka_unit_test(members_of_two_islands_complete_when_they_are_together_again),
      cmocka_unit_test(who_left_is_not_waited_for),
      cmocka_unit_test(every_named_scenario_has_a_name_of_its_own),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
