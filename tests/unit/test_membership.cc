// SPDX-License-Identifier: MIT
#include "daemon/base/limits.h"
#include "daemon/peer/membership_book.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using namespace p2p::trust;

namespace {

constexpr WallTime kNow{1'800'000'000};

// We are alice; bob is the one who shows us grants. The roster that we hold has epoch 5 and knows both.
struct Group {
  KeyPair root = KeyPair::generate();
  KeyPair grant_key = KeyPair::generate();
  GroupId id = random_id<GroupId>();
  UserId alice{{1}};
  UserId bob{{2}};
  UserId carol{{3}};
  DeviceId our_device = random_id<DeviceId>();
  DeviceId bobs_device = random_id<DeviceId>();
  KeySet keys;
  peer::MembershipBook book;

  Group() {
    keys.root = root.public_key();
    keys.tls_keys = {random_id<Fingerprint>()};
    keys.grant_keys = {grant_key.public_key()};
    book.set_key_set(keys);
    EXPECT_OK(book.update(id, "lab", Role::Member, signed_grant(grant(alice, our_device)),
                          roster(5, {alice, bob})));
  }
  Grant grant(const UserId& user, const DeviceId& device) const {
    Grant made;
    made.tracker = keys.tracker();
    made.group = id;
    made.user = user;
    made.device = device;
    made.role = Role::Member;
    made.epoch = 5;
    made.not_before = kNow - limits::kGrantBackdate;
    made.not_after = kNow + 3600s;
    return made;
  }
  Bytes signed_grant(const Grant& grant) const { return grant.sign(grant_key); }
  Bytes roster(std::uint64_t epoch, std::vector<UserId> users) const {
    Roster made;
    made.tracker = keys.tracker();
    made.group = id;
    made.epoch = epoch;
    for (const auto& user : users) made.members.push_back({user, Role::Member});
    return made.sign(grant_key);
  }
  Bytes revocation(const DeviceId& device, WallTime at, WallTime until) const {
    Revocation made;
    made.tracker = keys.tracker();
    made.device = device;
    made.user = bob;
    made.at = at;
    made.until = until;
    return made.sign(grant_key);
  }
  Result<Grant> check(const Grant& grant, WallTime now = kNow) const {
    return book.check_grant(signed_grant(grant), id, bobs_device, now);
  }
};

TEST(grant_of_a_member_is_good) {
  const Group group;
  const auto checked = group.check(group.grant(group.bob, group.bobs_device));
  EXPECT_OK(checked);
  EXPECT_EQ(checked->user, group.bob);
}

TEST(grant_of_another_device_is_refused) {
  const Group group;
  EXPECT_EQ(group.check(group.grant(group.bob, random_id<DeviceId>())).error().code, Code::NotAllowed);
  // Our own grant, shown to us by somebody else.
  EXPECT_EQ(group.check(group.grant(group.alice, group.our_device)).error().code, Code::NotAllowed);
}

TEST(grant_of_another_group_is_refused) {
  const Group group;
  auto grant = group.grant(group.bob, group.bobs_device);
  grant.group = random_id<GroupId>();
  EXPECT_EQ(group.check(grant).error().code, Code::NotAllowed);
}

TEST(grant_for_a_group_that_is_not_ours_is_refused) {
  Group group;
  const auto bytes = group.signed_grant(group.grant(group.bob, group.bobs_device));
  EXPECT_EQ(group.book.check_grant(bytes, random_id<GroupId>(), group.bobs_device, kNow).error().code,
            Code::NotMember);

  EXPECT_OK(group.book.update(group.id, "lab", Role::None, {}, {}));
  EXPECT_EQ(group.book.check_grant(bytes, group.id, group.bobs_device, kNow).error().code, Code::NotMember);
  EXPECT_OK(group.book.update(group.id, "lab", Role::Pending, {}, {}));
  EXPECT_EQ(group.book.check_grant(bytes, group.id, group.bobs_device, kNow).error().code, Code::NotMember);

  group.book.remove(group.id);
  EXPECT_EQ(group.book.check_grant(bytes, group.id, group.bobs_device, kNow).error().code, Code::NotMember);
}

TEST(grant_is_good_to_its_end_and_no_second_longer) {
  const Group group;
  const auto grant = group.grant(group.bob, group.bobs_device);
  EXPECT_OK(group.check(grant, grant.not_after));
  EXPECT_EQ(group.check(grant, grant.not_after + 1s).error().code, Code::NotAllowed);
}

TEST(grant_that_is_not_valid_yet_is_refused) {
  const Group group;
  const auto grant = group.grant(group.bob, group.bobs_device);
  EXPECT_OK(group.check(grant, grant.not_before));
  LIMIT_AT(limits::kGrantBackdate);
  EXPECT_OK(group.check(grant, grant.not_before - limits::kGrantBackdate));
  LIMIT_ABOVE(limits::kGrantBackdate);
  EXPECT_EQ(group.check(grant, grant.not_before - limits::kGrantBackdate - 1s).error().code,
            Code::NotAllowed);
}

TEST(user_who_is_not_on_the_roster_is_refused) {
  const Group group;
  auto grant = group.grant(group.carol, group.bobs_device);
  EXPECT_EQ(group.check(grant).error().code, Code::NotMember);
  grant.epoch = 4;
  EXPECT_EQ(group.check(grant).error().code, Code::NotMember);
}

TEST(grant_that_is_newer_than_the_roster_is_good) {
  const Group group;
  auto grant = group.grant(group.carol, group.bobs_device);
  grant.epoch = 6;
  EXPECT_OK(group.check(grant));
}

TEST(member_who_was_removed_is_refused_once_the_roster_says_so) {
  Group group;
  const auto grant = group.grant(group.bob, group.bobs_device);
  EXPECT(*group.book.update_roster(group.id, group.roster(6, {group.alice})));
  EXPECT_EQ(group.check(grant).error().code, Code::NotMember);
  EXPECT(!group.book.is_member(group.id, group.bob));
  EXPECT(group.book.is_member(group.id, group.alice));
}

TEST(older_roster_is_refused_and_the_newer_one_stays) {
  Group group;
  EXPECT(*group.book.update_roster(group.id, group.roster(6, {group.alice})));

  EXPECT_EQ(group.book.update_roster(group.id, group.roster(5, {group.alice, group.bob})).error().code,
            Code::Integrity);

  EXPECT_EQ(group.book.find(group.id)->roster->epoch, 6u);
  EXPECT(!group.book.is_member(group.id, group.bob));
  EXPECT(!*group.book.update_roster(group.id, group.roster(6, {group.alice})));
}

TEST(roster_of_another_group_or_signer_is_refused) {
  Group group;
  Group other;
  EXPECT(!group.book.update_roster(group.id, other.roster(9, {group.alice})));
  Roster foreign;
  foreign.tracker = group.keys.tracker();
  foreign.group = other.id;
  foreign.epoch = 9;
  EXPECT_EQ(group.book.update_roster(group.id, foreign.sign(group.grant_key)).error().code, Code::Integrity);
  EXPECT_EQ(group.book.find(group.id)->roster->epoch, 5u);
  EXPECT(!*group.book.update_roster(random_id<GroupId>(), group.roster(9, {})));
}

TEST(update_that_is_refused_changes_nothing) {
  Group group;
  const Group other;
  const auto forged = group.grant(group.alice, group.our_device).sign(other.grant_key);
  const GroupId unknown{{9}};

  EXPECT(!group.book.update(group.id, "renamed", Role::Owner, forged, {}));
  EXPECT(!group.book.update(unknown, "new", Role::Member, forged, {}));

  const auto* held = group.book.find(group.id);
  EXPECT(held != nullptr && held->grant);
  EXPECT_EQ(held->name, "lab");
  EXPECT(held->role == Role::Member);
  EXPECT(group.book.find(unknown) == nullptr);
}

TEST(grant_that_nobody_signed_is_refused) {
  const Group group;
  const Group other;
  const auto grant = group.grant(group.bob, group.bobs_device);
  EXPECT_EQ(
      group.book.check_grant(grant.sign(other.grant_key), group.id, group.bobs_device, kNow).error().code,
      Code::Integrity);
  EXPECT(!group.book.check_grant({}, group.id, group.bobs_device, kNow));
  EXPECT(!group.book.check_grant(Bytes(1000, 1), group.id, group.bobs_device, kNow));
}

TEST(nothing_is_good_without_a_key_set) {
  Group group;
  group.book.clear();
  EXPECT(!group.check(group.grant(group.bob, group.bobs_device)));
  EXPECT(group.book.all().empty());
}

TEST(grant_of_a_revoked_device_is_void_and_a_later_one_holds) {
  Group group;
  auto grant = group.grant(group.bob, group.bobs_device);
  const auto added = group.book.add_revocation(group.revocation(group.bobs_device, kNow, kNow + 3600s));
  EXPECT_OK(added);
  EXPECT(*added && (*added)->device == group.bobs_device && (*added)->until == (kNow + 3600s).seconds);

  EXPECT_EQ(group.check(grant).error().code, Code::NotAllowed);
  EXPECT(group.book.is_void(grant));
  // Issued after the revocation, by a new login.
  grant.not_before = grant.not_before + 1s;
  EXPECT_OK(group.check(grant));
  EXPECT(!group.book.is_void(grant));
}

TEST(revocation_of_one_device_leaves_others_alone) {
  Group group;
  EXPECT_OK(group.book.add_revocation(group.revocation(random_id<DeviceId>(), kNow, kNow + 3600s)));
  EXPECT_OK(group.check(group.grant(group.bob, group.bobs_device)));
}

TEST(revocation_that_says_no_more_is_no_news) {
  Group group;
  const auto later = kNow + 10s;
  EXPECT(group.book.add_revocation(group.revocation(group.bobs_device, later, later + 60s))->has_value());
  EXPECT(!group.book.add_revocation(group.revocation(group.bobs_device, later, later + 60s))->has_value());
  EXPECT(!group.book.add_revocation(group.revocation(group.bobs_device, kNow, later + 60s))->has_value());

  auto grant = group.grant(group.bob, group.bobs_device);
  grant.not_before = kNow + 5s - limits::kGrantBackdate;
  EXPECT(group.book.is_void(grant));
  EXPECT_EQ(group.book.revocations(), 1u);
}

TEST(revocation_of_another_signer_or_tracker_is_refused) {
  Group group;
  const Group other;
  EXPECT(!group.book.add_revocation(other.revocation(group.bobs_device, kNow, kNow + 60s)));
  EXPECT(!group.book.add_revocation({}));
  EXPECT(!group.book.add_revocation(Bytes(200, 1)));
  EXPECT_OK(group.check(group.grant(group.bob, group.bobs_device)));
  peer::MembershipBook empty;
  EXPECT(!empty.add_revocation(group.revocation(group.bobs_device, kNow, kNow + 60s)));
}

TEST(revocation_is_forgotten_when_it_has_ended) {
  Group group;
  EXPECT_OK(group.book.add_revocation(group.revocation(group.bobs_device, kNow, kNow + 60s)));
  group.book.forget_revocations(kNow + 60s);
  EXPECT_EQ(group.book.revocations(), 1u);
  group.book.forget_revocations(kNow + 61s);
  EXPECT_EQ(group.book.revocations(), 0u);
}

TEST(revocations_over_the_limit_push_out_those_that_end_first) {
  Group group;
  EXPECT_OK(group.book.add_revocation(group.revocation(group.bobs_device, kNow, kNow + 3600s)));
  std::vector<storage::RevocationRow> rows;
  DeviceId device;
  for (std::size_t i = 0; i + 1 < limits::kRevocations; ++i) {
    device.bytes[0] = static_cast<std::uint8_t>(i >> 8);
    device.bytes[1] = static_cast<std::uint8_t>(i);
    rows.push_back({device, 0, group.revocation(device, kNow, kNow + 7200s)});
  }
  group.book.load(rows);
  LIMIT_AT(limits::kRevocations);
  EXPECT_EQ(group.book.revocations(), limits::kRevocations);
  EXPECT(group.book.is_void(group.grant(group.bob, group.bobs_device)));

  LIMIT_ABOVE(limits::kRevocations);
  EXPECT_OK(group.book.add_revocation(group.revocation(random_id<DeviceId>(), kNow, kNow + 7200s)));

  EXPECT_EQ(group.book.revocations(), limits::kRevocations);
  EXPECT(!group.book.is_void(group.grant(group.bob, group.bobs_device)));
}

TEST(rows_of_revocations_bring_them_back) {
  Group group;
  const auto row = group.book.add_revocation(group.revocation(group.bobs_device, kNow, kNow + 60s));
  group.book.clear();
  EXPECT_EQ(group.book.revocations(), 0u);
  group.book.set_key_set(group.keys);
  group.book.load({**row, {group.our_device, 0, Bytes(10, 1)}});
  EXPECT_EQ(group.book.revocations(), 1u);
  EXPECT(group.book.is_void(group.grant(group.bob, group.bobs_device)));
}

TEST(rows_bring_the_book_back) {
  const Group group;
  const auto row = group.book.row_of(group.id);
  peer::MembershipBook book;
  book.set_key_set(group.keys);

  book.load({row});

  const auto* found = book.find(std::string("lab"));
  EXPECT(found != nullptr && found->grant && found->roster);
  EXPECT_EQ(found->roster->epoch, 5u);
  const auto bytes = group.signed_grant(group.grant(group.bob, group.bobs_device));
  EXPECT_OK(book.check_grant(bytes, group.id, group.bobs_device, kNow));
}

TEST(grant_of_another_tracker_in_the_rows_is_left_out) {
  const Group group;
  const Group other;
  peer::MembershipBook book;
  book.set_key_set(other.keys);

  book.load({group.book.row_of(group.id)});

  const auto* found = book.find(group.id);
  EXPECT(found == nullptr || (!found->grant && !found->roster));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(grant_of_a_member_is_good),
      cmocka_unit_test(grant_of_another_device_is_refused),
      cmocka_unit_test(grant_of_another_group_is_refused),
      cmocka_unit_test(grant_for_a_group_that_is_not_ours_is_refused),
      cmocka_unit_test(grant_is_good_to_its_end_and_no_second_longer),
      cmocka_unit_test(grant_that_is_not_valid_yet_is_refused),
      cmocka_unit_test(user_who_is_not_on_the_roster_is_refused),
      cmocka_unit_test(grant_that_is_newer_than_the_roster_is_good),
      cmocka_unit_test(member_who_was_removed_is_refused_once_the_roster_says_so),
      cmocka_unit_test(older_roster_is_refused_and_the_newer_one_stays),
      cmocka_unit_test(roster_of_another_group_or_signer_is_refused),
      cmocka_unit_test(update_that_is_refused_changes_nothing),
      cmocka_unit_test(grant_that_nobody_signed_is_refused),
      cmocka_unit_test(nothing_is_good_without_a_key_set),
      cmocka_unit_test(grant_of_a_revoked_device_is_void_and_a_later_one_holds),
      cmocka_unit_test(revocation_of_one_device_leaves_others_alone),
      cmocka_unit_test(revocation_that_says_no_more_is_no_news),
      cmocka_unit_test(revocation_of_another_signer_or_tracker_is_refused),
      cmocka_unit_test(revocation_is_forgotten_when_it_has_ended),
      cmocka_unit_test(revocations_over_the_limit_push_out_those_that_end_first),
      cmocka_unit_test(rows_of_revocations_bring_them_back),
      cmocka_unit_test(rows_bring_the_book_back),
      cmocka_unit_test(grant_of_another_tracker_in_the_rows_is_left_out),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
