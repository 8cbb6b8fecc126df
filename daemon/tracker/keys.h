// SPDX-License-Identifier: MIT
// The tracker's data directory and what is secret in it: root key, TLS key, grant key, pepper and salt
// secret. Each is made at the first start and never leaves the directory.
#pragma once

#include <array>
#include <string>

#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "daemon/trust/keys.h"
#include "daemon/trust/statements.h"

namespace p2p::tracker {

struct Keys {
  trust::KeyPair root;
  trust::KeyPair tls;
  trust::KeyPair grant;
  Bytes pepper;
  Bytes salt_secret;

  // What load_or_make() reads and makes.
  static constexpr std::array<const char*, 5> kFiles{"root.key", "tls.key", "grant.key", "pepper", "salt"};

  static Result<Keys> load_or_make(const std::string& data_dir);
  TrackerId tracker() const;
  // Which keys act for this tracker from now on, signed by the root key.
  Bytes sign_key_set(WallTime now) const;
};

// The only daemon on a data directory: holds a lock on it until destroyed.
class DataDirectory {
 public:
  // Makes the directory (0700) where there is none. Code::AddressInUse when another daemon has it.
  static Result<DataDirectory> open(const std::string& path);
  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&&) = delete;
  ~DataDirectory();

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const;
  // Writes a small file beside, then renames it into place.
  Status write_file(std::string_view name, std::string_view content) const;

 private:
  DataDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::string path_;
  int lock_;
};

// The folder of a control socket: made 0700 where there is none; one that others may write to is refused.
Status prepare_control_folder(const std::string& socket_path);

}  // namespace p2p::tracker
