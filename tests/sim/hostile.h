// SPDX-License-Identifier: MIT
// A member of the group that takes part to harm others. It has a Swarm and a driver as everybody has; each
// message that the driver would send, and each that arrives, comes here first and is bent. The same attacks
// are made on real daemons by tests/hostile.
//
//   Corrupt  a part `share` of the blocks it sends is wrong
//   Accuse   the same, and asked for leaves it lies, refuses, or answers when nobody waits any more
//   Lie      claims every piece and has none; what is asked of it is refused, and claimed again, or not
//            answered
//   Stall    claims every piece and has none; answers nothing
//   Drip     has everything and sends a block of it every few seconds on each link
//   Quit     has everything; sends a few blocks, cuts the link and dials again
//   Flood    fetches nothing, but keeps as many requests for the same blocks waiting as are taken
//   Churn    claims every piece, takes requests, cuts each link as soon as it works and dials again
//   Flap     chokes, unchokes, is interested, is not, claims a piece, refuses it: nearly as often as it may
//
// Hostile members spare each other. What it remembers of a link is bounded by the requests of one link.
// Everything that is left to chance comes from a Random of its own.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/base/time.h"
#include "daemon/meta/geometry.h"
#include "daemon/wire/message.h"
#include "tests/sim/network.h"

namespace p2p::sim {

enum class Attack : std::uint8_t { None, Corrupt, Accuse, Lie, Stall, Drip, Quit, Flood, Churn, Flap };

class Hostile {
 public:
  static constexpr Duration kTick = 20ms;

  struct Outgoing {
    wire::Message message;
    bool bad = false;  // a block whose payload is wrong
  };
  using Outbox = std::vector<Outgoing>;

  // `share` is of Corrupt and Accuse.
  Hostile(Attack attack, double share, const meta::Geometry& geometry, std::uint64_t seed)
      : attack_(attack), share_(share), geometry_(geometry), random_(seed) {}

  // It begins with all pieces.
  static bool has_all(Attack attack) { return attack == Attack::Drip || attack == Attack::Quit; }
  // Whoever it is not linked with it dials at once, and not when its PeerBook says.
  bool dials_at_once() const {
    return attack_ == Attack::Quit || attack_ == Attack::Churn || attack_ == Attack::Flap;
  }
  std::set<HostNumber> dialling;

  // Its driver is about to send this: what goes out instead.
  void on_send(LinkNumber link, wire::Message message, TimePoint now, Outbox& out);
  // False: its swarm does not hear of this one.
  bool on_receive(LinkNumber link, const wire::Message& message, Outbox& out);
  // Every kTick, of each link that is open; `has_left`: all that was sent has arrived. False: cut it.
  bool on_tick(LinkNumber link, TimePoint now, bool has_left, Outbox& out);
  void forget(LinkNumber link) { memories_.erase(link); }

 private:
  struct Held {
    TimePoint due;
    wire::Message message;
  };
  struct Memory {
    TimePoint opened = TimePoint::max();
    std::deque<Held> held;
    std::uint32_t blocks = 0;  // sent
    std::uint32_t blocks_most = 0;
    std::uint32_t ticks = 0;
    // Flood
    bool choked = true;
    std::uint32_t outstanding = 0;
    std::vector<wire::BlockSpan> wanted;
    std::size_t next = 0;
  };
  void claim_all(wire::Message message, Outbox& out);
  void accuse(Memory& memory, wire::Message message, TimePoint now, Outbox& out);
  void drip(Memory& memory, wire::Message message, TimePoint now, Outbox& out);
  void quit(Memory& memory, wire::Message message, Outbox& out);
  void flood(Memory& memory, const wire::Message& message, Outbox& out);
  bool pester(Memory& memory, const wire::Message& message, Outbox& out);
  void ask_again(Memory& memory, Outbox& out);
  void flap(Memory& memory, Outbox& out);

  Attack attack_;
  double share_;
  meta::Geometry geometry_;
  Random random_;
  std::map<LinkNumber, Memory> memories_;
};

}  // namespace p2p::sim
