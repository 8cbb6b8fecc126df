// SPDX-License-Identifier: MIT
#include "proto/frame.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"

namespace p2p::proto {
namespace {

constexpr std::size_t kPrefixBytes = 4;

}  // namespace

void FrameDecoder::feed(ByteSpan bytes) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
  begin_ = 0;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

Result<std::optional<ByteSpan>> FrameDecoder::next() {
  if (broken_) return fail(Code::Limit, "the frame stream is broken");
  const auto rest = ByteSpan(buffer_).subspan(begin_);
  if (rest.size() < kPrefixBytes) return std::nullopt;
  const std::size_t length = ByteReader(rest).u32();
  if (length > max_bytes_) {
    broken_ = true;
    return fail(Code::Limit, fmt::format("a frame of {} bytes is over the limit of {}", length, max_bytes_));
  }
  if (rest.size() - kPrefixBytes < length) return std::nullopt;
  begin_ += kPrefixBytes + length;
  return rest.subspan(kPrefixBytes, length);
}

Bytes encode_frame(const google::protobuf::MessageLite& message) {
  const std::size_t length = message.ByteSizeLong();
  CHECK(length <= limits::kControlFrameBytes);
  ByteWriter prefix;
  prefix.u32(static_cast<std::uint32_t>(length));
  Bytes frame = prefix.take();
  frame.resize(kPrefixBytes + length);
  CHECK(message.SerializeToArray(frame.data() + kPrefixBytes, static_cast<int>(length)));
  return frame;
}

Status parse_frame(ByteSpan frame, google::protobuf::MessageLite& message) {
  google::protobuf::io::CodedInputStream input(frame.data(), static_cast<int>(frame.size()));
  input.SetRecursionLimit(limits::kProtobufDepth);
  if (!message.MergeFromCodedStream(&input) || !input.ConsumedEntireMessage())
    return fail(Code::InvalidArgument, "a frame is not a valid message");
  return {};
}

}  // namespace p2p::proto
