// SPDX-License-Identifier: MIT
// Origin mode: the plan by itself, drawn as text (U unsent, S suggested, T taken, 1 shared, # settled), and a
// swarm that directs, or is directed.
#include "daemon/swarm/origin.h"

#include <set>
#include <string>

#include "daemon/wire/extension.h"
#include "tests/support/limit.h"
#include "tests/support/scripted_swarm.h"

using namespace p2p;
using namespace p2p::test;
using swarm::Origin;
using World = test::ScriptedSwarm;

namespace {

constexpr SessionId kOne{1};
constexpr SessionId kOther{2};
constexpr SessionId kThird{3};

TimePoint at(Duration time) { return TimePoint(1h + time); }

struct Plan {
  // `#`: at two peers; `1`: at one.
  explicit Plan(std::string_view picture)
      : lacks_all(static_cast<std::uint32_t>(picture.size())),
        origin(static_cast<std::uint32_t>(picture.size()), random, [&](PieceIndex piece) {
          return picture[piece.value] == '#' ? 2u : picture[piece.value] == '1' ? 1u : 0u;
        }) {}
  // Fills the window of a session that has nothing.
  std::vector<PieceIndex> fill(SessionId session, TimePoint now = at(0s), double rate = 0) {
    std::vector<PieceIndex> pieces;
    while (const auto piece = origin.assign(session, lacks_all, rate, now)) pieces.push_back(*piece);
    return pieces;
  }
  std::size_t count(char state) const {
    const auto picture = origin.picture();
    return static_cast<std::size_t>(std::count(picture.begin(), picture.end(), state));
  }
  Random random{5};
  Bitfield lacks_all;
  Origin origin;
};

// --- the plan ----------------------------------------------------------------------------------------

TEST(windows_are_disjoint_and_only_of_what_nobody_has) {
  Plan plan("#..1....#.");
  auto pieces = plan.fill(kOne);
  for (const auto piece : plan.fill(kOther)) pieces.push_back(piece);
  for (const auto piece : plan.fill(kThird)) pieces.push_back(piece);

  EXPECT_EQ(pieces.size(), 6u);
  std::sort(pieces.begin(), pieces.end());
  EXPECT(std::adjacent_find(pieces.begin(), pieces.end()) == pieces.end());
  EXPECT_EQ(plan.origin.picture()[0], '#');
  EXPECT_EQ(plan.origin.picture()[3], '1');
  EXPECT_EQ(plan.count('S'), 6u);
  EXPECT_EQ(plan.origin.unsettled(), 8u);
}

TEST(a_window_is_filled_when_its_session_begins_a_piece) {
  Plan plan("........");
  const auto window = plan.fill(kOne);
  EXPECT_EQ(window.size(), std::size_t{Origin::kAheadLeast});

  plan.origin.on_requested(window[0], kOne, at(0s));

  EXPECT_EQ(plan.count('T'), 1u);
  EXPECT_EQ(plan.fill(kOne).size(), 1u);
}

TEST(a_fast_session_gets_a_larger_window) {
  Plan plan("....................");
  EXPECT_EQ(plan.fill(kOne, at(0s), 10).size(), Origin::kAheadLeast + 5u);
}

TEST(a_session_is_awaited_while_its_window_may_still_bring_something) {
  Plan plan("....");
  EXPECT_EQ(plan.origin.awaited_until(kOne), TimePoint{});
  const auto window = plan.fill(kOne);
  plan.origin.on_holders(window[0], 1, at(1s));

  EXPECT_EQ(plan.origin.awaited_until(kOne), at(4s));  // four times the second that one took

  plan.origin.on_holders(window[1], 1, at(1s));
  EXPECT_EQ(plan.origin.awaited_until(kOne), TimePoint{});
}

TEST(what_was_seen_at_a_peer_is_suggested_to_nobody) {
  Plan plan("...");
  plan.origin.on_holders(PieceIndex{1}, 1, at(0s));
  plan.origin.on_holders(PieceIndex{1}, 1, at(0s));
  EXPECT_EQ(plan.origin.unsettled(), 3u);
  plan.origin.on_holders(PieceIndex{1}, 2, at(0s));
  EXPECT_EQ(plan.origin.unsettled(), 2u);

  for (const auto piece : plan.fill(kOne)) EXPECT(piece != PieceIndex{1});
}

TEST(what_is_only_claimed_is_sent_when_nothing_is_unsent) {
  Plan plan("....");
  plan.origin.on_holders(PieceIndex{1}, {2, false}, at(0s));
  plan.origin.on_holders(PieceIndex{2}, {1, false}, at(0s));
  EXPECT_EQ(plan.origin.picture(), "UCCU");
  EXPECT_EQ(plan.origin.unsettled(), 4u);

  auto pieces = plan.fill(kOne);
  for (const auto piece : plan.fill(kOther)) pieces.push_back(piece);

  EXPECT_EQ(pieces.size(), 4u);
  EXPECT(pieces[2] == PieceIndex{1});
  EXPECT(pieces[3] == PieceIndex{2});
  plan.origin.on_holders(PieceIndex{1}, {3, false}, at(1s));  // still in a window
  EXPECT_EQ(plan.count('S'), 4u);
  plan.origin.on_holders(PieceIndex{1}, {3, true}, at(1s));
  EXPECT_EQ(plan.origin.unsettled(), 3u);
}

TEST(who_keeps_what_it_has_from_us_is_known) {
  Plan plan("..............");
  const auto spreads = plan.fill(kOther, at(0s), 4);
  for (const auto piece : spreads) plan.origin.on_holders(piece, 1, at(100ms));
  for (const auto piece : spreads) plan.origin.on_holders(piece, 2, at(400ms));  // 300 ms to the next
  for (std::size_t i = 0; i < Origin::kKeptMost; ++i)
    plan.origin.on_holders(*plan.origin.assign(kOne, plan.lacks_all, 0, at(500ms)), 1, at(600ms));

  EXPECT(!plan.origin.keeps(kOther, at(10s)));
  EXPECT(!plan.origin.keeps(kOne, at(1799ms)));
  EXPECT(plan.origin.keeps(kOne, at(1800ms)));
  plan.origin.on_gone(kOne);
  EXPECT(!plan.origin.keeps(kOne, at(1800ms)));
}

TEST(what_leaves_with_its_session_goes_to_another) {
  Plan plan("...");
  const auto window = plan.fill(kOne);
  plan.origin.on_requested(window[0], kOne, at(0s));
  EXPECT_EQ(plan.fill(kOther).size(), 1u);

  EXPECT(plan.origin.on_closed(kOne) == window);

  EXPECT_EQ(plan.count('U'), 2u);
  EXPECT_EQ(plan.fill(kOther).size(), 1u);
}

TEST(a_piece_that_nobody_has_any_more_is_sent_again) {
  Plan plan("##");
  EXPECT_EQ(plan.origin.unsettled(), 0u);
  EXPECT_EQ(plan.fill(kOne).size(), 0u);

  plan.origin.on_holders(PieceIndex{1}, 0, at(0s));

  EXPECT_EQ(plan.origin.picture(), "#U");
  EXPECT_EQ(plan.fill(kOne).size(), 1u);
}

TEST(what_somebody_asks_for_unasked_is_his) {
  Plan plan("..");
  plan.origin.on_requested(PieceIndex{0}, kOne, at(0s));

  const auto window = plan.fill(kOther);

  EXPECT_EQ(window.size(), 1u);
  EXPECT(window[0] == PieceIndex{1});
  EXPECT_EQ(plan.origin.on_closed(kOne).size(), 1u);
}

TEST(an_overdue_piece_goes_to_who_has_nothing_else_to_do) {
  Plan plan("...");
  const auto window = plan.fill(kOne);
  const auto quick = plan.fill(kOther);
  plan.origin.on_requested(quick[0], kOther, at(0s));
  plan.origin.on_holders(quick[0], 2, at(100ms));  // that is what a piece takes

  EXPECT_EQ(plan.fill(kOther, at(600ms)).size(), 0u);
  const auto taken = plan.fill(kOther, at(601ms));  // three times kUsualLeast

  EXPECT_EQ(taken.size(), 2u);
  EXPECT(taken[0] == window[0]);
}

TEST(a_piece_that_stays_at_one_peer_goes_to_another_who_lacks_it) {
  Plan plan("..");
  const auto window = plan.fill(kOne);
  plan.origin.on_holders(window[0], 1, at(100ms));
  plan.origin.on_holders(window[1], 1, at(200ms));
  Bitfield has_first(2);
  has_first.set(window[0]);

  EXPECT(!plan.origin.assign(kOther, plan.lacks_all, 0, at(650ms)));
  EXPECT(!plan.origin.assign(kOne, has_first, 0, at(750ms)));
  EXPECT(plan.origin.assign(kOther, plan.lacks_all, 0, at(750ms)) == window[0]);
  EXPECT(!plan.origin.assign(kOther, plan.lacks_all, 0, at(750ms)));
  EXPECT(plan.origin.assign(kOther, plan.lacks_all, 0, at(850ms)) == window[1]);
}

TEST(what_a_slow_one_holds_goes_to_a_fast_one_when_nothing_is_unsent) {
  Plan plan(".....");
  const auto slow = plan.fill(kOne);
  for (const auto piece : plan.fill(kOther)) plan.origin.on_holders(piece, 2, at(100ms));
  for (const auto piece : plan.fill(kOther, at(100ms))) plan.origin.on_holders(piece, 2, at(200ms));
  plan.origin.on_holders(slow[0], 1, at(5s));

  EXPECT(plan.origin.assign(kOther, plan.lacks_all, 0, at(5s)) == slow[1]);  // given to it, and not come
  EXPECT(plan.origin.assign(kOther, plan.lacks_all, 0, at(5s)) ==
         slow[0]);  // come, where nobody gets it soon
}

TEST(patience_grows_with_what_pieces_take) {
  Plan plan("..");
  const auto window = plan.fill(kOne);
  plan.origin.on_requested(window[0], kOne, at(0s));
  EXPECT_EQ(plan.fill(kOther, at(59s)).size(), 0u);  // nothing is known yet

  plan.origin.on_holders(window[0], 2, at(10s));

  EXPECT_EQ(plan.fill(kOther, at(30s)).size(), 0u);
  EXPECT_EQ(plan.fill(kOther, at(31s)).size(), 1u);
}

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

TEST(a_window_holds_no_more_suggestions_than_the_other_side_keeps) {
  Plan plan(std::string(limits::kSuggestionsFromPeer, '.'));

  LIMIT_AT(Origin::kAheadMost);
  EXPECT_EQ(plan.fill(kOne, at(0s), 1e6).size(), Origin::kAheadMost);
  LIMIT_ABOVE(Origin::kAheadMost);
  EXPECT(plan.fill(kOne, at(0s), 1e6).empty());
  EXPECT(Origin::kAheadMost <= limits::kSuggestionsFromPeer);
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
      cmocka_unit_test(windows_are_disjoint_and_only_of_what_nobody_has),
      cmocka_unit_test(a_window_is_filled_when_its_session_begins_a_piece),
      cmocka_unit_test(a_fast_session_gets_a_larger_window),
      cmocka_unit_test(a_session_is_awaited_while_its_window_may_still_bring_something),
      cmocka_unit_test(what_was_seen_at_a_peer_is_suggested_to_nobody),
      cmocka_unit_test(what_is_only_claimed_is_sent_when_nothing_is_unsent),
      cmocka_unit_test(who_keeps_what_it_has_from_us_is_known),
      cmocka_unit_test(what_leaves_with_its_session_goes_to_another),
      cmocka_unit_test(a_piece_that_nobody_has_any_more_is_sent_again),
      cmocka_unit_test(what_somebody_asks_for_unasked_is_his),
      cmocka_unit_test(an_overdue_piece_goes_to_who_has_nothing_else_to_do),
      cmocka_unit_test(a_piece_that_stays_at_one_peer_goes_to_another_who_lacks_it),
      cmocka_unit_test(what_a_slow_one_holds_goes_to_a_fast_one_when_nothing_is_unsent),
      cmocka_unit_test(patience_grows_with_what_pieces_take),
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
      cmocka_unit_test(a_window_holds_no_more_suggestions_than_the_other_side_keeps),
      cmocka_unit_test(a_suggestion_is_kept_while_its_piece_comes_from_a_peer_that_may_give_it_back),
      cmocka_unit_test(nobody_waits_for_a_suggestion_when_there_is_nothing_else_to_wait_for),
      cmocka_unit_test(who_directs_hears_of_every_piece),
      cmocka_unit_test(what_was_withheld_is_told_when_a_peer_begins_to_direct),
      cmocka_unit_test(when_directing_ends_everything_may_be_asked),
      cmocka_unit_test(suggestions_are_kept_up_to_their_limit),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
