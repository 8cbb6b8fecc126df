// SPDX-License-Identifier: MIT
// The end of a daemon: what has to be done before it is asked for once, and has so long. Then the loop stops,
// done or not; connections are cut, and the next start finds what is on disk. Loop thread only; the loop must
// outlive it.
#pragma once

#include <functional>

#include "daemon/base/limits.h"
#include "daemon/io/timer.h"

namespace p2p::io {

class OrderlyStop {
 public:
  using Done = std::function<void()>;

  // `on_late`: the time is over, the loop stops.
  OrderlyStop(Loop& loop, Bound<> on_late, Duration time = limits::kStopTime)
      : loop_(loop), on_late_(on_late), time_(time), deadline_(loop, bind<&OrderlyStop::on_deadline>(this)) {}

  Duration time() const { return time_; }
  // `work` calls what it is given when all is done.
  void begin(const std::function<void(Done)>& work) {
    deadline_.set(time_);
    work([this] {
      deadline_.cancel();
      loop_.stop();
    });
  }

 private:
  void on_deadline() {
    on_late_();
    loop_.stop();
  }

  Loop& loop_;
  Bound<> on_late_;
  const Duration time_;
  Timer deadline_;
};

}  // namespace p2p::io
