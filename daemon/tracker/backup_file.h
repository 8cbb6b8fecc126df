// SPDX-License-Identifier: MIT
// What a backup of a tracker is: one file that has the whole database and the keys.
//
// It is an SQLite database: the tracker's own with one table more, `backup_keys` (name, content), which has
// the secret files of the data directory. Behind the database stands a trailer of 64 bytes: a text that
// says what the file is, and the SHA-256 of all before the trailer. SQLite ignores it. Mode 0600: who has
// the file can act as this tracker. Blocking.
#pragma once

#include <atomic>
#include <map>
#include <string>

#include "daemon/base/bytes.h"
#include "daemon/base/result.h"
#include "daemon/storage/descriptor.h"

namespace p2p::tracker {

using KeyFiles = std::map<std::string, Bytes>;  // content by name

// The secret files of a data directory.
Result<KeyFiles> read_key_files(const std::string& data_dir);
// Puts the keys into a copy of the database, or takes them out and removes every trace of them there.
Status put_keys(const std::string& database_path, const KeyFiles& keys);
Result<KeyFiles> take_keys(const std::string& database_path);

// Appends the trailer and syncs; the size of the whole file. Code::Cancelled soon after `given_up`.
Result<std::uint64_t> seal_backup(const storage::Descriptor& file, const std::string& path,
                                  const std::atomic<bool>& given_up);
// Code::Corrupt when the file is no backup or not as it was made. Gives the size of the database in it.
Result<std::uint64_t> check_backup(const storage::Descriptor& file, const std::string& path);
// Copies the database out of a backup that was checked, and checks it again on the way.
Status unpack_backup(const storage::Descriptor& file, const std::string& path,
                     const storage::Descriptor& target, const std::string& target_path);

}  // namespace p2p::tracker
