// SPDX-License-Identifier: MIT
// One piece with bad blocks, drawn: '#' a block as it must be, 'x' a wrong one. Who is asked for its leaves,
// and what follows from the answer.
#include "daemon/swarm/piece_inquiry.h"

#include <string>

#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/swarm/leaf_exchange.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using namespace p2p::swarm;
using Answer = PieceInquiry::Answer;

namespace {

constexpr SessionId kAnn{1};
constexpr SessionId kBob{2};
constexpr TimePoint kNow(1h);
constexpr PieceIndex kPiece{1};

DeviceId device(int number) {
  DeviceId id;
  id.bytes[0] = static_cast<std::uint8_t>(number);
  return id;
}

Sha256 leaf(std::size_t block, char as) {
  const auto text = std::to_string(block) + as;
  return sha256(as_bytes(text));
}

// The last piece of a share has as many blocks as the picture.
struct World {
  explicit World(std::string drawn, std::uint32_t piece_length = limits::kPieceBytesMin)
      : picture(std::move(drawn)),
        geometry(*meta::Geometry::make(piece_length + picture.size() * limits::kBlockBytes, piece_length)) {
    Evidence evidence;
    for (std::size_t i = 0; i < picture.size(); ++i) {
      evidence.leaves.push_back(leaf(i, picture[i]));
      good.push_back(leaf(i, '#'));
    }
    evidence.roots.piece = leaf_root(geometry, good);
    inquiry.emplace(geometry, kPiece, std::move(evidence));
  }
  std::vector<wire::HashRequest> ask(SessionId session, int number) {
    return inquiry->ask(session, device(number), kNow);
  }
  wire::Hashes truth(const wire::HashRequest& request) const {
    return leaves_answer(request.range, geometry, good);
  }
  std::string found() const {
    std::string result(picture.size(), '#');
    for (const auto block : inquiry->bad_blocks()) result[block.value] = 'x';
    return result;
  }

  std::string picture;
  meta::Geometry geometry;
  std::vector<Sha256> good;
  std::optional<PieceInquiry> inquiry;
};

TEST(leaves_with_the_root_of_the_piece_show_its_bad_blocks) {
  for (const auto* picture : {"#x##############", "x##############x", "xxxxxxxxxxxxxxxx", "##x", "x"}) {
    World world(picture);
    const auto requests = world.ask(kAnn, 1);
    EXPECT_EQ(requests.size(), 1u);
    EXPECT_EQ(world.inquiry->deadline(), kNow + PieceInquiry::kAnswerTime);

    EXPECT(world.inquiry->on_hashes(kAnn, world.truth(requests[0])) == Answer::Solved);

    EXPECT_EQ(world.found(), picture);
    EXPECT_EQ(world.inquiry->deadline(), TimePoint::max());
  }
}

TEST(leaves_of_a_large_piece_come_in_two_answers_in_any_order) {
  std::string picture(1000, '#');
  picture[3] = picture[700] = 'x';
  World world(picture, limits::kPieceBytesMax);
  const auto requests = world.ask(kAnn, 1);
  EXPECT_EQ(requests.size(), 2u);

  EXPECT(world.inquiry->on_hashes(kAnn, world.truth(requests[1])) == Answer::Incomplete);
  EXPECT(world.inquiry->on_hashes(kAnn, world.truth(requests[1])) == Answer::Ignored);
  EXPECT(world.inquiry->on_hashes(kAnn, world.truth(requests[0])) == Answer::Solved);

  EXPECT_EQ(world.found(), picture);
}

TEST(leaves_with_another_root_are_a_lie) {
  const auto judge = [](auto change) {
    World world("x#");
    auto answer = world.truth(world.ask(kAnn, 1)[0]);
    change(answer.hashes);
    return world.inquiry->on_hashes(kAnn, answer);
  };

  EXPECT(judge([](Bytes& hashes) { hashes[0] ^= 1; }) == Answer::Lie);
  EXPECT(judge([](Bytes& hashes) { hashes.back() ^= 1; }) == Answer::Lie);  // padding is zero
  EXPECT(judge([](Bytes& hashes) { hashes.resize(hashes.size() + Sha256::kSize); }) == Answer::Lie);
  EXPECT(judge([](Bytes& hashes) { hashes.resize(hashes.size() - Sha256::kSize); }) == Answer::Lie);
  EXPECT(judge([](Bytes& hashes) { hashes.clear(); }) == Answer::Lie);
  EXPECT(judge([](Bytes&) {}) == Answer::Solved);
}

TEST(only_the_session_that_was_asked_answers_and_for_what_it_was_asked) {
  World world("x#");
  const auto request = world.ask(kAnn, 1)[0];
  auto other = request;
  other.range.index += 16;

  EXPECT(world.inquiry->on_hashes(kBob, world.truth(request)) == Answer::Ignored);
  EXPECT(world.inquiry->on_reject(kBob, {request.range}) == Answer::Ignored);
  EXPECT(world.inquiry->on_hashes(kAnn, {other.range, {}}) == Answer::Ignored);
  EXPECT(world.inquiry->on_reject(kAnn, {other.range}) == Answer::Ignored);
  EXPECT(world.inquiry->is_asking(kAnn));
  world.inquiry->give_up();
  EXPECT(world.inquiry->on_hashes(kAnn, world.truth(request)) == Answer::Ignored);
}

TEST(so_many_devices_are_asked_none_twice_and_no_more) {
  World world("x#");
  LIMIT_AT(PieceInquiry::kTries);
  for (int number = 1; number <= static_cast<int>(PieceInquiry::kTries); ++number) {
    EXPECT(world.inquiry->may_ask(device(number)));
    const auto request = world.ask(kAnn, number)[0];
    EXPECT(world.inquiry->on_reject(kAnn, {request.range}) == Answer::Refused);
    EXPECT(!world.inquiry->is_asking(kAnn));
    EXPECT(!world.inquiry->may_ask(device(number)));
  }

  LIMIT_ABOVE(PieceInquiry::kTries);
  EXPECT(!world.inquiry->may_ask(device(9)));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(leaves_with_the_root_of_the_piece_show_its_bad_blocks),
      cmocka_unit_test(leaves_of_a_large_piece_come_in_two_answers_in_any_order),
      cmocka_unit_test(leaves_with_another_root_are_a_lie),
      cmocka_unit_test(only_the_session_that_was_asked_answers_and_for_what_it_was_asked),
      cmocka_unit_test(so_many_devices_are_asked_none_twice_and_no_more),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
