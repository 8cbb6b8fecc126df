// SPDX-License-Identifier: MIT
// What is known of a shared file: a BitTorrent hybrid info dictionary (BEP 3 and BEP 52, private = 1)
// and its two info-hashes, plus the hashes that they commit to.
//
// A share is described by name, size, piece length, the SHA-1 of every piece and the SHA-256 piece
// layer; from these the info dictionary follows byte by byte, so only they are stored and sent (the
// "piece list": all SHA-1 first, then the layer). The v2 info-hash is the SHA-256 of the whole info
// dictionary and therefore commits to both lists. Folders (BEP 47 pad files, several entries in the file
// tree) will add files to this class; everything else already takes the layout from Geometry.
//
// An empty file has no pieces, no v1 info-hash and no pieces root in its file tree. Its dictionary is one
// of v2 only: it has neither "length" nor "pieces", because nothing of v1 could be found by them.
// The piece layer of a file of one piece or less is its root (BEP 52 leaves it out of "piece layers").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/result.h"
#include "daemon/meta/geometry.h"

namespace p2p::meta {

// What hashing a file yields. `layer[i]` is the root of piece i's SHA-256 tree over 16 KiB leaves, padded
// with zero leaves to a full piece; a file that fits in one piece is padded to its own next power of
// two only (BEP 52), so that its layer is its pieces root.
struct PieceHashes {
  std::vector<Sha1> sha1;
  std::vector<Sha256> layer;
};

class Metainfo {
 public:
  // Validates everything (name rules, geometry, counts) and computes the info-hashes. Code::InvalidName,
  // InvalidArgument, or Limit when the piece list would be longer than kMetadataBytes.
  static Result<Metainfo> make(std::string name, std::uint64_t size, std::uint32_t piece_length,
                               PieceHashes hashes);
  // From a piece list as stored and sent; its length must fit the geometry exactly.
  static Result<Metainfo> from_piece_list(std::string name, std::uint64_t size, std::uint32_t piece_length,
                                          ByteSpan piece_list);

  const std::string& name() const { return name_; }
  const Geometry& geometry() const { return geometry_; }
  const std::vector<Sha1>& pieces_sha1() const { return hashes_.sha1; }
  const std::vector<Sha256>& piece_layer() const { return hashes_.layer; }
  const InfoHash& info_hash() const { return info_hash_; }
  const std::optional<InfoHashV1>& info_hash_v1() const { return info_hash_v1_; }
  std::optional<Sha256> pieces_root() const;  // nothing for an empty file

  Bytes piece_list() const;
  Bytes info_dictionary() const;
  std::uint64_t info_dictionary_bytes() const { return info_dictionary_bytes_; }
  // A whole .torrent file ("info" and "piece layers"), for tests and export.
  Bytes torrent_file() const;

 private:
  Metainfo(std::string name, Geometry geometry, PieceHashes hashes);
  std::string name_;
  Geometry geometry_;
  PieceHashes hashes_;
  InfoHash info_hash_;
  std::optional<InfoHashV1> info_hash_v1_;
  std::uint64_t info_dictionary_bytes_ = 0;
};

// Bytes of a piece list for this many pieces.
std::uint64_t piece_list_bytes(std::uint32_t pieces);

// The two hashes of one piece in memory. `whole_file` says that the file is this piece alone.
struct PieceDigest {
  Sha1 sha1;
  Sha256 root;
};
PieceDigest hash_piece(ByteSpan piece, std::uint32_t piece_length, bool whole_file);

}  // namespace p2p::meta
