// SPDX-License-Identifier: MIT
// Hashes of pieces that are read from a file for that. Blocking; about a megabyte of memory whatever the
// length of a piece, but where the bytes are wanted too.
#pragma once

#include <span>
#include <vector>

#include "daemon/meta/metainfo.h"
#include "daemon/meta/piece_batch.h"
#include "daemon/storage/payload_file.h"

namespace p2p::storage {

// Of each of `pieces`, kPiecesMax of a batch at most: its hashes, or why it cannot be read. With `into`,
// which has as many bytes for each as it has, they are left there.
std::vector<Result<meta::PieceDigest>> hash_pieces(const PayloadFile& file, const meta::Geometry& geometry,
                                                   std::span<const PieceIndex> pieces,
                                                   std::span<const std::span<std::uint8_t>> into = {});

// Which of them have both hashes; what cannot be read has not.
std::vector<bool> check_pieces(const PayloadFile& file, const meta::Metainfo& metainfo,
                               std::span<const PieceIndex> pieces);

}  // namespace p2p::storage
