// SPDX-License-Identifier: MIT
#include "daemon/wire/handshake.h"

#include <algorithm>

#include "daemon/base/check.h"

namespace p2p::wire {
namespace {

constexpr std::string_view kProtocol =
    "\x13"
    "BitTorrent protocol";
constexpr std::size_t kReservedBytes = 8;
constexpr std::size_t kExtensionByte = 5;
constexpr std::size_t kFastByte = 7;
constexpr std::size_t kHybridByte = 7;
constexpr std::uint8_t kExtensionBit = 0x10;
constexpr std::uint8_t kFastBit = 0x04;
constexpr std::uint8_t kHybridBit = 0x10;

static_assert(kProtocol.size() + kReservedBytes + InfoHashV1::kSize + WirePeerId::kSize == kHandshakeBytes);

}  // namespace

std::array<std::uint8_t, kHandshakeBytes> encode_handshake(const Handshake& handshake) {
  std::array<std::uint8_t, kReservedBytes> reserved{};
  const auto set = [&](bool on, std::size_t byte, std::uint8_t bit) {
    if (on) reserved[byte] = static_cast<std::uint8_t>(reserved[byte] | bit);
  };
  set(handshake.features.extensions, kExtensionByte, kExtensionBit);
  set(handshake.features.fast, kFastByte, kFastBit);
  set(handshake.features.hybrid, kHybridByte, kHybridBit);

  std::array<std::uint8_t, kHandshakeBytes> out{};
  auto at = out.begin();
  for (const auto part :
       {as_bytes(kProtocol), ByteSpan(reserved), handshake.info_hash.view(), handshake.peer_id.view()})
    at = std::copy(part.begin(), part.end(), at);
  CHECK(at == out.end());
  return out;
}

tl::expected<std::optional<Handshake>, HandshakeError> decode_handshake(ByteSpan bytes, std::size_t& used) {
  used = 0;
  const auto begin = as_text(bytes.first(std::min(bytes.size(), kProtocol.size())));
  if (!kProtocol.starts_with(begin)) return tl::unexpected(HandshakeError::OtherProtocol);
  if (bytes.size() < kHandshakeBytes) return std::nullopt;

  ByteReader reader(bytes.subspan(kProtocol.size()));
  const auto reserved = reader.bytes(kReservedBytes);
  Handshake handshake;
  handshake.features.extensions = (reserved[kExtensionByte] & kExtensionBit) != 0;
  handshake.features.fast = (reserved[kFastByte] & kFastBit) != 0;
  handshake.features.hybrid = (reserved[kHybridByte] & kHybridBit) != 0;
  handshake.info_hash = *InfoHashV1::from(reader.bytes(InfoHashV1::kSize));
  handshake.peer_id = *WirePeerId::from(reader.bytes(WirePeerId::kSize));
  used = kHandshakeBytes;
  return handshake;
}

}  // namespace p2p::wire
