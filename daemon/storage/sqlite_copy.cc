// SPDX-License-Identifier: MIT
#include "daemon/storage/sqlite_copy.h"

#include <cerrno>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

namespace p2p::storage {
namespace {

constexpr int kPagesPerStep = 128;  // half a MiB: commits wait for that at most

Error copy_error(sqlite3* database, int result) {
  const auto code = (result & 0xff) == SQLITE_FULL      ? Code::NoSpace
                    : (result & 0xff) == SQLITE_CORRUPT ? Code::Corrupt
                                                        : Code::Io;
  const auto* reason = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(result);
  return Error{code, std::string("cannot copy the database: ") + reason, {}};
}

}  // namespace

void DatabaseCopy::Finish::operator()(sqlite3_backup* copying) const { sqlite3_backup_finish(copying); }

Result<std::shared_ptr<DatabaseCopy>> DatabaseCopy::start(Database& from, const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return fail(system_error(errno, path));
  ::close(file);
  std::shared_ptr<DatabaseCopy> copy(new DatabaseCopy(path));
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(
      path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, nullptr);
  copy->handle_.reset(handle);
  if (result != SQLITE_OK) return fail(copy_error(handle, result));
  // Whoever names the file syncs it; a copy that was cut short is thrown away.
  const int prepared =
      sqlite3_exec(handle, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF",
                   nullptr, nullptr, nullptr);
  if (prepared != SQLITE_OK) return fail(copy_error(handle, prepared));
  copy->copying_.reset(sqlite3_backup_init(handle, "main", from.handle_.get(), "main"));
  if (copy->copying_ == nullptr) return fail(copy_error(handle, sqlite3_errcode(handle)));
  return copy;
}

DatabaseCopy::~DatabaseCopy() {
  copying_.reset();
  handle_.reset();
  ::unlink(path_.c_str());
}

Result<bool> DatabaseCopy::step() {
  const int result = sqlite3_backup_step(copying_.get(), kPagesPerStep);
  if (result == SQLITE_OK) return false;
  const int finished = sqlite3_backup_finish(copying_.release());
  if (result != SQLITE_DONE || finished != SQLITE_OK)
    return fail(copy_error(nullptr, finished != SQLITE_OK ? finished : result));
  handle_.reset();
  return true;
}

}  // namespace p2p::storage
