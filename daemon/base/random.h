// SPDX-License-Identifier: MIT
// A small seedable generator for decisions (xoshiro256**, Blackman and Vigna 2018). The same seed gives
// the same decisions everywhere, which the standard distributions do not promise. Never for secrets:
// those come from trust/keys.h.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace p2p {

class Random {
 public:
  explicit Random(std::uint64_t seed);

  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound);  // uniform in [0, bound); bound > 0
  double unit();                             // uniform in [0, 1)

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t left = items.size(); left > 1; --left) std::swap(items[left - 1], items[below(left)]);
  }

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace p2p
