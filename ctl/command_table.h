// SPDX-License-Identifier: MIT
// All commands of p2pctl: their words, what --help says of each, and the function that runs them.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <span>

#include "ctl/arguments.h"
#include "ctl/commands.h"

namespace p2p::ctl {

// Where --help shows it. Hidden: the words of the original system.
enum class Place : std::uint8_t { Listed, Shortcut, Hidden };

// What stands before a verb. "account sessions" is the noun `sessions` of the noun `account`.
struct NounRow {
  const char* noun;
  const char* summary;
  Place place = Place::Listed;
};

struct CommandRow {
  const char* noun;  // empty: the verb stands alone
  const char* verb;
  const char* summary;
  void (*declare)(CLI::App&, Arguments&);  // its options and words
  Command run;
  Place place = Place::Listed;
  const char* details = "";  // sentences below the options
};

// A noun comes after the noun that it belongs to.
std::span<const NounRow> nouns();
std::span<const CommandRow> commands();

}  // namespace p2p::ctl
