// SPDX-License-Identifier: MIT
// The tracker's time, carried on by this machine's boot clock. The wall clock of this machine is only a
// stand-in until a tracker has spoken; the highest time ever seen is a floor, so that turning a clock back
// revives no grant.
#pragma once

#include <algorithm>
#include <optional>

#include "daemon/base/time.h"

namespace p2p::peer {

class TrackerClock {
 public:
  void set_floor(WallTime highest) { floor_ = std::max(floor_, highest); }
  void set(WallTime tracker_now, TimePoint boot_now) {
    tracker_at_ = tracker_now;
    boot_at_ = boot_now;
    known_ = true;
    set_floor(tracker_now);
  }
  bool is_known() const { return known_; }

  // How far this machine's clock is ahead of the tracker's; nothing before a tracker has spoken.
  std::optional<std::chrono::seconds> ahead(TimePoint boot_now, WallTime machine_now) const {
    if (!known_) return std::nullopt;
    const auto tracker_now =
        tracker_at_ + std::chrono::duration_cast<std::chrono::seconds>(boot_now - boot_at_);
    return std::chrono::seconds(machine_now.seconds - tracker_now.seconds);
  }

  WallTime now(TimePoint boot_now, WallTime machine_now) const {
    const auto estimate =
        known_ ? tracker_at_ + std::chrono::duration_cast<std::chrono::seconds>(boot_now - boot_at_)
               : machine_now;
    return std::max(estimate, floor_);
  }

 private:
  WallTime floor_;
  WallTime tracker_at_;
  TimePoint boot_at_{};
  bool known_ = false;
};

}  // namespace p2p::peer
