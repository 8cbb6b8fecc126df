// SPDX-License-Identifier: MIT
// One run of p2pctl: its global options, its way of speaking, and the conversation with the daemon, which
// begins with the first request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/output.h"

namespace p2p::ctl {

// What a command waits for: an answer, within --timeout; or the end of work, however long it takes
// unless --timeout was given.
enum class Wait : std::uint8_t { Answer, Work };

class Session {
 public:
  Session(Globals globals, Output output) : globals_(std::move(globals)), output_(std::move(output)) {}

  const Globals& globals() const { return globals_; }
  const Output& output() const { return output_; }

  // There is somebody to ask, and asking was not forbidden.
  bool may_ask() const { return output_.terminal().can_ask && !globals_.no_input && !globals_.yes; }

  // Asks a question of yes or no. Without anybody to ask, and with --yes, the answer is yes; every other
  // one is an error.
  Status confirm(const std::string& question) const;

  // Sends the request and gives the response, which is of the `expected` kind. Work is named by `label`
  // in the progress display, and `background` says what becomes of it when the wait is given up.
  struct Question {
    pb::control::Response::BodyCase expected;
    Trust trust = Trust::OwnDaemon;
    Wait wait = Wait::Answer;
    std::string label = {};
    std::string background = {};
    std::string background_hint = {};
    bool goes_on_unseen = false;  // the work is under way although no progress was reported
  };
  Result<pb::control::Response> ask(pb::control::Request request, const Question& question);

  // Ctrl-C ended the run: the exit status is 130, whether the command failed or just stopped.
  bool was_interrupted() const { return was_interrupted_; }
  void set_interrupted() { was_interrupted_ = true; }

  // The command was done, and what it found is bad: exit status 1 without an error.
  bool found_bad() const { return found_bad_; }
  void set_found_bad() { found_bad_ = true; }

 private:
  std::string socket_path(Trust trust) const;
  Error ended_early(const Error& error, Ending ending, const Question& question, bool was_accepted) const;

  Globals globals_;
  Output output_;
  std::optional<Client> client_;
  bool was_interrupted_ = false;
  bool found_bad_ = false;
};

}  // namespace p2p::ctl
