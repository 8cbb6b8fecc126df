// SPDX-License-Identifier: MIT
#include "daemon/tracker/registry.h"

#include "daemon/base/limits.h"
#include "daemon/tracker/passwords.h"
#include "daemon/tracker/presence.h"
#include "daemon/tracker/rates.h"
#include "daemon/tracker/uploads.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"
#include "tests/support/tracker_world.h"

using namespace p2p;
using test::TrackerWorld;
namespace msg = ::p2p::pb::tracker;

namespace {

using namespace std::chrono_literals;
const tracker::Presence kNobodyOnline;

// alice owns the listed group "lab" with member bob; carol has an account; "den" is unlisted, of alice.
TrackerWorld lab() {
  TrackerWorld world;
  world.create_account("alice");
  world.create_account("carol");
  world.create_group("alice", "lab");
  world.create_group("alice", "den", true);
  world.add_member("alice", "lab", "bob");
  return world;
}

std::string show_file_error(TrackerWorld& world, const std::string& user, const std::string& group,
                            const std::string& name) {
  msg::ShowFile request;
  request.set_group(group);
  request.set_name(name);
  const auto shown = world.registry.show_file(world.account(user), request, kNobodyOnline);
  return shown ? "shown" : std::string(code_name(shown.error().code)) + ": " + shown.error().message;
}

std::string members_error(TrackerWorld& world, const std::string& user, const std::string& group) {
  msg::ListMembers request;
  request.set_group(group);
  const auto page = world.registry.list_members(world.account(user), request, kNobodyOnline);
  return page ? "" : std::string(code_name(page.error().code));
}

std::vector<std::string> listed_groups(TrackerWorld& world, const std::string& user, bool mine = false) {
  msg::ListGroups request;
  request.set_mine(mine);
  std::vector<std::string> names;
  const auto page = world.registry.list_groups(world.account(user), request);
  for (const auto& row : page.rows()) names.push_back(row.group());
  return names;
}

// --- accounts

TEST(account_is_made_once_and_its_device_is_bound) {
  TrackerWorld world;

  EXPECT_EQ(world.create_account("Alice"), "");

  EXPECT_EQ(world.last.answer.account().user(), "alice");
  EXPECT(world.registry.account_of(world.devices["Alice"].id) != nullptr);
  EXPECT_EQ(world.create_account("alice"), "exists");
  EXPECT_EQ(world.create_account("a"), "invalid_name");
}

TEST(stranger_may_only_enter) {
  TrackerWorld world;
  world.create_account("alice");

  EXPECT_EQ(world.join("stranger", "lab"), "login_required");
  EXPECT_EQ(world.leave("stranger", "lab"), "login_required");
  EXPECT_EQ(world.decide("stranger", "lab", {"alice"}), "login_required");
  EXPECT_EQ(world.logout("stranger"), "login_required");
  EXPECT_EQ(world.login("stranger", "nobody"), "login_refused");
}

TEST(logout_unbinds_only_this_device) {
  TrackerWorld world;
  world.create_account("alice");
  EXPECT_EQ(world.login("laptop", "alice"), "");

  EXPECT_EQ(world.logout("laptop"), "");

  EXPECT(world.registry.account_of(world.devices["laptop"].id) == nullptr);
  EXPECT(world.registry.account_of(world.devices["alice"].id) != nullptr);
}

TEST(device_that_logs_in_as_another_user_leaves_the_first) {
  TrackerWorld world;
  world.create_account("alice");
  world.create_account("bob");

  EXPECT_EQ(world.login("alice", "bob"), "");

  EXPECT_EQ(world.registry.account_of(world.devices["alice"].id)->name, "bob");
}

TEST(request_that_a_login_overtook_changes_neither_account) {
  TrackerWorld world;
  world.create_account("alice");
  world.create_account("bob");
  msg::Request request;
  request.mutable_logout();
  auto logout = world.asked("alice", request);
  logout.user = world.registry.account("alice")->id;

  EXPECT_EQ(world.login("alice", "bob"), "");

  EXPECT_EQ(world.run(logout), "login_required");
  EXPECT_EQ(world.registry.account_of(world.devices["alice"].id)->name, "bob");
}

TEST(device_is_dropped_only_where_it_is_still_bound) {
  TrackerWorld world;
  world.create_account("alice");
  world.create_account("bob");
  msg::Request request;
  request.mutable_logout();
  const auto late = world.registry.decide(world.asked("alice", request));

  EXPECT_EQ(world.login("alice", "bob"), "");
  world.registry.apply(*late.change);

  EXPECT_EQ(world.registry.account_of(world.devices["alice"].id)->name, "bob");
}

TEST(account_that_was_not_prepared_is_not_made) {
  TrackerWorld world;
  msg::Request request;
  request.mutable_create_account()->set_user("alice");
  auto asked = world.asked("laptop", request);
  asked.new_account.reset();

  EXPECT_EQ(world.run(asked), "busy");
}

TEST(devices_of_a_user_are_bounded) {
  TrackerWorld world;
  world.create_account("alice");
  LIMIT_AT(limits::kDevicesPerUser);
  for (std::size_t i = 1; i < limits::kDevicesPerUser; ++i)
    EXPECT_EQ(world.login("device" + std::to_string(i), "alice"), "");

  LIMIT_ABOVE(limits::kDevicesPerUser);
  EXPECT_EQ(world.login("one too many", "alice"), "limit");
  EXPECT_EQ(world.login("device1", "alice"), "");
}

TEST(disabled_account_counts_as_logged_out) {
  TrackerWorld world;
  world.create_account("alice");
  tracker::ScopeState state;
  state.scope = {tracker::Scope::Kind::Account, "alice"};
  state.account = world.account("alice");
  state.account->disabled = true;
  state.devices = {
      {world.devices["alice"].id, world.devices["alice"].key.public_key(), state.account->id, {}}};

  world.registry.replace(state);

  EXPECT(world.registry.account_of(world.devices["alice"].id) == nullptr);
  EXPECT_EQ(world.login("alice", "alice"), "login_refused");
}

TEST(repeated_key_gives_the_first_answer_and_changes_nothing) {
  auto world = lab();
  msg::Request request;
  request.set_idempotency_key(std::string(16, 'k'));
  request.mutable_join_group()->set_group("lab");
  EXPECT_EQ(world.run("carol", request), "");
  const auto first = world.last.answer.SerializeAsString();
  world.decide("alice", "lab", {"carol"});

  EXPECT_EQ(world.run("carol", request), "");

  EXPECT_EQ(world.last.answer.SerializeAsString(), first);
  EXPECT(!world.last.change);
  EXPECT_EQ(world.join("carol", "lab"), "exists");
}

TEST(repeated_key_of_another_device_means_nothing) {
  auto world = lab();
  msg::Request request;
  request.set_idempotency_key(std::string(16, 'k'));
  request.mutable_join_group()->set_group("lab");
  world.run("carol", request);

  EXPECT_EQ(world.run("bob", request), "exists");
}

TEST(mutating_request_without_key_is_refused) {
  auto world = lab();
  auto asked = world.asked("carol", {});
  asked.request.mutable_join_group()->set_group("lab");
  asked.request.set_idempotency_key("short");

  EXPECT_EQ(world.run(asked), "invalid_argument");
}

// --- groups

TEST(creation_statement_must_fit_its_sender) {
  auto world = lab();
  const auto& key = world.devices["carol"].key;
  const auto good = world.creation("carol", "garden");

  auto other_tracker = good;
  other_tracker.tracker = {};
  EXPECT_EQ(world.create_group("carol", other_tracker.sign(key)), "invalid_argument");
  auto other_user = good;
  other_user.creator = world.account("alice").id;
  EXPECT_EQ(world.create_group("carol", other_user.sign(key)), "invalid_argument");
  EXPECT_EQ(world.create_group("alice", good.sign(key)), "invalid_argument");
  auto upper_case = good;
  upper_case.name = "Garden";
  EXPECT(!world.create_group("carol", upper_case.sign(key)).empty());
  auto broken = good.sign(key);
  broken.back() ^= 1;
  EXPECT_EQ(world.create_group("carol", broken), "integrity");

  EXPECT_EQ(world.create_group("carol", good.sign(key)), "");
  EXPECT_EQ(world.last.answer.group().role(), pb::owner);
  EXPECT_EQ(world.create_group("alice", "garden"), "exists");
}

TEST(ended_group_is_never_made_again_from_its_statement) {
  auto world = lab();
  const auto statement = world.creation("carol", "garden").sign(world.devices["carol"].key);
  world.create_group("carol", statement);
  EXPECT_EQ(world.leave("carol", "garden"), "");

  EXPECT_EQ(world.create_group("carol", statement), "exists");
  EXPECT_EQ(world.create_group("carol", "garden"), "");
}

TEST(unlisted_group_is_like_none_for_others) {
  auto world = lab();

  EXPECT_EQ(world.join("carol", "den"), "not_found");
  const auto den = world.last.answer.error().message();
  EXPECT_EQ(world.join("carol", "nil"), "not_found");
  EXPECT_EQ(den, "there is no group 'den'");
  EXPECT_EQ(world.last.answer.error().message(), "there is no group 'nil'");
  EXPECT_EQ(members_error(world, "carol", "den"), "not_found");
  EXPECT(listed_groups(world, "carol") == std::vector<std::string>{"lab"});
  EXPECT(listed_groups(world, "alice") == (std::vector<std::string>{"den", "lab"}));
  EXPECT(listed_groups(world, "carol", true).empty());
}

TEST(group_list_is_paged) {
  TrackerWorld world;
  world.create_account("alice");
  for (std::size_t i = 0; i < limits::kListPageRows; ++i)
    world.create_group("alice", "g" + std::to_string(i));
  msg::ListGroups request;
  LIMIT_AT(limits::kListPageRows);
  const auto only = world.registry.list_groups(world.account("alice"), request);
  EXPECT_EQ(static_cast<std::size_t>(only.rows_size()), limits::kListPageRows);
  EXPECT_EQ(only.next_cursor(), "");
  world.create_group("alice", "more");

  LIMIT_ABOVE(limits::kListPageRows);
  const auto first = world.registry.list_groups(world.account("alice"), request);
  request.set_cursor(first.next_cursor());
  const auto second = world.registry.list_groups(world.account("alice"), request);

  EXPECT_EQ(static_cast<std::size_t>(first.rows_size()), limits::kListPageRows);
  EXPECT_EQ(second.rows_size(), 1);
  EXPECT_EQ(second.next_cursor(), "");
}

TEST(join_is_pending_until_decided_and_may_be_repeated) {
  auto world = lab();

  EXPECT_EQ(world.join("carol", "lab", "hello"), "");
  EXPECT_EQ(world.last.answer.group().role(), pb::pending);
  EXPECT_EQ(world.join("carol", "lab", "hello"), "");
  EXPECT(!world.last.change);
  EXPECT_EQ(world.join("carol", "lab", "please"), "");

  msg::ListJoinRequests request;
  request.set_group("lab");
  const auto page = world.registry.list_requests(world.account("alice"), request);
  EXPECT_EQ(page->rows_size(), 1);
  EXPECT_EQ(page->rows(0).message(), "please");
  EXPECT_EQ(world.registry.list_requests(world.account("bob"), request).error().code, Code::NotAdmin);
  EXPECT_EQ(world.registry.list_requests(world.account("carol"), request).error().code, Code::NotMember);
  EXPECT_EQ(world.join("bob", "lab"), "exists");
  LIMIT_AT(limits::kMessageBytes);
  EXPECT_EQ(world.join("carol", "lab", std::string(limits::kMessageBytes, 'x')), "");
  LIMIT_ABOVE(limits::kMessageBytes);
  EXPECT_EQ(world.join("carol", "lab", std::string(limits::kMessageBytes + 1, 'x')), "invalid_argument");
}

TEST(decision_takes_all_named_users_or_none) {
  auto world = lab();
  world.create_account("dave");
  world.join("carol", "lab");

  EXPECT_EQ(world.decide("alice", "lab", {"carol", "dave"}), "not_found");
  EXPECT(!world.last.change);
  EXPECT_EQ(world.decide("bob", "lab", {"carol"}), "not_admin");
  EXPECT_EQ(world.decide("carol", "lab", {"carol"}), "not_member");
  EXPECT_EQ(world.decide("alice", "lab", {}), "invalid_argument");

  world.join("dave", "lab");
  EXPECT_EQ(world.decide("alice", "lab", {"carol", "dave", "carol"}), "");
  EXPECT_EQ(world.registry.group("lab")->members.size(), 4u);
}

TEST(rejected_user_may_ask_again_and_the_epoch_stays) {
  auto world = lab();
  world.join("carol", "lab");
  const auto epoch = world.registry.group("lab")->epoch;

  EXPECT_EQ(world.decide("alice", "lab", {"carol"}, false), "");

  EXPECT_EQ(world.registry.group("lab")->epoch, epoch);
  EXPECT_EQ(members_error(world, "carol", "lab"), "not_member");
  EXPECT_EQ(world.join("carol", "lab"), "");
}

TEST(epoch_grows_with_every_change_of_the_membership) {
  auto world = lab();
  const auto before = world.registry.group("lab")->epoch;
  world.share("alice", "lab", "film.mkv", 1);
  EXPECT_EQ(world.registry.group("lab")->epoch, before);

  world.add_member("alice", "lab", "carol");
  const auto joined = world.registry.group("lab")->epoch;
  world.leave("carol", "lab");
  const auto left = world.registry.group("lab")->epoch;

  EXPECT(joined > before);
  EXPECT(left > joined);
  EXPECT_EQ(world.registry.roster(*world.registry.group("lab")).epoch, left);
}

TEST(owner_leaves_only_as_the_last_one) {
  auto world = lab();
  world.join("carol", "lab");

  EXPECT_EQ(world.leave("alice", "lab"), "conflict");
  EXPECT_EQ(world.leave("bob", "lab"), "");
  EXPECT_EQ(world.leave("alice", "lab"), "");

  EXPECT(world.registry.group("lab") == nullptr);
  EXPECT(world.registry.groups_of(world.account("carol").id).empty());
}

TEST(applicant_withdraws_by_leaving) {
  auto world = lab();
  world.join("carol", "lab");

  EXPECT_EQ(world.leave("carol", "lab"), "");

  EXPECT_EQ(world.decide("alice", "lab", {"carol"}), "not_found");
  EXPECT_EQ(world.leave("carol", "lab"), "not_member");
  EXPECT_EQ(world.leave("carol", "den"), "not_found");
}

// --- catalogue

TEST(member_shares_and_members_see_it) {
  auto world = lab();

  EXPECT_EQ(world.share("bob", "lab", "film.mkv", 1), "");

  EXPECT_EQ(show_file_error(world, "alice", "lab", "film.mkv"), "shown");
  EXPECT_EQ(world.last.answer.file().shared_by(), "bob");
  EXPECT_EQ(world.registry.shares(), 1u);
}

TEST(same_content_joins_and_other_content_is_refused) {
  auto world = lab();
  world.share("bob", "lab", "film.mkv", 1);

  EXPECT_EQ(world.share("alice", "lab", "film.mkv", 1), "");
  EXPECT(!world.last.change);
  EXPECT_EQ(world.last.answer.file().shared_by(), "bob");
  EXPECT_EQ(world.share("alice", "lab", "film.mkv", 2), "exists");
  EXPECT_EQ(world.registry.shares(), 1u);
}

TEST(catalogue_entry_must_fit_sender_group_and_piece_list) {
  auto world = lab();
  const auto upload = world.upload("film.mkv", 1);
  const auto good = world.entry("bob", "lab", *upload);
  const auto& key = world.devices["bob"].key;
  const auto share = [&](const trust::CatalogueEntry& entry) {
    return world.run(world.share_request("bob", "lab", entry.sign(key), upload));
  };

  auto entry = good;
  entry.group = {};
  EXPECT_EQ(share(entry), "invalid_argument");
  entry = good;
  entry.publisher = world.account("alice").id;
  EXPECT_EQ(share(entry), "invalid_argument");
  entry = good;
  entry.name = "other.mkv";
  EXPECT_EQ(share(entry), "integrity");
  entry = good;
  entry.info_hash = {};
  EXPECT_EQ(share(entry), "integrity");
  EXPECT_EQ(world.run(world.share_request("alice", "lab", good.sign(key), upload)), "invalid_argument");
  EXPECT_EQ(world.run(world.share_request("bob", "lab", good.sign(key), nullptr)), "invalid_argument");
  EXPECT_EQ(share(good), "");
}

TEST(stranger_learns_nothing_about_files) {
  auto world = lab();
  world.share("alice", "lab", "film.mkv", 1);
  world.share("alice", "den", "film.mkv", 1);
  world.create_account("dave");
  world.join("dave", "lab");

  for (const auto* user : {"carol", "dave"}) {
    EXPECT_EQ(show_file_error(world, user, "lab", "film.mkv"), show_file_error(world, user, "lab", "none"));
    EXPECT_EQ(show_file_error(world, user, "lab", "none").substr(0, 10), "not_member");
    EXPECT_EQ(show_file_error(world, user, "den", "film.mkv"), show_file_error(world, user, "den", "none"));
    EXPECT_EQ(show_file_error(world, user, "den", "none").substr(0, 9), "not_found");
    EXPECT_EQ(world.share(user, "lab", "own", 1), "not_member");
  }
  const auto& lab_group = *world.registry.group("lab");
  const auto known = lab_group.shares.begin()->second.info_hash;
  const auto one = world.registry.member_share(world.account("carol"), lab_group.head.id.raw(), known.raw());
  const auto two =
      world.registry.member_share(world.account("carol"), lab_group.head.id.raw(), InfoHash{}.raw());
  EXPECT_EQ(one.error().message, two.error().message);
  EXPECT_EQ(one.error().code, Code::NotMember);
}

TEST(member_who_left_sees_no_files) {
  auto world = lab();
  world.share("alice", "lab", "film.mkv", 1);
  world.leave("bob", "lab");

  EXPECT_EQ(show_file_error(world, "bob", "lab", "film.mkv").substr(0, 10), "not_member");
  EXPECT_EQ(world.registry.list_files(world.account("bob"), {}, kNobodyOnline)->rows_size(), 0);
}

TEST(file_list_covers_all_groups_of_the_asker_in_pages) {
  auto world = lab();
  for (std::size_t i = 0; i < limits::kListPageRows; ++i)
    world.share("alice", "den", "f" + std::to_string(i), 1);
  world.share("alice", "lab", "a", 1);
  msg::ListFiles request;

  const auto first = world.registry.list_files(world.account("alice"), request, kNobodyOnline);
  request.set_cursor(first->next_cursor());
  const auto second = world.registry.list_files(world.account("alice"), request, kNobodyOnline);

  EXPECT_EQ(static_cast<std::size_t>(first->rows_size()), limits::kListPageRows);
  EXPECT_EQ(second->rows_size(), 1);
  EXPECT_EQ(second->rows(0).group(), "lab");
}

// --- around the registry

TEST(password_fits_only_its_account) {
  const tracker::Passwords passwords(Bytes(32, 1), Bytes(32, 2), 17);
  const Bytes proof(32, 7);
  tracker::Account account;
  account.id = trust::random_id<UserId>();
  account.record = passwords.record(account.id, proof);

  EXPECT(passwords.fits(&account, proof));
  EXPECT(!passwords.fits(&account, Bytes(32, 8)));
  EXPECT(!passwords.fits(nullptr, proof));
  account.disabled = true;
  EXPECT(!passwords.fits(&account, proof));
  EXPECT_EQ(account.record.size(), 33u);
  EXPECT(passwords.salt_for("alice") == passwords.salt_for("alice"));
  EXPECT(passwords.salt_for("alice") != passwords.salt_for("bob"));
}

TEST(rate_allows_the_burst_and_then_its_pace) {
  tracker::Rates rates({3, 0.5});
  TimePoint now{};
  for (int i = 0; i < 3; ++i) EXPECT(rates.take("here", now));

  EXPECT(!rates.take("here", now));
  EXPECT(rates.take("there", now));
  EXPECT(rates.take("here", now + 2s));
  EXPECT(!rates.take("here", now + 2s));
}

TEST(upload_comes_in_order_and_within_its_limits) {
  const auto budget = std::make_shared<std::atomic<std::size_t>>(0);
  tracker::Uploads uploads(budget);
  const std::string id(16, 'a');
  const Bytes chunk(limits::kMetadataChunkBytes, 1);

  LIMIT_AT(limits::kMetadataChunkBytes);
  EXPECT_OK(uploads.put(id, 0, chunk));
  EXPECT_EQ(uploads.put(id, 1, chunk).error().code, Code::Conflict);
  EXPECT_OK(uploads.put(id, chunk.size(), chunk));
  EXPECT_EQ(uploads.put(std::string(16, 'b'), 5, chunk).error().code, Code::NotFound);
  LIMIT_AT(limits::kUploadsPerSession);
  EXPECT_OK(uploads.put(std::string(16, 'b'), 0, chunk));
  LIMIT_ABOVE(limits::kUploadsPerSession);
  EXPECT_OK(uploads.put(id, 2 * chunk.size(), {}));  // goes on
  EXPECT_OK(uploads.put(std::string(16, 'c'), 0, chunk));
  EXPECT_EQ(uploads.put(std::string(16, 'b'), chunk.size(), chunk).error().code, Code::NotFound);
  LIMIT_ABOVE(limits::kMetadataChunkBytes);
  EXPECT_EQ(uploads.put(id, 2 * chunk.size(), Bytes(chunk.size() + 1)).error().code, Code::Limit);
  EXPECT_EQ(budget->load(), 3 * chunk.size());

  auto list = uploads.take(id);
  EXPECT_EQ(list->size(), 2 * chunk.size());
  EXPECT(uploads.take(id) == nullptr);
  list.reset();
  EXPECT_EQ(budget->load(), chunk.size());
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(account_is_made_once_and_its_device_is_bound),
      cmocka_unit_test(stranger_may_only_enter),
      cmocka_unit_test(logout_unbinds_only_this_device),
      cmocka_unit_test(device_that_logs_in_as_another_user_leaves_the_first),
      cmocka_unit_test(request_that_a_login_overtook_changes_neither_account),
      cmocka_unit_test(device_is_dropped_only_where_it_is_still_bound),
      cmocka_unit_test(account_that_was_not_prepared_is_not_made),
      cmocka_unit_test(devices_of_a_user_are_bounded),
      cmocka_unit_test(disabled_account_counts_as_logged_out),
      cmocka_unit_test(repeated_key_gives_the_first_answer_and_changes_nothing),
      cmocka_unit_test(repeated_key_of_another_device_means_nothing),
      cmocka_unit_test(mutating_request_without_key_is_refused),
      cmocka_unit_test(creation_statement_must_fit_its_sender),
      cmocka_unit_test(ended_group_is_never_made_again_from_its_statement),
      cmocka_unit_test(unlisted_group_is_like_none_for_others),
      cmocka_unit_test(group_list_is_paged),
      cmocka_unit_test(join_is_pending_until_decided_and_may_be_repeated),
      cmocka_unit_test(decision_takes_all_named_users_or_none),
      cmocka_unit_test(rejected_user_may_ask_again_and_the_epoch_stays),
      cmocka_unit_test(epoch_grows_with_every_change_of_the_membership),
      cmocka_unit_test(owner_leaves_only_as_the_last_one),
      cmocka_unit_test(applicant_withdraws_by_leaving),
      cmocka_unit_test(member_shares_and_members_see_it),
      cmocka_unit_test(same_content_joins_and_other_content_is_refused),
      cmocka_unit_test(catalogue_entry_must_fit_sender_group_and_piece_list),
      cmocka_unit_test(stranger_learns_nothing_about_files),
      cmocka_unit_test(member_who_left_sees_no_files),
      cmocka_unit_test(file_list_covers_all_groups_of_the_asker_in_pages),
      cmocka_unit_test(password_fits_only_its_account),
      cmocka_unit_test(rate_allows_the_burst_and_then_its_pace),
      cmocka_unit_test(upload_comes_in_order_and_within_its_limits),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
