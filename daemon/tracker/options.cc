// SPDX-License-Identifier: MIT
#include "daemon/tracker/options.h"

#include <charconv>
#include <fmt/format.h>

namespace p2p::tracker {
namespace {

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < least || number > most)
    return fail(Code::InvalidArgument, fmt::format("'{}' is not a number from {} to {}", text, least, most));
  return number;
}

Status take_duration(const std::string& value, Duration least, Duration most, Duration& out) {
  const auto duration = parse_duration(value);
  if (!duration) return fail(duration.error());
  if (*duration < least || *duration > most)
    return fail(Code::InvalidArgument, fmt::format("'{}' is not between {} and {} seconds", value,
                                                   seconds_of(least), seconds_of(most)));
  out = *duration;
  return {};
}

Status take_registration(const std::string& value, Registration& out) {
  for (const auto mode : {Registration::Open, Registration::Invite, Registration::Closed})
    if (value == registration_name(mode)) {
      out = mode;
      return {};
    }
  return fail(Code::InvalidArgument, fmt::format("'{}' is not open, invite or closed", value));
}

Status take_store(const std::string& value, std::string& database) {
  constexpr std::string_view kScheme = "sqlite:";
  if (!value.starts_with(kScheme) || value.size() == kScheme.size())
    return fail(Code::InvalidArgument, fmt::format("'{}' is not a store that this program has", value),
                "say sqlite:PATH, or leave it out: then the database is in the data directory");
  database = value.substr(kScheme.size());
  return {};
}

// "BURST/PERHOUR"
Status take_rate(const std::string& value, Options& options) {
  constexpr std::uint64_t kMost = 1'000'000;
  const auto slash = value.find('/');
  if (slash == std::string::npos)
    return fail(Code::InvalidArgument, fmt::format("'{}' is not BURST/PER-HOUR", value));
  const auto burst = parse_number(std::string_view(value).substr(0, slash), 1, kMost);
  if (!burst) return fail(burst.error());
  const auto per_hour = parse_number(std::string_view(value).substr(slash + 1), 0, kMost);
  if (!per_hour) return fail(per_hour.error());
  options.registration_burst = static_cast<double>(*burst);
  options.registrations_per_hour = static_cast<double>(*per_hour);
  return {};
}

template <class Number>
Status take_number(const std::string& value, std::uint64_t least, std::uint64_t most, Number& out) {
  const auto number = parse_number(value, least, most);
  if (!number) return fail(number.error());
  out = static_cast<Number>(*number);
  return {};
}

Status take_text(const std::string& value, std::string& out) {
  if (value.empty()) return fail(Code::InvalidArgument, "the value is empty");
  out = value;
  return {};
}

std::vector<config::Setting> settings(Options& options) {
  auto* const o = &options;
  return {
      {"data_dir", "DIR", "keys and database (made when missing)", true,
       [o](const std::string& value) { return take_text(value, o->data_dir); }},
      {"listen", "HOST:PORT", "where peers connect; port 0 is any free one (default [::]:7733)", true,
       [o](const std::string& value) -> Status {
         const auto parsed = parse_host_port(value);
         if (!parsed) return fail(parsed.error());
         o->listen = *parsed;
         return {};
       }},
      {"advertise", "HOST[:PORT]", "what the tracker's p2p:// address names", true,
       [o](const std::string& value) { return take_text(value, o->advertise); }},
      {"control", "PATH", "the operator's control socket", true,
       [o](const std::string& value) { return take_text(value, o->control); }},
      {"store", "URL", "sqlite:PATH: where accounts and groups are kept (default: in the data directory)",
       true, [o](const std::string& value) { return take_store(value, o->database); }},
      {"restore", "FILE", "make a data directory of this backup and exit", true,
       [o](const std::string& value) { return take_text(value, o->restore); }, true},
      {"registration", "MODE", "who may make accounts: open, invite or closed (default open)", true,
       [o](const std::string& value) { return take_registration(value, o->registration); }},
      {"log_level", "LEVEL", "trace, debug, info, warn or error (default info)", true,
       [o](const std::string& value) -> Status {
         const auto level = log::parse_level(value);
         if (!level) return fail(level.error());
         o->log_level = *level;
         return {};
       }},
      {"grant_lifetime", "DURATION", "how long a membership grant holds (default 4h, from 10s)", false,
       [o](const std::string& value) { return take_duration(value, 10s, 24h, o->grant_lifetime); }},
      {"heartbeat", "DURATION", "how often daemons report (default 30s)", false,
       [o](const std::string& value) { return take_duration(value, 1s, 1h, o->heartbeat); }},
      {"offline_after", "DURATION", "a silent daemon is offline after this (default 90s)", false,
       [o](const std::string& value) { return take_duration(value, 1s, 24h, o->offline_after); }},
      {"registration_rate", "BURST/HOURLY", "new accounts per source address (default 64/20)", false,
       [o](const std::string& value) { return take_rate(value, *o); }},
      {"kdf_log_n", "N", "cost of new passwords, 16 to 20 (default 17)", false,
       [o](const std::string& value) { return take_number(value, 16, 20, o->kdf_log_n); }},
      {"unauthenticated_per_address", "N", "connections not logged in, per source (default 64)", false,
       [o](const std::string& value) { return take_number(value, 1, 512, o->unauthenticated_per_address); }},
  };
}

}  // namespace

std::string_view registration_name(Registration registration) {
  switch (registration) {
    case Registration::Open: return "open";
    case Registration::Invite: return "invite";
    case Registration::Closed: return "closed";
  }
  return "";
}

Result<config::Outcome> load_options(int argc, const char* const* argv, Options& options) {
  config::Program program;
  program.name = "p2p-trackerd";
  program.purpose = "Tracker daemon of a group-based peer-to-peer file sharing system";
  program.environment_prefix = "P2P_TRACKERD_";
  program.files = {"/etc/p2p/p2p-trackerd.conf"};
  program.settings = settings(options);
  auto outcome = config::load(program, argc, argv);
  if (outcome && options.offline_after <= options.heartbeat)
    return fail(Code::InvalidArgument, "offline_after must be longer than heartbeat");
  if (outcome && !options.restore.empty() && !options.database.empty())
    return fail(Code::InvalidArgument, "--restore puts the database into the data directory",
                "leave --store out, and move tracker.db afterwards");
  return outcome;
}

}  // namespace p2p::tracker
