// SPDX-License-Identifier: MIT
// A piece failed its hash: which blocks are wrong, who sent them, and what becomes of the piece.
#include <algorithm>
#include <set>
#include <utility>

#include "daemon/swarm/peer_session.h"
#include "daemon/swarm/piece_inquiry.h"
#include "daemon/swarm/piece_picker.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

void Swarm::on_piece_failed(PieceIndex piece, Evidence evidence, TimePoint now) {
  const auto& contributors = picker_->contributors(piece);
  if (contributors.size() == 1) {
    const auto guilty = contributors.front();
    discard_piece(piece);
    convict({guilty}, CloseReason::BadBlock, now);
    pump_all(now);
  } else if (evidence.leaves.empty()) {
    discard_piece(piece);
    pump_all(now);
  } else {
    inquiries_.emplace(piece, std::make_unique<PieceInquiry>(geometry_, piece, std::move(evidence)));
    inquire(piece, now);
  }
}

// Asks whoever has the piece: first who sent none of it, then who is not snubbed. When nobody is left,
// nobody is blamed, and the piece is fetched again.
void Swarm::inquire(PieceIndex piece, TimePoint now) {
  auto& inquiry = *inquiries_.at(piece);
  const auto& contributors = picker_->contributors(piece);
  const PeerSession* best = nullptr;
  std::pair<bool, bool> best_rank;
  for (const auto& [id, session] : sessions_) {
    if (!session->pieces().has(piece) || !inquiry.may_ask(session->device())) continue;
    const bool sent_some =
        std::find(contributors.begin(), contributors.end(), session->device()) != contributors.end();
    const std::pair rank(sent_some, session->snubbed);
    if (best != nullptr && rank >= best_rank) continue;
    best = session.get();
    best_rank = rank;
  }
  if (best == nullptr) {
    inquiries_.erase(piece);
    discard_piece(piece);
    pump_all(now);
    return;
  }
  for (auto& request : inquiry.ask(best->id(), best->device(), now)) send(*best, std::move(request));
  wake_at(inquiry.deadline());
}

// What this session was asked goes to another.
void Swarm::stop_asking(SessionId session, TimePoint now) {
  std::vector<PieceIndex> waiting;
  for (auto& [piece, inquiry] : inquiries_) {
    if (!inquiry->is_asking(session)) continue;
    inquiry->give_up();
    waiting.push_back(piece);
  }
  for (const auto piece : waiting) inquire(piece, now);
}

void Swarm::stop_waiting_for_leaves(TimePoint now) {
  std::vector<PieceIndex> late;
  for (auto& [piece, inquiry] : inquiries_) {
    if (inquiry->deadline() > now) continue;
    inquiry->give_up();
    late.push_back(piece);
  }
  for (const auto piece : late) inquire(piece, now);
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::Hashes& message, TimePoint now) {
  if (session.trial.awaits(message.range)) {
    if (session.trial.on_hashes(message) == LeafQuery::Answer::Lie)
      convict({session.device()}, CloseReason::BadLeaves, now);
    else compare_kept(session);
    return std::nullopt;
  }
  for (auto& [piece, inquiry] : inquiries_) {
    switch (inquiry->on_hashes(session.id(), message)) {
      case PieceInquiry::Answer::Ignored: continue;
      case PieceInquiry::Answer::Incomplete: return std::nullopt;
      case PieceInquiry::Answer::Refused: break;
      case PieceInquiry::Answer::Solved: settle(piece, now); return std::nullopt;
      case PieceInquiry::Answer::Lie: {
        const auto asked = piece;
        convict({session.device()}, CloseReason::BadLeaves, now);
        inquire(asked, now);
        return std::nullopt;
      }
    }
  }
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::HashReject& message, TimePoint now) {
  if (session.trial.awaits(message.range)) {
    session.trial.end();
    pump(session, now);
    return std::nullopt;
  }
  for (auto& [piece, inquiry] : inquiries_) {
    if (inquiry->on_reject(session.id(), message) != PieceInquiry::Answer::Refused) continue;
    inquire(piece, now);
    break;
  }
  return std::nullopt;
}

// The leaves are known: only the bad blocks are fetched again.
void Swarm::settle(PieceIndex piece, TimePoint now) {
  const auto bad = inquiries_.extract(piece).mapped()->bad_blocks();
  // Every leaf is right and the root was not: that is our own memory.
  if (bad.empty()) {
    actions_.push_back(PieceDiscarded{piece});
    on_piece_lost(piece, now);
    return;
  }
  std::set<DeviceId> guilty;
  for (const auto block : bad) {
    totals_.wasted += geometry_.block_bytes(piece, block);
    guilty.insert(picker_->source({piece, block}));
  }
  picker_->reopen(piece, bad);
  convict(guilty, CloseReason::BadBlock, now);
  pump_all(now);
}

void Swarm::discard_piece(PieceIndex piece) {
  totals_.wasted += geometry_.piece_bytes(piece);
  picker_->fail(piece);
  actions_.push_back(PieceDiscarded{piece});
}

void Swarm::convict(const std::set<DeviceId>& guilty, CloseReason reason, TimePoint now) {
  for (const auto& device : guilty) actions_.push_back(DeviceConvicted{device, reason});
  std::vector<SessionId> closing;
  for (const auto& [id, session] : sessions_)
    if (guilty.contains(session->device())) closing.push_back(id);
  for (const auto id : closing) close(*find(id), reason, now);
}

}  // namespace p2p::swarm
