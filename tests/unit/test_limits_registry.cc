// SPDX-License-Identifier: MIT
// Limits of what a tracker keeps, at them and one above, that have no test where the rest of their part is
// tested.
#include "daemon/tracker/rates.h"
#include "daemon/tracker/uploads.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"
#include "tests/support/tracker_world.h"

using namespace p2p;
using test::TrackerWorld;
using tracker::Rates;
namespace msg = ::p2p::pb::tracker;

namespace {

// alice owns "lab"; bob and carol have accounts.
TrackerWorld make_world() {
  TrackerWorld world;
  for (const auto* name : {"alice", "bob", "carol"}) world.create_account(name);
  EXPECT_EQ(world.create_group("alice", "lab"), "");
  return world;
}

void replace_group(TrackerWorld& world, tracker::Group group) {
  tracker::ScopeState state;
  state.scope = {tracker::Scope::Kind::Group, group.head.name};
  state.group = std::move(group);
  world.registry.replace(std::move(state));
}

TEST(user_is_in_so_many_groups_and_in_no_more) {
  auto world = make_world();
  for (std::size_t i = 0; i + 1 < limits::kGroupsPerUser; ++i) {
    tracker::Group group;
    group.head.id = trust::random_id<GroupId>();
    group.head.name = "group" + std::to_string(i);
    group.change = 1;
    group.members[world.account("bob").id] = {tracker::Role::Owner, WallTime{1}};
    replace_group(world, std::move(group));
  }

  LIMIT_AT(limits::kGroupsPerUser);
  EXPECT_EQ(world.create_group("bob", "last"), "");
  LIMIT_ABOVE(limits::kGroupsPerUser);
  EXPECT_EQ(world.create_group("bob", "more"), "limit");
  EXPECT_EQ(world.join("bob", "lab"), "limit");
  EXPECT_EQ(world.create_group("carol", "more"), "");
  EXPECT_EQ(world.leave("bob", "group0"), "");
  EXPECT_EQ(world.join("bob", "lab"), "");
}

TEST(group_has_so_many_undecided_requests_and_no_more) {
  auto world = make_world();
  auto full = *world.registry.group("lab");
  for (std::size_t i = 1; i < limits::kJoinRequestsPerGroup; ++i)
    full.requests[trust::random_id<UserId>()] = {"", WallTime{1}};
  replace_group(world, full);

  LIMIT_AT(limits::kJoinRequestsPerGroup);
  EXPECT_EQ(world.join("bob", "lab"), "");
  LIMIT_ABOVE(limits::kJoinRequestsPerGroup);
  EXPECT_EQ(world.join("carol", "lab"), "limit");
  EXPECT_EQ(world.join("bob", "lab", "please"), "");  // it is not a new one
  EXPECT_EQ(world.decide("alice", "lab", {"bob"}), "");
  EXPECT_EQ(world.join("carol", "lab"), "");
}

TEST(user_shares_so_many_files_and_no_more) {
  auto world = make_world();
  world.add_member("alice", "lab", "bob");
  auto full = *world.registry.group("lab");
  for (std::size_t i = 1; i < limits::kSharesPerUser; ++i) {
    tracker::Share share;
    share.group = full.head.id;
    share.name = "file" + std::to_string(i);
    for (std::size_t byte = 0; byte < 4; ++byte)
      share.info_hash.bytes[byte] = static_cast<std::uint8_t>(i >> (8 * byte));
    share.publisher = world.account("bob").id;
    full.share_names[share.info_hash] = share.name;
    full.shares[share.name] = std::move(share);
  }
  replace_group(world, std::move(full));

  LIMIT_AT(limits::kSharesPerUser);
  EXPECT_EQ(world.share("bob", "lab", "last", 1), "");
  LIMIT_ABOVE(limits::kSharesPerUser);
  EXPECT_EQ(world.share("bob", "lab", "more", 2), "limit");
  EXPECT_EQ(world.share("alice", "lab", "more", 2), "");
  EXPECT_EQ(world.withdraw("bob", "lab", "file1"), "");
  EXPECT_EQ(world.share("bob", "lab", "even more", 3), "");
}

TEST(so_many_answers_are_remembered_and_the_oldest_is_forgotten) {
  const auto key = [](std::size_t number) {
    IdempotencyKey made;
    for (std::size_t byte = 0; byte < 4; ++byte)
      made.bytes[byte] = static_cast<std::uint8_t>(number >> (8 * byte));
    return made;
  };
  TrackerWorld world;
  const auto remember = [&](std::size_t begin, std::size_t end) {
    tracker::Snapshot snapshot;
    for (std::size_t i = begin; i < end; ++i) snapshot.remembered.push_back({{}, key(i), ""});
    world.registry.load(std::move(snapshot), WallTime{1});
  };
  const auto is_remembered = [&](std::size_t number) {
    tracker::Asked asked;
    asked.request.set_idempotency_key(key(number).raw());
    return world.registry.is_repeated(asked);
  };

  LIMIT_AT(limits::kIdempotencyKeys);
  remember(0, limits::kIdempotencyKeys);
  EXPECT(is_remembered(0));
  LIMIT_ABOVE(limits::kIdempotencyKeys);
  remember(limits::kIdempotencyKeys, limits::kIdempotencyKeys + 1);
  EXPECT(!is_remembered(0));
  EXPECT(is_remembered(1));
  EXPECT(is_remembered(limits::kIdempotencyKeys));
}

TEST(revocation_outlives_what_it_voids_by_its_margin) {
  auto world = make_world();
  world.add_member("alice", "lab", "bob");
  world.login("laptop", "bob");
  EXPECT_EQ(world.revoke("bob", "laptop"), "");
  // The last moment at which a grant of before may be alive on a link.
  const auto dead = WallTime{world.seconds} + std::chrono::hours(4) + limits::kGrantGrace;
  const auto held = [&](WallTime now) {
    return world.registry.revocations_for(world.account("alice"), now).size();
  };

  LIMIT_AT(limits::kRevocationMargin);
  EXPECT_EQ(held(dead + limits::kRevocationMargin - std::chrono::seconds(1)), 1u);
  LIMIT_ABOVE(limits::kRevocationMargin);
  EXPECT_EQ(held(dead + limits::kRevocationMargin), 0u);
}

TEST(all_uploads_together_have_so_many_bytes_and_no_more) {
  const auto budget = std::make_shared<std::atomic<std::size_t>>(limits::kUploadBytesTotal - 10);
  tracker::Uploads one(budget);
  tracker::Uploads other(budget);
  const std::string id(16, 'a');

  LIMIT_AT(limits::kUploadBytesTotal);
  EXPECT_OK(one.put(id, 0, Bytes(10)));
  EXPECT_EQ(budget->load(), limits::kUploadBytesTotal);
  LIMIT_ABOVE(limits::kUploadBytesTotal);
  EXPECT_EQ(other.put(id, 0, Bytes(1)).error().code, Code::Busy);
  EXPECT_EQ(budget->load(), limits::kUploadBytesTotal);
  EXPECT(one.take(id) != nullptr);
  EXPECT_OK(other.put(id, 0, Bytes(10)));
}

TEST(requests_have_a_burst_and_then_their_rate) {
  Rates rates({limits::kRequestBurst, limits::kRequestsPerSecond});
  const TimePoint now(1h);
  const auto taken = [&](TimePoint when, double most) {
    double count = 0;
    while (count < most && rates.take("alice", when)) ++count;
    return count;
  };

  LIMIT_AT(limits::kRequestBurst);
  EXPECT_EQ(taken(now, limits::kRequestBurst), limits::kRequestBurst);
  LIMIT_ABOVE(limits::kRequestBurst);
  EXPECT(!rates.take("alice", now));
  EXPECT(rates.take("bob", now));
  LIMIT_AT(limits::kRequestsPerSecond);
  EXPECT_EQ(taken(now + 1s, limits::kRequestsPerSecond), limits::kRequestsPerSecond);
  LIMIT_ABOVE(limits::kRequestsPerSecond);
  EXPECT(!rates.take("alice", now + 1s));
}

TEST(so_many_buckets_are_kept_and_one_more_empties_the_table) {
  const TimePoint now(1h);
  Rates rates({1, 0.001});
  for (std::size_t i = 0; i < Rates::kKeys; ++i) EXPECT(rates.take(std::to_string(i), now));
  LIMIT_AT(Rates::kKeys);
  EXPECT(!rates.take("0", now));
  LIMIT_ABOVE(Rates::kKeys);
  EXPECT(rates.take("one more", now));
  EXPECT(rates.take("0", now));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(user_is_in_so_many_groups_and_in_no_more),
      cmocka_unit_test(group_has_so_many_undecided_requests_and_no_more),
      cmocka_unit_test(user_shares_so_many_files_and_no_more),
      cmocka_unit_test(so_many_answers_are_remembered_and_the_oldest_is_forgotten),
      cmocka_unit_test(revocation_outlives_what_it_voids_by_its_margin),
      cmocka_unit_test(all_uploads_together_have_so_many_bytes_and_no_more),
      cmocka_unit_test(requests_have_a_burst_and_then_their_rate),
      cmocka_unit_test(so_many_buckets_are_kept_and_one_more_empties_the_table),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
