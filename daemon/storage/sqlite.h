// SPDX-License-Identifier: MIT
// SQLite with this project's rules: one connection used by one thread, WAL, exclusive lock,
// synchronous=FULL (what COMMIT acknowledged survives a power cut), foreign keys on, trusted schema off.
// Why one connection: Debian 12's version has the WAL-reset defect that needs several.
// Blocking: never on the loop thread. Fixed statements with parameters only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/base/bytes.h"
#include "daemon/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace p2p::storage {

// A prepared statement. Bind from 1, step, read columns from 0. bind_* and step report at step().
class Statement {
 public:
  Statement(Statement&&) noexcept = default;
  Statement& operator=(Statement&&) noexcept = default;

  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view text);
  Statement& bind(ByteSpan blob);
  Statement& bind_null();

  Result<bool> step();  // true: a row is there
  Status run();         // steps to the end and resets, for statements without rows

  std::int64_t integer(int column) const;
  std::string text(int column) const;
  ByteSpan blob(int column) const;  // valid until the next step
  bool is_null(int column) const;
  void reset();

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  void note(int result);
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int next_parameter_ = 1;
  int first_error_ = 0;
};

class Database {
 public:
  // Opens or makes the file (0600). A second process on the same file: Code::AddressInUse.
  static Result<Database> open(const std::string& path);

  // Opens a file that is there, as one that is handed out: with a rollback journal, which is gone when it
  // is closed, so that the file alone is the whole database.
  static Result<Database> open_single_file(const std::string& path);

  // Brings the schema to the newest version: migrations[i] leads from version i to i + 1; each runs in
  // a transaction of its own. A file of a newer version is refused, untouched.
  Status migrate(std::span<const std::string_view> migrations);

  Status execute(std::string_view sql);  // fixed text, no parameters
  Result<Statement> prepare(std::string_view sql);
  std::int64_t changes() const;  // rows changed by the last statement

  // BEGIN IMMEDIATE ... COMMIT around `body`, ROLLBACK when it fails.
  template <class Body>
  Status transaction(Body body) {
    if (auto status = execute("BEGIN IMMEDIATE"); !status) return status;
    if (Status status = body(); !status) {
      (void)execute("ROLLBACK");
      return status;
    }
    auto committed = execute("COMMIT");
    if (!committed) (void)execute("ROLLBACK");
    return committed;
  }

 private:
  friend class DatabaseCopy;
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(sqlite3* handle) : handle_(handle) {}
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace p2p::storage
