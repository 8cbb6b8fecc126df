// SPDX-License-Identifier: MIT
// A folder that a user named, held open, and the files directly in it.
//
// The folder's own path is resolved once, links allowed; below it every open and create goes through
// openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS, so no later change of a
// link leads anywhere else. Where that call is filtered away (RestrictSUIDSGID= of a systemd unit does so),
// a plain name is opened with O_NOFOLLOW, which leads nowhere else either, and any other name is refused.
// Blocking: for pool threads.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/base/result.h"
#include "daemon/storage/descriptor.h"

namespace p2p::storage {

// What tells one content of a file from another without reading it.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  auto operator<=>(const FileIdentity&) const = default;
};

// Of an open file; Code::NotRegularFile when it is something else.
Result<FileIdentity> identify(const Descriptor& file, const std::string& path);

// Of what stands at an absolute path now, without opening the file.
Result<FileIdentity> identify_path(const std::string& absolute);

// "/a/b/c" is folder "/a/b" and name "c".
struct SplitPath {
  std::string folder;
  std::string name;
};
Result<SplitPath> split_path(const std::string& absolute);

class Directory {
 public:
  static Result<Directory> open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string path_of(const std::string& name) const;

  Result<Descriptor> open_to_read(const std::string& name) const;   // a regular file
  Result<Descriptor> open_to_write(const std::string& name) const;  // an existing regular file
  Result<Descriptor> create(const std::string& name) const;         // must not exist; mode 0666 & ~umask
  bool exists(const std::string& name) const;                       // as anything, links included
  bool is_writable() const;
  Result<FileIdentity> identity_of(const std::string& name) const;  // without opening it
  Result<std::uint64_t> free_bytes() const;
  // Gives a file its final name; with `overwrite` an existing file is replaced, otherwise Code::Exists.
  // The change of names is on disk when this returns.
  Status rename(const std::string& from, const std::string& to, bool overwrite) const;
  Status remove(const std::string& name) const;
  Status sync() const;  // the names, not the files

 private:
  Directory(std::string path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Result<Descriptor> open_at(const std::string& name, std::uint64_t flags, std::uint64_t mode) const;
  std::string path_;
  Descriptor fd_;
};

// Makes a folder and its parents (mode 0700) where missing.
Status make_folder(const std::string& path);

}  // namespace p2p::storage
