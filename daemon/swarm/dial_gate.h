// SPDX-License-Identifier: MIT
// How many dials are under way, and how many may come to nothing in a second: whoever names addresses to this
// daemon must not be able to make it knock at the doors of others. A dial that reached the device it was for
// does not count: the same members are dialled once for each of many shares.
//
// At most limits::kHalfOpenDials and limits::kDialsPerSecond. Pure; loop thread only.
#pragma once

#include <deque>

#include "daemon/base/limits.h"

namespace p2p::swarm {

class DialGate {
 public:
  bool may_dial(TimePoint now);
  void on_dial(TimePoint now);
  // Each dial ends once.
  void on_reached();
  void on_failed();
  std::size_t half_open() const { return half_open_; }

 private:
  std::size_t half_open_ = 0;
  std::deque<TimePoint> recent_;  // dials of the last second that have reached nobody
};

}  // namespace p2p::swarm
