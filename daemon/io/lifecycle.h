// SPDX-License-Identifier: MIT
// What every daemon does around its work: ignores SIGPIPE, turns SIGTERM, SIGINT and SIGHUP into calls,
// tells systemd that it is ready, alive and stopping.
#pragma once

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

  void notify_ready();  // and starts to feed the watchdog where systemd asks for it
  void notify_stopping();

 private:
  struct Signals;
  void on_signal(int number);
  void on_watchdog();
  Loop& loop_;
  Bound<> on_stop_;
  Bound<> on_reload_;
  Signals* signals_;
  Timer watchdog_;
  Duration watchdog_interval_{};
  bool stopping_ = false;
};

}  // namespace p2p::io
