// SPDX-License-Identifier: MIT
// How p2pctl speaks: data on standard output, talk and errors on standard error (CLI.md, "Output").
//
// With --json standard output gets exactly one document, the protobuf JSON mapping of the answer, and
// nothing is talked. Everything foreign is made printable here, in Page or in Table.
#pragma once

#include <google/protobuf/message.h>
#include <string>
#include <string_view>

#include "ctl/page.h"
#include "ctl/terminal.h"
#include "daemon/base/result.h"

namespace p2p::ctl {

// `text` as a JSON string with its quotes: control and format characters are escaped, bytes that are not
// UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

// {"error":{...}} on one line, without a line end.
std::string error_json(const Error& error, int exit);

// "p2pctl: why" and, when there is one, "hint: what to do", each with a line end.
std::string error_text(const Error& error, bool color);

// The protobuf JSON mapping with the names of the .proto file and no field left out.
Result<std::string> message_json(const google::protobuf::Message& message);

class Output {
 public:
  struct Options {
    bool json = false;
    bool quiet = false;
  };
  Output(const Terminal& terminal, Options options) : terminal_(terminal), options_(options) {}

  const Terminal& terminal() const { return terminal_; }
  bool is_json() const { return options_.json; }
  bool is_quiet() const { return options_.quiet; }

  // Looks at the terminal's size again.
  void measure() { measure_terminal(terminal_); }

  // An empty page in the form that standard output asks for.
  Page page() const;

  // The whole answer of a command when --json was given.
  Status json(const google::protobuf::Message& message) const;

  // The whole answer of a command, made with page() or message_json().
  void write(std::string_view text) const;
  // One line of data. `text` is made printable.
  void line(std::string_view text) const;
  // One sentence about what happened, for people: not with --json or --quiet.
  void say(std::string_view sentence) const;
  void error(const Error& error, int exit) const;

 private:
  Terminal terminal_;
  Options options_;
};

}  // namespace p2p::ctl
