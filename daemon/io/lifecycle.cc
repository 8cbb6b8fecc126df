// SPDX-License-Identifier: MIT
#include "daemon/io/lifecycle.h"

#include <csignal>
#include <cstdlib>
#include <systemd/sd-daemon.h>
#include <uv.h>

#include "daemon/base/check.h"
#include "daemon/base/log.h"

namespace p2p::io {

// The three signal handles; freed when the last has closed.
struct Lifecycle::Signals {
  uv_signal_t handles[3];
  int open = 3;
  Lifecycle* owner;
};

Lifecycle::Lifecycle(Loop& loop, Bound<> on_stop, Bound<> on_reload)
    : loop_(loop),
      on_stop_(on_stop),
      on_reload_(on_reload),
      signals_(new Signals{}),
      watchdog_(loop, bind<&Lifecycle::on_watchdog>(this)) {
  std::signal(SIGPIPE, SIG_IGN);
  signals_->owner = this;
  constexpr int kNumbers[3] = {SIGTERM, SIGINT, SIGHUP};
  for (int i = 0; i < 3; ++i) {
    auto* handle = &signals_->handles[i];
    handle->data = signals_;
    CHECK(uv_signal_init(loop_.raw(), handle) == 0);
    CHECK(uv_signal_start(
              handle,
              [](uv_signal_t* signal, int number) {
                auto* owner = static_cast<Signals*>(signal->data)->owner;
                if (owner != nullptr) owner->on_signal(number);
              },
              kNumbers[i]) == 0);
    uv_unref(reinterpret_cast<uv_handle_t*>(handle));
  }
}

Lifecycle::~Lifecycle() {
  signals_->owner = nullptr;
  for (auto& handle : signals_->handles)
    uv_close(reinterpret_cast<uv_handle_t*>(&handle), [](uv_handle_t* closed) {
      auto* signals = static_cast<Signals*>(closed->data);
      if (--signals->open == 0) delete signals;
    });
}

void Lifecycle::on_signal(int number) {
  if (number == SIGHUP) {
    on_reload_();
    return;
  }
  if (stopping_) {
    log::warn("second signal, ending at once", {{"signal", number}});
    std::_Exit(128 + number);
  }
  stopping_ = true;
  log::info("stopping", {{"signal", number}});
  notify_stopping();
  on_stop_();
}

void Lifecycle::notify_ready() {
  sd_notify(0, "READY=1");
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) > 0 && microseconds > 0) {
    watchdog_interval_ = std::chrono::microseconds(microseconds) / 2;
    on_watchdog();
  }
}

void Lifecycle::notify_stopping() { sd_notify(0, "STOPPING=1"); }

void Lifecycle::on_watchdog() {
  sd_notify(0, "WATCHDOG=1");
  watchdog_.set(watchdog_interval_);
}

}  // namespace p2p::io
