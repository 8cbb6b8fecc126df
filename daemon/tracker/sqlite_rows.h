// SPDX-License-Identifier: MIT
// The registry as rows of one SQLite database. Blocking; one thread at a time.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/storage/sqlite.h"
#include "daemon/storage/sqlite_copy.h"
#include "daemon/tracker/store.h"

namespace p2p::tracker {

class SqliteRows {
 public:
  static Result<SqliteRows> open(const std::string& path);

  Result<Snapshot> load();
  // All change sets in one transaction. A conflict leaves out its own change set only; any other
  // failure undoes the whole batch and fails all of it.
  std::vector<CommitResult> write(std::span<const ChangeSet> batch);
  Result<ScopeState> load_scope(const Scope& scope, const std::optional<Remembered>& request);
  Result<Bytes> read_piece_list(const ShareKey& share, std::uint64_t offset);
  // Begins a copy of the whole database as a new file; its steps go between other calls.
  // After a restore: no change number or epoch below `floor`, and none that was used before, so that
  // members' daemons do not take the next roster for an old one.
  Status raise_epochs(std::uint64_t floor);
  Result<std::shared_ptr<storage::DatabaseCopy>> copy_to(const std::string& path);

 private:
  explicit SqliteRows(storage::Database database) : database_(std::move(database)) {}

  // A statement of fixed text, prepared once and ready to be bound.
  Result<storage::Statement*> statement(std::string_view sql);
  template <class... Values>
  Status run(std::string_view sql, const Values&... values);
  Result<std::uint64_t> change_number(const Scope& scope);
  Result<bool> holds(const ChangeSet& change);  // its scope and its invite are as it expects
  Status write_one(const ChangeSet& change);
  Status write_row(const PutAccount& change);
  Status write_row(const PutDevice& change);
  Status write_row(const DropDevice& change);
  Status write_row(const PutRevocation& change);
  Status write_row(const PutGroup& change);
  Status write_row(const EndGroup& change);
  Status write_row(const PutMember& change);
  Status write_row(const DropMember& change);
  Status write_row(const PutRequest& change);
  Status write_row(const DropRequest& change);
  Status write_row(const PutInvitation& change);
  Status write_row(const DropInvitation& change);
  Status write_row(const PutShare& change);
  Status write_row(const DropShare& change);
  Status write_row(const PutInvite& change);
  Status write_row(const UseInvite& change);
  Status write_row(const DropInvite& change);
  Status remember(const Remembered& remembered);

  // `name` empty: all.
  Result<std::vector<Account>> read_accounts(const std::string& name);
  Result<std::vector<Device>> read_devices(const UserId* user);
  Result<std::vector<Revocation>> read_revocations(const UserId* user);
  Result<std::vector<Group>> read_groups(const std::string& name);
  Status read_rows(Group& group);
  Status read_shares(Group& group);
  Result<std::vector<Invite>> read_invites();
  Result<std::uint64_t> uses_left(const Sha256& invite);

  storage::Database database_;
  std::map<std::string_view, storage::Statement> statements_;  // dies before the database
};

}  // namespace p2p::tracker
