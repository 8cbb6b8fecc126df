// SPDX-License-Identifier: MIT
// What the state database keeps of groups for times without the tracker.
#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/storage/state_db.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"
#include "tests/support/temp_dir.h"

using namespace p2p;
using namespace p2p::storage;
using namespace p2p::test;

namespace {

constexpr GroupId kGroup{{7}};
constexpr GroupId kOther{{8}};

struct World {
  World() : db(std::move(*StateDb::open(temp.path_of("state.db")))) {
    AccountRow row;
    row.tracker = "p2p://tracker:7733/#aa";
    row.user = "user";
    account = db.enter(row)->account->id;
  }
  TempDir temp;
  StateDb db;
  std::int64_t account = 0;
};

CatalogueRow file(const std::string& name, std::uint8_t hash) {
  return {name, InfoHash{{hash}}, to_bytes(as_bytes("entry of " + name))};
}

KnownDevice device(std::uint32_t number, std::uint16_t port) {
  KnownDevice known;
  known.device.bytes = {static_cast<std::uint8_t>(number), static_cast<std::uint8_t>(number >> 8)};
  known.user_id.bytes = {static_cast<std::uint8_t>(number)};
  known.user = "user" + std::to_string(number);
  known.addresses = {{Bytes{127, 0, 0, 1}, port}, {Bytes(16, 1), port}};
  return known;
}

TEST(entry_is_found_by_its_name_in_its_group) {
  World world;
  EXPECT_OK(world.db.put_catalogue_row(world.account, kGroup, file("a", 1)));
  EXPECT_OK(world.db.put_catalogue_row(world.account, kGroup, file("a", 2)));

  EXPECT_EQ(to_string(**world.db.catalogue_entry(world.account, kGroup, "a")), "entry of a");
  EXPECT(!*world.db.catalogue_entry(world.account, kGroup, "A"));
  EXPECT(!*world.db.catalogue_entry(world.account, kOther, "a"));
}

TEST(digest_goes_over_entries_in_the_order_of_bytes) {
  World world;
  EXPECT(*world.db.catalogue_digest(world.account, kGroup) == sha256({}));
  for (const auto* name : {"b", "\xc3\xa4", "B", "a"})
    EXPECT_OK(world.db.put_catalogue_row(world.account, kGroup, file(name, 1)));
  EXPECT_OK(world.db.put_catalogue_row(world.account, kOther, file("x", 1)));

  EXPECT(*world.db.catalogue_digest(world.account, kGroup) ==
         sha256(as_bytes("entry of Bentry of aentry of bentry of \xc3\xa4")));
}

TEST(catalogue_is_replaced_as_a_whole_and_a_share_leaves_it) {
  World world;
  EXPECT_OK(world.db.put_catalogue_row(world.account, kGroup, file("old", 1)));
  EXPECT_OK(world.db.put_catalogue_row(world.account, kOther, file("old", 1)));

  EXPECT_OK(world.db.replace_catalogue(world.account, kGroup, {file("a", 2), file("b", 3)}));
  EXPECT_OK(world.db.remove_catalogue_row(world.account, {kGroup, InfoHash{{3}}}));

  EXPECT(!*world.db.catalogue_entry(world.account, kGroup, "old"));
  EXPECT(*world.db.catalogue_entry(world.account, kGroup, "a"));
  EXPECT(!*world.db.catalogue_entry(world.account, kGroup, "b"));
  EXPECT(*world.db.catalogue_entry(world.account, kOther, "old"));
}

TEST(device_is_known_with_its_last_addresses) {
  World world;
  EXPECT_OK(world.db.put_devices(world.account, kGroup, {device(1, 10), device(2, 20)}, 100));
  EXPECT_OK(world.db.put_devices(world.account, kGroup, {device(2, 21)}, 200));

  const auto known = world.db.devices(world.account, kGroup);

  EXPECT(known && known->size() == 2);
  EXPECT(known->at(0).device == device(2, 0).device && known->at(0).user == "user2");
  EXPECT(known->at(0).addresses.size() == 2 && known->at(0).addresses[0].port == 21);
  EXPECT(known->at(0).addresses[1].host == Bytes(16, 1));
  EXPECT(world.db.devices(world.account, kOther)->empty());
}

TEST(devices_seen_long_ago_make_room_at_the_limit) {
  World world;
  std::vector<KnownDevice> all;
  for (std::uint32_t i = 0; i < limits::kDevicesPerGroup; ++i) all.push_back(device(i, 1));
  EXPECT_OK(world.db.put_devices(world.account, kGroup, {device(60'000, 1)}, 100));
  EXPECT_OK(world.db.put_devices(world.account, kGroup, {all.begin() + 1, all.end()}, 200));
  LIMIT_AT(limits::kDevicesPerGroup);
  EXPECT_EQ(world.db.devices(world.account, kGroup)->size(), limits::kDevicesPerGroup);
  EXPECT(world.db.devices(world.account, kGroup)->back().user == "user60000");

  LIMIT_ABOVE(limits::kDevicesPerGroup);
  EXPECT_OK(world.db.put_devices(world.account, kGroup, {all.front()}, 200));

  EXPECT_EQ(world.db.devices(world.account, kGroup)->size(), limits::kDevicesPerGroup);
  EXPECT(world.db.devices(world.account, kGroup)->back().user != "user60000");
}

TEST(devices_of_former_members_and_revoked_ones_are_forgotten) {
  World world;
  EXPECT_OK(world.db.put_devices(world.account, kGroup, {device(1, 1), device(2, 1), device(3, 1)}, 1));
  EXPECT_OK(world.db.put_devices(world.account, kOther, {device(2, 1), device(3, 1)}, 1));

  EXPECT_OK(world.db.forget_devices(world.account, kGroup, {device(2, 1).user_id, device(3, 1).user_id}));
  EXPECT_OK(world.db.forget_device(world.account, device(3, 1).device));

  EXPECT_EQ(world.db.devices(world.account, kGroup)->size(), 1u);
  EXPECT(world.db.devices(world.account, kGroup)->at(0).user_id == device(2, 1).user_id);
  EXPECT_EQ(world.db.devices(world.account, kOther)->size(), 1u);
}

TEST(catalogue_at_its_limit_takes_no_new_name) {
  World world;
  std::vector<CatalogueRow> rows;
  for (std::size_t i = 1; i < limits::kKnownFiles; ++i) rows.push_back(file(std::to_string(i), 1));
  EXPECT_OK(world.db.replace_catalogue(world.account, kGroup, rows));
  LIMIT_AT(limits::kKnownFiles);
  EXPECT_OK(world.db.put_catalogue_row(world.account, kGroup, file("last", 1)));
  EXPECT(*world.db.catalogue_entry(world.account, kGroup, "last"));

  LIMIT_ABOVE(limits::kKnownFiles);
  EXPECT_OK(world.db.put_catalogue_row(world.account, kGroup, file("over", 1)));
  EXPECT_OK(world.db.put_catalogue_row(world.account, kGroup, file("last", 2)));

  EXPECT(*world.db.catalogue_entry(world.account, kGroup, "last"));
  EXPECT(!*world.db.catalogue_entry(world.account, kGroup, "over"));
}

TEST(all_that_is_known_of_a_group_goes_with_the_membership) {
  World world;
  EXPECT_OK(world.db.put_catalogue_row(world.account, kGroup, file("a", 1)));
  EXPECT_OK(world.db.put_devices(world.account, kGroup, {device(1, 1)}, 1));

  EXPECT_OK(world.db.remove_membership(world.account, kGroup));

  EXPECT(!*world.db.catalogue_entry(world.account, kGroup, "a"));
  EXPECT(world.db.devices(world.account, kGroup)->empty());
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(entry_is_found_by_its_name_in_its_group),
      cmocka_unit_test(digest_goes_over_entries_in_the_order_of_bytes),
      cmocka_unit_test(catalogue_is_replaced_as_a_whole_and_a_share_leaves_it),
      cmocka_unit_test(device_is_known_with_its_last_addresses),
      cmocka_unit_test(devices_seen_long_ago_make_room_at_the_limit),
      cmocka_unit_test(devices_of_former_members_and_revoked_ones_are_forgotten),
      cmocka_unit_test(catalogue_at_its_limit_takes_no_new_name),
      cmocka_unit_test(all_that_is_known_of_a_group_goes_with_the_membership),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
