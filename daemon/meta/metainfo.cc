// SPDX-License-Identifier: MIT
#include "daemon/meta/metainfo.h"

#include <fmt/format.h>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/base/names.h"
#include "daemon/meta/merkle.h"
#include "daemon/meta/piece_batch.h"
#include "daemon/wire/bencode.h"

namespace p2p::meta {
namespace {

constexpr std::int64_t kMetaVersion = 2;

template <class Hash>
Bytes joined(const std::vector<Hash>& hashes) {
  Bytes out;
  out.reserve(hashes.size() * Hash::kSize);
  for (const auto& hash : hashes) out.insert(out.end(), hash.bytes.begin(), hash.bytes.end());
  return out;
}

template <class Hash>
std::vector<Hash> split(ByteSpan bytes) {
  std::vector<Hash> hashes;
  hashes.reserve(bytes.size() / Hash::kSize);
  for (; !bytes.empty(); bytes = bytes.subspan(Hash::kSize))
    hashes.push_back(*Hash::from(bytes.first(Hash::kSize)));
  return hashes;
}

Result<Geometry> checked_geometry(std::string_view name, std::uint64_t size, std::uint32_t piece_length) {
  if (const auto status = check_file_name(name); !status) return fail(status.error());
  auto geometry = Geometry::make(size, piece_length);
  if (geometry && piece_list_bytes(geometry->pieces()) > limits::kMetadataBytes)
    return fail(Code::Limit, fmt::format("the piece list of {} pieces is over the limit of {} bytes",
                                         geometry->pieces(), limits::kMetadataBytes));
  return geometry;
}

}  // namespace

Metainfo::Metainfo(std::string name, Geometry geometry, PieceHashes hashes)
    : name_(std::move(name)), geometry_(geometry), hashes_(std::move(hashes)) {
  const auto dictionary = info_dictionary();
  info_dictionary_bytes_ = dictionary.size();
  info_hash_.bytes = sha256(dictionary).bytes;
  if (geometry_.pieces() > 0) info_hash_v1_ = InfoHashV1{sha1(dictionary).bytes};
}

Result<Metainfo> Metainfo::make(std::string name, std::uint64_t size, std::uint32_t piece_length,
                                PieceHashes hashes) {
  const auto geometry = checked_geometry(name, size, piece_length);
  if (!geometry) return fail(geometry.error());
  if (hashes.sha1.size() != geometry->pieces() || hashes.layer.size() != geometry->pieces())
    return fail(Code::InvalidArgument,
                fmt::format("{} SHA-1 and {} SHA-256 hashes do not fit a file of {} pieces",
                            hashes.sha1.size(), hashes.layer.size(), geometry->pieces()));
  return Metainfo(std::move(name), *geometry, std::move(hashes));
}

Result<Metainfo> Metainfo::from_piece_list(std::string name, std::uint64_t size, std::uint32_t piece_length,
                                           ByteSpan piece_list) {
  const auto geometry = checked_geometry(name, size, piece_length);
  if (!geometry) return fail(geometry.error());
  if (piece_list.size() != piece_list_bytes(geometry->pieces()))
    return fail(Code::InvalidArgument,
                fmt::format("a piece list of {} bytes does not fit a file of {} pieces", piece_list.size(),
                            geometry->pieces()));
  const std::size_t sha1_bytes = std::size_t{geometry->pieces()} * Sha1::kSize;
  PieceHashes hashes{split<Sha1>(piece_list.first(sha1_bytes)),
                     split<Sha256>(piece_list.subspan(sha1_bytes))};
  return Metainfo(std::move(name), *geometry, std::move(hashes));
}

std::optional<Sha256> Metainfo::pieces_root() const {
  if (hashes_.layer.empty()) return std::nullopt;
  return file_root(hashes_.layer, geometry_.piece_length());
}

Bytes Metainfo::piece_list() const {
  auto out = joined(hashes_.sha1);
  const auto layer = joined(hashes_.layer);
  out.insert(out.end(), layer.begin(), layer.end());
  return out;
}

Bytes Metainfo::info_dictionary() const {
  const auto size = static_cast<std::int64_t>(geometry_.size());
  const auto root = pieces_root();
  wire::BencodeWriter writer;
  writer.begin_dictionary();
  writer.key("file tree");
  writer.begin_dictionary();
  writer.key(name_);
  writer.begin_dictionary();
  writer.key("");
  writer.begin_dictionary();
  writer.key("length");
  writer.integer(size);
  if (root) {
    writer.key("pieces root");
    writer.string(root->view());
  }
  writer.end();
  writer.end();
  writer.end();
  if (root) {
    writer.key("length");
    writer.integer(size);
  }
  writer.key("meta version");
  writer.integer(kMetaVersion);
  writer.key("name");
  writer.string(name_);
  writer.key("piece length");
  writer.integer(geometry_.piece_length());
  if (root) {
    writer.key("pieces");
    writer.string(joined(hashes_.sha1));
  }
  writer.key("private");
  writer.integer(1);
  writer.end();
  return writer.take();
}

Bytes Metainfo::torrent_file() const {
  wire::BencodeWriter writer;
  writer.begin_dictionary();
  writer.key("info");
  writer.raw(info_dictionary());
  writer.key("piece layers");
  writer.begin_dictionary();
  if (geometry_.pieces() > 1) {
    writer.key(pieces_root()->raw());
    writer.string(joined(hashes_.layer));
  }
  writer.end();
  writer.end();
  return writer.take();
}

std::uint64_t piece_list_bytes(std::uint32_t pieces) {
  return std::uint64_t{pieces} * (Sha1::kSize + Sha256::kSize);
}

PieceDigest hash_piece(ByteSpan piece, std::uint32_t piece_length, bool whole_file) {
  return hash_pieces(std::span(&piece, 1), piece_length, whole_file)[0];
}

}  // namespace p2p::meta
