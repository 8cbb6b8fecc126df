// SPDX-License-Identifier: MIT
// Makes backups of a tracker that runs (backup_file.h says what they are).
//
// Everything that was acknowledged before a backup began is in it. It is made beside the loop and beside
// commits, in steps, and has its name only when it is complete and synced.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "daemon/io/work_pool.h"
#include "daemon/tracker/sqlite_store.h"

namespace p2p::tracker {

class Backup {
 public:
  using Done = std::function<void(Result<std::uint64_t> bytes)>;

  Backup(io::Loop& loop, SqliteStore& store, std::string data_dir);
  ~Backup();  // gives up what runs

  // One at a time (Code::Busy). The path is absolute, and nothing may be there (Code::Exists). `done` may
  // be called from inside for what is refused at once.
  void run(const std::string& path, Done done);

 private:
  struct Task;  // one backup on its way, and where it goes
  static Result<std::shared_ptr<Task>> prepare(const std::string& path, const std::string& data_dir);
  static Result<std::uint64_t> complete(const Task& task, const std::atomic<bool>& given_up);
  void end(Result<std::uint64_t> bytes);

  SqliteStore& store_;
  const std::string data_dir_;
  Done done_;  // of the one that runs
  std::shared_ptr<std::atomic<bool>> given_up_ = std::make_shared<std::atomic<bool>>(false);
  io::WorkPool pool_;
  io::WorkScope scope_;  // dies first: no callback after that
};

}  // namespace p2p::tracker
