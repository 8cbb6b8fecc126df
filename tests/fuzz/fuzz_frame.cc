// SPDX-License-Identifier: MIT
// Frames of the tracker's conversation: the stream in pieces of any size, and what each frame holds.
// The first byte seeds the sizes; the rest is the stream.
#include <algorithm>
#include <google/protobuf/stubs/logging.h>
#include <vector>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/base/random.h"
#include "proto/frame.h"
#include "proto/tracker.pb.h"

namespace {

using namespace p2p;

constexpr std::size_t kChunkMax = 40;

struct Heard {
  std::vector<Bytes> frames;
  bool broken = false;
  bool operator==(const Heard&) const = default;
};

void drain(proto::FrameDecoder& decoder, Heard& heard) {
  while (true) {
    const auto frame = decoder.next();
    if (!frame) heard.broken = true;
    if (!frame || !*frame) return;
    CHECK((*frame)->size() <= limits::kFirstFrameBytes);
    heard.frames.push_back(to_bytes(**frame));
  }
}

void parse(ByteSpan frame) {
  pb::tracker::Frame message;
  if (!proto::parse_frame(frame, message)) return;
  const auto again = proto::encode_frame(message);
  pb::tracker::Frame second;
  CHECK(proto::parse_frame(ByteSpan(again).subspan(4), second));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // protobuf writes a line about every invalid text field otherwise.
  static const auto kPrinter = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(kPrinter);
  if (size == 0) return 0;
  Random random(data[0]);
  ByteSpan stream(data + 1, size - 1);

  Heard whole;
  proto::FrameDecoder at_once(limits::kFirstFrameBytes);
  at_once.feed(stream);
  drain(at_once, whole);

  Heard pieces;
  proto::FrameDecoder bit_by_bit(limits::kFirstFrameBytes);
  while (!stream.empty() && !pieces.broken) {
    const auto chunk = stream.first(std::min<std::size_t>(stream.size(), 1 + random.below(kChunkMax)));
    stream = stream.subspan(chunk.size());
    bit_by_bit.feed(chunk);
    drain(bit_by_bit, pieces);
  }
  CHECK(pieces == whole);

  for (const auto& frame : whole.frames) parse(frame);
  return 0;
}
