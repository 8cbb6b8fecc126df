// SPDX-License-Identifier: MIT
#include "daemon/base/bytes.h"

#include "daemon/base/check.h"

namespace p2p {
namespace {

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_hex(ByteSpan bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (auto byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::optional<Bytes> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  Bytes bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_value(hex[i]);
    const int low = hex_value(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return bytes;
}

void Buffer::set_size(std::size_t size) {
  CHECK(size <= capacity_);
  size_ = size;
}

std::uint64_t ByteReader::number(std::size_t width) {
  const auto field = bytes(width);
  std::uint64_t value = 0;
  for (auto byte : field) value = value << 8 | byte;
  return value;
}

std::uint8_t ByteReader::u8() { return static_cast<std::uint8_t>(number(1)); }
std::uint16_t ByteReader::u16() { return static_cast<std::uint16_t>(number(2)); }
std::uint32_t ByteReader::u32() { return static_cast<std::uint32_t>(number(4)); }
std::uint64_t ByteReader::u64() { return number(8); }

ByteSpan ByteReader::bytes(std::size_t count) {
  if (!ok_ || rest_.size() < count) {
    ok_ = false;
    return {};
  }
  const auto field = rest_.first(count);
  rest_ = rest_.subspan(count);
  return field;
}

void ByteWriter::number(std::uint64_t value, int width) {
  for (int shift = (width - 1) * 8; shift >= 0; shift -= 8)
    out_.push_back(static_cast<std::uint8_t>(value >> shift));
}

}  // namespace p2p
