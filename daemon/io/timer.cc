// SPDX-License-Identifier: MIT
#include "daemon/io/timer.h"

#include <algorithm>
#include <uv.h>

#include "daemon/base/check.h"

namespace p2p::io {

Timer::Timer(Loop& loop, Bound<> on_due) : loop_(loop), on_due_(on_due) {}

Timer::~Timer() {
  if (timer_ == nullptr) return;
  timer_->data = nullptr;  // and it does not call once it is closed
  uv_close(reinterpret_cast<uv_handle_t*>(timer_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

void Timer::set(Duration from_now) {
  if (timer_ == nullptr) {
    timer_ = new uv_timer_t;
    CHECK(uv_timer_init(loop_.raw(), timer_) == 0);
    timer_->data = this;
  }
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(std::max(from_now, Duration(0)));
  uv_timer_start(
      timer_, [](uv_timer_t* timer) { static_cast<Timer*>(timer->data)->on_due_(); },
      static_cast<std::uint64_t>(milliseconds.count()), 0);
}

void Timer::set_at(TimePoint when) {
  if (when == TimePoint::max()) cancel();
  else set(when - loop_.now());
}

void Timer::cancel() {
  if (timer_ != nullptr) uv_timer_stop(timer_);
}

bool Timer::is_set() const {
  return timer_ != nullptr && uv_is_active(reinterpret_cast<const uv_handle_t*>(timer_)) != 0;
}

}  // namespace p2p::io
