// SPDX-License-Identifier: MIT
// What p2pctl prints, compared with tests/data/output/: every kind of answer for a terminal of 80 columns,
// for one without colours, for a script, and as JSON. ESC is written as ␛ there. P2P_TEST_UPDATE=1 writes
// the files anew; look at the difference before it is committed.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "ctl/output.h"
#include "ctl/views.h"
#include "ctl/watch.h"
#include "proto/control.pb.h"
#include "tests/support/check.h"

using namespace p2p;
using namespace p2p::ctl;
namespace ctlpb = p2p::pb::control;

namespace {

constexpr auto kWide = "映画・東京の長い名前のファイル、とても長い名前なので端末の幅に入らない.mp4";
constexpr auto kCombining = "re\u0301sume\u0301.pdf";  // decomposed on purpose
constexpr auto kHostile = "a\tb\nc\x1b[2J\x1b]0;title\x07\xff\u202egpj.exe";
constexpr auto kHostileText = "a\tb\nc\x1b[2J\x1b]0;title\x07\u202egpj.exe";  // protobuf's strings are UTF-8
constexpr auto kDevice = "5f0c9a7b3d1e8842c6b0a4f19e7d335c21f8be90aa64d7e2195b3c8f07d6e4a1";
constexpr auto kTracker =
    "p2p://tracker.example:7733/#9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d";

std::string visible(std::string text) {
  for (std::size_t at = 0; (at = text.find('\x1b', at)) != std::string::npos;) text.replace(at, 1, "␛");
  return text;
}

TableStyle terminal_style(bool color) { return {.laid_out = true, .width = 80, .color = color}; }

std::string sections(const google::protobuf::Message& message, const std::function<void(Page&)>& fill) {
  std::string out;
  const auto add = [&](const char* title, const TableStyle& style) {
    Page page(style);
    fill(page);
    out += std::string("--- ") + title + "\n" + visible(page.text());
  };
  add("terminal of 80 columns", terminal_style(true));
  add("terminal, NO_COLOR", terminal_style(false));
  add("no terminal", {});
  const auto json = message_json(message);
  EXPECT_OK(json);
  return out + "--- json\n" + visible(*json) + "\n";
}

void compare(const std::string& name, const std::string& text) {
  const std::string path = std::string(P2P_TEST_DATA "/output/") + name + ".txt";
  if (std::getenv("P2P_TEST_UPDATE") != nullptr) std::ofstream(path, std::ios::binary) << text;
  std::ifstream file(path, std::ios::binary);
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(text, expected.str());
}

template <class Message>
void expect_output(const std::string& name, const Message& message) {
  compare(name, sections(message, [&message](Page& page) { render(page, message); }));
}

// --- the answers ---

ctlpb::Download download(const char* id, const char* name, ctlpb::DownloadState state, double done) {
  ctlpb::Download row;
  row.set_id(id);
  row.set_group("lab");
  row.set_name(name);
  row.set_state(state);
  row.set_size(2.0 * 0x1p30);
  row.set_done(done);
  row.set_path(std::string("/home/bob/Downloads/") + name);
  return row;
}

ctlpb::Downloads downloads() {
  ctlpb::Downloads all;
  auto& moving = *all.add_downloads() =
      download("9f86d081884c7d659a2feaa0c55ad015", "film.mkv", ctlpb::downloading, 1.125 * 0x1p30);
  moving.set_rate(84.25 * 0x1p20);
  moving.set_peers(6);
  *all.add_downloads() = download("60303ae22b998861bce3b28f33eec1be", kWide, ctlpb::complete, 0x1p31);
  *all.add_downloads() = download("fd61a03af4f77d870fc21e05e7e80678", kCombining, ctlpb::paused, 0x1p29);
  auto& stalled = *all.add_downloads() =
      download("a4ad4a4ad4a4ad4a4ad4a4ad4a4ad4a4", kHostileText, ctlpb::stalled, 0x1p31 - 1);
  stalled.set_cause("no member who has it is online");
  auto& failed = *all.add_downloads() =
      download("0123456789abcdef0123456789abcdef", "empty", ctlpb::failed, 0);
  failed.set_size(0);
  failed.set_cause("the file was withdrawn by alice");
  return all;
}

ctlpb::File file(const char* name, ctlpb::FileState state) {
  ctlpb::File row;
  row.set_group("lab");
  row.set_name(name);
  row.set_size(1073741824);
  row.set_sha1("da39a3ee5e6b4b0d3255bfef95601890afd80709");
  row.set_pieces(1024);
  row.set_piece_length(1048576);
  row.set_seeders(1);
  row.set_leechers(2);
  row.set_shared_by("alice");
  row.set_state(state);
  row.set_sharing(state == ctlpb::sharing);
  row.set_since("2026-05-04T03:02:01Z");
  return row;
}

TEST(downloads_look_as_expected) { expect_output("downloads", downloads()); }

TEST(downloads_of_the_original_system_look_as_expected) {
  const auto all = downloads();
  compare("show_downloads", sections(all, [&all](Page& page) { render_original(page, all); }));
}

TEST(no_downloads_are_a_heading_and_nothing_else) { expect_output("downloads_none", ctlpb::Downloads()); }

TEST(download_looks_as_expected) {
  auto row = downloads().downloads(0);
  row.set_uploaded(0x1p20);
  row.set_wasted(16384);
  row.set_sha1("da39a3ee5e6b4b0d3255bfef95601890afd80709");
  row.set_file_sha1(ctlpb::mismatch);
  for (const auto* user : {"alice", "carol"}) {
    auto& source = *row.add_sources();
    source.set_user(user);
    source.set_device(kDevice);
    source.set_bytes(0x1p29);
  }
  expect_output("download", row);
}

TEST(files_look_as_expected) {
  ctlpb::FileRows rows;
  *rows.add_files() = file("film.mkv", ctlpb::sharing);
  *rows.add_files() = file(kWide, ctlpb::listed);
  *rows.add_files() = file(kCombining, ctlpb::missing);
  *rows.add_files() = file(kHostileText, ctlpb::hashing);
  expect_output("files", rows);
}

TEST(file_looks_as_expected) {
  auto row = file(kHostileText, ctlpb::changed);
  row.set_path("/home/alice/film.mkv");
  row.set_cause("its content is no longer what was shared");
  row.set_info_hash_v2(kDevice);
  row.add_pieces_sha1("da39a3ee5e6b4b0d3255bfef95601890afd80709");
  expect_output("file", row);
}

TEST(account_and_sessions_look_as_expected) {
  ctlpb::Account account;
  account.set_user("alice");
  account.set_device(kDevice);
  account.set_tracker(kTracker);
  expect_output("account", account);

  ctlpb::Sessions sessions;
  auto& own = *sessions.add_sessions();
  own.set_id(kDevice);
  own.set_current(true);
  own.set_online(true);
  own.set_since("2026-05-04T03:02:01Z");
  own.add_addresses("192.0.2.7:7734");
  own.add_addresses("[2001:db8::7]:7734");
  auto& other = *sessions.add_sessions();
  other.set_id("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
  other.set_since("2026-05-05T03:02:01Z");
  expect_output("sessions", sessions);
}

TEST(groups_and_members_look_as_expected) {
  ctlpb::GroupRows groups;
  auto& lab = *groups.add_groups();
  lab.set_group("lab");
  lab.set_role(pb::owner);
  lab.set_members(3);
  lab.set_requests(1);
  lab.set_description(kWide);
  lab.set_owner("alice");
  lab.set_id(kDevice);
  lab.set_created("2026-05-04T03:02:01Z");
  auto& den = *groups.add_groups();
  den.set_group("den");
  den.set_description(kHostileText);
  auto& club = *groups.add_groups();
  club.set_group("club");
  club.set_members(1);
  club.set_unlisted(true);
  club.set_invited(true);
  expect_output("groups", groups);
  expect_output("group", lab);
  lab.add_invitations("bob");
  lab.add_invitations("carol");
  expect_output("group_with_invitations", lab);
  expect_output("group_of_an_invitation", club);

  ctlpb::JoinRequests requests;
  auto& request = *requests.add_requests();
  request.set_group("lab");
  request.set_user("mallory");
  request.set_message(kHostileText);
  request.set_since("2026-05-04T03:02:01Z");
  expect_output("requests", requests);

  ctlpb::Members members;
  members.set_group("lab");
  auto& alice = *members.add_members();
  alice.set_user("alice");
  alice.set_role(pb::owner);
  alice.set_online(true);
  members.add_members()->set_user("bob");
  members.mutable_members(1)->set_role(pb::member);
  expect_output("members", members);
}

ctlpb::Status status_of(bool connected) {
  ctlpb::Status status;
  status.set_account("alice");
  status.mutable_tracker()->set_address(kTracker);
  status.mutable_tracker()->set_connected(connected);
  if (!connected) status.mutable_tracker()->set_cause("connection refused");
  status.set_shares(3);
  status.set_uploads(2);
  status.set_downloads(1);
  status.mutable_rates()->set_upload(0x1p20);
  status.set_version("0.1.0");
  status.set_device(kDevice);
  status.set_listen("[::]:7734");
  return status;
}

TEST(status_looks_as_expected) {
  expect_output("status", status_of(true));
  auto away = status_of(false);
  auto& warning = *away.add_warnings();
  warning.set_code("not_reachable");
  warning.set_message("other members cannot reach 192.0.2.7:7734");
  expect_output("status_away", away);
  expect_output("status_logged_out", ctlpb::Status());
  ctlpb::Limits limits;
  limits.set_upload(20 * 0x1p20);
  expect_output("limits", limits);
}

TEST(doctor_looks_as_expected) {
  ctlpb::Doctor doctor;
  const auto add = [&doctor](const char* name, ctlpb::CheckState state, const char* message,
                             const char* hint) {
    auto& check = *doctor.add_checks();
    check.set_name(name);
    check.set_state(state);
    check.set_message(message);
    check.set_hint(hint);
  };
  add("tracker", ctlpb::good, "connected", "");
  add("clock", ctlpb::warning, "4 s behind the tracker's", "switch time synchronisation on");
  add("reachable", ctlpb::bad,
      "other members cannot reach this device: 192.0.2.7:7734 does not answer from outside, so it only "
      "exchanges pieces with those whom it dials itself",
      "open port 7734 in the firewall, or forward it on the router; then run this again");
  add("download folder", ctlpb::bad, kHostileText, kHostileText);
  expect_output("doctor", doctor);
}

TEST(answers_to_an_operator_look_as_expected) {
  ctlpb::OperatorStatus status;
  status.set_version("0.1.0");
  status.set_address(kTracker);
  status.set_listen("[::]:7733");
  status.set_users(12);
  status.set_uptime_seconds(93784);
  status.set_registration("invite");
  expect_output("tracker_status", status);

  ctlpb::OperatorUsers users;
  auto& alice = *users.add_users();
  alice.set_user("alice");
  alice.set_devices(2);
  alice.set_online(1);
  alice.set_groups(3);
  alice.set_created("2026-05-04T03:02:01Z");
  auto& mallory = *users.add_users();
  mallory.set_user("mallory");
  mallory.set_disabled(true);
  expect_output("tracker_users", users);

  ctlpb::OperatorGroups groups;
  auto& lab = *groups.add_groups();
  lab.set_group("lab");
  lab.set_owner("alice");
  lab.set_members(3);
  lab.set_shares(1024);
  lab.set_unlisted(true);
  lab.set_created("2026-05-04T03:02:01Z");
  expect_output("tracker_groups", groups);
}

// --- rules that hold for every answer ---

TEST(no_line_for_a_terminal_is_wider_than_it) {
  for (const std::size_t width : {60u, 80u, 200u}) {
    Page page({.laid_out = true, .width = width});
    render(page, downloads());
    std::stringstream lines(page.text());
    for (std::string line; std::getline(lines, line);) EXPECT(display_width(line) <= width);
  }
}

TEST(foreign_bytes_reach_no_terminal) {
  Page page({.laid_out = true, .width = 500});
  page.line(kHostile);
  page.pairs({{"name", kHostile}});
  page.parts({kHostile, Cell(kHostile, Tone::Bad)});
  Table table({{"NAME"}});
  table.add({kHostile});
  page.table(table);

  for (const char c : page.text()) EXPECT(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  EXPECT(page.text().find("\u202e") == std::string::npos);
  EXPECT_EQ(std::count(page.text().begin(), page.text().end(), '\n'), 5);
}

TEST(colours_say_nothing_that_the_words_do_not) {
  Page plain({.laid_out = true});
  Page colored({.laid_out = true, .color = true});
  render(plain, downloads());
  render(colored, downloads());

  std::string stripped;
  for (std::string_view rest = colored.text(); !rest.empty();) {
    if (rest.starts_with("\x1b[")) rest.remove_prefix(rest.find('m') + 1);
    else {
      stripped += rest.front();
      rest.remove_prefix(1);
    }
  }
  EXPECT_EQ(stripped, plain.text());
}

TEST(download_is_at_100_percent_only_when_complete) {
  EXPECT_EQ(progress_of(download("1", "a", ctlpb::downloading, 0x1p31)), "99%");
  EXPECT_EQ(progress_of(download("1", "a", ctlpb::complete, 0x1p31)), "100%");
  EXPECT_EQ(progress_of(download("1", "a", ctlpb::failed, 0)), "0%");
}

TEST(text_is_wrapped_at_blanks) {
  EXPECT_EQ(wrapped("one two three", 7).size(), 2u);
  EXPECT_EQ(wrapped("one two three", 7)[0], "one two");
  EXPECT_EQ(wrapped("unbreakable", 3)[0], "unbreakable");
  EXPECT_EQ(wrapped("", 3).size(), 1u);
}

// --- --watch ---

TEST(frame_is_drawn_over_the_last_one_without_clearing_it_first) {
  Redraw redraw;

  EXPECT_EQ(redraw.frame("a\nb\n", 80, 24), "\ra\x1b[K\nb\x1b[K\n\x1b[J");
  EXPECT_EQ(redraw.frame("c\n", 80, 24), "\r\x1b[2Ac\x1b[K\n\x1b[J");
  EXPECT_EQ(redraw.frame("d\ne\nf\n", 80, 24), "\r\x1b[1Ad\x1b[K\ne\x1b[K\nf\x1b[K\n\x1b[J");
}

TEST(frame_fits_into_the_window) {
  Redraw redraw;

  EXPECT_EQ(redraw.frame("1\n2\n3\n4\n5\n", 20, 4), "\r1\x1b[K\n2\x1b[K\n… and 3 more\x1b[K\n\x1b[J");
  EXPECT_EQ(redraw.frame(std::string(30, 'x') + "\n", 20, 4),
            "\r\x1b[3A" + std::string(19, 'x') + "…\x1b[K\n\x1b[J");
  // A window that has become lower holds fewer lines of the last frame than were drawn.
  redraw.frame("1\n2\n3\n4\n5\n", 20, 10);
  EXPECT(redraw.frame("1\n", 20, 3).starts_with("\r\x1b[2A"));
}

TEST(cut_line_keeps_its_colours_and_ends_them) {
  EXPECT_EQ(cut_colored("\x1b[32mgood\x1b[0m day", 20), "\x1b[32mgood\x1b[0m day");
  EXPECT_EQ(cut_colored("\x1b[32mgood\x1b[0m day", 8), "\x1b[32mgood\x1b[0m day");
  EXPECT_EQ(cut_colored("\x1b[32mgood\x1b[0m day", 3), "\x1b[32mgo…\x1b[0m");
  EXPECT_EQ(cut_colored("名前名前", 5), "名前…");
  EXPECT_EQ(cut_colored("abc", 0), "");
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(downloads_look_as_expected),
      cmocka_unit_test(downloads_of_the_original_system_look_as_expected),
      cmocka_unit_test(no_downloads_are_a_heading_and_nothing_else),
      cmocka_unit_test(download_looks_as_expected),
      cmocka_unit_test(files_look_as_expected),
      cmocka_unit_test(file_looks_as_expected),
      cmocka_unit_test(account_and_sessions_look_as_expected),
      cmocka_unit_test(groups_and_members_look_as_expected),
      cmocka_unit_test(status_looks_as_expected),
      cmocka_unit_test(doctor_looks_as_expected),
      cmocka_unit_test(answers_to_an_operator_look_as_expected),
      cmocka_unit_test(no_line_for_a_terminal_is_wider_than_it),
      cmocka_unit_test(foreign_bytes_reach_no_terminal),
      cmocka_unit_test(colours_say_nothing_that_the_words_do_not),
      cmocka_unit_test(download_is_at_100_percent_only_when_complete),
      cmocka_unit_test(text_is_wrapped_at_blanks),
      cmocka_unit_test(frame_is_drawn_over_the_last_one_without_clearing_it_first),
      cmocka_unit_test(frame_fits_into_the_window),
      cmocka_unit_test(cut_line_keeps_its_colours_and_ends_them),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
