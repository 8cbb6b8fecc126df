// SPDX-License-Identifier: MIT
// Who may ask us for blocks. A pure function without memory: fairness comes from the times passed in.
//
// Members of a group are known and cooperate, so there is no barter: slots exist to keep each transfer
// fast enough to be useful. When more sessions want than there are slots, a session keeps its slot for
// one interval and then yields to whoever has waited longest. Turns are by time, not by bytes: a byte
// quota would let slow sessions hold the slots and leave the uplink idle. In origin mode a turn lasts until
// the pieces that were suggested have come (Contender::held_until): half of a piece is of no use to others.
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/base/time.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

struct Contender {
  SessionId session;
  bool interested = false;
  bool unchoked = false;
  TimePoint since{};       // unchoked: when its turn began; choked and interested: since when it waits
  TimePoint held_until{};  // its turn does not end before: what was sent of a piece would be lost
};

// The sessions to be unchoked, in ascending order; at most `slots`. A session that is not interested
// keeps its slot only while nobody else wants it (unchoking it again would cost a round trip).
std::vector<SessionId> choose_unchoked(std::vector<Contender> contenders, std::uint32_t slots,
                                       Duration interval, TimePoint now);

// When the next turn ends that somebody waits for; TimePoint::max() when nobody waits.
TimePoint next_rotation(const std::vector<Contender>& contenders, Duration interval);

}  // namespace p2p::swarm
