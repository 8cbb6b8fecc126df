// SPDX-License-Identifier: MIT
#include "daemon/swarm/origin.h"

#include <algorithm>

namespace p2p::swarm {

bool Origin::is_in_window(PieceIndex piece) const {
  const auto state = places_[piece.value].state;
  return state == State::Suggested || state == State::Taken;
}

void Origin::on_requested(PieceIndex piece, SessionId session, TimePoint now) {
  auto& place = places_[piece.value];
  if (place.state == State::Suggested && place.session == session) place.state = State::Taken;
  // Somebody chose for himself; it need not be suggested to others.
  if (place.state != State::Unsent) return;
  put(piece, session, now);
  place.state = State::Taken;
}

void Origin::on_holders(PieceIndex piece, std::uint32_t holders, TimePoint now) {
  const auto state = holders == 0 ? State::Unsent : holders == 1 ? State::Shared : State::Settled;
  auto& place = places_[piece.value];
  if (place.state == state || (holders == 0 && is_in_window(piece))) return;
  const auto since = take_from_window(piece);
  if (since && holders > 0) {
    const Duration taken = now - *since;
    usual_time_ = usual_time_ ? (*usual_time_ * 7 + taken) / 8 : taken;
  }
  if (place.state == State::Settled) ++unsettled_;
  if (state == State::Settled) --unsettled_;
  if (state == State::Unsent) unsent_.push_front(piece);
  if (state == State::Shared) shared_.push_back({piece, now});
  place.state = state;
}

std::vector<PieceIndex> Origin::on_closed(SessionId session) {
  std::vector<PieceIndex> pieces;
  const auto window = windows_.find(session);
  if (window == windows_.end()) return pieces;
  for (const auto& entry : window->second) {
    places_[entry.piece.value].state = State::Unsent;
    unsent_.push_front(entry.piece);
    pieces.push_back(entry.piece);
  }
  windows_.erase(window);
  return pieces;
}

std::optional<PieceIndex> Origin::assign(SessionId session, const Bitfield& pieces, double pieces_per_second,
                                         TimePoint now) {
  const auto ahead = std::min(
      kAheadMost, kAheadLeast + static_cast<std::uint32_t>(pieces_per_second * seconds_of(kAheadTime)));
  std::uint32_t waiting = 0;
  if (const auto window = windows_.find(session); window != windows_.end()) {
    for (const auto& entry : window->second) {
      if (places_[entry.piece.value].state == State::Suggested && now - entry.since < patience()) ++waiting;
    }
  }
  if (waiting >= ahead) return std::nullopt;
  drop_stale();
  std::optional<PieceIndex> piece;
  if (!unsent_.empty()) piece = unsent_.front();
  if (!piece) piece = overdue_in_window(session, pieces, now);
  if (!piece) piece = overdue_shared(pieces, now);
  if (piece) put(*piece, session, now);
  return piece;
}

void Origin::put(PieceIndex piece, SessionId session, TimePoint now) {
  take_from_window(piece);
  places_[piece.value] = {State::Suggested, session};
  windows_[session].push_back({piece, now});
}

std::optional<PieceIndex> Origin::overdue_in_window(SessionId except, const Bitfield& pieces,
                                                    TimePoint now) const {
  const Entry* oldest = nullptr;
  for (const auto& [session, window] : windows_) {
    if (session == except || window.empty() || pieces.has(window.front().piece)) continue;
    if (oldest == nullptr || window.front().since < oldest->since) oldest = &window.front();
  }
  if (oldest == nullptr || now - oldest->since < patience()) return std::nullopt;
  return oldest->piece;
}

std::optional<PieceIndex> Origin::overdue_shared(const Bitfield& pieces, TimePoint now) const {
  for (std::size_t i = 0; i < std::min(shared_.size(), kLook); ++i) {
    const auto& entry = shared_[i];
    if (now - entry.since < patience() / 2) break;
    if (places_[entry.piece.value].state == State::Shared && !pieces.has(entry.piece)) return entry.piece;
  }
  return std::nullopt;
}

TimePoint Origin::awaited_until(SessionId session) const {
  const auto window = windows_.find(session);
  if (window == windows_.end() || window->second.empty()) return TimePoint{};
  return window->second.front().since + patience();
}

Duration Origin::patience() const {
  if (!usual_time_) return kPatienceUnknown;
  return std::max<Duration>(kPatienceLeast, *usual_time_ * kPatienceTimes);
}

TimePoint Origin::next_deadline() const {
  TimePoint next = TimePoint::max();
  for (const auto& [session, window] : windows_) {
    if (!window.empty()) next = std::min(next, window.front().since + patience());
  }
  if (!shared_.empty()) next = std::min(next, shared_.front().since + patience() / 2);
  return next;
}

void Origin::drop_stale() {
  while (!unsent_.empty() && places_[unsent_.front().value].state != State::Unsent) unsent_.pop_front();
  while (!shared_.empty() && places_[shared_.front().piece.value].state != State::Shared) shared_.pop_front();
}

std::optional<TimePoint> Origin::take_from_window(PieceIndex piece) {
  if (!is_in_window(piece)) return std::nullopt;
  auto& window = windows_.at(places_[piece.value].session);
  const auto entry =
      std::find_if(window.begin(), window.end(), [&](const Entry& one) { return one.piece == piece; });
  const auto since = entry->since;
  window.erase(entry);
  return since;
}

std::string Origin::picture() const {
  std::string text;
  for (const auto& place : places_) text += "UST1#"[static_cast<int>(place.state)];
  return text;
}

}  // namespace p2p::swarm
