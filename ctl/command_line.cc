// SPDX-License-Identifier: MIT
// gcc 12 sees a null pointer in CLI11's vectors of strings once everything is inlined; there is none.
// What it inlines is in <string>, so this stands above all includes.
#pragma GCC diagnostic ignored "-Wnull-dereference"

#include "ctl/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "ctl/table.h"
#include "daemon/base/units.h"

namespace p2p::ctl {
namespace {

enum class Place : std::uint8_t { Listed, Shortcut, Hidden };

// What a command takes. Each function declares words on the command's CLI::App.
void no_words(CLI::App&, Arguments&) {}

void password_words(CLI::App& app, Arguments& to) {
  auto* from_stdin =
      app.add_flag("--password-stdin", to.password_stdin, "Read the password from standard input");
  app.add_option("--password-file", to.password_file, "Read it from a file that only its owner can read")
      ->option_text("FILE")
      ->excludes(from_stdin);
}

void create_words(CLI::App& app, Arguments& to) {
  app.add_option("NAME", to.user, "The new user's name")->required()->option_text(" ");
  app.add_option("--tracker", to.tracker, "Where: p2p://HOST:PORT/#FINGERPRINT")
      ->option_text("ADDRESS")
      ->required();
  app.add_option("--invite", to.invite, "An invitation from the tracker's operator")->option_text("TOKEN");
  password_words(app, to);
}

void login_words(CLI::App& app, Arguments& to) {
  app.add_option("NAME", to.user, "The user's name")->required()->option_text(" ");
  app.add_option("--tracker", to.tracker, "Where: p2p://HOST:PORT/#FINGERPRINT; the last one if not given")
      ->option_text("ADDRESS");
  password_words(app, to);
}

void group_word(CLI::App& app, Arguments& to) {
  app.add_option("GROUP", to.group, "The group")->required()->option_text(" ");
}

void optional_group_word(CLI::App& app, Arguments& to) {
  app.add_option("GROUP", to.group, "One group only")->option_text(" ");
}

void group_create_words(CLI::App& app, Arguments& to) {
  app.add_option("NAME", to.group, "The new group's name")->required()->option_text(" ");
  app.add_option("--description", to.description, "What it is for")->option_text("TEXT");
  app.add_flag("--unlisted", to.unlisted, "Only members can find it");
}

void group_list_words(CLI::App& app, Arguments& to) {
  app.add_flag("--mine", to.mine, "Only groups that this user is in or has asked to join");
}

void join_words(CLI::App& app, Arguments& to) {
  group_word(app, to);
  app.add_option("--message", to.message, "A word to those who decide")->option_text("TEXT");
  app.add_flag("--wait", to.wait, "Return when it is decided");
}

void decide_words(CLI::App& app, Arguments& to) {
  group_word(app, to);
  app.add_option("USER", to.users, "Who asked to join")->required()->option_text("...");
}

void share_words(CLI::App& app, Arguments& to) {
  app.add_option("PATH", to.path, "The file")->required()->option_text(" ");
  group_word(app, to);
  app.add_option("--name", to.name, "Its name in the group; the file's own if not given")
      ->option_text("NAME");
  app.add_flag("--wait", to.wait, "Return when it is listed and served");
}

void file_word(CLI::App& app, Arguments& to) {
  app.add_option("GROUP/NAME", to.file, "The file")->required()->option_text(" ");
}

void start_words(CLI::App& app, Arguments& to) {
  file_word(app, to);
  app.add_option("-o,--output", to.output, "Folder or file to write to")->option_text("DIR|FILE");
  app.add_flag("--wait", to.wait, "Return when it is complete");
  app.add_option("--on-exist", to.on_exist, "If there is such a file: fail, rename or overwrite")
      ->option_text("WHAT")
      ->check(CLI::IsMember({"fail", "rename", "overwrite"}));
}

void id_word(CLI::App& app, Arguments& to) {
  app.add_option("ID", to.id, "The download, or the beginning of its id")->required()->option_text(" ");
}

void ids_word(CLI::App& app, Arguments& to) {
  app.add_option("ID", to.ids, "Downloads, or the beginnings of their ids")->required()->option_text("...");
}

void limits_words(CLI::App& app, Arguments& to) {
  app.add_option("--upload", to.upload, "Bytes a second: 20MiB, 512K, unlimited")->option_text("RATE");
  app.add_option("--download", to.download, "Bytes a second")->option_text("RATE");
}

void original_download_words(CLI::App& app, Arguments& to) {
  group_word(app, to);
  app.add_option("FILE", to.name, "The file's name")->required()->option_text(" ");
  app.add_option("DEST", to.output, "Folder or file to write to")->required()->option_text(" ");
}

struct NounRow {
  const char* noun;
  const char* summary;
  Place place = Place::Listed;
};

constexpr std::array kNouns{
    NounRow{"account", "Your account on a tracker"},
    NounRow{"group", "Groups: create, join, decide who joins"},
    NounRow{"file", "What groups share"},
    NounRow{"download", "Downloads of this device"},
    NounRow{"limits", "How fast this device sends and receives"},
    NounRow{"tracker", "For a tracker's operator, with --socket of its control socket"},
    NounRow{"requests", "Requests to join", Place::Hidden},
};

struct CommandRow {
  const char* noun;  // empty: the verb stands alone
  const char* verb;
  const char* summary;
  void (*declare)(CLI::App&, Arguments&);
  Command run;
  Place place = Place::Listed;
};

constexpr std::array kCommands{
    CommandRow{"account", "create", "Make an account and log in", create_words, account_create},
    CommandRow{"account", "login", "Log in on this device", login_words, account_login},
    CommandRow{"account", "logout", "Stop sharing and end this device's session", no_words, account_logout},
    CommandRow{"account", "whoami", "Show who is logged in", no_words, account_whoami},
    CommandRow{"group", "create", "Make a group and own it", group_create_words, group_create},
    CommandRow{"group", "list", "List groups", group_list_words, group_list},
    CommandRow{"group", "show", "Show a group", group_word, group_show},
    CommandRow{"group", "join", "Ask to join a group", join_words, group_join},
    CommandRow{"group", "leave", "Leave a group", group_word, group_leave},
    CommandRow{"group", "requests", "List who asks to join", optional_group_word, group_requests},
    CommandRow{"group", "accept", "Let users in", decide_words, group_accept},
    CommandRow{"group", "reject", "Turn users down", decide_words, group_reject},
    CommandRow{"group", "members", "List a group's members", group_word, group_members},
    CommandRow{"file", "share", "Share a file with a group", share_words, file_share},
    CommandRow{"file", "list", "List shared files", optional_group_word, file_list},
    CommandRow{"file", "show", "Show a shared file", file_word, file_show},
    CommandRow{"download", "start", "Download a file", start_words, download_start},
    CommandRow{"download", "list", "List downloads", no_words, download_list},
    CommandRow{"download", "show", "Show a download", id_word, download_show},
    CommandRow{"download", "wait", "Wait until downloads are complete", ids_word, download_wait},
    CommandRow{"limits", "show", "Show the limits", no_words, limits_show},
    CommandRow{"limits", "set", "Set the limits", limits_words, limits_set},
    CommandRow{"tracker", "address", "Show the address to give to users", no_words, tracker_address},
    CommandRow{"tracker", "status", "Show what the tracker does", no_words, tracker_status},
    CommandRow{"", "status", "Account, tracker and transfers on one page", no_words, daemon_status},
    CommandRow{"", "share", "file share", share_words, file_share, Place::Shortcut},
    CommandRow{"", "get", "download start", start_words, download_start, Place::Shortcut},
    CommandRow{"", "ls", "file list", optional_group_word, file_list, Place::Shortcut},
    CommandRow{"", "login", "account login", login_words, account_login, Place::Shortcut},
    CommandRow{"", "logout", "account logout", no_words, account_logout, Place::Shortcut},
    CommandRow{"", "join", "group join", join_words, group_join, Place::Shortcut},
    // The words of the original system.
    CommandRow{"", "create_user", "account create", create_words, account_create, Place::Hidden},
    CommandRow{"", "create_group", "group create", group_create_words, group_create, Place::Hidden},
    CommandRow{"", "join_group", "group join", join_words, group_join, Place::Hidden},
    CommandRow{"", "leave_group", "group leave", group_word, group_leave, Place::Hidden},
    CommandRow{"", "list_requests", "group requests", group_word, group_requests, Place::Hidden},
    CommandRow{"requests", "list_requests", "group requests", group_word, group_requests, Place::Hidden},
    CommandRow{"", "accept_request", "group accept", decide_words, group_accept, Place::Hidden},
    CommandRow{"", "reject_request", "group reject", decide_words, group_reject, Place::Hidden},
    CommandRow{"", "list_groups", "group list", group_list_words, group_list, Place::Hidden},
    CommandRow{"", "list_files", "file list", group_word, file_list, Place::Hidden},
    CommandRow{"", "upload_file", "file share", share_words, file_share, Place::Hidden},
    CommandRow{"", "download_file", "download start", original_download_words, original_download_file,
               Place::Hidden},
    CommandRow{"", "show_downloads", "download list", no_words, original_show_downloads, Place::Hidden},
};

const char* help_group(Place place) {
  switch (place) {
    case Place::Listed: return "Commands";
    case Place::Shortcut: return "Shortcuts";
    case Place::Hidden: return "";  // CLI11 shows no such group
  }
  return "";
}

// The parser and what it fills in. Not movable: the parser holds references into it.
class Parser {
 public:
  Parser();
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  Result<Invocation> parse(int count, const char* const* words);

 private:
  struct Declared {
    const CommandRow* row;
    CLI::App* app;
  };
  void declare_globals();
  void declare_commands();
  Result<Invocation> finish();
  const Declared* chosen() const;
  Error usage_error(const CLI::ParseError& error) const;
  Error unknown_word(const CLI::App& app, const std::string& word) const;
  // What was typed of the command so far: "p2pctl group".
  static std::string name_of(const CLI::App& app);

  CLI::App app_{"Group-based peer-to-peer file sharing: the control tool.", "p2pctl"};
  Invocation invocation_;
  std::string color_ = "auto";
  std::string timeout_;
  std::vector<Declared> declared_;
};

Parser::Parser() {
  app_.fallthrough();  // inherited by subcommands that are added later: global options may follow a command
  app_.require_subcommand(1);
  app_.set_help_flag("-h,--help", "Show help and end");
  app_.set_version_flag("-V,--version", "p2pctl " P2P_VERSION, "Show the version and end");
  declare_globals();
  declare_commands();
}

void Parser::declare_globals() {
  auto& globals = invocation_.globals;
  app_.add_option("--socket", globals.socket, "The daemon's control socket (environment: P2P_SOCKET)")
      ->option_text("PATH")
      ->envname("P2P_SOCKET");
  app_.add_flag("--json", globals.json, "Print one JSON document");
  app_.add_flag("-q,--quiet", globals.quiet, "No talk, no headings, no progress");
  app_.add_option("--color", color_, "auto, always or never")
      ->option_text("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app_.add_flag("--no-input", globals.no_input, "Ask nothing");
  app_.add_flag("-y,--yes", globals.yes, "Answer questions with yes");
  app_.add_option("--timeout", timeout_, "How long to wait for an answer: 30s, 5m, 4h")
      ->option_text("DURATION");
}

void Parser::declare_commands() {
  for (const auto& row : kNouns) {
    auto* noun = app_.add_subcommand(row.noun, row.summary)->group(help_group(row.place));
    noun->require_subcommand(1);
  }
  for (const auto& row : kCommands) {
    const bool stands_alone = *row.noun == '\0';
    CLI::App* parent = stands_alone ? &app_ : app_.get_subcommand(row.noun);
    auto* command = parent->add_subcommand(row.verb, row.summary)
                        ->group(help_group(stands_alone ? row.place : Place::Listed));
    row.declare(*command, invocation_.arguments);
    command->footer("Global options: see 'p2pctl --help'.");
    declared_.push_back({&row, command});
  }
}

Result<Invocation> Parser::parse(int count, const char* const* words) {
  try {
    app_.parse(count, words);
  } catch (const CLI::CallForHelp&) {
    invocation_.text = app_.help();
    return invocation_;
  } catch (const CLI::CallForVersion& version) {
    invocation_.text = std::string(version.what()) + "\n";
    return invocation_;
  } catch (const CLI::ParseError& error) {
    return fail(usage_error(error));
  }
  return finish();
}

Result<Invocation> Parser::finish() {
  if (color_ == "always") invocation_.globals.color = ColorMode::Always;
  if (color_ == "never") invocation_.globals.color = ColorMode::Never;
  if (!timeout_.empty()) {
    const auto timeout = parse_duration(timeout_);
    if (!timeout) return fail(timeout.error().in("--timeout"));
    invocation_.globals.timeout = *timeout;
  }
  const auto* command = chosen();
  if (command == nullptr) return fail(Code::Internal, "no command was chosen");
  invocation_.command = command->row->run;
  return invocation_;
}

const Parser::Declared* Parser::chosen() const {
  const auto found = std::find_if(declared_.begin(), declared_.end(),
                                  [](const auto& command) { return command.app->parsed(); });
  return found != declared_.end() ? &*found : nullptr;
}

std::string Parser::name_of(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : name_of(*app.get_parent()) + " " + app.get_name();
}

Error Parser::unknown_word(const CLI::App& app, const std::string& word) const {
  std::vector<std::string> candidates;
  const bool is_option = word.starts_with("-");
  if (is_option) {
    for (const auto* level = &app; level != nullptr; level = level->get_parent())
      for (const auto* option : level->get_options())
        for (const auto& name : option->get_lnames()) candidates.push_back("--" + name);
  } else {
    for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
      if (!command->get_group().empty()) candidates.push_back(command->get_name());
  }
  const bool is_command = !is_option && !candidates.empty();
  const auto kind = is_option ? "unknown option" : is_command ? "unknown command" : "unexpected word";
  auto typed = is_command && app.get_parent() != nullptr ? app.get_name() + " " + word : word;
  auto message = fmt::format("{} '{}'", kind, typed);
  if (const auto near = suggestion(word.substr(0, word.find('=')), candidates))
    message += fmt::format(" - did you mean '{}'?", *near);
  return {Code::InvalidArgument, message, fmt::format("see '{} --help'", name_of(app))};
}

Error Parser::usage_error(const CLI::ParseError& error) const {
  const CLI::App* deepest = &app_;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().back();
  const auto unknown = app_.remaining(true);
  const auto* command = chosen();
  const bool takes_password =
      command != nullptr && (command->row->run == account_create || command->row->run == account_login);
  if (!unknown.empty()) {
    // Not repeated in the message: it may be a password.
    if (takes_password && !unknown.front().starts_with("-"))
      return {Code::InvalidArgument, "passwords are never taken from the command line",
              "leave it out to be asked, or pass it with --password-stdin or --password-file FILE"};
    return unknown_word(*deepest, unknown.front());
  }
  const auto hint = fmt::format("see '{} --help'", name_of(*deepest));
  if (command == nullptr && error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError))
    return {
        Code::InvalidArgument,
        deepest == &app_ ? "no command is given" : fmt::format("'{}' needs a command", deepest->get_name()),
        hint};
  return {Code::InvalidArgument, error.what(), hint};
}

}  // namespace

Result<Invocation> parse_command_line(int count, const char* const* words) {
  for (int i = 1; i < count; ++i)
    if (!is_utf8(words[i])) return fail(Code::InvalidArgument, fmt::format("word {} is not valid UTF-8", i));
  Parser parser;
  return parser.parse(count, words);
}

Globals globals_for_errors(std::span<const char* const> words) {
  Globals globals;
  for (const std::string_view word : words) {
    if (word == "--") break;
    if (word == "--json") globals.json = true;
    if (word == "--color=never") globals.color = ColorMode::Never;
  }
  return globals;
}

}  // namespace p2p::ctl
