// SPDX-License-Identifier: MIT
// Bencode (BEP 3): a strict reader and a writer, both of the canonical form only.
//
// The reader is iterative: its memory is one bounded array of tokens, whatever the nesting, and no byte
// of the input is copied. Strict means: no leading zeros and no "-0", integers of 64 bits, keys of a
// dictionary sorted and unique, and nothing behind the value. A text that is accepted is therefore the
// only one for its value.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "daemon/base/bytes.h"

namespace p2p::wire {

// From limits.h: what a stranger may make us keep. A scalar has depth 0, a list of scalars 1. Every
// value counts as one token, and so does every key.
struct BencodeLimits {
  std::size_t depth;
  std::size_t tokens;
};

enum class BencodeError : std::uint8_t {
  Truncated,   // the input ends inside the value
  Malformed,   // a character that cannot stand where it stands
  BadInteger,  // leading zero, "-0", no digits, or more than 64 bits
  BadKeys,     // keys that are not strings, not sorted or not unique, or a key without a value
  TooDeep,     // nested deeper than allowed
  TooMany,     // more tokens than allowed
  Trailing,    // bytes behind the value
};
std::string_view describe(BencodeError error);

namespace detail {
struct BencodeToken {
  enum class Kind : std::uint8_t { Integer, String, List, Dictionary };
  Kind kind = Kind::Integer;
  std::uint32_t next = 0;    // index of the token behind this value and all that is inside it
  std::int64_t integer = 0;  // Integer only
  ByteSpan string;           // String only; points into the input
};
}  // namespace detail

// One value inside a Bencode, which must outlive it, as must the input. Cheap to copy. Asking a value
// for what it is not gives nothing.
class BencodeValue {
 public:
  using Kind = detail::BencodeToken::Kind;

  Kind kind() const { return tokens_[index_].kind; }
  bool is_list() const { return kind() == Kind::List; }
  bool is_dictionary() const { return kind() == Kind::Dictionary; }
  std::optional<std::int64_t> integer() const;
  std::optional<ByteSpan> string() const;
  // The value of a key of a dictionary.
  std::optional<BencodeValue> find(std::string_view key) const;

  // The elements of a list; of a dictionary, keys and values in turn:
  //   for (auto item = value.first(); item; item = value.after(*item))
  std::optional<BencodeValue> first() const;
  std::optional<BencodeValue> after(const BencodeValue& item) const;

 private:
  friend class Bencode;
  BencodeValue(const detail::BencodeToken* tokens, std::uint32_t index) : tokens_(tokens), index_(index) {}
  const detail::BencodeToken* tokens_;
  std::uint32_t index_;
};

// A whole bencoded text. It refers to the input, which must outlive it.
class Bencode {
 public:
  static tl::expected<Bencode, BencodeError> parse(ByteSpan input, BencodeLimits limits);
  // Of a value that something else follows, as in BEP 9: `used` is where it ends.
  static tl::expected<Bencode, BencodeError> parse_front(ByteSpan input, BencodeLimits limits,
                                                         std::size_t& used);

  BencodeValue root() const { return {tokens_.data(), 0}; }

 private:
  explicit Bencode(std::vector<detail::BencodeToken> tokens) : tokens_(std::move(tokens)) {}
  std::vector<detail::BencodeToken> tokens_;
};

// Writes one value, front to back. The caller writes keys in order; what would not be canonical is a
// mistake of ours and CHECKed.
class BencodeWriter {
 public:
  void integer(std::int64_t value);
  void string(ByteSpan value);
  void string(std::string_view value) { string(as_bytes(value)); }
  void begin_list();
  void begin_dictionary();
  void key(std::string_view key);
  void end();
  // A value that is bencoded already.
  void raw(ByteSpan value);

  Bytes take();

 private:
  struct Level {
    bool dictionary = false;
    bool awaits_value = false;  // a key has been written, its value not yet
    std::optional<std::string> last_key;
  };
  void before_value();
  void append(std::string_view text);
  void append_string(ByteSpan value);
  Bytes out_;
  std::vector<Level> open_;
};

}  // namespace p2p::wire
