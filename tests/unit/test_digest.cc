// SPDX-License-Identifier: MIT
#include "daemon/base/digest.h"
#include "daemon/base/digest_batch.h"
#include "daemon/base/random.h"
#include "daemon/base/sha1_lanes.h"
#include "tests/support/check.h"

using namespace p2p;

namespace {

// What this processor can run; OpenSSL is among them.
std::vector<Instructions> all_here() {
  std::vector<Instructions> here;
  for (const auto with : kAllInstructions)
    if (processor_has(with)) here.push_back(with);
  return here;
}

constexpr std::size_t kPoolBytes = 300'000;

Bytes make_pool() {
  Random random(0);
  Bytes pool(kPoolBytes);
  for (auto& byte : pool) byte = static_cast<std::uint8_t>(random.next());
  return pool;
}

Bytes random_bytes(Random& random, std::size_t count) {
  static const Bytes kPool = make_pool();
  return to_bytes(ByteSpan(kPool).subspan(random.below(kPoolBytes - count), count));
}

std::vector<ByteSpan> spans_of(const std::vector<Bytes>& messages) {
  return {messages.begin(), messages.end()};
}

void expect_sha256(const std::vector<Bytes>& messages, Instructions with) {
  const auto spans = spans_of(messages);
  std::vector<Sha256> digests(messages.size());
  sha256_batch(spans, digests, with);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (digests[i] == sha256(spans[i])) continue;
    throw test::Failure{
        fmt::format("{}: message {} of {} bytes", instructions_name(with), i, spans[i].size()), __FILE__,
        __LINE__};
  }
}

// Streams that all come in parts of `step` bytes, a multiple of 64, and end with their own length.
void expect_sha1(const std::vector<Bytes>& messages, std::size_t step, Instructions with) {
  std::vector<Sha1State> states(messages.size());
  std::vector<Sha1State*> streams;
  for (auto& state : states) streams.push_back(&state);
  auto left = spans_of(messages);
  for (bool more = true; std::exchange(more, false);) {
    std::vector<ByteSpan> parts;
    for (auto& rest : left) {
      parts.push_back(rest.first(std::min(step, rest.size())));
      rest = rest.subspan(parts.back().size());
      more = more || !rest.empty();
    }
    update_side_by_side(streams, parts, with);
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (states[i].digest() == sha1(messages[i])) continue;
    throw test::Failure{
        fmt::format("{}: stream {} of {} bytes", instructions_name(with), i, messages[i].size()), __FILE__,
        __LINE__};
  }
}

const std::vector<std::size_t> kLengths{0,   1,   55,    56,    63,    64,    65,    119,   120,
                                        127, 128, 16383, 16384, 16385, 65535, 65536, 65537, 100000};

TEST(every_choice_of_instructions_gives_the_digests_of_openssl) {
  Random random(1);
  for (const auto with : all_here()) {
    for (const auto length : kLengths)
      for (const std::size_t count : {1u, 2u, 3u, 15u, 16u, 17u}) {
        std::vector<Bytes> messages;
        for (std::size_t i = 0; i < count; ++i) messages.push_back(random_bytes(random, length));
        expect_sha256(messages, with);
        if (count <= kSha1LanesMax) expect_sha1(messages, 16384, with);
      }
  }
}

TEST(messages_of_any_lengths_share_a_batch) {
  Random random(2);
  for (const auto with : all_here()) {
    std::vector<Bytes> known;
    for (const auto length : kLengths) known.push_back(random_bytes(random, length));
    expect_sha256(known, with);
    for (int round = 0; round < 50; ++round) {
      std::vector<Bytes> messages;
      const auto count = random.below(100);
      for (std::size_t i = 0; i < count; ++i)
        messages.push_back(random_bytes(random, random.below(random.below(4) == 0 ? 70'000 : 300)));
      expect_sha256(messages, with);
    }
  }
}

TEST(streams_of_any_lengths_move_side_by_side) {
  Random random(3);
  for (const auto with : all_here())
    for (int round = 0; round < 50; ++round) {
      std::vector<Bytes> messages;
      const auto count = random.below(kSha1LanesMax + 1);
      for (std::size_t i = 0; i < count; ++i)
        messages.push_back(random_bytes(random, random.below(random.below(4) == 0 ? 70'000 : 300)));
      expect_sha1(messages, 64 * (1 + random.below(100)), with);
    }
}

TEST(one_stream_takes_parts_of_any_length) {
  Random random(4);
  for (int round = 0; round < 200; ++round) {
    const auto message = random_bytes(random, random.below(1000));
    Sha1State state;
    for (ByteSpan rest = message; !rest.empty();) {
      const auto part = rest.first(std::min<std::size_t>(rest.size(), random.below(150)));
      state.update(part);
      rest = rest.subspan(part.size());
    }
    EXPECT_EQ(state.digest(), sha1(message));
  }
}

TEST(choice_of_the_processor_can_run) {
  EXPECT(processor_has(Instructions::OpenSsl));
  EXPECT(processor_has(best_for_sha256()));
  EXPECT(processor_has(best_for_sha1()));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(every_choice_of_instructions_gives_the_digests_of_openssl),
      cmocka_unit_test(messages_of_any_lengths_share_a_batch),
      cmocka_unit_test(streams_of_any_lengths_move_side_by_side),
      cmocka_unit_test(one_stream_takes_parts_of_any_length),
      cmocka_unit_test(choice_of_the_processor_can_run),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
