// SPDX-License-Identifier: MIT
// The settings of p2pd, read once and checked. p2pd.conf(5) explains each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/base/log.h"
#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "daemon/config/settings.h"
#include "daemon/io/stream.h"
#include "daemon/trust/address.h"

namespace p2p::peer {

struct Options {
  std::string data_dir;
  std::string control_path;
  bool control_is_default = false;  // its folder is then ours to make
  std::string download_dir;
  io::SocketAddress listen;
  log::Level log_level = log::Level::Info;
  Duration checkpoint_interval = 5s;
  std::size_t max_active_downloads = 5;
  Duration file_check_interval = 30s;
  std::optional<std::uint64_t> upload;  // bytes a second, 0: unlimited; absent: as last set
  std::optional<std::uint64_t> download;
  std::vector<trust::TrackerAddress> trackers;  // further addresses of trackers
};

struct Loaded {
  config::Outcome outcome = config::Outcome::Run;
  Options options;
};
Result<Loaded> load_options(int argc, const char* const* argv);

}  // namespace p2p::peer
