// SPDX-License-Identifier: MIT
#include "daemon/tracker/presence.h"

#include "daemon/base/limits.h"
#include "tests/support/check.h"

using namespace p2p;
using tracker::Activity;
using tracker::Endpoint;
using tracker::Presence;

namespace {

template <class T>
T numbered(std::uint32_t number) {
  T id;
  for (std::size_t i = 0; i < 4; ++i) id.bytes[i] = static_cast<std::uint8_t>(number >> (8 * i));
  return id;
}

DeviceId device(std::uint32_t number) { return numbered<DeviceId>(number); }
UserId user(std::uint32_t number) { return numbered<UserId>(number); }

const ShareKey kFilm{numbered<GroupId>(1), numbered<InfoHash>(1)};
const ShareKey kSong{numbered<GroupId>(2), numbered<InfoHash>(2)};
const Endpoint kSomewhere{{10, 0, 0, 1}, 7734, false};
const Endpoint kLoopback{{127, 0, 0, 1}, 7734, true};

// Device 1 (loopback) and 2 of users 1 and 2, both in the film; 1 seeds it.
Presence two_peers() {
  Presence presence;
  presence.attach(device(1), user(1), true);
  presence.attach(device(2), user(2), false);
  presence.announce(device(1), kFilm, Activity::Seeding);
  presence.announce(device(2), kFilm, Activity::Leeching);
  return presence;
}

TEST(peers_leave_out_the_asker) {
  const auto presence = two_peers();

  const auto peers = presence.peers(kFilm, device(2));

  EXPECT_EQ(peers.size(), 1u);
  EXPECT_EQ(peers[0].device, device(1));
  EXPECT_EQ(peers[0].user, user(1));
  EXPECT(peers[0].activity == Activity::Seeding);
  EXPECT(!peers[0].endpoint);
}

TEST(change_of_activity_is_seen_and_repetition_is_not) {
  auto presence = two_peers();

  EXPECT(!presence.announce(device(2), kFilm, Activity::Leeching));
  EXPECT(presence.announce(device(2), kFilm, Activity::Seeding));
  EXPECT_EQ(presence.counts(kFilm).seeders, 2u);
  EXPECT(presence.announce(device(2), kFilm, Activity::Stopped));
  EXPECT(!presence.announce(device(2), kFilm, Activity::Stopped));
  EXPECT_EQ(presence.counts(kFilm).seeders, 1u);
  EXPECT_EQ(presence.counts(kFilm).leechers, 0u);
}

TEST(announcement_of_a_device_that_is_not_here_is_ignored) {
  Presence presence;

  EXPECT(!presence.announce(device(1), kFilm, Activity::Seeding));
  EXPECT_EQ(presence.counts(kFilm).seeders, 0u);
}

TEST(device_that_goes_leaves_its_shares) {
  auto presence = two_peers();
  presence.announce(device(1), kSong, Activity::Leeching);

  EXPECT_EQ(presence.detach(device(1)).size(), 2u);

  EXPECT(!presence.is_online(user(1)));
  EXPECT(presence.is_online(user(2)));
  EXPECT(presence.peers(kFilm, device(2)).empty());
  EXPECT(presence.peer(kFilm, device(1), device(2)).activity == Activity::Stopped);
  EXPECT(presence.detach(device(1)).empty());
}

TEST(endpoint_is_listed_once_proved_and_told_to_its_shares) {
  auto presence = two_peers();

  EXPECT_EQ(presence.set_endpoint(device(2), kSomewhere).size(), 1u);
  EXPECT(presence.set_endpoint(device(2), kSomewhere).empty());

  EXPECT(presence.peers(kFilm, device(1))[0].endpoint == kSomewhere);
  EXPECT_EQ(presence.set_endpoint(device(2), std::nullopt).size(), 1u);
  EXPECT(!presence.peers(kFilm, device(1))[0].endpoint);
}

TEST(loopback_endpoint_is_for_loopback_sessions_only) {
  auto presence = two_peers();
  presence.attach(device(3), user(3), true);
  presence.set_endpoint(device(1), kLoopback);

  EXPECT(!presence.peers(kFilm, device(2))[0].endpoint);
  EXPECT(presence.peer(kFilm, device(1), device(3)).endpoint == kLoopback);
}

TEST(leaving_a_group_leaves_its_shares_on_every_device) {
  auto presence = two_peers();
  presence.attach(device(3), user(1), false);
  presence.announce(device(3), kFilm, Activity::Leeching);
  presence.announce(device(3), kSong, Activity::Leeching);

  EXPECT_EQ(presence.leave_group(user(1), kFilm.group).size(), 2u);

  EXPECT(presence.peers(kFilm, device(2)).empty());
  EXPECT_EQ(presence.counts(kSong).leechers, 1u);
  EXPECT(presence.is_online(user(1)));
}

TEST(another_user_on_the_device_keeps_the_address_but_no_share) {
  auto presence = two_peers();
  presence.set_endpoint(device(2), kSomewhere);

  EXPECT_EQ(presence.attach(device(2), user(9), false).size(), 1u);

  EXPECT(!presence.is_online(user(2)));
  EXPECT_EQ(presence.counts(kFilm).leechers, 0u);
  presence.announce(device(2), kFilm, Activity::Leeching);
  EXPECT(presence.peers(kFilm, device(1))[0].endpoint == kSomewhere);
}

TEST(audience_is_everybody_else_in_the_share) {
  const auto presence = two_peers();

  EXPECT(presence.audience(kFilm, device(1)) == std::vector<DeviceId>{device(2)});
  EXPECT(presence.audience(kSong, device(1)).empty());
}

TEST(peer_list_is_bounded_and_prefers_the_reachable) {
  Presence presence;
  const auto count = static_cast<std::uint32_t>(limits::kPeersPerShare + 2);
  for (std::uint32_t i = 0; i < count; ++i) {
    presence.attach(device(i), user(i), false);
    presence.announce(device(i), kFilm, Activity::Leeching);
  }
  presence.set_endpoint(device(count - 1), kSomewhere);

  const auto peers = presence.peers(kFilm, device(0));

  EXPECT_EQ(peers.size(), limits::kPeersPerShare);
  EXPECT_EQ(peers[0].device, device(count - 1));
}

TEST(dropped_share_is_left_by_everybody_and_others_are_not) {
  auto presence = two_peers();
  presence.announce(device(1), kSong, Activity::Seeding);

  presence.drop_share(kFilm);
  presence.drop_share(kFilm);

  EXPECT_EQ(presence.counts(kFilm).seeders + presence.counts(kFilm).leechers, 0u);
  EXPECT(presence.peers(kFilm, device(3)).empty());
  EXPECT_EQ(presence.counts(kSong).seeders, 1u);
  EXPECT_EQ(presence.detach(device(1)).size(), 1u);
  EXPECT(presence.detach(device(2)).empty());
}

TEST(roster_is_applied_from_its_epoch_on_and_never_back) {
  auto presence = two_peers();
  const auto group = kFilm.group;
  EXPECT(!presence.has_applied(device(1), group, 0));

  presence.roster_applied(device(1), group, 5);
  presence.roster_applied(device(1), group, 4);
  presence.roster_applied(device(3), group, 5);  // not online

  EXPECT(presence.has_applied(device(1), group, 5));
  EXPECT(!presence.has_applied(device(1), group, 6));
  EXPECT(!presence.has_applied(device(1), kSong.group, 5));
  EXPECT(!presence.has_applied(device(2), group, 5));
  EXPECT(!presence.has_applied(device(3), group, 5));
}

TEST(roster_counts_no_more_for_a_user_who_left_and_a_device_that_went) {
  auto presence = two_peers();
  presence.roster_applied(device(1), kFilm.group, 5);
  presence.roster_applied(device(2), kFilm.group, 5);

  presence.leave_group(user(1), kFilm.group);
  presence.detach(device(2));
  presence.attach(device(2), user(2), false);

  EXPECT(!presence.has_applied(device(1), kFilm.group, 5));
  EXPECT(!presence.has_applied(device(2), kFilm.group, 5));
}

TEST(device_is_online_from_attach_to_detach) {
  auto presence = two_peers();
  EXPECT(presence.is_online(device(1)));
  EXPECT(!presence.is_online(device(3)));

  presence.detach(device(1));

  EXPECT(!presence.is_online(device(1)));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(peers_leave_out_the_asker),
      cmocka_unit_test(change_of_activity_is_seen_and_repetition_is_not),
      cmocka_unit_test(announcement_of_a_device_that_is_not_here_is_ignored),
      cmocka_unit_test(device_that_goes_leaves_its_shares),
      cmocka_unit_test(endpoint_is_listed_once_proved_and_told_to_its_shares),
      cmocka_unit_test(loopback_endpoint_is_for_loopback_sessions_only),
      cmocka_unit_test(leaving_a_group_leaves_its_shares_on_every_device),
      cmocka_unit_test(another_user_on_the_device_keeps_the_address_but_no_share),
      cmocka_unit_test(audience_is_everybody_else_in_the_share),
      cmocka_unit_test(peer_list_is_bounded_and_prefers_the_reachable),
      cmocka_unit_test(dropped_share_is_left_by_everybody_and_others_are_not),
      cmocka_unit_test(roster_is_applied_from_its_epoch_on_and_never_back),
      cmocka_unit_test(roster_counts_no_more_for_a_user_who_left_and_a_device_that_went),
      cmocka_unit_test(device_is_online_from_attach_to_detach),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
