// SPDX-License-Identifier: MIT
// Hashes a file three ways while it is read once: SHA-256 leaves and SHA-1 of its pieces, which go side by
// side, and the SHA-1 of the whole file, which is one serial stream.
//
// The file is cut into windows: neighbouring pieces, as many as go side by side, kWindowBytes at most. Two
// kinds of jobs on the pool:
//   window  reads and hashes its pieces, a part of each at a time; several jobs at once
//   whole   the serial stream over the bytes of a window, in the order of the file; one at a time
// While the serial stream has a job, one thread of the pool is left to it: it is the slowest, and no window
// may stand before it.
//
// Every kCheckpointBytes of the file the owner gets what a later FileHasher needs to go on from there, and
// says when that is kept. What is not kept yet is at most kLossBytes: with more the reading waits.
//
// Memory: kWindowsAhead windows, which is 96 MiB for files above 4 GiB and less for those below.
//
// Loop thread only; jobs own what they touch. Its owner may destroy it at any time, also from `done`.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/base/limits.h"
#include "daemon/io/work_pool.h"
#include "daemon/meta/hash_checkpoint.h"
#include "daemon/storage/payload_file.h"

namespace p2p::peer {

struct FileHashes {
  meta::PieceHashes pieces;
  Sha1 whole;
};

class FileHasher {
 public:
  static constexpr std::size_t kWindowBytes = 32 * limits::kMiB;
  static constexpr std::size_t kWindowsAhead = 3;
  static constexpr std::uint64_t kCheckpointBytes = 64 * limits::kMiB;
  static constexpr std::uint64_t kLossBytes = 256 * limits::kMiB;
  static_assert(kWindowBytes % limits::kPieceBytesMax == 0 && kCheckpointBytes % kWindowBytes == 0);

  enum class Whole : std::uint8_t { Hash, Leave };  // Leave: for figures only
  // One more window, while so many that were begun are not hashed every way yet?
  static bool may_begin(std::size_t ahead) { return ahead < kWindowsAhead; }
  using Progress = std::function<void(std::uint64_t bytes)>;
  using Checkpoint = std::function<void(meta::HashCheckpoint)>;  // its pieces: since the one before
  using Done = std::function<void(Result<FileHashes>)>;
  struct Task {
    std::shared_ptr<const storage::PayloadFile> file;
    meta::Geometry geometry;
    meta::HashCheckpoint from = {};
    Whole whole = Whole::Hash;
  };
  struct Listener {
    Progress progress;
    Done done;
    Checkpoint checkpoint = nullptr;  // null: none are wanted
  };

  // Begins at once. `progress` and `checkpoint` now and then, `done` once, all later. The pool outlives it.
  FileHasher(io::WorkPool& pool, Task task, Listener listener);

  // The checkpoint with so many bytes is where a crash does not reach it.
  void on_checkpoint_kept(std::uint64_t bytes);

 private:
  struct Window;
  using WindowPointer = std::shared_ptr<Window>;

  void advance();
  bool may_start() const;
  bool has_to_wait() const;
  void hash_window();
  void on_hashed(Window& window);
  void hash_whole();
  void pass_front();
  void report_checkpoint();
  void finish_if_done();
  void finish(Result<FileHashes> result);

  io::WorkPool& pool_;
  std::shared_ptr<const storage::PayloadFile> file_;
  meta::Geometry geometry_;
  Listener listener_;
  bool with_whole_;
  meta::PieceHashes hashes_;          // of all pieces; of those in a window not before it has been hashed
  std::shared_ptr<Sha1State> whole_;  // belongs to the one job of its kind
  std::uint64_t passed_;              // bytes of the file that are hashed every way
  std::uint64_t reported_;            // of the last checkpoint
  std::uint64_t kept_;                // the same, kept
  std::uint32_t next_piece_;
  std::deque<WindowPointer> windows_;  // in the order of the file; each hashed or not yet
  std::vector<WindowPointer> spare_;
  std::size_t jobs_ = 0;  // of windows
  bool hashing_whole_ = false;
  io::WorkScope scope_;
};

}  // namespace p2p::peer
