// SPDX-License-Identifier: MIT
#include "tests/hostile/attack.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "daemon/wire/message.h"

namespace p2p::hostile {
namespace {

constexpr std::size_t kId = 4;  // of a message, behind its length
constexpr std::uint8_t kChoke = 0;
constexpr std::uint8_t kInterested = 2;
constexpr std::uint8_t kHave = 4;
constexpr std::uint8_t kBitfield = 5;
constexpr std::uint8_t kRequest = 6;
constexpr std::uint8_t kPiece = 7;
constexpr std::uint8_t kHaveNone = 15;
constexpr std::uint8_t kReject = 16;
constexpr std::uint8_t kHashes = 22;

constexpr std::uint32_t kBlocksBeforeQuitting = 32;
constexpr int kCopiesOfRequest = 100;
constexpr int kFlapsAtOnce = 200;

bool is(const Bytes& message, std::uint8_t id) { return message.size() > kId && message[kId] == id; }

// The piece that a have, request, block or reject is of.
PieceIndex piece_of(const Bytes& message) {
  return PieceIndex{std::uint32_t{message[5]} << 24 | std::uint32_t{message[6]} << 16 |
                    std::uint32_t{message[7]} << 8 | message[8]};
}

void leave(Memory&, Bytes&) {}

void corrupt(Memory&, Bytes& message) {
  if (is(message, kPiece)) message.back() ^= 1;
}

void accuse(Memory&, Bytes& message) {
  if (is(message, kPiece) || is(message, kHashes)) message.back() ^= 1;
}

// It fetches nothing either, so that all that it does to others is what it says.
void claim_all(Bytes& message) {
  const bool tells_pieces = is(message, kHaveNone) || is(message, kBitfield);
  const bool is_honest = is(message, kHave) || is(message, kInterested) || is(message, kRequest);
  if (tells_pieces || is_honest || is(message, kChoke)) message.clear();
  if (tells_pieces) wire::encode(wire::HaveAll{}, message);
}

void lie(Memory&, Bytes& message) {
  claim_all(message);
  if (is(message, kReject)) wire::encode(wire::Have{piece_of(message)}, message);
}

void stall(Memory&, Bytes& message) {
  claim_all(message);
  if (is(message, kReject)) message.clear();
}

void quit(Memory& memory, Bytes& message) {
  if (is(message, kPiece) && ++memory.blocks > kBlocksBeforeQuitting) message.clear();
}

void hold_blocks(Memory& memory, Bytes& message) {
  if (is(message, kPiece)) memory.held.push_back(std::exchange(message, {}));
}

bool send_one_held(Memory& memory, Bytes& out) {
  if (memory.held.empty()) return true;
  out = std::move(memory.held.front());
  memory.held.pop_front();
  return true;
}

void hold_from_first_block(Memory& memory, Bytes& message) {
  if (is(message, kPiece) || !memory.held.empty()) memory.held.push_back(std::exchange(message, {}));
}

bool send_one_byte(Memory& memory, Bytes& out) {
  if (memory.held.empty()) return true;
  auto& first = memory.held.front();
  out.push_back(first.front());
  first.erase(first.begin());
  if (first.empty()) memory.held.pop_front();
  return true;
}

void flood(Memory&, Bytes& message) {
  if (!is(message, kRequest)) return;
  const auto one = message;
  for (int i = 1; i < kCopiesOfRequest; ++i) message.insert(message.end(), one.begin(), one.end());
}

bool flap_once(Memory&, Bytes& out) {
  wire::encode(wire::Choke{}, out);
  wire::encode(wire::Unchoke{}, out);
  wire::encode(wire::NotInterested{}, out);
  wire::encode(wire::Interested{}, out);
  wire::encode(wire::Have{PieceIndex{0}}, out);
  return true;
}

bool flap(Memory& memory, Bytes& out) {
  for (int i = 0; i < kFlapsAtOnce; ++i) flap_once(memory, out);
  return true;
}

bool cut(Memory&, Bytes&) { return false; }

bool overreach(Memory&, Bytes& out) {
  wire::encode(wire::Have{PieceIndex{0x7fffffff}}, out);
  return true;
}

constexpr Attack kAttacks[] = {
    {"corrupt", corrupt},
    {"accuse", accuse},
    {"lie", lie},
    {"stall", stall},
    {"quit", quit},
    {"drip", hold_blocks, send_one_held, 1s},
    {"trickle", hold_from_first_block, send_one_byte, 100ms},
    {"flood", flood, nullptr, {}, true},
    {"flap", leave, flap, 20ms, true},
    {"flutter", leave, flap_once, 40ms},
    {"churn", leave, cut, 50ms, true},
    {"overreach", leave, overreach, 50ms, true},
};

const Attack& find() {
  const char* name = std::getenv("P2P_ATTACK");
  for (const auto& one : kAttacks)
    if (name != nullptr && one.name == name) return one;
  std::fputs("P2P_ATTACK names no attack\n", stderr);
  std::exit(2);
}

}  // namespace

const Attack& attack() {
  static const Attack& found = find();
  return found;
}

}  // namespace p2p::hostile
