// SPDX-License-Identifier: MIT
#include "tests/hostile/attack.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace p2p::hostile {
namespace {

constexpr std::size_t kId = 4;  // of a message, behind its length
constexpr std::uint8_t kPiece = 7;
constexpr std::uint8_t kHashes = 22;

bool is(const Bytes& message, std::uint8_t id) { return message.size() > kId && message[kId] == id; }

void corrupt(Bytes& message) {
  if (is(message, kPiece)) message.back() ^= 1;
}

void accuse(Bytes& message) {
  if (is(message, kPiece) || is(message, kHashes)) message.back() ^= 1;
}

struct Named {
  std::string_view name;
  Attack attack;
};
constexpr Named kAttacks[] = {{"corrupt", corrupt}, {"accuse", accuse}};

Attack find() {
  const char* name = std::getenv("P2P_ATTACK");
  for (const auto& one : kAttacks)
    if (name != nullptr && one.name == name) return one.attack;
  std::fputs("P2P_ATTACK names no attack\n", stderr);
  std::exit(2);
}

}  // namespace

Attack attack() {
  static const Attack found = find();
  return found;
}

}  // namespace p2p::hostile
