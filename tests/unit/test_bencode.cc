// SPDX-License-Identifier: MIT
// Bencode, and the extension handshake that is made of it.
#include "daemon/wire/bencode.h"

#include <limits>
#include <string>

#include "daemon/base/limits.h"
#include "daemon/wire/extension.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using namespace p2p::wire;
using namespace std::string_view_literals;

namespace {

constexpr BencodeLimits kLimits{limits::kBencodeDepthWire, limits::kBencodeTokensWire};

// --- Bencode -----------------------------------------------------------------------------------

// The error of a text, or nothing when it is accepted.
std::optional<BencodeError> bencode_error(std::string_view text, BencodeLimits limits = kLimits) {
  // A block of exactly the text's size, so that a sanitizer sees the first byte too many.
  const Bytes exact = to_bytes(as_bytes(text));
  const auto parsed = Bencode::parse(exact, limits);
  return parsed ? std::nullopt : std::optional(parsed.error());
}

std::optional<std::int64_t> integer_of(std::string_view text) {
  const auto parsed = Bencode::parse(as_bytes(text), kLimits);
  return parsed ? parsed->root().integer() : std::nullopt;
}

TEST(bencoded_values_are_read_where_they_lie) {
  const std::string_view text = "d3:bari-7e3:fool4:spami0ed1:x0:eee";

  const auto parsed = Bencode::parse(as_bytes(text), kLimits);

  EXPECT(parsed.has_value());
  const auto root = parsed->root();
  EXPECT(root.is_dictionary());
  EXPECT_EQ(root.find("bar")->integer().value(), -7);
  const auto list = *root.find("foo");
  EXPECT(list.is_list());
  const auto spam = *list.first();
  EXPECT_EQ(to_string(*spam.string()), "spam");
  const auto zero = *list.after(spam);
  EXPECT_EQ(zero.integer().value(), 0);
  const auto inner = *list.after(zero);
  EXPECT_EQ(inner.find("x")->string()->size(), 0u);
  EXPECT(!list.after(inner));
}

TEST(asking_a_value_for_what_it_is_not_gives_nothing) {
  const auto number = *Bencode::parse(as_bytes("i1e"), kLimits);
  const auto dictionary = *Bencode::parse(as_bytes("d1:ai1ee"), kLimits);
  const auto empty = *Bencode::parse(as_bytes("le"), kLimits);

  EXPECT(!number.root().string());
  EXPECT(!number.root().find("a"));
  EXPECT(!number.root().first());
  EXPECT(!dictionary.root().integer());
  EXPECT(!dictionary.root().find("b"));
  EXPECT(!empty.root().first());
}

TEST(keys_inside_a_value_are_not_keys_of_the_outer_dictionary) {
  const auto parsed = *Bencode::parse(as_bytes("d1:ad1:bi1ee1:c1:be"), kLimits);

  EXPECT(!parsed.root().find("b"));
  EXPECT_EQ(to_string(*parsed.root().find("c")->string()), "b");
}

TEST(integers_of_64_bits_pass_and_larger_ones_do_not) {
  EXPECT_EQ(integer_of("i9223372036854775807e").value(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(integer_of("i-9223372036854775808e").value(), std::numeric_limits<std::int64_t>::min());
  EXPECT(bencode_error("i9223372036854775808e") == BencodeError::BadInteger);
  EXPECT(bencode_error("i-9223372036854775809e") == BencodeError::BadInteger);
}

TEST(integers_that_are_not_canonical_are_refused) {
  for (const auto* text :
       {"i01e", "i-0e", "i00e", "i-01e", "ie", "i-e", "i+1e", "i 1e", "i1.5e", "i1x", "i--1e"})
    EXPECT(bencode_error(text) == BencodeError::BadInteger);
}

TEST(string_lengths_that_are_not_canonical_are_refused) {
  EXPECT(bencode_error("01:a") == BencodeError::BadInteger);
  EXPECT(bencode_error("00:") == BencodeError::BadInteger);
  EXPECT(bencode_error("1-a") == BencodeError::Malformed);
  EXPECT(bencode_error("-1:a") == BencodeError::Malformed);
  EXPECT(bencode_error("99999999999999999999999:a") == BencodeError::BadInteger);
  EXPECT(bencode_error("18446744073709551615:a") == BencodeError::Truncated);
}

TEST(keys_must_be_sorted_unique_strings_with_values) {
  EXPECT(!bencode_error("d1:ai1e1:bi2ee"));
  EXPECT(!bencode_error("d0:i1e1:\x80i2ee"));
  EXPECT(
      !bencode_error("d1:z0:1:\xff"
                     "0:e"));
  EXPECT(bencode_error("d1:bi1e1:ai2ee") == BencodeError::BadKeys);
  EXPECT(bencode_error("d1:ai1e1:ai2ee") == BencodeError::BadKeys);
  EXPECT(bencode_error("d2:aai1e1:ai2ee") == BencodeError::BadKeys);
  EXPECT(bencode_error("d1:ae") == BencodeError::BadKeys);
  EXPECT(bencode_error("di1ei2ee") == BencodeError::BadKeys);
  EXPECT(bencode_error("dle1:ae") == BencodeError::BadKeys);
}

TEST(bytes_behind_the_value_are_refused) {
  EXPECT(bencode_error("i1ei2e") == BencodeError::Trailing);
  EXPECT(bencode_error("lee") == BencodeError::Trailing);
  EXPECT(bencode_error("0:\n") == BencodeError::Trailing);
}

TEST(every_beginning_of_a_bencoded_text_is_truncated) {
  const std::string_view text = "d1:ali-12e3:xyzdee3:foo10:0123456789e";

  EXPECT(!bencode_error(text));
  for (std::size_t length = 0; length < text.size(); ++length)
    EXPECT(bencode_error(text.substr(0, length)) == BencodeError::Truncated);
}

TEST(other_characters_are_malformed) {
  for (const auto* text : {"e", "x", "lxe", " i1e", ":", "-1"})
    EXPECT(bencode_error(text) == BencodeError::Malformed);
}

TEST(nesting_at_the_limit_passes_and_one_deeper_does_not) {
  const auto nested = [](std::size_t depth) { return std::string(depth, 'l') + std::string(depth, 'e'); };

  LIMIT_AT(limits::kBencodeDepthWire);
  EXPECT(!bencode_error(nested(limits::kBencodeDepthWire)));
  LIMIT_ABOVE(limits::kBencodeDepthWire);
  EXPECT(bencode_error(nested(limits::kBencodeDepthWire + 1)) == BencodeError::TooDeep);
  EXPECT(!bencode_error("i1e", {0, 1}));
  EXPECT(bencode_error("le", {0, 1}) == BencodeError::TooDeep);
}

TEST(tokens_at_the_limit_pass_and_one_more_does_not) {
  const auto list = [](std::size_t tokens) {
    std::string text = "l";
    for (std::size_t i = 1; i < tokens; ++i) text += "0:";
    return text + "e";
  };

  LIMIT_AT(limits::kBencodeTokensWire);
  EXPECT(!bencode_error(list(limits::kBencodeTokensWire)));
  LIMIT_ABOVE(limits::kBencodeTokensWire);
  EXPECT(bencode_error(list(limits::kBencodeTokensWire + 1)) == BencodeError::TooMany);
  EXPECT(!bencode_error("d1:ai1ee", {1, 3}));
  EXPECT(bencode_error("d1:ai1ee", {1, 2}) == BencodeError::TooMany);
}

TEST(a_million_open_lists_are_refused_without_recursion) {
  EXPECT(bencode_error(std::string(1'000'000, 'l')) == BencodeError::TooDeep);
  EXPECT(bencode_error(std::string(1'000'000, 'l'), {10'000'000, 10'000'000}) == BencodeError::Truncated);
}

TEST(writer_makes_what_the_reader_accepts) {
  BencodeWriter writer;
  writer.begin_dictionary();
  writer.key("");
  writer.begin_list();
  writer.integer(std::numeric_limits<std::int64_t>::min());
  writer.string("spam");
  writer.end();
  writer.key("a");
  writer.raw(as_bytes("le"));
  writer.end();

  const auto out = writer.take();

  EXPECT_EQ(to_string(out), "d0:li-9223372036854775808e4:spame1:alee");
  EXPECT(!bencode_error(as_text(out)));
}

// --- Extension handshake -----------------------------------------------------------------------

ExtensionHandshake decoded_extension(std::string_view text) {
  const auto decoded = decode_extension_handshake(as_bytes(text));
  EXPECT(decoded.has_value());
  return *decoded;
}

TEST(extension_handshake_survives_encoding) {
  ExtensionHandshake handshake;
  handshake.client = "p2p 0.1.0";
  handshake.request_queue = 250;
  handshake.request_bytes = 65536;
  handshake.messages = {{"ut_metadata", 3}, {"other", 255}};

  const auto bytes = encode_extension_handshake(handshake);

  EXPECT_EQ(to_string(bytes),
            "d1:md5:otheri255e11:ut_metadatai3ee11:p2p_requesti65536e4:reqqi250e1:v9:p2p 0.1.0e");
  EXPECT(*decode_extension_handshake(bytes) == handshake);
}

TEST(empty_extension_handshake_is_one_too) {
  EXPECT(decoded_extension("de") == ExtensionHandshake{});
  EXPECT(*decode_extension_handshake(encode_extension_handshake({})) == ExtensionHandshake{});
}

TEST(unknown_keys_and_values_of_another_type_count_as_absent) {
  EXPECT(decoded_extension("d1:eli1ee1:m0:4:reqq3:abc1:vi7e6:yourip4:\x7f\x00\x00\x01"
                           "e"sv) == ExtensionHandshake{});
  EXPECT(decoded_extension("d4:reqqi-1ee") == ExtensionHandshake{});
  EXPECT(decoded_extension("d4:reqqi0ee") == ExtensionHandshake{});
  EXPECT(decoded_extension("d4:reqqi4294967296ee") == ExtensionHandshake{});
  EXPECT(decoded_extension("d11:p2p_requesti0ee") == ExtensionHandshake{});
  EXPECT_EQ(decoded_extension("d4:reqqi4294967295ee").request_queue.value(), 4294967295u);
}

TEST(message_ids_out_of_range_are_ignored) {
  const auto handshake = decoded_extension("d1:md1:ai0e1:bi256e1:ci-1e1:d1:x1:ei255eee");

  EXPECT((handshake.messages == std::map<std::string, std::uint8_t>{{"e", 255}}));
}

TEST(message_names_are_limited_in_number_and_length) {
  const auto kept = [](std::size_t names) {
    std::string text = "d1:md";
    for (std::size_t i = 0; i < names; ++i) text += fmt::format("3:{:03}i1e", i);
    return decoded_extension(text + "ee").messages.size();
  };
  LIMIT_AT(wire::kExtensionNames);
  EXPECT_EQ(kept(kExtensionNames), kExtensionNames);
  LIMIT_ABOVE(wire::kExtensionNames);
  EXPECT_EQ(kept(kExtensionNames + 1), kExtensionNames);

  const auto named = [](std::size_t bytes) {
    return decoded_extension(fmt::format("d1:md{}:{}i1eee", bytes, std::string(bytes, 'x'))).messages.size();
  };
  LIMIT_AT(wire::kExtensionNameBytes);
  EXPECT_EQ(named(kExtensionNameBytes), 1u);
  LIMIT_ABOVE(wire::kExtensionNameBytes);
  EXPECT_EQ(named(kExtensionNameBytes + 1), 0u);
}

TEST(client_name_is_made_printable_and_cut) {
  const auto client = [](const std::string& name) {
    return decoded_extension(fmt::format("d1:v{}:{}e", name.size(), name)).client;
  };
  const std::string limit(limits::kClientNameBytes, 'x');

  EXPECT_EQ(client("a\x1b[31m"), "a\\x1b[31m");
  LIMIT_AT(limits::kClientNameBytes);
  EXPECT_EQ(client(limit), limit);
  LIMIT_ABOVE(limits::kClientNameBytes);
  EXPECT(client(limit + "x").ends_with("..."));
  for (const auto* unit : {"x", "\x01", "\xff", "\u202e", "\U000e0001", "\u00e9"}) {
    std::string name;
    for (int i = 0; i < 100; ++i) name += unit;
    EXPECT(client(name).size() <= limits::kClientNameBytes);
  }
}

TEST(extension_handshake_has_the_depth_and_the_tokens_of_a_message) {
  const auto error = [](const std::string& text) -> std::optional<BencodeError> {
    const auto decoded = decode_extension_handshake(as_bytes(text));
    return decoded ? std::nullopt : std::optional(decoded.error());
  };
  // With the dictionary itself, and the key.
  const auto nested = [](std::size_t depth) {
    return "d1:x" + std::string(depth - 1, 'l') + std::string(depth - 1, 'e') + "e";
  };
  const auto list = [](std::size_t tokens) {
    std::string text = "d1:xl";
    for (std::size_t i = 3; i < tokens; ++i) text += "0:";
    return text + "ee";
  };

  LIMIT_AT(limits::kBencodeDepthWire);
  EXPECT(!error(nested(limits::kBencodeDepthWire)));
  LIMIT_ABOVE(limits::kBencodeDepthWire);
  EXPECT(error(nested(limits::kBencodeDepthWire + 1)) == BencodeError::TooDeep);
  LIMIT_AT(limits::kBencodeTokensWire);
  EXPECT(!error(list(limits::kBencodeTokensWire)));
  LIMIT_ABOVE(limits::kBencodeTokensWire);
  EXPECT(error(list(limits::kBencodeTokensWire + 1)) == BencodeError::TooMany);
}

TEST(extension_handshake_that_is_no_dictionary_is_refused) {
  EXPECT_EQ(decode_extension_handshake(as_bytes("le")).error(), BencodeError::Malformed);
  EXPECT_EQ(decode_extension_handshake(as_bytes("")).error(), BencodeError::Truncated);
  EXPECT_EQ(decode_extension_handshake(as_bytes("dex")).error(), BencodeError::Trailing);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(bencoded_values_are_read_where_they_lie),
      cmocka_unit_test(asking_a_value_for_what_it_is_not_gives_nothing),
      cmocka_unit_test(keys_inside_a_value_are_not_keys_of_the_outer_dictionary),
      cmocka_unit_test(integers_of_64_bits_pass_and_larger_ones_do_not),
      cmocka_unit_test(integers_that_are_not_canonical_are_refused),
      cmocka_unit_test(string_lengths_that_are_not_canonical_are_refused),
      cmocka_unit_test(keys_must_be_sorted_unique_strings_with_values),
      cmocka_unit_test(bytes_behind_the_value_are_refused),
      cmocka_unit_test(every_beginning_of_a_bencoded_text_is_truncated),
      cmocka_unit_test(other_characters_are_malformed),
      cmocka_unit_test(nesting_at_the_limit_passes_and_one_deeper_does_not),
      cmocka_unit_test(tokens_at_the_limit_pass_and_one_more_does_not),
      cmocka_unit_test(a_million_open_lists_are_refused_without_recursion),
      cmocka_unit_test(writer_makes_what_the_reader_accepts),
      cmocka_unit_test(extension_handshake_survives_encoding),
      cmocka_unit_test(empty_extension_handshake_is_one_too),
      cmocka_unit_test(unknown_keys_and_values_of_another_type_count_as_absent),
      cmocka_unit_test(message_ids_out_of_range_are_ignored),
      cmocka_unit_test(message_names_are_limited_in_number_and_length),
      cmocka_unit_test(client_name_is_made_printable_and_cut),
      cmocka_unit_test(extension_handshake_has_the_depth_and_the_tokens_of_a_message),
      cmocka_unit_test(extension_handshake_that_is_no_dictionary_is_refused),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
