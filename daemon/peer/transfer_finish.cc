// SPDX-License-Identifier: MIT
// The end of a download: sync, final name, durable row, and then the SHA-1 of the whole file. What happens
// to a complete file that changes.
#include <algorithm>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/peer/transfer.h"

namespace p2p::peer {

using storage::Hold;
using storage::TransferState;

namespace {

constexpr int kReopensMax = 3;
constexpr std::size_t kSha1StepBytes = 4 * limits::kMiB;

}  // namespace

void Transfer::finish() {
  if (phase_ == Phase::Finishing) return;
  checkpoint_timer_.cancel();
  space_timer_.cancel();
  spare_buffers_.clear();
  // Nothing may be written from here on, whatever happens to the finished file.
  swarm_->set_fetching(false, services_.loop.now());
  enter(Phase::Finishing, "");
  scope_->run(
      services_.disk, disk_lane(),
      [row = row_, file = file_]() -> Result<storage::FileIdentity> {
        if (auto status = file->sync(); !status) return fail(status.error());
        if (row.part_name.empty()) return file->identity();
        auto split = storage::split_path(row.path);
        if (!split) return fail(split.error());
        auto directory = storage::Directory::open(split->folder);
        if (!directory) return fail(directory.error());
        if (auto status = directory->rename(row.part_name, split->name, row.overwrite); !status)
          return fail(status.error());
        return file->identity();  // the new name changed its ctime
      },
      [this](Result<storage::FileIdentity> identity) { on_finished(std::move(identity)); });
}

void Transfer::on_finished(Result<storage::FileIdentity> identity) {
  if (phase_ != Phase::Finishing) {  // failed meanwhile
    if (stop_done_ != nullptr) services_.loop.defer(std::exchange(stop_done_, [] {}));
    return;
  }
  if (!identity) {
    fail_with(identity.error().in("the download is complete but cannot get its name"));
    if (stop_done_ != nullptr) services_.loop.defer(std::exchange(stop_done_, [] {}));
    return;
  }
  row_.sources = all_sources();
  row_.identity = *identity;
  row_.part_name.clear();
  row_.have.clear();
  row_.writing = false;
  row_.seconds += seconds_of(services_.loop.now() - started_);
  // Complete is said only when it is durable.
  auto complete = row_;
  complete.state = TransferState::Complete;
  services_.store.run(
      lasting_,
      [complete, account = account_](storage::StateDb& db) { return db.put_transfer(account, complete); },
      [this](const Status& status) {
        if (!status) {
          fail_with(status.error());
        } else if (phase_ == Phase::Finishing) {
          row_.state = TransferState::Complete;
          book_.forget_known();
          log::info("download complete",
                    {{"name", row_.name}, {"group", row_.group_name}, {"bytes", row_.size}});
          // Unshared, withdrawn or barred while it got its name.
          if (stop_done_ == nullptr && (is_barred() || row_.hold != Hold::None)) {
            halt();
            enter(Phase::Resting, row_.cause);
            put_row();
          } else {
            enter(Phase::Active, "");
            if (stop_done_ == nullptr) hash_whole_file();
          }
        }
        if (stop_done_ != nullptr) std::exchange(stop_done_, [] {})();
      });
}

// One serial stream over the whole file, a step at a time, so that other files get their turn. In the
// background: the download is complete, and pieces that arrive for it or for others go first.
void Transfer::hash_whole_file() {
  struct Hashing {
    std::shared_ptr<storage::PayloadFile> file;  // as it was when this began
    Sha1Stream stream;
    Buffer buffer{kSha1StepBytes};
    std::uint64_t offset = 0;
    Status status = {};
  };
  struct Step {
    static void run(Transfer* self, const std::shared_ptr<Hashing>& hashing) {
      const auto size = self->row_.size;
      self->scope_->run(
          self->services_.background,
          [hashing, size] {
            const auto count = std::min<std::uint64_t>(kSha1StepBytes, size - hashing->offset);
            hashing->buffer.set_size(static_cast<std::size_t>(count));
            hashing->status = hashing->file->read(hashing->offset, hashing->buffer.span());
            hashing->stream.update(hashing->buffer.view());
            hashing->offset += count;
            return hashing->offset == size || !hashing->status;
          },
          [self, hashing](bool done) {
            if (!done) run(self, hashing);
            else if (self->file_ == hashing->file)
              self->on_whole_file_hashed(hashing->status, hashing->stream.finish());
          });
    }
  };
  auto hashing = std::make_shared<Hashing>();
  hashing->file = file_;
  Step::run(this, hashing);
}

void Transfer::on_whole_file_hashed(const Status& status, const Sha1& sha1) {
  if (!status) {
    log::warn("cannot hash the whole file", {{"name", row_.name}, {"cause", status.error().message}});
    return;
  }
  row_.file_sha1 = sha1 == row_.sha1 ? storage::FileSha1::Ok : storage::FileSha1::Mismatch;
  put_row();
  if (row_.file_sha1 == storage::FileSha1::Mismatch)
    fail_with(Error{Code::Integrity,
                    "the share is inconsistent: all pieces fit, the SHA-1 of the whole file does not",
                    {}});
  else owner_.on_transfer_changed(*this);
}

// Serving found that the file is not the one that was verified, or cannot be read: nothing more leaves
// before it is checked. A file that is unchanged and still unreadable is given up.
void Transfer::on_file_changed(const Status& read) {
  if (swarm_ == nullptr) return;
  if (stop_done_ != nullptr) return;
  if (!read && ++reopened_ > kReopensMax) {
    judged_ = row_.identity;
    hold(Hold::Missing, read.error(), nullptr);
    return;
  }
  log::warn("a shared file has changed", {{"path", file_->path()}});
  halt();
  file_.reset();
  open();
}

}  // namespace p2p::peer
