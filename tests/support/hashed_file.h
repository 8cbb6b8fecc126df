// SPDX-License-Identifier: MIT
// A file on disk and what its hashes are, by the definition. Include it instead of tests/support/check.h.
#pragma once

#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/base/random.h"
#include "daemon/meta/merkle.h"
#include "daemon/storage/payload_file.h"
#include "tests/support/io_world.h"
#include "tests/support/temp_dir.h"

namespace p2p::test {

inline constexpr std::uint32_t kFilePiece = limits::kPieceBytesMin;

// A file of random bytes, and what it is by the definition.
struct HashedFile {
  explicit HashedFile(std::size_t size) : bytes(size), geometry(*meta::Geometry::make(size, kFilePiece)) {
    Random random(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
    const auto path = temp.put("file", to_string(bytes));
    payload = std::make_shared<storage::PayloadFile>(
        storage::Descriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC)), path);
    for (std::uint32_t i = 0; i < geometry.pieces(); ++i) {
      const auto piece = ByteSpan(bytes).subspan(geometry.piece_offset({i}), geometry.piece_bytes({i}));
      hashes.sha1.push_back(sha1(piece));
      hashes.layer.push_back(meta::piece_root(piece, kFilePiece, geometry.pieces() == 1));
    }
  }
  void cut(std::size_t size) const {
    EXPECT_EQ(::truncate(payload->path().c_str(), static_cast<off_t>(size)), 0);
  }

  TempDir temp;
  Bytes bytes;
  meta::Geometry geometry;
  std::shared_ptr<storage::PayloadFile> payload;
  meta::PieceHashes hashes;
};

}  // namespace p2p::test
