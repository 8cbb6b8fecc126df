// SPDX-License-Identifier: MIT
// The state database on its own thread: work goes there, results come back to the loop. Calls run strictly
// in order. What was submitted is finished even if the daemon stops.
#pragma once

#include <utility>

#include "daemon/io/work_pool.h"
#include "daemon/storage/state_db.h"

namespace p2p::peer {

class StateStore {
 public:
  StateStore(io::Loop& loop, storage::StateDb db) : db_(std::move(db)), pool_(loop, "p2pd-state", 1) {}

  // done(work(db)) on the loop thread while `scope` lives.
  template <class Work, class Done>
  void run(io::WorkScope& scope, Work work, Done done) {
    scope.run(
        pool_, [this, work = std::move(work)]() mutable { return work(db_); }, std::move(done));
  }

 private:
  storage::StateDb db_;  // before the pool: its thread uses it to the end
  io::WorkPool pool_;
};

}  // namespace p2p::peer
