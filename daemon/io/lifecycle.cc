// SPDX-License-Identifier: MIT
#include "daemon/io/lifecycle.h"

#include <csignal>
#include <cstdlib>
#include <fmt/format.h>
#include <systemd/sd-daemon.h>
#include <uv.h>

#include "daemon/base/check.h"
#include "daemon/base/log.h"
#include "daemon/io/clock.h"

namespace p2p::io {
namespace {

constexpr auto kStatusInterval = std::chrono::seconds(5);

}  // namespace

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
      watchdog_(loop, bind<&Lifecycle::on_watchdog>(this)),
      status_timer_(loop, bind<&Lifecycle::on_status_due>(this)) {
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
    if (!stopping_) reload();
    return;
  }
  if (stopping_) {
    log::warn("second signal, ending at once", {{"signal", number}});
    std::_Exit(128 + number);
  }
  const auto turn = std::chrono::duration_cast<std::chrono::milliseconds>(loop_.longest_turn());
  log::info("stopping", {{"signal", number}, {"longest_turn_ms", turn.count()}});
  notify_stopping();
  on_stop_();
}

// The time lets systemd tell this reload from one that it asked for before.
void Lifecycle::reload() {
  sd_notify(0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_microseconds()).c_str());
  on_reload_();
  sd_notify(0, "READY=1");
}

void Lifecycle::notify_ready(std::function<std::string()> status) {
  status_ = std::move(status);
  told_ = status_();
  // With the readiness comes the first status: systemd shows both at once.
  const bool heard = sd_notify(0, ("READY=1\nSTATUS=" + told_).c_str()) > 0;
  if (heard) status_timer_.set(kStatusInterval);
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) > 0 && microseconds > 0) {
    watchdog_interval_ = std::chrono::microseconds(microseconds) / 2;
    on_watchdog();
  }
}

void Lifecycle::notify_stopping() {
  stopping_ = true;
  status_timer_.cancel();
  sd_notify(0, "STOPPING=1");
}

void Lifecycle::on_status_due() {
  status_timer_.set(kStatusInterval);
  auto line = status_();
  if (line == told_) return;
  told_ = std::move(line);
  sd_notify(0, ("STATUS=" + told_).c_str());
}

void Lifecycle::on_watchdog() {
  sd_notify(0, "WATCHDOG=1");
  watchdog_.set(watchdog_interval_);
}

}  // namespace p2p::io
