// SPDX-License-Identifier: MIT
#include "daemon/swarm/dial_gate.h"

#include "daemon/base/check.h"

namespace p2p::swarm {

bool DialGate::may_dial(TimePoint now) {
  while (!recent_.empty() && now - recent_.front() >= 1s) recent_.pop_front();
  return half_open_ < limits::kHalfOpenDials && recent_.size() < limits::kDialsPerSecond;
}

void DialGate::on_dial(TimePoint now) {
  ++half_open_;
  recent_.push_back(now);
}

void DialGate::on_reached() {
  on_failed();
  // Which of them it was makes no difference; the oldest would have been the first to go.
  if (!recent_.empty()) recent_.pop_front();
}

void DialGate::on_failed() {
  CHECK(half_open_ > 0);
  --half_open_;
}

}  // namespace p2p::swarm
