// SPDX-License-Identifier: MIT
// From words to commands: every command of p2pctl with the words it takes, and those it refuses.
#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "ctl/command_line.h"
#include "ctl/commands.h"
#include "ctl/password.h"
#include "tests/support/check.h"

using namespace p2p;
using namespace p2p::ctl;

namespace {

// Words are separated by blanks.
Result<Invocation> parse(const std::string& line) {
  std::vector<std::string> words{"p2pctl"};
  for (std::size_t begin = 0; begin < line.size();) {
    const auto end = std::min(line.find(' ', begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  std::vector<const char*> pointers;
  for (const auto& word : words) pointers.push_back(word.c_str());
  return parse_command_line(static_cast<int>(pointers.size()), pointers.data());
}

struct Row {
  const char* line;
  Command command;
  bool (*holds)(const Arguments&) = [](const Arguments&) { return true; };
};

// One line at least for every command of CLI.md; the words of the original system below.
constexpr Row kAccepted[] = {
    {"account create alice --tracker p2p://t:1/#f", account_create,
     [](const Arguments& a) {
       return a.user == "alice" && a.tracker == "p2p://t:1/#f" && !a.password_stdin;
     }},
    {"account create alice --tracker t:1 --password-stdin --invite abc", account_create,
     [](const Arguments& a) { return a.password_stdin && a.invite == "abc"; }},
    {"account login alice", account_login,
     [](const Arguments& a) { return a.user == "alice" && a.tracker.empty(); }},
    {"account login alice --tracker t:1 --password-file f", account_login,
     [](const Arguments& a) { return a.password_file == "f"; }},
    {"account logout", account_logout},
    {"account whoami", account_whoami},
    {"account passwd", account_passwd, [](const Arguments& a) { return !a.password_stdin; }},
    {"account passwd --password-stdin", account_passwd, [](const Arguments& a) { return a.password_stdin; }},
    {"account sessions list", account_sessions_list},
    {"account sessions revoke 5f0c", account_sessions_revoke,
     [](const Arguments& a) { return a.id == "5f0c"; }},
    {"group create lab --description films --unlisted", group_create,
     [](const Arguments& a) { return a.group == "lab" && a.description == "films" && a.unlisted; }},
    {"group list", group_list, [](const Arguments& a) { return !a.mine; }},
    {"group list --mine", group_list, [](const Arguments& a) { return a.mine; }},
    {"group show lab", group_show, [](const Arguments& a) { return a.group == "lab"; }},
    {"group join lab --message hi --wait", group_join,
     [](const Arguments& a) { return a.group == "lab" && a.message == "hi" && a.wait; }},
    {"group leave lab", group_leave, [](const Arguments& a) { return a.group == "lab"; }},
    {"group requests", group_requests, [](const Arguments& a) { return a.group.empty(); }},
    {"group requests lab", group_requests, [](const Arguments& a) { return a.group == "lab"; }},
    {"group accept lab bob carol", group_accept,
     [](const Arguments& a) { return a.group == "lab" && a.users.size() == 2 && a.users[1] == "carol"; }},
    {"group reject lab bob", group_reject, [](const Arguments& a) { return a.users.size() == 1; }},
    {"group invite lab bob carol", group_invite,
     [](const Arguments& a) { return a.group == "lab" && a.users.size() == 2 && a.users[1] == "carol"; }},
    {"group members lab", group_members, [](const Arguments& a) { return a.group == "lab"; }},
    {"group promote lab bob", group_promote,
     [](const Arguments& a) { return a.group == "lab" && a.user == "bob"; }},
    {"group demote lab bob", group_demote, [](const Arguments& a) { return a.user == "bob"; }},
    {"group remove lab bob", group_remove, [](const Arguments& a) { return a.user == "bob"; }},
    {"group transfer lab bob", group_transfer, [](const Arguments& a) { return a.user == "bob"; }},
    {"file share film.mkv lab --name other --wait", file_share,
     [](const Arguments& a) {
       return a.path == "film.mkv" && a.group == "lab" && a.name == "other" && a.wait;
     }},
    {"file list", file_list, [](const Arguments& a) { return a.group.empty(); }},
    {"file list lab", file_list, [](const Arguments& a) { return a.group == "lab"; }},
    {"file show lab/film.mkv", file_show, [](const Arguments& a) { return a.file == "lab/film.mkv"; }},
    {"file unshare lab/film.mkv", file_unshare, [](const Arguments& a) { return a.file == "lab/film.mkv"; }},
    {"file withdraw lab/film.mkv", file_withdraw,
     [](const Arguments& a) { return a.file == "lab/film.mkv"; }},
    {"download start lab/film.mkv -o dir --wait --on-exist rename", download_start,
     [](const Arguments& a) {
       return a.file == "lab/film.mkv" && a.output == "dir" && a.wait && a.on_exist == "rename";
     }},
    {"download list", download_list, [](const Arguments& a) { return !a.watch; }},
    {"download list --watch", download_list, [](const Arguments& a) { return a.watch; }},
    {"download show 9f86", download_show, [](const Arguments& a) { return a.id == "9f86"; }},
    {"download pause 9f86", download_pause, [](const Arguments& a) { return a.ids.size() == 1; }},
    {"download resume 9f86 6030", download_resume, [](const Arguments& a) { return a.ids.size() == 2; }},
    {"download cancel 9f86 6030 fd61", download_cancel,
     [](const Arguments& a) { return a.ids.size() == 3 && a.ids[2] == "fd61"; }},
    {"download forget 9f86", download_forget, [](const Arguments& a) { return a.ids[0] == "9f86"; }},
    {"download wait 9f86 6030", download_wait, [](const Arguments& a) { return a.ids.size() == 2; }},
    {"limits show", limits_show},
    {"limits set --upload 20M --download unlimited", limits_set,
     [](const Arguments& a) { return a.upload == "20M" && a.download == "unlimited"; }},
    {"status", daemon_status, [](const Arguments& a) { return !a.watch; }},
    {"status --watch", daemon_status, [](const Arguments& a) { return a.watch; }},
    {"daemon doctor", daemon_doctor},
    {"tracker address", tracker_address},
    {"tracker status", tracker_status},
    {"tracker user list", tracker_user_list},
    {"tracker user disable bob", tracker_user_disable, [](const Arguments& a) { return a.user == "bob"; }},
    {"tracker user enable bob", tracker_user_enable, [](const Arguments& a) { return a.user == "bob"; }},
    {"tracker user reset-password bob", tracker_user_reset_password,
     [](const Arguments& a) { return a.user == "bob" && !a.generate && !a.password_stdin; }},
    {"tracker user reset-password bob --password-stdin", tracker_user_reset_password,
     [](const Arguments& a) { return a.password_stdin; }},
    {"tracker group list", tracker_group_list},
    {"tracker backup t.backup", tracker_backup, [](const Arguments& a) { return a.path == "t.backup"; }},
    {"tracker invite", tracker_invite, [](const Arguments& a) { return a.uses == 1 && a.expires.empty(); }},
    {"tracker invite --uses 5 --expires 12h", tracker_invite,
     [](const Arguments& a) { return a.uses == 5 && a.expires == "12h"; }},
    // shortcuts
    {"share film.mkv lab", file_share, [](const Arguments& a) { return a.path == "film.mkv"; }},
    {"get lab/film.mkv", download_start, [](const Arguments& a) { return a.file == "lab/film.mkv"; }},
    {"ls lab", file_list, [](const Arguments& a) { return a.group == "lab"; }},
    {"logout", account_logout},
    {"join lab", group_join, [](const Arguments& a) { return a.group == "lab"; }},
    // the words of the original system
    {"create_user alice --tracker t:1", original_create_user,
     [](const Arguments& a) { return a.user == "alice" && a.tracker == "t:1"; }},
    {"create_user alice", original_create_user, [](const Arguments& a) { return a.tracker.empty(); }},
    {"login alice", account_login, [](const Arguments& a) { return a.user == "alice"; }},
    {"create_group lab", group_create, [](const Arguments& a) { return a.group == "lab"; }},
    {"join_group lab", group_join, [](const Arguments& a) { return a.group == "lab"; }},
    {"leave_group lab", group_leave, [](const Arguments& a) { return a.group == "lab"; }},
    {"list_requests lab", group_requests, [](const Arguments& a) { return a.group == "lab"; }},
    {"requests list_requests lab", group_requests, [](const Arguments& a) { return a.group == "lab"; }},
    {"accept_request lab bob", group_accept,
     [](const Arguments& a) { return a.group == "lab" && a.users[0] == "bob"; }},
    {"reject_request lab bob", group_reject, [](const Arguments& a) { return a.users[0] == "bob"; }},
    {"list_groups", group_list},
    {"list_files lab", file_list, [](const Arguments& a) { return a.group == "lab"; }},
    {"upload_file dir/film.mkv lab", file_share,
     [](const Arguments& a) { return a.path == "dir/film.mkv" && a.group == "lab"; }},
    {"download_file lab film.mkv out/", original_download_file,
     [](const Arguments& a) { return a.group == "lab" && a.name == "film.mkv" && a.output == "out/"; }},
    {"show_downloads", original_show_downloads},
    {"stop_share lab film.mkv", original_stop_share,
     [](const Arguments& a) { return a.group == "lab" && a.name == "film.mkv"; }},
};

constexpr const char* kRefused[] = {
    "account create alice",  // no tracker
    "account create --tracker t:1",
    "account login alice --password-stdin --password-file f",
    "account passwd --password-file f",
    "account sessions",
    "account sessions revoke",
    "group invite lab",
    "group promote lab",
    "group promote lab bob carol",
    "group transfer lab",
    "file unshare",
    "file withdraw lab/a lab/b",
    "download pause",
    "download start lab/a --on-exist explode",
    "tracker user",
    "tracker user disable",
    "tracker backup",
    "tracker invite --uses 0",
    "tracker invite --uses -1",
    "tracker invite --uses many",
    "daemon",
    "stop_share lab",
    "download_file lab film.mkv",
    "upload_file film.mkv",
    "accept_request lab",
    "list_files",
    "status extra",
    "--timeout soon status",
    "--color sometimes status",
};

TEST(every_command_takes_its_words) {
  ::unsetenv("P2P_TRACKER");
  for (const auto& row : kAccepted) {
    const auto invocation = parse(row.line);
    if (!invocation || invocation->command != row.command || !row.holds(invocation->arguments))
      throw test::Failure{std::string(row.line) + ": " + test::complaint(invocation), __FILE__, __LINE__};
  }
}

TEST(words_that_do_not_fit_are_a_usage_error_with_a_hint) {
  for (const auto* line : kRefused) {
    const auto invocation = parse(line);
    if (invocation || exit_status(invocation.error().code) != 2 || invocation.error().hint.empty())
      throw test::Failure{line, __FILE__, __LINE__};
  }
}

TEST(every_command_has_a_help_of_its_own) {
  for (const auto& row : kAccepted) {
    std::string line = row.line;
    const auto invocation = parse(line + " --help");
    EXPECT_OK(invocation);
    EXPECT(invocation->text.find("Usage: p2pctl ") != std::string::npos);
    EXPECT(invocation->text.find("p2pctl --help") != std::string::npos);
  }
}

TEST(help_texts_are_not_wider_than_120_columns) {
  std::set<std::string> lines{"--help", "account --help", "account sessions --help", "tracker user --help"};
  for (const auto& row : kAccepted) lines.insert(std::string(row.line) + " --help");
  for (const auto& line : lines) {
    const auto text = parse(line)->text;
    for (std::size_t begin = 0; begin < text.size();) {
      const auto end = std::min(text.find('\n', begin), text.size());
      EXPECT(end - begin <= 120);
      begin = end + 1;
    }
  }
}

TEST(words_of_the_original_system_are_not_in_the_main_help) {
  const auto text = parse("--help")->text;
  for (const auto* word : {"create_user", "upload_file", "stop_share", "show_downloads", "requests"})
    EXPECT(text.find(word) == std::string::npos);
  for (const auto* word : {"account", "daemon", "tracker", "status"})
    EXPECT(text.find(word) != std::string::npos);
}

TEST(global_options_stand_anywhere) {
  for (const auto* line :
       {"--json -y --socket s account sessions list", "account --json -y sessions --socket s list",
        "account sessions list --socket s --json -y"}) {
    const auto invocation = parse(line);
    EXPECT_OK(invocation);
    EXPECT(invocation->command == account_sessions_list);
    EXPECT(invocation->globals.json && invocation->globals.yes);
    EXPECT_EQ(invocation->globals.socket, "s");
  }
}

TEST(near_miss_gets_the_command_that_was_meant) {
  const auto message = [](const char* line) { return parse(line).error().message; };
  EXPECT_EQ(message("account sesions list"), "unknown command 'account sesions' - did you mean 'sessions'?");
  EXPECT_EQ(message("tracker user disabel bob"), "unknown command 'user disabel' - did you mean 'disable'?");
  EXPECT_EQ(message("passwd"), "unknown command 'passwd' - did you mean 'account passwd'?");
  EXPECT_EQ(message("doctor"), "unknown command 'doctor' - did you mean 'daemon doctor'?");
  EXPECT_EQ(message("download list --wacth"), "unknown option '--wacth' - did you mean '--watch'?");
  EXPECT_EQ(message("create_usr alice"), "unknown command 'create_usr'");
}

TEST(password_word_is_refused_wherever_a_password_is_needed) {
  for (const auto* line : {"account create alice s3cret --tracker t:1", "login alice s3cret",
                           "create_user alice s3cret", "account passwd s3cret",
                           "account passwd old-one new-one", "tracker user reset-password bob s3cret"}) {
    const auto invocation = parse(line);
    EXPECT(!invocation);
    EXPECT_EQ(invocation.error().message, "passwords are never taken from the command line");
    EXPECT(invocation.error().hint.find("--password-stdin") != std::string::npos);
    EXPECT_EQ(exit_status(invocation.error().code), 2);
  }
}

TEST(tracker_of_create_user_comes_from_the_environment_too) {
  ::setenv("P2P_TRACKER", "p2p://env:1/#f", 1);
  const auto from_environment = parse("create_user alice");
  const auto given = parse("create_user alice --tracker given:1");
  ::unsetenv("P2P_TRACKER");

  EXPECT_OK(from_environment);
  EXPECT_EQ(from_environment->arguments.tracker, "p2p://env:1/#f");
  EXPECT_OK(given);
  EXPECT_EQ(given->arguments.tracker, "given:1");
}

TEST(errors_of_words_follow_the_options_among_them) {
  const char* json[] = {"p2pctl", "--json", "groop"};
  const char* color[] = {"p2pctl", "groop", "--color", "never"};
  const char* behind[] = {"p2pctl", "--", "--json"};
  EXPECT(globals_for_errors(json).json);
  EXPECT(globals_for_errors(color).color == ColorMode::Never);
  EXPECT(!globals_for_errors(behind).json);
}

TEST(generated_password_has_100_bits_and_no_doubtful_letters) {
  const auto password = generate_password();
  EXPECT_OK(password);
  const std::string text(as_text(password->view()));
  EXPECT_EQ(text.size(), 23u);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % 6 == 5) EXPECT_EQ(text[i], '-');
    else EXPECT(std::string("0123456789abcdefghjkmnpqrstvwxyz").find(text[i]) != std::string::npos);
  }
  EXPECT(as_text(generate_password()->view()) != text);
}

TEST(every_five_bits_have_a_letter_of_their_own) {
  std::set<char> letters;
  for (std::uint8_t value = 0; value < 32; ++value) {
    const Bytes bytes(20, value);
    const auto password = password_of(bytes);
    letters.insert(as_text(password.view())[0]);
    const Bytes same(20, static_cast<std::uint8_t>(value + 32));
    EXPECT(as_text(password_of(same).view()) == as_text(password.view()));
  }
  EXPECT_EQ(letters.size(), 32u);
}

TEST(salts_are_new_each_time) {
  const auto salt = new_salt();
  EXPECT_OK(salt);
  EXPECT_EQ(salt->size(), kSaltBytes);
  EXPECT(*new_salt() != *salt);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(every_command_takes_its_words),
      cmocka_unit_test(words_that_do_not_fit_are_a_usage_error_with_a_hint),
      cmocka_unit_test(every_command_has_a_help_of_its_own),
      cmocka_unit_test(help_texts_are_not_wider_than_120_columns),
      cmocka_unit_test(words_of_the_original_system_are_not_in_the_main_help),
      cmocka_unit_test(global_options_stand_anywhere),
      cmocka_unit_test(near_miss_gets_the_command_that_was_meant),
      cmocka_unit_test(password_word_is_refused_wherever_a_password_is_needed),
      cmocka_unit_test(tracker_of_create_user_comes_from_the_environment_too),
      cmocka_unit_test(errors_of_words_follow_the_options_among_them),
      cmocka_unit_test(generated_password_has_100_bits_and_no_doubtful_letters),
      cmocka_unit_test(every_five_bits_have_a_letter_of_their_own),
      cmocka_unit_test(salts_are_new_each_time),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
