// SPDX-License-Identifier: MIT
#include "daemon/storage/state_db.h"

#include <array>

namespace p2p::storage {
namespace {

constexpr std::array<std::string_view, 4> kMigrations{
    R"sql(
CREATE TABLE account (
  id INTEGER PRIMARY KEY,
  tracker TEXT NOT NULL,
  tracker_id BLOB NOT NULL,
  user TEXT NOT NULL,
  user_id BLOB NOT NULL,
  logged_in INTEGER NOT NULL,
  used INTEGER NOT NULL,
  key_set BLOB NOT NULL,
  highest_time INTEGER NOT NULL,
  UNIQUE (tracker_id, user_id)
);
CREATE TABLE membership (
  account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  group_id BLOB NOT NULL,
  name TEXT NOT NULL,
  grant_bytes BLOB NOT NULL,
  roster BLOB NOT NULL,
  PRIMARY KEY (account, group_id)
) WITHOUT ROWID;
CREATE TABLE transfer (
  id BLOB PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL,
  group_id BLOB NOT NULL,
  group_name TEXT NOT NULL,
  name TEXT NOT NULL,
  info_hash BLOB NOT NULL,
  size INTEGER NOT NULL,
  piece_length INTEGER NOT NULL,
  sha1 BLOB NOT NULL,
  path TEXT NOT NULL,
  part_name TEXT NOT NULL,
  overwrite INTEGER NOT NULL,
  device INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  file_size INTEGER NOT NULL,
  modified_ns INTEGER NOT NULL,
  changed_ns INTEGER NOT NULL,
  have BLOB NOT NULL,
  writing INTEGER NOT NULL,
  cause TEXT NOT NULL,
  file_sha1 INTEGER NOT NULL,
  added INTEGER NOT NULL,
  seconds_ms INTEGER NOT NULL,
  sources BLOB NOT NULL,
  entry BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX transfer_by_account ON transfer (account);
CREATE TABLE piece_list (
  id BLOB PRIMARY KEY REFERENCES transfer (id) ON DELETE CASCADE,
  data BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE limits (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  upload INTEGER NOT NULL,
  download INTEGER NOT NULL
);
)sql",
    R"sql(
ALTER TABLE transfer ADD COLUMN code TEXT NOT NULL DEFAULT '';
ALTER TABLE transfer ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;
CREATE TABLE revocation (
  account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  device BLOB NOT NULL,
  until INTEGER NOT NULL,
  statement BLOB NOT NULL,
  PRIMARY KEY (account, device)
) WITHOUT ROWID;
)sql",
    R"sql(
CREATE TABLE catalogue (
  account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  group_id BLOB NOT NULL,
  name BLOB NOT NULL,
  info_hash BLOB NOT NULL,
  entry BLOB NOT NULL,
  PRIMARY KEY (account, group_id, name)
) WITHOUT ROWID;
CREATE TABLE device (
  account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  group_id BLOB NOT NULL,
  device BLOB NOT NULL,
  user_id BLOB NOT NULL,
  user TEXT NOT NULL,
  addresses BLOB NOT NULL,
  seen INTEGER NOT NULL,
  PRIMARY KEY (account, group_id, device)
) WITHOUT ROWID;
)sql",
    R"sql(
CREATE TABLE checkpoint (
  id BLOB NOT NULL REFERENCES transfer (id) ON DELETE CASCADE,
  bytes INTEGER NOT NULL,
  file BLOB NOT NULL,
  whole BLOB NOT NULL,
  pieces BLOB NOT NULL,
  PRIMARY KEY (id, bytes)
) WITHOUT ROWID;
)sql"};

std::int64_t stored(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t loaded(std::int64_t value) { return static_cast<std::uint64_t>(value); }

Bytes encode_sources(const std::vector<SourceBytes>& sources) {
  ByteWriter writer;
  for (const auto& source : sources) {
    writer.u8(static_cast<std::uint8_t>(source.user.size()));
    writer.bytes(as_bytes(source.user));
    writer.bytes(source.device.bytes);
    writer.u64(source.bytes);
  }
  return writer.take();
}

std::vector<SourceBytes> decode_sources(ByteSpan bytes) {
  std::vector<SourceBytes> sources;
  ByteReader reader(bytes);
  while (reader.ok() && !reader.at_end()) {
    SourceBytes source;
    source.user = to_string(reader.bytes(reader.u8()));
    source.device = DeviceId::from(reader.bytes(DeviceId::kSize)).value_or(DeviceId{});
    source.bytes = reader.u64();
    if (reader.ok()) sources.push_back(std::move(source));
  }
  return sources;
}

template <class T>
T id_at(const Statement& row, int column) {
  return T::from(row.blob(column)).value_or(T{});
}

constexpr std::string_view kTransferColumns =
    "id, kind, state, group_id, group_name, name, info_hash, size, piece_length, sha1, path, part_name, "
    "overwrite, device, inode, file_size, modified_ns, changed_ns, have, writing, cause, file_sha1, added, "
    "seconds_ms, sources, entry, code, hold";

TransferRow transfer_from(const Statement& row) {
  TransferRow transfer;
  int column = 0;
  transfer.id = id_at<DownloadId>(row, column++);
  transfer.kind = static_cast<TransferKind>(row.integer(column++));
  transfer.state = static_cast<TransferState>(row.integer(column++));
  transfer.group = id_at<GroupId>(row, column++);
  transfer.group_name = row.text(column++);
  transfer.name = row.text(column++);
  transfer.info_hash = id_at<InfoHash>(row, column++);
  transfer.size = loaded(row.integer(column++));
  transfer.piece_length = static_cast<std::uint32_t>(row.integer(column++));
  transfer.sha1 = id_at<Sha1>(row, column++);
  transfer.path = row.text(column++);
  transfer.part_name = row.text(column++);
  transfer.overwrite = row.integer(column++) != 0;
  transfer.identity.device = loaded(row.integer(column++));
  transfer.identity.inode = loaded(row.integer(column++));
  transfer.identity.size = loaded(row.integer(column++));
  transfer.identity.modified_ns = row.integer(column++);
  transfer.identity.changed_ns = row.integer(column++);
  transfer.have = to_bytes(row.blob(column++));
  transfer.writing = row.integer(column++) != 0;
  transfer.cause = row.text(column++);
  transfer.file_sha1 = static_cast<FileSha1>(row.integer(column++));
  transfer.added = row.integer(column++);
  transfer.seconds = static_cast<double>(row.integer(column++)) / 1000;
  transfer.sources = decode_sources(row.blob(column++));
  transfer.entry = to_bytes(row.blob(column++));
  transfer.code = row.text(column++);
  transfer.hold = static_cast<Hold>(row.integer(column++));
  return transfer;
}

}  // namespace

Result<StateDb> StateDb::open(const std::string& path) {
  auto database = Database::open(path);
  if (!database) return fail(database.error());
  StateDb state(std::move(*database));
  if (auto status = state.database_.migrate(kMigrations); !status) return fail(status.error());
  return state;
}

Result<State> StateDb::load() {
  State state;
  auto accounts = database_.prepare(
      "SELECT id, tracker, user, user_id, logged_in, key_set, highest_time FROM account ORDER BY used DESC "
      "LIMIT 1");
  if (!accounts) return fail(accounts.error());
  auto found = accounts->step();
  if (!found) return fail(found.error());
  if (*found) {
    AccountRow account;
    account.id = accounts->integer(0);
    account.tracker = accounts->text(1);
    account.user = accounts->text(2);
    account.user_id = id_at<UserId>(*accounts, 3);
    account.logged_in = accounts->integer(4) != 0;
    account.key_set = to_bytes(accounts->blob(5));
    account.highest_time = accounts->integer(6);
    state.account = std::move(account);
    if (auto status = load_account_parts(state); !status) return fail(status.error());
  }
  auto limits = database_.prepare("SELECT upload, download FROM limits");
  if (!limits) return fail(limits.error());
  if (auto row = limits->step(); row && *row) {
    state.limits_set = true;
    state.upload_limit = loaded(limits->integer(0));
    state.download_limit = loaded(limits->integer(1));
  }
  return state;
}

Status StateDb::load_account_parts(State& state) {
  auto memberships =
      database_.prepare("SELECT group_id, name, grant_bytes, roster FROM membership WHERE account = ?");
  if (!memberships) return fail(memberships.error());
  memberships->bind(state.account->id);
  while (true) {
    auto row = memberships->step();
    if (!row) return fail(row.error());
    if (!*row) break;
    state.memberships.push_back({id_at<GroupId>(*memberships, 0), memberships->text(1),
                                 to_bytes(memberships->blob(2)), to_bytes(memberships->blob(3))});
  }
  auto revocations = database_.prepare("SELECT device, until, statement FROM revocation WHERE account = ?");
  if (!revocations) return fail(revocations.error());
  revocations->bind(state.account->id);
  while (true) {
    auto row = revocations->step();
    if (!row) return fail(row.error());
    if (!*row) break;
    state.revocations.push_back(
        {id_at<DeviceId>(*revocations, 0), revocations->integer(1), to_bytes(revocations->blob(2))});
  }
  auto transfers = database_.prepare("SELECT " + std::string(kTransferColumns) +
                                     " FROM transfer WHERE account = ? ORDER BY added, id");
  if (!transfers) return fail(transfers.error());
  transfers->bind(state.account->id);
  while (true) {
    auto row = transfers->step();
    if (!row) return fail(row.error());
    if (!*row) break;
    state.transfers.push_back(transfer_from(*transfers));
  }
  return {};
}

Result<State> StateDb::enter(const AccountRow& account) {
  const auto fingerprint = account.tracker.substr(account.tracker.find('#') + 1);
  const auto status = database_.transaction([&]() -> Status {
    auto put = database_.prepare(
        "INSERT INTO account (tracker, tracker_id, user, user_id, logged_in, used, key_set, highest_time) "
        "VALUES (?, ?, ?, ?, 1, (SELECT coalesce(max(used), 0) + 1 FROM account), ?, ?) "
        "ON CONFLICT (tracker_id, user_id) DO UPDATE SET tracker = excluded.tracker, user = excluded.user, "
        "logged_in = 1, used = excluded.used, key_set = excluded.key_set, "
        "highest_time = max(highest_time, excluded.highest_time)");
    if (!put) return fail(put.error());
    put->bind(account.tracker).bind(as_bytes(fingerprint)).bind(account.user).bind(account.user_id.view());
    put->bind(ByteSpan(account.key_set)).bind(account.highest_time);
    return put->run();
  });
  if (!status) return fail(status.error());
  return load();
}

Status StateDb::leave(std::int64_t account) {
  auto update = database_.prepare("UPDATE account SET logged_in = 0 WHERE id = ?");
  if (!update) return fail(update.error());
  return update->bind(account).run();
}

Status StateDb::put_tracker_facts(std::int64_t account, ByteSpan key_set, std::int64_t highest_time) {
  auto update =
      database_.prepare("UPDATE account SET key_set = ?, highest_time = max(highest_time, ?) WHERE id = ?");
  if (!update) return fail(update.error());
  return update->bind(key_set).bind(highest_time).bind(account).run();
}

Status StateDb::put_membership(std::int64_t account, const MembershipRow& row) {
  auto put = database_.prepare(
      "INSERT OR REPLACE INTO membership (account, group_id, name, grant_bytes, roster) VALUES (?, ?, ?, ?, "
      "?)");
  if (!put) return fail(put.error());
  return put->bind(account)
      .bind(row.group.view())
      .bind(row.name)
      .bind(ByteSpan(row.grant))
      .bind(ByteSpan(row.roster))
      .run();
}

Status StateDb::put_revocation(std::int64_t account, const RevocationRow& row) {
  auto put = database_.prepare(
      "INSERT OR REPLACE INTO revocation (account, device, until, statement) VALUES (?, ?, ?, ?)");
  if (!put) return fail(put.error());
  return put->bind(account).bind(row.device.view()).bind(row.until).bind(ByteSpan(row.statement)).run();
}

Status StateDb::forget_revocations(std::int64_t account, std::int64_t now) {
  auto remove = database_.prepare("DELETE FROM revocation WHERE account = ? AND until < ?");
  if (!remove) return fail(remove.error());
  return remove->bind(account).bind(now).run();
}

Status StateDb::put_transfer(std::int64_t account, const TransferRow& row) {
  auto put = database_.prepare(
      "INSERT INTO transfer (id, kind, state, group_id, group_name, name, info_hash, size, piece_length, "
      "sha1, path, "
      "part_name, overwrite, device, inode, file_size, modified_ns, changed_ns, have, writing, cause, "
      "file_sha1, added, "
      "seconds_ms, sources, entry, code, hold, account) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, state = excluded.state, name = excluded.name, "
      "info_hash = excluded.info_hash, size = excluded.size, piece_length = excluded.piece_length, sha1 = "
      "excluded.sha1, "
      "path = excluded.path, part_name = excluded.part_name, overwrite = excluded.overwrite, device = "
      "excluded.device, "
      "inode = excluded.inode, file_size = excluded.file_size, modified_ns = excluded.modified_ns, "
      "changed_ns = excluded.changed_ns, have = excluded.have, writing = excluded.writing, cause = "
      "excluded.cause, "
      "file_sha1 = excluded.file_sha1, seconds_ms = excluded.seconds_ms, sources = excluded.sources, entry = "
      "excluded.entry, code = excluded.code, hold = excluded.hold");
  if (!put) return fail(put.error());
  put->bind(row.id.view())
      .bind(static_cast<std::int64_t>(row.kind))
      .bind(static_cast<std::int64_t>(row.state));
  put->bind(row.group.view()).bind(row.group_name).bind(row.name).bind(row.info_hash.view());
  put->bind(stored(row.size)).bind(std::int64_t{row.piece_length}).bind(row.sha1.view());
  put->bind(row.path).bind(row.part_name).bind(std::int64_t{row.overwrite});
  put->bind(stored(row.identity.device)).bind(stored(row.identity.inode)).bind(stored(row.identity.size));
  put->bind(row.identity.modified_ns).bind(row.identity.changed_ns);
  put->bind(ByteSpan(row.have)).bind(std::int64_t{row.writing}).bind(row.cause);
  put->bind(static_cast<std::int64_t>(row.file_sha1))
      .bind(row.added)
      .bind(static_cast<std::int64_t>(row.seconds * 1000));
  put->bind(ByteSpan(encode_sources(row.sources))).bind(ByteSpan(row.entry));
  put->bind(row.code).bind(static_cast<std::int64_t>(row.hold)).bind(account);
  return put->run();
}

Status StateDb::put_transfer_and_list(std::int64_t account, const TransferRow& row, ByteSpan piece_list) {
  return database_.transaction([&]() -> Status {
    if (auto status = put_transfer(account, row); !status) return status;
    if (auto status = forget_checkpoints(row.id); !status) return status;
    return put_piece_list(row.id, piece_list);
  });
}

Status StateDb::put_piece_list(const DownloadId& id, ByteSpan piece_list) {
  auto put = database_.prepare("INSERT OR REPLACE INTO piece_list (id, data) VALUES (?, ?)");
  if (!put) return fail(put.error());
  return put->bind(id.view()).bind(piece_list).run();
}

Result<Bytes> StateDb::piece_list(const DownloadId& id) {
  auto query = database_.prepare("SELECT data FROM piece_list WHERE id = ?");
  if (!query) return fail(query.error());
  query->bind(id.view());
  auto row = query->step();
  if (!row) return fail(row.error());
  return *row ? to_bytes(query->blob(0)) : Bytes();
}

Status StateDb::remove_transfer(const DownloadId& id) {
  auto remove = database_.prepare("DELETE FROM transfer WHERE id = ?");
  if (!remove) return fail(remove.error());
  return remove->bind(id.view()).run();
}

Status StateDb::put_limits(std::uint64_t upload, std::uint64_t download) {
  auto put = database_.prepare("INSERT OR REPLACE INTO limits (one, upload, download) VALUES (1, ?, ?)");
  if (!put) return fail(put.error());
  return put->bind(stored(upload)).bind(stored(download)).run();
}

}  // namespace p2p::storage
