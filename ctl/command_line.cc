// SPDX-License-Identifier: MIT
// gcc 12 sees a null pointer in CLI11's vectors of strings once everything is inlined; there is none.
// What it inlines is in <string>, so this stands above all includes.
#pragma GCC diagnostic ignored "-Wnull-dereference"

#include "ctl/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <fmt/format.h>

#include "ctl/command_table.h"
#include "ctl/table.h"
#include "daemon/base/units.h"

namespace p2p::ctl {
namespace {

constexpr std::size_t kHelpWidth = 80;

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
  CLI::App& noun_at(std::string_view path);  // "account sessions"; empty: the program itself
  Result<Invocation> finish();
  const Declared* chosen() const;
  Error usage_error(const CLI::ParseError& error) const;
  static std::optional<std::string> elsewhere(std::string_view verb);
  static const char* password_hint(const CommandRow& row);
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
  app_.footer("'p2pctl COMMAND --help' has more. Without a terminal, and with --no-input, nothing is asked.");
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

CLI::App& Parser::noun_at(std::string_view path) {
  CLI::App* app = &app_;
  while (!path.empty()) {
    const auto end = std::min(path.find(' '), path.size());
    app = app->get_subcommand(std::string(path.substr(0, end)));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return *app;
}

void Parser::declare_commands() {
  for (const auto& row : nouns()) {
    const std::string_view path = row.noun;
    const auto blank = path.rfind(' ');
    const bool is_inner = blank != std::string_view::npos;
    auto& parent = is_inner ? noun_at(path.substr(0, blank)) : app_;
    auto* noun = parent.add_subcommand(std::string(is_inner ? path.substr(blank + 1) : path), row.summary);
    noun->group(help_group(row.place));
    noun->require_subcommand(1);
    noun->footer("'" + name_of(*noun) + " COMMAND --help' has more.");
  }
  for (const auto& row : commands()) {
    const bool stands_alone = *row.noun == '\0';
    auto* command = noun_at(row.noun).add_subcommand(row.verb, row.summary);
    command->group(help_group(stands_alone ? row.place : Place::Listed));
    row.declare(*command, invocation_.arguments);
    std::string footer;
    for (const auto& line : wrapped(row.details, kHelpWidth)) footer += line + "\n";
    command->footer((*row.details != '\0' ? footer + "\n" : "") + "Global options: see 'p2pctl --help'.");
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

// The whole command whose verb was typed where a noun is wanted: "account passwd". The first of several.
std::optional<std::string> Parser::elsewhere(std::string_view verb) {
  for (const auto& row : commands())
    if (row.verb == verb && *row.noun != '\0' && row.place != Place::Hidden)
      return fmt::format("{} {}", row.noun, row.verb);
  return std::nullopt;
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
  auto near = suggestion(word.substr(0, word.find('=')), candidates);
  if (!near && is_command) near = elsewhere(word);
  if (near) message += fmt::format(" - did you mean '{}'?", *near);
  return {Code::InvalidArgument, message, fmt::format("see '{} --help'", name_of(app))};
}

// Where a word too many may well be a password: how to pass it instead.
const char* Parser::password_hint(const CommandRow& row) {
  const auto run = row.run;
  if (run == account_passwd)
    return "leave it out to be asked, or pass both with --password-stdin, the present one first";
  if (run == account_create || run == account_login || run == original_create_user ||
      run == tracker_user_reset_password)
    return "leave it out to be asked, or pass it with --password-stdin or --password-file FILE";
  return nullptr;
}

Error Parser::usage_error(const CLI::ParseError& error) const {
  const CLI::App* deepest = &app_;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().back();
  const auto unknown = app_.remaining(true);
  const auto* command = chosen();
  if (!unknown.empty()) {
    // Not repeated in the message: it may be a password.
    const char* way = command != nullptr ? password_hint(*command->row) : nullptr;
    if (way != nullptr && !unknown.front().starts_with("-"))
      return {Code::InvalidArgument, "passwords are never taken from the command line", way};
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
  std::string_view last;
  for (const std::string_view word : words) {
    if (word == "--") break;
    if (word == "--json") globals.json = true;
    if (word == "--color=never" || (last == "--color" && word == "never")) globals.color = ColorMode::Never;
    if (word == "--color=always" || (last == "--color" && word == "always"))
      globals.color = ColorMode::Always;
    last = word;
  }
  return globals;
}

}  // namespace p2p::ctl
