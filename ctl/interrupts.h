// SPDX-License-Identifier: MIT
// SIGINT as something poll() can wait for, while an object of this lives.
//
// May be nested: only the outermost takes the signal off the process when it ends, so that what was seen by
// nobody inside is still there for it. A process that was started with SIGINT ignored goes on ignoring it.
#pragma once

#include <csignal>

#include "daemon/base/time.h"

namespace p2p::ctl {

class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  // For poll(), which passes over a negative one.
  int descriptor() const { return descriptor_; }

  // Waits so long, or until SIGINT comes: then true.
  bool wait(Duration patience) const;

 private:
  sigset_t before_{};
  bool is_outermost_ = false;
  int descriptor_ = -1;
};

}  // namespace p2p::ctl
