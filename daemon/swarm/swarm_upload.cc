// SPDX-License-Identifier: MIT
// Serving: who may ask, and what is sent next.
#include <algorithm>

#include "daemon/swarm/choker.h"
#include "daemon/swarm/origin.h"
#include "daemon/swarm/peer_session.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

std::optional<wire::BlockSpan> Swarm::next_upload(SessionId id) {
  auto* session = find(id);
  return session == nullptr ? std::nullopt : session->take_upload();
}

bool Swarm::has_upload(SessionId id) const {
  const auto found = sessions_.find(id);
  return found != sessions_.end() && found->second->queued() > 0;
}

void Swarm::on_upload_sent(SessionId id, const wire::BlockSpan& block, TimePoint now) {
  totals_.uploaded += block.length;
  upload_rate_.add(block.length, now);
  if (auto* session = find(id)) session->on_upload_sent(block.length, now);
}

void Swarm::on_upload_failed(SessionId id, const wire::BlockSpan& block, TimePoint) {
  const auto* session = find(id);
  if (session != nullptr && session->abilities().fast) send(*session, wire::Reject{block});
}

std::vector<Contender> Swarm::contenders(TimePoint now) const {
  std::vector<Contender> result;
  result.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) {
    const auto held_until = directing_ ? origin_->awaited_until(id) : TimePoint{};
    result.push_back({id, session->interested_in_us, session->unchoked, session->choker_since, held_until});
  }
  if (directing_) serve_keepers_last(result, now);
  return result;
}

// Who keeps what it has from us gets no more while others take pieces and pass them on.
void Swarm::serve_keepers_last(std::vector<Contender>& contenders, TimePoint now) const {
  const auto keeps = [&](const Contender& one) { return origin_->keeps(one.session, now); };
  const bool others = std::any_of(contenders.begin(), contenders.end(),
                                  [&](const Contender& one) { return one.interested && !keeps(one); });
  if (others) std::erase_if(contenders, keeps);
}

bool Swarm::is_turn_over(const PeerSession& session, TimePoint now) const {
  return others_wait_ && session.unchoked && now - session.choker_since >= options_.choke_interval;
}

void Swarm::run_choker(TimePoint now) {
  const auto all = contenders(now);
  const auto rotation = next_rotation(all, options_.choke_interval);
  wake_at(rotation);
  others_wait_ = rotation != TimePoint::max();
  const auto chosen = choose_unchoked(all, options_.upload_slots, options_.choke_interval, now);
  for (const auto& [id, session] : sessions_) {
    const bool unchoke = std::binary_search(chosen.begin(), chosen.end(), id);
    if (unchoke == session->unchoked) continue;
    session->choker_since = now;
    session->unchoked = unchoke;
    if (unchoke) send(*session, wire::Unchoke{});
    else choke(*session, now);
    direct(*session, now);
  }
}

void Swarm::choke(PeerSession& session, TimePoint now) {
  send(session, wire::Choke{});
  session.forgive_refusals();
  close_window(session, now);
  for (const auto& block : session.drop_queue()) {
    if (session.abilities().fast) send(session, wire::Reject{block});
  }
}

}  // namespace p2p::swarm
