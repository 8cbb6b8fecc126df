// SPDX-License-Identifier: MIT
// Origin mode: who is told to fetch which piece from us. The plan is Origin's.
#include <algorithm>
#include <memory>

#include "daemon/swarm/origin.h"
#include "daemon/swarm/peer_session.h"
#include "daemon/swarm/piece_picker.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

void Swarm::draw_first() {
  if (geometry_.pieces() > 0)
    first_directed_ = PieceIndex{static_cast<std::uint32_t>(random_.below(geometry_.pieces()))};
}

// Not before there is a session: most shares of a daemon are asked for by nobody, and cost no plan.
void Swarm::begin_origin(TimePoint now) {
  origin_ = std::make_unique<Origin>(geometry_.pieces(), first_directed_,
                                     [this](PieceIndex piece) { return holders(piece); });
  tell_direction();
  direct_all(now);
}

// BEP 10 allows a handshake at any time; what it says is true from then on.
void Swarm::tell_direction() {
  const bool directing = origin_ != nullptr && origin_->unsettled() > 0;
  if (directing_ == directing) return;
  directing_ = directing;
  for (const auto& [id, session] : sessions_) {
    send_extensions(*session);
    if (!directing) session->audited_block.reset();
    update_interest(*session);
  }
}

void Swarm::direct(PeerSession& session, TimePoint now) {
  if (!directing_ || !session.unchoked || !session.interested_in_us || !session.abilities().fast) return;
  wake_at(now + Origin::kLookInterval);    // what another holds back may go to it by then
  if (is_turn_over(session, now)) return;  // it ends what it has
  const double rate = session.upload_rate(now) / geometry_.piece_length();
  while (const auto piece = origin_->assign(session.id(), session.pieces(), rate, now))
    send(session, wire::Suggest{*piece});
}

void Swarm::direct_all(TimePoint now) {
  if (!directing_) return;
  for (const auto& [id, session] : sessions_) direct(*session, now);
}

void Swarm::on_pieces_seen(const Bitfield& pieces, TimePoint now) {
  if (!origin_) return;
  for (std::uint32_t i = 0; i < pieces.size(); ++i) {
    if (pieces.has(PieceIndex{i})) tell_holders(PieceIndex{i}, now);
  }
  tell_direction();
}

// Called when the picker has forgotten the session. Somebody who had everything is believed to be still
// there for the others: both of us were complete, which ends a link.
void Swarm::on_pieces_gone(PeerSession& session, TimePoint now) {
  if (!origin_) return;
  session.is_proven = false;
  origin_->on_gone(session.id());
  close_window(session, now);
  if (session.pieces().all()) return;
  for (std::uint32_t i = 0; i < session.pieces().size(); ++i) {
    if (session.pieces().has(PieceIndex{i})) tell_holders(PieceIndex{i}, now);
  }
  tell_direction();
}

// It announced the piece. When we gave it that one, what it says of others is believed as well.
void Swarm::prove(PeerSession& session, PieceIndex piece, TimePoint now) {
  if (session.is_proven || !origin_->is_taken_by(piece, session.id())) return;
  session.is_proven = true;
  on_pieces_seen(session.pieces(), now);
}

Holders Swarm::holders(PieceIndex piece) const {
  const auto count = picker_->availability(piece);
  const bool proven = count > 0 && std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& one) {
                        return one.second->is_proven && one.second->pieces().has(piece);
                      });
  return {count, proven};
}

void Swarm::tell_holders(PieceIndex piece, TimePoint now) {
  if (origin_) origin_->on_holders(piece, holders(piece), now);
}

void Swarm::close_window(const PeerSession& session, TimePoint now) {
  if (!origin_) return;
  for (const auto piece : origin_->on_closed(session.id())) tell_holders(piece, now);
}

}  // namespace p2p::swarm
