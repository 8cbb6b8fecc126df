// SPDX-License-Identifier: MIT
// The SHA-256 leaves of stored pieces: for members who ask for them, and to compare what members send.
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
  bool good = false;     // they give the root of the piece
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
  read_leaves(*piece,
              [this, session, range](const ReadLeaves& read) { on_leaves_read(session, range, read); });
}

void Transfer::read_leaves(PieceIndex piece, std::function<void(const ReadLeaves&)> done) {
  scope_->run(
      services_.hash,
      [file = file_, metainfo = metainfo_, piece, complete = is_complete(), expected = row_.identity] {
        ReadLeaves read;
        read.read(*file, metainfo->geometry(), piece);
        read.good = read.status && swarm::leaf_root(metainfo->geometry(), read.leaves) ==
                                       metainfo->piece_layer()[piece.value];
        if (!complete || !read.status) return read;
        const auto identity = file->identity();
        read.changed = !identity || *identity != expected;
        return read;
      },
      std::move(done));
}

// Leaves that do not give the piece's root would be taken for a lie: what the disk spoiled is not told.
void Transfer::on_leaves_read(swarm::SessionId session, const wire::HashRange& range,
                              const ReadLeaves& read) {
  if (swarm_ == nullptr) return;
  const auto at = links_.find(session);
  leaves_->on_read(at != links_.end() ? &at->second.leaf_asker : nullptr);
  const auto& geometry = metainfo_->geometry();
  if (at != links_.end()) {
    if (read.good) at->second.link->send(swarm::leaves_answer(range, geometry, read.leaves));
    else at->second.link->send(wire::HashReject{range});
  }
  judge_stored_piece(PieceIndex{range.index / swarm::leaf_width(geometry)}, read);
}

void Transfer::judge_stored_piece(PieceIndex piece, const ReadLeaves& read) {
  if (read.changed || (!read.status && is_complete())) {
    on_file_changed(read.status);
    return;
  }
  if (read.good) return;
  log::error("a stored piece is not what it was",
             {{"path", file_->path()},
              {"piece", piece.value},
              {"cause", read.status ? "its hash is wrong" : read.status.error().message}});
  if (is_complete() || !swarm_->have().has(piece)) return;
  swarm_->on_piece_withdrawn(piece, services_.loop.now());
  drain_actions();
}

// --- what members send -------------------------------------------------------------------------------

void Transfer::compare_with_leaf(const swarm::CompareBlock& action) {
  const auto [piece, block] = action.block;
  const auto& geometry = metainfo_->geometry();
  const auto bytes =
      buffers_.at(piece)->view().subspan(geometry.block_begin(block), geometry.block_bytes(piece, block));
  swarm_->on_block_compared(action.device, action.block, meta::leaf_hashes(bytes).front() == action.leaf,
                            services_.loop.now());
}

// Nobody is blamed for what our own disk has spoiled: what the block is compared with must give the root.
void Transfer::compare_with_ours(const DeviceId& device, const wire::Piece& sent) {
  const auto piece = sent.block.piece;
  const swarm::BlockRef block{piece, {sent.block.begin / limits::kBlockBytes}};
  const auto leaf = meta::leaf_hashes(sent.data).front();
  read_leaves(piece, [this, device, block, leaf](const ReadLeaves& read) {
    if (swarm_ == nullptr) return;
    if (read.good && !read.changed) {
      swarm_->on_block_compared(device, block, read.leaves.at(block.block.value) == leaf,
                                services_.loop.now());
      drain_actions();
    } else {
      judge_stored_piece(block.piece, read);
    }
  });
}

}  // namespace p2p::peer
