// SPDX-License-Identifier: MIT
// BitTorrent messages: what comes out must not depend on how the stream was cut, and writing a message
// again gives the bytes it was read from. The first byte seeds the cuts; the rest is the stream.
#include <algorithm>
#include <vector>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/base/random.h"
#include "daemon/wire/message.h"

namespace {

using namespace p2p;
using namespace p2p::wire;

constexpr std::size_t kChunkMax = 40;

struct Heard {
  std::vector<std::size_t> kinds;
  Bytes encoded;
  bool only_known = true;
  std::optional<DecodeError> error;
  bool operator==(const Heard&) const = default;
};

void drain(MessageDecoder& decoder, Heard& heard) {
  std::optional<Piece> piece;
  Bytes piece_copy;
  while (true) {
    const auto message = decoder.next();
    // Until the next feed a Piece keeps its data, whatever is asked of the decoder.
    if (piece) CHECK(to_bytes(piece->data) == piece_copy);
    if (!message) heard.error = message.error();
    if (!message || !*message) return;
    heard.kinds.push_back((*message)->index());
    if (std::holds_alternative<Unknown>(**message)) heard.only_known = false;
    if (const auto* found = std::get_if<Piece>(&**message); found && !piece) {
      CHECK(found->block.length == found->data.size());
      piece = *found;
      piece_copy = to_bytes(found->data);
    }
    encode(**message, heard.encoded);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Random random(data[0]);
  const ByteSpan stream(data + 1, size - 1);

  Heard whole;
  MessageDecoder at_once;
  at_once.feed(stream);
  drain(at_once, whole);
  if (whole.only_known) {
    CHECK(whole.encoded.size() <= stream.size());
    CHECK(std::equal(whole.encoded.begin(), whole.encoded.end(), stream.begin()));
  }

  Heard pieces;
  MessageDecoder bit_by_bit;
  for (auto rest = stream; !rest.empty() && !pieces.error;) {
    // A copy that dies after the feed, so that a span kept too long is noticed.
    const Bytes chunk = to_bytes(rest.first(std::min<std::size_t>(rest.size(), 1 + random.below(kChunkMax))));
    rest = rest.subspan(chunk.size());
    bit_by_bit.feed(chunk);
    drain(bit_by_bit, pieces);
  }
  CHECK(pieces == whole);
  return 0;
}
