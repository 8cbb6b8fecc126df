// SPDX-License-Identifier: MIT
// The event loop: one per daemon, owns every handle's time and thread. All of daemon/io but post() is
// for the loop's own thread only.
//
// The contract of this folder (ARCHITECTURE.md, "The event loop"):
//  1. An io object is a member by value of its owner; it is neither copied nor moved. Its libuv handle
//     lives in a small heap block with a back pointer; the destructor clears the pointer and closes the
//     handle, and the block frees itself in the close callback.
//  2. When a destructor or close() has returned, the listener is never called again.
//  3. A listener may destroy the object from inside a callback; the object touches nothing of its own
//     after calling out.
//  4. Nothing calls back from inside the call that started it: immediate failures are returned.
//  5. Write buffers are moved in; read buffers are lent for the duration of the callback.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "daemon/base/bound.h"
#include "daemon/base/time.h"

struct uv_loop_s;

namespace p2p::io {

class Loop {
 public:
  Loop();
  // Runs until every handle is closed and CHECKs that uv_loop_close() finds none; leaked handles are
  // printed.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();  // until stop()
  void stop();
  TimePoint now() const;  // read once per turn
  // From one wait for events to the next: for so long nothing else could happen. Since run() began.
  Duration longest_turn() const { return longest_turn_; }

  // Runs `task` on a clean stack before the loop waits again: for two-phase death. The task must not
  // refer to what may die before it runs.
  void defer(std::function<void()> task);
  // The same from any thread.
  void post(std::function<void()> task);

  uv_loop_s* raw() { return loop_; }

 private:
  void on_wakeup();
  void run_posted();
  void run_deferred();
  void end_turn();
  struct Handles;
  uv_loop_s* loop_;
  Handles* handles_;
  int wakeup_;
  bool ended_ = false;
  Duration busy_{};  // in all, when the last turn ended
  Duration longest_turn_{};
  std::vector<std::function<void()>> deferred_;
  std::mutex mutex_;  // of posted_
  std::vector<std::function<void()>> posted_;
};

}  // namespace p2p::io
