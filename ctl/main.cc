// SPDX-License-Identifier: MIT
// p2pctl: parse, run, and turn what failed into words and an exit status.
#include <cerrno>
#include <cstdio>
#include <exception>
#include <span>

#include "ctl/command_line.h"
#include "ctl/output.h"
#include "ctl/session.h"
#include "ctl/terminal.h"

namespace p2p::ctl {
namespace {

constexpr int kExitInterrupted = 130;

// Data that did not reach its reader is a failure, even if the command was done.
Status flush_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {};
  return fail(system_error(errno, "cannot write to standard output"));
}

int report(const Output& output, const Error& error, int exit) {
  output.error(error, exit);
  return exit;
}

int run(int count, const char* const* words) {
  auto invocation = parse_command_line(count, words);
  if (!invocation) {
    const auto globals = globals_for_errors({words, static_cast<std::size_t>(count)});
    const Output output(look_at_terminal(globals.color), {.json = globals.json});
    return report(output, invocation.error(), exit_status(invocation.error().code));
  }
  const auto& globals = invocation->globals;
  Session session(globals,
                  Output(look_at_terminal(globals.color), {.json = globals.json, .quiet = globals.quiet}));
  Status status;
  if (invocation->text.empty()) status = invocation->command(session, invocation->arguments);
  else std::fputs(invocation->text.c_str(), stdout);
  if (status) status = flush_output();
  if (status) return session.was_interrupted() ? kExitInterrupted : session.found_bad() ? 1 : 0;
  return report(session.output(), status.error(),
                session.was_interrupted() ? kExitInterrupted : exit_status(status.error().code));
}

}  // namespace
}  // namespace p2p::ctl

int main(int argc, char** argv) {
  try {
    return p2p::ctl::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "p2pctl: %s\n", error.what());
    return 1;
  }
}
