// SPDX-License-Identifier: MIT
#include "daemon/io/burst_size.h"

#include "tests/support/check.h"

using namespace p2p;
using io::BurstSize;

namespace {

// Sends so much a second for that long, as a loop does that turns each millisecond.
void send(BurstSize& burst, TimePoint& now, std::uint64_t bytes_per_second, Duration time) {
  for (const auto end = now + time; now < end; now += 1ms) burst.on_sent(bytes_per_second / 1000, now);
}

TEST(bursts_are_short_until_the_way_is_known_to_be_fast) {
  BurstSize burst;
  TimePoint now(1h);
  EXPECT_EQ(burst.bytes(), BurstSize::kShort);
  burst.on_sent(BurstSize::kFastBytes, now);  // the time before the first byte says nothing
  EXPECT_EQ(burst.bytes(), BurstSize::kShort);

  send(burst, now, 700'000'000, 23ms);
  EXPECT_EQ(burst.bytes(), BurstSize::kShort);
  send(burst, now, 700'000'000, 2ms);
  EXPECT_EQ(burst.bytes(), BurstSize::kLong);
}

TEST(four_hundred_megabits_are_not_fast) {
  BurstSize burst;
  TimePoint now(1h);
  for (int i = 0; i < 100; ++i) {
    send(burst, now, 50'000'000, 50ms);
    EXPECT_EQ(burst.bytes(), BurstSize::kShort);
  }
}

TEST(what_a_socket_takes_at_once_is_not_fast) {
  BurstSize burst;
  TimePoint now(1h);
  burst.on_sent(1, now);
  burst.on_sent(6 * limits::kMiB, now);
  send(burst, now, 12'500'000, 10s);
  EXPECT_EQ(burst.bytes(), BurstSize::kShort);
}

TEST(bursts_are_short_again_soon_after_the_way_became_slow) {
  BurstSize burst;
  TimePoint now(1h);
  send(burst, now, 700'000'000, 1s);
  EXPECT_EQ(burst.bytes(), BurstSize::kLong);

  send(burst, now, 12'500'000, BurstSize::kFastTime + 2ms);
  EXPECT_EQ(burst.bytes(), BurstSize::kShort);
}

TEST(bursts_are_short_again_after_a_silence) {
  BurstSize burst;
  TimePoint now(1h);
  send(burst, now, 700'000'000, 1s);

  now += 1s;
  burst.on_sent(16 * limits::kKiB, now);
  EXPECT_EQ(burst.bytes(), BurstSize::kShort);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(bursts_are_short_until_the_way_is_known_to_be_fast),
      cmocka_unit_test(four_hundred_megabits_are_not_fast),
      cmocka_unit_test(what_a_socket_takes_at_once_is_not_fast),
      cmocka_unit_test(bursts_are_short_again_soon_after_the_way_became_slow),
      cmocka_unit_test(bursts_are_short_again_after_a_silence),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
