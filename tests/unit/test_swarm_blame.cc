// SPDX-License-Identifier: MIT
// A piece failed its hash: who is asked for its leaves, who is to blame, what is fetched again. A piece is
// drawn by who sent its blocks, ann and bob; a capital is a wrong block: "aaaaaaaabbbbbbBb". Cem has the
// piece too and sent none of it.
#include <cctype>
#include <string>

#include "daemon/base/digest.h"
#include "daemon/swarm/leaf_exchange.h"
#include "daemon/swarm/piece_inquiry.h"
#include "tests/support/limit.h"
#include "tests/support/scripted_swarm.h"

using namespace p2p;
using namespace p2p::test;

namespace {

constexpr int kAnn = 1;
constexpr int kBob = 2;
constexpr int kCem = 3;
constexpr PieceIndex kPiece{0};

Sha256 leaf(std::size_t block, bool good) {
  const auto text = std::to_string(block) + (good ? " good" : " bad");
  return sha256(as_bytes(text));
}

struct World : ScriptedSwarm {
  // Filled, not yet judged.
  World() : ScriptedSwarm("..") {
    ann = source(kAnn, "#.");
    bob = source(kBob, "#.");
    answer({ann, bob});
    cem = source(kCem, "#.");
    for (std::size_t i = 0; i < kBlocks; ++i) truth.push_back(leaf(i, true));
  }
  void fail(std::string_view picture) {
    swarm::Evidence evidence;
    evidence.roots.piece = swarm::leaf_root(geometry, truth);
    for (std::size_t i = 0; i < picture.size(); ++i)
      evidence.leaves.push_back(leaf(i, std::islower(picture[i])));
    report(std::move(evidence));
  }
  void report(swarm::Evidence evidence) {
    filled.clear();
    swarm.on_piece_failed(kPiece, std::move(evidence), now);
    drain();
  }
  std::optional<wire::HashRange> asked(SessionId id) {
    const auto requests = take<wire::HashRequest>(id);
    EXPECT(requests.size() <= 1);
    if (requests.empty()) return std::nullopt;
    return requests[0].range;
  }
  bool is_asked(SessionId id) { return asked(id).has_value(); }
  void tell_truth(SessionId id) {
    const auto range = asked(id);
    EXPECT(range.has_value());
    say(id, swarm::leaves_answer(*range, geometry, truth));
  }
  void tell_lie(SessionId id) {
    const auto range = asked(id);
    EXPECT(range.has_value());
    auto lie = swarm::leaves_answer(*range, geometry, truth);
    lie.hashes[0] ^= 1;
    say(id, lie);
  }
  void reject(SessionId id) {
    const auto range = asked(id);
    EXPECT(range.has_value());
    say(id, wire::HashReject{*range});
  }
  void pass(Duration time) {
    now += time;
    swarm.on_timer(now);
    drain();
  }
  bool convicts(std::vector<int> numbers) const {
    std::vector<DeviceId> devices;
    for (const auto number : numbers) devices.push_back(device(number));
    return convicted == devices;
  }
  bool is_begun_anew() const { return discarded == std::vector<PieceIndex>{kPiece}; }
  bool is_kept() const { return discarded.empty(); }
  std::uint64_t wasted() const { return swarm.totals().wasted; }

  SessionId ann;
  SessionId bob;
  SessionId cem;
  std::vector<Sha256> truth;
};

TEST(bad_block_names_its_sender_and_comes_again_alone) {
  World world;

  world.fail("aaaaaaaabbbbbbBb");
  EXPECT(!world.is_asked(world.ann) && !world.is_asked(world.bob));
  world.tell_truth(world.cem);

  EXPECT(world.convicts({kBob}));
  EXPECT(world.closed_for(world.bob, CloseReason::BadBlock));
  EXPECT_EQ(world.closed.size(), 1u);
  EXPECT(world.is_kept());
  EXPECT_EQ(world.wasted(), kBlock);
  std::vector<BlockSpan> again = world.requests(world.ann);
  for (const auto& one : world.requests(world.cem)) again.push_back(one);
  EXPECT(again == std::vector<BlockSpan>{span(0, 14)});
}

TEST(piece_is_whole_when_its_bad_block_has_come_again) {
  World world;
  world.fail("aaaaaaaabbbbbbBb");
  world.tell_truth(world.cem);

  world.answer({world.ann, world.cem});
  EXPECT(world.filled == std::vector<PieceIndex>{kPiece});
  world.store(kPiece);

  EXPECT(world.swarm.have().has(kPiece));
  EXPECT(world.convicts({kBob}));
}

TEST(all_who_sent_bad_blocks_are_out_at_once) {
  World world;

  world.fail("aAaaaaAabbbbbbBB");
  world.tell_truth(world.cem);

  EXPECT(world.convicts({kAnn, kBob}));
  EXPECT_EQ(world.closed.size(), 2u);
  EXPECT_EQ(world.wasted(), 4u * kBlock);
  EXPECT_EQ(world.requests(world.cem).size(), 4u);
}

TEST(only_contributor_is_out_without_a_question) {
  ScriptedSwarm world("..");
  const auto liar = world.source(kAnn, "#.");
  const auto same = world.source(kAnn, "..");
  const auto honest = world.source(kBob, "..");
  world.answer({liar});

  world.swarm.on_piece_failed(kPiece, {}, world.now);
  world.drain();

  EXPECT(world.closed_for(liar, CloseReason::BadBlock));
  EXPECT(world.closed_for(same, CloseReason::BadBlock));
  EXPECT(!world.closed_for(honest, CloseReason::BadBlock));
  EXPECT(world.convicted == std::vector<DeviceId>{device(kAnn)});
  EXPECT(world.discarded == std::vector<PieceIndex>{kPiece});
  EXPECT_EQ(world.swarm.totals().wasted, std::uint64_t{kPieceBytes});
}

TEST(who_lies_about_leaves_is_out_and_the_next_is_asked) {
  World world;
  world.fail("aaaaaaaabbbbbbBb");

  world.tell_lie(world.cem);
  EXPECT(world.convicts({kCem}));
  EXPECT(world.closed_for(world.cem, CloseReason::BadLeaves));
  world.tell_truth(world.ann);

  EXPECT(world.convicts({kCem, kBob}));
  EXPECT(world.is_kept());
}

TEST(who_rejects_or_leaves_or_is_silent_is_not_blamed) {
  World world;
  world.fail("aaaaaaaabbbbbbBb");

  world.reject(world.cem);
  EXPECT(world.is_asked(world.ann));
  world.swarm.close_session(world.ann, world.now);
  world.drain();
  EXPECT(world.is_asked(world.bob));
  EXPECT(world.swarm.next_deadline() <= world.now + swarm::PieceInquiry::kAnswerTime);
  LIMIT_AT(swarm::PieceInquiry::kAnswerTime);
  world.pass(swarm::PieceInquiry::kAnswerTime - 1ms);
  EXPECT(world.is_kept());
  LIMIT_ABOVE(swarm::PieceInquiry::kAnswerTime);
  world.pass(1ms);

  EXPECT(world.convicted.empty() && world.closed.empty());
  EXPECT(world.is_begun_anew());
  EXPECT_EQ(world.wasted(), std::uint64_t{kPieceBytes});
}

TEST(without_leaves_the_piece_comes_from_one_and_that_names_who_is_to_blame) {
  World world;
  world.swarm.close_session(world.cem, world.now);
  world.report({});
  EXPECT(world.closed.empty());
  const bool ann_has_it = world.view(world.ann).requests_outstanding > 0;
  EXPECT_EQ(world.view(ann_has_it ? world.bob : world.ann).requests_outstanding, 0u);
  world.answer({world.ann, world.bob});

  world.report({});

  EXPECT(world.convicts({ann_has_it ? kAnn : kBob}));
  EXPECT_EQ(world.closed.size(), 1u);
}

TEST(no_more_than_so_many_are_asked) {
  World world;
  std::vector<SessionId> others;
  for (int number = 4; number < 10; ++number) others.push_back(world.source(number, "#."));
  world.fail("aaaaaaaabbbbbbBb");

  std::size_t asked = 0;
  others.push_back(world.cem);
  for (bool any = true; any;) {
    any = false;
    for (const auto id : others) {
      const auto range = world.asked(id);
      if (!range) continue;
      ++asked;
      any = true;
      world.say(id, wire::HashReject{*range});
    }
  }

  EXPECT_EQ(asked, swarm::PieceInquiry::kTries);
  EXPECT(world.is_begun_anew());
}

TEST(guilty_one_may_give_the_leaves_itself) {
  World world;
  world.swarm.close_session(world.cem, world.now);
  world.swarm.close_session(world.ann, world.now);
  world.fail("aaaaaaaabbbbbbBb");

  world.tell_truth(world.bob);

  EXPECT(world.convicts({kBob}));
  EXPECT(world.closed_for(world.bob, CloseReason::BadBlock));
}

TEST(guilty_one_that_has_left_is_not_let_in_again) {
  World world;
  world.fail("aaaaaaaabbbbbbBb");
  world.swarm.close_session(world.bob, world.now);

  world.tell_truth(world.cem);

  EXPECT(world.convicts({kBob}));
  EXPECT(world.closed.empty());
}

TEST(piece_whose_blocks_are_all_right_blames_nobody) {
  World world;
  world.fail("aaaaaaaabbbbbbbb");

  world.tell_truth(world.cem);

  EXPECT(world.convicted.empty() && world.closed.empty());
  EXPECT(world.is_begun_anew());
  EXPECT_EQ(world.wasted(), 0u);
}

TEST(leaves_that_nobody_asked_for_are_nothing) {
  World world;
  const wire::HashRange range{Sha256{}, 0, 0, 16, 0};

  world.say(world.cem, swarm::leaves_answer(range, world.geometry, world.truth));
  world.say(world.cem, wire::HashReject{range});
  world.fail("aaaaaaaabbbbbbBb");
  world.say(world.ann, swarm::leaves_answer(range, world.geometry, {}));

  EXPECT(world.convicted.empty() && world.closed.empty());
  EXPECT(world.is_asked(world.cem));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(bad_block_names_its_sender_and_comes_again_alone),
      cmocka_unit_test(piece_is_whole_when_its_bad_block_has_come_again),
      cmocka_unit_test(all_who_sent_bad_blocks_are_out_at_once),
      cmocka_unit_test(only_contributor_is_out_without_a_question),
      cmocka_unit_test(who_lies_about_leaves_is_out_and_the_next_is_asked),
      cmocka_unit_test(who_rejects_or_leaves_or_is_silent_is_not_blamed),
      cmocka_unit_test(without_leaves_the_piece_comes_from_one_and_that_names_who_is_to_blame),
      cmocka_unit_test(no_more_than_so_many_are_asked),
      cmocka_unit_test(guilty_one_may_give_the_leaves_itself),
      cmocka_unit_test(guilty_one_that_has_left_is_not_let_in_again),
      cmocka_unit_test(piece_whose_blocks_are_all_right_blames_nobody),
      cmocka_unit_test(leaves_that_nobody_asked_for_are_nothing),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
