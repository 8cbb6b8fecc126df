// SPDX-License-Identifier: MIT
#include "daemon/tracker/sqlite_rows.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "daemon/base/limits.h"
#include "daemon/meta/geometry.h"

namespace p2p::tracker {
namespace {

constexpr std::array<std::string_view, 4> kMigrations{R"sql(
CREATE TABLE accounts (
  user_id BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, record BLOB NOT NULL, salt BLOB NOT NULL,
  log_n INTEGER NOT NULL, disabled INTEGER NOT NULL, created INTEGER NOT NULL, change INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE devices (
  device_id BLOB PRIMARY KEY, key BLOB NOT NULL, user_id BLOB NOT NULL REFERENCES accounts,
  since INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX devices_by_user ON devices (user_id);
CREATE TABLE groups (
  group_id BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL, unlisted INTEGER NOT NULL,
  statement BLOB NOT NULL, created INTEGER NOT NULL, change INTEGER NOT NULL, epoch INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE ended_groups (group_id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE members (
  group_id BLOB NOT NULL REFERENCES groups ON DELETE CASCADE, user_id BLOB NOT NULL REFERENCES accounts,
  role INTEGER NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (group_id, user_id)
) WITHOUT ROWID;
CREATE TABLE requests (
  group_id BLOB NOT NULL REFERENCES groups ON DELETE CASCADE, user_id BLOB NOT NULL REFERENCES accounts,
  message TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (group_id, user_id)
) WITHOUT ROWID;
CREATE TABLE shares (
  group_id BLOB NOT NULL REFERENCES groups ON DELETE CASCADE, info_hash BLOB NOT NULL, name TEXT NOT NULL,
  size INTEGER NOT NULL, piece_length INTEGER NOT NULL, sha1 BLOB NOT NULL, info_hash_v1 BLOB NOT NULL,
  publisher BLOB NOT NULL REFERENCES accounts, publisher_key BLOB NOT NULL, entry BLOB NOT NULL,
  since INTEGER NOT NULL, PRIMARY KEY (group_id, info_hash), UNIQUE (group_id, name)
) WITHOUT ROWID;
CREATE TABLE piece_lists (
  group_id BLOB NOT NULL, info_hash BLOB NOT NULL, start INTEGER NOT NULL, data BLOB NOT NULL,
  UNIQUE (group_id, info_hash, start),
  FOREIGN KEY (group_id, info_hash) REFERENCES shares ON DELETE CASCADE
);
CREATE TABLE answers (
  number INTEGER PRIMARY KEY AUTOINCREMENT, device_id BLOB NOT NULL, key BLOB NOT NULL,
  response BLOB NOT NULL,
  UNIQUE (device_id, key)
);
)sql",
                                                      R"sql(
CREATE TABLE revocations (
  user_id BLOB NOT NULL REFERENCES accounts, device_id BLOB NOT NULL, at INTEGER NOT NULL,
  until INTEGER NOT NULL, PRIMARY KEY (user_id, device_id)
) WITHOUT ROWID;
CREATE INDEX revocations_by_end ON revocations (until);
)sql",
                                                      R"sql(
CREATE TABLE invites (
  hash BLOB PRIMARY KEY, uses INTEGER NOT NULL, expires INTEGER NOT NULL
) WITHOUT ROWID;
)sql",
                                                      R"sql(
CREATE TABLE invitations (
  group_id BLOB NOT NULL REFERENCES groups ON DELETE CASCADE, user_id BLOB NOT NULL REFERENCES accounts,
  invited_by BLOB NOT NULL REFERENCES accounts, since INTEGER NOT NULL, PRIMARY KEY (group_id, user_id)
) WITHOUT ROWID;
)sql"};

// Stored ids have the right length unless the file was damaged; the caller asks `ok` at the end.
template <class T>
T id_at(const storage::Statement& row, int column, bool& ok) {
  const auto id = T::from(row.blob(column));
  if (!id) ok = false;
  return id.value_or(T{});
}

WallTime time_at(const storage::Statement& row, int column) { return WallTime{row.integer(column)}; }

std::uint64_t number_at(const storage::Statement& row, int column) {
  return static_cast<std::uint64_t>(row.integer(column));
}

tl::unexpected<Error> corrupt(std::string_view what) {
  return fail(Code::Corrupt, fmt::format("the database holds a {} that makes no sense", what),
              "restore it from a backup");
}

void bind_one(storage::Statement& to, std::string_view text) { to.bind(text); }
void bind_one(storage::Statement& to, const Bytes& blob) { to.bind(ByteSpan(blob)); }
void bind_one(storage::Statement& to, ByteSpan blob) { to.bind(blob); }
void bind_one(storage::Statement& to, std::uint64_t number) { to.bind(static_cast<std::int64_t>(number)); }
void bind_one(storage::Statement& to, std::uint32_t number) { to.bind(std::int64_t{number}); }
void bind_one(storage::Statement& to, bool flag) { to.bind(std::int64_t{flag ? 1 : 0}); }
void bind_one(storage::Statement& to, Role role) { to.bind(static_cast<std::int64_t>(role)); }
void bind_one(storage::Statement& to, WallTime time) { to.bind(time.seconds); }
template <class Tag, std::size_t N>
void bind_one(storage::Statement& to, const Id<Tag, N>& id) {
  to.bind(id.view());
}

// Calls `each` for every row; `each` gives false when a row makes no sense.
template <class Each>
Status for_each_row(storage::Statement& query, std::string_view what, Each each) {
  while (true) {
    const auto row = query.step();
    if (!row) return fail(row.error());
    if (!*row) break;
    if (!each(query)) return corrupt(what);
  }
  query.reset();
  return {};
}

}  // namespace

Result<SqliteRows> SqliteRows::open(const std::string& path) {
  auto database = storage::Database::open(path);
  if (!database) return fail(database.error());
  if (auto status = database->migrate(kMigrations); !status) return fail(status.error().in(path));
  return SqliteRows(std::move(*database));
}

Result<storage::Statement*> SqliteRows::statement(std::string_view sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    auto made = database_.prepare(sql);
    if (!made) return fail(made.error());
    found = statements_.emplace(sql, std::move(*made)).first;
  }
  found->second.reset();
  return &found->second;
}

template <class... Values>
Status SqliteRows::run(std::string_view sql, const Values&... values) {
  const auto prepared = statement(sql);
  if (!prepared) return fail(prepared.error());
  (bind_one(**prepared, values), ...);
  return (*prepared)->run();
}

// --- reading -------------------------------------------------------------------------------------

Result<std::vector<Account>> SqliteRows::read_accounts(const std::string& name) {
  const auto query = statement(
      "SELECT user_id, name, record, salt, log_n, disabled, created, change FROM accounts WHERE ?1 = '' OR "
      "name = ?1");
  if (!query) return fail(query.error());
  (*query)->bind(std::string_view(name));
  std::vector<Account> accounts;
  const auto status = for_each_row(**query, "user", [&](const storage::Statement& row) {
    bool ok = true;
    accounts.push_back({id_at<UserId>(row, 0, ok), row.text(1), to_bytes(row.blob(2)), to_bytes(row.blob(3)),
                        static_cast<std::uint32_t>(row.integer(4)), row.integer(5) != 0, time_at(row, 6),
                        number_at(row, 7)});
    return ok;
  });
  if (!status) return fail(status.error());
  return accounts;
}

Result<std::vector<Device>> SqliteRows::read_devices(const UserId* user) {
  const auto query =
      statement("SELECT device_id, key, user_id, since FROM devices WHERE ?1 = x'' OR user_id = ?1");
  if (!query) return fail(query.error());
  (*query)->bind(user != nullptr ? user->view() : ByteSpan());
  std::vector<Device> devices;
  const auto status = for_each_row(**query, "device", [&](const storage::Statement& row) {
    bool ok = true;
    devices.push_back({id_at<DeviceId>(row, 0, ok), id_at<trust::PublicKey>(row, 1, ok),
                       id_at<UserId>(row, 2, ok), time_at(row, 3)});
    return ok;
  });
  if (!status) return fail(status.error());
  return devices;
}

Result<std::vector<Revocation>> SqliteRows::read_revocations(const UserId* user) {
  const auto query =
      statement("SELECT device_id, user_id, at, until FROM revocations WHERE ?1 = x'' OR user_id = ?1");
  if (!query) return fail(query.error());
  (*query)->bind(user != nullptr ? user->view() : ByteSpan());
  std::vector<Revocation> revocations;
  const auto status = for_each_row(**query, "revocation", [&](const storage::Statement& row) {
    bool ok = true;
    revocations.push_back(
        {id_at<DeviceId>(row, 0, ok), id_at<UserId>(row, 1, ok), time_at(row, 2), time_at(row, 3)});
    return ok;
  });
  if (!status) return fail(status.error());
  return revocations;
}

Status SqliteRows::read_rows(Group& group) {
  const auto& id = group.head.id;
  auto query = statement("SELECT user_id, role, since FROM members WHERE group_id = ?");
  if (!query) return fail(query.error());
  (*query)->bind(id.view());
  auto status = for_each_row(**query, "member", [&](const storage::Statement& row) {
    bool ok = true;
    const auto role = row.integer(1);
    if (role < static_cast<int>(Role::Member) || role > static_cast<int>(Role::Owner)) return false;
    group.members[id_at<UserId>(row, 0, ok)] = {static_cast<Role>(role), time_at(row, 2)};
    return ok;
  });
  if (!status) return status;

  query = statement("SELECT user_id, message, since FROM requests WHERE group_id = ?");
  if (!query) return fail(query.error());
  (*query)->bind(id.view());
  status = for_each_row(**query, "join request", [&](const storage::Statement& row) {
    bool ok = true;
    group.requests[id_at<UserId>(row, 0, ok)] = {row.text(1), time_at(row, 2)};
    return ok;
  });
  if (!status) return status;

  query = statement("SELECT user_id, invited_by, since FROM invitations WHERE group_id = ?");
  if (!query) return fail(query.error());
  (*query)->bind(id.view());
  status = for_each_row(**query, "invitation", [&](const storage::Statement& row) {
    bool ok = true;
    group.invitations[id_at<UserId>(row, 0, ok)] = {id_at<UserId>(row, 1, ok), time_at(row, 2)};
    return ok;
  });
  if (!status) return status;
  return read_shares(group);
}

Status SqliteRows::read_shares(Group& group) {
  const auto& id = group.head.id;
  const auto query = statement(
      "SELECT info_hash, name, size, piece_length, sha1, info_hash_v1, publisher, publisher_key, entry, "
      "since "
      "FROM shares WHERE group_id = ?");
  if (!query) return fail(query.error());
  (*query)->bind(id.view());
  return for_each_row(**query, "share", [&](const storage::Statement& row) {
    bool ok = true;
    Share share;
    share.group = id;
    share.info_hash = id_at<InfoHash>(row, 0, ok);
    share.name = row.text(1);
    share.size = number_at(row, 2);
    share.piece_length = static_cast<std::uint32_t>(row.integer(3));
    share.sha1 = id_at<Sha1>(row, 4, ok);
    share.info_hash_v1 = InfoHashV1::from(row.blob(5));
    share.publisher = id_at<UserId>(row, 6, ok);
    share.publisher_key = id_at<trust::PublicKey>(row, 7, ok);
    share.entry = to_bytes(row.blob(8));
    share.since = time_at(row, 9);
    const auto geometry = meta::Geometry::make(share.size, share.piece_length);
    if (!geometry || !ok) return false;
    share.pieces = geometry->pieces();
    group.share_names[share.info_hash] = share.name;
    group.shares[share.name] = std::move(share);
    return true;
  });
}

Result<std::vector<Group>> SqliteRows::read_groups(const std::string& name) {
  const auto query = statement(
      "SELECT group_id, name, description, unlisted, statement, created, change, epoch FROM groups "
      "WHERE ?1 = '' OR name = ?1");
  if (!query) return fail(query.error());
  (*query)->bind(std::string_view(name));
  std::vector<Group> groups;
  const auto status = for_each_row(**query, "group", [&](const storage::Statement& row) {
    bool ok = true;
    Group group;
    group.head = {id_at<GroupId>(row, 0, ok), row.text(1),           row.text(2),
                  row.integer(3) != 0,        to_bytes(row.blob(4)), time_at(row, 5)};
    group.change = number_at(row, 6);
    group.epoch = number_at(row, 7);
    groups.push_back(std::move(group));
    return ok;
  });
  if (!status) return fail(status.error());
  for (auto& group : groups)
    if (const auto rows = read_rows(group); !rows) return fail(rows.error());
  return groups;
}

Result<std::vector<Invite>> SqliteRows::read_invites() {
  const auto query = statement("SELECT hash, uses, expires FROM invites");
  if (!query) return fail(query.error());
  std::vector<Invite> invites;
  const auto status = for_each_row(**query, "invite", [&](const storage::Statement& row) {
    bool ok = true;
    invites.push_back(
        {id_at<Sha256>(row, 0, ok), static_cast<std::uint32_t>(row.integer(1)), time_at(row, 2)});
    return ok && row.integer(1) > 0;
  });
  if (!status) return fail(status.error());
  return invites;
}

Result<Snapshot> SqliteRows::load() {
  Snapshot snapshot;
  auto accounts = read_accounts({});
  if (!accounts) return fail(accounts.error());
  auto devices = read_devices(nullptr);
  if (!devices) return fail(devices.error());
  auto revocations = read_revocations(nullptr);
  if (!revocations) return fail(revocations.error());
  auto groups = read_groups({});
  if (!groups) return fail(groups.error());
  snapshot.accounts = std::move(*accounts);
  snapshot.devices = std::move(*devices);
  snapshot.revocations = std::move(*revocations);
  snapshot.groups = std::move(*groups);

  auto query = statement("SELECT group_id FROM ended_groups");
  if (!query) return fail(query.error());
  auto status = for_each_row(**query, "group", [&](const storage::Statement& row) {
    bool ok = true;
    snapshot.ended_groups.push_back(id_at<GroupId>(row, 0, ok));
    return ok;
  });
  if (!status) return fail(status.error());
  auto invites = read_invites();
  if (!invites) return fail(invites.error());
  snapshot.invites = std::move(*invites);
  query = statement("SELECT device_id, key, response FROM answers ORDER BY number");
  if (!query) return fail(query.error());
  status = for_each_row(**query, "remembered answer", [&](const storage::Statement& row) {
    bool ok = true;
    snapshot.remembered.push_back(
        {id_at<DeviceId>(row, 0, ok), id_at<IdempotencyKey>(row, 1, ok), to_string(row.blob(2))});
    return ok;
  });
  if (!status) return fail(status.error());
  return snapshot;
}

Result<ScopeState> SqliteRows::load_scope(const Scope& scope, const std::optional<Remembered>& request) {
  ScopeState state;
  state.scope = scope;
  if (scope.kind != Scope::Kind::Group) {
    auto invites = read_invites();
    if (!invites) return fail(invites.error());
    state.invites = std::move(*invites);
  }
  if (scope.kind == Scope::Kind::Account) {
    auto accounts = read_accounts(scope.name);
    if (!accounts) return fail(accounts.error());
    if (!accounts->empty()) {
      state.account = std::move(accounts->front());
      auto devices = read_devices(&state.account->id);
      if (!devices) return fail(devices.error());
      state.devices = std::move(*devices);
      auto revocations = read_revocations(&state.account->id);
      if (!revocations) return fail(revocations.error());
      state.revocations = std::move(*revocations);
    }
  } else if (scope.kind == Scope::Kind::Group) {
    auto groups = read_groups(scope.name);
    if (!groups) return fail(groups.error());
    if (!groups->empty()) state.group = std::move(groups->front());
  }
  if (!request) return state;
  const auto query = statement("SELECT response FROM answers WHERE device_id = ? AND key = ?");
  if (!query) return fail(query.error());
  (*query)->bind(request->device.view()).bind(request->key.view());
  const auto status = for_each_row(**query, "remembered answer", [&](const storage::Statement& row) {
    state.remembered = Remembered{request->device, request->key, to_string(row.blob(0))};
    return true;
  });
  if (!status) return fail(status.error());
  return state;
}

Result<Bytes> SqliteRows::read_piece_list(const ShareKey& share, std::uint64_t offset) {
  const auto query =
      statement("SELECT data FROM piece_lists WHERE group_id = ? AND info_hash = ? AND start = ?");
  if (!query) return fail(query.error());
  const auto inside = offset % limits::kMetadataChunkBytes;
  (*query)
      ->bind(share.group.view())
      .bind(share.info_hash.view())
      .bind(static_cast<std::int64_t>(offset - inside));
  Bytes chunk;
  const auto status = for_each_row(**query, "piece list", [&](const storage::Statement& row) {
    const auto data = row.blob(0);
    if (inside < data.size()) chunk = to_bytes(data.subspan(inside));
    return true;
  });
  if (!status) return fail(status.error());
  return chunk;
}

Result<std::shared_ptr<storage::DatabaseCopy>> SqliteRows::copy_to(const std::string& path) {
  return storage::DatabaseCopy::start(database_, path);
}

// --- writing -------------------------------------------------------------------------------------

std::vector<CommitResult> SqliteRows::write(std::span<const ChangeSet> batch) {
  std::vector<CommitResult> results(batch.size());
  const auto status = database_.transaction([&]() -> Status {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto holding = holds(batch[i]);
      if (!holding) return fail(holding.error());
      if (!*holding) {
        results[i].outcome = CommitResult::Outcome::Conflict;
        continue;
      }
      if (auto written = write_one(batch[i]); !written) return written;
    }
    return {};
  });
  if (!status) results.assign(batch.size(), {CommitResult::Outcome::Failed, status.error()});
  return results;
}

Result<bool> SqliteRows::holds(const ChangeSet& change) {
  const auto number = change_number(change.scope);
  if (!number) return fail(number.error());
  if (*number != change.expected) return false;
  for (const auto& part : change.changes) {
    const auto* use = std::get_if<UseInvite>(&part);
    if (use == nullptr) continue;
    const auto left = uses_left(use->hash);
    if (!left) return fail(left.error());
    if (*left == 0) return false;
  }
  return true;
}

Result<std::uint64_t> SqliteRows::uses_left(const Sha256& invite) {
  const auto query = statement("SELECT uses FROM invites WHERE hash = ?");
  if (!query) return fail(query.error());
  (*query)->bind(invite.view());
  const auto row = (*query)->step();
  if (!row) return fail(row.error());
  const auto left = *row ? number_at(**query, 0) : 0;
  (*query)->reset();
  return left;
}

Result<std::uint64_t> SqliteRows::change_number(const Scope& scope) {
  if (scope.kind == Scope::Kind::Invite) {
    const auto left = uses_left(Sha256::from_hex(scope.name).value_or(Sha256{}));
    if (!left) return fail(left.error());
    return std::uint64_t{*left > 0 ? 1u : 0u};
  }
  const auto query =
      statement(scope.kind == Scope::Kind::Account ? "SELECT change FROM accounts WHERE name = ?"
                                                   : "SELECT change FROM groups WHERE name = ?");
  if (!query) return fail(query.error());
  (*query)->bind(std::string_view(scope.name));
  const auto row = (*query)->step();
  if (!row) return fail(row.error());
  const auto number = *row ? number_at(**query, 0) : 0;
  (*query)->reset();
  return number;
}

Status SqliteRows::write_one(const ChangeSet& change) {
  for (const auto& part : change.changes)
    if (auto status = std::visit([this](const auto& one) { return write_row(one); }, part); !status)
      return status;
  if (change.scope.kind == Scope::Kind::Invite) return {};
  auto status =
      change.scope.kind == Scope::Kind::Account
          ? run("UPDATE accounts SET change = ? WHERE name = ?", change.next, change.scope.name)
          : run("UPDATE groups SET change = ?1, epoch = CASE WHEN ?2 THEN ?1 ELSE epoch END WHERE name = ?3",
                change.next, change.alters_roster(), change.scope.name);
  if (!status) return status;
  return change.remembered ? remember(*change.remembered) : Status{};
}

Status SqliteRows::write_row(const PutAccount& change) {
  const auto& account = change.account;
  return run(
      "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user_id) DO UPDATE SET "
      "record = excluded.record, salt = excluded.salt, log_n = excluded.log_n, disabled = excluded.disabled",
      account.id, account.name, account.record, account.salt, account.log_n, account.disabled,
      account.created, account.change);
}

Status SqliteRows::write_row(const PutDevice& change) {
  const auto& device = change.device;
  return run("INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?)", device.id, device.key, device.user,
             device.since);
}

Status SqliteRows::write_row(const DropDevice& change) {
  return run("DELETE FROM devices WHERE device_id = ? AND user_id = ?", change.device, change.user);
}

Status SqliteRows::write_row(const PutRevocation& change) {
  const auto& made = change.revocation;
  if (auto status = run("DELETE FROM revocations WHERE until <= ?", made.at); !status) return status;
  return run("INSERT OR REPLACE INTO revocations VALUES (?, ?, ?, ?)", made.user, made.device, made.at,
             made.until);
}

Status SqliteRows::write_row(const PutGroup& change) {
  const auto& head = change.head;
  return run("INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, 0, 0)", head.id, head.name, head.description,
             head.unlisted, head.statement, head.created);
}

Status SqliteRows::raise_epochs(std::uint64_t floor) {
  return run("UPDATE groups SET change = max(change + 1, ?1), epoch = max(change + 1, ?1)", floor);
}

Status SqliteRows::write_row(const EndGroup& change) {
  if (auto status = run("DELETE FROM groups WHERE group_id = ?", change.group); !status) return status;
  return run("INSERT INTO ended_groups VALUES (?)", change.group);
}

Status SqliteRows::write_row(const PutMember& change) {
  return run("INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?)", change.group, change.user,
             change.member.role, change.member.since);
}

Status SqliteRows::write_row(const DropMember& change) {
  return run("DELETE FROM members WHERE group_id = ? AND user_id = ?", change.group, change.user);
}

Status SqliteRows::write_row(const PutRequest& change) {
  return run("INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?)", change.group, change.user,
             change.request.message, change.request.since);
}

Status SqliteRows::write_row(const DropRequest& change) {
  return run("DELETE FROM requests WHERE group_id = ? AND user_id = ?", change.group, change.user);
}

Status SqliteRows::write_row(const PutInvitation& change) {
  return run("INSERT OR REPLACE INTO invitations VALUES (?, ?, ?, ?)", change.group, change.user,
             change.invitation.by, change.invitation.since);
}

Status SqliteRows::write_row(const DropInvitation& change) {
  return run("DELETE FROM invitations WHERE group_id = ? AND user_id = ?", change.group, change.user);
}

Status SqliteRows::write_row(const PutShare& change) {
  const auto& share = change.share;
  const auto v1 = share.info_hash_v1 ? share.info_hash_v1->view() : ByteSpan();
  auto status = run("INSERT INTO shares VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", share.group,
                    share.info_hash, share.name, share.size, share.piece_length, share.sha1, v1,
                    share.publisher, share.publisher_key, share.entry, share.since);
  if (!status || !change.piece_list) return status;
  const ByteSpan list(*change.piece_list);
  for (std::size_t start = 0; start < list.size() && status; start += limits::kMetadataChunkBytes)
    status =
        run("INSERT INTO piece_lists VALUES (?, ?, ?, ?)", share.group, share.info_hash, std::uint64_t{start},
            list.subspan(start, std::min(limits::kMetadataChunkBytes, list.size() - start)));
  return status;
}

Status SqliteRows::write_row(const DropShare& change) {
  return run("DELETE FROM shares WHERE group_id = ? AND info_hash = ?", change.group, change.info_hash);
}

Status SqliteRows::write_row(const PutInvite& change) {
  const auto& invite = change.invite;
  return run("INSERT INTO invites VALUES (?, ?, ?)", invite.hash, invite.uses, invite.expires);
}

Status SqliteRows::write_row(const UseInvite& change) {
  if (auto status = run("UPDATE invites SET uses = uses - 1 WHERE hash = ?", change.hash); !status)
    return status;
  return run("DELETE FROM invites WHERE hash = ? AND uses = 0", change.hash);
}

Status SqliteRows::write_row(const DropInvite& change) {
  return run("DELETE FROM invites WHERE hash = ?", change.hash);
}

Status SqliteRows::remember(const Remembered& remembered) {
  if (auto status = run("INSERT OR IGNORE INTO answers (device_id, key, response) VALUES (?, ?, ?)",
                        remembered.device, remembered.key, as_bytes(remembered.response));
      !status)
    return status;
  return run("DELETE FROM answers WHERE number <= (SELECT max(number) FROM answers) - ?",
             std::uint64_t{limits::kIdempotencyKeys});
}

}  // namespace p2p::tracker
