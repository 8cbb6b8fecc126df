// SPDX-License-Identifier: MIT
#include "daemon/wire/bencode.h"

#include <charconv>
#include <limits>

#include "daemon/base/check.h"

namespace p2p::wire {
namespace {

using Token = detail::BencodeToken;
using Failure = tl::unexpected<BencodeError>;

bool is_digit(std::uint8_t c) { return c >= '0' && c <= '9'; }

class Parser {
 public:
  Parser(ByteSpan input, BencodeLimits limits) : rest_(input), limits_(limits) {}

  tl::expected<std::vector<Token>, BencodeError> run() {
    do {
      if (const auto error = step()) return Failure(*error);
    } while (!open_.empty());
    return std::move(tokens_);
  }
  std::size_t left() const { return rest_.size(); }

 private:
  // A list or dictionary whose end has not been seen.
  struct Level {
    std::uint32_t token;
    bool dictionary;
    bool awaits_value = false;
    std::optional<ByteSpan> last_key = {};
  };

  // Takes one token, or one end, from the front of the input.
  std::optional<BencodeError> step() {
    if (rest_.empty()) return BencodeError::Truncated;
    const std::uint8_t c = rest_[0];
    const bool wants_key = !open_.empty() && open_.back().dictionary && !open_.back().awaits_value;
    if (c == 'e' && !open_.empty()) return close();
    if (tokens_.size() >= limits_.tokens) return BencodeError::TooMany;
    if (is_digit(c)) return wants_key ? key() : string();
    if (c != 'i' && c != 'l' && c != 'd') return BencodeError::Malformed;
    if (wants_key) return BencodeError::BadKeys;
    return c == 'i' ? integer() : open(c == 'd');
  }

  std::optional<BencodeError> open(bool dictionary) {
    if (open_.size() >= limits_.depth) return BencodeError::TooDeep;
    rest_ = rest_.subspan(1);
    Token token;
    token.kind = dictionary ? Token::Kind::Dictionary : Token::Kind::List;
    open_.push_back({static_cast<std::uint32_t>(tokens_.size()), dictionary});
    tokens_.push_back(token);  // value_done() is called at its end
    return std::nullopt;
  }

  std::optional<BencodeError> close() {
    if (open_.back().awaits_value) return BencodeError::BadKeys;
    rest_ = rest_.subspan(1);
    tokens_[open_.back().token].next = static_cast<std::uint32_t>(tokens_.size());
    open_.pop_back();
    value_done();
    return std::nullopt;
  }

  std::optional<BencodeError> integer() {
    rest_ = rest_.subspan(1);
    const auto text = as_text(rest_);
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const char* const digits = begin != end && *begin == '-' ? begin + 1 : begin;
    Token token;
    const auto [stop, code] = std::from_chars(begin, end, token.integer);
    if (code == std::errc::result_out_of_range) return BencodeError::BadInteger;
    if (code != std::errc{}) return digits == end ? BencodeError::Truncated : BencodeError::BadInteger;
    if (*digits == '0' && (stop - digits > 1 || digits != begin)) return BencodeError::BadInteger;
    if (stop == end) return BencodeError::Truncated;
    if (*stop != 'e') return BencodeError::BadInteger;
    rest_ = rest_.subspan(static_cast<std::size_t>(stop - begin) + 1);
    push(token);
    value_done();
    return std::nullopt;
  }

  std::optional<BencodeError> string() {
    if (const auto error = push_string()) return error;
    value_done();
    return std::nullopt;
  }

  std::optional<BencodeError> key() {
    if (const auto error = push_string()) return error;
    auto& level = open_.back();
    const auto key = tokens_.back().string;
    if (level.last_key && as_text(*level.last_key) >= as_text(key)) return BencodeError::BadKeys;
    level.last_key = key;
    level.awaits_value = true;
    return std::nullopt;
  }

  std::optional<BencodeError> push_string() {
    const auto text = as_text(rest_);
    std::size_t length = 0;
    const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (code != std::errc{}) return BencodeError::BadInteger;
    const auto digits = static_cast<std::size_t>(stop - text.data());
    if (text[0] == '0' && digits > 1) return BencodeError::BadInteger;
    if (digits == text.size()) return BencodeError::Truncated;
    if (*stop != ':') return BencodeError::Malformed;
    rest_ = rest_.subspan(digits + 1);
    if (length > rest_.size()) return BencodeError::Truncated;
    Token token;
    token.kind = Token::Kind::String;
    token.string = rest_.first(length);
    rest_ = rest_.subspan(length);
    push(token);
    return std::nullopt;
  }

  void push(Token token) {
    token.next = static_cast<std::uint32_t>(tokens_.size() + 1);
    tokens_.push_back(token);
  }

  void value_done() {
    if (!open_.empty()) open_.back().awaits_value = false;
  }

  ByteSpan rest_;
  BencodeLimits limits_;
  std::vector<Token> tokens_;
  std::vector<Level> open_;
};

}  // namespace

std::string_view describe(BencodeError error) {
  switch (error) {
    case BencodeError::Truncated: return "the bencoded text ends early";
    case BencodeError::Malformed: return "not bencoded";
    case BencodeError::BadInteger: return "a bencoded number is not canonical or too large";
    case BencodeError::BadKeys: return "the keys of a bencoded dictionary are not sorted and unique strings";
    case BencodeError::TooDeep: return "the bencoded text is nested too deeply";
    case BencodeError::TooMany: return "the bencoded text has too many values";
    case BencodeError::Trailing: return "bytes follow the bencoded value";
  }
  return "unknown";
}

std::optional<std::int64_t> BencodeValue::integer() const {
  const auto& token = tokens_[index_];
  if (token.kind != Kind::Integer) return std::nullopt;
  return token.integer;
}

std::optional<ByteSpan> BencodeValue::string() const {
  const auto& token = tokens_[index_];
  if (token.kind != Kind::String) return std::nullopt;
  return token.string;
}

std::optional<BencodeValue> BencodeValue::find(std::string_view key) const {
  if (!is_dictionary()) return std::nullopt;
  for (auto item = first(); item; item = after(*item)) {
    const auto value = after(*item);
    if (as_text(*item->string()) == key) return value;
    item = value;
  }
  return std::nullopt;
}

std::optional<BencodeValue> BencodeValue::first() const {
  if (!is_list() && !is_dictionary()) return std::nullopt;
  if (index_ + 1 == tokens_[index_].next) return std::nullopt;
  return BencodeValue(tokens_, index_ + 1);
}

std::optional<BencodeValue> BencodeValue::after(const BencodeValue& item) const {
  const auto next = tokens_[item.index_].next;
  if (next >= tokens_[index_].next) return std::nullopt;
  return BencodeValue(tokens_, next);
}

tl::expected<Bencode, BencodeError> Bencode::parse(ByteSpan input, BencodeLimits limits) {
  std::size_t used = 0;
  auto text = parse_front(input, limits, used);
  if (text && used < input.size()) return Failure(BencodeError::Trailing);
  return text;
}

tl::expected<Bencode, BencodeError> Bencode::parse_front(ByteSpan input, BencodeLimits limits,
                                                         std::size_t& used) {
  CHECK(limits.tokens < std::numeric_limits<std::uint32_t>::max());
  Parser parser(input, limits);
  auto tokens = parser.run();
  used = input.size() - parser.left();
  if (!tokens) return Failure(tokens.error());
  return Bencode(std::move(*tokens));
}

void BencodeWriter::integer(std::int64_t value) {
  before_value();
  append("i" + std::to_string(value) + "e");
}

void BencodeWriter::string(ByteSpan value) {
  before_value();
  append_string(value);
}

void BencodeWriter::begin_list() {
  before_value();
  append("l");
  open_.emplace_back();
}

void BencodeWriter::begin_dictionary() {
  before_value();
  append("d");
  open_.emplace_back().dictionary = true;
}

void BencodeWriter::key(std::string_view key) {
  CHECK(!open_.empty() && open_.back().dictionary && !open_.back().awaits_value);
  auto& level = open_.back();
  CHECK(!level.last_key || *level.last_key < key);
  level.last_key = key;
  level.awaits_value = true;
  append_string(as_bytes(key));
}

void BencodeWriter::end() {
  CHECK(!open_.empty() && !open_.back().awaits_value);
  open_.pop_back();
  append("e");
}

void BencodeWriter::raw(ByteSpan value) {
  before_value();
  out_.insert(out_.end(), value.begin(), value.end());
}

Bytes BencodeWriter::take() {
  CHECK(open_.empty() && !out_.empty());
  return std::move(out_);
}

void BencodeWriter::before_value() {
  if (open_.empty()) {
    CHECK(out_.empty());
  } else if (open_.back().dictionary) {
    CHECK(open_.back().awaits_value);
    open_.back().awaits_value = false;
  }
}

void BencodeWriter::append(std::string_view text) {
  const auto bytes = as_bytes(text);
  out_.insert(out_.end(), bytes.begin(), bytes.end());
}

void BencodeWriter::append_string(ByteSpan value) {
  append(std::to_string(value.size()) + ":");
  out_.insert(out_.end(), value.begin(), value.end());
}

}  // namespace p2p::wire
