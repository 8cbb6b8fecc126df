// SPDX-License-Identifier: MIT
// A pool of our own threads for blocking calls and hashing, and the scope that ties results to an owner.
//
// `work` runs on a pool thread and must own everything it touches; `done` runs later on the loop thread,
// but only while the scope that submitted it lives. Jobs run in order of submission (one thread: strictly
// one after the other). The queue is bounded by its callers' own limits; depth() lets them see it.
//
// Jobs that wait for the same thing, such as one disk, may say so by their lane: in order within each lane,
// the lanes in turns, and a lane has half of the threads at most. So what waits long for one of them leaves
// threads to the others.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/io/loop.h"

namespace p2p::io {

// Processors that this process may use.
unsigned processors();

class WorkPool {
 public:
  using Lane = std::uint64_t;
  static constexpr Lane kNoLane = 0;  // a lane like others, and all threads are free to it

  // `nice` threads give way to the rest of their process, by so much more than it gives way to others, as
  // nice(2) counts; a sandbox that refuses that call has them run like all others.
  WorkPool(Loop& loop, std::string name, unsigned threads, int nice = 0);
  // Finishes every job that was submitted; their `done` parts are dropped.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  void submit(std::function<void()> work, std::function<void()> done, Lane lane = kNoLane);
  std::size_t depth() const;  // jobs not yet finished
  unsigned threads() const { return count_; }

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  struct Queue {
    std::deque<Job> jobs;
    std::size_t running = 0;
  };
  using Queues = std::map<Lane, Queue>;
  void run_thread();
  bool may_run(const Queues::value_type& lane) const;
  Queues::iterator next_lane();
  Loop& loop_;
  std::string name_;
  unsigned count_;
  int nice_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Queues queues_;  // that have jobs, waiting or running
  Lane last_lane_ = kNoLane;
  bool ending_ = false;
  std::shared_ptr<bool> alive_;
  std::vector<std::thread> threads_;
};

// A member of whoever submits jobs. Once it is destroyed no `done` of its jobs is called.
class WorkScope {
 public:
  WorkScope() : alive_(std::make_shared<bool>(true)) {}
  ~WorkScope() { *alive_ = false; }
  WorkScope(const WorkScope&) = delete;
  WorkScope& operator=(const WorkScope&) = delete;

  // done(work()) on the loop thread. The result must be movable and default-constructible.
  template <class Work, class Done>
  void run(WorkPool& pool, Work work, Done done) {
    run(pool, WorkPool::kNoLane, std::move(work), std::move(done));
  }
  template <class Work, class Done>
  void run(WorkPool& pool, WorkPool::Lane lane, Work work, Done done) {
    using Value = decltype(work());
    auto value = std::make_shared<Value>();
    auto job = std::make_shared<Work>(std::move(work));
    auto next = std::make_shared<Done>(std::move(done));
    pool.submit([value, job] { *value = (*job)(); },
                [value, next, alive = alive_] {
                  if (*alive) (*next)(std::move(*value));
                },
                lane);
  }

 private:
  std::shared_ptr<bool> alive_;
};

}  // namespace p2p::io
