// SPDX-License-Identifier: MIT
// A one-shot timer. Setting it again moves it; the destructor cancels it.
#pragma once

#include "daemon/base/bound.h"
#include "daemon/io/loop.h"

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
  struct Handle;
  Loop& loop_;
  Handle* handle_;
};

}  // namespace p2p::io
