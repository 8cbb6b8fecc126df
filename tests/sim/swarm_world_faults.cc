// SPDX-License-Identifier: MIT
// What goes wrong: slow disks, cut links, hostile members, and who finds them out.
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "tests/sim/swarm_world.h"

namespace p2p::sim {

namespace {

constexpr Duration kBanTime = 24h;  // as Transfer::kBanTime
constexpr int kSlowTimes = 20;

Duration duration_of(double seconds) { return Duration(static_cast<Duration::rep>(seconds * 1e9)); }

}  // namespace

// --- disks and links ---------------------------------------------------------------------------------

Duration SwarmWorld::disk_time(Member member, Duration usual) {
  double time = seconds_of(usual);
  if (options_.disk_spread > 0) time *= 1 + options_.disk_spread * (2 * faults_.unit() - 1);
  if (options_.slow_spell_every > Duration{}) {
    auto& from = members_[member].slow_from;
    while (from == TimePoint{} || from + options_.slow_spell < events_.now())
      from += options_.slow_spell + duration_of(2 * faults_.unit() * seconds_of(options_.slow_spell_every));
    if (from <= events_.now()) time *= kSlowTimes;
  }
  return options_.disk_spread > 0 || options_.slow_spell_every > Duration{} ? duration_of(time) : usual;
}

void SwarmWorld::cut_some_links(double part) {
  for (LinkNumber link = 0; link < links_.size(); ++link)
    if (links_[link].open && faults_.unit() < part) close(link);
}

// --- leaves ------------------------------------------------------------------------------------------

void SwarmWorld::answer_leaves(Direction direction, const wire::HashRange& range) {
  if (!links_[direction / 2].open) return;
  auto& end = end_of(direction);
  auto& state = members_[end.member];
  if (state.leaves == nullptr) state.leaves = std::make_unique<swarm::LeafServer>(payload_.metainfo());
  const auto piece = state.leaves->admit(end.leaf_asker, range, state.swarm->have(), events_.now());
  if (!piece) return send(direction, wire::HashReject{range});
  const auto hashing = duration_of(geometry_.piece_bytes(*piece) / options_.verify_rate);
  end.leaf_reads.push_back(range);
  end.read_at = std::max(end.read_at, events_.now() + disk_time(end.member, options_.read_time));
  events_.at(end.read_at + hashing, Happening::LeavesRead, direction);
}

void SwarmWorld::on_leaves_read(Direction direction) {
  auto& end = end_of(direction);
  const bool open = links_[direction / 2].open;
  members_[end.member].leaves->on_read(open ? &end.leaf_asker : nullptr);
  const auto range = end.leaf_reads.front();
  end.leaf_reads.pop_front();
  if (!open) return;
  const PieceIndex piece{range.index / swarm::leaf_width(geometry_)};
  send(direction, swarm::leaves_answer(range, geometry_, payload_.leaves(piece, {})));
}

// --- blame -------------------------------------------------------------------------------------------

SwarmWorld::Member SwarmWorld::member_of(const DeviceId& device) {
  return (std::uint32_t{device.bytes[30]} << 8 | device.bytes[31]) - 1;
}

void SwarmWorld::compare(Member member, const swarm::CompareBlock& action) {
  const auto [piece, block] = action.block;
  const bool bad = members_[member].buffers.at(piece).at(block.value) != Block::Good;
  const auto leaves = payload_.leaves(piece, bad ? BadBlocks{block} : BadBlocks{});
  members_[member].swarm->on_block_compared(action.device, action.block, leaves[block.value] == action.leaf,
                                            events_.now());
}

void SwarmWorld::convict(Member member, const swarm::DeviceConvicted& convicted) {
  auto& state = members_[member];
  const auto device = member_of(convicted.device);
  const auto later = events_.now() + limits::kOffenderPause;
  if (state.hostile || state.book->is_banned(convicted.device, later)) return;
  if (!is_hostile(device))
    violate(member, fmt::format("honest member {} was convicted: {}", device, describe(convicted.reason)));
  bans_.push_back({member, device, now(), convicted.reason});
  state.book->ban(convicted.device, events_.now() + kBanTime);
}

// With the last piece: what came and was kept is the file, and what was counted as wasted, and nothing else.
void SwarmWorld::check_sums(Member member) {
  const auto& state = members_[member];
  const auto& totals = state.swarm->totals();
  const auto failed = totals.wasted - state.unwanted;
  if (totals.downloaded != geometry_.size() + failed + state.lost)
    violate(member, fmt::format("{} bytes downloaded, {} of them failed, {} lost, {} are the file",
                                totals.downloaded, failed, state.lost, geometry_.size()));
}

// --- hostile members ---------------------------------------------------------------------------------

void SwarmWorld::put_all(Direction direction, Hostile::Outbox out) {
  for (auto& one : out) put(direction, std::move(one.message), one.bad);
}

void SwarmWorld::attack(Member member) {
  auto& hostile = *members_[member].hostile;
  if (members_[member].left) return;
  for (LinkNumber link = 0; link < links_.size(); ++link) {
    for (const Direction direction : {2 * link, 2 * link + 1}) {
      if (!links_[link].open || end_of(direction).member != member) continue;
      Hostile::Outbox out;
      const bool has_left = network_.waiting(direction) + network_.under_way(direction) == 0;
      const bool keeps = hostile.on_tick(link, events_.now(), has_left, out);
      put_all(direction, std::move(out));
      if (!keeps) close(link);
    }
  }
  if (hostile.dials_at_once() && members_[member].joined) dial_all_at_once(member);
  events_.at(events_.now() + Hostile::kTick, Happening::Attack, member);
}

void SwarmWorld::dial_all_at_once(Member member) {
  auto& dialling = members_[member].hostile->dialling;
  for (Member other = 0; other < members_.size(); ++other) {
    const auto& far = members_[other];
    if (other == member || !far.joined || far.left || far.hostile || are_linked(member, other)) continue;
    if (!dialling.insert(other).second) continue;
    events_.at(events_.now() + 6 * network_.latency() + options_.handshake_time, Happening::Dialled, member,
               other);
  }
}

}  // namespace p2p::sim
