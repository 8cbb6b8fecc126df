// SPDX-License-Identifier: MIT
// The tracker's settings with their defaults. CLI.md names them; config::load says where they come from.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/base/log.h"
#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "daemon/base/units.h"
#include "daemon/config/settings.h"

namespace p2p::tracker {

enum class Registration : std::uint8_t { Open, Invite, Closed };
std::string_view registration_name(Registration registration);

struct Options {
  std::string data_dir = "/var/lib/p2p-tracker";
  HostPort listen{"::", 7733};
  std::string advertise;  // HOST or HOST:PORT; empty: a specific listen address, else the host name
  std::string control = "/run/p2p-tracker/control.sock";
  std::string database;  // path of the SQLite database; empty: in the data directory
  std::string restore;   // a backup of which a data directory is to be made, instead of running
  Registration registration = Registration::Open;
  log::Level log_level = log::Level::Info;
  Duration grant_lifetime = 4h;
  Duration heartbeat = 30s;
  Duration offline_after = 90s;
  double registration_burst = 64;  // per source address
  double registrations_per_hour = 20;
  std::uint32_t kdf_log_n = 17;
  std::size_t unauthenticated_per_address = 64;
};

// Settings are taken into `options`; Outcome::Exit after --help and --version.
Result<config::Outcome> load_options(int argc, const char* const* argv, Options& options);

}  // namespace p2p::tracker
