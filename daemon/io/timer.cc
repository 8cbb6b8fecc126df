// SPDX-License-Identifier: MIT
#include "daemon/io/timer.h"

#include <algorithm>
#include <uv.h>

#include "daemon/base/check.h"

namespace p2p::io {

struct Timer::Handle {
  uv_timer_t timer;
  Bound<> on_due;
  bool orphan = false;
};

Timer::Timer(Loop& loop, Bound<> on_due) : loop_(loop), on_due_(on_due) {}

Timer::~Timer() {
  if (handle_ == nullptr) return;
  handle_->orphan = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->timer),
           [](uv_handle_t* handle) { delete static_cast<Handle*>(handle->data); });
}

void Timer::set(Duration from_now) {
  if (handle_ == nullptr) {
    handle_ = new Handle{{}, on_due_};
    CHECK(uv_timer_init(loop_.raw(), &handle_->timer) == 0);
    handle_->timer.data = handle_;
  }
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(std::max(from_now, Duration(0)));
  uv_timer_start(
      &handle_->timer,
      [](uv_timer_t* timer) {
        auto* handle = static_cast<Handle*>(timer->data);
        if (!handle->orphan) handle->on_due();
      },
      static_cast<std::uint64_t>(milliseconds.count()), 0);
}

void Timer::set_at(TimePoint when) {
  if (when == TimePoint::max()) cancel();
  else set(when - loop_.now());
}

void Timer::cancel() {
  if (handle_ != nullptr) uv_timer_stop(&handle_->timer);
}

bool Timer::is_set() const {
  return handle_ != nullptr && uv_is_active(reinterpret_cast<const uv_handle_t*>(&handle_->timer)) != 0;
}

}  // namespace p2p::io
