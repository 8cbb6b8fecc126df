// SPDX-License-Identifier: MIT
#include "daemon/peer/publisher.h"

#include <fmt/format.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/io/clock.h"

namespace p2p::peer {

using storage::TransferState;

namespace {

constexpr Duration kNext = 0ms;  // another share may be waiting for its turn
constexpr Duration kRetry = 1s;
constexpr auto kPublishTime = std::chrono::hours(24 * 365);  // waits for the tracker as long as it takes

// An upload belongs to its session; when that broke, the whole of it starts again.
bool is_lost_upload(Code refusal) { return refusal == Code::InvalidArgument || refusal == Code::NotFound; }

}  // namespace

Error being_downloaded(const Transfer& download) {
  const auto& row = download.row();
  return {Code::Conflict, fmt::format("'{}/{}' is being downloaded", row.group_name, printable(row.name)),
          "what it has is served already; to give it up: p2pctl download cancel " + row.id.hex()};
}

// One share being hashed. `buffer` and the stream belong to the reading job, the hash lists to the loop.
struct Publisher::Hashing {
  DownloadId id;
  std::string path;
  std::shared_ptr<storage::PayloadFile> file;
  storage::FileIdentity identity;
  std::uint32_t piece_length = 0;
  std::optional<meta::Geometry> geometry;
  Sha1Stream whole;
  Sha1 sha1;
  std::shared_ptr<Buffer> buffer;
  Status status = {};
  meta::PieceHashes hashes;
  std::uint32_t next_piece = 0;
  std::uint32_t hashed = 0;
  bool reading = false;
};

Publisher::Publisher(Surroundings around)
    : around_(around), retry_timer_(around.loop, bind<&Publisher::resume>(this)) {}
Publisher::~Publisher() = default;

void Publisher::clear() {
  hashing_.clear();
  publishing_.clear();
}

void Publisher::drop(const DownloadId& id) {
  hashing_.erase(id);
  publishing_.erase(id);
  retries_.erase(id);
  retry_timer_.set(kNext);
}

void Publisher::resume() {
  for (const auto& [id, transfer] : around_.transfers.all()) {
    if (transfer->row().kind != storage::TransferKind::Share) continue;
    if (transfer->row().state == TransferState::Hashing && !hashing_.contains(id)) begin(id);
    if (transfer->row().state == TransferState::Publishing) publish(id);
  }
}

void Publisher::begin(const DownloadId& id) {
  auto* transfer = around_.transfers.find(id);
  if (transfer == nullptr || hashing_.size() >= kFilesAtOnce) return;
  auto hashing = std::make_shared<Hashing>();
  hashing->id = id;
  hashing->path = transfer->row().path;
  hashing_[id] = hashing;
  scope_.run(
      around_.hash,
      [hashing]() -> Status {
        auto split = storage::split_path(hashing->path);
        if (!split) return fail(split.error());
        auto directory = storage::Directory::open(split->folder);
        if (!directory) return fail(directory.error());
        auto descriptor = directory->open_to_read(split->name);
        if (!descriptor) return fail(descriptor.error());
        hashing->file = std::make_shared<storage::PayloadFile>(std::move(*descriptor), hashing->path);
        auto identity = hashing->file->identity();
        if (!identity) return fail(identity.error());
        hashing->identity = *identity;
        hashing->piece_length = meta::Geometry::piece_length_for(identity->size);
        auto geometry = meta::Geometry::make(identity->size, hashing->piece_length);
        if (!geometry) return fail(geometry.error());
        hashing->geometry = *geometry;
        hashing->hashes.sha1.resize(geometry->pieces());
        hashing->hashes.layer.resize(geometry->pieces());
        return {};
      },
      [this, hashing](const Status& status) {
        if (!is_current(hashing)) return;
        if (!status) fail_share(hashing->id, status.error());
        else if (hashing->geometry->pieces() == 0) on_hashed(hashing);
        else hash_next(hashing);
      });
}

// Reads the next piece and carries the serial stream on; one such job at a time.
void Publisher::hash_next(const std::shared_ptr<Hashing>& hashing) {
  const auto behind = hashing->next_piece - hashing->hashed;
  if (hashing->reading || !may_read(behind) || hashing->next_piece == hashing->geometry->pieces()) return;
  hashing->reading = true;
  scope_.run(
      around_.hash,
      [hashing] {
        const PieceIndex piece{hashing->next_piece};
        hashing->buffer = std::make_shared<Buffer>(hashing->geometry->piece_bytes(piece));
        hashing->status =
            hashing->file->read(hashing->geometry->piece_offset(piece), hashing->buffer->span());
        if (hashing->status) hashing->whole.update(hashing->buffer->view());
        return true;
      },
      [this, hashing](bool) { on_piece_read(hashing); });
}

void Publisher::on_piece_read(const std::shared_ptr<Hashing>& hashing) {
  hashing->reading = false;
  if (!is_current(hashing)) return;
  if (!hashing->status) {
    fail_share(hashing->id, hashing->status.error());
    return;
  }
  const PieceIndex piece{hashing->next_piece++};
  const auto buffer = std::move(hashing->buffer);
  scope_.run(
      around_.hash,
      [buffer, length = hashing->piece_length, whole_file = hashing->geometry->pieces() == 1] {
        return meta::hash_piece(buffer->view(), length, whole_file);
      },
      [this, hashing, piece](const meta::PieceDigest& digest) {
        hashing->hashes.sha1[piece.value] = digest.sha1;
        hashing->hashes.layer[piece.value] = digest.root;
        ++hashing->hashed;
        if (!is_current(hashing)) return;
        if (auto* transfer = around_.transfers.find(hashing->id))
          transfer->set_hashing_progress(std::uint64_t{hashing->hashed} * hashing->piece_length);
        if (hashing->hashed == hashing->geometry->pieces()) on_hashed(hashing);
        else hash_next(hashing);
      });
  hash_next(hashing);
}

// The same content under the same name may be in this group already, from this device. True when the share
// goes on.
bool Publisher::make_way(const storage::TransferRow& row) {
  auto* same = around_.transfers.find(ShareKey{row.group, row.info_hash});
  if (same == nullptr || same->row().id == row.id) return true;
  const bool is_share = same->row().kind == storage::TransferKind::Share;
  if (same->is_waiting_for_file()) {
    // From another place: this file takes over from the one that is not there.
    const Error why{Code::Cancelled, "shared from " + row.path, {}};
    if (is_share) around_.transfers.remove(same->row().id, nullptr);
    else same->hold(storage::Hold::Unshared, why, nullptr);
    return true;
  }
  if (!is_share && !same->is_complete()) {
    fail_share(row.id, being_downloaded(*same));
    return false;
  }
  log::info("already shared", {{"name", row.name}, {"group", row.group_name}});
  end_hashing(row.id);
  around_.transfers.remove(row.id, nullptr);
  return false;
}

void Publisher::on_hashed(const std::shared_ptr<Hashing>& hashing) {
  auto* transfer = around_.transfers.find(hashing->id);
  if (transfer == nullptr) {
    end_hashing(hashing->id);
    return;
  }
  const auto identity = hashing->file->identity();
  if (!identity || *identity != hashing->identity) {
    fail_share(hashing->id, Error{Code::Integrity, hashing->path + " changed while it was read",
                                  "share it again when nothing writes to it"});
    return;
  }
  auto row = transfer->row();
  auto metainfo = meta::Metainfo::make(row.name, hashing->identity.size, hashing->piece_length,
                                       std::move(hashing->hashes));
  if (!metainfo) {
    fail_share(hashing->id, metainfo.error());
    return;
  }
  row.size = hashing->identity.size;
  row.piece_length = hashing->piece_length;
  row.sha1 = hashing->whole.finish();
  row.info_hash = metainfo->info_hash();
  row.identity = hashing->identity;
  row.state = TransferState::Publishing;
  row.file_sha1 = storage::FileSha1::Ok;
  if (!make_way(row)) return;
  trust::CatalogueEntry entry;
  entry.tracker = around_.tracker.target() ? around_.tracker.target()->tracker : TrackerId{};
  entry.group = row.group;
  entry.publisher = user_;
  entry.device_key = around_.identity.public_key();
  entry.name = row.name;
  entry.size = row.size;
  entry.piece_length = row.piece_length;
  entry.sha1 = row.sha1;
  entry.info_hash = row.info_hash;
  entry.published = around_.clock.now(io::boot_now(), io::wall_now());
  row.entry = entry.sign(around_.identity);
  auto shared = std::make_shared<const meta::Metainfo>(std::move(*metainfo));
  around_.store.run(
      scope_,
      [row, shared, account = around_.transfers.account()](storage::StateDb& db) -> Status {
        return db.put_transfer_and_list(account, row, shared->piece_list());
      },
      [this, row, shared](const Status& status) {
        end_hashing(row.id);
        auto* published = around_.transfers.find(row.id);
        if (published == nullptr) return;
        if (!status) {
          fail_share(row.id, status.error());
          return;
        }
        log::info("hashed", {{"name", row.name}, {"group", row.group_name}, {"bytes", row.size}});
        published->set_published(row, shared);
        publish(row.id);
      });
}

// Not so after a logout, even if the same share is being hashed anew.
bool Publisher::is_current(const std::shared_ptr<Hashing>& hashing) const {
  const auto at = hashing_.find(hashing->id);
  return at != hashing_.end() && at->second == hashing;
}

// The next one that waits may begin.
void Publisher::end_hashing(const DownloadId& id) {
  hashing_.erase(id);
  retry_timer_.set(kNext);
}

void Publisher::fail_share(const DownloadId& id, const Error& error) {
  end_hashing(id);
  publishing_.erase(id);
  log::warn("cannot share", {{"cause", error.message}});
  if (auto* transfer = around_.transfers.find(id)) transfer->fail_with(error);
}

void Publisher::publish(const DownloadId& id) {
  auto* transfer = around_.transfers.find(id);
  if (transfer == nullptr || transfer->metainfo() == nullptr || transfer->is_barred() ||
      publishing_.contains(id))
    return;
  // The tracker takes so many uploads of one session; the next begins when one has ended.
  if (publishing_.size() >= limits::kUploadsPerSession) return;
  publishing_.insert(id);
  auto piece_list = std::make_shared<const Bytes>(transfer->metainfo()->piece_list());
  const auto upload_id = trust::random_id<IdempotencyKey>().raw();
  if (piece_list->empty()) list(id, "");
  else upload_metadata(id, upload_id, std::move(piece_list), 0);
}

void Publisher::upload_metadata(const DownloadId& id, const std::string& upload_id,
                                std::shared_ptr<const Bytes> piece_list, std::size_t offset) {
  const auto chunk = ByteSpan(*piece_list)
                         .subspan(offset, std::min(limits::kMetadataChunkBytes, piece_list->size() - offset));
  pb::tracker::Request request;
  auto* put = request.mutable_put_metadata();
  put->set_upload_id(upload_id);
  put->set_offset(offset);
  put->set_data(to_string(chunk));
  const auto next = offset + chunk.size();
  around_.tracker.request(std::move(request), TrackerClient::Kind::Query, kPublishTime,
                          [this, id, upload_id, piece_list, next](Result<pb::tracker::Response> response) {
                            if (!publishing_.contains(id)) return;
                            if (!response) on_listed(id, response);
                            else if (next == piece_list->size()) list(id, upload_id);
                            else upload_metadata(id, upload_id, piece_list, next);
                          });
}

void Publisher::list(const DownloadId& id, const std::string& upload_id) {
  const auto* transfer = around_.transfers.find(id);
  if (transfer == nullptr) return;
  pb::tracker::Request request;
  auto* share = request.mutable_share_file();
  share->set_group(transfer->row().group_name);
  share->set_entry(to_string(transfer->row().entry));
  share->set_upload_id(upload_id);
  around_.tracker.request(std::move(request), TrackerClient::Kind::Mutating, kPublishTime,
                          [this, id](Result<pb::tracker::Response> response) { on_listed(id, response); });
}

bool Publisher::may_retry(Code refusal, int failures) {
  const bool later = refusal == Code::TrackerUnreachable || refusal == Code::Cancelled ||
                     refusal == Code::Busy || refusal == Code::Limit || refusal == Code::NoSpace ||
                     refusal == Code::TimedOut;
  return later || (is_lost_upload(refusal) && failures < kRetriesMax);
}

void Publisher::on_listed(const DownloadId& id, const Result<pb::tracker::Response>& response) {
  publishing_.erase(id);
  auto* transfer = around_.transfers.find(id);
  if (transfer == nullptr) return;
  retry_timer_.set(kNext);
  if (!response) {
    const auto code = response.error().code;
    if (transfer->is_barred()) return;  // goes on when its user is a member again
    if (is_lost_upload(code)) ++retries_[id];
    if (may_retry(code, retries_[id])) retry_timer_.set(kRetry);
    else fail_share(id, response.error());
    return;
  }
  retries_.erase(id);
  log::info("sharing", {{"name", transfer->row().name},
                        {"group", transfer->row().group_name},
                        {"bytes", transfer->row().size}});
  transfer->set_state(TransferState::Complete, "");
  transfer->start();
}

}  // namespace p2p::peer
