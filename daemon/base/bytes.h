// SPDX-License-Identifier: MIT
// Byte strings, big-endian reading and writing over them, and hexadecimal text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace p2p {

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;

inline ByteSpan as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::string to_string(ByteSpan bytes) { return std::string(as_text(bytes)); }
inline Bytes to_bytes(ByteSpan bytes) { return Bytes(bytes.begin(), bytes.end()); }

std::string to_hex(ByteSpan bytes);                   // lower case
std::optional<Bytes> from_hex(std::string_view hex);  // either case; nothing on any other character

// Memory for payload: owned, movable, not filled with zeros. `size` may be set below the capacity.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size)
      : bytes_(size != 0 ? std::make_unique_for_overwrite<std::uint8_t[]>(size) : nullptr),
        size_(size),
        capacity_(size) {}

  std::uint8_t* data() { return bytes_.get(); }
  const std::uint8_t* data() const { return bytes_.get(); }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  void set_size(std::size_t size);  // at most the capacity
  ByteSpan view() const { return {bytes_.get(), size_}; }
  std::span<std::uint8_t> span() { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// Reads fixed-size big-endian fields from front to back. After the first failed read everything that
// follows fails too, so a parser may read all fields and ask ok() once.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : rest_(bytes) {}

  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  std::int64_t i64() { return static_cast<std::int64_t>(u64()); }
  ByteSpan bytes(std::size_t count);  // empty when fewer are left
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }
  ByteSpan rest() const { return rest_; }

 private:
  std::uint64_t number(std::size_t width);
  ByteSpan rest_;
  bool ok_ = true;
};

class ByteWriter {
 public:
  void u8(std::uint8_t value) { out_.push_back(value); }
  void u16(std::uint16_t value) { number(value, 2); }
  void u32(std::uint32_t value) { number(value, 4); }
  void u64(std::uint64_t value) { number(value, 8); }
  void i64(std::int64_t value) { number(static_cast<std::uint64_t>(value), 8); }
  void bytes(ByteSpan value) { out_.insert(out_.end(), value.begin(), value.end()); }
  const Bytes& view() const { return out_; }
  Bytes take() { return std::move(out_); }

 private:
  void number(std::uint64_t value, int width);
  Bytes out_;
};

}  // namespace p2p
