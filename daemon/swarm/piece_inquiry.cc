// SPDX-License-Identifier: MIT
#include "daemon/swarm/piece_inquiry.h"

#include <utility>

#include "daemon/base/check.h"

namespace p2p::swarm {

PieceInquiry::PieceInquiry(const meta::Geometry& geometry, PieceIndex piece, Evidence evidence)
    : ours_(std::move(evidence.leaves)), query_(geometry, piece, evidence.roots) {
  CHECK(ours_.size() == geometry.blocks(piece));
}

std::vector<wire::HashRequest> PieceInquiry::ask(SessionId session, const DeviceId& device, TimePoint now) {
  CHECK(!session_ && may_ask(device));
  session_ = session;
  deadline_ = now + kAnswerTime;
  asked_.push_back(device);
  return query_.ask();
}

PieceInquiry::Answer PieceInquiry::on_hashes(SessionId session, const wire::Hashes& message) {
  if (session_ != session || !query_.awaits(message.range)) return Answer::Ignored;
  const auto answer = query_.on_hashes(message);
  if (answer == LeafQuery::Answer::Incomplete) return Answer::Incomplete;
  session_.reset();
  return answer == LeafQuery::Answer::Solved ? Answer::Solved : Answer::Lie;
}

PieceInquiry::Answer PieceInquiry::on_reject(SessionId session, const wire::HashReject& message) {
  if (session_ != session || !query_.awaits(message.range)) return Answer::Ignored;
  session_.reset();
  return Answer::Refused;
}

std::vector<BlockIndex> PieceInquiry::bad_blocks() const {
  std::vector<BlockIndex> bad;
  for (std::uint32_t i = 0; i < ours_.size(); ++i)
    if (ours_[i] != query_.leaf({i})) bad.push_back({i});
  return bad;
}

}  // namespace p2p::swarm
