// SPDX-License-Identifier: MIT
// One Swarm under script: a test says what peers send, and sees what the swarm answered. Its invariants
// are checked after every step. Include it instead of tests/support/check.h.
#pragma once

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/limits.h"
#include "daemon/swarm/swarm.h"
#include "tests/support/check.h"

namespace p2p::test {

using swarm::Abilities;
using swarm::Bitfield;
using swarm::BlockVerdict;
using swarm::CloseReason;
using swarm::SessionId;
using wire::BlockSpan;

inline constexpr std::uint32_t kPieceBytes = 256 * 1024;
inline constexpr std::uint32_t kBlock = limits::kBlockBytes;
inline constexpr std::uint32_t kBlocks = kPieceBytes / kBlock;
inline constexpr Abilities kPlain{.fast = false, .extended = false};

inline DeviceId device(int number) {
  DeviceId id;
  id.bytes[0] = static_cast<std::uint8_t>(number);
  return id;
}

inline Bitfield field(std::string_view picture) {
  Bitfield result(static_cast<std::uint32_t>(picture.size()));
  for (std::uint32_t i = 0; i < picture.size(); ++i) {
    if (picture[i] == '#') result.set(PieceIndex{i});
  }
  return result;
}

// One swarm and what it has said so far. The last piece is one block and one byte long.
struct ScriptedSwarm {
  explicit ScriptedSwarm(std::string_view have, swarm::Options options = {},
                         swarm::Swarm::LeafRootsOf leaf_roots = nullptr)
      : geometry(
            *meta::Geometry::make(std::uint64_t{have.size() - 1} * kPieceBytes + kBlock + 1, kPieceBytes)),
        swarm(geometry, field(have), options, random, std::move(leaf_roots)) {}

  SessionId open(int number, Abilities abilities = {}) {
    const auto id = swarm.open_session(device(number), abilities, now);
    drain();
    return id;
  }
  // A peer that has these pieces and lets us ask.
  SessionId source(int number, std::string_view pieces, Abilities abilities = {}) {
    const auto id = open(number, abilities);
    say(id, wire::BitfieldMessage{field(pieces).to_wire()});
    say(id, wire::Unchoke{});
    return id;
  }
  // A peer without pieces that wants ours.
  SessionId taker(int number, Abilities abilities = {}) {
    const auto id = open(number, abilities);
    say(id, wire::Interested{});
    return id;
  }
  void say(SessionId id, const wire::Message& message) {
    swarm.on_message(id, message, now);
    drain();
  }
  BlockVerdict block(SessionId id, const BlockSpan& span) {
    const auto verdict = swarm.on_block(id, span, now);
    drain();
    return verdict;
  }
  void drain() {
    while (auto action = swarm.next_action()) {
      if (auto* send = std::get_if<swarm::Send>(&*action)) sent.push_back(*send);
      else if (auto* closed_now = std::get_if<swarm::CloseSession>(&*action)) closed.push_back(*closed_now);
      else if (auto* one = std::get_if<swarm::PieceFilled>(&*action)) filled.push_back(one->piece);
      else if (auto* dropped = std::get_if<swarm::PieceDiscarded>(&*action))
        discarded.push_back(dropped->piece);
      else if (auto* compared_now = std::get_if<swarm::CompareBlock>(&*action))
        compared.push_back(*compared_now);
      else if (auto* guilty = std::get_if<swarm::DeviceConvicted>(&*action))
        convicted.push_back(guilty->device);
      else if (std::holds_alternative<swarm::UploadReady>(*action)) ++ready;
      else if (std::holds_alternative<swarm::AllowanceSpent>(*action)) ++spent;
      else ++completed;
    }
    swarm.check_invariants();
  }
  template <class Kind>
  std::vector<Kind> take(SessionId id) {
    std::vector<Kind> found;
    std::erase_if(sent, [&](const swarm::Send& one) {
      const auto* message = std::get_if<Kind>(&one.message);
      if (one.session != id || message == nullptr) return false;
      found.push_back(*message);
      return true;
    });
    return found;
  }
  std::vector<BlockSpan> requests(SessionId id) {
    std::vector<BlockSpan> spans;
    for (const auto& request : take<wire::Request>(id))
      for (const auto& block : wire::blocks_of(request.block)) spans.push_back(block);
    return spans;
  }
  // Answers every request of these sessions until nothing more is asked or a piece is filled.
  void answer(const std::vector<SessionId>& from) {
    for (bool any = true; any && filled.empty();) {
      any = false;
      for (const auto id : from) {
        for (const auto& span : requests(id)) {
          any = true;
          EXPECT(block(id, span) == BlockVerdict::Keep);
        }
      }
    }
  }
  bool closed_for(SessionId id, CloseReason reason) const {
    return std::any_of(closed.begin(), closed.end(), [&](const swarm::CloseSession& one) {
      return one.session == id && one.reason == reason;
    });
  }
  void store(PieceIndex piece) {
    std::erase(filled, piece);
    swarm.on_piece_stored(piece, now);
    drain();
  }
  swarm::SessionView view(SessionId id) const {
    for (const auto& one : swarm.sessions(now)) {
      if (one.session == id) return one;
    }
    return {};
  }

  TimePoint now = TimePoint(1h);
  Random random{3};
  meta::Geometry geometry;
  swarm::Swarm swarm;
  std::vector<swarm::Send> sent;
  std::vector<swarm::CloseSession> closed;
  std::vector<PieceIndex> filled;
  std::vector<PieceIndex> discarded;
  std::vector<swarm::CompareBlock> compared;
  std::vector<DeviceId> convicted;
  int ready = 0;
  int completed = 0;
  int spent = 0;  // AllowanceSpent
};

inline BlockSpan span(std::uint32_t piece, std::uint32_t block) {
  return {PieceIndex{piece}, block * kBlock, kBlock};
}

}  // namespace p2p::test
