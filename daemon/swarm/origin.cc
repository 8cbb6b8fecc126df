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

bool Origin::is_taken_by(PieceIndex piece, SessionId session) const {
  return places_[piece.value].state == State::Taken && places_[piece.value].session == session;
}

void Origin::on_holders(PieceIndex piece, Holders holders, TimePoint now) {
  const bool nobody = holders.count == 0 || !holders.is_proven;
  const auto state = holders.count == 0   ? State::Unsent
                     : !holders.is_proven ? State::Claimed
                     : holders.count == 1 ? State::Shared
                                          : State::Settled;
  auto& place = places_[piece.value];
  if (place.state == state || (nobody && is_in_window(piece))) return;
  const auto session = place.session;
  const auto since = take_from_window(piece);
  if (since) {
    smooth(usual_time_, now - *since);
    smooth(windows_[session].usual_time, now - *since);
  }
  if (place.state == State::Shared) take_from_kept(piece, state == State::Settled, now);
  if (state == State::Shared) place.at_slow_one = since && is_slow(windows_[session]);
  if (state == State::Shared && since) kept_[session].push_back({piece, now});
  if (place.state == State::Settled) ++unsettled_;
  if (state == State::Settled) --unsettled_;
  if (state == State::Unsent) unsent_.push_front(piece);
  if (state == State::Claimed) claimed_.push_back(piece);
  if (state == State::Shared) shared_.push_back({piece, now});
  place.state = state;
}

std::vector<PieceIndex> Origin::on_closed(SessionId session) {
  std::vector<PieceIndex> pieces;
  const auto window = windows_.find(session);
  if (window == windows_.end()) return pieces;
  for (const auto& entry : window->second.entries) {
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
    const Duration limit = patience(window->second);
    for (const auto& entry : window->second.entries) {
      if (places_[entry.piece.value].state == State::Suggested && now - entry.since < limit) ++waiting;
    }
  }
  if (waiting >= ahead) return std::nullopt;
  drop_stale();
  std::optional<PieceIndex> piece;
  if (!unsent_.empty()) piece = unsent_.front();
  if (!piece) piece = first_claimed(pieces);
  if (!piece) piece = slow_in_window(session, pieces, now);
  if (!piece) piece = overdue_shared(pieces, now);
  if (piece) put(*piece, session, now);
  return piece;
}

void Origin::take_from_kept(PieceIndex piece, bool settled, TimePoint now) {
  const auto kept = kept_.find(places_[piece.value].session);
  if (kept == kept_.end()) return;
  auto& entries = kept->second;
  const auto entry =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& one) { return one.piece == piece; });
  if (entry == entries.end()) return;
  if (settled) smooth(usual_spread_, now - entry->since);
  entries.erase(entry);
}

bool Origin::keeps(SessionId session, TimePoint now) const {
  const auto kept = kept_.find(session);
  if (kept == kept_.end() || kept->second.size() < kKeptMost || !usual_spread_) return false;
  const Duration limit = std::max<Duration>(kUsualLeast, *usual_spread_) * kKeptTimes;
  return now - kept->second[kKeptMost - 1].since >= limit;
}

void Origin::put(PieceIndex piece, SessionId session, TimePoint now) {
  take_from_window(piece);
  if (places_[piece.value].state == State::Shared) take_from_kept(piece, false, now);
  places_[piece.value] = {State::Suggested, false, session};
  windows_[session].entries.push_back({piece, now});
}

bool Origin::has_to_begin(SessionId session) const {
  const auto window = windows_.find(session);
  return window != windows_.end() &&
         std::any_of(window->second.entries.begin(), window->second.entries.end(), [&](const Entry& entry) {
           return places_[entry.piece.value].state == State::Suggested;
         });
}

// The piece that is expected last of all that this session would bring much sooner. What has been waited for
// longer than usual is expected to take as long again.
std::optional<PieceIndex> Origin::slow_in_window(SessionId session, const Bitfield& pieces,
                                                 TimePoint now) const {
  const auto own = windows_.find(session);
  const auto usual = own != windows_.end() && own->second.usual_time ? own->second.usual_time : usual_time_;
  if (!usual) return std::nullopt;
  const Duration soon = std::max<Duration>(kUsualLeast, *usual);
  const bool is_free = !has_to_begin(session);
  Duration longest{};
  std::optional<PieceIndex> piece;
  for (const auto& [other, window] : windows_) {
    if (other == session) continue;
    for (const auto& entry : window.entries) {
      const bool is_begun = places_[entry.piece.value].state == State::Taken;
      const Duration age = now - entry.since;
      const Duration rest = std::max(age, window.usual_time.value_or(Duration{}) - age);
      const Duration least = soon * (is_free && !is_begun ? kFreeSoonerTimes : kSoonerTimes);
      if (rest <= std::max(longest, least) || pieces.has(entry.piece)) continue;
      longest = rest;
      piece = entry.piece;
    }
  }
  return piece;
}

std::optional<PieceIndex> Origin::first_claimed(const Bitfield& pieces) const {
  for (std::size_t i = 0; i < std::min(claimed_.size(), kLook); ++i) {
    if (places_[claimed_[i].value].state == State::Claimed && !pieces.has(claimed_[i])) return claimed_[i];
  }
  return std::nullopt;
}

std::optional<PieceIndex> Origin::overdue_shared(const Bitfield& pieces, TimePoint now) const {
  const Duration limit = std::max(kUsualLeast, usual_time_.value_or(kPatienceLeast)) * kSoonerTimes;
  for (std::size_t i = 0; i < std::min(shared_.size(), kLook); ++i) {
    const auto& entry = shared_[i];
    const auto& place = places_[entry.piece.value];
    if (place.state != State::Shared || pieces.has(entry.piece)) continue;
    if (place.at_slow_one || now - entry.since >= limit) return entry.piece;
  }
  return std::nullopt;
}

TimePoint Origin::awaited_until(SessionId session) const {
  const auto window = windows_.find(session);
  if (window == windows_.end() || window->second.entries.empty()) return TimePoint{};
  return window->second.entries.front().since + patience(window->second);
}

void Origin::smooth(std::optional<Duration>& usual, Duration taken) {
  usual = usual ? (*usual * 7 + std::min<Duration>(taken, *usual * 2)) / 8 : taken;
}

bool Origin::is_slow(const Window& window) const {
  return std::any_of(windows_.begin(), windows_.end(), [&](const auto& other) {
    const auto usual = other.second.usual_time;
    return usual && std::max<Duration>(*usual, kUsualLeast) * kSoonerTimes < window.usual_time;
  });
}

Duration Origin::patience(const Window& window) const {
  const auto usual = window.usual_time ? window.usual_time : usual_time_;
  return usual ? std::max<Duration>(kPatienceLeast, *usual * kPatienceTimes) : kPatienceUnknown;
}

void Origin::drop_stale() {
  while (!unsent_.empty() && places_[unsent_.front().value].state != State::Unsent) unsent_.pop_front();
  while (!claimed_.empty() && places_[claimed_.front().value].state != State::Claimed) claimed_.pop_front();
  while (!shared_.empty() && places_[shared_.front().piece.value].state != State::Shared) shared_.pop_front();
}

std::optional<TimePoint> Origin::take_from_window(PieceIndex piece) {
  if (!is_in_window(piece)) return std::nullopt;
  auto& window = windows_.at(places_[piece.value].session).entries;
  const auto entry =
      std::find_if(window.begin(), window.end(), [&](const Entry& one) { return one.piece == piece; });
  const auto since = entry->since;
  window.erase(entry);
  return since;
}

std::string Origin::picture() const {
  std::string text;
  for (const auto& place : places_) text += "UCST1#"[static_cast<int>(place.state)];
  return text;
}

}  // namespace p2p::swarm
