// SPDX-License-Identifier: MIT
#include "daemon/storage/payload_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <limits>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "daemon/base/limits.h"

namespace p2p::storage {
namespace {

// These file systems make one run of pages of what comes in one call. A virtual machine that gives free
// memory back to its host has to fetch long runs from there, at several times the price of the copy, while it
// has short ones at hand; elsewhere the calls that it takes more cost nothing that can be measured. To
// others, such as FUSE, each call may be a message.
constexpr std::array<std::uint32_t, 3> kFileSystemsOfRuns{EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,
                                                          BTRFS_SUPER_MAGIC};

constexpr std::size_t kWhole = std::numeric_limits<std::size_t>::max();

std::size_t bytes_of_a_write(const Descriptor& file) {
  struct statfs found {};
  if (::fstatfs(file.get(), &found) != 0) return kWhole;
  const auto type = static_cast<std::uint32_t>(found.f_type);
  const bool makes_runs =
      std::find(kFileSystemsOfRuns.begin(), kFileSystemsOfRuns.end(), type) != kFileSystemsOfRuns.end();
  return makes_runs ? limits::kBlockBytes : kWhole;
}

}  // namespace

PayloadFile::PayloadFile(Descriptor file, std::string path)
    : file_(std::move(file)), path_(std::move(path)), write_bytes_(bytes_of_a_write(file_)) {}

Status PayloadFile::read(std::uint64_t offset, std::span<std::uint8_t> out) const {
  std::vector<iovec> parts{{out.data(), out.size()}};
  return read_parts(offset, parts);
}

Status PayloadFile::read_parts(std::uint64_t offset, std::vector<iovec>& parts) const {
  std::size_t first = 0;
  while (first < parts.size()) {
    if (parts[first].iov_len == 0) {
      ++first;
      continue;
    }
    const int count = static_cast<int>(std::min<std::size_t>(parts.size() - first, IOV_MAX));
    const auto got = ::preadv(file_.get(), &parts[first], count, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(system_error(errno, path_));
    if (got == 0) return fail(Code::Io, path_ + " is shorter than it was");
    auto left = static_cast<std::size_t>(got);
    offset += left;
    while (first < parts.size() && left >= parts[first].iov_len) left -= parts[first++].iov_len;
    if (left > 0) {
      parts[first].iov_base = static_cast<std::uint8_t*>(parts[first].iov_base) + left;
      parts[first].iov_len -= left;
    }
  }
  return {};
}

void PayloadFile::will_read(std::uint64_t offset, std::uint64_t bytes) const {
  (void)::posix_fadvise(file_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                        POSIX_FADV_WILLNEED);
}

Status PayloadFile::write(std::uint64_t offset, ByteSpan bytes) {
  while (!bytes.empty()) {
    const auto put =
        ::pwrite(file_.get(), bytes.data(), std::min(bytes.size(), write_bytes_), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail(system_error(errno, path_));
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Status PayloadFile::sync() {
  if (::fdatasync(file_.get()) != 0) return fail(system_error(errno, path_));
  return {};
}

Status PayloadFile::resize(std::uint64_t size) {
  if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0) return fail(system_error(errno, path_));
  return {};
}

std::vector<PieceIndex> PayloadFile::pieces_with_data(const meta::Geometry& geometry) const {
  std::vector<PieceIndex> pieces;
  std::uint32_t next = 0;
  off_t at = 0;
  while (next < geometry.pieces()) {
    const off_t data = ::lseek(file_.get(), at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    const off_t hole = data < 0 ? -1 : ::lseek(file_.get(), data, SEEK_HOLE);
    const auto begin = data < 0 ? 0 : static_cast<std::uint64_t>(data);
    const auto end = hole < 0 ? geometry.size() : static_cast<std::uint64_t>(hole);
    next = std::max(next, static_cast<std::uint32_t>(begin / geometry.piece_length()));
    for (; next < geometry.pieces() && geometry.piece_offset(PieceIndex{next}) < end; ++next)
      pieces.push_back({next});
    if (hole < 0) break;
    at = hole;
  }
  return pieces;
}

}  // namespace p2p::storage
