// SPDX-License-Identifier: MIT
// What each message of a peer does. PeerSession::admit() has judged it before: indices are valid here.
#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "daemon/swarm/origin.h"
#include "daemon/swarm/peer_session.h"
#include "daemon/swarm/piece_picker.h"
#include "daemon/swarm/swarm.h"
#include "daemon/wire/extension.h"

namespace p2p::swarm {

void Swarm::on_message(SessionId id, const wire::Message& message, TimePoint now) {
  auto* session = find(id);
  if (session == nullptr) return;
  Verdict verdict = session->admit(message, now);
  if (!verdict) {
    verdict = std::visit(
        [&](const auto& one) -> Verdict {
          using Kind = std::decay_t<decltype(one)>;
          // Hints that we have no use for, and what is the driver's (metadata_exchange.h, leaf_exchange.h).
          constexpr bool ignored =
              std::is_same_v<Kind, wire::KeepAlive> || std::is_same_v<Kind, wire::Piece> ||
              std::is_same_v<Kind, wire::AllowedFast> || std::is_same_v<Kind, wire::HashRequest> ||
              std::is_same_v<Kind, wire::Unknown>;
          if constexpr (ignored) return std::nullopt;
          else return receive(*session, one, now);
        },
        message);
  }
  if (verdict) close(*session, *verdict, now);
  else if (auto* still = find(id))
    close_if_both_complete(*still, now);  // a verdict on a piece may have closed it
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::Choke&, TimePoint now) {
  session.choking_us = true;
  // BEP 6: every request is still answered, by its block or by a Reject. BEP 3: all are forgotten.
  if (session.abilities().fast && session.outstanding() > 0) return std::nullopt;
  give_back_requests(session, session.give_up_all(), Farewell::Silent);
  pump_all(now);
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::Unchoke&, TimePoint now) {
  session.choking_us = false;
  pump(session, now);
  audit(session);
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::Interested&, TimePoint now) {
  if (session.interested_in_us) return std::nullopt;
  session.interested_in_us = true;
  if (!session.unchoked) session.choker_since = now;
  run_choker(now);
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::NotInterested&, TimePoint now) {
  session.interested_in_us = false;
  run_choker(now);
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::Have& message, TimePoint now) {
  if (!session.add_piece(message.piece)) return std::nullopt;
  picker_->add_piece(message.piece);
  if (session.pieces().all() && !session.was_corrected) {
    picker_->remove_peer(session.pieces());
    picker_->add_seed();
    session.counts_as_seed = true;
  }
  if (origin_) {
    prove(session, message.piece, now);
    tell_holders(message.piece, now);
    tell_direction();
    if (directing_ && is_turn_over(session, now)) run_choker(now);
    direct(session, now);
  }
  session.barren_generation = 0;
  if (!have_.has(message.piece)) ++session.wanted;
  update_interest(session);
  pump(session, now);
  audit(session);
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::BitfieldMessage& message, TimePoint now) {
  auto pieces = Bitfield::from_wire(geometry_.pieces(), message.bits);
  if (!pieces) return CloseReason::MalformedMessage;
  set_pieces(session, std::move(*pieces), now);
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::HaveAll&, TimePoint now) {
  set_pieces(session, Bitfield(geometry_.pieces(), true), now);
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession&, const wire::HaveNone&, TimePoint) { return std::nullopt; }

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::Suggest& message, TimePoint now) {
  if (have_.has(message.piece) || session.suggested.size() >= limits::kSuggestionsFromPeer)
    return std::nullopt;
  session.suggested.push_back(message.piece);
  pump(session, now);
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::Request& message, TimePoint now) {
  const bool servable = session.unchoked && have_.has(message.block.piece);
  if (servable && origin_) {
    origin_->on_requested(message.block.piece, session.id(), now);
    direct(session, now);
  }
  for (const auto& block : wire::blocks_of(message.block))
    if (const auto verdict = queue_request(session, block, servable, now)) return verdict;
  return std::nullopt;
}

Swarm::Verdict Swarm::queue_request(PeerSession& session, const wire::BlockSpan& block, bool servable,
                                    TimePoint now) {
  switch (session.enqueue(block, servable, now)) {
    case PeerSession::Enqueued::First: actions_.push_back(UploadReady{session.id()}); break;
    case PeerSession::Enqueued::Behind: break;
    case PeerSession::Enqueued::Refused:
      if (session.abilities().fast) send(session, wire::Reject{block});
      break;
    case PeerSession::Enqueued::Flood: return CloseReason::RequestFlood;
  }
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::Cancel& message, TimePoint) {
  // BEP 6 wants an answer to every request, also to a cancelled one.
  if (session.cancel(message.block) && session.abilities().fast) send(session, wire::Reject{message.block});
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::Reject& message, TimePoint now) {
  const auto block = session.block_of(message.block);
  if (!block) return CloseReason::MalformedMessage;  // we never ask for such a block
  if (end_audit(session, *block)) {
    if (!session.choking_us) remove_piece(session, block->piece, now);
    return std::nullopt;
  }
  if (!session.settle(*block, now)) {
    if (settle_late(session, *block, now)) pump(session, now);
    return std::nullopt;
  }
  charge(-std::int64_t{message.block.length});
  picker_->release(*block, session.id());
  // While it does not choke us the only reason is that it has not got the piece.
  if (!session.choking_us) remove_piece(session, block->piece, now);
  else if (session.outstanding() == 0) disown(session);
  pump_all(now);
  return std::nullopt;
}

Swarm::Verdict Swarm::receive(PeerSession& session, const wire::Extended& message, TimePoint now) {
  if (message.id != wire::kExtensionHandshakeId || !session.abilities().extended) return std::nullopt;
  const auto handshake = wire::decode_extension_handshake(message.payload);
  if (!handshake) return CloseReason::MalformedMessage;
  if (handshake->request_queue) session.set_request_queue(*handshake->request_queue);
  if (handshake->request_bytes) session.set_request_bytes(*handshake->request_bytes);
  if (handshake->directs) {
    session.directs = *handshake->directs;
    if (session.directs)
      for (const auto piece : std::exchange(session.withheld, {})) send(session, wire::Have{piece});
    else session.suggested.clear();
  }
  pump(session, now);
  return std::nullopt;
}

}  // namespace p2p::swarm
