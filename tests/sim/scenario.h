// SPDX-License-Identifier: MIT
// Swarms that are simulated again and again, and what is measured of them. A scenario and a seed name a run.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/swarm_world.h"

namespace p2p::sim {

// Member 0 is the publisher. All others begin at the same time, `stagger` apart.
struct Scenario {
  std::string_view name;
  std::uint32_t members = 8;  // besides the publisher
  std::uint64_t size = std::uint64_t{128} * 1024 * 1024;
  std::uint32_t piece_bytes = 256 * 1024;
  std::vector<double> rates = {12.5e6};  // of uplinks and downlinks: member i has rates[i mod n]
  Duration latency = 10ms;
  double framing = 1;
  Duration stagger{};
  std::size_t links_wanted = limits::kLinksWanted;
  enum class PublisherDies : std::uint8_t { Never, WithFullCopy, WhenOriginEnds };
  PublisherDies publisher_dies =
      PublisherDies::Never;  // when the others hold a full copy; or two, by what it saw
  double churn = 0;          // part of the members that goes before it has all, and for whom others come
  double write_errors = 0;
  double cuts_per_minute = 0;  // of each link
  Duration parted_from{};      // the upper half of the members is on an island from here
  Duration parted_to{};        // until here
  Duration slow_spell{};       // of disks, every 3 s or so, and their times vary by half
  std::uint32_t hostile = 0;   // of the members, spread evenly
  Attack attack = Attack::None;
  double share = 1;            // of the blocks that are bad
  bool hostile_seeds = false;  // they begin with all pieces
  Duration limit = 30min;
};

struct Figures {
  bool complete = false;
  double last = 0;  // when the last was complete, in times that the publisher's uplink needs for the size
  double first = 0;
  double copies = 0;     // that the publisher sent
  double duplicate = 0;  // part of all payload
  double wasted = 0;
  std::uint64_t duplicate_bytes = 0;  // of honest members, as the two above
  std::uint64_t wasted_bytes = 0;
  // Bad blocks that a hostile member sent to an honest one: the most, and on average of those that were sent
  // any; how many of these pairs there were, and in how many the hostile one was banned.
  std::uint32_t bad_blocks_most = 0;
  double bad_blocks_mean = 0;
  std::size_t harmed = 0;
  std::size_t bans = 0;
  std::size_t honest_bans = 0;
  // The longest from 99 % to all, of those that are not the slowest, in times that the slowest of these needs
  // for a piece.
  double last_pieces = 0;
  double kib_a_member = 0;  // of memory, at most
  std::uint64_t events = 0;
  double seconds = 0;  // of the clock on the wall
  std::uint64_t digest = 0;
  std::vector<std::string> violations;
};

const std::vector<Scenario>& scenarios();
const Scenario& scenario(std::string_view name);  // that exists
// `timeline`: what the uplinks do, in steps of kStep, is written there.
inline constexpr Duration kStep = 250ms;
Figures play(const Scenario& scenario, std::uint64_t seed, std::FILE* timeline = nullptr);
// The same without those that are hostile: the honest ones and the publisher alone.
Scenario clean_twin(const Scenario& scenario);
// `clean`: of the twin.
std::string describe(const Scenario& scenario, std::uint64_t seed, const Figures& figures,
                     const Figures* clean = nullptr);

}  // namespace p2p::sim
