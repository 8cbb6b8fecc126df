// SPDX-License-Identifier: MIT
#include "daemon/wire/message.h"

#include <algorithm>
#include <type_traits>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"

namespace p2p::wire {
namespace {

constexpr std::size_t kPrefixBytes = 4;
constexpr std::size_t kHeadBytes = kPrefixBytes + 1;  // with the message id
constexpr std::uint32_t kBlockSpanBytes = 12;
constexpr std::uint32_t kPieceHeadBytes = 8;  // piece index and begin
constexpr std::uint32_t kHashRangeBytes = Sha256::kSize + 4 * 4;
constexpr std::uint32_t kHashesBytes =
    (limits::kHashesPerMessage + limits::kHashProofLayers) * static_cast<std::uint32_t>(Sha256::kSize);

// A buffer that grew beyond this for a rare message is given back when the message is done.
constexpr std::size_t kRetainedBytes = 64 * limits::kKiB;

enum class MessageId : std::uint8_t {
  Choke = 0,
  Unchoke = 1,
  Interested = 2,
  NotInterested = 3,
  Have = 4,
  Bitfield = 5,
  Request = 6,
  Piece = 7,
  Cancel = 8,
  Suggest = 13,
  HaveAll = 14,
  HaveNone = 15,
  Reject = 16,
  AllowedFast = 17,
  Extended = 20,
  HashRequest = 21,
  Hashes = 22,
  HashReject = 23,
};

// What the length prefix may say for a message id; it counts the id.
struct Lengths {
  std::uint32_t min;
  std::uint32_t max;
};

Lengths lengths_of(std::uint8_t id) {
  switch (static_cast<MessageId>(id)) {
    case MessageId::Choke:
    case MessageId::Unchoke:
    case MessageId::Interested:
    case MessageId::NotInterested:
    case MessageId::HaveAll:
    case MessageId::HaveNone: return {1, 1};
    case MessageId::Have:
    case MessageId::Suggest:
    case MessageId::AllowedFast: return {1 + 4, 1 + 4};
    case MessageId::Request:
    case MessageId::Cancel:
    case MessageId::Reject: return {1 + kBlockSpanBytes, 1 + kBlockSpanBytes};
    case MessageId::Bitfield: return {1 + 1, 1 + limits::kBitfieldBytes};
    case MessageId::Piece: return {1 + kPieceHeadBytes + 1, 1 + kPieceHeadBytes + kPiecePayloadBytes};
    case MessageId::Extended: return {1 + 1, 1 + 1 + limits::kExtensionBytes};
    case MessageId::HashRequest:
    case MessageId::HashReject: return {1 + kHashRangeBytes, 1 + kHashRangeBytes};
    case MessageId::Hashes: return {1 + kHashRangeBytes + Sha256::kSize, 1 + kHashRangeBytes + kHashesBytes};
  }
  return {1, kUnknownBytes};
}

// Bytes of the message that begins here, with its prefix: nothing while too few are there to know. Every
// length is judged here, before a byte is kept for it.
tl::expected<std::optional<std::size_t>, DecodeError> message_bytes(ByteSpan begin) {
  if (begin.size() < kPrefixBytes) return std::nullopt;
  const std::uint32_t length = ByteReader(begin).u32();
  if (length == 0) return kPrefixBytes;
  if (begin.size() < kHeadBytes) return std::nullopt;
  const auto [min, max] = lengths_of(begin[kPrefixBytes]);
  if (length < min) return tl::unexpected(DecodeError::WrongLength);
  if (length > max) return tl::unexpected(min == max ? DecodeError::WrongLength : DecodeError::TooLong);
  return kPrefixBytes + length;
}

PieceIndex read_piece(ByteReader& reader) { return PieceIndex{reader.u32()}; }

BlockSpan read_block(ByteReader& reader) {
  BlockSpan block;
  block.piece = read_piece(reader);
  block.begin = reader.u32();
  block.length = reader.u32();
  return block;
}

HashRange read_hash_range(ByteReader& reader) {
  HashRange range;
  range.root = Sha256::from(reader.bytes(Sha256::kSize)).value_or(Sha256{});
  range.base_layer = reader.u32();
  range.index = reader.u32();
  range.length = reader.u32();
  range.proof_layers = reader.u32();
  return range;
}

Piece read_block_data(ByteReader& reader) {
  Piece message;
  message.block.piece = read_piece(reader);
  message.block.begin = reader.u32();
  message.data = reader.rest();
  message.block.length = static_cast<std::uint32_t>(message.data.size());
  return message;
}

// A whole message whose length message_bytes() has accepted.
Message parse(ByteSpan message) {
  if (message.size() == kPrefixBytes) return KeepAlive{};
  ByteReader reader(message.subspan(kPrefixBytes));
  const std::uint8_t id = reader.u8();
  switch (static_cast<MessageId>(id)) {
    case MessageId::Choke: return Choke{};
    case MessageId::Unchoke: return Unchoke{};
    case MessageId::Interested: return Interested{};
    case MessageId::NotInterested: return NotInterested{};
    case MessageId::Have: return Have{read_piece(reader)};
    case MessageId::Bitfield: return BitfieldMessage{to_bytes(reader.rest())};
    case MessageId::Request: return Request{read_block(reader)};
    case MessageId::Piece: return read_block_data(reader);
    case MessageId::Cancel: return Cancel{read_block(reader)};
    case MessageId::Suggest: return Suggest{read_piece(reader)};
    case MessageId::HaveAll: return HaveAll{};
    case MessageId::HaveNone: return HaveNone{};
    case MessageId::Reject: return Reject{read_block(reader)};
    case MessageId::AllowedFast: return AllowedFast{read_piece(reader)};
    case MessageId::Extended: {
      const std::uint8_t extension = reader.u8();
      return Extended{extension, to_bytes(reader.rest())};
    }
    case MessageId::HashRequest: return HashRequest{read_hash_range(reader)};
    case MessageId::Hashes: {
      const auto range = read_hash_range(reader);
      return Hashes{range, to_bytes(reader.rest())};
    }
    case MessageId::HashReject: return HashReject{read_hash_range(reader)};
  }
  return Unknown{id};
}

// Appends one message's fields to what the caller sends next.
class Encoder {
 public:
  explicit Encoder(Bytes& out) : out_(out) {}

  void operator()(const KeepAlive&) { number(0); }
  void operator()(const Choke&) { head(MessageId::Choke, 0); }
  void operator()(const Unchoke&) { head(MessageId::Unchoke, 0); }
  void operator()(const Interested&) { head(MessageId::Interested, 0); }
  void operator()(const NotInterested&) { head(MessageId::NotInterested, 0); }
  void operator()(const Have& have) { piece(MessageId::Have, have.piece); }
  void operator()(const BitfieldMessage& bitfield) {
    head(MessageId::Bitfield, bitfield.bits.size());
    bytes(bitfield.bits);
  }
  void operator()(const Request& request) { block(MessageId::Request, request.block); }
  void operator()(const Piece& piece) {
    CHECK(piece.block.length == piece.data.size());
    bytes(encode_piece_head(piece.block));
    bytes(piece.data);
  }
  void operator()(const Cancel& cancel) { block(MessageId::Cancel, cancel.block); }
  void operator()(const HaveAll&) { head(MessageId::HaveAll, 0); }
  void operator()(const HaveNone&) { head(MessageId::HaveNone, 0); }
  void operator()(const Suggest& suggest) { piece(MessageId::Suggest, suggest.piece); }
  void operator()(const Reject& reject) { block(MessageId::Reject, reject.block); }
  void operator()(const AllowedFast& allowed) { piece(MessageId::AllowedFast, allowed.piece); }
  void operator()(const Extended& extended) {
    head(MessageId::Extended, 1 + extended.payload.size());
    out_.push_back(extended.id);
    bytes(extended.payload);
  }
  void operator()(const HashRequest& request) { hash_range(MessageId::HashRequest, request.range, 0); }
  void operator()(const Hashes& hashes) {
    hash_range(MessageId::Hashes, hashes.range, hashes.hashes.size());
    bytes(hashes.hashes);
  }
  void operator()(const HashReject& reject) { hash_range(MessageId::HashReject, reject.range, 0); }
  void operator()(const Unknown& unknown) { head(static_cast<MessageId>(unknown.id), 0); }

 private:
  void number(std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out_.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  void bytes(ByteSpan value) { out_.insert(out_.end(), value.begin(), value.end()); }
  void head(MessageId id, std::size_t payload_bytes) {
    number(static_cast<std::uint32_t>(1 + payload_bytes));
    out_.push_back(static_cast<std::uint8_t>(id));
  }
  void piece(MessageId id, PieceIndex piece) {
    head(id, 4);
    number(piece.value);
  }
  void block(MessageId id, const BlockSpan& block) {
    head(id, kBlockSpanBytes);
    number(block.piece.value);
    number(block.begin);
    number(block.length);
  }
  void hash_range(MessageId id, const HashRange& range, std::size_t hash_bytes) {
    head(id, kHashRangeBytes + hash_bytes);
    bytes(range.root.bytes);
    number(range.base_layer);
    number(range.index);
    number(range.length);
    number(range.proof_layers);
  }
  Bytes& out_;
};

}  // namespace

std::string_view describe(DecodeError error) {
  switch (error) {
    case DecodeError::TooLong: return "a message is longer than its kind may be";
    case DecodeError::WrongLength: return "a message has a length that its kind cannot have";
  }
  return "unknown";
}

MessageDecoder::MessageDecoder() = default;

void MessageDecoder::feed(ByteSpan bytes) {
  CHECK(input_.empty());
  if (!error_) input_ = bytes;
}

MessageDecoder::Next MessageDecoder::next() {
  if (error_) return tl::unexpected(*error_);
  return partial_.empty() ? next_whole() : next_partial();
}

// The input begins with a message: take it where it lies, or keep what is there of it.
MessageDecoder::Next MessageDecoder::next_whole() {
  const auto size = message_bytes(input_);
  if (!size) return broken(size.error());
  if (*size && **size <= input_.size()) {
    const auto message = input_.first(**size);
    input_ = input_.subspan(**size);
    return parse(message);
  }
  if (*size) partial_.reserve(**size);
  take(input_.size());
  return std::nullopt;
}

// The input continues a message. It completes at most once per feed, so that the Piece span into
// completed_ stays good until the next one.
MessageDecoder::Next MessageDecoder::next_partial() {
  // The prefix alone first: a keep-alive ends there.
  take(kPrefixBytes);
  auto size = message_bytes(partial_);
  if (size && !*size) {
    take(kHeadBytes);
    size = message_bytes(partial_);
  }
  if (!size) return broken(size.error());
  if (!*size) return std::nullopt;
  partial_.reserve(**size);
  take(**size);
  if (partial_.size() < **size) return std::nullopt;

  completed_.swap(partial_);
  partial_.clear();
  auto message = parse(completed_);
  if (!std::holds_alternative<Piece>(message) && completed_.capacity() > kRetainedBytes) completed_ = Bytes();
  return message;
}

// Moves bytes from the input until partial_ has `target` of them or the input is used up.
void MessageDecoder::take(std::size_t target) {
  if (partial_.size() >= target) return;
  const auto bytes = input_.first(std::min(input_.size(), target - partial_.size()));
  partial_.insert(partial_.end(), bytes.begin(), bytes.end());
  input_ = input_.subspan(bytes.size());
}

MessageDecoder::Next MessageDecoder::broken(DecodeError error) {
  error_ = error;
  input_ = {};
  return tl::unexpected(error);
}

std::vector<BlockSpan> blocks_of(const BlockSpan& request) {
  std::vector<BlockSpan> blocks;
  for (std::uint32_t at = 0; at < request.length; at += limits::kBlockBytes)
    blocks.push_back({request.piece, request.begin + at, std::min(limits::kBlockBytes, request.length - at)});
  return blocks;
}

void encode(const Message& message, Bytes& out) { std::visit(Encoder(out), message); }

std::array<std::uint8_t, 13> encode_piece_head(const BlockSpan& block) {
  std::array<std::uint8_t, 13> head{};
  const auto put = [&head](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) head[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
  };
  put(0, 1 + kPieceHeadBytes + block.length);
  head[kPrefixBytes] = static_cast<std::uint8_t>(MessageId::Piece);
  put(5, block.piece.value);
  put(9, block.begin);
  return head;
}

}  // namespace p2p::wire
