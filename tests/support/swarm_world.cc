// SPDX-License-Identifier: MIT
#include "tests/support/swarm_world.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "daemon/base/check.h"

namespace p2p::test {

namespace {

constexpr Duration kVerifyTime = 1ms;

}  // namespace

SwarmWorld::SwarmWorld(const meta::Geometry& geometry, std::uint64_t seed, Duration latency)
    : geometry_(geometry), seed_(seed), latency_(latency) {}

SwarmWorld::~SwarmWorld() = default;

SwarmWorld::Node SwarmWorld::add(const NodeOptions& options) {
  const Node node = members_.size();
  auto& member = members_.emplace_back();
  member.random = std::make_unique<Random>(seed_ * 1000 + node);
  member.uplink = options.uplink;
  const swarm::Bitfield have(geometry_.pieces(), options.seed);
  member.swarm = std::make_unique<swarm::Swarm>(geometry_, have, options.swarm, *member.random);
  return node;
}

DeviceId SwarmWorld::device(Node node) {
  DeviceId id;
  id.bytes.back() = static_cast<std::uint8_t>(node + 1);
  id.bytes[30] = static_cast<std::uint8_t>((node + 1) >> 8);
  return id;
}

void SwarmWorld::connect(Node one, Node other) {
  const auto number = links_.size();
  Link link;
  link.one = one;
  link.other = other;
  link.session_of_one = members_[one].swarm->open_session(device(other), {}, now_);
  link.session_of_other = members_[other].swarm->open_session(device(one), {}, now_);
  links_.push_back(link);
  members_[one].links.push_back(number);
  members_[other].links.push_back(number);
  link_by_session_[{one, link.session_of_one}] = number;
  link_by_session_[{other, link.session_of_other}] = number;
  settle(one);
  settle(other);
}

void SwarmWorld::connect_all() {
  for (Node one = 0; one < members_.size(); ++one) {
    for (Node other = one + 1; other < members_.size(); ++other) connect(one, other);
  }
}

void SwarmWorld::disconnect(Node node) {
  const auto links = members_[node].links;
  for (const auto link : links) close(link);
}

bool SwarmWorld::run(const std::function<bool()>& done, Duration limit) {
  while (!done()) {
    if (queue_.empty() || queue_.top().time > TimePoint(limit)) return false;
    auto happen = queue_.top().happen;
    now_ = queue_.top().time;
    queue_.pop();
    happen();
  }
  return true;
}

bool SwarmWorld::all_complete() const {
  return std::all_of(members_.begin(), members_.end(),
                     [](const Member& member) { return member.swarm->complete(); });
}

bool SwarmWorld::full_copy_without(Node node) const {
  for (std::uint32_t i = 0; i < geometry_.pieces(); ++i) {
    bool found = false;
    for (Node other = 0; other < members_.size(); ++other)
      found = found || (other != node && members_[other].swarm->have().has(PieceIndex{i}));
    if (!found) return false;
  }
  return true;
}

swarm::Swarm& SwarmWorld::swarm(Node node) { return *members_[node].swarm; }

std::uint64_t SwarmWorld::received(Node from, Node to) const {
  const auto& sources = members_[to].swarm->sources();
  const auto found = sources.find(device(from));
  return found == sources.end() ? 0 : found->second;
}

Duration SwarmWorld::completed_at(Node node) const { return members_[node].completed_at; }

// --- inside ------------------------------------------------------------------------------------------

void SwarmWorld::at(TimePoint time, std::function<void()> happen) {
  queue_.push({time, events_++, std::move(happen)});
}

// FNV-1a over 64-bit words.
void SwarmWorld::note(std::uint64_t word) { digest_ = (digest_ ^ word) * 0x100000001b3; }

void SwarmWorld::settle(Node node) {
  while (auto action = members_[node].swarm->next_action()) act(node, *action);
  start_uplink(node);
  set_timer(node);
}

void SwarmWorld::act(Node node, const swarm::Action& action) {
  note(static_cast<std::uint64_t>(now().count()));
  note(node * 16 + action.index());
  if (const auto* send = std::get_if<swarm::Send>(&action)) {
    note(send->message.index());
    deliver(node, link_of(node, send->session),
            [this, message = send->message](Node to, swarm::SessionId session) {
              members_[to].swarm->on_message(session, message, now_);
            });
  } else if (const auto* filled = std::get_if<swarm::PieceFilled>(&action)) {
    note(filled->piece.value);
    at(now_ + kVerifyTime, [this, node, piece = filled->piece] {
      members_[node].swarm->on_piece_stored(piece, now_);
      settle(node);
    });
  } else if (const auto* closed = std::get_if<swarm::CloseSession>(&action)) {
    note(static_cast<std::uint64_t>(closed->reason));
    close(link_of(node, closed->session));
  } else if (std::holds_alternative<swarm::Completed>(action)) {
    members_[node].completed_at = now();
  }
}

void SwarmWorld::deliver(Node from, std::size_t number,
                         std::function<void(Node to, swarm::SessionId session)> happen) {
  auto& link = links_[number];
  const Node to = link.one == from ? link.other : link.one;
  auto& free = link.one == from ? link.free_towards_other : link.free_towards_one;
  free = std::max(free, now_ + latency_);
  at(free, [this, number, to, happen = std::move(happen)] {
    if (!links_[number].open) return;
    happen(to, session_at(number, to));
    settle(to);
  });
}

void SwarmWorld::start_uplink(Node node) {
  auto& member = members_[node];
  if (member.sending) return;
  for (std::size_t i = 0; i < member.links.size(); ++i) {
    const auto number = member.links[(member.turn + i) % member.links.size()];
    const auto session = session_at(number, node);
    if (!links_[number].open) continue;
    const auto block = member.swarm->next_upload(session);
    if (!block) continue;
    member.turn = (member.turn + i + 1) % member.links.size();
    member.sending = true;
    const Duration time(static_cast<Duration::rep>(block->length / member.uplink * 1e9));
    at(now_ + time, [this, node, number, session, span = *block] {
      auto& sender = members_[node];
      sender.sending = false;
      note(span.piece.value * 4096ull + span.begin);
      sender.swarm->on_upload_sent(session, span, now_);
      if (links_[number].open) {
        deliver(node, number, [this, span](Node to, swarm::SessionId at_peer) {
          members_[to].swarm->on_block(at_peer, span, now_);
        });
      }
      settle(node);
    });
    return;
  }
}

void SwarmWorld::set_timer(Node node) {
  auto& member = members_[node];
  const auto due = member.swarm->next_deadline();
  if (due >= member.timer || due == TimePoint::max()) return;
  member.timer = std::max(due, now_);
  at(member.timer, [this, node, time = member.timer] {
    if (members_[node].timer != time) return;
    members_[node].timer = TimePoint::max();
    if (members_[node].swarm->next_deadline() <= now_) members_[node].swarm->on_timer(now_);
    settle(node);
  });
}

void SwarmWorld::close(std::size_t number) {
  auto& link = links_[number];
  if (!std::exchange(link.open, false)) return;
  members_[link.one].swarm->close_session(link.session_of_one, now_);
  members_[link.other].swarm->close_session(link.session_of_other, now_);
  settle(link.one);
  settle(link.other);
}

std::size_t SwarmWorld::link_of(Node node, swarm::SessionId session) const {
  const auto found = link_by_session_.find({node, session});
  CHECK(found != link_by_session_.end());
  return found->second;
}

swarm::SessionId SwarmWorld::session_at(std::size_t number, Node node) const {
  const auto& link = links_[number];
  return link.one == node ? link.session_of_one : link.session_of_other;
}

}  // namespace p2p::test
