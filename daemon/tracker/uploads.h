// SPDX-License-Identifier: MIT
// Piece lists on their way in, of one session. Pure. All sessions together hold at most
// limits::kUploadBytesTotal; one that is taken out counts until it is freed. A session has at most
// limits::kUploadsPerSession: another one takes the place of that which has waited longest for its next chunk
// or for being taken. Its owner has given it up, or begins it anew when it is told NotFound.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "daemon/base/bytes.h"
#include "daemon/base/result.h"

namespace p2p::tracker {

// Bytes held by all sessions. Lists are freed on any thread.
using UploadBudget = std::shared_ptr<std::atomic<std::size_t>>;

class Uploads {
 public:
  explicit Uploads(UploadBudget budget) : budget_(std::move(budget)) {}

  // Chunks come in order; offset 0 begins anew.
  Status put(const std::string& id, std::uint64_t offset, ByteSpan chunk);
  // Null when there is none.
  std::shared_ptr<const Bytes> take(const std::string& id);

 private:
  struct Held;
  void drop_longest_untouched();
  UploadBudget budget_;
  std::map<std::string, std::shared_ptr<Held>> uploads_;
  std::uint64_t next_turn_ = 0;
};

}  // namespace p2p::tracker
