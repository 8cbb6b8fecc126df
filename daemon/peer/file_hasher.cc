// SPDX-License-Identifier: MIT
#include "daemon/peer/file_hasher.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/storage/piece_check.h"

namespace p2p::peer {
namespace {

constexpr std::uint32_t kPiecesMax = meta::PieceBatch::kPiecesMax;
static_assert(std::has_single_bit(kPiecesMax), "so that a checkpoint is where a window ends");

}  // namespace

// Some neighbouring pieces in memory. While a job fills it, that job's; then only read.
struct FileHasher::Window {
  Buffer memory;
  std::uint32_t first = 0;
  std::vector<std::span<std::uint8_t>> pieces = {};
  std::vector<meta::PieceDigest> digests = {};
  bool is_hashed = false;

  void place(const meta::Geometry& geometry, std::uint32_t from, std::uint32_t count) {
    const std::size_t stride = geometry.piece_length() + meta::PieceBatch::kGapBytes;
    if (memory.size() < count * stride) memory = Buffer(count * stride);
    first = from;
    is_hashed = false;
    pieces.clear();
    digests.clear();
    for (std::uint32_t i = 0; i < count; ++i)
      pieces.push_back(memory.span().subspan(i * stride, geometry.piece_bytes({first + i})));
  }

  Status hash(const storage::PayloadFile& file, const meta::Geometry& geometry) {
    std::vector<PieceIndex> batch;
    for (std::uint32_t i = 0; i < pieces.size(); ++i) batch.push_back({first + i});
    for (const auto& hashed : storage::hash_pieces(file, geometry, batch, pieces)) {
      if (!hashed) return fail(hashed.error());
      digests.push_back(*hashed);
    }
    return {};
  }
};

FileHasher::FileHasher(io::WorkPool& pool, Task task, Listener listener)
    : pool_(pool),
      file_(std::move(task.file)),
      geometry_(task.geometry),
      listener_(std::move(listener)),
      with_whole_(task.whole == Whole::Hash),
      hashes_(std::move(task.from.pieces)),
      whole_(std::make_shared<Sha1State>(task.from.whole)),
      passed_(task.from.bytes),
      reported_(task.from.bytes),
      kept_(task.from.bytes),
      next_piece_(static_cast<std::uint32_t>(hashes_.sha1.size())) {
  CHECK(passed_ % kCheckpointBytes == 0 && passed_ == std::uint64_t{next_piece_} * geometry_.piece_length());
  CHECK(next_piece_ <= geometry_.pieces() && hashes_.layer.size() == next_piece_);
  hashes_.sha1.resize(geometry_.pieces());
  hashes_.layer.resize(geometry_.pieces());
  // Also of an empty file the caller hears later.
  if (next_piece_ < geometry_.pieces()) advance();
  else
    scope_.run(
        pool_, [] { return true; }, [this](bool) { finish_if_done(); });
}

// Starts what can be started.
void FileHasher::advance() {
  if (listener_.done == nullptr) return;
  hash_whole();
  while (next_piece_ < geometry_.pieces() && may_start() && !has_to_wait() && may_begin(windows_.size()))
    hash_window();
}

bool FileHasher::has_to_wait() const {
  const auto begun = std::uint64_t{next_piece_} * geometry_.piece_length();
  return listener_.checkpoint != nullptr && begun - kept_ >= kLossBytes;
}

void FileHasher::on_checkpoint_kept(std::uint64_t bytes) {
  kept_ = std::max(kept_, bytes);
  advance();
}

bool FileHasher::may_start() const {
  const unsigned left_alone = hashing_whole_ && pool_.threads() > 1 ? 1 : 0;
  return jobs_ < pool_.threads() - left_alone;
}

void FileHasher::hash_window() {
  if (spare_.empty()) spare_.push_back(std::make_shared<Window>());
  auto window = std::move(spare_.back());
  spare_.pop_back();
  const auto fitting = static_cast<std::uint32_t>(kWindowBytes / geometry_.piece_length());
  const auto count = std::min({kPiecesMax, fitting, geometry_.pieces() - next_piece_});
  window->place(geometry_, next_piece_, count);
  next_piece_ += count;
  windows_.push_back(window);
  ++jobs_;
  scope_.run(
      pool_, [file = file_, geometry = geometry_, window] { return window->hash(*file, geometry); },
      [this, window](const Status& status) {
        --jobs_;
        if (!status) finish(fail(status.error()));
        else if (listener_.done != nullptr) on_hashed(*window);
      });
}

void FileHasher::on_hashed(Window& window) {
  for (std::size_t i = 0; i < window.digests.size(); ++i) {
    hashes_.sha1[window.first + i] = window.digests[i].sha1;
    hashes_.layer[window.first + i] = window.digests[i].root;
  }
  window.is_hashed = true;
  while (!with_whole_ && !windows_.empty() && windows_.front()->is_hashed) pass_front();
  finish_if_done();
}

void FileHasher::hash_whole() {
  if (!with_whole_ || hashing_whole_ || windows_.empty() || !windows_.front()->is_hashed) return;
  hashing_whole_ = true;
  scope_.run(
      pool_,
      [whole = whole_, window = windows_.front()] {
        for (const auto piece : window->pieces) whole->update(piece);
        return true;
      },
      [this](bool) {
        hashing_whole_ = false;
        if (listener_.done == nullptr) return;
        pass_front();
        finish_if_done();
      });
}

// Everything is known of the first window.
void FileHasher::pass_front() {
  for (const auto piece : windows_.front()->pieces) passed_ += piece.size();
  spare_.push_back(std::move(windows_.front()));
  windows_.pop_front();
  listener_.progress(passed_);
  report_checkpoint();
}

// No job has the stream: it is called as one of its jobs has ended.
void FileHasher::report_checkpoint() {
  if (listener_.checkpoint == nullptr || passed_ % kCheckpointBytes != 0 || passed_ == geometry_.size())
    return;
  const auto piece_at = [this](std::uint64_t bytes) {
    return static_cast<std::ptrdiff_t>(bytes / geometry_.piece_length());
  };
  const auto begin = piece_at(reported_), end = piece_at(passed_);
  reported_ = passed_;
  listener_.checkpoint({passed_,
                        *whole_,
                        {{hashes_.sha1.begin() + begin, hashes_.sha1.begin() + end},
                         {hashes_.layer.begin() + begin, hashes_.layer.begin() + end}}});
}

void FileHasher::finish_if_done() {
  if (next_piece_ < geometry_.pieces() || !windows_.empty()) advance();
  else finish(FileHashes{std::move(hashes_), whole_->digest()});
}

void FileHasher::finish(Result<FileHashes> result) {
  if (listener_.done == nullptr) return;
  std::exchange(listener_.done, nullptr)(std::move(result));
}

}  // namespace p2p::peer
