// SPDX-License-Identifier: MIT
#include "daemon/swarm/peer_book.h"

#include <set>

#include "daemon/base/limits.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using swarm::PeerAddress;
using swarm::PeerBook;

namespace {

const TimePoint kStart = TimePoint(1h);

DeviceId device(std::size_t number) {
  DeviceId id;
  id.bytes[0] = static_cast<std::uint8_t>(number >> 8);
  id.bytes[1] = static_cast<std::uint8_t>(number);
  id.bytes[2] = 1;
  return id;
}

std::vector<PeerAddress> addresses(std::size_t count = 1) {
  std::vector<PeerAddress> list;
  for (std::size_t i = 0; i < count; ++i) list.push_back({{10, 0, 0, static_cast<std::uint8_t>(i)}, 4000});
  return list;
}

struct World {
  Random random{7};
  PeerBook book{device(0), 3, random};
  void add(std::size_t number, bool seeding = false, TimePoint now = kStart) {
    book.add(device(number), "user", addresses(), seeding, now);
  }
};

TEST(announced_device_is_dialled_once) {
  World world;
  world.add(1);
  EXPECT_EQ(world.book.next_deadline(), kStart);

  const auto dial = world.book.next_dial(false, kStart);

  EXPECT(dial && dial->device == device(1) && dial->address == addresses()[0]);
  EXPECT(!world.book.next_dial(false, kStart));
  EXPECT_EQ(world.book.next_deadline(), TimePoint::max());
  world.book.on_connected(device(1));
  EXPECT_EQ(world.book.connected(), 1u);
  EXPECT_EQ(world.book.user_of(device(1)), "user");
  EXPECT_EQ(world.book.user_of(device(2)), "");
}

TEST(own_device_and_devices_without_address_are_not_dialled) {
  World world;
  world.add(0);
  world.book.add(device(1), "user", {}, false, kStart);

  EXPECT(!world.book.next_dial(false, kStart));
  EXPECT_EQ(world.book.next_deadline(), TimePoint::max());
}

TEST(failed_dials_wait_twice_as_long_each_time_up_to_the_last_wait) {
  World world;
  world.add(1);
  auto now = kStart;
  Duration wait = PeerBook::kFirstWait;
  for (int i = 0; i < 12; ++i) {
    EXPECT(world.book.next_dial(false, now).has_value());
    world.book.on_dial_failed(device(1), now);
    EXPECT_EQ(world.book.next_deadline(), now + wait);
    EXPECT(!world.book.next_dial(false, now + wait - 1ns));
    now += wait;
    wait = std::min<Duration>(wait * 2, PeerBook::kLastWait);
  }
  EXPECT_EQ(wait, Duration(PeerBook::kLastWait));
  EXPECT(world.book.next_dial(false, now).has_value());
  world.book.on_dial_failed(device(1), now);

  LIMIT_AT(PeerBook::kLastWait);
  EXPECT(!world.book.next_dial(false, now + PeerBook::kLastWait - 1ns));
  now += PeerBook::kLastWait;
  LIMIT_ABOVE(PeerBook::kLastWait);
  EXPECT(world.book.next_dial(false, now).has_value());

  world.book.on_dial_failed(device(1), now);
  world.add(1, false, now);

  EXPECT_EQ(world.book.next_deadline(), now);
}

TEST(addresses_take_turns) {
  World world;
  std::set<PeerAddress> seen;
  auto now = kStart;
  const auto dial = [&](std::size_t known) {
    world.book.add(device(1), "user", addresses(known), false, now);
    seen.clear();
    for (std::size_t i = 0; i < 2 * known; ++i) {
      seen.insert(world.book.next_dial(false, now)->address);
      world.book.on_dial_failed(device(1), now);
      now += PeerBook::kLastWait;
    }
    return seen.size();
  };

  LIMIT_AT(limits::kAddressesPerDevice);
  EXPECT_EQ(dial(limits::kAddressesPerDevice), limits::kAddressesPerDevice);
  LIMIT_ABOVE(limits::kAddressesPerDevice);
  EXPECT_EQ(dial(limits::kAddressesPerDevice + 1), limits::kAddressesPerDevice);
}

TEST(links_are_bounded_in_both_directions) {
  World world;
  for (std::size_t i = 1; i <= 5; ++i) world.add(i);
  world.book.on_connected(device(9));
  EXPECT(world.book.next_dial(false, kStart).has_value());
  EXPECT(world.book.next_dial(false, kStart).has_value());

  EXPECT(!world.book.next_dial(false, kStart));
  EXPECT_EQ(world.book.next_deadline(), TimePoint::max());

  world.book.on_disconnected(device(9), kStart);
  EXPECT_EQ(world.book.next_deadline(), kStart + PeerBook::kDialPause);
  EXPECT(world.book.next_dial(false, kStart + PeerBook::kDialPause).has_value());
}

TEST(dials_are_apart_so_that_links_spread_evenly) {
  World world;
  for (std::size_t i = 1; i <= 5; ++i) world.add(i);
  LIMIT_AT(PeerBook::kDialBurst);
  for (int i = 0; i < PeerBook::kDialBurst; ++i) EXPECT(world.book.next_dial(false, kStart).has_value());
  LIMIT_ABOVE(PeerBook::kDialBurst);
  EXPECT(!world.book.next_dial(false, kStart));

  const auto due = kStart + PeerBook::kDialPause;
  EXPECT_EQ(world.book.next_deadline(), due);
  LIMIT_AT(PeerBook::kDialPause);
  EXPECT(!world.book.next_dial(false, due - 1ns));
  LIMIT_ABOVE(PeerBook::kDialPause);
  EXPECT(world.book.next_dial(false, due).has_value());
}

TEST(who_lags_gets_more_links_one_by_one_and_twice_as_many_at_most) {
  World world;
  for (std::size_t i = 1; i <= 3; ++i) world.book.on_connected(device(i));
  for (std::size_t i = 4; i <= 9; ++i) world.add(i);
  EXPECT_EQ(world.book.next_deadline(), TimePoint::max());

  auto now = kStart;
  EXPECT(world.book.on_lag(now));
  LIMIT_AT(PeerBook::kLagInterval);
  EXPECT(!world.book.on_lag(now + PeerBook::kLagInterval - 1ns));
  LIMIT_ABOVE(PeerBook::kLagInterval);
  now += PeerBook::kLagInterval;
  EXPECT(world.book.on_lag(now));
  std::size_t dialled = 0;
  for (int i = 0; i < 10; ++i) {
    while (world.book.next_dial(false, now)) ++dialled;
    now += PeerBook::kLagInterval;
    world.book.on_lag(now);
  }

  EXPECT_EQ(dialled, 3u);
  EXPECT(!world.book.on_lag(now + 1h));
}

TEST(complete_device_does_not_dial_seeders) {
  World world;
  world.add(1, true);

  EXPECT(!world.book.next_dial(true, kStart));
  EXPECT_EQ(world.book.next_deadline(), TimePoint::max());
  EXPECT(world.book.next_dial(false, kStart).has_value());
}

TEST(source_dials_nobody_while_enough_others_have_everything) {
  World world;
  world.book.set_source();
  world.add(1);
  world.add(2, true);
  world.add(3, true);
  world.add(4, true);
  EXPECT(!world.book.next_dial(true, kStart));
  EXPECT_EQ(world.book.next_deadline(), TimePoint::max());

  world.book.remove(device(4));

  EXPECT_EQ(world.book.next_deadline(), kStart);
  EXPECT(world.book.next_dial(true, kStart)->device == device(1));
}

TEST(source_that_lacks_something_dials_whomever_it_can) {
  World world;
  world.book.set_source();
  for (std::size_t i = 1; i <= 3; ++i) world.add(i, true);

  EXPECT(world.book.next_dial(false, kStart));
}

TEST(devices_that_are_only_known_are_tried_until_they_are_forgotten) {
  World world;
  world.add(1, true);
  world.book.add_known(device(1), "user", addresses(), kStart);
  world.book.add_known(device(2), "user", addresses(), kStart);
  EXPECT(world.book.next_dial(false, kStart) && world.book.next_dial(false, kStart));
  world.book.on_dial_failed(device(2), kStart);

  world.book.forget_known();

  EXPECT_EQ(world.book.user_of(device(1)), "user");
  EXPECT_EQ(world.book.user_of(device(2)), "");
  world.book.add_known(device(3), "user", addresses(), kStart);
  world.add(3);
  world.book.forget_known();
  EXPECT_EQ(world.book.user_of(device(3)), "user");
}

TEST(device_that_showed_to_be_complete_is_a_seeder) {
  World world;
  world.add(1);
  world.book.on_connected(device(1));

  world.book.on_complete(device(1));
  world.book.on_complete(device(2));
  world.book.on_disconnected(device(1), kStart);

  EXPECT(!world.book.next_dial(true, kStart + 1h));
}

TEST(removed_device_is_forgotten_only_when_it_closes) {
  World world;
  world.add(1);
  world.add(2);
  world.book.on_connected(device(1));

  world.book.remove(device(1));
  world.book.remove(device(2));

  EXPECT_EQ(world.book.connected(), 1u);
  EXPECT_EQ(world.book.user_of(device(2)), "");
  world.book.on_disconnected(device(1), kStart);
  EXPECT_EQ(world.book.connected(), 0u);
  EXPECT_EQ(world.book.user_of(device(1)), "");
  EXPECT_EQ(world.book.next_deadline(), TimePoint::max());
}

TEST(banned_device_is_not_dialled_and_leaving_does_not_lift_the_ban) {
  World world;
  world.add(1);
  world.book.ban(device(1), kStart + 1min);
  world.book.ban(device(2), kStart + 1min);
  EXPECT(!world.book.next_dial(false, kStart));
  EXPECT_EQ(world.book.next_deadline(), kStart + 1min);

  world.book.remove(device(1));
  world.add(1);
  world.add(2);

  EXPECT(world.book.is_banned(device(1), kStart + 59s));
  EXPECT(world.book.is_banned(device(2), kStart + 59s));
  EXPECT(!world.book.is_banned(device(1), kStart + 1min));
  EXPECT(!world.book.next_dial(false, kStart + 59s));
  EXPECT(world.book.next_dial(false, kStart + 1min).has_value());
}

TEST(who_was_closed_for_a_fault_is_not_let_in_for_a_while) {
  World world;
  world.book.on_fault(device(1), kStart);
  LIMIT_AT(limits::kOffenderPause);
  EXPECT(world.book.is_banned(device(1), kStart + limits::kOffenderPause - 1ms));
  LIMIT_ABOVE(limits::kOffenderPause);
  EXPECT(!world.book.is_banned(device(1), kStart + limits::kOffenderPause));

  world.book.ban(device(1), kStart + 1h);
  world.book.on_fault(device(1), kStart);
  EXPECT(world.book.is_banned(device(1), kStart + 59min));
}

TEST(book_is_bounded) {
  World world;
  for (std::size_t i = 1; i <= limits::kPeersPerShare; ++i) world.add(i);
  LIMIT_AT(limits::kPeersPerShare);
  EXPECT_EQ(world.book.user_of(device(limits::kPeersPerShare)), "user");
  LIMIT_ABOVE(limits::kPeersPerShare);
  world.add(limits::kPeersPerShare + 1);
  EXPECT_EQ(world.book.user_of(device(limits::kPeersPerShare + 1)), "");

  world.book.ban(device(1), kStart + 1s);
  world.book.remove(device(1));
  world.add(limits::kPeersPerShare + 1, false, kStart + 2s);

  EXPECT_EQ(world.book.user_of(device(limits::kPeersPerShare + 1)), "user");
}

TEST(lost_link_is_dialled_again_after_the_first_wait) {
  World world;
  world.add(1);
  world.book.on_connected(device(1));

  world.book.on_disconnected(device(1), kStart);

  EXPECT_EQ(world.book.next_deadline(), kStart + PeerBook::kFirstWait);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(announced_device_is_dialled_once),
      cmocka_unit_test(own_device_and_devices_without_address_are_not_dialled),
      cmocka_unit_test(failed_dials_wait_twice_as_long_each_time_up_to_the_last_wait),
      cmocka_unit_test(addresses_take_turns),
      cmocka_unit_test(links_are_bounded_in_both_directions),
      cmocka_unit_test(dials_are_apart_so_that_links_spread_evenly),
      cmocka_unit_test(who_lags_gets_more_links_one_by_one_and_twice_as_many_at_most),
      cmocka_unit_test(complete_device_does_not_dial_seeders),
      cmocka_unit_test(devices_that_are_only_known_are_tried_until_they_are_forgotten),
      cmocka_unit_test(device_that_showed_to_be_complete_is_a_seeder),
      cmocka_unit_test(removed_device_is_forgotten_only_when_it_closes),
      cmocka_unit_test(banned_device_is_not_dialled_and_leaving_does_not_lift_the_ban),
      cmocka_unit_test(who_was_closed_for_a_fault_is_not_let_in_for_a_while),
      cmocka_unit_test(book_is_bounded),
      cmocka_unit_test(lost_link_is_dialled_again_after_the_first_wait),
      cmocka_unit_test(source_dials_nobody_while_enough_others_have_everything),
      cmocka_unit_test(source_that_lacks_something_dials_whomever_it_can),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
