// SPDX-License-Identifier: MIT
// Which blocks one session has asked for lately. An honest peer asks for a block once, and again where a
// piece failed its hash; who asks for the same ones all the time takes from the others what it has no use
// for.
//
// A table of kBlocks places: neighbours have places of their own, a block that comes to a place drives out
// who was there, so it may forget and never takes one block for another. Pure; loop thread only.
#pragma once

#include <vector>

#include "daemon/base/limits.h"
#include "daemon/wire/message.h"

namespace p2p::swarm {

class RequestMemory {
 public:
  static constexpr std::size_t kBlocks = 512;

  // True when it knows this one already.
  bool add(const wire::BlockSpan& block) {
    if (places_.empty()) places_.resize(kBlocks);
    auto& place = places_[place_of(block)];
    const bool known = place == name_of(block);
    place = name_of(block);
    return known;
  }
  // It was not answered.
  void remove(const wire::BlockSpan& block) {
    if (places_.empty()) return;
    auto& place = places_[place_of(block)];
    if (place == name_of(block)) place = 0;
  }

 private:
  static std::size_t place_of(const wire::BlockSpan& block) {
    constexpr std::uint32_t spread = 2654435769;  // Knuth, TAOCP 6.4
    return (block.piece.value * spread + block.begin / limits::kBlockBytes) % kBlocks;
  }
  static std::uint64_t name_of(const wire::BlockSpan& block) {
    return (std::uint64_t{block.piece.value} << 32 | block.begin) + 1;
  }

  std::vector<std::uint64_t> places_;  // 0: free
};

}  // namespace p2p::swarm
