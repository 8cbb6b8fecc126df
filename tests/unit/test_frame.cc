// SPDX-License-Identifier: MIT
#include "proto/frame.h"

#include "daemon/base/limits.h"
#include "proto/common.pb.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;

namespace {

Bytes frame_of(std::size_t length) {
  ByteWriter writer;
  writer.u32(static_cast<std::uint32_t>(length));
  writer.bytes(Bytes(length, 7));
  return writer.take();
}

TEST(truncated_frame_waits_for_more_bytes) {
  const auto frame = frame_of(10);
  proto::FrameDecoder decoder(10);

  decoder.feed(ByteSpan(frame).first(3));
  EXPECT(!*decoder.next());
  decoder.feed(ByteSpan(frame).subspan(3, 10));
  EXPECT(!*decoder.next());
  decoder.feed(ByteSpan(frame).last(1));

  const auto got = decoder.next();
  EXPECT(got && *got);
  EXPECT_EQ((*got)->size(), 10u);
}

TEST(several_frames_come_out_one_by_one) {
  Bytes input = frame_of(0);
  const auto second = frame_of(5);
  input.insert(input.end(), second.begin(), second.end());
  proto::FrameDecoder decoder(10);

  decoder.feed(input);

  EXPECT_EQ((**decoder.next()).size(), 0u);
  EXPECT_EQ((**decoder.next()).size(), 5u);
  EXPECT(!*decoder.next());
}

TEST(frame_at_the_limit_passes_and_one_byte_more_breaks_the_stream) {
  proto::FrameDecoder decoder(10);
  decoder.feed(frame_of(10));
  EXPECT(decoder.next().has_value());

  decoder.feed(ByteSpan(frame_of(11)).first(4));

  EXPECT_EQ(decoder.next().error().code, Code::Limit);
  decoder.feed(frame_of(1));
  EXPECT(!decoder.next());
}

TEST(largest_length_takes_no_memory) {
  proto::FrameDecoder decoder(1024);
  const Bytes prefix(4, 0xff);

  decoder.feed(prefix);

  EXPECT_EQ(decoder.next().error().code, Code::Limit);
}

TEST(limit_may_be_raised_between_frames) {
  proto::FrameDecoder decoder(4);
  decoder.feed(frame_of(4));
  EXPECT(decoder.next().has_value());

  decoder.set_max_bytes(100);
  decoder.feed(frame_of(100));

  EXPECT_EQ((**decoder.next()).size(), 100u);
}

TEST(message_survives_encoding_and_garbage_is_refused) {
  pb::Error error;
  error.set_code("not_found");
  const auto frame = proto::encode_frame(error);

  pb::Error parsed;
  EXPECT_OK(proto::parse_frame(ByteSpan(frame).subspan(4), parsed));
  EXPECT_EQ(parsed.code(), "not_found");

  const Bytes garbage{0x0a, 0xff, 0xff};
  EXPECT(!proto::parse_frame(garbage, parsed));
}

TEST(groups_within_each_other_are_parsed_to_the_depth_allowed_and_no_deeper) {
  // Field 100, which no message has: parsers follow unknown groups all the same.
  const auto parses = [](int depth) {
    Bytes nested;
    for (int i = 0; i < depth; ++i) nested.insert(nested.end(), {0xa3, 0x06});
    for (int i = 0; i < depth; ++i) nested.insert(nested.end(), {0xa4, 0x06});
    pb::Error parsed;
    return proto::parse_frame(nested, parsed).has_value();
  };

  LIMIT_AT(limits::kProtobufDepth);
  EXPECT(parses(limits::kProtobufDepth));
  LIMIT_ABOVE(limits::kProtobufDepth);
  EXPECT(!parses(limits::kProtobufDepth + 1));
  EXPECT(!parses(100'000));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(truncated_frame_waits_for_more_bytes),
      cmocka_unit_test(several_frames_come_out_one_by_one),
      cmocka_unit_test(frame_at_the_limit_passes_and_one_byte_more_breaks_the_stream),
      cmocka_unit_test(largest_length_takes_no_memory),
      cmocka_unit_test(limit_may_be_raised_between_frames),
      cmocka_unit_test(message_survives_encoding_and_garbage_is_refused),
      cmocka_unit_test(groups_within_each_other_are_parsed_to_the_depth_allowed_and_no_deeper),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
