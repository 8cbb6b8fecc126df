// SPDX-License-Identifier: MIT
// Written once over vectors of N words and compiled for each set of instructions: the functions of the
// template take the target of the caller that they are inlined into. Vectors are passed by reference, because
// how they would be passed by value depends on the target.
#include "daemon/base/sha1_kernel.h"

#include <cstring>
#include <utility>

#define P2P_INLINE __attribute__((always_inline)) inline

namespace p2p {
namespace {

template <int N>
struct Lanes {
  typedef std::uint32_t Words __attribute__((vector_size(4 * N)));
  typedef std::uint8_t Octets __attribute__((vector_size(4 * N)));
};
template <int N>
using Words = typename Lanes<N>::Words;

template <int By, class W>
P2P_INLINE void rotate(W& out, const W& in) {
  out = (in << By) | (in >> (32 - By));
}

template <int N, std::size_t... I>
P2P_INLINE void swap_octets(Words<N>& words, std::index_sequence<I...>) {
  using Octets = typename Lanes<N>::Octets;
  const auto octets = reinterpret_cast<Octets>(words);
  words = reinterpret_cast<Words<N>>(__builtin_shufflevector(octets, octets, (I ^ 3)...));
}

// Exchanges the words of two rows whose index has the bit Step in the one and not in the other.
template <int N, std::size_t Step, std::size_t... I>
P2P_INLINE void exchange(Words<N>& low, Words<N>& high, std::index_sequence<I...>) {
  const Words<N> before = low;
  low = __builtin_shufflevector(before, high, ((I & Step) != 0 ? N + I - Step : I)...);
  high = __builtin_shufflevector(before, high, ((I & Step) != 0 ? N + I : I + Step)...);
}

template <int N, std::size_t Step>
P2P_INLINE void transpose_from(Words<N>* rows) {
  if constexpr (Step < N) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < N; ++i)
      if ((i & Step) == 0) exchange<N, Step>(rows[i], rows[i + Step], std::make_index_sequence<N>{});
    transpose_from<N, 2 * Step>(rows);
  }
}

// The 16 words of one step of every stream: word i of all streams in words[i].
template <int N>
P2P_INLINE void load(Words<N>* words, const std::uint8_t* const* streams, std::size_t offset) {
#pragma GCC unroll 2
  for (std::size_t first = 0; first < 16; first += N) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < N; ++i) {
      std::memcpy(&words[first + i], streams[i] + offset + 4 * first, sizeof(Words<N>));
      swap_octets<N>(words[first + i], std::make_index_sequence<4 * N>{});
    }
    transpose_from<N, 1>(words + first);
  }
}

template <int N>
P2P_INLINE void compress(Words<N>* h, Words<N>* w) {
  Words<N> a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
#pragma GCC unroll 80
  for (int t = 0; t < 80; ++t) {
    auto& word = w[t % 16];
    if (t >= 16) {
      const Words<N> mixed = w[(t - 3) % 16] ^ w[(t - 8) % 16] ^ w[(t - 14) % 16] ^ word;
      rotate<1>(word, mixed);
    }
    Words<N> sum;
    rotate<5>(sum, a);
    sum += e + word;
    if (t < 20) sum += (d ^ (b & (c ^ d))) + 0x5a827999;
    else if (t < 40) sum += (b ^ c ^ d) + 0x6ed9eba1;
    else if (t < 60) sum += ((b & c) | (d & (b | c))) + 0x8f1bbcdc;
    else sum += (b ^ c ^ d) + 0xca62c1d6;
    e = d;
    d = c;
    rotate<30>(c, b);
    b = a;
    a = sum;
  }
  h[0] += a;
  h[1] += b;
  h[2] += c;
  h[3] += d;
  h[4] += e;
}

template <int N>
P2P_INLINE void run(std::uint32_t* state, const std::uint8_t* const* streams, std::size_t steps) {
  Words<N> h[5];
  Words<N> w[16];
  std::memcpy(h, state, sizeof h);
  for (std::size_t i = 0; i < steps; ++i) {
    load<N>(w, streams, 64 * i);
    compress<N>(h, w);
  }
  std::memcpy(state, h, sizeof h);
}

}  // namespace

__attribute__((target("avx512f,avx512bw,avx512vl"))) void sha1_kernel_avx512_16(
    std::uint32_t* state, const std::uint8_t* const* streams, std::size_t steps) {
  run<16>(state, streams, steps);
}

__attribute__((target("avx512f,avx512bw,avx512vl"))) void sha1_kernel_avx512_8(
    std::uint32_t* state, const std::uint8_t* const* streams, std::size_t steps) {
  run<8>(state, streams, steps);
}

__attribute__((target("avx2"))) void sha1_kernel_avx2_8(std::uint32_t* state,
                                                        const std::uint8_t* const* streams,
                                                        std::size_t steps) {
  run<8>(state, streams, steps);
}

}  // namespace p2p
