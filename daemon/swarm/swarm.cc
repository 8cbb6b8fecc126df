// SPDX-License-Identifier: MIT
// Sessions come and go, time passes, and what is known is told. Messages: swarm_messages.cc; fetching:
// swarm_download.cc; pieces that fail: swarm_blame.cc; serving: swarm_upload.cc.
#include "daemon/swarm/swarm.h"

#include <algorithm>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/swarm/choker.h"
#include "daemon/swarm/origin.h"
#include "daemon/swarm/peer_session.h"
#include "daemon/swarm/piece_inquiry.h"
#include "daemon/swarm/piece_picker.h"
#include "daemon/wire/extension.h"

namespace p2p::swarm {

std::string_view describe(CloseReason reason) {
  switch (reason) {
    case CloseReason::MalformedMessage: return "message that this share cannot have";
    case CloseReason::UnexpectedBitfield: return "bitfield twice or not first";
    case CloseReason::MessageFlood: return "too many messages";
    case CloseReason::RequestFlood: return "too many requests";
    case CloseReason::BadBlock: return "block with a wrong hash";
    case CloseReason::BadLeaves: return "leaves with a wrong root";
    case CloseReason::NothingToExchange: return "both sides are complete";
  }
  return "unknown";
}

Swarm::Swarm(const meta::Geometry& geometry, Bitfield have, Options options, Random& random,
             LeafRootsOf leaf_roots)
    : geometry_(geometry),
      have_(std::move(have)),
      options_(options),
      random_(random),
      leaf_roots_(std::move(leaf_roots)),
      picker_(std::make_unique<PiecePicker>(geometry_, have_, options_.open_pieces_max, random_)),
      open_pieces_allowed_(options_.open_pieces_max) {
  if (!complete()) return;
  draw_first();
  directing_ = geometry_.pieces() > 0;  // nobody has anything yet
}

Swarm::~Swarm() = default;

// --- sessions ----------------------------------------------------------------------------------------

SessionId Swarm::open_session(const DeviceId& device, Abilities abilities, TimePoint now) {
  if (complete() && origin_ == nullptr) begin_origin(now);
  const SessionId id = next_session_;
  ++next_session_.value;
  auto& session =
      *sessions_.emplace(id, std::make_unique<PeerSession>(id, device, abilities, geometry_, options_, now))
           .first->second;
  if (!leaf_roots_ || trusted_.contains(device)) session.trial.end();
  send_opening(session);
  return id;
}

void Swarm::send_opening(PeerSession& session) {
  if (session.abilities().fast) {
    if (have_.all()) send(session, wire::HaveAll{});
    else if (have_.none()) send(session, wire::HaveNone{});
    else send(session, wire::BitfieldMessage{have_.to_wire()});
  } else if (!have_.none()) {
    send(session, wire::BitfieldMessage{have_.to_wire()});
  }
  send_extensions(session);
}

void Swarm::send_extensions(const PeerSession& session) {
  if (!session.abilities().extended) return;
  wire::ExtensionHandshake handshake;
  handshake.directs = directing_;
  handshake.client = "p2p";
  // More than this would only be rejected.
  handshake.request_queue =
      std::min(options_.pipeline_max, static_cast<std::uint32_t>(limits::kRequestsFromPeer));
  handshake.request_bytes = limits::kRequestBytes;
  if (options_.metadata_bytes > 0) {
    handshake.messages.emplace(wire::kMetadataName, wire::kMetadataId);
    handshake.metadata_bytes = options_.metadata_bytes;
  }
  send(session, wire::Extended{wire::kExtensionHandshakeId, wire::encode_extension_handshake(handshake)});
}

void Swarm::close_session(SessionId id, TimePoint now) {
  if (auto* session = find(id)) forget(*session, now);
}

void Swarm::close(PeerSession& session, CloseReason reason, TimePoint now) {
  actions_.push_back(CloseSession{session.id(), reason});
  forget(session, now);
}

void Swarm::forget(PeerSession& session, TimePoint now) {
  give_back_requests(session, session.give_up_all(), Farewell::Silent);
  if (session.counts_as_seed) picker_->remove_seed();
  else picker_->remove_peer(session.pieces());
  on_pieces_gone(session, now);
  const auto id = session.id();
  sessions_.erase(id);
  stop_asking(id, now);
  run_choker(now);
  pump_all(now);
  direct_all(now);
}

void Swarm::close_if_both_complete(PeerSession& session, TimePoint now) {
  if (complete() && session.pieces().all()) close(session, CloseReason::NothingToExchange, now);
}

PeerSession* Swarm::find(SessionId id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second.get();
}

void Swarm::send(const PeerSession& session, wire::Message message) {
  actions_.push_back(Send{session.id(), std::move(message)});
}

void Swarm::set_pieces(PeerSession& session, Bitfield pieces, TimePoint now) {
  session.wanted = 0;
  for (std::uint32_t i = 0; i < pieces.size(); ++i) {
    if (pieces.has(PieceIndex{i}) && !have_.has(PieceIndex{i})) ++session.wanted;
  }
  session.counts_as_seed = pieces.all();
  if (session.counts_as_seed) picker_->add_seed();
  else if (!pieces.none()) picker_->add_peer(pieces);
  on_pieces_seen(pieces, now);
  session.set_pieces(std::move(pieces));
  session.barren_generation = 0;
  update_interest(session);
  pump(session, now);
  audit(session);
}

// It refused a piece that it said to have. From here on it counts piece by piece, also when it gets the
// piece again: a peer that changes its mind all the time must not cost a pass over all pieces each time.
void Swarm::remove_piece(PeerSession& session, PieceIndex piece, TimePoint now) {
  if (!session.pieces().has(piece)) return;
  if (std::exchange(session.counts_as_seed, false)) {
    picker_->remove_seed();
    picker_->add_peer(session.pieces());
  }
  session.was_corrected = true;
  session.remove_piece(piece);
  picker_->remove_piece(piece);
  tell_holders(piece, now);
  if (!have_.has(piece)) --session.wanted;
  update_interest(session);
}

// --- time --------------------------------------------------------------------------------------------

void Swarm::on_round_trip(SessionId id, Duration trip) {
  if (auto* session = find(id)) session->set_way(trip);
}

void Swarm::on_timer(TimePoint now) {
  last_look_ = now;
  next_deadline_ = TimePoint::max();
  snub_silent_sessions(now);
  stop_waiting_for_leaves(now);
  end_late_trials(now);
  tell_withheld(now);
  run_choker(now);
  pump_all(now);
  direct_all(now);
  for (const auto& [id, session] : sessions_) {
    wake_at(session->snub_time());
    wake_at(session->trial.deadline());
  }
  for (const auto& [piece, inquiry] : inquiries_) wake_at(inquiry->deadline());
}

// --- outputs -----------------------------------------------------------------------------------------

std::optional<Action> Swarm::next_action() {
  while (!actions_.empty()) {
    Action action = std::move(actions_.front());
    actions_.pop_front();
    // What was decided for a session before it closed means nothing now.
    const auto* message = std::get_if<Send>(&action);
    if (message != nullptr && !sessions_.contains(message->session)) continue;
    const auto* ready = std::get_if<UploadReady>(&action);
    if (ready != nullptr && !sessions_.contains(ready->session)) continue;
    return action;
  }
  return std::nullopt;
}

std::vector<SessionView> Swarm::sessions(TimePoint now) const {
  std::vector<SessionView> views;
  views.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) {
    SessionView view;
    view.session = id;
    view.device = session->device();
    view.pieces = session->pieces().count();
    view.interested_in_us = session->interested_in_us;
    view.unchoked_by_us = session->unchoked;
    view.choking_us = session->choking_us;
    view.download_rate = session->download_rate(now);
    view.upload_rate = session->upload_rate(now);
    view.requests_outstanding = static_cast<std::uint32_t>(session->outstanding());
    view.requests_queued = static_cast<std::uint32_t>(session->queued());
    views.push_back(view);
  }
  return views;
}

double Swarm::download_rate(TimePoint now) const { return download_rate_.per_second(now); }

double Swarm::upload_rate(TimePoint now) const { return upload_rate_.per_second(now); }

void Swarm::check_invariants() const {
  picker_->check_invariants();
  CHECK(picker_->open_pieces() <= open_pieces_allowed_);
  std::uint32_t unchoked = 0;
  for (const auto& [id, session] : sessions_) {
    CHECK(session->outstanding() <= options_.pipeline_max);
    CHECK(session->queued() <= limits::kRequestsFromPeer);
    CHECK(session->unchoked || session->queued() == 0);
    if (session->unchoked) ++unchoked;
    std::vector<BlockRef> seen;
    session->any_outstanding_from_last([&, id = id](const BlockRef& block) {
      const auto requesters = picker_->requesters(block);
      CHECK(std::count(requesters.begin(), requesters.end(), id) == 1);
      seen.push_back(block);
      return false;
    });
    std::sort(seen.begin(), seen.end());
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    std::uint32_t wanted = 0;
    for (std::uint32_t i = 0; i < have_.size(); ++i) {
      if (session->pieces().has(PieceIndex{i}) && !have_.has(PieceIndex{i})) ++wanted;
    }
    CHECK(wanted == session->wanted);
    CHECK(session->interested == ((fetching_ && wanted > 0) || wants_audit(*session)));
  }
  CHECK(unchoked <= options_.upload_slots);
  for (const auto& [piece, inquiry] : inquiries_) {
    CHECK(picker_->state(piece) == PiecePicker::State::Filled);
    CHECK(inquiry->deadline() != TimePoint::max());
  }
  for (std::uint32_t i = 0; i < have_.size(); ++i) {
    const bool stored = picker_->state(PieceIndex{i}) == PiecePicker::State::Stored;
    CHECK(stored == have_.has(PieceIndex{i}));
  }
}

}  // namespace p2p::swarm
