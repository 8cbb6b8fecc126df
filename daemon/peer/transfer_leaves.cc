// SPDX-License-Identifier: MIT
// The SHA-256 leaves of a piece for a member who got it with a wrong block in it.
#include <algorithm>

#include "daemon/base/log.h"
#include "daemon/meta/merkle.h"
#include "daemon/peer/transfer.h"

namespace p2p::peer {
namespace {

constexpr std::size_t kReadBytes = 256 * limits::kKiB;
static_assert(kReadBytes % limits::kBlockBytes == 0);

}  // namespace

struct Transfer::ReadLeaves {
  Status status = {};
  bool changed = false;  // the file of a complete share
  std::vector<Sha256> leaves;

  // On a pool thread; of a piece no more than kReadBytes are in memory.
  void read(const storage::PayloadFile& file, const meta::Geometry& geometry, PieceIndex piece) {
    const std::size_t size = geometry.piece_bytes(piece);
    Buffer part(std::min(size, kReadBytes));
    for (std::size_t at = 0; at < size; at += kReadBytes) {
      const auto bytes = part.span().first(std::min(size - at, kReadBytes));
      status = file.read(geometry.piece_offset(piece) + at, bytes);
      if (!status) return;
      const auto hashes = meta::leaf_hashes(bytes);
      leaves.insert(leaves.end(), hashes.begin(), hashes.end());
    }
  }
};

void Transfer::answer_leaves(swarm::SessionId session, const wire::HashRange& range) {
  const auto at = links_.find(session);
  if (at == links_.end() || swarm_ == nullptr || metainfo_->geometry().pieces() == 0) return;
  if (leaves_ == nullptr) leaves_ = std::make_unique<swarm::LeafServer>(metainfo_);
  const auto piece = leaves_->admit(at->second.leaf_asker, range, swarm_->have(), services_.loop.now());
  if (!piece) {
    at->second.link->send(wire::HashReject{range});
    return;
  }
  scope_->run(
      services_.hash,
      [file = file_, metainfo = metainfo_, piece = *piece, complete = is_complete(),
       expected = row_.identity] {
        ReadLeaves read;
        read.read(*file, metainfo->geometry(), piece);
        if (!complete || !read.status) return read;
        const auto identity = file->identity();
        read.changed = !identity || *identity != expected;
        return read;
      },
      [this, session, range](const ReadLeaves& read) { on_leaves_read(session, range, read); });
}

// Leaves that do not give the piece's root would be taken for a lie: what the disk spoiled is not told.
void Transfer::on_leaves_read(swarm::SessionId session, const wire::HashRange& range,
                              const ReadLeaves& read) {
  if (swarm_ == nullptr) return;
  const auto at = links_.find(session);
  leaves_->on_read(at != links_.end() ? &at->second.leaf_asker : nullptr);
  if (read.changed || (!read.status && is_complete())) {
    on_file_changed(read.status);
    return;
  }
  const auto& geometry = metainfo_->geometry();
  const PieceIndex piece{range.index / swarm::leaf_width(geometry)};
  const bool good =
      read.status && swarm::leaf_root(geometry, read.leaves) == metainfo_->piece_layer()[piece.value];
  if (at != links_.end()) {
    if (good) at->second.link->send(swarm::leaves_answer(range, geometry, read.leaves));
    else at->second.link->send(wire::HashReject{range});
  }
  if (good) return;
  log::error("a stored piece is not what it was",
             {{"path", file_->path()},
              {"piece", piece.value},
              {"cause", read.status ? "its hash is wrong" : read.status.error().message}});
  if (is_complete() || !swarm_->have().has(piece)) return;
  swarm_->on_piece_withdrawn(piece, services_.loop.now());
  drain_actions();
}

}  // namespace p2p::peer
