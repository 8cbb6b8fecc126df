// SPDX-License-Identifier: MIT
#include "daemon/io/work_pool.h"

#include <algorithm>
#include <csignal>
#include <pthread.h>
#include <unistd.h>

namespace p2p::io {

unsigned processors() { return std::thread::hardware_concurrency(); }

WorkPool::WorkPool(Loop& loop, std::string name, unsigned threads, int nice)
    : loop_(loop),
      name_(std::move(name)),
      count_(threads),
      nice_(nice),
      alive_(std::make_shared<bool>(true)) {
  // Signals are the loop thread's business.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { run_thread(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

WorkPool::~WorkPool() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
  *alive_ = false;
}

void WorkPool::submit(std::function<void()> work, std::function<void()> done, Lane lane) {
  {
    const std::lock_guard lock(mutex_);
    queues_[lane].jobs.push_back({std::move(work), std::move(done)});
  }
  wake_.notify_one();
}

std::size_t WorkPool::depth() const {
  const std::lock_guard lock(mutex_);
  std::size_t depth = 0;
  for (const auto& [lane, queue] : queues_) depth += queue.jobs.size() + queue.running;
  return depth;
}

bool WorkPool::may_run(const Queues::value_type& lane) const {
  const auto& [name, queue] = lane;
  const auto most = name == kNoLane || ending_ ? count_ : (count_ + 1) / 2;
  return !queue.jobs.empty() && queue.running < most;
}

// The first behind the last one that has a job which may run.
WorkPool::Queues::iterator WorkPool::next_lane() {
  const auto found = [this](const auto& lane) { return may_run(lane); };
  const auto behind = queues_.upper_bound(last_lane_);
  const auto next = std::find_if(behind, queues_.end(), found);
  if (next != queues_.end()) return next;
  const auto before = std::find_if(queues_.begin(), behind, found);
  return before == behind ? queues_.end() : before;
}

void WorkPool::run_thread() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  [[maybe_unused]] const int now = ::nice(nice_);  // of this thread alone, on Linux
  std::unique_lock lock(mutex_);
  while (true) {
    auto lane = queues_.end();
    wake_.wait(lock, [&] {
      lane = next_lane();
      return ending_ || lane != queues_.end();
    });
    if (lane == queues_.end()) return;
    Job job = std::move(lane->second.jobs.front());
    lane->second.jobs.pop_front();
    ++lane->second.running;
    last_lane_ = lane->first;
    lock.unlock();
    job.work();
    job.work = nullptr;
    loop_.post([done = std::move(job.done), alive = alive_] {
      if (*alive) done();
    });
    job.done = nullptr;
    lock.lock();
    if (--lane->second.running == 0 && lane->second.jobs.empty()) queues_.erase(lane);
  }
}

}  // namespace p2p::io
