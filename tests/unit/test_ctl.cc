// SPDX-License-Identifier: MIT
#include <algorithm>
#include <initializer_list>
#include <limits>
#include <vector>

#include "ctl/arguments.h"
#include "ctl/command_line.h"
#include "ctl/output.h"
#include "ctl/password.h"
#include "ctl/progress.h"
#include "ctl/table.h"
#include "proto/control.pb.h"
#include "tests/support/check.h"

using namespace p2p;
using namespace p2p::ctl;

namespace {

Result<Invocation> parse(std::initializer_list<const char*> words) {
  std::vector<const char*> all{"p2pctl"};
  all.insert(all.end(), words.begin(), words.end());
  return parse_command_line(static_cast<int>(all.size()), all.data());
}

ScryptParameters usual_parameters() { return {1, 17, 8, 1, std::string(16, 's')}; }

WorkState film() {
  WorkState state;
  state.label = "lab/film.mkv";
  state.done = 1.125 * 0x1p30;
  state.size = 2.0 * 0x1p30;
  state.rate = 84.25 * 0x1p20;
  state.peers = 6;
  return state;
}

// --- tables ---

TEST(columns_are_padded_by_display_width) {
  Table table({{"NAME"}, {"SIZE", Align::Right}});
  table.add({"名前.txt", "5"});
  table.add({"a", "12345"});

  EXPECT_EQ(table.text({.laid_out = true}),
            "NAME       SIZE\n"
            "名前.txt      5\n"
            "a         12345\n");
}

TEST(combining_characters_take_no_column) {
  EXPECT_EQ(display_width("e\u0301"), 1u);
  EXPECT_EQ(display_width("名前"), 4u);
}

TEST(cut_never_splits_a_wide_character) {
  EXPECT_EQ(cut_to_width("名前名前", 8), "名前名前");
  EXPECT_EQ(cut_to_width("名前名前", 7), "名前名…");
  EXPECT_EQ(cut_to_width("名前名前", 6), "名前…");
  EXPECT_EQ(cut_to_width("abc", 0), "");
}

TEST(wide_table_is_cut_to_the_terminal) {
  Table table({{"NAME"}, {"STATE"}});
  table.add({std::string(100, 'x'), "paused"});

  const auto text = table.text({.laid_out = true, .width = 30});

  EXPECT_EQ(text.substr(text.find('\n') + 1), std::string(21, 'x') + "…  paused\n");
}

TEST(table_for_a_script_is_tabbed_and_never_cut) {
  Table table({{"NAME"}, {"STATE"}});
  table.add({std::string(100, 'x'), "paused"});

  EXPECT_EQ(table.text({.laid_out = false, .width = 30}),
            "NAME\tSTATE\n" + std::string(100, 'x') + "\tpaused\n");
  EXPECT_EQ(table.text({.laid_out = false, .heading = false}), std::string(100, 'x') + "\tpaused\n");
}

TEST(hostile_name_stays_one_cell_of_one_line) {
  Table table({{"NAME"}, {"STATE"}});
  table.add({"a\tb\nc\x1b[2J\xff\u202e", "ok"});

  EXPECT_EQ(table.text({.heading = false}), "a\\x09b\\x0ac\\x1b[2J\\xff\\u{202e}\tok\n");
}

TEST(missing_cells_are_empty) {
  Table table({{"A"}, {"B"}});
  table.add({"1"});

  EXPECT_EQ(table.text({.heading = false}), "1\t\n");
}

// --- errors and documents ---

TEST(error_is_one_json_object) {
  EXPECT_EQ(error_json({Code::NotMember, "not a member of 'lab'", "ask"}, 5),
            R"({"error":{"code":"not_member","message":"not a member of 'lab'","hint":"ask","exit":5}})");
}

TEST(hostile_bytes_stay_inside_a_json_string) {
  EXPECT_EQ(json_string("a\"b\\c\n\x1b\xff"), R"("a\"b\\c\u000a\u001b\ufffd")");
  EXPECT_EQ(json_string("\u202e\U000E0001"), R"("\u202e\udb40\udc01")");
  EXPECT_EQ(json_string("名"), "\"名\"");
}

TEST(error_for_people_has_two_lines_at_most) {
  EXPECT_EQ(error_text({Code::NotFound, "no group\nlab", "look"}, false),
            "p2pctl: no group\\x0alab\nhint: look\n");
  const auto text = error_text({Code::NotFound, "no group", ""}, false);
  EXPECT(text.starts_with("p2pctl: no group\nhint: "));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(document_keeps_names_and_prints_numbers_as_numbers) {
  pb::control::Download download;
  download.set_name("film.mkv");
  download.set_state(pb::control::stalled);
  download.set_size(0x1p50);

  const auto json = message_json(download);

  EXPECT_OK(json);
  EXPECT(json->find(R"("state":"stalled")") != std::string::npos);
  EXPECT(json->find(R"("size":1125899906842624)") != std::string::npos);
  EXPECT(json->find(R"("file_sha1":"pending")") != std::string::npos);
  EXPECT(json->find(R"("sources":[])") != std::string::npos);
}

// --- progress ---

TEST(progress_line_shows_everything_when_there_is_room) {
  EXPECT_EQ(progress_line(film(), 100),
            "lab/film.mkv  [##########--------]  56%  1.1/2.0 GiB  84.2 MiB/s  6 peers  ETA 0:11");
}

TEST(progress_line_fits_every_width) {
  auto state = film();
  state.label = "lab/名前の長いファイル.mkv";
  for (std::size_t width = 1; width < 120; ++width)
    EXPECT(display_width(progress_line(state, width)) <= width);
}

TEST(narrow_progress_line_keeps_the_percentage) {
  EXPECT(progress_line(film(), 24).find("56%") != std::string::npos);
  EXPECT_EQ(progress_line(film(), 60), "lab/film.mkv  [#########--------]  56%  84.2 MiB/s  ETA 0:11");
}

TEST(note_replaces_rate_and_time_left) {
  auto state = film();
  state.note = "stalled: no source is online";

  const auto line = progress_line(state, 100);

  EXPECT(line.find("no source") != std::string::npos);
  EXPECT(line.find("ETA") == std::string::npos);
}

TEST(senseless_amounts_do_no_harm) {
  WorkState state;
  EXPECT_EQ(percent_of(state), 100);
  state.size = 10;
  state.done = 1e300;
  state.rate = -1;
  EXPECT_EQ(percent_of(state), 100);
  state.done = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(percent_of(state), 0);
  state.rate = 1e-300;
  EXPECT(progress_line(state, 80).find("ETA") == std::string::npos);
}

// --- passwords ---

TEST(usual_scrypt_parameters_pass) {
  EXPECT_OK(check_parameters(usual_parameters()));
  for (const std::uint32_t log_n : {16u, 20u}) {
    auto parameters = usual_parameters();
    parameters.log_n = log_n;
    EXPECT_OK(check_parameters(parameters));
  }
}

TEST(scrypt_parameters_out_of_bounds_are_refused) {
  const auto refused = [](auto change) {
    auto parameters = usual_parameters();
    change(parameters);
    return !check_parameters(parameters);
  };
  EXPECT(refused([](auto& p) { p.version = 0; }));
  EXPECT(refused([](auto& p) { p.version = 2; }));
  EXPECT(refused([](auto& p) { p.log_n = 15; }));
  EXPECT(refused([](auto& p) { p.log_n = 21; }));
  EXPECT(refused([](auto& p) { p.r = 9; }));
  EXPECT(refused([](auto& p) { p.p = 2; }));
  EXPECT(refused([](auto& p) { p.salt.resize(15); }));
  EXPECT(refused([](auto& p) { p.salt.resize(65); }));
}

TEST(proof_is_scrypt_of_the_password) {
  auto parameters = usual_parameters();
  parameters.log_n = 16;
  const auto proof = derive_proof(Secret(as_bytes("correct horse")), parameters);
  EXPECT_OK(proof);
  // Python: hashlib.scrypt(b'correct horse', salt=b's' * 16, n=2**16, r=8, p=1, dklen=32, maxmem=2**28)
  EXPECT_EQ(to_hex(proof->view()), "3287255943769b58e17d504971cf3f7600fa8fdacc50356efa49efd0a50b6d46");
}

TEST(password_without_a_source_is_a_usage_error) {
  const auto password = read_password({}, "alice");

  EXPECT(!password);
  EXPECT_EQ(password.error().code, Code::InvalidArgument);
  EXPECT(password.error().hint.find("--password-stdin") != std::string::npos);
}

// --- words ---

TEST(file_address_is_cut_at_the_first_slash) {
  const auto address = split_file_address("lab/a/b c");

  EXPECT_OK(address);
  EXPECT_EQ(address->group, "lab");
  EXPECT_EQ(address->name, "a/b c");
  for (const auto* wrong : {"", "lab", "/film", "lab/"}) EXPECT(!split_file_address(wrong));
}

TEST(paths_become_absolute_and_keep_their_last_slash) {
  EXPECT_EQ(path_from("/home/u", "film"), "/home/u/film");
  EXPECT_EQ(path_from("/home/u", ".//./film"), "/home/u/film");
  EXPECT_EQ(path_from("/home/u", "../dir/"), "/home/u/../dir/");
  EXPECT_EQ(path_from("/home/u", "."), "/home/u/");
  EXPECT_EQ(path_from("/", "a"), "/a");
  EXPECT_EQ(path_from("/home/u", "/x/"), "/x/");
}

TEST(near_word_is_suggested_and_far_one_is_not) {
  const std::vector<std::string> commands{"account", "group", "get", "ls"};

  EXPECT_EQ(suggestion("groop", commands).value_or(""), "group");
  EXPECT_EQ(suggestion("gorup", commands).value_or(""), "group");
  EXPECT_EQ(suggestion("gt", commands).value_or(""), "get");
  EXPECT(!suggestion("torrent", commands));
  EXPECT(!suggestion("xx", commands));
  EXPECT(!suggestion(std::string(1000, 'g'), commands));
}

TEST(global_options_stand_before_and_after_the_command) {
  for (const auto& invocation : {parse({"--json", "--timeout", "5m", "group", "list"}),
                                 parse({"group", "list", "--timeout=5m", "--json"})}) {
    EXPECT_OK(invocation);
    EXPECT(invocation->command == group_list);
    EXPECT(invocation->globals.json);
    EXPECT(invocation->globals.timeout == std::chrono::minutes(5));
  }
}

TEST(word_that_is_also_a_command_is_taken_as_a_name) {
  const auto show = parse({"group", "show", "status"});
  EXPECT_OK(show);
  EXPECT(show->command == group_show);
  EXPECT_EQ(show->arguments.group, "status");

  const auto accept = parse({"group", "accept", "lab", "login", "ls"});
  EXPECT_OK(accept);
  EXPECT_EQ(accept->arguments.users.size(), 2u);
}

TEST(unknown_command_gets_a_suggestion) {
  EXPECT_EQ(parse({"groop", "list"}).error().message, "unknown command 'groop' - did you mean 'group'?");
  EXPECT_EQ(parse({"group", "lsit"}).error().message, "unknown command 'group lsit' - did you mean 'list'?");
  EXPECT_EQ(parse({"status", "--jsno"}).error().message, "unknown option '--jsno' - did you mean '--json'?");
  EXPECT_EQ(parse({}).error().code, Code::InvalidArgument);
  EXPECT_EQ(parse({"group"}).error().message, "'group' needs a command");
}

TEST(password_word_is_refused_and_not_repeated) {
  for (const auto& invocation :
       {parse({"login", "alice", "s3cret"}), parse({"account", "create", "alice", "s3cret"}),
        parse({"create_user", "alice", "s3cret"}), parse({"login", "alice", "status"})}) {
    EXPECT(!invocation);
    EXPECT_EQ(invocation.error().message, "passwords are never taken from the command line");
    EXPECT_EQ(invocation.error().code, Code::InvalidArgument);
  }
}

TEST(words_of_the_original_system_work) {
  const auto get = parse({"download_file", "lab", "film.mkv", "out/"});
  EXPECT_OK(get);
  EXPECT(get->command == original_download_file);
  EXPECT_EQ(get->arguments.output, "out/");
  EXPECT(parse({"requests", "list_requests", "lab"})->command == group_requests);
  EXPECT(parse({"upload_file", "film.mkv", "lab"})->command == file_share);
}

TEST(help_and_version_are_texts) {
  EXPECT_EQ(parse({"--version"})->text, "p2pctl " P2P_VERSION "\n");
  EXPECT(parse({"--help"})->text.find("create_user") == std::string::npos);
  EXPECT(parse({"group", "join", "-h"})->text.find("--message") != std::string::npos);
}

TEST(words_that_are_not_utf8_are_refused) {
  EXPECT_EQ(parse({"ls", "\xff"}).error().code, Code::InvalidArgument);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(columns_are_padded_by_display_width),
      cmocka_unit_test(combining_characters_take_no_column),
      cmocka_unit_test(cut_never_splits_a_wide_character),
      cmocka_unit_test(wide_table_is_cut_to_the_terminal),
      cmocka_unit_test(table_for_a_script_is_tabbed_and_never_cut),
      cmocka_unit_test(hostile_name_stays_one_cell_of_one_line),
      cmocka_unit_test(missing_cells_are_empty),
      cmocka_unit_test(error_is_one_json_object),
      cmocka_unit_test(hostile_bytes_stay_inside_a_json_string),
      cmocka_unit_test(error_for_people_has_two_lines_at_most),
      cmocka_unit_test(document_keeps_names_and_prints_numbers_as_numbers),
      cmocka_unit_test(progress_line_shows_everything_when_there_is_room),
      cmocka_unit_test(progress_line_fits_every_width),
      cmocka_unit_test(narrow_progress_line_keeps_the_percentage),
      cmocka_unit_test(note_replaces_rate_and_time_left),
      cmocka_unit_test(senseless_amounts_do_no_harm),
      cmocka_unit_test(usual_scrypt_parameters_pass),
      cmocka_unit_test(scrypt_parameters_out_of_bounds_are_refused),
      cmocka_unit_test(proof_is_scrypt_of_the_password),
      cmocka_unit_test(password_without_a_source_is_a_usage_error),
      cmocka_unit_test(file_address_is_cut_at_the_first_slash),
      cmocka_unit_test(paths_become_absolute_and_keep_their_last_slash),
      cmocka_unit_test(near_word_is_suggested_and_far_one_is_not),
      cmocka_unit_test(global_options_stand_before_and_after_the_command),
      cmocka_unit_test(word_that_is_also_a_command_is_taken_as_a_name),
      cmocka_unit_test(unknown_command_gets_a_suggestion),
      cmocka_unit_test(password_word_is_refused_and_not_repeated),
      cmocka_unit_test(words_of_the_original_system_work),
      cmocka_unit_test(help_and_version_are_texts),
      cmocka_unit_test(words_that_are_not_utf8_are_refused),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
