// SPDX-License-Identifier: MIT
// The hostile member's way out: the two functions of PeerLink through which every message leaves, in place of
// the library's (the linker takes the first definition that it sees). All else is p2pd as it is.
#include "daemon/peer/peer_link.h"
#include "tests/hostile/attack.h"

namespace p2p::peer {
namespace {

std::size_t length_of_first(ByteSpan encoded) {
  return 4 + (std::size_t{encoded[0]} << 24 | std::size_t{encoded[1]} << 16 | std::size_t{encoded[2]} << 8 |
              encoded[3]);
}

}  // namespace

void PeerLink::send(const wire::Message& message) {
  Bytes encoded;
  wire::encode(message, encoded);
  send_bytes(encoded);
}

void PeerLink::send_bytes(ByteSpan encoded) {
  if (state_ != State::Open) return;
  spoke_ = loop_.now();
  while (!encoded.empty()) {
    auto message = to_bytes(encoded.first(length_of_first(encoded)));
    encoded = encoded.subspan(message.size());
    hostile::attack()(message);
    if (!message.empty()) transport_->write(message);
  }
}

}  // namespace p2p::peer
