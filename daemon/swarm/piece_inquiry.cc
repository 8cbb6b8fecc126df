// SPDX-License-Identifier: MIT
#include "daemon/swarm/piece_inquiry.h"

#include <utility>

#include "daemon/base/check.h"
#include "daemon/swarm/leaf_exchange.h"

namespace p2p::swarm {

PieceInquiry::PieceInquiry(const meta::Geometry& geometry, PieceIndex piece, Evidence evidence)
    : geometry_(geometry),
      evidence_(std::move(evidence)),
      ranges_(leaf_ranges(geometry, evidence_.file_root, piece)) {
  CHECK(evidence_.leaves.size() == geometry.blocks(piece));
}

std::vector<wire::HashRequest> PieceInquiry::ask(SessionId session, const DeviceId& device, TimePoint now) {
  CHECK(!session_ && may_ask(device));
  session_ = session;
  deadline_ = now + kAnswerTime;
  asked_.push_back(device);
  leaves_.assign(leaf_width(geometry_), Sha256{});
  here_.assign(ranges_.size(), false);
  std::vector<wire::HashRequest> requests;
  for (const auto& range : ranges_) requests.push_back({range});
  return requests;
}

// The place of a range that this session was asked for and has not answered.
std::optional<std::size_t> PieceInquiry::part_of(SessionId session, const wire::HashRange& range) const {
  if (session_ != session) return std::nullopt;
  const auto at = std::find(ranges_.begin(), ranges_.end(), range);
  const auto part = static_cast<std::size_t>(at - ranges_.begin());
  if (at == ranges_.end() || here_[part]) return std::nullopt;
  return part;
}

PieceInquiry::Answer PieceInquiry::on_hashes(SessionId session, const wire::Hashes& message) {
  const auto part = part_of(session, message.range);
  if (!part) return Answer::Ignored;
  // No honest member sends anything but the hashes themselves: no proof was asked for.
  const bool fits = message.hashes.size() == std::size_t{message.range.length} * Sha256::kSize;
  for (std::size_t i = 0; fits && i < message.range.length; ++i)
    leaves_[*part * message.range.length + i] =
        *Sha256::from(ByteSpan(message.hashes).subspan(i * Sha256::kSize, Sha256::kSize));
  here_[*part] = true;
  if (fits && std::find(here_.begin(), here_.end(), false) != here_.end()) return Answer::Incomplete;
  session_.reset();
  return fits && leaf_root(geometry_, leaves_) == evidence_.piece_root ? Answer::Solved : Answer::Lie;
}

PieceInquiry::Answer PieceInquiry::on_reject(SessionId session, const wire::HashReject& message) {
  if (!part_of(session, message.range)) return Answer::Ignored;
  session_.reset();
  return Answer::Refused;
}

std::vector<BlockIndex> PieceInquiry::bad_blocks() const {
  std::vector<BlockIndex> bad;
  for (std::uint32_t i = 0; i < evidence_.leaves.size(); ++i)
    if (evidence_.leaves[i] != leaves_[i]) bad.push_back({i});
  return bad;
}

}  // namespace p2p::swarm
