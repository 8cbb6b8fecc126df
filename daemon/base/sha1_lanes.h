// SPDX-License-Identifier: MIT
// SHA-1 of several streams side by side, each in one lane of the processor's vectors. A single stream gains
// nothing: SHA-1 is serial. See digest_batch.h for who chooses the instructions; without suitable ones, and
// while only a few streams move, OpenSSL hashes them one after the other.
//
// A stream is its state and nothing else, so it can be kept and gone on with. Value types, no thread of their
// own.
#pragma once

#include <array>
#include <span>

#include "daemon/base/digest_batch.h"

namespace p2p {

struct Sha1State {
  static constexpr std::size_t kStepBytes = 64;

  std::array<std::uint32_t, 5> words{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  std::uint64_t bytes = 0;                      // that went in
  std::array<std::uint8_t, kStepBytes> rest{};  // of them the last bytes % kStepBytes, not hashed yet

  void update(ByteSpan more);  // one stream, by OpenSSL
  Sha1 digest() const;
};

inline constexpr std::size_t kSha1LanesMax = 16;

// Carries each stream on by its part. At most kSha1LanesMax streams; a part may be empty, and is whole steps
// of 64 bytes unless it is the last of its stream.
void update_side_by_side(std::span<Sha1State* const> streams, std::span<const ByteSpan> parts,
                         Instructions with = best_for_sha1());

}  // namespace p2p
