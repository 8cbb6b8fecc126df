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

  enum class Whole : std::uint8_t { Hash, Leave };  // Leave: for figures only
  // The next step, while so many that were begun are not hashed both ways yet?
  static bool may_read(std::size_t ahead) { return ahead < kStepsAhead; }
  using Progress = std::function<void(std::uint64_t bytes)>;
  using Done = std::function<void(Result<FileHashes>)>;

  // Begins at once. `progress` now and then, `done` once, both later. The pool outlives it.
  FileHasher(io::WorkPool& pool, std::shared_ptr<const storage::PayloadFile> file,
             const meta::Geometry& geometry, Progress progress, Done done, Whole whole = Whole::Hash);

 private:
  struct Step;
  struct Streams;
  using StepPointer = std::shared_ptr<Step>;

  void advance();
  bool may_start() const;
  void read_next();
  void hash_whole();
  void hash_pieces();
  void release(const StepPointer& step);
  void finish_if_done();
  void finish(Result<FileHashes> result);

  io::WorkPool& pool_;
  std::shared_ptr<const storage::PayloadFile> file_;
  meta::Geometry geometry_;
  Progress progress_;
  Done done_;
  std::shared_ptr<Streams> streams_;
  bool with_whole_;
  std::uint64_t next_offset_ = 0;
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
