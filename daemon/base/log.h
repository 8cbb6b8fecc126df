// SPDX-License-Identifier: MIT
// The daemons' log: a fixed phrase and key=value fields on one line of standard error.
//
//   log::warn("piece failed hash", {{"share", id.hex()}, {"piece", 12}});
//
// error: the operator must act; warn: may want to; info: life of the daemon and of a share; debug: life
// of a connection; trace: messages. Field values are made printable here, so foreign text is safe.
// Secrets and contents are never logged. Pure folders (meta, wire, swarm, the registry) do not log.
// Safe on any thread.
#pragma once

#include <fmt/format.h>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "daemon/base/result.h"

namespace p2p::log {

enum class Level : std::uint8_t { Trace, Debug, Info, Warn, Error };

struct Field {
  template <class T>
  Field(std::string_view k, const T& v) : key(k), value(text(v)) {}
  std::string_view key;
  std::string value;

 private:
  template <class T>
  static std::string text(const T& v) {
    if constexpr (std::is_convertible_v<T, std::string_view>) return std::string(std::string_view(v));
    else return fmt::format("{}", v);
  }
};

using Fields = std::initializer_list<Field>;

// Level names: trace, debug, info, warn, error.
Result<Level> parse_level(std::string_view name);

// Before the first line. Under systemd lines carry a priority and no time (the journal has it).
void start(std::string_view program, Level level);
void set_level(Level level);
bool enabled(Level level);

void write(Level level, std::string_view phrase, Fields fields);
inline void trace(std::string_view phrase, Fields fields = {}) { write(Level::Trace, phrase, fields); }
inline void debug(std::string_view phrase, Fields fields = {}) { write(Level::Debug, phrase, fields); }
inline void info(std::string_view phrase, Fields fields = {}) { write(Level::Info, phrase, fields); }
inline void warn(std::string_view phrase, Fields fields = {}) { write(Level::Warn, phrase, fields); }
inline void error(std::string_view phrase, Fields fields = {}) { write(Level::Error, phrase, fields); }

}  // namespace p2p::log
