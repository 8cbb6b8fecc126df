// SPDX-License-Identifier: MIT
// What a hostile member does to the messages that leave its links.
//
// An attack is a function over each encoded message, or one that is called again and again, or both; and a
// name. It lives as long as the program; what it remembers of a link (Memory) lives as long as the link.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>

#include "daemon/base/bytes.h"
#include "daemon/base/time.h"

namespace p2p::hostile {

struct Memory {
  std::uint32_t blocks = 0;  // sent, or held
  std::deque<Bytes> held;    // messages that wait for their turn
};

struct Attack {
  std::string_view name;
  // One message, with its length prefix, which is about to be sent. It may be changed, made empty (then it is
  // not sent), or get others behind it.
  void (*on_message)(Memory& memory, Bytes& message);
  // Every `period` on an open link: what it puts into `out` is sent. False: the link is cut.
  bool (*on_tick)(Memory& memory, Bytes& out) = nullptr;
  Duration period{};
  bool dials_at_once = false;  // after a link has ended
};

// The one that the environment variable P2P_ATTACK names; the program ends when there is no such attack.
//   corrupt    every block has a wrong byte; the leaves it gives are right
//   accuse     the same, and its leaves are wrong too
//   lie        claims every piece and has none; refuses what is asked of it and claims the piece again
//   stall      claims every piece and has none; answers nothing
//   quit       sends some blocks on each link, and then never one more
//   drip       sends one block a second
//   trickle    from the first block on, its bytes leave one by one
//   flood      asks for every block many times
//   flap       chokes, unchokes, is interested, is not, has a piece: as fast as it can
//   flutter    the same, as fast as it may
//   churn      cuts each link as soon as it works, and dials again
//   overreach  has a piece that is not there
const Attack& attack();

}  // namespace p2p::hostile
