// SPDX-License-Identifier: MIT
// What every daemon does around its work: ignores SIGPIPE, turns SIGTERM, SIGINT and SIGHUP into calls,
// tells systemd that it is ready, reloading, alive and stopping, and in one line what it does.
#pragma once

#include <functional>
#include <string>

#include "daemon/base/bound.h"
#include "daemon/io/loop.h"
#include "daemon/io/timer.h"

namespace p2p::io {

class Lifecycle {
 public:
  // `on_stop` is called once, at the first SIGTERM or SIGINT; a second one ends the process at once.
  Lifecycle(Loop& loop, Bound<> on_stop, Bound<> on_reload);
  ~Lifecycle();
  Lifecycle(const Lifecycle&) = delete;
  Lifecycle& operator=(const Lifecycle&) = delete;

  // Ready; from now on `status` is asked for a line of text now and then, where systemd listens, and the
  // watchdog is fed, where systemd asks for it.
  void notify_ready(std::function<std::string()> status);
  void notify_stopping();

 private:
  struct Signals;
  void on_signal(int number);
  void on_watchdog();
  void on_status_due();
  void reload();
  Loop& loop_;
  Bound<> on_stop_;
  Bound<> on_reload_;
  Signals* signals_;
  Timer watchdog_;
  Timer status_timer_;
  std::function<std::string()> status_;
  std::string told_;  // the line that systemd has
  Duration watchdog_interval_{};
  bool stopping_ = false;
};

}  // namespace p2p::io
