// SPDX-License-Identifier: MIT
// A one-shot timer. Setting it again moves it; the destructor cancels it. One that was never set is nothing
// to the loop, and costs no memory there.
#pragma once

#include "daemon/base/bound.h"
#include "daemon/io/loop.h"

struct uv_timer_s;

namespace p2p::io {

class Timer {
 public:
  Timer(Loop& loop, Bound<> on_due);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void set(Duration from_now);
  void set_at(TimePoint when);  // TimePoint::max() cancels
  void cancel();
  bool is_set() const;

 private:
  Loop& loop_;
  Bound<> on_due_;
  uv_timer_s* timer_ = nullptr;  // since it was first set; the loop's once closed
};

}  // namespace p2p::io
