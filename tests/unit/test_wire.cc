// SPDX-License-Identifier: MIT
// What a link sends: hello, handshake, messages.
#include <algorithm>
#include <string>

#include "daemon/base/limits.h"
#include "daemon/wire/extension.h"
#include "daemon/wire/handshake.h"
#include "daemon/wire/hello.h"
#include "daemon/wire/message.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using namespace p2p::wire;

namespace {

// --- Handshake ---------------------------------------------------------------------------------

Handshake some_handshake() {
  Handshake handshake;
  handshake.info_hash.bytes.fill(0xaa);
  handshake.peer_id.bytes.fill(0xbb);
  return handshake;
}

TEST(handshake_has_the_layout_of_bep_3_and_the_bits_of_6_10_and_52) {
  const auto bytes = encode_handshake(some_handshake());

  EXPECT_EQ(to_hex(bytes),
            "13426974546f7272656e742070726f746f636f6c"
            "0000000000100014" +
                to_hex(Bytes(20, 0xaa)) + to_hex(Bytes(20, 0xbb)));
}

TEST(handshake_survives_encoding_with_every_set_of_features) {
  for (unsigned bits = 0; bits < 8; ++bits) {
    auto handshake = some_handshake();
    handshake.features = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    std::size_t used = 0;

    const auto decoded = decode_handshake(encode_handshake(handshake), used);

    EXPECT(decoded && *decoded);
    EXPECT(**decoded == handshake);
    EXPECT_EQ(used, kHandshakeBytes);
  }
}

TEST(unknown_reserved_bits_are_ignored_and_what_follows_is_left) {
  const auto encoded = encode_handshake(some_handshake());
  Bytes bytes(encoded.begin(), encoded.end());
  for (std::size_t i = 20; i < 28; ++i) bytes[i] = 0xff;
  bytes.push_back(0);
  std::size_t used = 0;

  const auto decoded = decode_handshake(bytes, used);

  EXPECT(decoded && *decoded);
  EXPECT(**decoded == some_handshake());
  EXPECT_EQ(used, kHandshakeBytes);
}

TEST(truncated_handshake_waits_and_a_wrong_one_fails_at_its_first_wrong_byte) {
  const auto good = encode_handshake(some_handshake());
  std::size_t used = 7;
  for (std::size_t length = 0; length < good.size(); ++length) {
    const auto decoded = decode_handshake(ByteSpan(good).first(length), used);
    EXPECT(decoded && !*decoded);
    EXPECT_EQ(used, 0u);
  }

  EXPECT(!decode_handshake(as_bytes("G"), used));
  EXPECT(!decode_handshake(as_bytes("\x13"
                                    "BitTorrent protocoL"),
                           used));
}

// --- Hello -------------------------------------------------------------------------------------

Hello some_hello(std::size_t grant_bytes) {
  Hello hello;
  hello.share.group.bytes.fill(1);
  hello.share.info_hash.bytes.fill(2);
  hello.grant = Bytes(grant_bytes, 3);
  return hello;
}

// The error of a hello that must not be accepted.
HelloError hello_error(ByteSpan bytes) {
  std::size_t used = 7;
  const auto decoded = decode_hello(bytes, used);
  EXPECT(!decoded);
  EXPECT_EQ(used, 0u);
  return decoded.error();
}

TEST(hello_survives_encoding_and_leaves_what_follows) {
  for (const std::size_t grant_bytes : {std::size_t{0}, std::size_t{1}, limits::kGrantBytes}) {
    auto bytes = encode_hello(some_hello(grant_bytes));
    const auto size = bytes.size();
    bytes.push_back(0x13);
    std::size_t used = 0;

    const auto decoded = decode_hello(bytes, used);

    EXPECT(decoded && *decoded);
    EXPECT((*decoded)->share == some_hello(0).share);
    EXPECT_EQ((*decoded)->grant.size(), grant_bytes);
    EXPECT_EQ((*decoded)->version, kHelloVersion);
    EXPECT_EQ(used, size);
  }
}

TEST(hello_has_the_layout_of_its_header) {
  const auto bytes = encode_hello(some_hello(2));

  EXPECT_EQ(to_hex(bytes),
            "0000004a"
            "70327068"
            "0001" +
                to_hex(Bytes(32, 1)) + to_hex(Bytes(32, 2)) + "00020303");
}

TEST(every_beginning_of_a_hello_waits_for_more) {
  const auto bytes = encode_hello(some_hello(40));

  for (std::size_t length = 0; length < bytes.size(); ++length) {
    std::size_t used = 7;
    const auto decoded = decode_hello(ByteSpan(bytes).first(length), used);
    EXPECT(decoded && !*decoded);
    EXPECT_EQ(used, 0u);
  }
}

TEST(hello_at_the_frame_limit_is_waited_for_and_one_byte_more_is_not) {
  LIMIT_AT(limits::kFirstFrameBytes);
  ByteWriter limit;
  limit.u32(static_cast<std::uint32_t>(limits::kFirstFrameBytes - 4));
  std::size_t used = 0;
  const auto decoded = decode_hello(limit.view(), used);
  EXPECT(decoded && !*decoded);

  LIMIT_ABOVE(limits::kFirstFrameBytes);
  ByteWriter over;
  over.u32(static_cast<std::uint32_t>(limits::kFirstFrameBytes - 3));
  EXPECT_EQ(hello_error(over.view()), HelloError::TooLong);
  EXPECT_EQ(hello_error(Bytes(4, 0xff)), HelloError::TooLong);
}

TEST(malformed_hellos_are_refused) {
  const auto good = encode_hello(some_hello(8));
  const auto changed = [&](std::size_t at, std::uint8_t value) {
    auto bytes = good;
    bytes[at] = value;
    return bytes;
  };
  const std::size_t grant_length = 4 + 4 + 2 + 32 + 32 + 1;

  EXPECT_EQ(hello_error(changed(4, 'q')), HelloError::Malformed);
  EXPECT_EQ(hello_error(changed(grant_length, 7)), HelloError::Malformed);
  EXPECT_EQ(hello_error(changed(grant_length, 9)), HelloError::Malformed);
  EXPECT_EQ(hello_error(changed(3, 5)), HelloError::Malformed);
  EXPECT_EQ(hello_error(changed(3, 30)), HelloError::Malformed);
  EXPECT_EQ(hello_error(Bytes(4, 0)), HelloError::Malformed);
}

TEST(grant_over_its_limit_is_refused_though_the_frame_would_fit) {
  auto bytes = encode_hello(some_hello(limits::kGrantBytes));
  LIMIT_AT(limits::kGrantBytes);
  std::size_t used = 0;
  EXPECT_EQ((*decode_hello(bytes, used))->grant.size(), limits::kGrantBytes);

  bytes.push_back(3);
  const auto length = bytes.size() - 4;
  bytes[2] = static_cast<std::uint8_t>(length >> 8);
  bytes[3] = static_cast<std::uint8_t>(length);
  const auto grant = limits::kGrantBytes + 1;
  bytes[4 + 70] = static_cast<std::uint8_t>(grant >> 8);
  bytes[4 + 71] = static_cast<std::uint8_t>(grant);

  LIMIT_ABOVE(limits::kGrantBytes);
  EXPECT_EQ(hello_error(bytes), HelloError::Malformed);
}

TEST(another_version_is_told_apart_whatever_its_layout) {
  ByteWriter writer;
  writer.u32(9);
  writer.bytes(as_bytes("p2ph"));
  writer.u16(kHelloVersion + 1);
  writer.bytes(as_bytes("new"));

  EXPECT_EQ(hello_error(writer.view()), HelloError::Version);
}

// --- Messages ----------------------------------------------------------------------------------

// What came out of a decoder, as text: one line per message, then the error if there was one.
struct Heard {
  std::string lines;
  std::optional<DecodeError> error;
  bool operator==(const Heard&) const = default;
};

void drain(MessageDecoder& decoder, Heard& heard) {
  while (true) {
    const auto message = decoder.next();
    if (!message) {
      heard.error = message.error();
      return;
    }
    if (!*message) return;
    Bytes again;
    encode(**message, again);
    heard.lines += fmt::format("{} {}\n", (*message)->index(), to_hex(again));
  }
}

Heard heard_in_chunks(ByteSpan bytes, std::size_t chunk) {
  MessageDecoder decoder;
  Heard heard;
  while (!bytes.empty() && !heard.error) {
    // A copy that dies after the feed, so that a span kept too long is noticed.
    const Bytes fed = to_bytes(bytes.first(std::min(chunk, bytes.size())));
    bytes = bytes.subspan(fed.size());
    decoder.feed(fed);
    drain(decoder, heard);
  }
  return heard;
}

std::optional<DecodeError> message_error(ByteSpan bytes) {
  return heard_in_chunks(bytes, bytes.size()).error;
}

// The prefix and the id of a message, without what should follow.
Bytes head(std::size_t length, std::uint8_t id) {
  ByteWriter writer;
  writer.u32(static_cast<std::uint32_t>(length));
  writer.u8(id);
  return writer.take();
}

Bytes one_of_each() {
  const Bytes data(50, 9);
  const BlockSpan block{PieceIndex{7}, 16384, 16384};
  const Message messages[] = {
      KeepAlive{},
      Choke{},
      Unchoke{},
      Interested{},
      NotInterested{},
      KeepAlive{},
      KeepAlive{},
      Have{PieceIndex{0x01020304}},
      BitfieldMessage{Bytes{0xff, 0x80}},
      Request{block},
      Piece{{PieceIndex{7}, 16384, 50}, data},
      Cancel{block},
      HaveAll{},
      HaveNone{},
      Suggest{PieceIndex{5}},
      Reject{block},
      AllowedFast{PieceIndex{6}},
      Extended{0, Bytes{'d', 'e'}},
      Extended{3, {}},
      HashRequest{{Sha256{}, 4, 512, 512, 0}},
      Hashes{{Sha256{}, 4, 2, 2, 1}, Bytes(3 * 32, 7)},
      HashReject{{Sha256{}, 4, 512, 512, 0}},
      Unknown{9},
      Piece{{PieceIndex{8}, 0, 50}, data},
  };
  Bytes out;
  for (const auto& message : messages) encode(message, out);
  return out;
}

TEST(messages_have_the_layout_of_their_specifications) {
  Bytes out;
  encode(Have{PieceIndex{258}}, out);
  EXPECT_EQ(to_hex(out), "000000050400000102");
  out.clear();
  encode(Request{{PieceIndex{1}, 2, 3}}, out);
  EXPECT_EQ(to_hex(out), "0000000d06000000010000000200000003");
  out.clear();
  const Bytes data{0xab};
  encode(Piece{{PieceIndex{1}, 2, 1}, data}, out);
  EXPECT_EQ(to_hex(out), "0000000a070000000100000002ab");
  out.clear();
  encode(Extended{1, Bytes{2}}, out);
  EXPECT_EQ(to_hex(out), "00000003140102");
  out.clear();
  encode(KeepAlive{}, out);
  EXPECT_EQ(to_hex(out), "00000000");
  out.clear();
  Sha256 root;
  root.bytes.fill(0xcd);
  encode(HashRequest{{root, 4, 512, 256, 3}}, out);
  EXPECT_EQ(to_hex(out), "0000003115" + to_hex(root.view()) + "00000004000002000000010000000003");
}

TEST(hashes_at_their_limit_are_taken_and_one_more_is_not) {
  const std::size_t most = limits::kHashesPerMessage + limits::kHashProofLayers;
  Bytes out;
  LIMIT_AT(limits::kHashesPerMessage);
  LIMIT_AT(limits::kHashProofLayers);
  encode(Hashes{{}, Bytes(most * 32)}, out);
  EXPECT(!message_error(out));
  out.clear();
  LIMIT_ABOVE(limits::kHashesPerMessage);
  LIMIT_ABOVE(limits::kHashProofLayers);
  encode(Hashes{{}, Bytes((most + 1) * 32)}, out);
  EXPECT(message_error(out) == DecodeError::TooLong);
  EXPECT(message_error(head(1 + 48, 22)) == DecodeError::WrongLength);
  EXPECT(message_error(head(1 + 47, 21)) == DecodeError::WrongLength);
  EXPECT(message_error(head(1 + 49, 23)) == DecodeError::WrongLength);
}

TEST(metadata_messages_have_the_layout_of_bep_9_and_survive_encoding) {
  using Kind = MetadataMessage::Kind;
  EXPECT_EQ(to_string(encode_metadata_message({Kind::Request, 3, 0, {}})), "d8:msg_typei0e5:piecei3ee");
  EXPECT_EQ(to_string(encode_metadata_message({Kind::Block, 0, 34256, as_bytes("xx")})),
            "d8:msg_typei1e5:piecei0e10:total_sizei34256eexx");
  const auto block = encode_metadata_message({Kind::Block, 7, 99, as_bytes("data")});

  const auto decoded = decode_metadata_message(block);

  EXPECT(decoded && decoded->kind == Kind::Block && decoded->block == 7 && decoded->total == 99);
  EXPECT_EQ(to_string(decoded->data), "data");
  EXPECT(decode_metadata_message(encode_metadata_message({Kind::Reject, 1, 0, {}}))->kind == Kind::Reject);
}

TEST(what_is_no_metadata_message_is_nothing) {
  for (const auto* text : {"", "de", "i1e", "d8:msg_typei0ee", "d5:piecei0ee", "d8:msg_typei3e5:piecei0ee",
                           "d8:msg_typei0e5:piecei-1ee", "d8:msg_typei0e5:piecei0eex",
                           "d8:msg_typei0e5:piecei4294967296ee", "d8:msg_typei1e5:piecei0eexx"})
    EXPECT(!decode_metadata_message(as_bytes(text)));
}

TEST(byte_by_byte_feeding_equals_whole_feeding) {
  const auto bytes = one_of_each();
  const auto whole = heard_in_chunks(bytes, bytes.size());

  EXPECT(!whole.error);
  EXPECT_EQ(std::count(whole.lines.begin(), whole.lines.end(), '\n'), 24);
  for (std::size_t chunk = 1; chunk < bytes.size(); ++chunk) EXPECT(heard_in_chunks(bytes, chunk) == whole);
}

TEST(truncated_messages_wait_for_more_bytes) {
  const auto bytes = one_of_each();
  const auto whole = heard_in_chunks(bytes, bytes.size());

  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto heard = heard_in_chunks(ByteSpan(bytes).first(length), 7);
    EXPECT(!heard.error);
    EXPECT(heard.lines.size() < whole.lines.size() && whole.lines.starts_with(heard.lines));
  }
}

TEST(piece_that_lies_whole_in_the_feed_is_not_copied) {
  Bytes bytes;
  const Bytes data(16384, 5);
  encode(Piece{{PieceIndex{0}, 0, 16384}, data}, bytes);
  MessageDecoder decoder;

  decoder.feed(bytes);

  const auto message = decoder.next();
  EXPECT_EQ(std::get<Piece>(**message).data.data(), bytes.data() + 13);
}

TEST(piece_from_two_feeds_stays_valid_until_the_next_feed) {
  Bytes bytes;
  const Bytes first(1000, 1);
  const Bytes second(1000, 2);
  encode(Piece{{PieceIndex{0}, 0, 1000}, first}, bytes);
  encode(Piece{{PieceIndex{0}, 1000, 1000}, second}, bytes);
  MessageDecoder decoder;
  decoder.feed(ByteSpan(bytes).first(500));
  EXPECT(!*decoder.next());

  decoder.feed(ByteSpan(bytes).subspan(500, 1000));
  const auto message = decoder.next();
  EXPECT(!*decoder.next());

  const auto piece = std::get<Piece>(**message);
  EXPECT(to_bytes(piece.data) == first);
  decoder.feed(ByteSpan(bytes).subspan(1500));
  const auto next = decoder.next();
  EXPECT(to_bytes(std::get<Piece>(**next).data) == second);
}

TEST(head_of_a_piece_is_what_encoding_puts_in_front) {
  const Bytes data(20, 1);
  const BlockSpan block{PieceIndex{0xfffffffe}, 0x01020304, 20};
  Bytes whole;
  encode(Piece{block, data}, whole);

  const auto head = encode_piece_head(block);

  EXPECT_EQ(to_hex(head), to_hex(ByteSpan(whole).first(13)));
}

TEST(lengths_at_their_limit_pass_and_one_more_breaks_the_stream) {
  struct Row {
    std::uint8_t id;
    std::size_t max;
  };
  const Row rows[] = {
      {5, limits::kBitfieldBytes + 1},
      {7, kPiecePayloadBytes + 9},
      {20, limits::kExtensionBytes + 2},
      {99, kUnknownBytes},
  };
  for (const auto& row : rows) {
    LIMIT_AT(limits::kBitfieldBytes);
    LIMIT_AT(wire::kPiecePayloadBytes);
    LIMIT_AT(limits::kExtensionBytes);
    LIMIT_AT(wire::kUnknownBytes);
    auto bytes = head(row.max, row.id);
    bytes.resize(4 + row.max, 1);
    EXPECT(!message_error(bytes));
    EXPECT(heard_in_chunks(bytes, 10'000) == heard_in_chunks(bytes, bytes.size()));

    LIMIT_ABOVE(limits::kBitfieldBytes);
    LIMIT_ABOVE(wire::kPiecePayloadBytes);
    LIMIT_ABOVE(limits::kExtensionBytes);
    LIMIT_ABOVE(wire::kUnknownBytes);
    EXPECT(message_error(head(row.max + 1, row.id)) == DecodeError::TooLong);
    EXPECT(message_error(head(0xffffffff, row.id)) == DecodeError::TooLong);
  }
}

TEST(length_is_refused_as_soon_as_the_id_is_there) {
  const auto bytes = head(0xffffffff, 7);

  EXPECT(!message_error(ByteSpan(bytes).first(4)));
  EXPECT(message_error(bytes) == DecodeError::TooLong);
  EXPECT(heard_in_chunks(bytes, 1).error == DecodeError::TooLong);
}

TEST(fixed_messages_of_another_size_are_refused) {
  for (const auto id : std::initializer_list<std::uint8_t>{0, 1, 2, 3, 14, 15}) {
    EXPECT(!message_error(head(1, id)));
    EXPECT(message_error(head(2, id)) == DecodeError::WrongLength);
  }
  for (const auto id : std::initializer_list<std::uint8_t>{4, 13, 17}) {
    EXPECT(!message_error(head(5, id)));
    EXPECT(message_error(head(4, id)) == DecodeError::WrongLength);
    EXPECT(message_error(head(6, id)) == DecodeError::WrongLength);
  }
  for (const auto id : std::initializer_list<std::uint8_t>{6, 8, 16}) {
    EXPECT(!message_error(head(13, id)));
    EXPECT(message_error(head(12, id)) == DecodeError::WrongLength);
    EXPECT(message_error(head(14, id)) == DecodeError::WrongLength);
  }
}

TEST(messages_that_are_impossibly_short_are_refused) {
  EXPECT(message_error(head(1, 5)) == DecodeError::WrongLength);
  EXPECT(message_error(head(9, 7)) == DecodeError::WrongLength);
  EXPECT(message_error(head(1, 20)) == DecodeError::WrongLength);
}

TEST(broken_stream_stays_broken) {
  MessageDecoder decoder;
  const auto bad = head(2, 0);
  Bytes good;
  encode(Choke{}, good);

  decoder.feed(bad);
  EXPECT(!decoder.next());
  decoder.feed(good);

  EXPECT_EQ(decoder.next().error(), DecodeError::WrongLength);
}

TEST(unknown_messages_are_passed_over) {
  auto bytes = head(30, 25);
  bytes.resize(4 + 30);
  encode(Choke{}, bytes);
  MessageDecoder decoder;

  decoder.feed(bytes);

  EXPECT_EQ(std::get<Unknown>(**decoder.next()).id, 25);
  EXPECT(std::holds_alternative<Choke>(**decoder.next()));
  EXPECT(!*decoder.next());
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(handshake_has_the_layout_of_bep_3_and_the_bits_of_6_10_and_52),
      cmocka_unit_test(handshake_survives_encoding_with_every_set_of_features),
      cmocka_unit_test(unknown_reserved_bits_are_ignored_and_what_follows_is_left),
      cmocka_unit_test(truncated_handshake_waits_and_a_wrong_one_fails_at_its_first_wrong_byte),
      cmocka_unit_test(hello_survives_encoding_and_leaves_what_follows),
      cmocka_unit_test(hello_has_the_layout_of_its_header),
      cmocka_unit_test(every_beginning_of_a_hello_waits_for_more),
      cmocka_unit_test(hello_at_the_frame_limit_is_waited_for_and_one_byte_more_is_not),
      cmocka_unit_test(malformed_hellos_are_refused),
      cmocka_unit_test(grant_over_its_limit_is_refused_though_the_frame_would_fit),
      cmocka_unit_test(another_version_is_told_apart_whatever_its_layout),
      cmocka_unit_test(messages_have_the_layout_of_their_specifications),
      cmocka_unit_test(what_is_no_metadata_message_is_nothing),
      cmocka_unit_test(metadata_messages_have_the_layout_of_bep_9_and_survive_encoding),
      cmocka_unit_test(hashes_at_their_limit_are_taken_and_one_more_is_not),
      cmocka_unit_test(byte_by_byte_feeding_equals_whole_feeding),
      cmocka_unit_test(truncated_messages_wait_for_more_bytes),
      cmocka_unit_test(piece_that_lies_whole_in_the_feed_is_not_copied),
      cmocka_unit_test(piece_from_two_feeds_stays_valid_until_the_next_feed),
      cmocka_unit_test(head_of_a_piece_is_what_encoding_puts_in_front),
      cmocka_unit_test(lengths_at_their_limit_pass_and_one_more_breaks_the_stream),
      cmocka_unit_test(length_is_refused_as_soon_as_the_id_is_there),
      cmocka_unit_test(fixed_messages_of_another_size_are_refused),
      cmocka_unit_test(messages_that_are_impossibly_short_are_refused),
      cmocka_unit_test(broken_stream_stays_broken),
      cmocka_unit_test(unknown_messages_are_passed_over),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
