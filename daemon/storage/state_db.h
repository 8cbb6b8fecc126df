// SPDX-License-Identifier: MIT
// What p2pd remembers: the account, its groups, its shares and downloads, its limits. One small SQLite
// database. Blocking: for the state thread only (one connection, one thread).
//
// A *transfer* row is this device's copy of one share: published from here, or downloaded. All rows but
// settings belong to an account, which is one (tracker, user); another user on this device sees none.
// What a download has verified is a bitfield, written after the data it speaks of was synced. `writing`
// is committed before the first write behind a checkpoint and cleared by an orderly stop; where it is
// set at start, pieces that have data in the part file but are not in the bitfield are checked again.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "daemon/meta/hash_checkpoint.h"
#include "daemon/storage/directory.h"
#include "daemon/storage/group_rows.h"
#include "daemon/storage/sqlite.h"

namespace p2p::storage {

struct AccountRow {
  std::int64_t id = 0;
  std::string tracker;  // p2p:// address
  std::string user;
  UserId user_id;
  bool logged_in = false;
  Bytes key_set;                  // the tracker's, as last seen: to check grants without it
  std::int64_t highest_time = 0;  // of the tracker's clock; never goes back
};

struct MembershipRow {
  GroupId group;
  std::string name;
  Bytes grant;
  Bytes roster;
};

// "What this device was granted is void", of somebody else's device.
struct RevocationRow {
  DeviceId device;
  std::int64_t until = 0;  // it may be forgotten then
  Bytes statement;         // signed
};

enum class TransferKind : std::uint8_t { Share = 0, Download = 1 };
enum class TransferState : std::uint8_t {
  Hashing = 0,     // a share whose content is not hashed yet; no info-hash
  Publishing = 1,  // hashed, the tracker has not confirmed yet
  Downloading = 2,
  Complete = 3,  // all there: served
  Paused = 4,
  Failed = 5,  // see cause; not served, not fetched
};
// Why a share is not served although its row is Complete.
enum class Hold : std::uint8_t {
  None = 0,
  Unshared = 1,   // its user said so
  Withdrawn = 2,  // it is no longer in the catalogue
  Changed = 3,    // the file has another content; served again when it is back
  Missing = 4,    // the file is gone or cannot be read; the same
};
enum class FileSha1 : std::uint8_t { Pending = 0, Ok = 1, Mismatch = 2 };

struct SourceBytes {
  std::string user;
  DeviceId device;
  std::uint64_t bytes = 0;
};

struct TransferRow {
  DownloadId id;
  TransferKind kind = TransferKind::Share;
  TransferState state = TransferState::Hashing;
  GroupId group;
  std::string group_name;
  std::string name;    // in the catalogue
  InfoHash info_hash;  // zero while hashing
  std::uint64_t size = 0;
  std::uint32_t piece_length = 0;
  Sha1 sha1;
  std::string path;       // where the complete file is or will be
  std::string part_name;  // beside it; empty when complete
  bool overwrite = false;
  FileIdentity identity;  // of the complete file
  Bytes have;             // bitfield as on the wire; empty: nothing
  bool writing = false;
  std::string cause;
  std::string code;  // stable name of the error behind `cause`; may be empty
  Hold hold = Hold::None;
  FileSha1 file_sha1 = FileSha1::Pending;
  std::int64_t added = 0;  // seconds since 1970
  double seconds = 0;      // that the download took
  std::vector<SourceBytes> sources;
  Bytes entry;  // signed catalogue entry
};

struct State {
  std::optional<AccountRow> account;  // the one used last
  std::vector<MembershipRow> memberships;
  std::vector<RevocationRow> revocations;
  std::vector<TransferRow> transfers;
  std::uint64_t upload_limit = 0;
  std::uint64_t download_limit = 0;
  bool limits_set = false;
};

class StateDb {
 public:
  static Result<StateDb> open(const std::string& path);

  Result<State> load();  // the account used last and what belongs to it
  // Finds or makes the row of (tracker, user) and makes it the one used last.
  Result<State> enter(const AccountRow& account);
  Status leave(std::int64_t account);  // logged out; everything stays
  Status put_tracker_facts(std::int64_t account, ByteSpan key_set, std::int64_t highest_time);

  Status put_membership(std::int64_t account, const MembershipRow& row);
  Status remove_membership(std::int64_t account, const GroupId& group);  // and what is known of the group

  Status put_revocation(std::int64_t account, const RevocationRow& row);
  Status forget_revocations(std::int64_t account, std::int64_t now);  // those that have ended

  // --- what is kept of a group (state_groups.cc)
  // SHA-256 over the entries in the order of their names, as the tracker makes it.
  Result<Sha256> catalogue_digest(std::int64_t account, const GroupId& group);
  // A new one is left out where the group has limits::kKnownFiles already.
  Status put_catalogue_row(std::int64_t account, const GroupId& group, const CatalogueRow& row);
  Status replace_catalogue(std::int64_t account, const GroupId& group, const std::vector<CatalogueRow>& rows);
  Status remove_catalogue_row(std::int64_t account, const ShareKey& share);
  Result<std::optional<Bytes>> catalogue_entry(std::int64_t account, const GroupId& group,
                                               const std::string& name);
  // Of more than limits::kDevicesPerGroup those stay that were seen last.
  Status put_devices(std::int64_t account, const GroupId& group, const std::vector<KnownDevice>& devices,
                     std::int64_t now);
  Result<std::vector<KnownDevice>> devices(std::int64_t account, const GroupId& group);  // last seen first
  // Those of users who are not among the members.
  Status forget_devices(std::int64_t account, const GroupId& group, const std::set<UserId>& members);
  Status forget_device(std::int64_t account, const DeviceId& device);  // in all groups

  // Inserts or replaces everything but the piece list.
  Status put_transfer(std::int64_t account, const TransferRow& row);
  // --- a share that is being hashed (state_hashing.cc)
  // What came since the checkpoint before, of the file as it is.
  Status put_checkpoint(const DownloadId& id, const FileIdentity& file,
                        const meta::HashCheckpoint& checkpoint);
  // All checkpoints as one. Of another file, or unreadable: none, and they are forgotten.
  Result<meta::HashCheckpoint> checkpoint(const DownloadId& id, const FileIdentity& file);
  Status forget_checkpoints(const DownloadId& id);

  // A transfer and its piece list, both or neither. Its checkpoints have served.
  Status put_transfer_and_list(std::int64_t account, const TransferRow& row, ByteSpan piece_list);
  Status put_piece_list(const DownloadId& id, ByteSpan piece_list);
  Result<Bytes> piece_list(const DownloadId& id);
  Status remove_transfer(const DownloadId& id);

  Status put_limits(std::uint64_t upload, std::uint64_t download);

 private:
  explicit StateDb(Database database) : database_(std::move(database)) {}
  Status load_account_parts(State& state);
  Status forget_in_group(std::string_view sql, std::int64_t account, const GroupId& group);
  Database database_;
};

}  // namespace p2p::storage
