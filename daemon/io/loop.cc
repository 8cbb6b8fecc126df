// SPDX-License-Identifier: MIT
#include "daemon/io/loop.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/base/check.h"

namespace p2p::io {
namespace {

// All time since some moment but for what the loop has waited.
Duration busy_time(uv_loop_t* loop) {
  return std::chrono::nanoseconds(uv_hrtime() - uv_metrics_idle_time(loop));
}

}  // namespace

// Tasks of other threads wake the loop through a descriptor. Not by uv_async_send(): the loop it wakes spins
// until that call has returned, in vain while it keeps the very processor from the thread that called. Tasks
// of the loop's own, many in each turn, run behind the turn's events, and while there are any the loop does
// not wait: that takes no system call.
struct Loop::Handles {
  uv_poll_t wakeup;
  uv_check_t behind_events;
  uv_idle_t no_waiting;
  uv_prepare_t before_waiting;
  int open = 4;

  template <class Handle>
  void close(Handle& handle) {
    uv_close(reinterpret_cast<uv_handle_t*>(&handle), [](uv_handle_t* closed) {
      auto* handles = static_cast<Handles*>(closed->data);
      if (--handles->open == 0) delete handles;
    });
  }
};

Loop::Loop()
    : loop_(new uv_loop_t), handles_(new Handles), wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(wakeup_ >= 0);
  CHECK(uv_loop_init(loop_) == 0);
  CHECK(uv_loop_configure(loop_, UV_METRICS_IDLE_TIME) == 0);
  loop_->data = this;
  CHECK(uv_poll_init(loop_, &handles_->wakeup, wakeup_) == 0);
  uv_poll_start(&handles_->wakeup, UV_READABLE,
                [](uv_poll_t* one, int, int) { static_cast<Loop*>(one->loop->data)->on_wakeup(); });
  uv_check_init(loop_, &handles_->behind_events);
  uv_check_start(&handles_->behind_events,
                 [](uv_check_t* one) { static_cast<Loop*>(one->loop->data)->run_deferred(); });
  uv_unref(reinterpret_cast<uv_handle_t*>(&handles_->behind_events));
  uv_idle_init(loop_, &handles_->no_waiting);
  uv_prepare_init(loop_, &handles_->before_waiting);
  uv_prepare_start(&handles_->before_waiting,
                   [](uv_prepare_t* one) { static_cast<Loop*>(one->loop->data)->end_turn(); });
  uv_unref(reinterpret_cast<uv_handle_t*>(&handles_->before_waiting));
  handles_->before_waiting.data = handles_->wakeup.data = handles_->behind_events.data =
      handles_->no_waiting.data = handles_;
}

Loop::~Loop() {
  run_posted();
  run_deferred();
  ended_ = true;
  handles_->close(handles_->wakeup);
  handles_->close(handles_->behind_events);
  handles_->close(handles_->no_waiting);
  handles_->close(handles_->before_waiting);
  while (uv_run(loop_, UV_RUN_DEFAULT) != 0) {
  }  // again where a task of the end has called stop()
  if (uv_loop_close(loop_) != 0) {
    uv_print_all_handles(loop_, stderr);
    CHECK(!"every handle is closed when the loop ends");
  }
  ::close(wakeup_);  // not before: who posts as the handles close writes to it
  delete loop_;
}

void Loop::run() {
  busy_ = busy_time(loop_);
  uv_run(loop_, UV_RUN_DEFAULT);
}

void Loop::stop() { uv_stop(loop_); }

TimePoint Loop::now() const { return TimePoint(std::chrono::milliseconds(uv_now(loop_))); }

void Loop::defer(std::function<void()> task) {
  deferred_.push_back(std::move(task));
  if (ended_) return;  // as its handles close; it will not run
  uv_idle_start(&handles_->no_waiting, [](uv_idle_t*) {});
}

void Loop::post(std::function<void()> task) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    was_empty = posted_.empty();
    posted_.push_back(std::move(task));
  }
  // Where it was not, whoever posted the first has woken the loop, which has not come yet.
  const std::uint64_t one = 1;
  if (was_empty) CHECK(::write(wakeup_, &one, sizeof one) == sizeof one);
}

// First the descriptor, then the tasks: one that is posted in between is run now and wakes the loop in vain.
void Loop::on_wakeup() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto had = ::read(wakeup_, &count, sizeof count);
  run_posted();
}

void Loop::end_turn() {
  const auto busy = busy_time(loop_);
  longest_turn_ = std::max(longest_turn_, busy - busy_);
  busy_ = busy;
}

void Loop::run_posted() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

void Loop::run_deferred() {
  std::vector<std::function<void()>> tasks;
  tasks.swap(deferred_);
  for (auto& task : tasks) task();
  if (deferred_.empty()) uv_idle_stop(&handles_->no_waiting);
}

}  // namespace p2p::io
