// SPDX-License-Identifier: MIT
#include "tests/sim/scenario.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <malloc.h>
#include <optional>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"

namespace p2p::sim {

namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kLooksForMemory = 256;
// What Ethernet, IP and TCP (with timestamps) add to a full segment.
constexpr double kEthernet = 1514.0 / 1448.0;
constexpr Duration kSpellEvery = 3s;
constexpr Duration kCutLook = 100ms;

bool is_hostile(const Scenario& one, std::uint32_t number) {
  if (number == 0 || number > one.members) return false;
  return number * one.hostile / one.members != (number - 1) * one.hostile / one.members;
}

void plan_partition(SwarmWorld& world, const Scenario& one) {
  if (one.parted_to == Duration{}) return;
  const auto part = [&world, members = one.members](Duration time, std::uint32_t island) {
    world.at(time, [&world, members, island] {
      for (auto i = members / 2 + 1; i <= members; ++i) world.set_island(i, island);
    });
  };
  part(one.parted_from, 1);
  part(one.parted_to, 0);
}

void plan_cuts(SwarmWorld& world, double part) {
  world.at(world.now() + kCutLook, [&world, part] {
    world.cut_some_links(part);
    plan_cuts(world, part);
  });
}

void measure_harm(const SwarmWorld& world, Figures& figures) {
  std::uint64_t sum = 0;
  for (const auto& [pair, count] : world.bad_blocks()) {
    figures.bad_blocks_most = std::max(figures.bad_blocks_most, count);
    sum += count;
  }
  figures.harmed = world.bad_blocks().size();
  figures.bad_blocks_mean =
      static_cast<double>(sum) / static_cast<double>(std::max<std::size_t>(figures.harmed, 1));
  for (const auto& ban : world.bans()) ++(world.is_hostile(ban.device) ? figures.bans : figures.honest_bans);
}

void measure(const SwarmWorld& world, const Scenario& one, Figures& figures) {
  const double upload = static_cast<double>(one.size) / one.rates[0];
  std::uint64_t payload = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t wasted = 0;
  auto first = Duration::max();
  auto rates = one.rates;
  std::sort(rates.begin(), rates.end());
  const double slowest = rates.front();
  const double piece_time = one.piece_bytes / *std::upper_bound(rates.begin(), rates.end() - 1, slowest);
  for (SwarmWorld::Member member = 1; member < world.members(); ++member) {
    if (world.is_hostile(member)) continue;
    const auto& totals = world.swarm(member).totals();
    payload += totals.downloaded;
    duplicate += totals.duplicate;
    wasted += totals.wasted;
    if (world.has_left(member)) continue;
    const bool is_slowest = rates.back() > slowest && one.rates[member % one.rates.size()] == slowest;
    const Duration ending = world.completed_at(member) - world.nearly_complete_at(member);
    if (!is_slowest) figures.last_pieces = std::max(figures.last_pieces, seconds_of(ending) / piece_time);
    first = std::min(first, world.completed_at(member) - member * one.stagger);
  }
  figures.last = seconds_of(world.last_completed_at()) / upload;
  figures.first = seconds_of(first) / upload;
  figures.copies = static_cast<double>(world.swarm(0).totals().uploaded) / static_cast<double>(one.size);
  figures.duplicate =
      static_cast<double>(duplicate) / static_cast<double>(std::max<std::uint64_t>(payload, 1));
  figures.wasted = static_cast<double>(wasted) / static_cast<double>(std::max<std::uint64_t>(payload, 1));
  figures.duplicate_bytes = duplicate;
  figures.wasted_bytes = wasted;
  measure_harm(world, figures);
  figures.events = world.events();
  figures.digest = world.digest();
  figures.violations = world.violations();
}

// Every kStep: how busy the publisher's uplink was and the other honest members' on average, what these have,
// and how many of their requests wait for whom.
class Timeline {
 public:
  Timeline(SwarmWorld& world, std::FILE* out) : world_(world), out_(out) { look(); }

 private:
  void look() {
    const double publisher = world_.network().busy_seconds(0);
    double others = 0;
    double have = 0;
    double count = 0;
    std::uint64_t asked[3] = {};
    for (SwarmWorld::Member member = 1; member < world_.members(); ++member) {
      if (world_.is_hostile(member)) continue;
      ++count;
      others += world_.network().busy_seconds(member);
      have += static_cast<double>(world_.swarm(member).have().count()) / world_.swarm(member).have().size();
      for (const auto& one : world_.sessions(member)) {
        const auto peer = SwarmWorld::member_of(one.device);
        asked[peer == 0 ? 0 : world_.is_hostile(peer) ? 2 : 1] += one.requests_outstanding;
      }
    }
    const double step = seconds_of(kStep);
    fmt::print(
        out_,
        "{:7.2f} s  publisher {:3.0f} %  others {:3.0f} %  have {:5.1f} %  asked of the publisher {}, of "
        "others {}, of hostile {}\n",
        seconds_of(world_.now()), (publisher - publisher_) / step * 100,
        (others - others_) / count / step * 100, have / count * 100, asked[0], asked[1], asked[2]);
    publisher_ = publisher;
    others_ = others;
    world_.at(world_.now() + kStep, [this] { look(); });
  }
  SwarmWorld& world_;
  std::FILE* out_;
  double publisher_ = 0;
  double others_ = 0;
};

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = {
      // The figures of network namespaces, which count what Ethernet adds.
      {.name = "lab-8", .members = 8, .latency = 1ms, .framing = kEthernet},
      {.name = "lab-16", .members = 16, .latency = 1ms, .framing = kEthernet},
      {.name = "lab-stagger", .members = 8, .latency = 1ms, .framing = kEthernet, .stagger = 3s},
      {.name = "lab-mixed",
       .members = 8,
       .rates = {12.5e6, 2.5e6, 6.25e6, 12.5e6},
       .latency = 1ms,
       .framing = kEthernet},
      {.name = "equal-50", .members = 50, .size = 64 * kMiB},
      {.name = "equal-200", .members = 200, .size = 256 * kMiB},
      {.name = "far-8", .members = 8, .latency = 100ms},
      {.name = "publisher-dies",
       .members = 20,
       .size = 32 * kMiB,
       .publisher_dies = Scenario::PublisherDies::WithFullCopy},
      {.name = "origin-ends",
       .members = 20,
       .size = 32 * kMiB,
       .publisher_dies = Scenario::PublisherDies::WhenOriginEnds},
      {.name = "churn-50", .members = 50, .size = 64 * kMiB, .churn = 0.2},
      {.name = "churn-200", .members = 200, .churn = 0.2},
      {.name = "last-piece",
       .members = 8,
       .size = 16 * kMiB,
       .rates = {1.25e6, 1.25e6, 1.25e6, 0.125e6, 1.25e6, 1.25e6, 1.25e6, 1.25e6, 1.25e6}},
      {.name = "long-link", .members = 1, .latency = 50ms},
      {.name = "full-disks", .members = 8, .size = 32 * kMiB, .write_errors = 0.01},
      {.name = "slow-disks", .members = 8, .slow_spell = 500ms},
      {.name = "cut-links", .members = 8, .cuts_per_minute = 4},
      {.name = "partition", .members = 8, .parted_from = 4s, .parted_to = 12s},
      {.name = "corrupt-1-of-5", .members = 5, .hostile = 1, .attack = Attack::Corrupt},
      {.name = "corrupt-tenth-1-of-5", .members = 5, .hostile = 1, .attack = Attack::Corrupt, .share = 0.1},
      {.name = "liars-3-of-8", .members = 8, .hostile = 3, .attack = Attack::Lie},
      {.name = "stallers-3-of-8", .members = 8, .hostile = 3, .attack = Attack::Stall},
      {.name = "drippers-3-of-8", .members = 8, .hostile = 3, .attack = Attack::Drip},
      {.name = "quitters-3-of-8", .members = 8, .hostile = 3, .attack = Attack::Quit},
      {.name = "flooders-3-of-8", .members = 8, .hostile = 3, .attack = Attack::Flood},
      {.name = "churners-3-of-8", .members = 8, .hostile = 3, .attack = Attack::Churn},
      {.name = "flappers-3-of-8", .members = 8, .hostile = 3, .attack = Attack::Flap},
      {.name = "accusers-10-of-20",
       .members = 20,
       .size = 64 * kMiB,
       .hostile = 10,
       .attack = Attack::Accuse},
      {.name = "accusing-seeds-10-of-20",
       .members = 20,
       .size = 64 * kMiB,
       .hostile = 10,
       .attack = Attack::Accuse,
       .hostile_seeds = true},
  };
  return all;
}

const Scenario& scenario(std::string_view name) {
  const auto& all = scenarios();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Scenario& one) { return one.name == name; });
  CHECK(found != all.end());
  return *found;
}

Figures play(const Scenario& one, std::uint64_t seed, std::FILE* out) {
  const auto begin = std::chrono::steady_clock::now();
  WorldOptions options;
  options.network.latency = one.latency;
  options.network.framing = one.framing;
  options.write_errors = one.write_errors;
  if (one.slow_spell > Duration{}) {
    options.slow_spell = one.slow_spell;
    options.slow_spell_every = kSpellEvery;
    options.disk_spread = 0.5;
  }
  SwarmWorld world(*meta::Geometry::make(one.size, one.piece_bytes), seed, options);
  const auto memory_before = mallinfo2().uordblks;
  const auto add = [&](std::uint32_t number) {
    const double rate = one.rates[number % one.rates.size()];
    swarm::Options swarm;
    swarm.open_pieces_max = static_cast<std::uint32_t>(limits::kUnverifiedBytes / one.piece_bytes);
    return world.add({.uplink = rate,
                      .downlink = rate,
                      .seed = number == 0 || (one.hostile_seeds && is_hostile(one, number)),
                      .links_wanted = one.links_wanted,
                      .swarm = swarm,
                      .attack = is_hostile(one, number) ? one.attack : Attack::None,
                      .share = one.share});
  };
  for (std::uint32_t i = 0; i <= one.members; ++i) {
    add(i);
    if (i == 0 || one.stagger == Duration{}) world.join(i);
    else world.at((i - 1) * one.stagger, [&world, i] { world.join(i); });
  }
  Random random(seed);
  const auto changes = static_cast<std::uint32_t>(one.churn * one.members);
  for (std::uint32_t i = 1; i <= changes; ++i) {
    const double upload = static_cast<double>(one.size) / one.rates[0];
    world.at(Duration(static_cast<Duration::rep>(random.unit() * upload * 1e9)), [&world, &add, i] {
      world.leave(i);
      world.join(add(i));
    });
  }
  plan_partition(world, one);
  if (one.cuts_per_minute > 0) plan_cuts(world, one.cuts_per_minute / 60 * seconds_of(kCutLook));
  std::optional<Timeline> timeline;
  if (out != nullptr) timeline.emplace(world, out);
  bool publisher_there = one.publisher_dies != Scenario::PublisherDies::Never;
  Figures figures;
  std::size_t memory = 0;
  std::uint64_t looks = 0;
  figures.complete = world.run(
      [&] {
        if (looks++ % kLooksForMemory == 0) memory = std::max(memory, mallinfo2().uordblks);
        if (publisher_there &&
            (one.publisher_dies == Scenario::PublisherDies::WithFullCopy ? world.full_copy_without(0)
                                                                         : !world.swarm(0).directs())) {
          publisher_there = false;
          world.leave(0);
        }
        return world.all_complete();
      },
      one.limit);
  figures.kib_a_member = static_cast<double>(memory - std::min(memory, memory_before)) / 1024 /
                         static_cast<double>(world.members());
  world.check_invariants();
  measure(world, one, figures);
  figures.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return figures;
}

Scenario clean_twin(const Scenario& scenario) {
  auto twin = scenario;
  twin.members -= twin.hostile;
  twin.hostile = 0;
  return twin;
}

std::string describe(const Scenario& one, std::uint64_t seed, const Figures& figures, const Figures* clean) {
  constexpr double mib = kMiB;
  auto text = fmt::format("{} {}: {}", one.name, seed, figures.complete ? "" : "INCOMPLETE ");
  if (clean != nullptr) {
    text += fmt::format(
        "{:.3f} of clean, duplicate MiB {:.2f} (clean {:.2f}), wasted MiB {:.2f} (clean {:.2f}), bad blocks "
        "to "
        "one: most {} mean {:.2f}, {} sent some, {} banned, honest bans {}; ",
        figures.last / clean->last, static_cast<double>(figures.duplicate_bytes) / mib,
        static_cast<double>(clean->duplicate_bytes) / mib, static_cast<double>(figures.wasted_bytes) / mib,
        static_cast<double>(clean->wasted_bytes) / mib, figures.bad_blocks_most, figures.bad_blocks_mean,
        figures.harmed, figures.bans, figures.honest_bans);
  }
  text += fmt::format(
      "last {:.3f} first {:.3f} copies {:.3f} duplicate {:.4f} wasted {:.4f} last pieces {:.2f}, {:.0f} KiB "
      "a "
      "member, {:.1f} M events, {:.0f} k/s, digest {:016x}",
      figures.last, figures.first, figures.copies, figures.duplicate, figures.wasted, figures.last_pieces,
      figures.kib_a_member, static_cast<double>(figures.events) / 1e6,
      static_cast<double>(figures.events) / 1e3 / figures.seconds, figures.digest);
  for (const auto& violation : figures.violations) text += "\n  " + violation;
  return text;
}

}  // namespace p2p::sim
