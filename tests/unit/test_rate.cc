// SPDX-License-Identifier: MIT
#include "daemon/swarm/rate.h"

#include <limits>

#include "tests/support/check.h"

using namespace p2p;
using swarm::Rate;
using swarm::TokenBucket;

namespace {

TimePoint at(Duration time) { return TimePoint(1h + time); }

bool near(double value, double expected, double part) {
  return value > expected * (1 - part) && value < expected * (1 + part);
}

TEST(steady_flow_is_measured) {
  Rate rate;
  for (int i = 0; i < 500; ++i) rate.add(1000, at(10ms * i));

  EXPECT(near(rate.per_second(at(5s)), 100'000, 0.02));
}

TEST(time_before_the_first_byte_does_not_count) {
  Rate rate;
  for (int i = 0; i < 50; ++i) rate.add(1000, at(10ms * i));

  EXPECT(near(rate.per_second(at(500ms)), 100'000, 0.05));
}

TEST(time_before_the_first_byte_counts_when_it_was_waited_for) {
  Rate rate;
  rate.expect(at(0s));
  rate.add(1000, at(1s));
  EXPECT(near(rate.per_second(at(1s)), 1000, 0.1));

  rate.add(1000, at(5s));  // and a silence of more than the window
  EXPECT(near(rate.per_second(at(5s)), 1000 / seconds_of(Rate::kWindow), 0.2));

  rate.expect(at(60s));  // nobody waited before
  rate.add(1000, at(61s));
  EXPECT(near(rate.per_second(at(61s)), 1000, 0.1));
}

TEST(silence_brings_the_rate_to_zero_within_the_window) {
  Rate rate;
  for (int i = 0; i < 300; ++i) rate.add(1000, at(10ms * i));

  EXPECT(rate.per_second(at(4s)) < 60'000);
  EXPECT_EQ(rate.per_second(at(3s + Rate::kWindow)), 0.0);
}

TEST(rate_of_nothing_is_zero) { EXPECT_EQ(Rate().per_second(at(1s)), 0.0); }

TEST(bucket_begins_full_and_refills_up_to_its_burst) {
  TokenBucket bucket(100, 50);
  EXPECT_EQ(bucket.available(at(0s)), 50.0);

  bucket.take(50, at(0s));

  EXPECT_EQ(bucket.available(at(0s)), 0.0);
  EXPECT(near(bucket.available(at(250ms)), 25, 0.001));
  EXPECT_EQ(bucket.available(at(10s)), 50.0);
}

TEST(debt_is_paid_before_the_next) {
  TokenBucket bucket(1000, 1000);
  bucket.take(1000, at(0s));
  bucket.take(16'000, at(0s));

  const auto due = bucket.when(1, at(0s));

  EXPECT(due > at(16s) && due < at(16s + 2ms));
  EXPECT(bucket.available(due) >= 1);
  EXPECT(bucket.available(due - 2ms) < 1);
}

TEST(more_than_the_burst_is_not_waited_for) {
  TokenBucket bucket(1000, 100);
  bucket.take(100, at(0s));

  EXPECT(bucket.when(5000, at(0s)) <= at(101ms));
  EXPECT_EQ(bucket.when(5000, at(1s)), at(1s));
}

TEST(rate_of_zero_is_no_limit) {
  TokenBucket bucket(0, 0);

  bucket.take(1e12, at(0s));

  EXPECT(bucket.unlimited());
  EXPECT_EQ(bucket.available(at(0s)), std::numeric_limits<double>::max());
  EXPECT_EQ(bucket.when(1e9, at(0s)), at(0s));
}

TEST(new_limit_keeps_the_debt) {
  TokenBucket bucket(100, 100);
  bucket.take(200, at(0s));

  bucket.set_limit(1000, 100, at(0s));

  EXPECT(near(bucket.available(at(50ms)), -50, -0.01));
  EXPECT(bucket.when(1, at(0s)) < at(102ms));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(steady_flow_is_measured),
      cmocka_unit_test(time_before_the_first_byte_does_not_count),
      cmocka_unit_test(time_before_the_first_byte_counts_when_it_was_waited_for),
      cmocka_unit_test(silence_brings_the_rate_to_zero_within_the_window),
      cmocka_unit_test(rate_of_nothing_is_zero),
      cmocka_unit_test(bucket_begins_full_and_refills_up_to_its_burst),
      cmocka_unit_test(debt_is_paid_before_the_next),
      cmocka_unit_test(more_than_the_burst_is_not_waited_for),
      cmocka_unit_test(rate_of_zero_is_no_limit),
      cmocka_unit_test(new_limit_keeps_the_debt),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
