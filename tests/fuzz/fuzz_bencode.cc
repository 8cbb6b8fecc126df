// SPDX-License-Identifier: MIT
// Bencode: what is accepted is canonical, so that writing it again gives the same bytes. The extension
// handshake is read from the same input.
#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/wire/bencode.h"
#include "daemon/wire/extension.h"

namespace {

using namespace p2p;
using namespace p2p::wire;

// Recursive on purpose: the depth is what the reader has let through.
void write(const BencodeValue& value, BencodeWriter& writer) {
  switch (value.kind()) {
    case BencodeValue::Kind::Integer: writer.integer(*value.integer()); return;
    case BencodeValue::Kind::String: writer.string(*value.string()); return;
    case BencodeValue::Kind::List:
      writer.begin_list();
      for (auto item = value.first(); item; item = value.after(*item)) write(*item, writer);
      writer.end();
      return;
    case BencodeValue::Kind::Dictionary:
      writer.begin_dictionary();
      for (auto item = value.first(); item; item = value.after(*item)) {
        const auto key = as_text(*item->string());
        item = value.after(*item);
        CHECK(value.find(key).has_value());
        writer.key(key);
        write(*item, writer);
      }
      writer.end();
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input(data, size);

  const auto parsed = Bencode::parse(input, {limits::kBencodeDepthWire, limits::kBencodeTokensWire});
  if (parsed) {
    BencodeWriter writer;
    write(parsed->root(), writer);
    CHECK(writer.take() == to_bytes(input));
  }

  const auto handshake = decode_extension_handshake(input);
  CHECK(handshake.has_value() == (parsed && parsed->root().is_dictionary()));
  if (handshake) {
    CHECK(handshake->client.size() <= limits::kClientNameBytes);
    CHECK(handshake->messages.size() <= kExtensionNames);
    const auto again = decode_extension_handshake(encode_extension_handshake(*handshake));
    CHECK(again && *again == *handshake);
  }
  return 0;
}
