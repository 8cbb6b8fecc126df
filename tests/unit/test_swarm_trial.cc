// SPDX-License-Identifier: MIT
// What a device has to show before much is asked of it, and while we direct it: single blocks are compared.
// Ann and bob have two of three pieces.
#include <string>

#include "daemon/base/digest.h"
#include "daemon/swarm/leaf_exchange.h"
#include "daemon/swarm/trial.h"
#include "tests/support/limit.h"
#include "tests/support/scripted_swarm.h"

using namespace p2p;
using namespace p2p::test;
using swarm::Trial;

namespace {

constexpr int kAnn = 1;
constexpr int kBob = 2;

std::vector<Sha256> leaves_of(const meta::Geometry& geometry, PieceIndex piece) {
  std::vector<Sha256> leaves;
  for (std::uint32_t i = 0; i < geometry.blocks(piece); ++i) {
    const auto name = std::to_string(piece.value) + " " + std::to_string(i);
    leaves.push_back(sha256(as_bytes(name)));
  }
  return leaves;
}

struct World : ScriptedSwarm {
  World() : ScriptedSwarm("...", {}, [this](PieceIndex piece) { return roots(piece); }) {}

  swarm::LeafRoots roots(PieceIndex piece) const {
    return {sha256(as_bytes(std::string("file"))), swarm::leaf_root(geometry, leaves_of(geometry, piece))};
  }
  wire::HashRange asked(SessionId id) {
    const auto requests = take<wire::HashRequest>(id);
    EXPECT_EQ(requests.size(), 1u);
    return requests.at(0).range;
  }
  wire::Hashes truth(const wire::HashRange& range) const {
    const PieceIndex piece{range.index / swarm::leaf_width(geometry)};
    return swarm::leaves_answer(range, geometry, leaves_of(geometry, piece));
  }
  void tell(bool right) {
    const auto all = std::exchange(compared, {});
    for (const auto& one : all) swarm.on_block_compared(one.device, one.block, right, now);
    drain();
  }
  void pass(Duration time) {
    now += time;
    swarm.on_timer(now);
    drain();
  }
};

TEST(few_blocks_are_asked_of_a_device_until_one_of_them_was_right) {
  World world;
  const auto ann = world.source(kAnn, "##.");
  const auto range = world.asked(ann);
  const auto first = world.requests(ann);
  LIMIT_AT(Trial::kBlocks);
  EXPECT_EQ(first.size(), Trial::kBlocks);

  for (const auto& span : first) EXPECT(world.block(ann, span) == BlockVerdict::Keep);
  LIMIT_ABOVE(Trial::kBlocks);
  EXPECT(world.requests(ann).empty());
  EXPECT(world.compared.empty());

  world.say(ann, world.truth(range));
  EXPECT_EQ(world.compared.size(), Trial::kBlocks);
  for (const auto& one : world.compared) {
    EXPECT(one.device == device(kAnn));
    EXPECT(one.leaf == leaves_of(world.geometry, one.block.piece)[one.block.block.value]);
  }
  world.tell(true);

  EXPECT(world.requests(ann).size() > Trial::kBlocks);
  EXPECT(world.convicted.empty());
  EXPECT(world.take<wire::HashRequest>(ann).empty());
}

TEST(block_is_compared_as_soon_as_it_comes_when_its_leaf_is_here) {
  World world;
  const auto ann = world.source(kAnn, "##.");
  world.say(ann, world.truth(world.asked(ann)));
  EXPECT(world.compared.empty());

  const auto span = world.requests(ann)[0];
  world.block(ann, span);

  EXPECT_EQ(world.compared.size(), 1u);
  EXPECT(world.compared[0].block.piece == span.piece);
  EXPECT_EQ(world.compared[0].block.block.value, span.begin / kBlock);
}

TEST(first_wrong_block_convicts_and_comes_again_from_another) {
  World world;
  const auto ann = world.source(kAnn, "##.");
  world.say(ann, world.truth(world.asked(ann)));
  const auto span = world.requests(ann)[0];
  world.block(ann, span);

  world.tell(false);

  EXPECT(world.convicted == std::vector<DeviceId>{device(kAnn)});
  EXPECT(world.closed_for(ann, CloseReason::BadBlock));
  EXPECT_EQ(world.swarm.totals().wasted, kBlock);
  const auto bob = world.source(kBob, "##.");
  const auto again = world.requests(bob);
  EXPECT(std::find(again.begin(), again.end(), span) != again.end());
}

TEST(leaves_with_another_root_convict) {
  World world;
  const auto ann = world.source(kAnn, "##.");
  auto lie = world.truth(world.asked(ann));
  lie.hashes[0] ^= 1;

  world.say(ann, lie);

  EXPECT(world.convicted == std::vector<DeviceId>{device(kAnn)});
  EXPECT(world.closed_for(ann, CloseReason::BadLeaves));
}

TEST(who_refuses_leaves_is_not_convicted_and_may_send) {
  World world;
  const auto ann = world.source(kAnn, "##.");
  const auto before = world.requests(ann).size();

  world.say(ann, wire::HashReject{world.asked(ann)});

  EXPECT_EQ(before, Trial::kBlocks);
  EXPECT(!world.requests(ann).empty());
  EXPECT(world.convicted.empty());
}

TEST(trial_does_not_wait_for_long) {
  World world;
  const auto ann = world.source(kAnn, "##.");
  const auto range = world.asked(ann);
  for (const auto& span : world.requests(ann)) world.block(ann, span);

  LIMIT_AT(Trial::kTime);
  world.pass(Trial::kTime - 1ms);
  EXPECT(world.requests(ann).empty());
  LIMIT_ABOVE(Trial::kTime);
  EXPECT(world.swarm.next_deadline() <= world.now + 1ms);
  world.pass(1ms);
  EXPECT(!world.requests(ann).empty());

  world.say(ann, world.truth(range));  // too late to matter
  EXPECT(world.compared.empty());
}

TEST(nobody_is_compared_by_what_another_has_sent_since) {
  World world;
  const auto ann = world.source(kAnn, "#..");
  const auto range = world.asked(ann);
  const auto first = world.requests(ann);
  for (const auto& span : first) world.block(ann, span);
  const auto bob = world.source(kBob, "#..");
  world.say(bob, wire::HashReject{world.asked(bob)});
  world.answer({bob});
  EXPECT_EQ(world.filled.size(), 1u);
  world.filled.clear();
  world.swarm.on_piece_lost(PieceIndex{0}, world.now);
  world.drain();
  for (const auto& span : world.requests(bob)) world.block(bob, span);

  world.say(ann, world.truth(range));

  EXPECT(world.compared.empty());
}

TEST(who_has_been_right_once_is_not_tried_again) {
  World world;
  const auto ann = world.source(kAnn, "##.");
  world.say(ann, world.truth(world.asked(ann)));
  world.block(ann, world.requests(ann)[0]);
  world.tell(true);
  world.swarm.close_session(ann, world.now);
  world.drain();

  const auto again = world.source(kAnn, "##.");

  EXPECT(world.take<wire::HashRequest>(again).empty());
  EXPECT(world.requests(again).size() > Trial::kBlocks);
}

TEST(piece_that_was_stored_ends_the_trial_of_all_who_sent_of_it) {
  World world;
  const auto ann = world.source(kAnn, "..#");  // two blocks
  world.answer({ann});
  EXPECT_EQ(world.filled.size(), 1u);
  world.say(ann, world.truth(world.asked(ann)));
  EXPECT(world.compared.empty());  // it is judged as a whole

  world.store(PieceIndex{2});
  world.say(ann, wire::Have{PieceIndex{0}});

  EXPECT(world.requests(ann).size() > Trial::kBlocks);
}

// --- audit -------------------------------------------------------------------------------------------

struct Publisher : ScriptedSwarm {
  Publisher() : ScriptedSwarm("########") { ann = taker(kAnn); }
  // What is asked of ann, who lets us.
  std::optional<BlockSpan> asked() {
    const auto spans = requests(ann);
    EXPECT(spans.size() <= 1);
    return spans.empty() ? std::nullopt : std::optional(spans[0]);
  }
  void have(std::uint32_t piece) { say(ann, wire::Have{PieceIndex{piece}}); }
  void compare(const BlockSpan& span, bool right) {
    swarm.on_block_compared(device(kAnn), {span.piece, {span.begin / kBlock}}, right, now);
    drain();
  }

  SessionId ann;
};

TEST(who_is_directed_is_asked_for_a_block_of_what_it_has) {
  Publisher world;
  EXPECT(world.take<wire::Interested>(world.ann).empty());
  world.have(3);
  EXPECT_EQ(world.take<wire::Interested>(world.ann).size(), 1u);
  EXPECT(!world.asked());

  world.say(world.ann, wire::Unchoke{});
  const auto span = world.asked().value();
  EXPECT(span.piece == PieceIndex{3});
  EXPECT(world.block(world.ann, span) == BlockVerdict::Compare);
  EXPECT_EQ(world.take<wire::NotInterested>(world.ann).size(), 1u);
  world.compare(span, true);

  EXPECT(world.convicted.empty());
  EXPECT_EQ(world.swarm.totals().downloaded, 0u);
  EXPECT(world.block(world.ann, span) == BlockVerdict::Duplicate);  // one answer, one look
}

TEST(it_is_asked_again_when_it_has_twice_as_much_and_one) {
  Publisher world;
  world.say(world.ann, wire::Unchoke{});
  int asked = 0;
  std::string at;
  for (std::uint32_t i = 0; i < 7; ++i) {
    world.have(i);
    const auto span = world.asked();
    if (!span) continue;
    ++asked;
    at += std::to_string(i + 1);
    world.block(world.ann, *span);
    world.compare(*span, true);
  }
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(at, std::string("137"));
}

TEST(who_spoils_what_it_has_from_us_is_convicted) {
  Publisher world;
  world.say(world.ann, wire::Unchoke{});
  world.have(0);
  const auto span = world.asked().value();
  world.block(world.ann, span);

  world.compare(span, false);

  EXPECT(world.convicted == std::vector<DeviceId>{device(kAnn)});
  EXPECT(world.closed_for(world.ann, CloseReason::BadBlock));
}

TEST(who_refuses_what_it_claims_has_it_no_more) {
  Publisher world;
  world.say(world.ann, wire::Unchoke{});
  world.have(0);

  world.say(world.ann, wire::Reject{world.asked().value()});

  EXPECT_EQ(world.view(world.ann).pieces, 0u);
  EXPECT(world.convicted.empty() && world.closed.empty());
}

TEST(what_an_audit_asked_for_is_nobodys_when_there_is_nothing_to_direct) {
  Publisher world;
  world.say(world.ann, wire::Unchoke{});
  world.have(0);
  const auto span = world.asked().value();

  world.swarm.on_piece_withdrawn(PieceIndex{1}, world.now);
  world.drain();

  EXPECT_EQ(world.take<wire::NotInterested>(world.ann).size(), 1u);
  EXPECT(world.block(world.ann, span) == BlockVerdict::Duplicate);
}

TEST(nobody_is_audited_by_who_does_not_direct) {
  ScriptedSwarm world("###.");
  const auto ann = world.taker(kAnn);
  world.say(ann, wire::Unchoke{});

  world.say(ann, wire::Have{PieceIndex{0}});

  EXPECT(world.take<wire::Interested>(ann).empty());
  EXPECT(world.requests(ann).empty());
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(few_blocks_are_asked_of_a_device_until_one_of_them_was_right),
      cmocka_unit_test(block_is_compared_as_soon_as_it_comes_when_its_leaf_is_here),
      cmocka_unit_test(first_wrong_block_convicts_and_comes_again_from_another),
      cmocka_unit_test(leaves_with_another_root_convict),
      cmocka_unit_test(who_refuses_leaves_is_not_convicted_and_may_send),
      cmocka_unit_test(trial_does_not_wait_for_long),
      cmocka_unit_test(nobody_is_compared_by_what_another_has_sent_since),
      cmocka_unit_test(who_has_been_right_once_is_not_tried_again),
      cmocka_unit_test(piece_that_was_stored_ends_the_trial_of_all_who_sent_of_it),
      cmocka_unit_test(who_is_directed_is_asked_for_a_block_of_what_it_has),
      cmocka_unit_test(it_is_asked_again_when_it_has_twice_as_much_and_one),
      cmocka_unit_test(who_spoils_what_it_has_from_us_is_convicted),
      cmocka_unit_test(who_refuses_what_it_claims_has_it_no_more),
      cmocka_unit_test(what_an_audit_asked_for_is_nobodys_when_there_is_nothing_to_direct),
      cmocka_unit_test(nobody_is_audited_by_who_does_not_direct),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
