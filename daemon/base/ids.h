// SPDX-License-Identifier: MIT
// The identifiers of the system, each a type of its own: none converts to another or to a number.
//
// An Id is a fixed byte string; ids order and print (lower-case hex) but carry no meaning. An Index
// counts from zero; code compares indices and adds counts explicitly through `value`.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "daemon/base/bytes.h"

namespace p2p {

template <class Tag, std::size_t N>
struct Id {
  static constexpr std::size_t kSize = N;
  std::array<std::uint8_t, N> bytes{};

  static std::optional<Id> from(ByteSpan span) {
    if (span.size() != N) return std::nullopt;
    Id id;
    std::copy(span.begin(), span.end(), id.bytes.begin());
    return id;
  }
  static std::optional<Id> from(std::string_view raw) { return from(as_bytes(raw)); }
  static std::optional<Id> from_hex(std::string_view hex) {
    const auto decoded = p2p::from_hex(hex);
    return decoded ? from(ByteSpan(*decoded)) : std::nullopt;
  }

  ByteSpan view() const { return bytes; }
  std::string hex() const { return to_hex(bytes); }
  std::string raw() const { return to_string(bytes); }  // for protobuf `bytes` fields
  bool is_zero() const { return *this == Id{}; }
  auto operator<=>(const Id&) const = default;
};

using Sha1 = Id<struct Sha1Tag, 20>;
using Sha256 = Id<struct Sha256Tag, 32>;

using UserId = Id<struct UserTag, 16>;
using GroupId = Id<struct GroupTag, 32>;          // SHA-256 of the signed creation statement
using DeviceId = Id<struct DeviceTag, 32>;        // SHA-256 of the device key's SubjectPublicKeyInfo
using TrackerId = Id<struct TrackerTag, 32>;      // SHA-256 of the root key's SubjectPublicKeyInfo
using InfoHash = Id<struct InfoHashTag, 32>;      // v2 (BEP 52)
using InfoHashV1 = Id<struct InfoHashV1Tag, 20>;  // v1 (BEP 3)
using IdempotencyKey = Id<struct IdempotencyTag, 16>;
using DownloadId = Id<struct DownloadTag, 8>;
using WirePeerId = Id<struct WirePeerTag, 20>;  // BEP 3 peer_id

// A share is the same content in one group; the pair keys swarms, peers and resume state.
struct ShareKey {
  GroupId group;
  InfoHash info_hash;
  auto operator<=>(const ShareKey&) const = default;
};

template <class Tag>
struct Index {
  std::uint32_t value = 0;
  auto operator<=>(const Index&) const = default;
};

using PieceIndex = Index<struct PieceTag>;
using BlockIndex = Index<struct BlockTag>;  // within its piece

}  // namespace p2p
