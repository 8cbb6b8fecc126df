// SPDX-License-Identifier: MIT
#include "daemon/peer/file_hasher.h"

#include <algorithm>
#include <utility>

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
  explicit Streams(const meta::Geometry& geometry) : pieces(geometry, held_bytes()) {}
  Sha1State whole;
  meta::PieceStream pieces;
};

FileHasher::FileHasher(io::WorkPool& pool, std::shared_ptr<const storage::PayloadFile> file,
                       const meta::Geometry& geometry, Progress progress, Done done, Whole whole)
    : pool_(pool),
      file_(std::move(file)),
      geometry_(geometry),
      progress_(std::move(progress)),
      done_(std::move(done)),
      streams_(std::make_shared<Streams>(geometry)),
      with_whole_(whole == Whole::Hash) {
  // Also of an empty file the caller hears later.
  if (geometry_.size() > 0) advance();
  else
    scope_.run(
        pool_, [] { return true; }, [this](bool) { finish_if_done(); });
}

// Starts what can be started.
void FileHasher::advance() {
  if (done_ == nullptr) return;
  hash_whole();
  hash_pieces();
  while (next_offset_ < geometry_.size() && may_start() &&
         may_read(std::max(for_whole_.size(), for_pieces_.size())))
    read_next();
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
        for (const auto& step : steps) streams->whole.update(step->span());
        return true;
      },
      [this, steps](bool) {
        hashing_whole_ = false;
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
        progress_(bytes);
        finish_if_done();
      });
}

void FileHasher::release(const StepPointer& step) {
  if (--step->users == 0) spare_.push_back(step);
}

void FileHasher::finish_if_done() {
  const bool all = next_offset_ == geometry_.size() && for_whole_.empty() && for_pieces_.empty();
  if (!all || done_ == nullptr) advance();
  else finish(FileHashes{streams_->pieces.take_hashes(), streams_->whole.digest()});
}

void FileHasher::finish(Result<FileHashes> result) {
  if (done_ == nullptr) return;
  std::exchange(done_, nullptr)(std::move(result));
}

}  // namespace p2p::peer
