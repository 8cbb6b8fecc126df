// SPDX-License-Identifier: MIT
// The hostile member's way out: the functions of PeerLink through which every message leaves, and those that
// tell when a link begins to be of use and when it is gone, in place of the library's (the linker takes the
// first definition that it sees). All else is p2pd as it is.
#include <map>
#include <utility>

#include "daemon/io/timer.h"
#include "daemon/peer/peer_link.h"
#include "daemon/swarm/peer_book.h"
#include "tests/hostile/attack.h"

namespace p2p::peer {
namespace {

std::size_t length_of_first(ByteSpan encoded) {
  return 4 + (std::size_t{encoded[0]} << 24 | std::size_t{encoded[1]} << 16 | std::size_t{encoded[2]} << 8 |
              encoded[3]);
}

// What the attack does on one link, which it outlives in no case.
class Hand {
 public:
  Hand(io::Loop& loop, PeerLink& link) : link_(link), timer_(loop, bind<&Hand::on_tick>(this)) {
    if (hostile::attack().on_tick != nullptr) timer_.set(hostile::attack().period);
  }

  // Of whole messages, those that leave.
  Bytes play(ByteSpan encoded) {
    Bytes out = std::exchange(ticked_, {});
    while (!encoded.empty()) {
      auto message = to_bytes(encoded.first(length_of_first(encoded)));
      encoded = encoded.subspan(message.size());
      hostile::attack().on_message(memory_, message);
      out.insert(out.end(), message.begin(), message.end());
    }
    return out;
  }
  bool wants_end() const { return wants_end_; }

 private:
  void on_tick() {
    wants_end_ = !hostile::attack().on_tick(memory_, ticked_);
    timer_.set(hostile::attack().period);
    link_.send_bytes({});
  }

  PeerLink& link_;
  hostile::Memory memory_;
  Bytes ticked_;
  bool wants_end_ = false;
  io::Timer timer_;
};

std::map<const PeerLink*, Hand>& hands() {
  static std::map<const PeerLink*, Hand> all;
  return all;
}

}  // namespace

PeerLink::~PeerLink() { hands().erase(this); }

void PeerLink::send(const wire::Message& message) {
  Bytes encoded;
  wire::encode(message, encoded);
  send_bytes(encoded);
}

void PeerLink::send_bytes(ByteSpan encoded) {
  if (state_ != State::Open) return;
  spoke_ = loop_.now();
  auto& hand = hands().try_emplace(this, loop_, *this).first->second;
  const auto out = hand.play(encoded);
  if (!out.empty()) transport_->write(out);
  if (hand.wants_end()) end(Error{Code::Closed, "cut by the attack", {}});
}

}  // namespace p2p::peer

namespace p2p::swarm {

void PeerBook::on_disconnected(const DeviceId& device, TimePoint now) {
  const auto found = entries_.find(device);
  if (found == entries_.end() || found->second.state != State::Connected) return;
  found->second.state = State::Idle;
  found->second.next_try = hostile::attack().dials_at_once ? now : now + kFirstWait;
  forget_if_useless(found);
}

}  // namespace p2p::swarm
