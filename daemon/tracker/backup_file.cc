// SPDX-License-Identifier: MIT
#include "daemon/tracker/backup_file.h"

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/digest.h"
#include "daemon/storage/sqlite.h"
#include "daemon/tracker/keys.h"

namespace p2p::tracker {
namespace {

constexpr std::string_view kMark = "p2p-tracker backup, version 1\n";
constexpr std::size_t kMarkBytes = 32;  // the mark and zeros
constexpr std::size_t kTrailerBytes = kMarkBytes + Sha256::kSize;
constexpr std::size_t kChunkBytes = 1024 * 1024;

tl::unexpected<Error> damaged(const std::string& path, std::string_view why) {
  return fail(Code::Corrupt, path + " " + std::string(why), "take another backup, if there is one");
}

Bytes trailer_of(const Sha256& digest) {
  Bytes trailer = to_bytes(as_bytes(kMark));
  trailer.resize(kMarkBytes);
  trailer.insert(trailer.end(), digest.bytes.begin(), digest.bytes.end());
  return trailer;
}

Result<std::size_t> read_some(int fd, std::span<std::uint8_t> out, std::uint64_t offset,
                              const std::string& path) {
  while (true) {
    const auto got = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return fail(system_error(errno, path));
  }
}

Status write_all(int fd, ByteSpan data, std::uint64_t offset, const std::string& path) {
  while (!data.empty()) {
    const auto put = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail(system_error(errno, path));
    offset += static_cast<std::uint64_t>(put);
    data = data.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

// Reads the first `size` bytes in chunks, gives each to `take`, and their digest at the end.
template <class Take>
Result<Sha256> read_through(const storage::Descriptor& file, const std::string& path, std::uint64_t size,
                            Take take) {
  Bytes chunk(kChunkBytes);
  Sha256Stream digest;
  for (std::uint64_t offset = 0; offset < size;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes, size - offset));
    const auto got = read_some(file.get(), std::span(chunk).first(wanted), offset, path);
    if (!got) return fail(got.error());
    if (*got == 0) return damaged(path, "became shorter while it was read");
    const auto part = ByteSpan(chunk).first(*got);
    digest.update(part);
    if (Status taken = take(part, offset); !taken) return fail(taken.error());
    offset += *got;
  }
  return digest.finish();
}

Result<std::uint64_t> size_of(const storage::Descriptor& file, const std::string& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail(system_error(errno, path));
  if (!S_ISREG(status.st_mode)) return damaged(path, "is no backup of a tracker");
  return static_cast<std::uint64_t>(status.st_size);
}

Status ignore(ByteSpan, std::uint64_t) { return {}; }

}  // namespace

// --- keys ----------------------------------------------------------------------------------------

Result<KeyFiles> read_key_files(const std::string& data_dir) {
  KeyFiles keys;
  for (const auto* name : Keys::kFiles) {
    auto content = trust::read_secret_file(data_dir + "/" + name);
    if (!content) return fail(content.error());
    if (!*content) return fail(Code::NotFound, std::string(name) + " is gone from " + data_dir);
    keys[name] = std::move(**content);
  }
  return keys;
}

Status put_keys(const std::string& database_path, const KeyFiles& keys) {
  auto database = storage::Database::open_single_file(database_path);
  if (!database) return fail(database.error());
  return database->transaction([&]() -> Status {
    auto made = database->execute(
        "CREATE TABLE backup_keys (name TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID");
    if (!made) return made;
    auto insert = database->prepare("INSERT INTO backup_keys VALUES (?, ?)");
    if (!insert) return fail(insert.error());
    for (const auto& [name, content] : keys)
      if (auto put = insert->bind(std::string_view(name)).bind(ByteSpan(content)).run(); !put) return put;
    return {};
  });
}

Result<KeyFiles> take_keys(const std::string& database_path) {
  auto database = storage::Database::open_single_file(database_path);
  if (!database) return fail(database.error());
  KeyFiles keys;
  {
    auto query = database->prepare("SELECT name, content FROM backup_keys");
    if (!query) return fail(query.error());
    while (true) {
      const auto row = query->step();
      if (!row) return fail(row.error());
      if (!*row) break;
      keys[query->text(0)] = to_bytes(query->blob(1));
    }
  }
  for (const auto* name : Keys::kFiles)
    if (!keys.contains(name)) return damaged(database_path, "lacks keys of the tracker");
  if (keys.size() != Keys::kFiles.size()) return damaged(database_path, "has keys of something else");
  if (auto removed = database->execute("PRAGMA secure_delete=ON; DROP TABLE backup_keys"); !removed)
    return fail(removed.error());
  return keys;
}

// --- the file ------------------------------------------------------------------------------------

Result<std::uint64_t> seal_backup(const storage::Descriptor& file, const std::string& path,
                                  const std::atomic<bool>& given_up) {
  const auto size = size_of(file, path);
  if (!size) return size;
  const auto digest = read_through(file, path, *size, [&](ByteSpan, std::uint64_t) -> Status {
    if (given_up) return fail(Code::Cancelled, "the backup was given up");
    return {};
  });
  if (!digest) return fail(digest.error());
  const auto trailer = trailer_of(*digest);
  if (auto written = write_all(file.get(), trailer, *size, path); !written) return fail(written.error());
  if (::fsync(file.get()) != 0) return fail(system_error(errno, path));
  return *size + trailer.size();
}

Result<std::uint64_t> check_backup(const storage::Descriptor& file, const std::string& path) {
  const auto size = size_of(file, path);
  if (!size) return size;
  if (*size <= kTrailerBytes) return damaged(path, "is no backup of a tracker");
  Bytes trailer(kTrailerBytes);
  const auto got = read_some(file.get(), trailer, *size - kTrailerBytes, path);
  if (!got) return fail(got.error());
  const auto mark = trailer_of({});
  if (*got != kTrailerBytes || !std::equal(mark.begin(), mark.begin() + kMarkBytes, trailer.begin()))
    return damaged(path, "is no backup of a tracker, or its end is missing");
  const auto digest = read_through(file, path, *size - kTrailerBytes, ignore);
  if (!digest) return fail(digest.error());
  if (trailer != trailer_of(*digest)) return damaged(path, "is damaged: its digest does not fit");
  return *size - kTrailerBytes;
}

Status unpack_backup(const storage::Descriptor& file, const std::string& path,
                     const storage::Descriptor& target, const std::string& target_path) {
  const auto size = check_backup(file, path);
  if (!size) return fail(size.error());
  Bytes trailer(kTrailerBytes);
  const auto got = read_some(file.get(), trailer, *size, path);
  if (!got) return fail(got.error());
  const auto digest = read_through(file, path, *size, [&](ByteSpan part, std::uint64_t offset) {
    return write_all(target.get(), part, offset, target_path);
  });
  if (!digest) return fail(digest.error());
  if (trailer != trailer_of(*digest)) return damaged(path, "changed while it was read");
  if (::fsync(target.get()) != 0) return fail(system_error(errno, target_path));
  return {};
}

}  // namespace p2p::tracker
