// SPDX-License-Identifier: MIT
#include "daemon/wire/hello.h"

#include "daemon/base/check.h"
#include "daemon/base/limits.h"

namespace p2p::wire {
namespace {

constexpr std::string_view kMagic = "p2ph";
constexpr std::size_t kPrefixBytes = 4;
constexpr std::size_t kVersionedBytes = kMagic.size() + 2;  // the same in every version
constexpr std::size_t kFixedBytes = kVersionedBytes + GroupId::kSize + InfoHash::kSize + 2;

static_assert(kPrefixBytes + kFixedBytes + limits::kGrantBytes <= limits::kFirstFrameBytes);

}  // namespace

Bytes encode_hello(const Hello& hello) {
  CHECK(hello.grant.size() <= limits::kGrantBytes);
  ByteWriter writer;
  writer.u32(static_cast<std::uint32_t>(kFixedBytes + hello.grant.size()));
  writer.bytes(as_bytes(kMagic));
  writer.u16(hello.version);
  writer.bytes(hello.share.group.view());
  writer.bytes(hello.share.info_hash.view());
  writer.u16(static_cast<std::uint16_t>(hello.grant.size()));
  writer.bytes(hello.grant);
  return writer.take();
}

tl::expected<std::optional<Hello>, HelloError> decode_hello(ByteSpan bytes, std::size_t& used) {
  used = 0;
  if (bytes.size() < kPrefixBytes) return std::nullopt;
  const std::size_t length = ByteReader(bytes).u32();
  if (length > limits::kFirstFrameBytes - kPrefixBytes) return tl::unexpected(HelloError::TooLong);
  if (length < kVersionedBytes) return tl::unexpected(HelloError::Malformed);
  if (bytes.size() < kPrefixBytes + length) return std::nullopt;

  ByteReader reader(bytes.subspan(kPrefixBytes, length));
  if (as_text(reader.bytes(kMagic.size())) != kMagic) return tl::unexpected(HelloError::Malformed);
  Hello hello;
  hello.version = reader.u16();
  // Before the rest is looked at: another version may have another layout.
  if (hello.version != kHelloVersion) return tl::unexpected(HelloError::Version);
  const auto group = GroupId::from(reader.bytes(GroupId::kSize));
  const auto info_hash = InfoHash::from(reader.bytes(InfoHash::kSize));
  const std::size_t grant_bytes = reader.u16();
  const auto grant = reader.bytes(grant_bytes);
  if (!reader.at_end() || !group || !info_hash || grant_bytes > limits::kGrantBytes)
    return tl::unexpected(HelloError::Malformed);
  hello.share = {*group, *info_hash};
  hello.grant = to_bytes(grant);
  used = kPrefixBytes + length;
  return hello;
}

}  // namespace p2p::wire
