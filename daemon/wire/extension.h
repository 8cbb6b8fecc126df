// SPDX-License-Identifier: MIT
// The extension handshake (BEP 10): the payload of wire::Extended with id 0. What one side can do beyond
// BEP 3 and 6, and under which message ids.
//
// Keys that we do not know are ignored; a key that we know with a value of another type, or out of
// range, counts as absent. Only a text that is no canonical dictionary at all is an error.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "daemon/base/bytes.h"
#include "daemon/wire/bencode.h"

namespace p2p::wire {

inline constexpr std::uint8_t kExtensionHandshakeId = 0;
inline constexpr std::size_t kExtensionNames = 64;      // entries of "m" that are kept, of one peer
inline constexpr std::size_t kExtensionNameBytes = 32;  // longer names are ignored

struct ExtensionHandshake {
  // "v": program and version. As received it is printable and at most kClientNameBytes long.
  std::string client;
  // "reqq": requests that this side lets wait.
  std::optional<std::uint32_t> request_queue;
  // "m": name of an extension message -> the id under which this side wants to get it, never 0.
  std::map<std::string, std::uint8_t> messages;
  bool operator==(const ExtensionHandshake&) const = default;
};

Bytes encode_extension_handshake(const ExtensionHandshake& handshake);
tl::expected<ExtensionHandshake, BencodeError> decode_extension_handshake(ByteSpan payload);

}  // namespace p2p::wire
