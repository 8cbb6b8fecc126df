// SPDX-License-Identifier: MIT
#include "daemon/wire/extension.h"

#include <limits>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/base/names.h"

namespace p2p::wire {
namespace {

// printable() marks a cut with "...", behind its limit, and may pass it by the last character it wrote
// (at most ten bytes as an escape); all of it has to fit.
constexpr std::size_t kCutMark = 13;

std::string client_name(ByteSpan foreign) {
  auto name = printable(as_text(foreign), limits::kClientNameBytes);
  if (name.size() > limits::kClientNameBytes)
    name = printable(as_text(foreign), limits::kClientNameBytes - kCutMark);
  CHECK(name.size() <= limits::kClientNameBytes);
  return name;
}

std::map<std::string, std::uint8_t> message_ids(const BencodeValue& names) {
  std::map<std::string, std::uint8_t> ids;
  for (auto name = names.first(); name && ids.size() < kExtensionNames;) {
    const auto value = names.after(*name);
    const auto id = value->integer();
    const auto text = *name->string();
    // Id 0 says that the extension is switched off.
    if (id && *id > 0 && *id <= std::numeric_limits<std::uint8_t>::max() &&
        text.size() <= kExtensionNameBytes)
      ids.emplace(to_string(text), static_cast<std::uint8_t>(*id));
    name = names.after(*value);
  }
  return ids;
}

std::optional<std::uint32_t> positive_number(const std::optional<BencodeValue>& value) {
  if (!value || !value->integer()) return std::nullopt;
  const auto number = *value->integer();
  if (number <= 0 || number > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

}  // namespace

Bytes encode_extension_handshake(const ExtensionHandshake& handshake) {
  BencodeWriter writer;
  writer.begin_dictionary();
  writer.key("m");
  writer.begin_dictionary();
  for (const auto& [name, id] : handshake.messages) {
    writer.key(name);
    writer.integer(id);
  }
  writer.end();
  if (handshake.metadata_bytes) {
    writer.key("metadata_size");
    writer.integer(static_cast<std::int64_t>(*handshake.metadata_bytes));
  }
  if (handshake.directs) {
    writer.key("p2p_directs");
    writer.integer(*handshake.directs ? 1 : 0);
  }
  if (handshake.request_bytes) {
    writer.key("p2p_request");
    writer.integer(*handshake.request_bytes);
  }
  if (handshake.request_queue) {
    writer.key("reqq");
    writer.integer(*handshake.request_queue);
  }
  if (!handshake.client.empty()) {
    writer.key("v");
    writer.string(handshake.client);
  }
  writer.end();
  return writer.take();
}

tl::expected<ExtensionHandshake, BencodeError> decode_extension_handshake(ByteSpan payload) {
  const auto text = Bencode::parse(payload, {limits::kBencodeDepthWire, limits::kBencodeTokensWire});
  if (!text) return tl::unexpected(text.error());
  const auto root = text->root();
  if (!root.is_dictionary()) return tl::unexpected(BencodeError::Malformed);

  ExtensionHandshake handshake;
  if (const auto names = root.find("m"); names && names->is_dictionary())
    handshake.messages = message_ids(*names);
  if (const auto value = root.find("metadata_size"); value && value->integer() && *value->integer() > 0)
    handshake.metadata_bytes = static_cast<std::uint64_t>(*value->integer());
  if (const auto value = root.find("p2p_directs"); value && value->integer()) {
    if (*value->integer() == 0 || *value->integer() == 1) handshake.directs = *value->integer() == 1;
  }
  handshake.request_bytes = positive_number(root.find("p2p_request"));
  handshake.request_queue = positive_number(root.find("reqq"));
  if (const auto value = root.find("v"); value && value->string())
    handshake.client = client_name(*value->string());
  return handshake;
}

Bytes encode_metadata_message(const MetadataMessage& message) {
  BencodeWriter writer;
  writer.begin_dictionary();
  writer.key("msg_type");
  writer.integer(static_cast<std::int64_t>(message.kind));
  writer.key("piece");
  writer.integer(message.block);
  if (message.kind == MetadataMessage::Kind::Block) {
    writer.key("total_size");
    writer.integer(static_cast<std::int64_t>(message.total));
  }
  writer.end();
  auto out = writer.take();
  out.insert(out.end(), message.data.begin(), message.data.end());
  return out;
}

std::optional<MetadataMessage> decode_metadata_message(ByteSpan payload) {
  std::size_t used = 0;
  const auto text =
      Bencode::parse_front(payload, {limits::kBencodeDepthWire, limits::kBencodeTokensWire}, used);
  if (!text) return std::nullopt;
  const auto number = [&](std::string_view key, std::int64_t most) -> std::optional<std::int64_t> {
    const auto value = text->root().find(key);
    if (!value || !value->integer() || *value->integer() < 0 || *value->integer() > most) return std::nullopt;
    return *value->integer();
  };
  const auto kind = number("msg_type", static_cast<std::int64_t>(MetadataMessage::Kind::Reject));
  const auto block = number("piece", std::numeric_limits<std::uint32_t>::max());
  if (!kind || !block) return std::nullopt;
  MetadataMessage message;
  message.kind = static_cast<MetadataMessage::Kind>(*kind);
  message.block = static_cast<std::uint32_t>(*block);
  if (message.kind != MetadataMessage::Kind::Block)
    return used == payload.size() ? std::optional(message) : std::nullopt;
  const auto total = number("total_size", std::numeric_limits<std::int64_t>::max());
  if (!total) return std::nullopt;
  message.total = static_cast<std::uint64_t>(*total);
  message.data = payload.subspan(used);
  return message;
}

}  // namespace p2p::wire
