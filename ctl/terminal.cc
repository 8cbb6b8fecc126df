// SPDX-License-Identifier: MIT
#include "ctl/terminal.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

namespace p2p::ctl {
namespace {

constexpr std::size_t kWidthMin = 20;
constexpr std::size_t kHeightMin = 4;
constexpr std::size_t kAnswerBytes = 256;

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

Terminal look_at_terminal(ColorMode mode) {
  const bool dumb = environment("TERM").empty() || environment("TERM") == "dumb";
  const auto colors = [&](int stream) {
    if (mode != ColorMode::Auto) return mode == ColorMode::Always;
    return ::isatty(stream) == 1 && !dumb && environment("NO_COLOR").empty();
  };
  Terminal terminal;
  terminal.can_ask = ::isatty(STDIN_FILENO) == 1;
  terminal.shows_output = ::isatty(STDOUT_FILENO) == 1;
  terminal.moves_cursor = terminal.shows_output && !dumb;
  terminal.colors_output = colors(STDOUT_FILENO);
  terminal.colors_errors = colors(STDERR_FILENO);
  measure_terminal(terminal);
  return terminal;
}

void measure_terminal(Terminal& terminal) {
  terminal.width = Terminal().width;
  terminal.height = Terminal().height;
  winsize size{};
  if (!terminal.shows_output || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return;
  if (size.ws_col != 0) terminal.width = std::max<std::size_t>(size.ws_col, kWidthMin);
  if (size.ws_row != 0) terminal.height = std::max<std::size_t>(size.ws_row, kHeightMin);
}

Result<std::string> ask_on_terminal(const std::string& question) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> tty(std::fopen("/dev/tty", "r+e"), &std::fclose);
  if (!tty) return fail(system_error(errno, "cannot ask: /dev/tty"));
  std::fputs(question.c_str(), tty.get());
  std::fflush(tty.get());
  std::string answer;
  // A stream open for both needs a repositioning between writing and reading; a terminal has none, but
  // the flush above is what the standard asks for.
  for (int c = std::fgetc(tty.get()); c != EOF && c != '\n'; c = std::fgetc(tty.get()))
    if (answer.size() < kAnswerBytes) answer.push_back(static_cast<char>(c));
  return answer;
}

}  // namespace p2p::ctl
