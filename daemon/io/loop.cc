// SPDX-License-Identifier: MIT
#include "daemon/io/loop.h"

#include <cstdio>
#include <uv.h>

#include "daemon/base/check.h"

namespace p2p::io {

struct Loop::Wakeup {
  uv_async_t async;
  Loop* loop;
};

Loop::Loop() : loop_(new uv_loop_t), wakeup_(new Wakeup) {
  CHECK(uv_loop_init(loop_) == 0);
  wakeup_->loop = this;
  wakeup_->async.data = wakeup_;
  CHECK(uv_async_init(loop_, &wakeup_->async,
                      [](uv_async_t* async) { static_cast<Wakeup*>(async->data)->loop->run_tasks(); }) == 0);
}

Loop::~Loop() {
  run_tasks();
  uv_close(reinterpret_cast<uv_handle_t*>(&wakeup_->async),
           [](uv_handle_t* handle) { delete static_cast<Wakeup*>(handle->data); });
  while (uv_run(loop_, UV_RUN_DEFAULT) != 0) {
  }  // again where a task of the end has called stop()
  if (uv_loop_close(loop_) != 0) {
    uv_print_all_handles(loop_, stderr);
    CHECK(!"every handle is closed when the loop ends");
  }
  delete loop_;
}

void Loop::run() { uv_run(loop_, UV_RUN_DEFAULT); }

void Loop::stop() { uv_stop(loop_); }

TimePoint Loop::now() const { return TimePoint(std::chrono::milliseconds(uv_now(loop_))); }

void Loop::defer(std::function<void()> task) {
  deferred_.push_back(std::move(task));
  uv_async_send(&wakeup_->async);
}

void Loop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  uv_async_send(&wakeup_->async);
}

void Loop::run_tasks() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
  tasks.clear();
  tasks.swap(deferred_);
  for (auto& task : tasks) task();
}

}  // namespace p2p::io
