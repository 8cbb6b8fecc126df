// SPDX-License-Identifier: MIT
// The first frame on a peer link, inside TLS and before any BitTorrent byte: who asks for what, and the
// grant that allows it. Fixed layout, at most limits::kFirstFrameBytes with its length prefix:
//
//   u32 length of what follows (big-endian)
//   u8[4] magic "p2ph" · u16 version · u8[32] group id · u8[32] v2 info-hash · u16 grant length · grant
//
// The dialler sends its hello once TLS has proved the acceptor's device key; the acceptor answers with
// its own only if it accepts, otherwise it closes without a byte. Trailing bytes are an error. The grant
// is opaque here; daemon/trust/statements.h parses and verifies it.
#pragma once

#include <optional>
#include <tl/expected.hpp>

#include "daemon/base/bytes.h"
#include "daemon/base/ids.h"

namespace p2p::wire {

inline constexpr std::uint16_t kHelloVersion = 1;

struct Hello {
  std::uint16_t version = kHelloVersion;
  ShareKey share;
  Bytes grant;
};

enum class HelloError : std::uint8_t {
  TooLong,    // longer than a first frame may be
  Malformed,  // wrong magic, wrong field length, trailing bytes
  Version,    // a version we do not speak
};

Bytes encode_hello(const Hello& hello);  // with the length prefix

// Looks at the bytes received so far. Nothing while more are needed; `used` is then 0. On success `used`
// is the number of bytes that the hello took; what follows is BitTorrent.
tl::expected<std::optional<Hello>, HelloError> decode_hello(ByteSpan bytes, std::size_t& used);

}  // namespace p2p::wire
