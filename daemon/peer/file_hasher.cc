// SPDX-License-Identifier: MIT
#include "daemon/peer/file_hasher.h"

#include <algorithm>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/meta/merkle.h"

namespace p2p::peer {
namespace {

// Streams that stand at the same place of a page push each other out of the first cache.
constexpr std::size_t kSkewBytes = 4 * Sha1State::kStepBytes;
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kStepsAtOnce = 2;

std::size_t held_bytes() {
  return best_for_sha1() == Instructions::Avx512 || best_for_sha1() == Instructions::Avx2
             ? FileHasher::kHeldBytes
             : 0;
}

}  // namespace

// A part of the file in memory. While a job reads it, that job's; then only read.
struct FileHasher::Step {
  Step(std::size_t number) : memory(kStepBytes + kPageBytes), skew(number * kSkewBytes % kPageBytes) {}

  Buffer memory;
  std::size_t skew;
  std::uint64_t offset = 0;
  std::size_t size = 0;
  std::vector<Sha256> leaves = {};
  bool is_read = false;
  int users = 0;  // of the two streams

  std::span<std::uint8_t> span() { return memory.span().subspan(skew, size); }
};

// Each belongs to the one job of its kind.
struct FileHasher::Streams {
  Streams(const meta::Geometry& geometry, meta::HashCheckpoint from)
      : whole(from.whole), pieces(geometry, held_bytes(), std::move(from.pieces)) {}
  Sha1State whole;
  meta::PieceStream pieces;
};

FileHasher::FileHasher(io::WorkPool& pool, Task task, Listener listener)
    : pool_(pool),
      file_(std::move(task.file)),
      geometry_(task.geometry),
      listener_(std::move(listener)),
      with_whole_(task.whole == Whole::Hash),
      next_offset_(task.from.bytes),
      reported_(task.from.bytes),
      kept_(task.from.bytes) {
  CHECK(next_offset_ <= geometry_.size() && next_offset_ % kCheckpointBytes == 0);
  streams_ = std::make_shared<Streams>(geometry_, std::move(task.from));
  // Also of an empty file the caller hears later.
  if (next_offset_ < geometry_.size()) advance();
  else
    scope_.run(
        pool_, [] { return true; }, [this](bool) { finish_if_done(); });
}

// Starts what can be started.
void FileHasher::advance() {
  if (listener_.done == nullptr) return;
  hash_whole();
  hash_pieces();
  while (next_offset_ < geometry_.size() && may_start() && !has_to_wait() &&
         may_read(std::max(for_whole_.size(), for_pieces_.size())))
    read_next();
}

bool FileHasher::has_to_wait() const {
  return listener_.checkpoint != nullptr && next_offset_ - kept_ >= kLossBytes;
}

void FileHasher::on_checkpoint_kept(std::uint64_t bytes) {
  kept_ = std::max(kept_, bytes);
  advance();
}

bool FileHasher::may_start() const {
  const unsigned left_alone = hashing_whole_ && pool_.threads() > 1 ? 1 : 0;
  return others_ < pool_.threads() - left_alone;
}

void FileHasher::read_next() {
  if (spare_.empty()) spare_.push_back(std::make_shared<Step>(steps_++));
  auto step = std::move(spare_.back());
  spare_.pop_back();
  step->offset = next_offset_;
  step->size = static_cast<std::size_t>(std::min<std::uint64_t>(kStepBytes, geometry_.size() - next_offset_));
  step->is_read = false;
  step->users = with_whole_ ? 2 : 1;
  next_offset_ += step->size;
  if (with_whole_) for_whole_.push_back(step);
  for_pieces_.push_back(step);
  ++others_;
  scope_.run(
      pool_,
      [file = file_, step]() -> Status {
        if (auto status = file->read(step->offset, step->span()); !status) return status;
        step->leaves = meta::leaf_hashes(step->span());
        return {};
      },
      [this, step](const Status& status) {
        --others_;
        step->is_read = true;
        if (status) advance();
        else finish(fail(status.error()));
      });
}

// A few in one job: the fewer jobs, the less it stands still between; but what it has must come free again
// before the reading has run out of memory.
void FileHasher::hash_whole() {
  if (hashing_whole_ || for_whole_.empty() || !for_whole_.front()->is_read) return;
  hashing_whole_ = true;
  std::vector<StepPointer> steps;
  for (const auto& step : for_whole_) {
    if (!step->is_read || steps.size() == kStepsAtOnce) break;
    steps.push_back(step);
  }
  scope_.run(
      pool_,
      [streams = streams_, steps] {
        std::vector<meta::HashCheckpoint> marks;
        for (const auto& step : steps) {
          streams->whole.update(step->span());
          if (streams->whole.bytes % kCheckpointBytes == 0)
            marks.push_back({streams->whole.bytes, streams->whole, {}});
        }
        return marks;
      },
      [this, steps](const std::vector<meta::HashCheckpoint>& marks) {
        hashing_whole_ = false;
        marks_.insert(marks_.end(), marks.begin(), marks.end());
        for (const auto& step : steps) {
          for_whole_.pop_front();
          release(step);
        }
        finish_if_done();
      });
}

void FileHasher::hash_pieces() {
  if (hashing_pieces_ || for_pieces_.empty() || !for_pieces_.front()->is_read || !may_start()) return;
  hashing_pieces_ = true;
  ++others_;
  scope_.run(
      pool_,
      [streams = streams_, step = for_pieces_.front()] {
        streams->pieces.add(step->span(), step->leaves);
        return streams->pieces.take_released();
      },
      [this](const std::vector<std::size_t>& released) {
        hashing_pieces_ = false;
        --others_;
        const auto& step = for_pieces_.front();
        const auto bytes = step->offset + step->size;
        added_.emplace(additions_++, step);
        for_pieces_.pop_front();
        for (const auto addition : released) release(added_.extract(addition).mapped());
        listener_.progress(bytes);
        report_checkpoints();
        finish_if_done();
      });
}

void FileHasher::release(const StepPointer& step) {
  if (--step->users == 0) spare_.push_back(step);
}

// Where both streams are behind it. No job has the pieces: it is called as one of theirs has ended.
void FileHasher::report_checkpoints() {
  while (!marks_.empty() && marks_.front().bytes < geometry_.size()) {
    const auto pieces_before = [this](std::uint64_t bytes) {
      return static_cast<std::uint32_t>(bytes / geometry_.piece_length());
    };
    auto pieces = streams_->pieces.hashes_of(pieces_before(reported_), pieces_before(marks_.front().bytes));
    if (!pieces) return;
    auto checkpoint = std::move(marks_.front());
    marks_.pop_front();
    checkpoint.pieces = std::move(*pieces);
    reported_ = checkpoint.bytes;
    if (listener_.checkpoint != nullptr) listener_.checkpoint(std::move(checkpoint));
  }
}

void FileHasher::finish_if_done() {
  const bool all = next_offset_ == geometry_.size() && for_whole_.empty() && for_pieces_.empty();
  if (!all || listener_.done == nullptr) advance();
  else finish(FileHashes{streams_->pieces.take_hashes(), streams_->whole.digest()});
}

void FileHasher::finish(Result<FileHashes> result) {
  if (listener_.done == nullptr) return;
  std::exchange(listener_.done, nullptr)(std::move(result));
}

}  // namespace p2p::peer
