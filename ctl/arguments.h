// SPDX-License-Identifier: MIT
// What a command line says, as plain values: the options of all commands and the words of each.
//
// Pure, but for absolute_path(), which asks for the current folder. Without CLI11, which takes seconds to
// compile: only command_line.cc sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/terminal.h"
#include "daemon/base/result.h"
#include "daemon/base/time.h"

namespace p2p::ctl {

struct Globals {
  std::string socket;  // empty: the default one
  bool json = false;
  bool quiet = false;
  bool no_input = false;
  bool yes = false;
  ColorMode color = ColorMode::Auto;
  std::optional<Duration> timeout;  // absent: not given
};

// Every word any command takes; each fills its own.
struct Arguments {
  std::string user;
  std::vector<std::string> users;
  std::string tracker;
  std::string invite;
  std::string password_file;
  std::string group;
  std::string description;
  std::string message;
  std::string path;
  std::string name;    // --name
  std::string file;    // GROUP/NAME
  std::string output;  // -o
  std::string on_exist = "fail";
  std::string id;
  std::vector<std::string> ids;
  std::string upload;
  std::string download;
  std::string expires;
  std::uint32_t uses = 1;
  bool password_stdin = false;
  bool generate = false;
  bool unlisted = false;
  bool mine = false;
  bool wait = false;
  bool watch = false;
};

struct FileAddress {
  std::string group;
  std::string name;
};

// GROUP/NAME, cut at the first slash. The daemon judges the two names.
Result<FileAddress> split_file_address(std::string_view text);

// `path` seen from `folder`. Links are not resolved; a slash at the end stays, it says "folder".
std::string path_from(std::string_view folder, std::string_view path);

// As path_from() with the caller's current folder. An empty path stays empty.
Result<std::string> absolute_path(std::string_view path);

// The candidate that `word` was probably meant to be, or nothing when none is near.
std::optional<std::string> suggestion(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace p2p::ctl
