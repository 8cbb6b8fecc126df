// SPDX-License-Identifier: MIT
// Reads pieces of a file again and compares both hashes of each: after a kill, or when a complete file is not
// the one that is remembered. Many pieces side by side in a job, as many jobs as the pool has threads.
//
// Loop thread only; jobs own what they touch. Its owner may destroy it at any time, also from `done`.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "daemon/io/work_pool.h"
#include "daemon/meta/metainfo.h"
#include "daemon/storage/payload_file.h"

namespace p2p::peer {

class PieceVerifier {
 public:
  using Found = std::function<void(PieceIndex piece, bool good)>;
  using Done = std::function<void()>;

  // Begins at once. `found` for each piece, `done` after the last one: both later. The pool outlives it.
  PieceVerifier(io::WorkPool& pool, std::shared_ptr<const storage::PayloadFile> file,
                std::shared_ptr<const meta::Metainfo> metainfo, std::vector<PieceIndex> pieces, Found found,
                Done done);

  // Begins no more; `done` comes when those under way are.
  void stop() { next_ = pieces_.size(); }

 private:
  void advance();
  void begin_job(std::size_t count);

  io::WorkPool& pool_;
  std::shared_ptr<const storage::PayloadFile> file_;
  std::shared_ptr<const meta::Metainfo> metainfo_;
  std::vector<PieceIndex> pieces_;
  Found found_;
  Done done_;
  std::size_t next_ = 0;
  std::size_t jobs_ = 0;
  io::WorkScope scope_;
};

}  // namespace p2p::peer
