// SPDX-License-Identifier: MIT
#include "daemon/tracker/restore.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>

#include "daemon/io/clock.h"
#include "daemon/storage/directory.h"
#include "daemon/tracker/backup_file.h"
#include "daemon/tracker/keys.h"
#include "daemon/tracker/sqlite_rows.h"

namespace p2p::tracker {
namespace {

constexpr const char* kDatabase = "tracker.db";
constexpr const char* kUnpacked = "tracker.db.restore";
constexpr std::int64_t kMicroseconds = 1'000'000;  // a second has room for so many changes
constexpr const char* kMark = "restoring";

// Nothing of a tracker may be there, but what a restore that was cut short has left.
Status check_empty(const storage::Directory& folder) {
  if (folder.exists(kMark)) return {};
  bool empty = !folder.exists(kDatabase);
  for (const auto* name : Keys::kFiles) empty = empty && !folder.exists(name);
  if (empty) return {};
  return fail(Code::Exists, fmt::format("there is a tracker in {} already", folder.path()),
              "give a directory that is new: --data-dir DIR");
}

Status remove_all(const storage::Directory& folder) {
  Status first;
  const auto remove = [&](const std::string& name) {
    if (auto removed = folder.remove(name); !removed && first) first = removed;
  };
  for (const std::string name : {kDatabase, kUnpacked})
    for (const auto* suffix : {"", "-wal", "-journal", "-shm"}) remove(name + suffix);
  for (const auto* name : Keys::kFiles) remove(name);
  return first;
}

// From here on the directory has its mark.
Status fill(const storage::Directory& folder, const storage::Descriptor& backup, const std::string& file) {
  if (auto removed = remove_all(folder); !removed) return removed;
  const auto path = folder.path_of(kUnpacked);
  {
    const auto target = folder.create(kUnpacked);
    if (!target) return fail(target.error());
    if (auto unpacked = unpack_backup(backup, file, *target, path); !unpacked) return unpacked;
  }
  const auto keys = take_keys(path);
  if (!keys) return fail(keys.error().in(file));
  {
    auto rows = SqliteRows::open(path);
    if (!rows) return fail(rows.error().in(file));
    if (const auto loaded = rows->load(); !loaded) return fail(loaded.error().in(file));
    // By the clock, so that the same file restored twice goes forward as well.
    if (auto raised = rows->raise_epochs(static_cast<std::uint64_t>(io::wall_now().seconds * kMicroseconds));
        !raised)
      return raised;
  }
  for (const auto& [name, content] : *keys)
    if (auto written = trust::write_secret_file(folder.path_of(name), content); !written) return written;
  if (const auto usable = Keys::load_or_make(folder.path()); !usable) return fail(usable.error().in(file));
  return folder.rename(kUnpacked, kDatabase, false);
}

}  // namespace

Status restore_backup(const std::string& file, const std::string& data_dir) {
  const storage::Descriptor backup(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!backup) return fail(system_error(errno, file));
  if (const auto checked = check_backup(backup, file); !checked) return fail(checked.error());
  if (const auto present = storage::Directory::open(data_dir))
    if (auto empty = check_empty(*present); !empty) return empty;

  const auto locked = DataDirectory::open(data_dir);
  if (!locked) return fail(locked.error());
  const auto folder = storage::Directory::open(data_dir);
  if (!folder) return fail(folder.error());
  if (auto empty = check_empty(*folder); !empty) return empty;
  if (auto marked = trust::write_secret_file(folder->path_of(kMark), as_bytes(file)); !marked) return marked;
  const auto filled = fill(*folder, backup, file);
  if (!filled)
    if (auto removed = remove_all(*folder); !removed) return filled;  // the mark stays with what is left
  if (auto ended = folder->remove(kMark); !ended) return ended;
  if (auto synced = folder->sync(); !synced) return synced;
  return filled;
}

Status check_restored(const std::string& data_dir) {
  const auto folder = storage::Directory::open(data_dir);
  if (!folder) return fail(folder.error());
  if (!folder->exists(kMark)) return {};
  return fail(Code::Corrupt, fmt::format("a restore into {} was cut short", data_dir),
              fmt::format("repeat it: p2p-trackerd --restore FILE --data-dir {}", data_dir));
}

}  // namespace p2p::tracker
