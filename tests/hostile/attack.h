// SPDX-License-Identifier: MIT
// What a hostile member does to the messages that leave its links.
#pragma once

#include "daemon/base/bytes.h"

namespace p2p::hostile {

// One encoded message, with its length prefix, which is about to be sent. It may be changed, made empty (then
// it is not sent), or get others behind it.
using Attack = void (*)(Bytes& message);

// The one that the environment variable P2P_ATTACK names; the program ends when there is no such attack.
//   corrupt   every block has a wrong byte; the leaves it gives are right
//   accuse    the same, and its leaves are wrong too
Attack attack();

}  // namespace p2p::hostile
