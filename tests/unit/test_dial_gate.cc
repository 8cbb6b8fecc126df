// SPDX-License-Identifier: MIT
#include "daemon/swarm/dial_gate.h"

#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using swarm::DialGate;

namespace {

constexpr TimePoint kNow(1h);

TEST(dials_under_way_are_bounded_and_each_end_makes_room) {
  DialGate gate;
  LIMIT_AT(limits::kHalfOpenDials);
  for (std::size_t i = 0; i < limits::kHalfOpenDials; ++i) {
    EXPECT(gate.may_dial(kNow));
    gate.on_dial(kNow);
  }
  EXPECT_EQ(gate.half_open(), limits::kHalfOpenDials);
  LIMIT_ABOVE(limits::kHalfOpenDials);
  EXPECT(!gate.may_dial(kNow));
  EXPECT(!gate.may_dial(kNow + 1min));

  gate.on_failed();
  EXPECT(gate.may_dial(kNow));
  gate.on_dial(kNow);
  EXPECT(!gate.may_dial(kNow));
  gate.on_reached();
  EXPECT(gate.may_dial(kNow));
}

TEST(dials_that_come_to_nothing_are_bounded_by_the_second) {
  DialGate gate;
  LIMIT_AT(limits::kDialsPerSecond);
  for (std::size_t i = 0; i < limits::kDialsPerSecond; ++i) {
    EXPECT(gate.may_dial(kNow));
    gate.on_dial(kNow);
    gate.on_failed();
  }
  LIMIT_ABOVE(limits::kDialsPerSecond);
  EXPECT(!gate.may_dial(kNow));
  EXPECT(!gate.may_dial(kNow + 1s - 1ns));

  EXPECT(gate.may_dial(kNow + 1s));
}

TEST(dials_that_reach_their_device_do_not_count) {
  DialGate gate;
  for (std::size_t i = 0; i < 10 * limits::kDialsPerSecond; ++i) {
    EXPECT(gate.may_dial(kNow));
    gate.on_dial(kNow);
    gate.on_reached();
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(dials_under_way_are_bounded_and_each_end_makes_room),
      cmocka_unit_test(dials_that_come_to_nothing_are_bounded_by_the_second),
      cmocka_unit_test(dials_that_reach_their_device_do_not_count),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
