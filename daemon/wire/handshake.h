// SPDX-License-Identifier: MIT
// The 68 bytes that begin a BitTorrent connection (BEP 3): 19, "BitTorrent protocol", eight reserved
// bytes, info-hash, peer id. On our links they follow the hello.
#pragma once

#include <array>
#include <optional>
#include <tl/expected.hpp>

#include "daemon/base/bytes.h"
#include "daemon/base/ids.h"

namespace p2p::wire {

inline constexpr std::size_t kHandshakeBytes = 68;

// What the reserved bits say that a side can do. Bits that we do not know are ignored.
struct Features {
  bool fast = true;        // BEP 6, byte 7 bit 0x04
  bool extensions = true;  // BEP 10, byte 5 bit 0x10
  bool hybrid = true;      // BEP 52: the share also has a v2 info-hash; byte 7 bit 0x10
  bool operator==(const Features&) const = default;
};

struct Handshake {
  Features features;
  InfoHashV1 info_hash;
  WirePeerId peer_id;
  bool operator==(const Handshake&) const = default;
};

enum class HandshakeError : std::uint8_t {
  OtherProtocol,  // the first bytes are not those of BitTorrent
};

std::array<std::uint8_t, kHandshakeBytes> encode_handshake(const Handshake& handshake);

// Looks at the bytes received so far, from the first one. Nothing while more are needed; `used` is then
// 0. On success `used` is kHandshakeBytes; what follows are messages. A wrong beginning is an error at
// its first wrong byte: *Why:* who speaks something else may never send 68 bytes.
tl::expected<std::optional<Handshake>, HandshakeError> decode_handshake(ByteSpan bytes, std::size_t& used);

}  // namespace p2p::wire
