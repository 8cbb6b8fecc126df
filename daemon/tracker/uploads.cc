// SPDX-License-Identifier: MIT
#include "daemon/tracker/uploads.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/limits.h"

namespace p2p::tracker {
namespace {

constexpr std::size_t kUploadIdBytes = 16;

}  // namespace

struct Uploads::Held {
  explicit Held(UploadBudget shared) : budget(std::move(shared)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { *budget -= bytes.size(); }
  UploadBudget budget;
  Bytes bytes;
  std::uint64_t turn = 0;  // of its last chunk
};

void Uploads::drop_longest_untouched() {
  uploads_.erase(std::min_element(uploads_.begin(), uploads_.end(), [](const auto& a, const auto& b) {
    return a.second->turn < b.second->turn;
  }));
}

Status Uploads::put(const std::string& id, std::uint64_t offset, ByteSpan chunk) {
  if (id.size() != kUploadIdBytes) return fail(Code::InvalidArgument, "an upload id has 16 bytes");
  if (chunk.size() > limits::kMetadataChunkBytes) return fail(Code::Limit, "a chunk has at most 192 KiB");
  if (offset == 0) {
    uploads_.erase(id);
    if (uploads_.size() >= limits::kUploadsPerSession) drop_longest_untouched();
    uploads_[id] = std::make_shared<Held>(budget_);
  }
  const auto found = uploads_.find(id);
  if (found == uploads_.end()) return fail(Code::NotFound, "there is no such upload");
  auto& held = *found->second;
  held.turn = next_turn_++;
  if (offset != held.bytes.size())
    return fail(Code::Conflict, fmt::format("the next chunk of this upload begins at {}", held.bytes.size()));
  if (held.bytes.size() + chunk.size() > limits::kMetadataBytes) {
    uploads_.erase(found);
    return fail(Code::Limit, "a piece list has at most 64 MiB");
  }
  if (*budget_ + chunk.size() > limits::kUploadBytesTotal) {
    uploads_.erase(found);
    return fail(Code::Busy, "the tracker takes in too many piece lists now", "try again in a moment");
  }
  *budget_ += chunk.size();
  held.bytes.insert(held.bytes.end(), chunk.begin(), chunk.end());
  return {};
}

std::shared_ptr<const Bytes> Uploads::take(const std::string& id) {
  const auto found = uploads_.find(id);
  if (found == uploads_.end()) return nullptr;
  const auto held = found->second;
  uploads_.erase(found);
  return {held, &held->bytes};  // keeps the whole of it, and its share of the budget, alive
}

}  // namespace p2p::tracker
