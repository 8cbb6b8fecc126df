// SPDX-License-Identifier: MIT
// A copy of a database that is in use, made in steps. Between the steps the original may be written by its
// own connection: what changes in pages that are copied already is changed in the copy too, so the copy is
// the original as of its last step. Blocking; start() and step() on the thread of the original only.
//
// The copy is a temporary file until its owner gives it a name: it is removed with this object.
#pragma once

#include <memory>
#include <string>

#include "daemon/storage/sqlite.h"

struct sqlite3_backup;

namespace p2p::storage {

class DatabaseCopy {
 public:
  // Makes the file (0600); Code::Exists when there is one. `from` must outlive the last step.
  static Result<std::shared_ptr<DatabaseCopy>> start(Database& from, const std::string& path);
  DatabaseCopy(const DatabaseCopy&) = delete;
  DatabaseCopy& operator=(const DatabaseCopy&) = delete;
  ~DatabaseCopy();

  // Copies some more; true: that was the last of it and the file is closed. After an error there are no
  // more steps.
  Result<bool> step();
  const std::string& path() const { return path_; }

 private:
  struct Finish {
    void operator()(sqlite3_backup* copying) const;
  };
  explicit DatabaseCopy(std::string path) : path_(std::move(path)) {}
  std::string path_;
  std::unique_ptr<sqlite3, Database::Close> handle_;
  std::unique_ptr<sqlite3_backup, Finish> copying_;  // dies before the handle
};

}  // namespace p2p::storage
