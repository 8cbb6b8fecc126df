// SPDX-License-Identifier: MIT
#include "daemon/tracker/keys.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace p2p::tracker {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr auto kKeySetLife = std::chrono::hours(24 * 90);

Status make_folder(const std::string& path) {
  std::error_code error;
  const auto parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return fail(system_error(error.value(), parent.string()));
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail(system_error(errno, path));
  return {};
}

}  // namespace

Result<Keys> Keys::load_or_make(const std::string& data_dir) {
  auto root = trust::KeyPair::load_or_make(data_dir + "/root.key");
  if (!root) return fail(root.error());
  auto tls = trust::KeyPair::load_or_make(data_dir + "/tls.key");
  if (!tls) return fail(tls.error());
  auto grant = trust::KeyPair::load_or_make(data_dir + "/grant.key");
  if (!grant) return fail(grant.error());
  auto pepper = trust::load_or_make_secret(data_dir + "/pepper", kSecretBytes);
  if (!pepper) return fail(pepper.error());
  auto salt = trust::load_or_make_secret(data_dir + "/salt", kSecretBytes);
  if (!salt) return fail(salt.error());
  return Keys{std::move(*root), std::move(*tls), std::move(*grant), std::move(*pepper), std::move(*salt)};
}

TrackerId Keys::tracker() const {
  TrackerId id;
  id.bytes = trust::fingerprint(root.public_key()).bytes;
  return id;
}

Bytes Keys::sign_key_set(WallTime now) const {
  trust::KeySet set;
  set.root = root.public_key();
  set.tls_keys = {trust::fingerprint(tls.public_key())};
  set.grant_keys = {grant.public_key()};
  set.not_before = now - std::chrono::hours(24);
  set.not_after = now + std::chrono::duration_cast<std::chrono::seconds>(kKeySetLife);
  return set.sign(root);
}

Result<DataDirectory> DataDirectory::open(const std::string& path) {
  if (auto made = make_folder(path); !made) return fail(made.error().in("cannot make the data directory"));
  const auto lock_path = path + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) return fail(system_error(errno, lock_path));
  DataDirectory directory(path, lock);
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return fail(Code::AddressInUse, fmt::format("another daemon runs on the data directory {}", path),
                  "give this one a directory of its own: --data-dir DIR");
    return fail(system_error(errno, lock_path));
  }
  return directory;
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(other.lock_) {
  other.lock_ = -1;
}

DataDirectory::~DataDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

std::string DataDirectory::file(std::string_view name) const { return path_ + "/" + std::string(name); }

Status DataDirectory::write_file(std::string_view name, std::string_view content) const {
  const auto target = file(name);
  const auto temporary = target + ".new";
  const int out = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (out < 0) return fail(system_error(errno, temporary));
  const auto written = ::write(out, content.data(), content.size());
  const int error = written < 0 ? errno : ENOSPC;
  ::close(out);
  if (written != static_cast<ssize_t>(content.size())) return fail(system_error(error, temporary));
  if (::rename(temporary.c_str(), target.c_str()) != 0) return fail(system_error(errno, target));
  return {};
}

Status prepare_control_folder(const std::string& socket_path) {
  auto folder = std::filesystem::path(socket_path).parent_path().string();
  if (folder.empty()) folder = ".";
  if (auto made = make_folder(folder); !made) return fail(made.error().in("cannot make the control folder"));
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return fail(system_error(errno, folder));
  if (!S_ISDIR(status.st_mode)) return fail(Code::InvalidArgument, folder + " is not a folder");
  if ((status.st_uid != ::geteuid() && status.st_uid != 0) || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(Code::PermissionDenied,
                fmt::format("the control folder {} belongs to or may be written by others", folder),
                "give a folder of your own with mode 0700: --control PATH");
  return {};
}

}  // namespace p2p::tracker
