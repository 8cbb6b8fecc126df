// SPDX-License-Identifier: MIT
// The framing of both protobuf conversations: a 4-byte big-endian length, then that many bytes.
//
// The decoder is incremental and does no I/O. A length above the present limit is an error before any
// memory is taken for it, and after an error the decoder stays in error: the connection is of no more
// use. The limit may be raised between frames (a session that has logged in may send larger ones).
// PROTOCOL.md, "Frames".
#pragma once

#include <google/protobuf/message_lite.h>
#include <optional>
#include <string>

#include "daemon/base/bytes.h"
#include "daemon/base/result.h"

namespace p2p::proto {

class FrameDecoder {
 public:
  explicit FrameDecoder(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  void set_max_bytes(std::size_t max_bytes) { max_bytes_ = max_bytes; }

  // Takes bytes in. Bounded: the caller takes all frames out before it feeds again.
  void feed(ByteSpan bytes);

  // The next complete frame, nothing while more bytes are needed, or Code::Limit. The span is valid
  // until the next call of feed().
  Result<std::optional<ByteSpan>> next();

 private:
  std::size_t max_bytes_;
  Bytes buffer_;
  std::size_t begin_ = 0;  // of the first byte not yet given out
  bool broken_ = false;
};

// A message as one frame, ready to be written.
Bytes encode_frame(const google::protobuf::MessageLite& message);

// Parses the inside of a frame with a bounded recursion depth.
Status parse_frame(ByteSpan frame, google::protobuf::MessageLite& message);

}  // namespace p2p::proto
