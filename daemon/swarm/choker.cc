// SPDX-License-Identifier: MIT
#include "daemon/swarm/choker.h"

#include <algorithm>
#include <tuple>

namespace p2p::swarm {

namespace {

enum class Rank : std::uint8_t { InTurn, Waiting, TurnOver, Uninterested };

TimePoint turn_end(const Contender& contender, Duration interval) {
  return std::max(contender.since + interval, contender.held_until);
}

Rank rank_of(const Contender& contender, Duration interval, TimePoint now) {
  if (!contender.interested) return Rank::Uninterested;
  if (!contender.unchoked) return Rank::Waiting;
  return now < turn_end(contender, interval) ? Rank::InTurn : Rank::TurnOver;
}

}  // namespace

std::vector<SessionId> choose_unchoked(std::vector<Contender> contenders, std::uint32_t slots,
                                       Duration interval, TimePoint now) {
  std::erase_if(contenders, [](const Contender& one) { return !one.interested && !one.unchoked; });
  // Whose turn is over stays, if slots are left, in the order of who came last: so that of two that
  // were unchoked at different times the one that has had more goes first.
  const auto key = [&](const Contender& one) {
    const Rank rank = rank_of(one, interval, now);
    const auto time = one.since.time_since_epoch().count();
    return std::tuple(rank, rank == Rank::TurnOver ? -time : time, one.session.value);
  };
  std::sort(contenders.begin(), contenders.end(),
            [&](const Contender& a, const Contender& b) { return key(a) < key(b); });
  if (contenders.size() > slots) contenders.resize(slots);

  std::vector<SessionId> chosen;
  chosen.reserve(contenders.size());
  for (const auto& contender : contenders) chosen.push_back(contender.session);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

TimePoint next_rotation(const std::vector<Contender>& contenders, Duration interval) {
  bool waiting = false;
  TimePoint next = TimePoint::max();
  for (const auto& contender : contenders) {
    if (!contender.interested) continue;
    if (contender.unchoked) next = std::min(next, turn_end(contender, interval));
    else waiting = true;
  }
  return waiting ? next : TimePoint::max();
}

}  // namespace p2p::swarm
