// SPDX-License-Identifier: MIT
// The plan of origin mode, drawn as text: U unsent, S suggested, T taken, 1 shared, # settled.
#include "daemon/swarm/origin.h"

#include <algorithm>
#include <string>
#include <vector>

#include "daemon/swarm/bitfield.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using namespace p2p::test;
using swarm::Bitfield;
using swarm::Origin;
using swarm::SessionId;

namespace {

constexpr SessionId kOne{1};
constexpr SessionId kOther{2};
constexpr SessionId kThird{3};

TimePoint at(Duration time) { return TimePoint(1h + time); }

struct Plan {
  // `#`: at two peers; `1`: at one.
  explicit Plan(std::string_view picture)
      : lacks_all(static_cast<std::uint32_t>(picture.size())),
        origin(static_cast<std::uint32_t>(picture.size()), PieceIndex{3}, [&](PieceIndex piece) {
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
  Bitfield lacks_all;
  Origin origin;
};

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
  Plan plan("....");
  const auto window = plan.fill(kOne);
  plan.origin.on_requested(window[0], kOne, at(0s));
  const auto quick = plan.fill(kOther);
  plan.origin.on_holders(quick[0], 2, at(100ms));  // that is what a piece takes
  plan.origin.on_holders(quick[1], 2, at(100ms));

  EXPECT_EQ(plan.fill(kOther, at(400ms)).size(), 0u);
  EXPECT(plan.fill(kOther, at(401ms)).at(0) == window[1]);  // twice kUsualLeast: nobody has begun it
  plan.origin.on_requested(window[1], kOther, at(401ms));
  EXPECT_EQ(plan.fill(kOther, at(600ms)).size(), 0u);
  EXPECT(plan.fill(kOther, at(601ms)).at(0) == window[0]);  // three times: it would leave us twice
}

TEST(what_nobody_has_begun_is_left_where_it_is_by_who_has_something_to_begin) {
  Plan plan("....");
  const auto slow = plan.fill(kOne);
  const auto quick = plan.fill(kOther);
  plan.origin.on_holders(quick[0], 2, at(100ms));

  EXPECT_EQ(plan.fill(kOther, at(600ms)).size(), 0u);
  plan.origin.on_requested(quick[1], kOther, at(600ms));
  EXPECT(plan.fill(kOther, at(600ms)).at(0) == slow[0]);
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

  EXPECT_EQ(plan.fill(kOther, at(20s)).size(), 0u);
  EXPECT_EQ(plan.fill(kOther, at(21s)).size(), 1u);
}

TEST(a_window_holds_no_more_suggestions_than_the_other_side_keeps) {
  Plan plan(std::string(limits::kSuggestionsFromPeer, '.'));

  LIMIT_AT(Origin::kAheadMost);
  EXPECT_EQ(plan.fill(kOne, at(0s), 1e6).size(), Origin::kAheadMost);
  LIMIT_ABOVE(Origin::kAheadMost);
  EXPECT(plan.fill(kOne, at(0s), 1e6).empty());
  EXPECT(Origin::kAheadMost <= limits::kSuggestionsFromPeer);
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
      cmocka_unit_test(what_nobody_has_begun_is_left_where_it_is_by_who_has_something_to_begin),
      cmocka_unit_test(a_piece_that_stays_at_one_peer_goes_to_another_who_lacks_it),
      cmocka_unit_test(what_a_slow_one_holds_goes_to_a_fast_one_when_nothing_is_unsent),
      cmocka_unit_test(patience_grows_with_what_pieces_take),
      cmocka_unit_test(a_window_holds_no_more_suggestions_than_the_other_side_keeps),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
