// SPDX-License-Identifier: MIT
// Which addresses of other devices are taken from the tracker: those that can be those of a member. Judged
// once, where they come in.
#pragma once

#include <vector>

#include "daemon/io/stream.h"
#include "daemon/swarm/peer_book.h"
#include "proto/tracker.pb.h"

namespace p2p::peer {

// `local`: the tracker is reached over loopback, so members may be there too.
bool is_dialable(const io::SocketAddress& address, bool local);
std::vector<swarm::PeerAddress> dialable_addresses(const pb::tracker::Peer& peer, bool local);

}  // namespace p2p::peer
