// SPDX-License-Identifier: MIT
// What a device sends is compared, block by block: while it is on trial, and while we direct and audit it.
#include <algorithm>
#include <utility>

#include "daemon/swarm/peer_session.h"
#include "daemon/swarm/piece_picker.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

// --- trial (trial.h) ---------------------------------------------------------------------------------

void Swarm::begin_trial(PeerSession& session, PieceIndex piece, TimePoint now) {
  LeafQuery query(geometry_, piece, leaf_roots_(piece));
  for (auto& request : session.trial.begin(piece, std::move(query), now)) send(session, std::move(request));
  wake_at(session.trial.deadline());
}

// A piece that is whole by now is judged as a whole; one that began anew may have this block from another.
void Swarm::compare_kept(PeerSession& session) {
  for (auto& [block, leaf] : session.trial.take_comparable()) {
    if (picker_->is_open_with(block, session.device()))
      actions_.push_back(CompareBlock{session.device(), block, leaf});
  }
}

void Swarm::on_block_compared(const DeviceId& device, BlockRef block, bool right, TimePoint now) {
  if (right) {
    trust(device, now);
    return;
  }
  if (picker_->is_open_with(block, device) && picker_->take_back(block))
    totals_.wasted += geometry_.block_bytes(block.piece, block.block);
  convict({device}, CloseReason::BadBlock, now);
  pump_all(now);
}

void Swarm::trust(const DeviceId& device, TimePoint now) {
  if (!trusted_.insert(device).second) return;
  for (const auto& [id, session] : sessions_) {
    if (session->device() != device || session->trial.is_over()) continue;
    session->trial.end();
    pump(*session, now);
  }
}

void Swarm::end_late_trials(TimePoint now) {
  for (const auto& [id, session] : sessions_)
    if (session->trial.deadline() <= now) session->trial.end();
}

// --- audit -------------------------------------------------------------------------------------------
//
// As long as we direct, our uplink is what all wait for, and who spoils what it has from us may pass for one
// who passes it on: others of its kind take it. So each peer is asked for a block of what it announced, at
// random, when it has 1, 3, 7 ... pieces, and the driver compares the block with ours.

bool Swarm::wants_audit(const PeerSession& session) const {
  return directing_ && session.abilities().fast &&
         (session.audited_block || session.pieces().count() >= session.audited_pieces * 2 + 1);
}

void Swarm::audit(PeerSession& session) {
  if (!wants_audit(session)) return;
  update_interest(session);
  if (session.audited_block || session.choking_us) return;
  const auto& pieces = session.pieces();
  const auto begin = static_cast<std::uint32_t>(random_.below(pieces.size()));
  auto piece = pieces.first_common(pieces, begin, pieces.size());
  if (!piece) piece = pieces.first_common(pieces, 0, begin);
  const BlockIndex block{static_cast<std::uint32_t>(random_.below(geometry_.blocks(*piece)))};
  session.audited_block = BlockRef{*piece, block};
  send(session, wire::Request{span_of(*session.audited_block)});
}

// An answer of whatever kind to what an audit asked for; false: it is none.
bool Swarm::end_audit(PeerSession& session, BlockRef block) {
  if (session.audited_block != block) return false;
  session.audited_block.reset();
  session.audited_pieces = session.pieces().count();
  update_interest(session);
  return true;
}

}  // namespace p2p::swarm
