// SPDX-License-Identifier: MIT
// Rate limits: turns in front of a bucket, and a swarm that asks for no more than it is allowed.
#include "daemon/swarm/shared_limit.h"
#include "tests/support/scripted_swarm.h"

using namespace p2p;
using namespace p2p::test;
using swarm::SharedLimit;
using World = test::ScriptedSwarm;

namespace {

DownloadId transfer(std::uint8_t number) {
  DownloadId id;
  id.bytes[0] = number;
  return id;
}

TimePoint at(Duration time) { return TimePoint(1h + time); }

// --- the line ----------------------------------------------------------------------------------------

TEST(those_who_wait_get_the_same_in_turns) {
  SharedLimit limit;
  limit.set_rate(1024 * 1024, at(0s));
  std::map<std::uint8_t, std::uint64_t> got;
  limit.wait(transfer(1));
  limit.wait(transfer(2));
  limit.wait(transfer(3));
  for (TimePoint now = at(0s); now < at(10s); now += 1ms) {
    while (const auto turn = limit.next(now)) {
      got[turn->who.bytes[0]] += turn->bytes;
      limit.wait(turn->who);
    }
  }

  const auto sum = got[1] + got[2] + got[3];
  EXPECT(sum >= 10 * 1024 * 1024 && sum <= 10 * 1024 * 1024 + 64 * 1024);
  EXPECT(got[1] - got[3] <= SharedLimit::kQuantumMin);
}

TEST(who_waits_twice_stands_in_the_line_once) {
  SharedLimit limit;
  limit.set_rate(100'000, at(0s));
  limit.wait(transfer(1));
  limit.wait(transfer(1));

  EXPECT(limit.next(at(0s)).has_value());
  EXPECT(!limit.next(at(0s)).has_value());
  EXPECT(limit.next_deadline(at(0s)) == TimePoint::max());
}

TEST(who_is_forgotten_gets_no_turn) {
  SharedLimit limit;
  limit.set_rate(100'000, at(0s));
  limit.wait(transfer(1));
  limit.wait(transfer(2));
  limit.forget(transfer(1));

  EXPECT(limit.next(at(0s))->who == transfer(2));
}

TEST(nothing_is_given_before_the_deadline_and_a_turn_at_it) {
  SharedLimit limit;
  limit.set_rate(16 * 1024, at(0s));
  for (int i = 0; i < 4; ++i) {
    limit.wait(transfer(1));
    EXPECT(limit.next(at(0s)).has_value());  // the burst
  }
  limit.wait(transfer(1));

  const auto due = limit.next_deadline(at(0s));

  EXPECT(due > at(990ms) && due < at(1010ms));
  EXPECT(!limit.next(due - 1ms).has_value());
  EXPECT(limit.next(due).has_value());
}

TEST(a_turn_is_between_one_block_and_the_most) {
  SharedLimit limit;
  for (const std::uint64_t rate : {std::uint64_t{1}, std::uint64_t{1} << 34}) {
    limit.set_rate(rate, at(0s));
    limit.wait(transfer(1));
    const auto bytes = limit.next(at(100h))->bytes;
    EXPECT_EQ(bytes, rate == 1 ? SharedLimit::kQuantumMin : SharedLimit::kQuantumMax);
  }
}

// --- the swarm ---------------------------------------------------------------------------------------

TEST(without_an_allowance_nothing_is_asked_and_with_it_no_more) {
  World world("....");
  world.swarm.limit_requests(true, world.now);
  const auto id = world.source(1, "####");
  EXPECT_EQ(world.requests(id).size(), 0u);
  EXPECT_EQ(world.spent, 1);

  world.swarm.allow_requests(2 * kBlock, world.now);
  world.drain();

  EXPECT_EQ(world.requests(id).size(), 2u);
  EXPECT_EQ(world.spent, 2);
}

TEST(an_answer_alone_asks_for_nothing_more) {
  World world("....");
  world.swarm.limit_requests(true, world.now);
  const auto id = world.source(1, "####");
  world.swarm.allow_requests(kBlock, world.now);
  world.drain();

  EXPECT(world.block(id, world.requests(id).at(0)) == BlockVerdict::Keep);

  EXPECT_EQ(world.requests(id).size(), 0u);
}

TEST(sessions_ask_in_turns) {
  World world("....");
  world.swarm.limit_requests(true, world.now);
  const SessionId ids[] = {world.source(1, "###."), world.source(2, "###."), world.source(3, "###.")};
  for (int i = 0; i < 6; ++i) {
    world.swarm.allow_requests(kBlock, world.now);
    world.drain();
  }

  for (const auto id : ids) EXPECT_EQ(world.requests(id).size(), 2u);
}

TEST(what_is_not_answered_may_be_asked_of_another) {
  World world("....");
  world.swarm.limit_requests(true, world.now);
  const auto gone = world.source(1, "####");
  world.swarm.allow_requests(3 * kBlock, world.now);
  world.drain();
  const auto refused = world.requests(gone);
  EXPECT_EQ(refused.size(), 3u);
  const auto other = world.source(2, "####");
  EXPECT_EQ(world.requests(other).size(), 0u);

  world.say(gone, wire::Reject{refused[0]});
  EXPECT_EQ(world.requests(other).size() + world.requests(gone).size(), 1u);
  world.swarm.close_session(gone, world.now);
  world.drain();

  EXPECT_EQ(world.requests(other).size(), world.view(other).requests_outstanding == 3 ? 2u : 3u);
}

TEST(a_block_that_comes_after_it_was_given_up_is_paid) {
  World world("....");
  world.swarm.limit_requests(true, world.now);
  const auto id = world.source(1, "####");
  world.swarm.allow_requests(kBlock, world.now);
  world.drain();
  const auto late = world.requests(id).at(0);
  world.now += 21s;
  world.swarm.on_timer(world.now);  // snubbed: given back
  world.drain();
  EXPECT_EQ(world.requests(world.source(2, "####")).size(), 1u);

  world.block(id, late);
  world.swarm.allow_requests(kBlock, world.now);
  world.drain();

  EXPECT_EQ(world.requests(id).size(), 0u);
}

TEST(serving_goes_on_while_nothing_may_be_asked) {
  World world("#...");
  world.swarm.limit_requests(true, world.now);
  const auto id = world.source(1, "####");
  const auto taker = world.taker(2);
  world.say(taker, wire::Request{span(0, 0)});

  EXPECT_EQ(world.requests(id).size(), 0u);
  EXPECT(world.swarm.next_upload(taker) == span(0, 0));
}

TEST(when_the_limit_ends_all_is_asked_that_the_pipeline_bears) {
  World world("....");
  world.swarm.limit_requests(true, world.now);
  const auto id = world.source(1, "####");

  world.swarm.limit_requests(false, world.now);
  world.drain();

  EXPECT_EQ(world.requests(id).size(), 8u);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(those_who_wait_get_the_same_in_turns),
      cmocka_unit_test(who_waits_twice_stands_in_the_line_once),
      cmocka_unit_test(who_is_forgotten_gets_no_turn),
      cmocka_unit_test(nothing_is_given_before_the_deadline_and_a_turn_at_it),
      cmocka_unit_test(a_turn_is_between_one_block_and_the_most),
      cmocka_unit_test(without_an_allowance_nothing_is_asked_and_with_it_no_more),
      cmocka_unit_test(an_answer_alone_asks_for_nothing_more),
      cmocka_unit_test(sessions_ask_in_turns),
      cmocka_unit_test(what_is_not_answered_may_be_asked_of_another),
      cmocka_unit_test(a_block_that_comes_after_it_was_given_up_is_paid),
      cmocka_unit_test(serving_goes_on_while_nothing_may_be_asked),
      cmocka_unit_test(when_the_limit_ends_all_is_asked_that_the_pipeline_bears),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
