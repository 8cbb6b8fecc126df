// SPDX-License-Identifier: MIT
// How far the content of a share has been hashed. Each checkpoint is a row with what is new in it, so that a
// large file does not write its hashes again and again.
#include "daemon/storage/state_db.h"

namespace p2p::storage {
namespace {

constexpr std::size_t kPieceBytes = Sha1::kSize + Sha256::kSize;

Bytes encode(const FileIdentity& file) {
  ByteWriter writer;
  writer.u64(file.device);
  writer.u64(file.inode);
  writer.u64(file.size);
  writer.i64(file.modified_ns);
  writer.i64(file.changed_ns);
  return writer.take();
}

Bytes encode(const Sha1State& state) {
  ByteWriter writer;
  for (const auto word : state.words) writer.u32(word);
  return writer.take();
}

Bytes encode(const meta::PieceHashes& pieces) {
  ByteWriter writer;
  for (std::size_t i = 0; i < pieces.sha1.size(); ++i) {
    writer.bytes(pieces.sha1[i].bytes);
    writer.bytes(pieces.layer[i].bytes);
  }
  return writer.take();
}

// Goes on from `before`; false when the row is none that put_checkpoint() wrote.
bool add_row(meta::HashCheckpoint& before, std::uint64_t bytes, ByteSpan whole, ByteSpan pieces) {
  if (bytes <= before.bytes || pieces.empty() || pieces.size() % kPieceBytes != 0) return false;
  before.bytes = before.whole.bytes = bytes;
  ByteReader words(whole);
  for (auto& word : before.whole.words) word = words.u32();
  for (ByteReader reader(pieces); !reader.at_end();) {
    before.pieces.sha1.push_back(*Sha1::from(reader.bytes(Sha1::kSize)));
    before.pieces.layer.push_back(*Sha256::from(reader.bytes(Sha256::kSize)));
  }
  return words.at_end();
}

}  // namespace

Status StateDb::put_checkpoint(const DownloadId& id, const FileIdentity& file,
                               const meta::HashCheckpoint& checkpoint) {
  auto put = database_.prepare(
      "INSERT OR REPLACE INTO checkpoint (id, bytes, file, whole, pieces) VALUES (?, ?, ?, ?, ?)");
  if (!put) return fail(put.error());
  put->bind(id.view()).bind(static_cast<std::int64_t>(checkpoint.bytes)).bind(ByteSpan(encode(file)));
  return put->bind(ByteSpan(encode(checkpoint.whole))).bind(ByteSpan(encode(checkpoint.pieces))).run();
}

Result<meta::HashCheckpoint> StateDb::checkpoint(const DownloadId& id, const FileIdentity& file) {
  auto query =
      database_.prepare("SELECT bytes, file, whole, pieces FROM checkpoint WHERE id = ? ORDER BY bytes");
  if (!query) return fail(query.error());
  query->bind(id.view());
  const auto expected = encode(file);
  meta::HashCheckpoint all;
  while (true) {
    auto row = query->step();
    if (!row) return fail(row.error());
    if (!*row) return all;
    const auto bytes = static_cast<std::uint64_t>(query->integer(0));
    if (to_bytes(query->blob(1)) != expected || !add_row(all, bytes, query->blob(2), query->blob(3))) break;
  }
  if (auto status = forget_checkpoints(id); !status) return fail(status.error());
  return meta::HashCheckpoint{};
}

Status StateDb::forget_checkpoints(const DownloadId& id) {
  auto remove = database_.prepare("DELETE FROM checkpoint WHERE id = ?");
  if (!remove) return fail(remove.error());
  return remove->bind(id.view()).run();
}

}  // namespace p2p::storage
