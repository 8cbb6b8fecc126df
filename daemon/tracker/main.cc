// SPDX-License-Identifier: MIT
// p2p-trackerd: settings, the loop, the server, and what the exit status says.
#include <cstdio>
#include <fmt/format.h>
#include <sys/stat.h>

#include "daemon/base/names.h"
#include "daemon/tracker/restore.h"
#include "daemon/tracker/server.h"

namespace p2p::tracker {
namespace {

int complain(std::string_view what, const Error& error) {
  fmt::print(stderr, "p2p-trackerd: {}: {}\n", what, printable(error.message));
  if (!error.hint.empty()) fmt::print(stderr, "hint: {}\n", printable(error.hint));
  return exit_status(error.code);
}

// Keeps the command line, so that SIGHUP can read the settings again.
class Program {
 public:
  Program(int argc, const char* const* argv) : argc_(argc), argv_(argv) {}

  int run() {
    Options options;
    const auto outcome = load_options(argc_, argv_, options);
    if (!outcome) return complain("settings", outcome.error());
    if (*outcome == config::Outcome::Exit) return 0;
    ::umask(077);
    if (!options.restore.empty()) return restore(options);
    log::start("p2p-trackerd", options.log_level);

    io::Loop loop;
    auto server = Server::start(loop, options, bind<&Program::reload>(this));
    if (!server) return complain("cannot start", server.error());
    server_ = server->get();
    loop.run();
    const auto ended = server_->outcome();
    server_ = nullptr;
    server->reset();
    if (!ended) return complain("stopped", ended.error());
    log::info("stopped");
    return 0;
  }

 private:
  static int restore(const Options& options) {
    if (const auto status = restore_backup(options.restore, options.data_dir); !status)
      return complain("cannot restore", status.error());
    fmt::print("restored into {0}; now start the tracker on it: p2p-trackerd --data-dir {0}\n",
               printable(options.data_dir));
    return 0;
  }

  void reload() {
    Options options;
    const auto outcome = load_options(argc_, argv_, options);
    if (outcome) server_->reconfigure(options);
    else log::error("settings not read again", {{"reason", outcome.error().message}});
  }

  int argc_;
  const char* const* argv_;
  Server* server_ = nullptr;
};

}  // namespace
}  // namespace p2p::tracker

int main(int argc, char** argv) { return p2p::tracker::Program(argc, argv).run(); }
