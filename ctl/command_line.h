// SPDX-License-Identifier: MIT
// From the words of the command line to what is to be done: the table of all commands.
//
// A usage error comes back as an Error with code invalid_argument, in the form of every other error, with
// a suggestion where a word was nearly right.
#pragma once

#include <span>
#include <string>

#include "ctl/arguments.h"
#include "ctl/commands.h"
#include "daemon/base/result.h"

namespace p2p::ctl {

struct Invocation {
  Globals globals;
  Arguments arguments;
  Command command = nullptr;
  std::string text;  // to print instead of running a command: help or version
};

Result<Invocation> parse_command_line(int count, const char* const* words);

// Whether and how an error is to be told when the words could not be parsed.
Globals globals_for_errors(std::span<const char* const> words);

}  // namespace p2p::ctl
