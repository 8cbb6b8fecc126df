// SPDX-License-Identifier: MIT
// Where a daemon's settings come from: default < configuration file (TOML) < environment < command line.
//
// A daemon lists its settings once (name, help, how to take a value); command line options, --set
// KEY=VALUE, file keys and environment names all follow from that list. A wrong value is refused with the
// place it came from: "p2pd.conf:3:9: upload: 'x' is not a rate". The first file that exists is read; an
// absent one is no error unless it was named.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"

namespace p2p::config {

struct Setting {
  std::string key;         // "grant_lifetime"; the option is --grant-lifetime when `option`
  std::string value_name;  // "DURATION"
  std::string help;
  bool option = false;  // has a command line option of its own
  std::function<Status(const std::string& value)> take;
  bool command_line_only = false;  // what is to be done this time: neither in a file nor in the environment
};

struct Program {
  std::string name;                // "p2pd"
  std::string purpose;             // first line of --help
  std::string environment_prefix;  // "P2PD_": P2PD_UPLOAD=20M
  std::vector<std::string> files;  // tried in order when there is no --config
  std::vector<Setting> settings;
};

enum class Outcome : std::uint8_t { Run, Exit };  // Exit: --help or --version was printed

// Errors carry Code::InvalidArgument.
Result<Outcome> load(const Program& program, int argc, const char* const* argv);

}  // namespace p2p::config
