// SPDX-License-Identifier: MIT
// From a piece's last block to its place on the disk: its memory, hashing it beside others, judging, writing.
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/base/log.h"
#include "daemon/meta/merkle.h"
#include "daemon/meta/piece_batch.h"
#include "daemon/peer/transfer.h"

namespace p2p::peer {
namespace {

swarm::Evidence evidence_of(ByteSpan bytes, const meta::Metainfo& metainfo, PieceIndex piece) {
  return {{*metainfo.pieces_root(), metainfo.piece_layer()[piece.value]}, meta::leaf_hashes(bytes)};
}

}  // namespace

std::size_t Transfer::pieces_together(double bytes_per_second, std::uint32_t piece_length,
                                      std::uint32_t open_pieces) {
  const auto come = bytes_per_second * seconds_of(kCompanyTime) / piece_length;
  const auto most = std::min(meta::PieceBatch::kPiecesMax, std::size_t{open_pieces} / kOpenParts);
  const auto together = come < static_cast<double>(most) ? static_cast<std::size_t>(come) : most;
  return together < kCompanyLeast ? 1 : together;
}

// Memory that was used before costs no page faults.
std::shared_ptr<Buffer> Transfer::piece_buffer(PieceIndex piece) {
  const auto bytes = metainfo_->geometry().piece_bytes(piece);
  if (spare_buffers_.empty()) return std::make_shared<Buffer>(bytes);
  auto buffer = std::move(spare_buffers_.back());
  spare_buffers_.pop_back();
  buffer->set_size(bytes);
  return buffer;
}

void Transfer::check_piece(PieceIndex piece) {
  const auto at = buffers_.find(piece);
  CHECK(at != buffers_.end());
  arrived_.push_back({piece, std::move(at->second)});
  buffers_.erase(at);
  ++writes_in_flight_;
  const auto rate = swarm_->download_rate(services_.loop.now());
  const auto together = pieces_together(rate, metainfo_->geometry().piece_length(), open_pieces_max_);
  const bool is_last = swarm_->have().count() + writes_in_flight_ >= metainfo_->geometry().pieces();
  if (arrived_.size() >= together || is_last) check_arrived();
  else if (arrived_.size() == 1) company_timer_.set(kCompanyTime);
}

void Transfer::check_arrived() {
  company_timer_.cancel();
  if (arrived_.empty()) return;
  auto batch = std::make_shared<const std::vector<Arrived>>(std::exchange(arrived_, {}));
  scope_->run(
      services_.hash,
      [batch, metainfo = metainfo_] {
        std::vector<ByteSpan> pieces;
        for (const auto& [piece, data] : *batch) pieces.push_back(data->view());
        const auto& geometry = metainfo->geometry();
        const auto digests = meta::hash_pieces(pieces, geometry.piece_length(), geometry.pieces() == 1);
        std::vector<CheckedPiece> checked;
        for (std::size_t i = 0; i < pieces.size(); ++i) {
          const auto piece = (*batch)[i].piece;
          auto& one = checked.emplace_back();
          one.sha1_good = digests[i].sha1 == metainfo->pieces_sha1()[piece.value];
          one.root_good = digests[i].root == metainfo->piece_layer()[piece.value];
          if (!one.root_good) one.evidence = evidence_of(pieces[i], *metainfo, piece);
        }
        return checked;
      },
      [this, batch](std::vector<CheckedPiece> checked) {
        auto good = std::make_shared<std::vector<Arrived>>();
        for (std::size_t i = 0; i < checked.size() && swarm_ != nullptr; ++i)
          if (judge((*batch)[i], std::move(checked[i]))) good->push_back((*batch)[i]);
        if (swarm_ != nullptr && !good->empty()) write(good);
        drain_actions();
        stop_if_idle();
      });
}

// True: it is to be written. Anything else has been done.
bool Transfer::judge(const Arrived& arrived, CheckedPiece checked) {
  if (checked.root_good && checked.sha1_good) return true;
  --writes_in_flight_;
  if (checked.root_good) {
    fail_with(Error{Code::Integrity,
                    fmt::format("the share is inconsistent: piece {} fits its SHA-256 but not its SHA-1",
                                arrived.piece.value),
                    {}});
    return false;
  }
  log::warn("piece failed hash",
            {{"name", row_.name}, {"group", row_.group_name}, {"piece", arrived.piece.value}});
  buffers_[arrived.piece] = arrived.data;
  swarm_->on_piece_failed(arrived.piece, std::move(checked.evidence), services_.loop.now());
  return false;
}

void Transfer::write(const std::shared_ptr<std::vector<Arrived>>& pieces) {
  scope_->run(
      services_.disk, disk_lane(),
      [pieces, file = file_, geometry = metainfo_->geometry()] {
        std::vector<Status> written;
        for (const auto& [piece, data] : *pieces)
          written.push_back(file->write(geometry.piece_offset(piece), data->view()));
        return written;
      },
      [this, pieces](const std::vector<Status>& written) {
        for (std::size_t i = 0; i < written.size() && swarm_ != nullptr; ++i)
          on_piece_written((*pieces)[i], written[i]);
        drain_actions();
        stop_if_idle();
      });
}

void Transfer::on_piece_written(const Arrived& arrived, const Status& status) {
  --writes_in_flight_;
  const auto now = services_.loop.now();
  if (!status) {
    swarm_->on_piece_lost(arrived.piece, now);
    if (status.error().code == Code::NoSpace) wait_for_space(status.error().message);
    else fail_with(status.error());
    return;
  }
  if (arrived.data->size() == metainfo_->geometry().piece_length()) spare_buffers_.push_back(arrived.data);
  dirty_ = true;
  dirty_bytes_ += metainfo_->geometry().piece_bytes(arrived.piece);
  swarm_->on_piece_stored(arrived.piece, now);
  if (swarm_->lags() && book_.on_lag(now)) owner_.on_dial_wanted();
  if (dirty_bytes_ >= kCheckpointBytes && !checkpointing_ && stop_done_ == nullptr) checkpoint(nullptr);
}

// An orderly stop waits for the pieces that are being checked and written.
void Transfer::stop_if_idle() {
  if (stop_done_ == nullptr || writes_in_flight_ != 0 || phase_ == Phase::Finishing || checkpointing_) return;
  checkpoint([this] { std::exchange(stop_done_, [] {})(); });
}

}  // namespace p2p::peer
