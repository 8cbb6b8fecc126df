// SPDX-License-Identifier: MIT
#include "daemon/storage/sqlite.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/check.h"

namespace p2p::storage {
namespace {

Error sqlite_error(sqlite3* database, int result, std::string_view what) {
  Code code = Code::Io;
  switch (result & 0xff) {
    case SQLITE_FULL: code = Code::NoSpace; break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: code = Code::AddressInUse; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: code = Code::Corrupt; break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN: code = Code::PermissionDenied; break;
    case SQLITE_CONSTRAINT: code = Code::Conflict; break;
    default: break;
  }
  return Error{
      code,
      fmt::format("{}: {}", what, database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(result)),
      {}};
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void Statement::note(int result) {
  if (result != SQLITE_OK && first_error_ == SQLITE_OK) first_error_ = result;
}

Statement& Statement::bind(std::int64_t value) {
  note(sqlite3_bind_int64(statement_.get(), next_parameter_++, value));
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  // A null pointer would bind NULL where an empty text is meant.
  note(sqlite3_bind_text64(statement_.get(), next_parameter_++, text.data() != nullptr ? text.data() : "",
                           text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(ByteSpan blob) {
  const int parameter = next_parameter_++;
  note(blob.empty()
           ? sqlite3_bind_zeroblob(statement_.get(), parameter, 0)
           : sqlite3_bind_blob64(statement_.get(), parameter, blob.data(), blob.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::bind_null() {
  note(sqlite3_bind_null(statement_.get(), next_parameter_++));
  return *this;
}

Result<bool> Statement::step() {
  if (first_error_ != SQLITE_OK)
    return fail(sqlite_error(database_, first_error_, "cannot bind a parameter"));
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return fail(sqlite_error(database_, result, "the state database failed"));
}

Status Statement::run() {
  while (true) {
    auto more = step();
    if (!more || !*more) {
      reset();
      if (!more) return fail(more.error());
      return {};
    }
  }
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string Statement::text(int column) const { return to_string(blob(column)); }

ByteSpan Statement::blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_.get(), column));
  const int length = sqlite3_column_bytes(statement_.get(), column);
  return {data, data != nullptr ? static_cast<std::size_t>(length) : 0};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  next_parameter_ = 1;
  first_error_ = SQLITE_OK;
}

void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Result<Database> Database::open(const std::string& path) {
  // Made here first, so that neither the file nor its journal is ever readable by others.
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return fail(system_error(errno, path));
  ::close(file);
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(
      path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, nullptr);
  Database database(handle);
  if (result != SQLITE_OK) return fail(sqlite_error(handle, result, path));
  sqlite3_extended_result_codes(handle, 1);
  for (const auto* pragma :
       {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON", "PRAGMA trusted_schema=OFF", "PRAGMA cell_size_check=ON"})
    if (auto status = database.execute(pragma); !status) return fail(status.error().in(path));
  // The exclusive lock is taken by the first write; take it now, so that a second daemon hears at once.
  if (auto status = database.execute("BEGIN EXCLUSIVE; COMMIT"); !status)
    return fail(status.error().in(path));
  return database;
}

Result<Database> Database::open_single_file(const std::string& path) {
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(
      path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, nullptr);
  Database database(handle);
  if (result != SQLITE_OK) return fail(sqlite_error(handle, result, path));
  sqlite3_extended_result_codes(handle, 1);
  for (const auto* pragma : {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=DELETE",
                             "PRAGMA trusted_schema=OFF", "PRAGMA cell_size_check=ON"})
    if (auto status = database.execute(pragma); !status) return fail(status.error().in(path));
  return database;
}

Status Database::migrate(std::span<const std::string_view> migrations) {
  std::int64_t version = 0;
  {
    auto query = prepare("PRAGMA user_version");
    if (!query) return fail(query.error());
    auto row = query->step();
    if (!row) return fail(row.error());
    version = query->integer(0);
  }
  const auto newest = static_cast<std::int64_t>(migrations.size());
  if (version > newest)
    return fail(Code::Corrupt,
                fmt::format("the state database has version {}, this program knows {}", version, newest),
                "use a program at least as new as the one that wrote it");
  for (auto next = version; next < newest; ++next) {
    const auto status = transaction([&]() -> Status {
      if (auto done = execute(migrations[static_cast<std::size_t>(next)]); !done) return done;
      return execute(fmt::format("PRAGMA user_version={}", next + 1));
    });
    if (!status) return fail(status.error().in("cannot upgrade the state database"));
  }
  return {};
}

Status Database::execute(std::string_view sql) {
  const int result = sqlite3_exec(handle_.get(), std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) return fail(sqlite_error(handle_.get(), result, "the state database failed"));
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int result =
      sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), 0, &statement, nullptr);
  if (result != SQLITE_OK) return fail(sqlite_error(handle_.get(), result, "cannot prepare a statement"));
  return Statement(handle_.get(), statement);
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_.get()); }

}  // namespace p2p::storage
