// SPDX-License-Identifier: MIT
// Who may what: every request of the schema by everybody who may come, with the answer of each cell.
//
// Mutating requests are decided by a registry, each cell in a world of its own, once in a listed group and
// once in an unlisted one. Reading requests go to a whole tracker over its sessions.
#include <array>
#include <functional>
#include <set>

#include "daemon/base/log.h"
#include "tests/support/tracker_server.h"
#include "tests/support/tracker_world.h"

using namespace p2p;
using test::Person;
using test::TrackerWorld;
using test::World;
namespace msg = ::p2p::pb::tracker;

namespace {

// In the order of the columns. "other" is an admin of another group; "demoted" was an admin and is a member.
constexpr std::size_t kActors = 9;
constexpr std::array<const char*, kActors> kActorNames{"stranger", "registered", "pending", "member", "admin",
                                                       "owner",    "demoted",    "removed", "other"};
using Codes = std::array<const char*, kActors>;
constexpr const char* kOk = "";

// What many rows have in common.
constexpr const char* kLogin = "login_required";
constexpr const char* kNoMember = "not_member";
constexpr Codes anybody() { return {kOk, kOk, kOk, kOk, kOk, kOk, kOk, kOk, kOk}; }
constexpr Codes users(const char* code = kOk) {
  return {kLogin, code, code, code, code, code, code, code, code};
}
// The answers to member, admin, owner and demoted; for all others the group is closed.
constexpr Codes members(const char* member, const char* admin, const char* owner, const char* demoted) {
  return {kLogin, kNoMember, kNoMember, member, admin, owner, demoted, kNoMember, kNoMember};
}

bool is_outside(std::size_t actor) {  // no role in the group
  const std::string name = kActorNames[actor];
  return name == "registered" || name == "removed" || name == "other";
}

// --- mutating requests ---------------------------------------------------------------------------

// The actors have their roles in it; max is a member, ada an admin, pia asks to join.
// Everybody has a second device; each member has shared "of NAME".
TrackerWorld make_world(bool unlisted) {
  TrackerWorld world;
  for (const auto* user : {"owner", "registered", "other", "oscar", "pending", "pia"})
    world.create_account(user);
  world.create_group("owner", "lab", unlisted);
  world.create_group("oscar", "elsewhere");
  world.add_member("oscar", "elsewhere", "other");
  world.set_role("oscar", "elsewhere", "other", pb::admin);
  // Nobody finds an unlisted group: who is to have a role in it joins while it is listed.
  const auto list = [&](bool hidden) {
    tracker::ScopeState state;
    state.scope = {tracker::Scope::Kind::Group, "lab"};
    state.group = *world.registry.group("lab");
    state.group->head.unlisted = hidden;
    world.registry.replace(std::move(state));
  };
  list(false);
  for (const auto* user : {"member", "admin", "demoted", "removed", "max", "ada"})
    world.add_member("owner", "lab", user);
  for (const auto* user : {"admin", "demoted", "removed", "ada"})
    world.set_role("owner", "lab", user, pb::admin);
  for (const auto* user : {"owner", "member", "admin", "demoted", "max"})
    world.share(user, "lab", std::string("of ") + user, static_cast<std::uint8_t>(user[0]));
  world.set_role("owner", "lab", "demoted", pb::member);
  world.remove("owner", "lab", "removed");
  for (const auto* user : {"pending", "pia"}) world.join(user, "lab");
  for (const auto* user : kActorNames)
    if (world.registry.account(user) != nullptr) world.login(std::string(user) + " 2", user);
  list(unlisted);
  return world;
}

struct Row {
  const char* what;
  std::function<msg::Request(TrackerWorld&, const std::string& actor)> request;
  Codes codes;
  bool of_group = true;  // for those without a role in an unlisted group: there is none
};

// A request that does not depend on who asks.
template <class Fill>
auto fixed(Fill fill) {
  return [fill](TrackerWorld&, const std::string&) {
    msg::Request request;
    fill(request);
    return request;
  };
}

auto decide_request(bool accept) {
  return fixed([accept](msg::Request& request) {
    request.mutable_decide_join_requests()->set_group("lab");
    request.mutable_decide_join_requests()->add_users("pia");
    request.mutable_decide_join_requests()->set_accept(accept);
  });
}

auto invite_request(const std::string& user) {
  return fixed([user](msg::Request& request) {
    request.mutable_invite_users()->set_group("lab");
    request.mutable_invite_users()->add_users(user);
  });
}

// `user` empty: the one who asks.
auto role_request(const std::string& user, pb::Role role) {
  return [user, role](TrackerWorld&, const std::string& actor) {
    msg::Request request;
    request.mutable_set_role()->set_group("lab");
    request.mutable_set_role()->set_user(user.empty() ? actor : user);
    request.mutable_set_role()->set_role(role);
    return request;
  };
}

auto remove_request(const std::string& user) {
  return [user](TrackerWorld&, const std::string& actor) {
    msg::Request request;
    request.mutable_remove_member()->set_group("lab");
    request.mutable_remove_member()->set_user(user.empty() ? actor : user);
    return request;
  };
}

auto transfer_request(const std::string& user) {
  return fixed([user](msg::Request& request) {
    request.mutable_transfer_group()->set_group("lab");
    request.mutable_transfer_group()->set_user(user);
  });
}

auto withdraw_request(const std::string& name) {
  return [name](TrackerWorld&, const std::string& actor) {
    msg::Request request;
    request.mutable_withdraw_file()->set_group("lab");
    request.mutable_withdraw_file()->set_name(name.empty() ? "of " + actor : name);
    return request;
  };
}

auto revoke_request(const std::string& device) {
  return [device](TrackerWorld& world, const std::string& actor) {
    msg::Request request;
    request.mutable_revoke_session()->set_device_id(
        world.devices[device.starts_with(" ") ? actor + device
                      : device.empty()        ? actor
                                              : device]
            .id.raw());
    return request;
  };
}

msg::Request creation_request(TrackerWorld& world, const std::string& actor) {
  const auto* user = world.registry.account(actor);
  auto creation = world.creation(user != nullptr ? actor : "oscar", "new");
  creation.device_key = world.devices[actor].key.public_key();
  msg::Request request;
  request.mutable_create_group()->set_statement(to_string(creation.sign(world.devices[actor].key)));
  return request;
}

msg::Request share_request(TrackerWorld& world, const std::string& actor) {
  const auto* user = world.registry.account(actor);
  const auto upload = world.upload("new file", 7);
  auto entry = world.entry(user != nullptr ? actor : "oscar", "lab", *upload);
  entry.device_key = world.devices[actor].key.public_key();
  msg::Request request;
  request.mutable_share_file()->set_group("lab");
  request.mutable_share_file()->set_entry(to_string(entry.sign(world.devices[actor].key)));
  return request;
}

std::vector<Row> account_rows() {
  return {
      {"create account", fixed([](auto& r) { r.mutable_create_account()->set_user("new"); }), anybody(),
       false},
      {"create taken account",
       fixed([](auto& r) { r.mutable_create_account()->set_user("max"); }),
       {"exists", "exists", "exists", "exists", "exists", "exists", "exists", "exists", "exists"},
       false},
      {"log in", fixed([](auto& r) { r.mutable_login()->set_user("max"); }), anybody(), false},
      {"log out", fixed([](auto& r) { r.mutable_logout(); }), users(), false},
      {"change password", fixed([](auto& r) { r.mutable_change_password(); }), users(), false},
      {"revoke own other session", revoke_request(" 2"), users(), false},
      {"revoke this session", revoke_request(""), users("conflict"), false},
      {"revoke session of another", revoke_request("max"), users("not_found"), false},
      {"create group", creation_request, users(), false},
  };
}

std::vector<Row> group_rows() {
  return {
      {"join",
       fixed([](auto& r) { r.mutable_join_group()->set_group("lab"); }),
       {kLogin, kOk, kOk, "exists", "exists", "exists", "exists", kOk, kOk}},
      {"leave",
       fixed([](auto& r) { r.mutable_leave_group()->set_group("lab"); }),
       {kLogin, kNoMember, kOk, kOk, kOk, "conflict", kOk, kNoMember, kNoMember}},
      {"accept", decide_request(true), members("not_admin", kOk, kOk, "not_admin")},
      {"reject", decide_request(false), members("not_admin", kOk, kOk, "not_admin")},
      {"invite", invite_request("oscar"), members("not_admin", kOk, kOk, "not_admin")},
      {"invite applicant", invite_request("pia"), members("not_admin", kOk, kOk, "not_admin")},
      {"invite member", invite_request("max"), members("not_admin", "exists", "exists", "not_admin")},
      {"invite nobody", invite_request("nobody"),
       members("not_admin", "not_found", "not_found", "not_admin")},
      {"promote member", role_request("max", pb::admin),
       members("not_allowed", "not_allowed", kOk, "not_allowed")},
      {"demote admin", role_request("ada", pb::member),
       members("not_allowed", "not_allowed", kOk, "not_allowed")},
      {"demote owner", role_request("owner", pb::member),
       members("not_allowed", "not_allowed", "conflict", "not_allowed")},
      {"demote oneself", role_request("", pb::member),
       members("not_allowed", kOk, "conflict", "not_allowed")},
      {"promote oneself", role_request("", pb::admin),
       members("not_allowed", kOk, "conflict", "not_allowed")},
      {"promote applicant", role_request("pia", pb::admin),
       members("not_allowed", "not_allowed", "not_found", "not_allowed")},
      {"make owner", role_request("max", pb::owner),
       members("invalid_argument", "invalid_argument", "invalid_argument", "invalid_argument")},
      {"remove member", remove_request("max"), members("not_admin", kOk, kOk, "not_admin")},
      {"remove admin", remove_request("ada"), members("not_admin", "not_allowed", kOk, "not_admin")},
      {"remove owner", remove_request("owner"), members("not_admin", "not_allowed", "conflict", "not_admin")},
      {"remove oneself", remove_request(""), members("conflict", "conflict", "conflict", "conflict")},
      {"remove nobody", remove_request("nobody"),
       members("not_admin", "not_found", "not_found", "not_admin")},
      {"transfer", transfer_request("max"), members("not_allowed", "not_allowed", kOk, "not_allowed")},
      {"transfer to applicant", transfer_request("pia"),
       members("not_allowed", "not_allowed", "not_found", "not_allowed")},
      {"share", share_request, members(kOk, kOk, kOk, kOk)},
      {"withdraw own file", withdraw_request(""), members(kOk, kOk, kOk, kOk)},
      {"withdraw file of another", withdraw_request("of max"),
       members("not_allowed", kOk, kOk, "not_allowed")},
      {"withdraw unknown file", withdraw_request("none"),
       members("not_found", "not_found", "not_found", "not_found")},
  };
}

std::vector<Row> mutating_rows() {
  auto rows = account_rows();
  for (auto& row : group_rows()) rows.push_back(std::move(row));
  return rows;
}

std::string answer_of(const TrackerWorld& prepared, const Row& row, const std::string& actor) {
  auto world = prepared;
  auto asked = world.asked(actor, row.request(world, actor));
  if (asked.request.has_share_file()) asked.upload = world.upload("new file", 7);
  return world.run(asked);
}

void expect_table(bool unlisted) {
  const auto prepared = make_world(unlisted);
  std::string wrong;
  for (const auto& row : mutating_rows())
    for (std::size_t i = 0; i < kActors; ++i) {
      const auto code = answer_of(prepared, row, kActorNames[i]);
      const std::string expected =
          unlisted && row.of_group && is_outside(i) ? std::string("not_found") : std::string(row.codes[i]);
      if (code != expected)
        wrong += fmt::format("\n{} by {}: '{}', not '{}'", row.what, kActorNames[i], code, expected);
    }
  EXPECT_EQ(wrong, "");
}

TEST(mutating_requests_are_answered_by_role) { expect_table(false); }

TEST(unlisted_group_is_none_for_whoever_has_no_role_in_it) { expect_table(true); }

TEST(refusal_changes_nothing) {
  const auto prepared = make_world(false);
  for (const auto& row : mutating_rows())
    for (const auto* actor : kActorNames) {
      auto world = prepared;
      auto asked = world.asked(actor, row.request(world, actor));
      if (asked.request.has_share_file()) asked.upload = world.upload("new file", 7);
      if (!world.run(asked).empty()) EXPECT(!world.last.change && world.last.notices.empty());
    }
}

TEST(every_refusal_names_code_sentence_and_what_to_do) {
  const auto prepared = make_world(false);
  for (const auto& row : mutating_rows())
    for (const auto* actor : kActorNames) {
      auto world = prepared;
      auto asked = world.asked(actor, row.request(world, actor));
      if (asked.request.has_share_file()) asked.upload = world.upload("new file", 7);
      if (world.run(asked).empty()) continue;
      const auto& error = world.last.answer.error();
      EXPECT(!error.message().empty());
      EXPECT(!error.hint().empty() || !default_hint(code_from_name(error.code())).empty());
    }
}

// --- reading requests ----------------------------------------------------------------------------

struct ReadingRow {
  const char* what;
  msg::Request request;
  Codes codes;
};

template <class Fill>
msg::Request made(Fill fill) {
  msg::Request request;
  fill(request);
  return request;
}

std::vector<ReadingRow> reading_rows(const GroupId& group, const InfoHash& share) {
  const auto open = members(kOk, kOk, kOk, kOk);
  const auto of_share = [&](auto* request) {
    request->set_group_id(group.raw());
    request->set_info_hash(share.raw());
  };
  return {
      {"attach", made([](auto& r) { r.mutable_attach(); }), anybody()},
      {"parameters", made([](auto& r) { r.mutable_password_parameters()->set_user("owner"); }), anybody()},
      {"heartbeat", made([](auto& r) { r.mutable_heartbeat(); }), users()},
      {"renew grants", made([](auto& r) { r.mutable_renew_grants(); }), users()},
      {"list sessions", made([](auto& r) { r.mutable_list_sessions(); }), users()},
      {"list groups", made([](auto& r) { r.mutable_list_groups(); }), users()},
      {"show group", made([](auto& r) { r.mutable_show_group()->set_group("lab"); }), users()},
      {"list requests of all", made([](auto& r) { r.mutable_list_join_requests(); }), users()},
      {"list requests", made([](auto& r) { r.mutable_list_join_requests()->set_group("lab"); }),
       members("not_admin", kOk, kOk, "not_admin")},
      {"list members", made([](auto& r) { r.mutable_list_members()->set_group("lab"); }), open},
      {"put metadata", made([](auto& r) { r.mutable_put_metadata()->set_upload_id(std::string(16, 'u')); }),
       users()},
      {"list files of all", made([](auto& r) { r.mutable_list_files(); }), users()},
      {"list files", made([](auto& r) { r.mutable_list_files()->set_group("lab"); }), open},
      {"show file", made([](auto& r) {
         r.mutable_show_file()->set_group("lab");
         r.mutable_show_file()->set_name("film.mkv");
       }),
       open},
      {"show unknown file", made([](auto& r) { r.mutable_show_file()->set_group("lab"); }),
       members("not_found", "not_found", "not_found", "not_found")},
      {"read metadata", made([&](auto& r) { of_share(r.mutable_read_metadata()); }), open},
      {"announce", made([&](auto& r) { of_share(r.mutable_announce()->add_shares()); }), users()},
      {"get peers", made([&](auto& r) { of_share(r.mutable_get_peers()); }), open},
      {"roster applied", made([&](auto& r) { r.mutable_roster_applied()->set_group_id(group.raw()); }), open},
      {"roster progress", made([&](auto& r) { r.mutable_show_roster_progress()->set_group_id(group.raw()); }),
       open},
      {"nothing",
       {},
       {"unsupported", "unsupported", "unsupported", "unsupported", "unsupported", "unsupported",
        "unsupported", "unsupported", "unsupported"}},
  };
}

// The actors with their roles, in a group with one file.
struct Cast {
  Cast() : stranger(world.connect(trust::KeyPair::generate())) {
    for (std::size_t i = 1; i < kActors; ++i)
      people.emplace(kActorNames[i], std::make_unique<Person>(world, kActorNames[i]));
    auto& owner = *people.at("owner");
    owner.create_group("lab");
    group = group_id(owner, "lab");
    for (const auto* user : {"member", "admin", "demoted", "removed"}) {
      people.at(user)->join("lab");
      owner.accept("lab", user);
    }
    for (const auto* user : {"admin", "demoted", "removed"}) owner.set_role("lab", user, pb::admin);
    owner.set_role("lab", "demoted", pb::member);
    owner.remove("lab", "removed");
    people.at("pending")->join("lab");
    people.at("other")->create_group("elsewhere");
    share = owner.share("lab", group, "film.mkv", 1);
  }
  msg::Response ask(const std::string& actor, const msg::Request& request) {
    return world.ask(actor == "stranger" ? *stranger : *people.at(actor)->client, request);
  }
  World world;
  std::unique_ptr<test::Client> stranger;
  std::map<std::string, std::unique_ptr<Person>> people;
  GroupId group;
  InfoHash share;
};

TEST(reading_requests_are_answered_by_role) {
  Cast cast;
  std::string wrong;
  for (const auto& row : reading_rows(cast.group, cast.share))
    for (std::size_t i = 0; i < kActors; ++i) {
      const auto code = cast.ask(kActorNames[i], row.request).error().code();
      if (code != row.codes[i])
        wrong += fmt::format("\n{} by {}: '{}', not '{}'", row.what, kActorNames[i], code, row.codes[i]);
    }
  EXPECT_EQ(wrong, "");
}

TEST(announced_share_is_gone_for_whoever_is_no_member_as_if_it_never_was) {
  Cast cast;
  for (const auto* actor : {"registered", "pending", "removed", "other"}) {
    msg::Request request;
    for (const auto& hash : {cast.share, InfoHash{}}) {
      auto& state = *request.mutable_announce()->add_shares();
      state.set_group_id(cast.group.raw());
      state.set_info_hash(hash.raw());
      state.set_activity(msg::seeding);
    }
    const auto answer = cast.ask(actor, request);
    EXPECT_EQ(answer.announced().gone_size(), 2);
    EXPECT_EQ(answer.announced().gone(0).info_hash(), cast.share.raw());
  }
  msg::Request list;
  list.mutable_list_files()->set_group("lab");
  EXPECT_EQ(cast.ask("owner", list).files().rows(0).seeders(), 0u);
}

TEST(every_request_of_the_schema_is_in_a_table) {
  std::set<int> covered;
  auto world = make_world(false);
  for (const auto& row : mutating_rows()) covered.insert(row.request(world, "member").body_case());
  for (const auto& row : reading_rows({}, {})) covered.insert(row.request.body_case());

  const auto* body = msg::Request::descriptor()->FindOneofByName("body");
  for (int i = 0; i < body->field_count(); ++i)
    if (!covered.contains(body->field(i)->number())) EXPECT_EQ(body->field(i)->name(), "in a table");
}

}  // namespace

int main() {
  log::start("test_authorisation", log::Level::Error);
  const CMUnitTest tests[] = {
      cmocka_unit_test(mutating_requests_are_answered_by_role),
      cmocka_unit_test(unlisted_group_is_none_for_whoever_has_no_role_in_it),
      cmocka_unit_test(refusal_changes_nothing),
      cmocka_unit_test(every_refusal_names_code_sentence_and_what_to_do),
      cmocka_unit_test(reading_requests_are_answered_by_role),
      cmocka_unit_test(announced_share_is_gone_for_whoever_is_no_member_as_if_it_never_was),
      cmocka_unit_test(every_request_of_the_schema_is_in_a_table),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
