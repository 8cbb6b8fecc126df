// SPDX-License-Identifier: MIT
#include "daemon/storage/directory.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace p2p::storage {
namespace {

constexpr int kOpenTries = 8;  // EAGAIN: the kernel saw a rename while it resolved the path

std::int64_t nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

// renameat(2) and unlinkat(2) know no RESOLVE_BENEATH; a plain name leads nowhere else.
Status check_plain(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    return fail(Code::InvalidName, "'" + name + "' is not the name of a file in a folder");
  return {};
}

// For a plain name the same as openat2(2) with every RESOLVE_ flag below.
long open_plain(int folder, const std::string& name, const open_how& how) {
  if (check_plain(name)) return ::openat(folder, name.c_str(), static_cast<int>(how.flags), how.mode);
  errno = ENOSYS;
  return -1;
}

}  // namespace

void Descriptor::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

namespace {

Result<FileIdentity> identity_from(const struct stat& status, const std::string& path) {
  if (S_ISDIR(status.st_mode))
    return fail(Code::NotRegularFile, path + " is a folder",
                "folders cannot be shared yet; share its files one by one");
  if (!S_ISREG(status.st_mode)) return fail(Code::NotRegularFile, path + " is not a regular file");
  return FileIdentity{status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
                      nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

}  // namespace

Result<FileIdentity> identify(const Descriptor& file, const std::string& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail(system_error(errno, path));
  return identity_from(status, path);
}

Result<SplitPath> split_path(const std::string& absolute) {
  if (absolute.empty() || absolute.front() != '/')
    return fail(Code::InvalidArgument, "'" + absolute + "' is not an absolute path");
  std::string path = absolute;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const auto slash = path.rfind('/');
  SplitPath split{path.substr(0, slash), path.substr(slash + 1)};
  if (split.folder.empty()) split.folder = "/";
  if (split.name.empty() || split.name == "." || split.name == "..")
    return fail(Code::NotRegularFile, absolute + " is a folder",
                "folders cannot be shared yet; share its files one by one");
  return split;
}

Result<FileIdentity> identify_path(const std::string& absolute) {
  auto split = split_path(absolute);
  if (!split) return fail(split.error());
  auto directory = Directory::open(split->folder);
  if (!directory) return fail(directory.error());
  return directory->identity_of(split->name);
}

Result<Directory> Directory::open(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(system_error(errno, path));
  return Directory(path, std::move(fd));
}

std::string Directory::path_of(const std::string& name) const {
  return path_ == "/" ? "/" + name : path_ + "/" + name;
}

Result<Descriptor> Directory::open_at(const std::string& name, std::uint64_t flags,
                                      std::uint64_t mode) const {
  open_how how{};
  how.flags = flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 1;; ++attempt) {
    long fd = ::syscall(SYS_openat2, fd_.get(), name.c_str(), &how, sizeof how);
    if (fd < 0 && errno == ENOSYS) fd = open_plain(fd_.get(), name, how);
    if (fd >= 0) return Descriptor(static_cast<int>(fd));
    if ((errno == EAGAIN || errno == EINTR) && attempt < kOpenTries) continue;
    if (errno == ELOOP || errno == EXDEV)
      return fail(Code::NotRegularFile, path_of(name) + " is a symbolic link",
                  "name the file that it points to");
    return fail(system_error(errno, path_of(name)));
  }
}

Result<Descriptor> Directory::open_to_read(const std::string& name) const {
  auto file = open_at(name, O_RDONLY, 0);
  if (!file) return file;
  if (auto regular = identify(*file, path_of(name)); !regular) return fail(regular.error());
  return file;
}

Result<Descriptor> Directory::open_to_write(const std::string& name) const {
  auto file = open_at(name, O_RDWR, 0);
  if (!file) return file;
  if (auto regular = identify(*file, path_of(name)); !regular) return fail(regular.error());
  return file;
}

Result<Descriptor> Directory::create(const std::string& name) const {
  return open_at(name, O_RDWR | O_CREAT | O_EXCL, 0666);
}

bool Directory::exists(const std::string& name) const {
  struct stat status {};
  return check_plain(name) && ::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<FileIdentity> Directory::identity_of(const std::string& name) const {
  if (auto status = check_plain(name); !status) return fail(status.error());
  struct stat status {};
  if (::fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return fail(system_error(errno, path_of(name)));
  return identity_from(status, path_of(name));
}

bool Directory::is_writable() const { return ::faccessat(fd_.get(), ".", W_OK | X_OK, AT_EACCESS) == 0; }

Result<std::uint64_t> Directory::free_bytes() const {
  struct statvfs status {};
  if (::fstatvfs(fd_.get(), &status) != 0) return fail(system_error(errno, path_));
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

Status Directory::rename(const std::string& from, const std::string& to, bool overwrite) const {
  for (const auto* name : {&from, &to})
    if (auto status = check_plain(*name); !status) return status;
  const unsigned flags = overwrite ? 0 : RENAME_NOREPLACE;
  int result = ::renameat2(fd_.get(), from.c_str(), fd_.get(), to.c_str(), flags);
  if (result != 0 && errno == EINVAL && !overwrite) {
    // A file system without RENAME_NOREPLACE: a hard link refuses to replace just as well.
    result = ::linkat(fd_.get(), from.c_str(), fd_.get(), to.c_str(), 0);
    if (result == 0) ::unlinkat(fd_.get(), from.c_str(), 0);
  }
  if (result != 0) return fail(system_error(errno, path_of(to)));
  if (::fsync(fd_.get()) != 0) return fail(system_error(errno, path_));
  return {};
}

Status Directory::remove(const std::string& name) const {
  if (auto status = check_plain(name); !status) return status;
  if (::unlinkat(fd_.get(), name.c_str(), 0) != 0 && errno != ENOENT)
    return fail(system_error(errno, path_of(name)));
  return {};
}

Status Directory::sync() const {
  if (::fsync(fd_.get()) != 0) return fail(system_error(errno, path_));
  return {};
}

Status make_folder(const std::string& path) {
  for (std::size_t end = 1; end <= path.size(); ++end) {
    if (end != path.size() && path[end] != '/') continue;
    const auto part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return fail(system_error(errno, part));
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(system_error(errno, path));
  if (!S_ISDIR(status.st_mode)) return fail(Code::InvalidArgument, path + " is not a folder");
  return {};
}

}  // namespace p2p::storage
