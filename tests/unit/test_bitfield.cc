// SPDX-License-Identifier: MIT
// Sets are drawn: '#' a piece that is in, '.' one that is not. Large ones are drawn at random.
#include "daemon/swarm/bitfield.h"

#include <set>
#include <string_view>

#include "daemon/base/random.h"
#include "tests/support/check.h"

using namespace p2p;
using swarm::Bitfield;

namespace {

Bitfield field(std::string_view picture) {
  Bitfield result(static_cast<std::uint32_t>(picture.size()));
  for (std::uint32_t i = 0; i < picture.size(); ++i) {
    if (picture[i] == '#') result.set({i});
  }
  return result;
}

int first_common(const Bitfield& one, const Bitfield& other, std::uint32_t begin, std::uint32_t end) {
  const auto found = one.first_common(other, begin, end);
  return found ? static_cast<int>(found->value) : -1;
}

TEST(wire_form_has_the_first_piece_in_the_highest_bit) {
  EXPECT_EQ(field("#.......#.").to_wire(), (Bytes{0x80, 0x80}));
  EXPECT_EQ(Bitfield(10, true).to_wire(), (Bytes{0xff, 0xc0}));
  EXPECT_EQ(Bitfield(0).to_wire(), Bytes{});
}

TEST(wire_form_of_another_length_or_with_spare_bits_is_refused) {
  EXPECT(Bitfield::from_wire(10, Bytes{0x80, 0x40}));
  EXPECT(!Bitfield::from_wire(10, Bytes{0x80, 0x20}));
  EXPECT(!Bitfield::from_wire(10, Bytes{0x80}));
  EXPECT(!Bitfield::from_wire(8, Bytes{0x80, 0x00}));
}

TEST(common_piece_is_the_first_in_the_range) {
  const auto one = field("#.##.#");
  const auto other = field("#..###");

  EXPECT_EQ(first_common(one, other, 0, 6), 0);
  EXPECT_EQ(first_common(one, other, 1, 6), 3);
  EXPECT_EQ(first_common(one, other, 4, 6), 5);
  EXPECT_EQ(first_common(one, other, 4, 5), -1);
  EXPECT_EQ(first_common(one, other, 1, 3), -1);
  EXPECT_EQ(first_common(one, other, 6, 6), -1);
}

TEST(sets_of_any_size_and_fullness_are_as_plain_sets) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const auto size = static_cast<std::uint32_t>(1 + random.below(seed % 8 == 0 ? 120'000 : 3'000));
    const auto fullness = 1 + random.below(1'000);
    Bitfield one(size);
    const Bitfield everything(size, true);
    std::set<std::uint32_t> plain;
    for (std::uint32_t i = 0; i < size; ++i) {
      const PieceIndex piece{static_cast<std::uint32_t>(random.below(size))};
      if (random.below(1'000) < fullness) EXPECT_EQ(one.set(piece), plain.insert(piece.value).second);
      else EXPECT_EQ(one.clear(piece), plain.erase(piece.value) == 1);
    }
    const auto wired = *Bitfield::from_wire(size, one.to_wire());
    EXPECT_EQ(one.count(), plain.size());
    EXPECT_EQ(wired.count(), plain.size());
    for (int i = 0; i < 200; ++i) {
      const auto begin = static_cast<std::uint32_t>(random.below(size + 1));
      const auto end = begin + static_cast<std::uint32_t>(random.below(size - begin + 1));
      const auto next = plain.lower_bound(begin);
      const int expected = next == plain.end() || *next >= end ? -1 : static_cast<int>(*next);
      EXPECT_EQ(first_common(one, everything, begin, end), expected);
      EXPECT_EQ(first_common(everything, wired, begin, end), expected);
    }
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(wire_form_has_the_first_piece_in_the_highest_bit),
      cmocka_unit_test(wire_form_of_another_length_or_with_spare_bits_is_refused),
      cmocka_unit_test(common_piece_is_the_first_in_the_range),
      cmocka_unit_test(sets_of_any_size_and_fullness_are_as_plain_sets),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
