// SPDX-License-Identifier: MIT
// Serving: requested blocks are read in batches, straight behind their message heads, and handed to TLS in
// one piece, so that its records are full.
#include <algorithm>

#include "daemon/base/log.h"
#include "daemon/peer/transfer.h"

namespace p2p::peer {
namespace {

constexpr std::size_t kBatchBlocks = 16;
constexpr std::size_t kHeadBytes = 13;

}  // namespace

// Blocks that one disk job reads: `message` is head, payload, head, payload ...
struct Transfer::ReadBatch {
  std::vector<wire::BlockSpan> blocks;
  Buffer message;
  std::size_t payload_bytes = 0;
  bool changed = false;

  void lay_out() {
    message = Buffer(payload_bytes + blocks.size() * kHeadBytes);
    std::size_t at = 0;
    for (const auto& block : blocks) {
      const auto head = wire::encode_piece_head(block);
      std::copy(head.begin(), head.end(), message.data() + at);
      at += kHeadBytes + block.length;
    }
  }

  // On a disk thread. Blocks that follow each other in the file are read with one call.
  Status read(const storage::PayloadFile& file, const meta::Geometry& geometry) {
    std::vector<iovec> parts;
    std::uint64_t run_begin = 0;
    std::uint64_t run_end = 0;
    std::size_t at = 0;
    for (const auto& block : blocks) {
      const auto offset = geometry.piece_offset(block.piece) + block.begin;
      if (!parts.empty() && offset != run_end) {
        if (auto status = file.read_parts(run_begin, parts); !status) return status;
        parts.clear();
      }
      if (parts.empty()) run_begin = offset;
      parts.push_back({message.data() + at + kHeadBytes, block.length});
      run_end = offset + block.length;
      at += kHeadBytes + block.length;
    }
    return file.read_parts(run_begin, parts);
  }
};

bool Transfer::may_upload() {
  if (services_.upload.unlimited() || upload_allowance_ > 0) return true;
  services_.upload.wait(row_.id);
  owner_.on_turn_wanted();
  return false;
}

// Begins behind the link that had the last turn. All are pumped: one that gets nothing lines up again.
void Transfer::pump_uploads() {
  std::vector<std::pair<swarm::SessionId, PeerLink*>> links;
  for (const auto& [session, state] : links_) links.emplace_back(session, state.link);
  std::stable_partition(links.begin(), links.end(),
                        [this](const auto& one) { return one.first > last_upload_turn_; });
  for (const auto& [session, link] : links) {
    const auto before = upload_allowance_;
    pump_upload(*link);
    if (upload_allowance_ != before) last_upload_turn_ = session;
  }
}

void Transfer::upload_turn(std::uint64_t bytes) {
  upload_allowance_ += static_cast<std::int64_t>(bytes);
  pump_uploads();
}

void Transfer::download_turn(std::uint64_t bytes) {
  if (swarm_ == nullptr) return;
  swarm_->allow_requests(bytes, services_.loop.now());
  drain_actions();
}

void Transfer::on_limits_changed() {
  upload_allowance_ = 0;
  if (swarm_ == nullptr) return;
  swarm_->limit_requests(!services_.download.unlimited(), services_.loop.now());
  drain_actions();
  pump_uploads();
}

void Transfer::pump_upload(PeerLink& link) {
  const auto at = sessions_by_link_.find(&link);
  if (at == sessions_by_link_.end() || swarm_ == nullptr || stop_done_ != nullptr) return;
  const auto session = at->second;
  auto& state = links_.at(session);
  while (swarm_->has_upload(session) &&
         link.pending_bytes() + state.reading_bytes < 2 * limits::kSendLowWaterBytes) {
    auto batch = std::make_shared<ReadBatch>();
    while (batch->blocks.size() < kBatchBlocks && swarm_->has_upload(session)) {
      if (!may_upload()) break;
      const auto block = swarm_->next_upload(session);
      if (!block) break;
      upload_allowance_ -= block->length;
      batch->blocks.push_back(*block);
      batch->payload_bytes += block->length;
    }
    if (batch->blocks.empty()) break;
    state.reading_bytes += batch->payload_bytes;
    read_batch(state, std::move(batch));
  }
}

void Transfer::read_batch(LinkState& state, std::shared_ptr<ReadBatch> batch) {
  const auto session = sessions_by_link_.at(state.link);
  batch->lay_out();
  const bool complete = is_complete();
  scope_->run(
      services_.disk, disk_lane(),
      [batch, file = file_, geometry = metainfo_->geometry(), complete,
       expected = row_.identity]() -> Status {
        if (auto status = batch->read(*file, geometry); !status) return status;
        if (!complete) return {};
        // After the read: a change before it shows, a change behind it cannot have reached us.
        const auto identity = file->identity();
        batch->changed = !identity || *identity != expected;
        return {};
      },
      [this, session, batch](const Status& status) { on_batch_read(session, batch, status); });
}

void Transfer::on_batch_read(swarm::SessionId session, const std::shared_ptr<ReadBatch>& batch,
                             const Status& status) {
  if (swarm_ == nullptr) return;
  if (batch->changed || (!status && is_complete())) {
    on_file_changed(status);
    return;
  }
  const auto at = links_.find(session);
  if (at != links_.end()) at->second.reading_bytes -= batch->payload_bytes;
  const auto now = services_.loop.now();
  if (!status) {
    log::error("cannot read a shared file", {{"path", file_->path()}, {"cause", status.error().message}});
    for (const auto& block : batch->blocks) {
      swarm_->on_upload_failed(session, block, now);
      if (swarm_->have().has(block.piece)) swarm_->on_piece_withdrawn(block.piece, now);
    }
  } else if (at != links_.end()) {
    at->second.link->send_bytes(batch->message.view());
    for (const auto& block : batch->blocks) swarm_->on_upload_sent(session, block, now);
    pump_upload(*at->second.link);
  }
  if (!status && swarm_ != nullptr)
    if (const auto one = links_.find(session); one != links_.end()) pump_upload(*one->second.link);
  drain_actions();
}

}  // namespace p2p::peer
