// SPDX-License-Identifier: MIT
// Hashes a file three ways while it is read once: SHA-256 leaves and SHA-1 of its pieces, and the SHA-1 of
// the whole file, which is one serial stream and therefore never waits for the others.
//
// Three kinds of jobs on the pool, each on steps of the file (kStepBytes):
//   read    bytes and their leaves; several at a time
//   whole   the serial stream, in order; one at a time
//   pieces  meta::PieceStream, in order; one at a time
// While the serial stream has a job, one thread of the pool is left to it: it is the slowest of the three,
// and jobs of the other kinds must not stand before it.
//
// Every kCheckpointBytes of the file the owner gets what a later FileHasher needs to go on from there, and
// says when that is kept. What is not kept yet is at most kLossBytes: with more the reading waits.
//
// Memory: kStepsAhead steps that wait for the two in order, and what the PieceStream holds back, with the
// steps that lie in it in part: under 40 MiB.
//
// Loop thread only; jobs own what they touch. Its owner may destroy it at any time, also from `done`.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "daemon/base/limits.h"
#include "daemon/io/work_pool.h"
#include "daemon/meta/piece_stream.h"
#include "daemon/storage/payload_file.h"

namespace p2p::peer {

struct FileHashes {
  meta::PieceHashes pieces;
  Sha1 whole;
};

class FileHasher {
 public:
  static constexpr std::size_t kStepBytes = 2 * limits::kMiB;
  static constexpr std::size_t kStepsAhead = 6;
  static constexpr std::size_t kHeldBytes = 16 * limits::kMiB;
  static constexpr std::uint64_t kCheckpointBytes = 64 * limits::kMiB;
  static constexpr std::uint64_t kLossBytes = 256 * limits::kMiB;
  static_assert(kCheckpointBytes % limits::kPieceBytesMax == 0 && kCheckpointBytes % kStepBytes == 0);

  enum class Whole : std::uint8_t { Hash, Leave };  // Leave: for figures only
  // The next step, while so many that were begun are not hashed both ways yet?
  static bool may_read(std::size_t ahead) { return ahead < kStepsAhead; }
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
  struct Step;
  struct Streams;
  using StepPointer = std::shared_ptr<Step>;

  void advance();
  bool may_start() const;
  bool has_to_wait() const;
  void read_next();
  void hash_whole();
  void hash_pieces();
  void release(const StepPointer& step);
  void report_checkpoints();
  void finish_if_done();
  void finish(Result<FileHashes> result);

  io::WorkPool& pool_;
  std::shared_ptr<const storage::PayloadFile> file_;
  meta::Geometry geometry_;
  Listener listener_;
  std::shared_ptr<Streams> streams_;
  bool with_whole_;
  std::uint64_t next_offset_;
  std::uint64_t reported_;                    // of the last checkpoint
  std::uint64_t kept_;                        // the same, kept
  std::deque<meta::HashCheckpoint> marks_;    // the serial stream has passed them; without pieces
  std::deque<StepPointer> for_whole_;         // in the order of the file; the first may not be read yet
  std::deque<StepPointer> for_pieces_;        // the same
  std::map<std::size_t, StepPointer> added_;  // to the PieceStream and not yet released, by their number
  std::size_t additions_ = 0;
  std::vector<StepPointer> spare_;
  std::size_t steps_ = 0;   // whose memory has been allocated
  std::size_t others_ = 0;  // jobs but the serial one
  bool hashing_whole_ = false;
  bool hashing_pieces_ = false;
  io::WorkScope scope_;
};

}  // namespace p2p::peer
