// SPDX-License-Identifier: MIT
#include "daemon/io/work_pool.h"

#include <csignal>
#include <pthread.h>
#include <sys/resource.h>

namespace p2p::io {

unsigned processors() { return std::thread::hardware_concurrency(); }

WorkPool::WorkPool(Loop& loop, std::string name, unsigned threads, int nice)
    : loop_(loop), name_(std::move(name)), nice_(nice), alive_(std::make_shared<bool>(true)) {
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

void WorkPool::submit(std::function<void()> work, std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(work), std::move(done)});
  }
  wake_.notify_one();
}

std::size_t WorkPool::depth() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size() + running_;
}

void WorkPool::run_thread() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  if (nice_ != 0) setpriority(PRIO_PROCESS, 0, nice_);  // of this thread alone, on Linux
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    ++running_;
    lock.unlock();
    job.work();
    job.work = nullptr;
    loop_.post([done = std::move(job.done), alive = alive_] {
      if (*alive) done();
    });
    job.done = nullptr;
    lock.lock();
    --running_;
  }
}

}  // namespace p2p::io
