// SPDX-License-Identifier: MIT
#include "ctl/interrupts.h"

#include <cerrno>
#include <chrono>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ctl/client.h"

namespace p2p::ctl {

InterruptWatch::InterruptWatch() {
  struct sigaction action {};
  // A blocked signal is kept for later even where it would be ignored.
  if (::sigaction(SIGINT, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) return;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &set, &before_) != 0) return;
  is_outermost_ = sigismember(&before_, SIGINT) == 0;
  descriptor_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

InterruptWatch::~InterruptWatch() {
  // What was seen must not kill the process once the signal is let through again.
  signalfd_siginfo seen{};
  while (is_outermost_ && descriptor_ >= 0 && ::read(descriptor_, &seen, sizeof seen) > 0) {
  }
  if (descriptor_ >= 0) ::close(descriptor_);
  if (is_outermost_) ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

bool InterruptWatch::wait(Duration patience) const {
  const TimePoint end = monotonic_now() + patience;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - monotonic_now()).count();
    if (left <= 0) return false;
    pollfd watched{descriptor_, POLLIN, 0};
    if (::poll(&watched, 1, static_cast<int>(left)) > 0) return true;
  }
}

}  // namespace p2p::ctl
