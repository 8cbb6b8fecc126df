// SPDX-License-Identifier: MIT
// What becomes of pieces that are lost or withdrawn, and how requests of peers are served.
#include "daemon/swarm/choker.h"
#include "tests/support/limit.h"
#include "tests/support/scripted_swarm.h"

using namespace p2p;
using namespace p2p::test;
using World = test::ScriptedSwarm;

namespace {

// --- pieces that go wrong ----------------------------------------------------------------------------

TEST(lost_piece_blames_nobody_and_is_fetched_again) {
  World world("..");
  const auto id = world.source(1, "#.");
  world.answer({id});
  world.filled.clear();

  world.swarm.on_piece_lost(PieceIndex{0}, world.now);
  world.drain();

  EXPECT(world.closed.empty());
  world.answer({id});
  EXPECT_EQ(world.filled.size(), 1u);
  EXPECT_EQ(world.swarm.totals().wasted, 0u);
}

TEST(withdrawn_piece_is_rejected_and_fetched_again) {
  World world("##");
  const auto taker = world.taker(1);
  world.say(taker, wire::Request{span(0, 0)});
  const auto source = world.open(2);
  world.say(source, wire::BitfieldMessage{field("#.").to_wire()});

  world.swarm.on_piece_withdrawn(PieceIndex{0}, world.now);
  world.drain();

  EXPECT_EQ(world.take<wire::Reject>(taker).size(), 1u);
  EXPECT(!world.swarm.has_upload(taker));
  world.say(taker, wire::Request{span(0, 1)});
  EXPECT_EQ(world.take<wire::Reject>(taker).size(), 1u);
  EXPECT_EQ(world.take<wire::Interested>(source).size(), 1u);
  world.say(source, wire::Unchoke{});
  world.answer({source});
  world.store(PieceIndex{0});
  EXPECT_EQ(world.completed, 1);
}

// --- serving -----------------------------------------------------------------------------------------

TEST(requests_are_served_in_order) {
  World world("##");
  const auto id = world.taker(1);
  EXPECT_EQ(world.take<wire::Unchoke>(id).size(), 1u);
  world.say(id, wire::Request{span(0, 1)});
  world.say(id, wire::Request{span(0, 0)});
  world.say(id, wire::Request{span(0, 2)});
  EXPECT_EQ(world.ready, 1);
  world.say(id, wire::Cancel{span(0, 0)});
  EXPECT(world.take<wire::Reject>(id).at(0).block == span(0, 0));

  EXPECT(world.swarm.next_upload(id) == span(0, 1));
  world.swarm.on_upload_sent(id, span(0, 1), world.now);
  EXPECT(world.swarm.next_upload(id) == span(0, 2));
  world.swarm.on_upload_failed(id, span(0, 2), world.now);
  world.drain();

  EXPECT(!world.swarm.next_upload(id));
  EXPECT(!world.swarm.has_upload(id));
  EXPECT_EQ(world.take<wire::Reject>(id).size(), 1u);
  EXPECT_EQ(world.swarm.totals().uploaded, kBlock);
  world.say(id, wire::Request{span(0, 3)});
  EXPECT_EQ(world.ready, 2);
}

TEST(choked_peer_and_missing_piece_are_refused) {
  World world("#.");
  const auto id = world.open(1);
  world.say(id, wire::Request{span(0, 0)});
  EXPECT_EQ(world.take<wire::Reject>(id).size(), 1u);
  world.say(id, wire::Interested{});
  world.say(id, wire::Request{span(1, 0)});
  EXPECT_EQ(world.take<wire::Reject>(id).size(), 1u);
  const auto plain = world.open(2, kPlain);

  world.say(plain, wire::Request{span(0, 0)});

  EXPECT(world.take<wire::Reject>(plain).empty());
  EXPECT(!world.swarm.has_upload(plain));
  EXPECT(world.closed.empty());
}

TEST(request_queue_is_bounded_and_who_keeps_asking_is_closed) {
  World world(std::string(limits::kRequestsFromPeer / kBlocks + 1, '#'));
  const auto id = world.taker(1);
  for (std::uint32_t i = 0; i < limits::kRequestsFromPeer; ++i)
    world.say(id, wire::Request{span(i / kBlocks, i % kBlocks)});
  LIMIT_AT(limits::kRequestsFromPeer);
  EXPECT(world.take<wire::Reject>(id).empty());
  LIMIT_ABOVE(limits::kRequestsFromPeer);
  world.say(id, wire::Request{span(0, 0)});
  EXPECT_EQ(world.take<wire::Reject>(id).size(), 1u);

  LIMIT_AT(limits::kRejectsPerMinute);
  for (std::size_t i = 1; i < limits::kRejectsPerMinute; ++i) world.say(id, wire::Request{span(0, 0)});
  EXPECT_EQ(world.take<wire::Reject>(id).size(), limits::kRejectsPerMinute - 1);
  EXPECT_EQ(world.view(id).requests_queued, limits::kRequestsFromPeer);
  EXPECT(world.closed.empty());

  LIMIT_ABOVE(limits::kRejectsPerMinute);
  world.say(id, wire::Request{span(0, 0)});

  EXPECT(world.closed_for(id, CloseReason::RequestFlood));
}

TEST(who_asks_for_the_same_blocks_again_and_again_is_closed) {
  World world("##");
  const auto id = world.taker(1);
  const auto ask = [&](std::uint32_t block) {
    world.say(id, wire::Request{span(0, block)});
    world.swarm.next_upload(id);
  };
  for (std::uint32_t i = 0; i < kBlocks; ++i) ask(i);
  for (std::uint32_t i = 0; i < kBlocks; ++i) ask(i);  // a piece once more is allowed

  LIMIT_AT(limits::kRepeatsPerMinute);
  for (std::size_t i = 0; i < limits::kRepeatsPerMinute; ++i) ask(i % kBlocks);
  EXPECT(world.closed.empty());
  LIMIT_ABOVE(limits::kRepeatsPerMinute);
  ask(0);

  EXPECT(world.closed_for(id, CloseReason::RequestFlood));
}

TEST(what_was_cancelled_may_be_asked_for_again) {
  World world("##");
  const auto id = world.taker(1);
  for (std::size_t i = 0; i < 2 * (limits::kRepeatsPerMinute + kBlocks); ++i) {
    world.say(id, wire::Request{span(0, 0)});
    world.say(id, wire::Cancel{span(0, 0)});
  }
  EXPECT(world.closed.empty());
}

TEST(slots_rotate_by_time_and_choking_rejects_what_waits) {
  swarm::Options options;
  options.upload_slots = 1;
  World world("#.", options);
  const auto first = world.taker(1);
  const auto second = world.taker(2);
  world.say(first, wire::Request{span(0, 0)});
  EXPECT_EQ(world.take<wire::Unchoke>(first).size(), 1u);
  EXPECT(world.take<wire::Unchoke>(second).empty());
  EXPECT_EQ(world.swarm.next_deadline(), world.now + options.choke_interval);

  world.now += options.choke_interval;
  world.swarm.on_timer(world.now);
  world.drain();

  EXPECT_EQ(world.take<wire::Choke>(first).size(), 1u);
  EXPECT_EQ(world.take<wire::Reject>(first).size(), 1u);
  EXPECT_EQ(world.take<wire::Unchoke>(second).size(), 1u);
  world.say(second, wire::NotInterested{});
  EXPECT_EQ(world.take<wire::Unchoke>(first).size(), 1u);
}

TEST(idle_slot_is_kept_until_somebody_wants_it) {
  const auto pick = [](std::vector<swarm::Contender> all) {
    return swarm::choose_unchoked(std::move(all), 2, 10s, TimePoint(100s));
  };
  const swarm::Contender idle{SessionId{1}, false, true, TimePoint(95s)};
  const swarm::Contender in_turn{SessionId{2}, true, true, TimePoint(95s)};
  const swarm::Contender over{SessionId{3}, true, true, TimePoint(90s)};
  const swarm::Contender waiting{SessionId{4}, true, false, TimePoint(99s)};
  const swarm::Contender longer{SessionId{5}, true, false, TimePoint(98s)};
  const std::vector<SessionId> first = {SessionId{1}, SessionId{2}};
  const std::vector<SessionId> second = {SessionId{2}, SessionId{4}};
  const std::vector<SessionId> third = {SessionId{2}, SessionId{5}};
  const std::vector<SessionId> fourth = {SessionId{2}, SessionId{3}};

  EXPECT(pick({idle, in_turn}) == first);
  EXPECT(pick({idle, in_turn, waiting}) == second);
  EXPECT(pick({in_turn, over, waiting, longer}) == third);
  EXPECT(pick({idle, in_turn, over}) == fourth);
}

TEST(empty_share_has_nothing_to_exchange) {
  Random random(1);
  const auto geometry = *meta::Geometry::make(0, kPieceBytes);
  swarm::Swarm swarm(geometry, Bitfield(0), {}, random);
  const auto id = swarm.open_session(device(1), {}, TimePoint(1s));

  swarm.on_message(id, wire::HaveAll{}, TimePoint(1s));

  EXPECT(swarm.complete());
  EXPECT(swarm.sessions(TimePoint(1s)).empty());
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(lost_piece_blames_nobody_and_is_fetched_again),
      cmocka_unit_test(withdrawn_piece_is_rejected_and_fetched_again),
      cmocka_unit_test(requests_are_served_in_order),
      cmocka_unit_test(choked_peer_and_missing_piece_are_refused),
      cmocka_unit_test(request_queue_is_bounded_and_who_keeps_asking_is_closed),
      cmocka_unit_test(who_asks_for_the_same_blocks_again_and_again_is_closed),
      cmocka_unit_test(what_was_cancelled_may_be_asked_for_again),
      cmocka_unit_test(slots_rotate_by_time_and_choking_rejects_what_waits),
      cmocka_unit_test(idle_slot_is_kept_until_somebody_wants_it),
      cmocka_unit_test(empty_share_has_nothing_to_exchange),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
