// SPDX-License-Identifier: MIT
#include "daemon/tracker/backup.h"

#include <filesystem>

#include "daemon/storage/directory.h"
#include "daemon/tracker/backup_file.h"
#include "daemon/trust/keys.h"

namespace p2p::tracker {

// `folder` is where the backup goes; the copy becomes complete under the name `temporary`.
struct Backup::Task {
  storage::Directory folder;
  std::string name;
  std::string temporary;
  KeyFiles keys;
  std::shared_ptr<storage::DatabaseCopy> copy;
};

Backup::Backup(io::Loop& loop, SqliteStore& store, std::string data_dir)
    : store_(store), data_dir_(std::move(data_dir)), pool_(loop, "backup", 1) {}

Backup::~Backup() { *given_up_ = true; }

void Backup::run(const std::string& path, Done done) {
  if (done_ != nullptr) {
    done(fail(Code::Busy, "another backup is being made", "wait until it is complete"));
    return;
  }
  done_ = std::move(done);
  scope_.run(
      pool_, [path, data_dir = data_dir_] { return prepare(path, data_dir); },
      [this](Result<std::shared_ptr<Task>> prepared) {
        if (!prepared) {
          end(fail(prepared.error()));
          return;
        }
        const auto task = *prepared;
        store_.copy_to(task->folder.path_of(task->temporary),
                       [this, task](Result<std::shared_ptr<storage::DatabaseCopy>> copy) {
                         if (!copy) {
                           end(fail(copy.error()));
                           return;
                         }
                         task->copy = std::move(*copy);
                         scope_.run(
                             pool_, [task, given_up = given_up_] { return complete(*task, *given_up); },
                             [this](Result<std::uint64_t> bytes) { end(std::move(bytes)); });
                       });
      });
}

void Backup::end(Result<std::uint64_t> bytes) {
  const auto done = std::move(done_);
  done_ = nullptr;
  done(std::move(bytes));
}

Result<std::shared_ptr<Backup::Task>> Backup::prepare(const std::string& path, const std::string& data_dir) {
  const auto split = storage::split_path(path);
  if (!split) return fail(split.error());
  // SQLite opens the copy by its path and follows no links; those that the operator meant are resolved.
  std::error_code error;
  const auto resolved = std::filesystem::canonical(split->folder, error);
  if (error) return fail(system_error(error.value(), split->folder));
  auto folder = storage::Directory::open(resolved.string());
  if (!folder) return fail(folder.error());
  if (folder->exists(split->name))
    return fail(Code::Exists, path + " exists already", "give a file that does not exist");
  auto keys = read_key_files(data_dir);
  if (!keys) return fail(keys.error());
  auto temporary = ".p2p-backup-" + trust::random_id<DownloadId>().hex();
  return std::make_shared<Task>(
      Task{std::move(*folder), split->name, std::move(temporary), std::move(*keys), nullptr});
}

Result<std::uint64_t> Backup::complete(const Task& task, const std::atomic<bool>& given_up) {
  if (auto put = put_keys(task.copy->path(), task.keys); !put) return fail(put.error());
  const auto file = task.folder.open_to_write(task.temporary);
  if (!file) return fail(file.error());
  const auto size = seal_backup(*file, task.copy->path(), given_up);
  if (!size) return size;
  if (auto named = task.folder.rename(task.temporary, task.name, false); !named) return fail(named.error());
  return size;
}

}  // namespace p2p::tracker
