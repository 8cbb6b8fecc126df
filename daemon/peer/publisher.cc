// SPDX-License-Identifier: MIT
#include "daemon/peer/publisher.h"

#include <algorithm>
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

// One share being hashed.
struct Publisher::Hashing {
  DownloadId id;
  std::string path;
  std::uint64_t row_size = 0;  // as it was when it was accepted
  std::shared_ptr<storage::PayloadFile> file;
  storage::FileIdentity identity;
  std::optional<meta::Geometry> geometry;
  std::optional<FileHasher> hasher;  // dies on the loop: no job may own this object from here on
  Sha1 whole;
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
  if (transfer == nullptr || !may_begin(transfer->row().size)) return;
  auto hashing = std::make_shared<Hashing>();
  hashing->id = id;
  hashing->path = transfer->row().path;
  hashing->row_size = transfer->row().size;
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
        auto geometry =
            meta::Geometry::make(identity->size, meta::Geometry::piece_length_for(identity->size));
        if (!geometry) return fail(geometry.error());
        hashing->geometry = *geometry;
        return {};
      },
      [this, hashing](const Status& status) {
        if (!is_current(hashing)) return;
        if (status) look_for_checkpoint(hashing);
        else fail_share(hashing->id, status.error());
      });
}

bool Publisher::may_begin(std::uint64_t size) const {
  const auto large = [](const auto& one) { return !may_begin_beside_large(one.second->row_size); };
  return hashing_.size() < kFilesAtOnce &&
         (may_begin_beside_large(size) || std::none_of(hashing_.begin(), hashing_.end(), large));
}

void Publisher::look_for_checkpoint(const std::shared_ptr<Hashing>& hashing) {
  around_.store.run(
      scope_,
      [id = hashing->id, identity = hashing->identity](storage::StateDb& db) {
        return db.checkpoint(id, identity);
      },
      [this, hashing](Result<meta::HashCheckpoint> found) {
        if (!is_current(hashing)) return;
        const auto& geometry = *hashing->geometry;
        const bool usable = found && found->bytes <= geometry.size() &&
                            found->bytes % FileHasher::kCheckpointBytes == 0 &&
                            found->bytes == found->pieces.sha1.size() * geometry.piece_length();
        hash(hashing, usable ? std::move(*found) : meta::HashCheckpoint{});
      });
}

void Publisher::hash(const std::shared_ptr<Hashing>& hashing, meta::HashCheckpoint from) {
  if (from.bytes > 0) log::info("hashing goes on", {{"file", hashing->path}, {"from", from.bytes}});
  // The hasher is a part of `hashing`, so none of its callbacks may own it.
  const std::weak_ptr<Hashing> weak = hashing;
  const FileHasher::Listener listener{
      [this, weak](std::uint64_t bytes) {
        const auto current = weak.lock();
        if (auto* transfer = around_.transfers.find(current->id)) transfer->set_hashing_progress(bytes);
      },
      [this, weak](Result<FileHashes> hashes) {
        const auto current = weak.lock();
        if (!is_current(current)) return;
        if (hashes) describe(current, std::move(*hashes));
        else fail_share(current->id, hashes.error());
      },
      [this, weak](meta::HashCheckpoint checkpoint) { keep(weak.lock(), std::move(checkpoint)); }};
  hashing->hasher.emplace(around_.hash, FileHasher::Task{hashing->file, *hashing->geometry, std::move(from)},
                          listener);
}

// A checkpoint that cannot be written costs nothing but the work after a crash.
void Publisher::keep(const std::shared_ptr<Hashing>& hashing, meta::HashCheckpoint checkpoint) {
  const auto bytes = checkpoint.bytes;
  around_.store.run(
      scope_,
      [id = hashing->id, identity = hashing->identity, checkpoint = std::move(checkpoint)](
          storage::StateDb& db) { return db.put_checkpoint(id, identity, checkpoint); },
      [this, weak = std::weak_ptr(hashing), bytes](const Status& status) {
        const auto current = weak.lock();
        if (current == nullptr || !is_current(current)) return;
        if (!status) log::warn("cannot keep how far a file is hashed", {{"cause", status.error().message}});
        current->hasher->on_checkpoint_kept(bytes);
      });
}

// On the hash pool: the dictionary of a large file is one of megabytes, and its info-hashes are over it.
void Publisher::describe(const std::shared_ptr<Hashing>& hashing, FileHashes hashes) {
  auto* transfer = around_.transfers.find(hashing->id);
  if (transfer == nullptr) {
    end_hashing(hashing->id);
    return;
  }
  hashing->whole = hashes.whole;
  using Described = Result<std::shared_ptr<const meta::Metainfo>>;
  scope_.run(
      around_.hash,
      [file = hashing->file, identity = hashing->identity, piece_length = hashing->geometry->piece_length(),
       name = transfer->row().name, pieces = std::move(hashes.pieces)]() mutable -> Described {
        const auto now = file->identity();
        if (!now || *now != identity)
          return fail(Code::Integrity, file->path() + " changed while it was read",
                      "share it again when nothing writes to it");
        auto metainfo = meta::Metainfo::make(name, identity.size, piece_length, std::move(pieces));
        if (!metainfo) return fail(metainfo.error());
        return std::make_shared<const meta::Metainfo>(std::move(*metainfo));
      },
      [this, hashing](Described metainfo) {
        if (!is_current(hashing)) return;
        if (metainfo) on_described(hashing, std::move(*metainfo));
        else fail_share(hashing->id, metainfo.error());
      });
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

void Publisher::on_described(const std::shared_ptr<Hashing>& hashing,
                             std::shared_ptr<const meta::Metainfo> shared) {
  auto* transfer = around_.transfers.find(hashing->id);
  if (transfer == nullptr) {
    end_hashing(hashing->id);
    return;
  }
  auto row = transfer->row();
  row.size = hashing->identity.size;
  row.piece_length = hashing->geometry->piece_length();
  row.sha1 = hashing->whole;
  row.info_hash = shared->info_hash();
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
        around_.transfers.set_published(*published, row, shared);
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
