// SPDX-License-Identifier: MIT
// How p2pctl speaks: data on standard output, talk and errors on standard error (CLI.md, "Output").
//
// With --json standard output gets exactly one document, the protobuf JSON mapping of the answer, and
// nothing is talked. Everything foreign is made printable here or in Table.
#pragma once

#include <google/protobuf/message.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctl/table.h"
#include "ctl/terminal.h"
#include "daemon/base/result.h"
#include "daemon/base/units.h"

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

  // The whole answer of a command when --json was given.
  Status json(const google::protobuf::Message& message) const;

  void table(const Table& table) const;
  // One line of data. `text` is made printable.
  void line(std::string_view text) const;
  // "key: value" lines; pairs with an empty value are left out.
  void pairs(const std::vector<std::pair<std::string, std::string>>& pairs) const;
  // One sentence about what happened, for people: not with --json or --quiet.
  void say(std::string_view sentence) const;
  void error(const Error& error, int exit) const;

  // For people "1.1 GiB", for scripts the number of bytes.
  std::string size(double bytes) const;
  // As size(), a second; 0 is "unlimited" where it stands for a limit.
  std::string rate(double bytes) const;
  std::string limit(double bytes) const;

 private:
  Terminal terminal_;
  Options options_;
};

// A count that travelled as a double, printed without a fraction.
std::string count_text(double count);

}  // namespace p2p::ctl
