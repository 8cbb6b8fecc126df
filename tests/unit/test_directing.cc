// SPDX-License-Identifier: MIT
// Origin mode in a swarm: one that directs, or is directed.
#include <algorithm>
#include <set>

#include "daemon/swarm/origin.h"
#include "daemon/wire/extension.h"
#include "tests/support/limit.h"
#include "tests/support/scripted_swarm.h"

using namespace p2p;
using namespace p2p::test;
using swarm::Origin;
using World = test::ScriptedSwarm;

namespace {

// --- a swarm that directs ----------------------------------------------------------------------------

std::optional<bool> told_direction(World& world, SessionId id) {
  std::optional<bool> told;
  for (const auto& message : world.take<wire::Extended>(id))
    told = wire::decode_extension_handshake(message.payload)->directs;
  return told;
}

// The piece comes from us, and is announced.
void take(World& world, SessionId id, PieceIndex piece) {
  world.say(id, wire::Request{span(piece.value, 0)});
  world.say(id, wire::Have{piece});
}

TEST(the_only_source_suggests_disjoint_pieces_until_others_have_two_copies) {
  World world("####");
  const auto one = world.taker(1);
  const auto other = world.taker(2);
  world.taker(3);
  EXPECT_EQ(told_direction(world, one), std::optional(true));
  auto pieces = world.take<wire::Suggest>(one);
  EXPECT_EQ(pieces.size(), 2u);
  for (const auto& suggest : world.take<wire::Suggest>(other)) {
    for (const auto& mine : pieces) EXPECT(mine.piece != suggest.piece);
  }

  for (std::uint32_t i = 0; i < 3; ++i) world.say(one, wire::Have{PieceIndex{i}});
  for (std::uint32_t i = 0; i < 3; ++i) world.say(other, wire::Have{PieceIndex{i}});
  EXPECT_EQ(told_direction(world, one), std::nullopt);
  world.say(one, wire::Have{PieceIndex{3}});  // it has all, and goes
  EXPECT(world.closed_for(one, CloseReason::NothingToExchange));
  EXPECT_EQ(told_direction(world, other), std::optional(true));  // still as it was at the opening
  world.say(other, wire::Have{PieceIndex{3}});
}

// It has everything, says who never took a piece from us: one may be another source, or a liar.
TEST(who_took_nothing_from_us_is_not_believed) {
  World world("####");
  const auto one = world.taker(1);
  world.say(one, wire::Have{PieceIndex{3}});
  const auto first = world.take<wire::Suggest>(one);
  const auto liar = world.open(2);
  world.say(liar, wire::HaveAll{});
  const auto other_liar = world.open(3);
  world.say(other_liar, wire::HaveAll{});
  EXPECT(world.swarm.directs());

  std::size_t suggested = first.size();
  for (const auto& suggest : first) take(world, one, suggest.piece);
  suggested += world.take<wire::Suggest>(one).size();

  EXPECT(suggested >= 3u);
}

TEST(who_announces_what_was_suggested_and_did_not_ask_for_it_is_not_believed) {
  World world("########");
  const auto liar = world.taker(1);
  const auto other_liar = world.taker(2);
  for (std::uint32_t i = 0; i < 7; ++i) {
    world.say(liar, wire::Have{PieceIndex{i}});
    world.say(other_liar, wire::Have{PieceIndex{i}});
  }

  const auto one = world.taker(3);
  int suggested = 0;
  for (int i = 0; i < 4; ++i) {
    for (const auto& suggest : world.take<wire::Suggest>(one)) {
      take(world, one, suggest.piece);
      ++suggested;
    }
  }
  EXPECT(suggested >= 3);
}

TEST(who_keeps_its_pieces_is_choked_while_others_pass_theirs_on) {
  World world("################");
  const auto keeper = world.taker(1);
  const auto one = world.taker(2);
  const auto other = world.taker(3);
  std::vector<PieceIndex> of_one;
  for (int i = 0; i < 4; ++i) {
    for (const auto& suggest : world.take<wire::Suggest>(keeper)) take(world, keeper, suggest.piece);
    for (const auto& suggest : world.take<wire::Suggest>(one)) of_one.push_back(suggest.piece);
  }
  for (const auto piece : of_one) take(world, one, piece);
  world.now += 100ms;
  for (const auto piece : of_one) world.say(other, wire::Have{piece});
  EXPECT(world.view(keeper).unchoked_by_us);

  world.now += 3s;
  world.swarm.on_timer(world.now);
  world.drain();

  EXPECT(!world.view(keeper).unchoked_by_us);
  EXPECT(world.view(one).unchoked_by_us);
  world.swarm.close_session(one, world.now);
  world.swarm.close_session(other, world.now);
  world.drain();
  EXPECT(world.view(keeper).unchoked_by_us);  // there is nobody else
}

TEST(a_peer_that_leaves_with_the_only_copy_brings_its_pieces_back) {
  World world("##");
  const auto one = world.taker(1);
  const auto other = world.taker(2);
  world.say(one, wire::Have{PieceIndex{0}});
  world.say(other, wire::Have{PieceIndex{1}});
  const auto suggested_before = world.take<wire::Suggest>(other).size();
  EXPECT(suggested_before <= 2);

  world.swarm.close_session(one, world.now);
  world.drain();

  const auto suggested = world.take<wire::Suggest>(other);
  EXPECT_EQ(suggested.size(), 1u);
  EXPECT(suggested[0].piece == PieceIndex{0});
}

TEST(who_has_nobody_to_direct_sleeps) {
  World world("####");
  world.swarm.on_timer(world.now);
  EXPECT_EQ(world.swarm.next_deadline(), TimePoint::max());

  const auto id = world.taker(1);
  world.swarm.on_timer(world.now);
  EXPECT(world.swarm.next_deadline() <= world.now + Origin::kLookInterval);
  world.swarm.close_session(id, world.now);
  world.swarm.on_timer(world.now);

  EXPECT_EQ(world.swarm.next_deadline(), TimePoint::max());
}

TEST(a_choked_peer_has_no_window) {
  swarm::Options options;
  options.upload_slots = 1;
  World world("####", options);
  const auto one = world.taker(1);
  const auto other = world.taker(2);

  EXPECT_EQ(world.take<wire::Suggest>(one).size(), 2u);
  EXPECT_EQ(world.take<wire::Suggest>(other).size(), 0u);
}

TEST(who_needs_something_directs_nobody) {
  World world("###.");
  const auto one = world.taker(1);
  EXPECT_EQ(told_direction(world, one), std::optional(false));
  EXPECT_EQ(world.take<wire::Suggest>(one).size(), 0u);
}

TEST(what_was_not_suggested_is_served_all_the_same) {
  World world("####");
  const auto one = world.taker(1);
  const auto suggested = world.take<wire::Suggest>(one);
  std::uint32_t free = 0;
  while (std::any_of(suggested.begin(), suggested.end(),
                     [&](const auto& suggest) { return suggest.piece == PieceIndex{free}; }))
    ++free;

  world.say(one, wire::Request{span(free, 0)});

  EXPECT(world.swarm.next_upload(one) == span(free, 0));
}

TEST(a_turn_lasts_until_what_was_suggested_has_come_or_takes_too_long) {
  swarm::Options options;
  options.upload_slots = 1;
  World world("########", options);
  const auto one = world.taker(1);
  const auto other = world.taker(2);
  auto suggested = world.take<wire::Suggest>(one);
  EXPECT_EQ(suggested.size(), 2u);
  world.now += 9s;
  take(world, one, suggested[0].piece);
  EXPECT_EQ(world.take<wire::Suggest>(one).size(), 1u);

  world.now += 1s;
  world.swarm.on_timer(world.now);
  take(world, one, suggested[1].piece);
  EXPECT(world.take<wire::Choke>(one).empty());
  EXPECT(world.take<wire::Suggest>(one).empty());  // it only ends what it has

  world.now += Origin::kPatienceUnknown;
  world.swarm.on_timer(world.now);
  world.drain();

  EXPECT_EQ(world.take<wire::Choke>(one).size(), 1u);
  EXPECT_EQ(world.take<wire::Unchoke>(other).size(), 1u);
}

// --- a swarm that is directed ------------------------------------------------------------------------

wire::Extended direction(bool directs) {
  wire::ExtensionHandshake handshake;
  handshake.directs = directs;
  return {wire::kExtensionHandshakeId, wire::encode_extension_handshake(handshake)};
}

SessionId directing(World& world, int number) {
  const auto id = world.open(number);
  world.say(id, wire::HaveAll{});
  world.say(id, direction(true));
  world.say(id, wire::Unchoke{});
  return id;
}

TEST(only_what_is_suggested_is_asked_in_that_order) {
  World world("....");
  const auto id = directing(world, 1);
  EXPECT_EQ(world.requests(id).size(), 0u);

  world.say(id, wire::Suggest{PieceIndex{2}});
  world.say(id, wire::Suggest{PieceIndex{0}});

  const auto asked = world.requests(id);
  EXPECT_EQ(asked.size(), 8u);
  for (const auto& one : asked) EXPECT(one.piece == PieceIndex{2});
  world.answer({id});
}

TEST(a_suggestion_that_comes_from_a_peer_already_is_left_to_the_peer) {
  World world("....");
  const auto id = directing(world, 1);
  const auto peer = world.source(2, "..#.");
  EXPECT_EQ(world.requests(peer).size(), 8u);

  world.say(id, wire::Suggest{PieceIndex{2}});
  EXPECT_EQ(world.requests(id).size(), 0u);
  world.say(id, wire::Suggest{PieceIndex{1}});

  EXPECT(world.requests(id).at(0).piece == PieceIndex{1});
}

TEST(a_suggestion_is_kept_while_its_piece_comes_from_a_peer_that_may_give_it_back) {
  World world("....");
  const auto id = directing(world, 1);
  const auto peer = world.source(2, "..#.");
  world.say(id, wire::Suggest{PieceIndex{2}});
  EXPECT_EQ(world.requests(id).size(), 0u);

  world.swarm.close_session(peer, world.now);
  world.drain();

  EXPECT(world.requests(id).at(0).piece == PieceIndex{2});
}

TEST(nobody_waits_for_a_suggestion_when_there_is_nothing_else_to_wait_for) {
  World world("....");
  const auto id = directing(world, 1);
  EXPECT_EQ(world.requests(id).size(), 0u);

  world.now += 1s - 1ms;
  world.swarm.on_timer(world.now);
  world.drain();
  EXPECT_EQ(world.requests(id).size(), 0u);
  world.now += 1ms;
  EXPECT(world.swarm.next_deadline() <= world.now);
  world.swarm.on_timer(world.now);
  world.drain();

  EXPECT(!world.requests(id).empty());
}

TEST(who_directs_hears_of_every_piece) {
  World world("....");
  const auto id = directing(world, 1);
  world.say(id, wire::Suggest{PieceIndex{1}});
  for (std::uint32_t block = 0; block < kBlocks; ++block) world.block(id, span(1, block));
  world.store(PieceIndex{1});

  const auto haves = world.take<wire::Have>(id);

  EXPECT_EQ(haves.size(), 1u);
  EXPECT(haves[0].piece == PieceIndex{1});
}

TEST(what_was_withheld_is_told_when_a_peer_begins_to_direct) {
  World world("....");
  const auto id = world.source(1, "####");
  world.answer({id});
  world.store(world.filled.at(0));
  EXPECT_EQ(world.take<wire::Have>(id).size(), 0u);

  world.say(id, direction(true));

  EXPECT_EQ(world.take<wire::Have>(id).size(), 1u);
}

TEST(when_directing_ends_everything_may_be_asked) {
  World world("....");
  const auto id = directing(world, 1);

  world.say(id, direction(false));

  EXPECT_EQ(world.requests(id).size(), 8u);
}

TEST(suggestions_are_kept_up_to_their_limit) {
  const auto asked_of = [](std::size_t suggestions) {
    const std::string none(limits::kSuggestionsFromPeer + 2, '.');
    World world(none);
    const auto id = world.open(1);
    world.say(id, wire::HaveAll{});
    world.say(id, direction(true));
    for (std::uint32_t i = 0; i < suggestions; ++i) world.say(id, wire::Suggest{{i}});
    EXPECT(world.swarm.sessions(world.now).size() == 1);

    world.say(id, wire::Unchoke{});
    std::set<PieceIndex> asked;
    for (int i = 0; i < 2000; ++i) {
      for (const auto& one : world.requests(id)) {
        asked.insert(one.piece);
        world.block(id, one);
      }
      for (const auto piece : std::vector(world.filled)) world.store(piece);
    }
    return asked.size();
  };

  LIMIT_AT(limits::kSuggestionsFromPeer);
  EXPECT_EQ(asked_of(limits::kSuggestionsFromPeer), limits::kSuggestionsFromPeer);
  LIMIT_ABOVE(limits::kSuggestionsFromPeer);
  EXPECT_EQ(asked_of(limits::kSuggestionsFromPeer + 1), limits::kSuggestionsFromPeer);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_only_source_suggests_disjoint_pieces_until_others_have_two_copies),
      cmocka_unit_test(who_took_nothing_from_us_is_not_believed),
      cmocka_unit_test(who_announces_what_was_suggested_and_did_not_ask_for_it_is_not_believed),
      cmocka_unit_test(who_keeps_its_pieces_is_choked_while_others_pass_theirs_on),
      cmocka_unit_test(a_peer_that_leaves_with_the_only_copy_brings_its_pieces_back),
      cmocka_unit_test(who_has_nobody_to_direct_sleeps),
      cmocka_unit_test(a_choked_peer_has_no_window),
      cmocka_unit_test(who_needs_something_directs_nobody),
      cmocka_unit_test(what_was_not_suggested_is_served_all_the_same),
      cmocka_unit_test(a_turn_lasts_until_what_was_suggested_has_come_or_takes_too_long),
      cmocka_unit_test(only_what_is_suggested_is_asked_in_that_order),
      cmocka_unit_test(a_suggestion_that_comes_from_a_peer_already_is_left_to_the_peer),
      cmocka_unit_test(a_suggestion_is_kept_while_its_piece_comes_from_a_peer_that_may_give_it_back),
      cmocka_unit_test(nobody_waits_for_a_suggestion_when_there_is_nothing_else_to_wait_for),
      cmocka_unit_test(who_directs_hears_of_every_piece),
      cmocka_unit_test(what_was_withheld_is_told_when_a_peer_begins_to_direct),
      cmocka_unit_test(when_directing_ends_everything_may_be_asked),
      cmocka_unit_test(suggestions_are_kept_up_to_their_limit),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
