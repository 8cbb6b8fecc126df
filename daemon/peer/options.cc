// SPDX-License-Identifier: MIT
#include "daemon/peer/options.h"

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <sstream>

namespace p2p::peer {
namespace {

constexpr auto kIntervalMin = std::chrono::milliseconds(100);
constexpr auto kIntervalMax = std::chrono::minutes(5);
constexpr std::size_t kActiveDownloadsMax = 100;
constexpr std::size_t kTrackersMax = 16;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// XDG base directories; empty where neither the variable nor a home is known.
std::string xdg(const char* variable, const char* below_home) {
  if (auto given = environment(variable); !given.empty() && given.front() == '/') return given;
  const auto home = environment("HOME");
  return home.empty() ? "" : home + "/" + below_home;
}

Status take_text(std::string& target, const std::string& value) {
  if (value.empty()) return fail(Code::InvalidArgument, "the value is empty");
  target = value;
  return {};
}

Status take_rate(std::optional<std::uint64_t>& target, const std::string& value) {
  auto rate = parse_rate(value);
  if (!rate) return fail(rate.error());
  target = *rate;
  return {};
}

Status take_listen(io::SocketAddress& target, const std::string& value) {
  auto parts = parse_host_port(value);
  if (!parts) return fail(parts.error());
  auto address = io::SocketAddress::parse(*parts);
  if (!address) return fail(address.error());
  target = std::move(*address);
  return {};
}

Status take_interval(Duration& target, const std::string& value) {
  auto interval = parse_duration(value);
  if (!interval) return fail(interval.error());
  if (*interval < kIntervalMin || *interval > kIntervalMax)
    return fail(Code::InvalidArgument, "an interval lies between 100ms and 5m");
  target = *interval;
  return {};
}

Status take_count(std::size_t& target, const std::string& value) {
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error != std::errc() || end != value.data() + value.size() || count == 0 || count > kActiveDownloadsMax)
    return fail(Code::InvalidArgument, "the value must be a number from 1 to 100");
  target = count;
  return {};
}

// Addresses with spaces between them.
Status take_trackers(std::vector<trust::TrackerAddress>& target, const std::string& value) {
  target.clear();
  std::istringstream words(value);
  for (std::string word; words >> word;) {
    auto address = trust::TrackerAddress::parse(word);
    if (!address) return fail(address.error());
    if (target.size() == kTrackersMax)
      return fail(Code::InvalidArgument, fmt::format("at most {} addresses can be named", kTrackersMax));
    target.push_back(std::move(*address));
  }
  return {};
}

config::Program describe(Options& options) {
  config::Program program;
  program.name = "p2pd";
  program.purpose = "p2pd: the peer daemon; shares and fetches files within groups";
  program.environment_prefix = "P2PD_";
  if (const auto config_home = xdg("XDG_CONFIG_HOME", ".config"); !config_home.empty())
    program.files.push_back(config_home + "/p2p/p2pd.conf");
  program.files.emplace_back("/etc/p2p/p2pd.conf");
  program.settings = {
      {"data_dir", "DIR", "state: device key, account, shares, downloads", true,
       [&](const auto& v) { return take_text(options.data_dir, v); }},
      {"listen", "HOST:PORT", "where other members connect; port 0 takes any free one (default [::]:7734)",
       true, [&](const auto& v) { return take_listen(options.listen, v); }},
      {"control", "PATH", "Unix socket for p2pctl", true,
       [&](const auto& v) { return take_text(options.control_path, v); }},
      {"download_dir", "DIR", "where downloads go that name no folder", true,
       [&](const auto& v) { return take_text(options.download_dir, v); }},
      {"log_level", "LEVEL", "trace, debug, info, warn or error (default info)", true,
       [&](const auto& v) -> Status {
         auto level = log::parse_level(v);
         if (!level) return fail(level.error());
         options.log_level = *level;
         return {};
       }},
      {"checkpoint_interval", "DURATION", "how much progress a power cut may cost (default 5s)", false,
       [&](const auto& v) { return take_interval(options.checkpoint_interval, v); }},
      {"file_check_interval", "DURATION", "how often shared files are looked at for changes (default 30s)",
       false, [&](const auto& v) { return take_interval(options.file_check_interval, v); }},
      {"max_active_downloads", "N", "downloads that fetch at the same time; others queue (default 5)", false,
       [&](const auto& v) { return take_count(options.max_active_downloads, v); }},
      {"trackers", "ADDRESS...", "where else a tracker may be reached: p2p:// addresses with spaces between",
       false, [&](const auto& v) { return take_trackers(options.trackers, v); }},
      {"upload", "RATE", "limit for everything sent, such as 20MiB; 0 for none", false,
       [&](const auto& v) { return take_rate(options.upload, v); }},
      {"download", "RATE", "limit for everything fetched", false,
       [&](const auto& v) { return take_rate(options.download, v); }},
  };
  return program;
}

}  // namespace

Result<Loaded> load_options(int argc, const char* const* argv) {
  Loaded loaded;
  auto& options = loaded.options;
  options.listen = io::SocketAddress{Bytes(16), 7734};
  auto outcome = config::load(describe(options), argc, argv);
  if (!outcome) return fail(outcome.error());
  loaded.outcome = *outcome;

  if (options.data_dir.empty()) options.data_dir = environment("STATE_DIRECTORY");
  if (options.data_dir.empty())
    if (const auto state_home = xdg("XDG_STATE_HOME", ".local/state"); !state_home.empty())
      options.data_dir = state_home + "/p2pd";
  if (options.data_dir.empty())
    return fail(Code::InvalidArgument, "no data directory: neither HOME nor XDG_STATE_HOME is set",
                "name one with --data-dir");
  if (options.control_path.empty()) {
    const auto runtime = environment("XDG_RUNTIME_DIR");
    options.control_path = (runtime.empty() ? "/run" : runtime) + "/p2pd/control.sock";
    options.control_is_default = true;
  }
  if (options.download_dir.empty()) options.download_dir = xdg("XDG_DOWNLOAD_DIR", "Downloads");
  if (options.download_dir.empty()) options.download_dir = options.data_dir + "/downloads";
  // As seen from the folder where it was started; paths are stored, and may not depend on that.
  for (auto* path : {&options.data_dir, &options.control_path, &options.download_dir}) {
    std::error_code error;
    const auto absolute = std::filesystem::absolute(*path, error);
    if (error) return fail(system_error(error.value(), *path));
    *path = absolute.lexically_normal().string();
  }
  return loaded;
}

}  // namespace p2p::peer
