// SPDX-License-Identifier: MIT
// The extension handshake (BEP 10): the payload of wire::Extended with id 0. What one side can do beyond
// BEP 3 and 6, and under which message ids. And the one extension spoken here: ut_metadata (BEP 9), by
// which a member that knows only an info-hash gets the info dictionary, in blocks of
// limits::kMetadataBlockBytes.
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
  // "metadata_size" (BEP 9): bytes of the info dictionary, for who can give it.
  std::optional<std::uint64_t> metadata_bytes;
  // "p2p_directs": 1 asks the other side to request only what this side suggests (BEP 6), until a later
  // handshake says 0. Ours; others ignore it.
  std::optional<bool> directs;
  // "p2p_request": a request may be for several blocks of a piece, so many bytes at most. It stands for as
  // many requests of a block each, and is answered block by block. Ours; without it requests are of one
  // block.
  std::optional<std::uint32_t> request_bytes;
  bool operator==(const ExtensionHandshake&) const = default;
};

Bytes encode_extension_handshake(const ExtensionHandshake& handshake);
tl::expected<ExtensionHandshake, BencodeError> decode_extension_handshake(ByteSpan payload);

// --- BEP 9 -----------------------------------------------------------------------------------------
inline constexpr std::string_view kMetadataName = "ut_metadata";
inline constexpr std::uint8_t kMetadataId = 1;  // under which we want to get it

struct MetadataMessage {
  enum class Kind : std::uint8_t { Request = 0, Block = 1, Reject = 2 };
  Kind kind = Kind::Request;
  std::uint32_t block = 0;
  std::uint64_t total = 0;  // Block only: bytes of the info dictionary
  ByteSpan data;            // Block only; points into what was decoded
};
Bytes encode_metadata_message(const MetadataMessage& message);
// Nothing: not such a message, or one of a kind that is not known (BEP 9: ignore it).
std::optional<MetadataMessage> decode_metadata_message(ByteSpan payload);

}  // namespace p2p::wire
