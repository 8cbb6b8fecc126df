// SPDX-License-Identifier: MIT
// Starting, and stopping without ending: pause and resume, holds, a group that was left, and the way out.
#include <utility>

#include "daemon/base/check.h"
#include "daemon/base/log.h"
#include "daemon/peer/transfer.h"

namespace p2p::peer {

using storage::Hold;
using storage::TransferState;

void Transfer::start() {
  if (metainfo_ == nullptr || stop_done_ != nullptr || swarm_ != nullptr) return;
  if (phase_ != Phase::Hashing && phase_ != Phase::Resting) return;
  const bool wanted = row_.state == TransferState::Downloading || row_.state == TransferState::Complete;
  if (wanted && takes_part() && !is_barred()) open();
  else if (row_.state == TransferState::Paused || row_.state == TransferState::Complete || is_barred())
    enter(Phase::Resting, row_.cause);
}

// What an unfinished download has on disk, as far as this is known without looking.
swarm::Bitfield Transfer::stored_pieces() const {
  if (swarm_ != nullptr) return swarm_->have();
  if (row_.piece_length == 0) return swarm::Bitfield();
  const auto pieces = static_cast<std::uint32_t>((row_.size + row_.piece_length - 1) / row_.piece_length);
  const auto& have = unsynced_have_ ? *unsynced_have_ : row_.have;
  return swarm::Bitfield::from_wire(pieces, have).value_or(swarm::Bitfield(pieces));
}

// The data first, then the row that speaks of it. A row that changed meanwhile is stored as it is then.
void Transfer::store_rest(Done done) {
  lasting_.run(
      services_.disk, disk_lane(),
      [file = std::move(file_)]() -> Status { return file != nullptr ? file->sync() : Status{}; },
      [this, attempt = attempt_, done = std::move(done)](const Status& synced) mutable {
        if (unsynced_have_ && attempt == attempt_) {
          // What the kernel could not write is gone: with no bitfield everything is verified again.
          row_.have = synced ? std::move(*unsynced_have_) : Bytes();
          unsynced_have_.reset();
        }
        put_row(std::move(done));
      });
}

void Transfer::pause(Done done) {
  CHECK(row_.state == TransferState::Downloading && phase_ != Phase::Finishing);
  halt();
  row_.state = TransferState::Paused;
  row_.code.clear();
  enter(Phase::Resting, "");
  store_rest(std::move(done));
}

void Transfer::resume(Done done) {
  if (row_.state == TransferState::Paused || row_.state == TransferState::Failed) {
    // A complete file that failed as a whole is looked at once more.
    const bool whole = row_.part_name.empty();
    row_.state = whole ? TransferState::Complete : TransferState::Downloading;
    if (whole) row_.file_sha1 = storage::FileSha1::Pending;
    row_.hold = Hold::None;
    row_.code.clear();
    reopened_ = 0;
    enter(Phase::Resting, "");
  }
  judged_ = {};
  put_row(std::move(done));
  if (phase_ == Phase::Resting) start();
}

void Transfer::hold(Hold why, const Error& cause, Done done) {
  const bool finishing = phase_ == Phase::Finishing;
  if (!finishing) halt();
  row_.hold = why;
  row_.code = why == Hold::Unshared ? "" : code_name(cause.code);
  reopened_ = 0;
  if (why == Hold::Missing && cause.code == Code::NotFound) judged_ = {};
  if (why != Hold::Unshared)
    log::warn("not shared any longer",
              {{"name", row_.name}, {"group", row_.group_name}, {"cause", cause.message}});
  auto shown = why == Hold::Unshared ? std::string() : cause.message;
  if (finishing) {
    row_.cause = std::move(shown);  // on_finished() goes on
    services_.loop.defer([done = std::move(done)] {
      if (done) done({});
    });
    return;
  }
  file_.reset();
  enter(Phase::Resting, std::move(shown));
  put_row(std::move(done));
}

void Transfer::set_barred(std::string cause) {
  const bool was = is_barred();
  if (cause == barred_ || stop_done_ != nullptr) return;
  barred_ = std::move(cause);
  if (!is_barred()) {
    if (phase_ == Phase::Resting) start();
    else owner_.on_transfer_changed(*this);
    return;
  }
  const bool moves = phase_ == Phase::Opening || phase_ == Phase::Active || phase_ == Phase::NoSpace;
  if (was || !moves) {
    owner_.on_transfer_changed(*this);
    return;
  }
  halt();
  enter(Phase::Resting, "");
  store_rest(nullptr);
}

void Transfer::look(const Result<storage::FileIdentity>& found) {
  if (stop_done_ != nullptr || !is_complete() || is_barred() || !takes_part()) return;
  if (!found && found.error().code == Code::Limit) return;
  if (phase_ == Phase::Active) {
    if (!found) hold(Hold::Missing, found.error(), nullptr);
    else if (*found != row_.identity) on_file_changed({});
  } else if (phase_ == Phase::Resting && found && *found != judged_) {
    judged_ = *found;
    start();
  }
}

void Transfer::end() {
  halt();
  ended_ = true;
}

void Transfer::discard(Done done) {
  CHECK(discard_done_ == nullptr);
  halt();
  file_.reset();
  discard_done_ = std::move(done);
  row_.state = TransferState::Failed;
  row_.code = code_name(Code::Cancelled);
  enter(Phase::Failed, "cancelled by its user");
  // An open() that is under way may make the part file anew.
  if (opening_ == 0) remove_part_file();
}

void Transfer::remove_part_file() {
  if (opening_ != 0 || removing_part_) return;
  removing_part_ = true;
  lasting_.run(
      services_.disk, disk_lane(),
      [path = row_.path, part = row_.part_name]() -> Status {
        if (part.empty()) return {};
        auto split = storage::split_path(path);
        if (!split) return fail(split.error());
        auto directory = storage::Directory::open(split->folder);
        if (!directory && directory.error().code == Code::NotFound) return {};
        if (!directory) return fail(directory.error());
        return directory->remove(part);
      },
      [this](const Status& removed) {
        removing_part_ = false;
        if (discard_done_) std::exchange(discard_done_, nullptr)(removed);
      });
}

}  // namespace p2p::peer
