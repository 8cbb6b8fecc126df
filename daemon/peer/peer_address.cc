// SPDX-License-Identifier: MIT
#include "daemon/peer/peer_address.h"

#include "daemon/base/limits.h"

namespace p2p::peer {

bool is_dialable(const io::SocketAddress& address, bool local) {
  const auto& host = address.host;
  if (address.port == 0 || (host.size() != 4 && host.size() != 16) || address.is_unspecified()) return false;
  if (address.is_loopback()) return local;
  const bool multicast = host.size() == 4 ? host[0] >= 224 : host[0] == 0xff;
  const bool link_local =
      host.size() == 4 ? host[0] == 169 && host[1] == 254 : host[0] == 0xfe && (host[1] & 0xc0) == 0x80;
  return !multicast && !link_local;
}

std::vector<swarm::PeerAddress> dialable_addresses(const pb::tracker::Peer& peer, bool local) {
  std::vector<swarm::PeerAddress> addresses;
  for (const auto& address : peer.addresses()) {
    if (address.port() > 65535 || addresses.size() == limits::kAddressesPerDevice) continue;
    const auto port = static_cast<std::uint16_t>(address.port());
    const io::SocketAddress found{to_bytes(as_bytes(address.host())), port};
    if (is_dialable(found, local)) addresses.push_back({found.host, port});
  }
  return addresses;
}

}  // namespace p2p::peer
