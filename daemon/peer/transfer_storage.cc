// SPDX-License-Identifier: MIT
// Opening and verifying the file, space, checkpoints.
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/base/log.h"
#include "daemon/base/units.h"
#include "daemon/peer/transfer.h"
#include "daemon/storage/piece_check.h"

namespace p2p::peer {

using storage::Hold;
using storage::TransferState;

namespace {

using FilePointer = std::shared_ptr<storage::PayloadFile>;

struct Opened {
  FilePointer file;
  storage::FileIdentity identity;
  std::vector<PieceIndex> with_data;
  bool cut = false;
  bool renamed = false;
};

// A death between the final name and its row leaves the whole file there; it is known by its content.
bool holds_all(const storage::PayloadFile& file, const meta::Metainfo& metainfo) {
  const auto& geometry = metainfo.geometry();
  const auto identity = file.identity();
  if (!identity || identity->size != geometry.size()) return false;
  for (std::uint32_t first = 0; first < geometry.pieces(); first += meta::PieceBatch::kPiecesMax) {
    std::vector<PieceIndex> batch;
    for (auto i = first; i < geometry.pieces() && batch.size() < meta::PieceBatch::kPiecesMax; ++i)
      batch.push_back({i});
    const auto good = storage::check_pieces(file, metainfo, batch);
    if (std::find(good.begin(), good.end(), false) != good.end()) return false;
  }
  return true;
}

// On a disk thread. A download whose part file is gone starts it anew.
Result<Opened> open_file(const storage::TransferRow& row, const meta::Metainfo& metainfo) {
  const auto& geometry = metainfo.geometry();
  auto split = storage::split_path(row.path);
  if (!split) return fail(split.error());
  auto directory = storage::Directory::open(split->folder);
  if (!directory) return fail(directory.error());
  const bool part = row.state != TransferState::Complete && !row.part_name.empty();
  Opened opened;
  auto name = part ? row.part_name : split->name;
  auto descriptor = part ? directory->open_to_write(name) : directory->open_to_read(name);
  if (part && !descriptor && descriptor.error().code == Code::NotFound) {
    if (auto finished = directory->open_to_read(split->name)) {
      auto file =
          std::make_shared<storage::PayloadFile>(std::move(*finished), directory->path_of(split->name));
      opened.renamed = holds_all(*file, metainfo);
      if (opened.renamed) opened.file = std::move(file);
    }
    if (!opened.renamed) descriptor = directory->create(name);
  }
  if (opened.file == nullptr) {
    if (!descriptor) return fail(descriptor.error());
    opened.file = std::make_shared<storage::PayloadFile>(std::move(*descriptor), directory->path_of(name));
  }
  auto identity = opened.file->identity();
  if (!identity) return fail(identity.error());
  opened.identity = *identity;
  if (part && !opened.renamed) {
    opened.cut = identity->size != 0 && identity->size != geometry.size();
    opened.with_data = opened.file->pieces_with_data(geometry);
    if (auto status = opened.file->resize(geometry.size()); !status) return fail(status.error());
    // What is verified now goes into the row: on disk before it.
    if (auto status = opened.file->sync(); !status) return fail(status.error());
  }
  return opened;
}

}  // namespace

void Transfer::open() {
  CHECK(metainfo_ != nullptr && swarm_ == nullptr);
  const auto attempt = ++attempt_;
  ++opening_;
  enter(Phase::Opening, "");
  lasting_.run(
      services_.disk, row_.identity.device,
      [row = row_, metainfo = metainfo_]() -> Result<Opened> { return open_file(row, *metainfo); },
      [this, attempt](Result<Opened> opened) {
        --opening_;
        if (discard_done_ != nullptr) remove_part_file();
        if (attempt != attempt_) return;
        OpenResult result;
        if (opened) {
          result.file = opened->file;
          result.identity = opened->identity;
          result.to_verify = std::move(opened->with_data);
          result.cut = opened->cut;
          result.renamed = opened->renamed;
        } else {
          result.file = fail(opened.error());
        }
        on_opened(std::move(result));
      });
}

void Transfer::on_opened(OpenResult result) {
  if (stop_done_ != nullptr) return;
  if (!result.file && result.file.error().code == Code::Limit) {
    // Out of descriptors or memory for a while says nothing of the file.
    enter(Phase::Opening, result.file.error().message);
    space_timer_.set(kSpaceRetry);
    return;
  }
  if (!result.file) {
    on_open_failed(result.file.error());
    return;
  }
  file_ = *result.file;
  opened_identity_ = result.identity;
  const auto pieces = metainfo_->geometry().pieces();
  std::vector<PieceIndex> to_verify;
  verify_all_ = false;
  if (row_.state == TransferState::Downloading) {
    verified_ = stored_pieces();
    // Data that is not there any more was never synced, or somebody cut the file: believe the file.
    if (result.cut) {
      verified_ = swarm::Bitfield(pieces);
      row_.writing = true;
    }
    swarm::Bitfield present(pieces, result.renamed);
    for (const auto piece : result.to_verify) present.set(piece);
    for (std::uint32_t i = 0; i < pieces; ++i)
      if (!present.has({i})) verified_.clear({i});
    if (result.renamed) {
      verified_ = swarm::Bitfield(pieces, true);
      row_.part_name.clear();
    }
    if (row_.writing)
      for (const auto piece : result.to_verify)
        if (!verified_.has(piece)) to_verify.push_back(piece);
  } else if (result.identity == row_.identity) {
    verified_ = swarm::Bitfield(pieces, true);
  } else if (result.identity.size != row_.size) {
    judged_ = result.identity;
    hold(Hold::Changed, Error{Code::Integrity, file_->path() + " has changed: its size is another one", {}},
         nullptr);
    return;
  } else {
    verify_all_ = true;
    verified_ = swarm::Bitfield(pieces);
    for (std::uint32_t i = 0; i < pieces; ++i) to_verify.push_back({i});
  }
  verify(std::move(to_verify));
}

void Transfer::on_open_failed(const Error& error) {
  if (!is_complete()) fail_with(error);
  else hold(Hold::Missing, error, nullptr);
}

void Transfer::verify(std::vector<PieceIndex> pieces) {
  if (pieces.empty()) {
    activate();
    return;
  }
  log::info("verifying again", {{"name", row_.name}, {"group", row_.group_name}, {"pieces", pieces.size()}});
  verifier_ = std::make_unique<PieceVerifier>(
      services_.hash, file_, metainfo_, std::move(pieces),
      [this](PieceIndex piece, bool good) {
        if (good) verified_.set(piece);
        if (good || !verify_all_) return;
        // One is enough; the jobs still under way know this file, and only then may it be given up.
        verify_failed_ = true;
        verifier_->stop();
      },
      [this] { on_verified(); });
}

void Transfer::on_verified() {
  const auto ended = std::move(verifier_);  // it is calling
  if (stop_done_ != nullptr) return;
  if (!verify_failed_) {
    activate();
    return;
  }
  verify_failed_ = false;
  verify_all_ = false;
  judged_ = opened_identity_;
  hold(Hold::Changed, Error{Code::Integrity, file_->path() + " has changed since it was shared", {}},
       nullptr);
}

void Transfer::activate() {
  if (stop_done_ != nullptr) return;
  if (verify_all_) row_.identity = opened_identity_;
  verify_all_ = false;
  unsynced_have_.reset();
  row_.hold = Hold::None;
  row_.code.clear();
  swarm::Options options;
  options.open_pieces_max = open_pieces_max_;
  if (metainfo_->geometry().pieces() > 0) options.metadata_bytes = metainfo_->info_dictionary_bytes();
  auto leaf_roots = [metainfo = metainfo_, root = std::optional<Sha256>()](PieceIndex piece) mutable {
    if (!root) root = *metainfo->pieces_root();
    return swarm::LeafRoots{*root, metainfo->piece_layer()[piece.value]};
  };
  swarm_ = std::make_unique<swarm::Swarm>(metainfo_->geometry(), verified_, options, services_.random,
                                          std::move(leaf_roots));
  started_ = services_.loop.now();
  if (row_.state == TransferState::Downloading && !verified_.all()) {
    row_.writing = true;
    row_.have = verified_.to_wire();
  }
  swarm_->set_fetching(false, services_.loop.now());
  swarm_->limit_requests(!services_.download.unlimited(), services_.loop.now());
  enter(Phase::Active, "");
  put_row();
  if (row_.state == TransferState::Downloading) {
    if (swarm_->complete()) {
      finish();
      return;
    }
    on_space_timer();  // fetching begins when there is room
    checkpoint_timer_.set(services_.checkpoint_interval);
  } else if (row_.file_sha1 == storage::FileSha1::Pending && row_.kind == storage::TransferKind::Download) {
    hash_whole_file();
  }
  drain_actions();
}

// --- space -------------------------------------------------------------------------------------------

void Transfer::wait_for_space(const std::string& cause) {
  if (phase_ != Phase::NoSpace) {
    row_.code = code_name(Code::NoSpace);
    log::warn("no space for a download", {{"name", row_.name}, {"group", row_.group_name}, {"cause", cause}});
  }
  swarm_->set_fetching(false, services_.loop.now());
  enter(Phase::NoSpace, cause);
  space_timer_.set(kSpaceRetry);
}

// Is there room for what is still missing?
void Transfer::on_space_timer() {
  if (stop_done_ != nullptr) return;
  if (phase_ == Phase::Opening) {
    open();
    return;
  }
  if (swarm_ == nullptr) return;
  const auto missing = row_.size - std::min<std::uint64_t>(
                                       row_.size, std::uint64_t{swarm_->have().count()} * row_.piece_length);
  scope_->run(
      services_.disk, disk_lane(),
      [path = row_.path]() -> Result<std::uint64_t> {
        auto split = storage::split_path(path);
        if (!split) return fail(split.error());
        auto directory = storage::Directory::open(split->folder);
        if (!directory) return fail(directory.error());
        return directory->free_bytes();
      },
      [this, missing](Result<std::uint64_t> free) {
        if (swarm_ == nullptr || stop_done_ != nullptr) return;
        if (!free) {
          wait_for_space(free.error().message);
        } else if (*free < missing) {
          wait_for_space(fmt::format("no space: {} needs {} more, its folder has {} free", row_.path,
                                     format_size(static_cast<double>(missing)),
                                     format_size(static_cast<double>(*free))));
        } else {
          row_.code.clear();
          enter(Phase::Active, "");
          swarm_->set_fetching(!queued_, services_.loop.now());
          drain_actions();
        }
      });
}

// --- checkpoints -------------------------------------------------------------------------------------

void Transfer::on_checkpoint_timer() {
  if (!dirty_) spare_buffers_.clear();
  if (dirty_ && !checkpointing_) checkpoint(nullptr);
  checkpoint_timer_.set(services_.checkpoint_interval);
}

// Syncs the data, then commits which pieces are good. The bitfield is taken before the sync, so it never
// names a piece whose data may still be in flight.
void Transfer::checkpoint(std::function<void()> done) {
  const bool last = stop_done_ != nullptr;
  if (swarm_ == nullptr || row_.state != TransferState::Downloading || file_ == nullptr) {
    if (done) services_.loop.defer(std::move(done));
    return;
  }
  checkpointing_ = true;
  dirty_ = false;
  dirty_bytes_ = 0;
  auto have = swarm_->have().to_wire();
  scope_->run(
      services_.disk, disk_lane(), [file = file_]() -> Status { return file->sync(); },
      [this, have = std::move(have), last, done = std::move(done)](Status synced) {
        checkpointing_ = false;
        if (phase_ == Phase::Finishing && synced) return;  // on_finished() says the rest, also of a stop
        if (row_.state != TransferState::Downloading || !synced) {
          // What the kernel could not write is gone: verify everything again rather than trust it.
          if (!synced && row_.state == TransferState::Downloading) {
            row_.have.clear();
            fail_with(synced.error());
            unsynced_have_.reset();
          }
          if (stop_done_ != nullptr) services_.loop.defer(std::exchange(stop_done_, [] {}));
          return;
        }
        row_.have = have;
        row_.writing = !last;
        row_.sources = all_sources();
        services_.store.run(
            lasting_,
            [row = row_, account = account_](storage::StateDb& db) { return db.put_transfer(account, row); },
            [this, done](const Status& status) {
              if (!status)
                log::error("cannot store a checkpoint",
                           {{"name", row_.name}, {"cause", status.error().message}});
              if (done) done();
            });
        if (!last) stop_if_idle();
      });
}

void Transfer::put_row(Done done) {
  if (ended_) return;
  services_.store.run(
      lasting_,
      [row = row_, account = account_](storage::StateDb& db) { return db.put_transfer(account, row); },
      [this, done = std::move(done)](const Status& status) {
        if (!status)
          log::error("cannot store a transfer", {{"name", row_.name}, {"cause", status.error().message}});
        if (done) done(status);
      });
}

}  // namespace p2p::peer
