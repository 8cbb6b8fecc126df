// SPDX-License-Identifier: MIT
#include "daemon/swarm/swarm.h"

#include <set>

#include "daemon/wire/extension.h"
#include "tests/support/limit.h"
#include "tests/support/scripted_swarm.h"

using namespace p2p;
using namespace p2p::test;
using World = test::ScriptedSwarm;

namespace {

// --- opening -----------------------------------------------------------------------------------------

TEST(opening_tells_what_we_have_and_how_much_may_wait) {
  World none("..");
  World some("#.");
  World all("##");

  const auto id = none.open(1);
  EXPECT_EQ(none.take<wire::HaveNone>(id).size(), 1u);
  EXPECT_EQ(none.take<wire::HaveNone>(none.open(2, kPlain)).size(), 0u);
  EXPECT_EQ(some.take<wire::BitfieldMessage>(some.open(1)).at(0).bits, Bytes{0x80});
  EXPECT_EQ(all.take<wire::HaveAll>(all.open(1)).size(), 1u);
  EXPECT_EQ(all.take<wire::BitfieldMessage>(all.open(2, kPlain)).at(0).bits, Bytes{0xc0});

  const auto extended = none.take<wire::Extended>(id);
  EXPECT_EQ(extended.size(), 1u);
  const auto handshake = wire::decode_extension_handshake(extended[0].payload);
  EXPECT_EQ(handshake->request_queue.value(), 256u);
  EXPECT_EQ(handshake->request_bytes.value(), limits::kRequestBytes);
  EXPECT_EQ(handshake->client, "p2p");
}

TEST(bitfield_comes_once_and_first) {
  World world("..");
  const auto twice = world.source(1, "##");
  world.say(twice, wire::BitfieldMessage{{0xc0}});
  const auto late = world.open(2);
  world.say(late, wire::KeepAlive{});
  world.say(late, wire::Have{PieceIndex{0}});
  world.say(late, wire::HaveAll{});

  EXPECT(world.closed_for(twice, CloseReason::UnexpectedBitfield));
  EXPECT(world.closed_for(late, CloseReason::UnexpectedBitfield));
  EXPECT(world.swarm.sessions(world.now).empty());
}

TEST(messages_that_the_share_cannot_have_close_the_session) {
  const wire::Message bad[] = {
      wire::BitfieldMessage{{0xc0, 0x00}},
      wire::BitfieldMessage{{0xe0}},  // a spare bit
      wire::Have{PieceIndex{2}},
      wire::Suggest{PieceIndex{2}},
      wire::AllowedFast{PieceIndex{2}},
      wire::Request{span(2, 0)},
      wire::Request{span(0, kBlocks)},
      wire::Request{{PieceIndex{0}, 0, kBlock + 1}},
      wire::Request{{PieceIndex{0}, 0, 0}},
      wire::Request{{PieceIndex{1}, kBlock, 2}},
      wire::Request{{PieceIndex{0}, 0xfffffff0, 0x20}},
      wire::Cancel{span(2, 0)},
      wire::Reject{span(2, 0)},
      wire::Reject{{PieceIndex{0}, 1, 10}},
      wire::Extended{0, {'x'}},
  };
  World world("#.");
  int number = 1;
  for (const auto& message : bad) {
    const auto id = world.open(number++);
    world.say(id, message);
    EXPECT(world.closed_for(id, CloseReason::MalformedMessage));
  }
  const auto plain = world.open(number, kPlain);
  world.say(plain, wire::HaveAll{});
  EXPECT(world.closed_for(plain, CloseReason::MalformedMessage));

  const auto good = world.open(100);
  world.say(good, wire::Have{PieceIndex{1}});
  world.say(good, wire::Suggest{PieceIndex{1}});
  world.say(good, wire::Request{{PieceIndex{1}, kBlock, 1}});
  EXPECT_EQ(world.swarm.sessions(world.now).size(), 1u);
}

TEST(messages_are_counted_up_to_the_burst_and_then_by_the_second) {
  World world("..");
  const auto hasty = world.open(2);
  const auto id = world.open(1);
  for (const auto one : {hasty, id})
    for (std::size_t i = 0; i < limits::kControlMessagesBurst; ++i)
      world.swarm.on_message(one, wire::KeepAlive{}, world.now);
  world.drain();
  LIMIT_AT(limits::kControlMessagesBurst);
  EXPECT(world.closed.empty());
  LIMIT_ABOVE(limits::kControlMessagesBurst);
  world.say(hasty, wire::KeepAlive{});
  EXPECT(world.closed_for(hasty, CloseReason::MessageFlood));

  world.now += 1s;
  LIMIT_AT(limits::kControlMessagesPerSecond);
  for (std::size_t i = 0; i < limits::kControlMessagesPerSecond; ++i) world.say(id, wire::KeepAlive{});
  EXPECT(!world.closed_for(id, CloseReason::MessageFlood));

  LIMIT_ABOVE(limits::kControlMessagesPerSecond);
  world.say(id, wire::KeepAlive{});

  EXPECT(world.closed_for(id, CloseReason::MessageFlood));
}

// --- fetching ----------------------------------------------------------------------------------------

TEST(interest_follows_the_pieces) {
  World world("#..");
  const auto id = world.source(1, "#..");
  EXPECT(world.take<wire::Interested>(id).empty());

  world.say(id, wire::Have{PieceIndex{2}});
  EXPECT_EQ(world.take<wire::Interested>(id).size(), 1u);
  world.answer({id});
  EXPECT_EQ(world.filled.at(0), PieceIndex{2});
  world.store(PieceIndex{2});

  EXPECT_EQ(world.take<wire::NotInterested>(id).size(), 1u);
}

TEST(choked_peer_is_not_asked_for_blocks) {
  World world("..");
  const auto id = world.open(1);
  world.say(id, wire::HaveAll{});
  EXPECT(world.requests(id).empty());

  world.say(id, wire::Unchoke{});

  EXPECT_EQ(world.requests(id).size(), swarm::Options{}.pipeline_new);
}

TEST(requests_stay_within_the_pipeline_and_the_announced_queue) {
  World world("........................................");
  swarm::Options options;
  const auto fast = world.source(1, "########################################");
  const auto shy = world.open(2);
  world.say(shy, wire::HaveAll{});
  wire::ExtensionHandshake handshake;
  handshake.client = "x";
  handshake.request_queue = 3;
  world.say(shy, wire::Extended{0, wire::encode_extension_handshake(handshake)});
  world.say(shy, wire::Unchoke{});
  std::uint32_t most = 0;

  for (int i = 0; i < 600; ++i) {
    world.now += 1ms;
    const auto asked = world.requests(fast);
    for (const auto& one : asked) world.block(fast, one);
    for (const auto& one : world.requests(shy)) world.block(shy, one);
    most = std::max(most, world.view(fast).requests_outstanding);
    EXPECT(world.view(shy).requests_outstanding <= 3);
    for (const auto piece : std::vector(world.filled)) world.store(piece);
  }

  EXPECT(most > options.pipeline_new && most <= options.pipeline_max);
}

// What is asked of a peer that says so, message by message, in blocks.
std::vector<std::uint32_t> asked_at_once(std::optional<std::uint32_t> request_bytes) {
  World world("...");
  const auto id = world.open(1);
  world.say(id, wire::BitfieldMessage{field("##.").to_wire()});
  wire::ExtensionHandshake handshake;
  handshake.request_bytes = request_bytes;
  world.say(id, wire::Extended{0, wire::encode_extension_handshake(handshake)});
  world.say(id, wire::Unchoke{});
  std::vector<std::uint32_t> blocks;
  for (const auto& one : world.take<wire::Request>(id)) blocks.push_back(one.block.length / kBlock);
  return blocks;
}

TEST(requests_go_together_where_the_other_side_takes_that) {
  using Blocks = std::vector<std::uint32_t>;
  EXPECT(asked_at_once({}) == Blocks(8, 1));
  EXPECT(asked_at_once(kBlock - 1) == Blocks(8, 1));
  EXPECT((asked_at_once(3 * kBlock + 1) == Blocks{3, 3, 2}));
  EXPECT(asked_at_once(limits::kRequestBytes) == Blocks{8});
}

TEST(request_for_several_blocks_is_as_many_requests) {
  World world("##");
  const auto id = world.taker(1);
  world.say(id, wire::Request{{PieceIndex{0}, kBlock, 3 * kBlock}});
  world.say(id, wire::Request{{PieceIndex{1}, 0, kBlock + 1}});  // all of the last piece
  world.say(id, wire::Cancel{span(0, 2)});
  for (const auto& block : {span(0, 1), span(0, 3), span(1, 0), BlockSpan{PieceIndex{1}, kBlock, 1}})
    EXPECT(world.swarm.next_upload(id) == block);
  EXPECT(!world.swarm.next_upload(id));

  world.say(id, wire::Request{{PieceIndex{0}, 0, 2 * kBlock + 1}});  // ends within a block
  EXPECT(world.closed_for(id, CloseReason::MalformedMessage));
  const auto other = world.taker(2);
  world.say(other, wire::Request{{PieceIndex{0}, 1, 2 * kBlock}});  // begins within one
  EXPECT(world.closed_for(other, CloseReason::MalformedMessage));
}

TEST(piece_is_announced_only_when_stored_and_only_to_those_who_lack_it) {
  World world("...");
  const auto source = world.source(1, "##.");
  const auto other = world.open(2);
  world.answer({source});
  EXPECT(world.take<wire::Have>(other).empty());
  const auto piece = world.filled.at(0);
  EXPECT(!world.swarm.have().has(piece));

  world.store(piece);

  EXPECT_EQ(world.take<wire::Have>(other).at(0).piece, piece);
  EXPECT(world.take<wire::Have>(source).empty());
}

TEST(blocks_are_asked_of_one_session_only) {
  World world("......");
  std::vector<BlockSpan> all;
  for (int i = 1; i <= 4; ++i) {
    const auto asked = world.requests(world.source(i, "######"));
    all.insert(all.end(), asked.begin(), asked.end());
  }

  std::sort(all.begin(), all.end());
  EXPECT_EQ(all.size(), 4u * swarm::Options{}.pipeline_new);
  EXPECT(std::adjacent_find(all.begin(), all.end()) == all.end());
}

TEST(completion_closes_sessions_with_complete_peers) {
  World world("#.");
  const auto seed = world.source(1, "##");
  const auto other = world.source(2, "#.");
  world.answer({seed});
  world.sent.clear();

  world.store(PieceIndex{1});

  EXPECT_EQ(world.completed, 1);
  EXPECT(world.swarm.complete());
  EXPECT(world.closed_for(seed, CloseReason::NothingToExchange));
  EXPECT_EQ(world.take<wire::Have>(other).size(), 1u);
  EXPECT_EQ(world.swarm.totals().downloaded, kBlock + 1u);
  EXPECT_EQ(world.swarm.sources().at(device(1)), kBlock + 1u);
  world.say(other, wire::Have{PieceIndex{1}});
  EXPECT(world.closed_for(other, CloseReason::NothingToExchange));
}

TEST(unasked_and_repeated_blocks_are_dropped_and_counted) {
  World world("...");
  const auto id = world.source(1, "##.");
  const auto asked = world.requests(id);
  EXPECT(world.block(id, asked[0]) == BlockVerdict::Keep);

  EXPECT(world.block(id, asked[0]) == BlockVerdict::Duplicate);
  EXPECT(world.block(id, span(1 - asked[0].piece.value, 0)) == BlockVerdict::Unwanted);
  EXPECT_EQ(world.swarm.totals().duplicate, kBlock);
  EXPECT_EQ(world.swarm.totals().wasted, kBlock);
  EXPECT(world.closed.empty());

  EXPECT(world.block(id, {asked[0].piece, 5, kBlock}) == BlockVerdict::Unwanted);
  EXPECT(world.closed_for(id, CloseReason::MalformedMessage));
}

TEST(peer_that_keeps_sending_what_nobody_asked_for_is_closed) {
  World world("...");
  const auto id = world.source(1, "#..");
  int blocks = 0;

  for (; world.closed.empty() && blocks < 1000; ++blocks) world.block(id, span(1, 0));

  EXPECT(world.closed_for(id, CloseReason::MessageFlood));
  EXPECT(blocks > 100);
}

TEST(choke_without_the_fast_extension_forgets_the_requests) {
  World world("..");
  const auto plain = world.source(1, "#.", kPlain);
  EXPECT_EQ(world.requests(plain).size(), 8u);
  const auto other = world.source(2, "#.");
  EXPECT_EQ(world.requests(other).size(), 8u);

  world.say(plain, wire::Choke{});

  EXPECT_EQ(world.view(plain).requests_outstanding, 0u);
  for (const auto& one : world.requests(other)) EXPECT(world.block(other, one) == BlockVerdict::Keep);
}

TEST(choke_with_the_fast_extension_keeps_the_requests_until_they_are_rejected) {
  World world("..");
  const auto fast = world.source(1, "#.");
  const auto asked = world.requests(fast);

  world.say(fast, wire::Choke{});
  EXPECT_EQ(world.view(fast).requests_outstanding, asked.size());
  EXPECT(world.block(fast, asked[0]) == BlockVerdict::Keep);
  for (std::size_t i = 1; i < asked.size(); ++i) world.say(fast, wire::Reject{asked[i]});
  EXPECT_EQ(world.view(fast).requests_outstanding, 0u);
  EXPECT(world.requests(fast).empty());
  world.say(fast, wire::Unchoke{});

  EXPECT_EQ(world.requests(fast).size(), asked.size());
  EXPECT_EQ(world.view(fast).pieces, 1u);
}

TEST(rejected_piece_is_not_asked_of_that_session_again) {
  World world("..");
  const auto id = world.open(1);
  world.say(id, wire::HaveAll{});
  world.say(id, wire::Unchoke{});
  const auto asked = world.requests(id);

  for (const auto& one : asked) world.say(id, wire::Reject{one});

  for (const auto& one : world.requests(id)) EXPECT(one.piece != asked[0].piece);
  world.say(id, wire::Have{asked[0].piece});
  EXPECT_EQ(world.view(id).pieces, 2u);
}

TEST(silent_session_is_snubbed_and_its_blocks_go_to_others) {
  World world("..");
  const auto silent = world.source(1, "#.");
  const auto held = world.requests(silent);
  const auto deadline = world.now + 8s;
  EXPECT(world.swarm.next_deadline() <= deadline);
  const auto other = world.source(2, "#.");
  auto rest = world.requests(other);
  EXPECT_EQ(held.size() + rest.size(), std::size_t{kBlocks});
  world.now = deadline - 1s;
  for (const auto& one : rest) world.block(other, one);
  world.requests(other);

  world.now = deadline;
  world.swarm.on_timer(world.now);
  world.drain();

  EXPECT_EQ(world.take<wire::Cancel>(silent).size(), held.size());
  EXPECT_EQ(world.view(silent).requests_outstanding, 0u);
  EXPECT_EQ(world.view(other).requests_outstanding, held.size());
  // What it sends after all is welcome.
  EXPECT(world.block(silent, held[0]) == BlockVerdict::Keep);
}

TEST(silent_session_is_asked_again_when_it_has_answered) {
  World world("....");
  const auto id = world.source(1, "####");
  const auto held = world.requests(id);
  const auto plain = world.open(2, kPlain);
  world.say(plain, wire::BitfieldMessage{{0xf0}});
  world.say(plain, wire::Unchoke{});
  world.requests(plain);

  world.now += 8s;
  world.swarm.on_timer(world.now);
  world.drain();
  EXPECT_EQ(world.view(id).requests_outstanding, 0u);
  // Who does not speak BEP 6 need not answer what was cancelled: a block at a time finds out.
  EXPECT_EQ(world.view(plain).requests_outstanding, 1u);

  world.say(id, wire::Reject{held[0]});
  EXPECT(world.view(id).requests_outstanding > 0);
}

TEST(patience_follows_the_longest_gap_between_blocks) {
  World world("....");
  const auto id = world.source(1, "####");
  auto next = world.requests(id);
  for (int i = 0; i < 16; ++i) {
    world.now += i == 3 ? 600ms : 10ms;
    world.block(id, next.at(static_cast<std::size_t>(i)));
    for (const auto& one : world.requests(id)) next.push_back(one);
  }
  // 600 ms a dozen blocks ago: more than four times that, less than ten times.
  world.now += 2500ms;
  world.swarm.on_timer(world.now);
  world.drain();
  EXPECT(world.view(id).requests_outstanding > 0);
  world.now += 3500ms;
  world.swarm.on_timer(world.now);
  world.drain();
  EXPECT_EQ(world.view(id).requests_outstanding, 0u);
}

TEST(end_game_moves_what_waits_at_a_slow_session) {
  World world("#.");
  const auto slow = world.source(1, "##");
  const auto asked = world.requests(slow);
  EXPECT_EQ(asked.size(), 2u);
  const auto idle = world.source(2, "##");
  const auto third = world.source(3, "##");
  EXPECT(world.requests(idle).empty());

  world.now += 5s;
  world.swarm.on_timer(world.now);
  world.drain();
  const auto again = world.requests(idle);
  EXPECT_EQ(again.size(), 2u);
  EXPECT(world.requests(third).empty());
  EXPECT(world.block(idle, again[0]) == BlockVerdict::Keep);

  EXPECT(world.take<wire::Cancel>(slow).at(0).block == again[0]);
  EXPECT(world.block(slow, again[0]) == BlockVerdict::Duplicate);
  EXPECT_EQ(world.swarm.totals().duplicate, std::uint64_t{again[0].length});
  EXPECT(world.closed.empty());
  EXPECT(world.block(slow, again[1]) == BlockVerdict::Keep);
  EXPECT(world.take<wire::Cancel>(idle).at(0).block == again[1]);
  EXPECT_EQ(world.filled.size(), 1u);
}

TEST(last_pieces_are_asked_for_four_blocks_at_a_time) {
  constexpr std::size_t kBlocks = 16 + 16 + 2;
  World world("...");
  const auto slow = world.source(1, "###");
  world.swarm.on_round_trip(slow, 10ms);
  auto asked = world.requests(slow);
  std::set<std::uint32_t> begun;
  std::size_t at_the_end = 0;

  for (std::size_t received = 0; received < kBlocks;) {
    world.now += 1s;
    EXPECT(world.block(slow, asked.front()) == BlockVerdict::Keep);
    asked.erase(asked.begin());
    const auto more = world.requests(slow);
    asked.insert(asked.end(), more.begin(), more.end());
    for (const auto& one : asked) begun.insert(one.piece.value);
    const bool is_paced = ++received > swarm::Options{}.pipeline_new;
    if (!is_paced || received + asked.size() == kBlocks) continue;  // the first ones, or all are asked for
    EXPECT_EQ(asked.size(), begun.size() < 3 ? 2u : 4u);
    if (begun.size() == 3) ++at_the_end;
  }

  EXPECT(at_the_end > 0);
}

// To a peer that sends a block every 16 ms and had others to serve first, when the rate is known.
std::uint32_t outstanding_at_busy_peer(std::optional<Duration> way) {
  World world(std::string(100, '.'));
  const auto id = world.source(1, std::string(100, '#'));
  if (way) world.swarm.on_round_trip(id, *way);
  auto asked = world.requests(id);
  world.now += 400ms;
  for (int i = 0; i < 1000; ++i) {
    world.now += 16ms;
    world.block(id, asked.front());
    asked.erase(asked.begin());
    const auto more = world.requests(id);
    asked.insert(asked.end(), more.begin(), more.end());
    for (const auto piece : std::exchange(world.filled, {})) world.store(piece);
  }
  return world.view(id).requests_outstanding;
}

TEST(pipeline_covers_the_way_and_not_the_queue_at_its_end) {
  EXPECT(outstanding_at_busy_peer(10ms) <= 10);  // 100 ms and 10 ms of it, and two
  EXPECT(outstanding_at_busy_peer(std::nullopt) > 15);
}

TEST(who_takes_few_requests_gets_no_more_at_the_end) {
  World world("...");
  const auto shy = world.open(1);
  world.say(shy, wire::HaveAll{});
  wire::ExtensionHandshake handshake;
  handshake.request_queue = 1;
  world.say(shy, wire::Extended{0, wire::encode_extension_handshake(handshake)});
  world.say(shy, wire::Unchoke{});

  for (auto asked = world.requests(shy); !asked.empty(); asked = world.requests(shy)) {
    EXPECT_EQ(asked.size(), 1u);
    world.now += 10ms;
    world.block(shy, asked.front());
  }
  EXPECT_EQ(world.filled.size(), 3u);
}

TEST(a_move_is_in_doubt_until_the_slow_one_says_what_became_of_it) {
  swarm::Options options;
  options.pipeline_new = 18;
  World world("#..", options);
  const auto slow = world.source(1, "###");
  EXPECT_EQ(world.requests(slow).size(), 18u);
  const auto idle = world.source(2, "###");
  world.now += 7s;
  world.swarm.on_timer(world.now);
  world.drain();
  const auto cancelled = world.take<wire::Cancel>(slow);
  EXPECT_EQ(cancelled.size(), 4u);  // more might come twice
  EXPECT_EQ(world.requests(idle).size(), 4u);

  world.say(slow, wire::Reject{cancelled[0].block});
  EXPECT(world.block(idle, cancelled[1].block) == BlockVerdict::Keep);

  EXPECT_EQ(world.take<wire::Cancel>(slow).size(), 1u);
  EXPECT_EQ(world.requests(idle).size(), 1u);
}

TEST(closing_gives_the_requests_to_others) {
  World world("#.");
  const auto first = world.source(1, "##");
  const auto second = world.source(2, "##");
  EXPECT_EQ(world.requests(first).size(), 2u);
  EXPECT(world.requests(second).empty());

  world.swarm.close_session(first, world.now);
  world.drain();

  EXPECT_EQ(world.requests(second).size(), 2u);
  world.say(first, wire::Have{PieceIndex{9}});
  EXPECT(world.block(first, span(1, 0)) == BlockVerdict::Unwanted);
  EXPECT(world.closed.empty());
}

TEST(open_pieces_are_bounded_until_they_are_stored) {
  swarm::Options options;
  options.open_pieces_max = 2;
  World world("..........", options);
  const auto id = world.source(1, "##########");
  while (world.filled.size() < 2) {
    const auto asked = world.requests(id);
    EXPECT(!asked.empty());
    for (const auto& one : asked) world.block(id, one);
  }
  EXPECT(world.requests(id).empty());

  world.store(world.filled[0]);
  EXPECT(!world.requests(id).empty());
  world.swarm.set_open_pieces_max(3, world.now);
  world.drain();

  EXPECT(world.view(id).requests_outstanding >= 8);
}

TEST(fetching_can_be_switched_off_and_on) {
  World world("..");
  const auto id = world.source(1, "##");
  const auto asked = world.requests(id);

  world.swarm.set_fetching(false, world.now);
  world.drain();
  EXPECT_EQ(world.take<wire::Cancel>(id).size(), asked.size());
  EXPECT_EQ(world.take<wire::NotInterested>(id).size(), 1u);
  EXPECT(world.block(id, asked[0]) == BlockVerdict::Unwanted);
  world.swarm.set_fetching(true, world.now);
  world.drain();

  EXPECT(!world.requests(id).empty());
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(opening_tells_what_we_have_and_how_much_may_wait),
      cmocka_unit_test(bitfield_comes_once_and_first),
      cmocka_unit_test(messages_that_the_share_cannot_have_close_the_session),
      cmocka_unit_test(messages_are_counted_up_to_the_burst_and_then_by_the_second),
      cmocka_unit_test(interest_follows_the_pieces),
      cmocka_unit_test(choked_peer_is_not_asked_for_blocks),
      cmocka_unit_test(requests_stay_within_the_pipeline_and_the_announced_queue),
      cmocka_unit_test(requests_go_together_where_the_other_side_takes_that),
      cmocka_unit_test(request_for_several_blocks_is_as_many_requests),
      cmocka_unit_test(piece_is_announced_only_when_stored_and_only_to_those_who_lack_it),
      cmocka_unit_test(blocks_are_asked_of_one_session_only),
      cmocka_unit_test(completion_closes_sessions_with_complete_peers),
      cmocka_unit_test(unasked_and_repeated_blocks_are_dropped_and_counted),
      cmocka_unit_test(peer_that_keeps_sending_what_nobody_asked_for_is_closed),
      cmocka_unit_test(choke_without_the_fast_extension_forgets_the_requests),
      cmocka_unit_test(choke_with_the_fast_extension_keeps_the_requests_until_they_are_rejected),
      cmocka_unit_test(rejected_piece_is_not_asked_of_that_session_again),
      cmocka_unit_test(silent_session_is_snubbed_and_its_blocks_go_to_others),
      cmocka_unit_test(silent_session_is_asked_again_when_it_has_answered),
      cmocka_unit_test(patience_follows_the_longest_gap_between_blocks),
      cmocka_unit_test(end_game_moves_what_waits_at_a_slow_session),
      cmocka_unit_test(last_pieces_are_asked_for_four_blocks_at_a_time),
      cmocka_unit_test(pipeline_covers_the_way_and_not_the_queue_at_its_end),
      cmocka_unit_test(who_takes_few_requests_gets_no_more_at_the_end),
      cmocka_unit_test(a_move_is_in_doubt_until_the_slow_one_says_what_became_of_it),
      cmocka_unit_test(closing_gives_the_requests_to_others),
      cmocka_unit_test(open_pieces_are_bounded_until_they_are_stored),
      cmocka_unit_test(fetching_can_be_switched_off_and_on),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
