// SPDX-License-Identifier: MIT
// The file behind a share, whether it is complete or still a part file: positioned reads and writes of
// payload, syncing, and where data lies in it.
//
// Threads: read(), write() and sync() may run on several pool threads at once; the rest belongs to one at
// a time. pread(2) and pwrite(2), never mmap: a truncated file or a full disk is an error, not a signal.
#pragma once

#include <sys/uio.h>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/ids.h"
#include "daemon/meta/geometry.h"
#include "daemon/storage/directory.h"

namespace p2p::storage {

class PayloadFile {
 public:
  PayloadFile(Descriptor file, std::string path);

  const std::string& path() const { return path_; }
  Result<FileIdentity> identity() const { return identify(file_, path_); }

  // Fills `out` from `offset`; a file that is too short is Code::Io.
  Status read(std::uint64_t offset, std::span<std::uint8_t> out) const;
  // The same into several pieces of memory that follow each other in the file. `parts` is used up.
  Status read_parts(std::uint64_t offset, std::vector<iovec>& parts) const;
  // A hint: these bytes are wanted soon. What is in the page cache already costs next to nothing.
  void will_read(std::uint64_t offset, std::uint64_t bytes) const;
  Status write(std::uint64_t offset, ByteSpan bytes);
  Status sync();                      // fdatasync
  Status resize(std::uint64_t size);  // sparse

  // The pieces that have any data in a sparse file: all others are holes and were never written. Where
  // the file system cannot tell, all pieces are named.
  std::vector<PieceIndex> pieces_with_data(const meta::Geometry& geometry) const;

 private:
  Descriptor file_;
  std::string path_;
  std::size_t write_bytes_;  // of one call, at most
};

}  // namespace p2p::storage
