// SPDX-License-Identifier: MIT
#include "tests/sim/hostile.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "daemon/base/limits.h"

namespace p2p::sim {

namespace {

constexpr Duration kLateAnswer = 6s;  // PieceInquiry::kAnswerTime is over
constexpr Duration kDripTime = 3s;    // 5 KiB/s, and never silent for Options::block_timeout
constexpr std::uint64_t kQuitBlocks = 12;
constexpr std::size_t kFloodBlocks = 8;
constexpr Duration kChurnTime = 100ms;
constexpr double kRefused = 0.5;

template <class... Kinds>
bool is_any(const wire::Message& message) {
  return (std::holds_alternative<Kinds>(message) || ...);
}

bool tells_pieces(const wire::Message& message) {
  return is_any<wire::HaveAll, wire::HaveNone, wire::BitfieldMessage>(message);
}

}  // namespace

// --- what leaves -------------------------------------------------------------------------------------

void Hostile::on_send(LinkNumber link, wire::Message message, TimePoint now, Outbox& out) {
  auto& memory = memories_[link];
  switch (attack_) {
    case Attack::None: return out.push_back({std::move(message)});
    case Attack::Corrupt:
    case Attack::Accuse: return accuse(memory, std::move(message), now, out);
    case Attack::Lie:
    case Attack::Stall:
    case Attack::Churn: return claim_all(std::move(message), out);
    case Attack::Drip: return drip(memory, std::move(message), now, out);
    case Attack::Quit: return quit(memory, std::move(message), out);
    case Attack::Flood: return flood(memory, message, out);
    case Attack::Flap:
      if (is_any<wire::Extended, wire::HaveNone>(message)) out.push_back({std::move(message)});
      return;
  }
}

// It fetches nothing either, so that all that it does to others is what it says.
void Hostile::claim_all(wire::Message message, Outbox& out) {
  if (tells_pieces(message)) out.push_back({wire::HaveAll{}});
  else if (is_any<wire::Unchoke, wire::Extended>(message)) out.push_back({std::move(message)});
}

void Hostile::accuse(Memory& memory, wire::Message message, TimePoint now, Outbox& out) {
  auto* leaves = std::get_if<wire::Hashes>(&message);
  if (attack_ == Attack::Accuse && leaves != nullptr) {
    const auto way = random_.below(3);
    leaves->hashes.back() ^= 1;
    if (way == 0) out.push_back({std::move(message)});
    else if (way == 1) out.push_back({wire::HashReject{leaves->range}});
    else memory.held.push_back({now + kLateAnswer, std::move(message)});
    return;
  }
  const bool bad = is_any<wire::Piece>(message) && random_.unit() < share_;
  out.push_back({std::move(message), bad});
}

void Hostile::drip(Memory& memory, wire::Message message, TimePoint now, Outbox& out) {
  if (!is_any<wire::Piece>(message)) return out.push_back({std::move(message)});
  const auto before = memory.held.empty() ? now : memory.held.back().due;
  memory.held.push_back({before + kDripTime, std::move(message)});
}

void Hostile::quit(Memory& memory, wire::Message message, Outbox& out) {
  if (is_any<wire::Piece>(message)) {
    if (memory.blocks_most == 0)
      memory.blocks_most = 1 + static_cast<std::uint32_t>(random_.below(kQuitBlocks));
    if (memory.blocks == memory.blocks_most) return;
    ++memory.blocks;
  }
  out.push_back({std::move(message)});
}

void Hostile::flood(Memory& memory, const wire::Message& message, Outbox& out) {
  if (const auto* request = std::get_if<wire::Request>(&message)) {
    for (const auto& block : wire::blocks_of(request->block))
      if (memory.wanted.size() < kFloodBlocks) memory.wanted.push_back(block);
    ask_again(memory, out);
  } else if (!is_any<wire::Cancel, wire::NotInterested>(message)) {
    out.push_back({message});
  }
}

void Hostile::ask_again(Memory& memory, Outbox& out) {
  while (!memory.choked && !memory.wanted.empty() && memory.outstanding < limits::kRequestsFromPeer) {
    out.push_back({wire::Request{memory.wanted[memory.next++ % memory.wanted.size()]}});
    ++memory.outstanding;
  }
}

// --- what arrives ------------------------------------------------------------------------------------

bool Hostile::on_receive(LinkNumber link, const wire::Message& message, Outbox& out) {
  if (attack_ == Attack::Flood) return pester(memories_[link], message, out);
  const auto* request = std::get_if<wire::Request>(&message);
  const bool answers_none = attack_ == Attack::Lie || attack_ == Attack::Stall || attack_ == Attack::Churn ||
                            attack_ == Attack::Flap;
  if (request == nullptr || !answers_none) return true;
  const bool lies = attack_ == Attack::Lie && random_.unit() < kRefused;
  if (lies || attack_ == Attack::Flap)
    for (const auto& block : wire::blocks_of(request->block)) out.push_back({wire::Reject{block}});
  if (lies) out.push_back({wire::Have{request->block.piece}});
  return false;
}

bool Hostile::pester(Memory& memory, const wire::Message& message, Outbox& out) {
  if (is_any<wire::Choke, wire::Unchoke>(message)) memory.choked = is_any<wire::Choke>(message);
  const bool is_answer = is_any<wire::Piece, wire::Reject>(message);
  if (is_answer) memory.outstanding -= std::min(memory.outstanding, 1u);
  if (!is_any<wire::Reject>(message)) ask_again(memory, out);
  return !is_answer;
}

// --- time --------------------------------------------------------------------------------------------

bool Hostile::on_tick(LinkNumber link, TimePoint now, bool has_left, Outbox& out) {
  auto& memory = memories_[link];
  if (memory.opened == TimePoint::max()) memory.opened = now;
  while (!memory.held.empty() && memory.held.front().due <= now) {
    out.push_back({std::move(memory.held.front().message)});
    memory.held.pop_front();
  }
  switch (attack_) {
    case Attack::Flap: flap(memory, out); return true;
    case Attack::Quit: return memory.blocks == 0 || memory.blocks < memory.blocks_most || !has_left;
    case Attack::Churn: return now - memory.opened < kChurnTime;
    default: return true;
  }
}

void Hostile::flap(Memory& memory, Outbox& out) {
  if (++memory.ticks % 2 == 0) {
    out.push_back({wire::Unchoke{}});
    out.push_back({wire::Interested{}});
    const auto piece = static_cast<std::uint32_t>(random_.below(geometry_.pieces()));
    out.push_back({wire::Have{{piece}}});
  } else {
    out.push_back({wire::Choke{}});
    out.push_back({wire::NotInterested{}});
  }
}

}  // namespace p2p::sim
