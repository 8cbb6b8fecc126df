// SPDX-License-Identifier: MIT
// BitTorrent messages: BEP 3 (core), BEP 6 (fast extension), BEP 10 (extension envelope), BEP 52 (hashes).
//
// Pure. The decoder takes bytes as they come and gives whole messages; it checks every length against
// limits.h before it keeps a byte, but it does not know the share: whether a piece index exists is the
// swarm's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <tl/expected.hpp>
#include <variant>

#include "daemon/base/bytes.h"
#include "daemon/base/ids.h"

namespace p2p::wire {

// Part of a piece as requests name it. `begin` and `length` are bytes within the piece.
struct BlockSpan {
  PieceIndex piece;
  std::uint32_t begin = 0;
  std::uint32_t length = 0;
  auto operator<=>(const BlockSpan&) const = default;
};

struct KeepAlive {};
struct Choke {};
struct Unchoke {};
struct Interested {};
struct NotInterested {};
struct Have {
  PieceIndex piece;
};
struct BitfieldMessage {
  Bytes bits;  // most significant bit first
};
// Of one block or a part of it; where the other side takes that ("p2p_request" in extension.h) of several
// whole blocks of a piece, which stands for as many requests.
struct Request {
  BlockSpan block;
};
// `data` points into the decoder or into the bytes it was fed, and is valid until its next feed(). When
// encoding, use encode_piece_head() and send the payload behind it.
struct Piece {
  BlockSpan block;
  ByteSpan data;
};
struct Cancel {
  BlockSpan block;
};
// BEP 6
struct HaveAll {};
struct HaveNone {};
struct Suggest {
  PieceIndex piece;
};
struct Reject {
  BlockSpan block;
};
struct AllowedFast {
  PieceIndex piece;
};
// BEP 10: id 0 is the extension handshake.
struct Extended {
  std::uint8_t id = 0;
  Bytes payload;
};
// BEP 52. Which hashes of a file's SHA-256 tree: `length` of them, a power of two, from `index`, a multiple
// of it, in the layer that lies `base_layer` above the leaves; and how many uncles above, for a proof.
struct HashRange {
  Sha256 root;  // the file's pieces root
  std::uint32_t base_layer = 0;
  std::uint32_t index = 0;
  std::uint32_t length = 0;
  std::uint32_t proof_layers = 0;
  auto operator<=>(const HashRange&) const = default;
};
struct HashRequest {
  HashRange range;
};
struct Hashes {
  HashRange range;
  Bytes hashes;  // 32 bytes each, then the uncles
};
struct HashReject {
  HashRange range;
};
// A message with an id we do not know; it is ignored (BEP 3 implementations do the same).
struct Unknown {
  std::uint8_t id = 0;
};

using Message = std::variant<KeepAlive, Choke, Unchoke, Interested, NotInterested, Have, BitfieldMessage,
                             Request, Piece, Cancel, HaveAll, HaveNone, Suggest, Reject, AllowedFast,
                             Extended, HashRequest, Hashes, HashReject, Unknown>;

// Messages that we ignore may be as long as this, counted by their length prefix.
inline constexpr std::uint32_t kUnknownBytes = 64 * 1024;
// The largest payload of a Piece: requests above limits::kBlockBytes are negotiated.
inline constexpr std::uint32_t kPiecePayloadBytes = 256 * 1024;

enum class DecodeError : std::uint8_t {
  TooLong,      // the length prefix exceeds what a message of this kind may have
  WrongLength,  // a fixed-size message has another size, or a bitfield or piece is impossibly short
};
std::string_view describe(DecodeError error);

class MessageDecoder {
 public:
  MessageDecoder();

  // `bytes` must stay valid until next() has given nothing: messages that lie in it whole are not
  // copied. Every call of next() until then belongs to this feed. The caller takes all messages out
  // before it feeds again; what is fed after an error is dropped.
  void feed(ByteSpan bytes);

  // The next message, nothing when more bytes are needed, or an error that ends the connection and is
  // given again by every later call.
  tl::expected<std::optional<Message>, DecodeError> next();

 private:
  using Next = tl::expected<std::optional<Message>, DecodeError>;
  Next next_whole();
  Next next_partial();
  void take(std::size_t target);
  Next broken(DecodeError error);

  ByteSpan input_;   // what was fed and not yet used
  Bytes partial_;    // the beginning of a message that does not lie in one feed
  Bytes completed_;  // the last such message once complete; its Piece span points here
  std::optional<DecodeError> error_;
};

// The requests that one stands for, block by block.
std::vector<BlockSpan> blocks_of(const BlockSpan& request);

// Appends the encoded message (with its length prefix) to `out`. A Piece is written with its data.
void encode(const Message& message, Bytes& out);

// The 13 bytes in front of a piece message's payload.
std::array<std::uint8_t, 13> encode_piece_head(const BlockSpan& block);

}  // namespace p2p::wire
