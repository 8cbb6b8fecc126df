// SPDX-License-Identifier: MIT
// The other end of links: members that dial over TLS and say by hand what a test wants, and an owner that
// takes whoever comes. Include it instead of tests/support/check.h.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "daemon/peer/peer_link.h"
#include "tests/support/io_world.h"

namespace p2p::test {

inline DeviceId device_of(const trust::KeyPair& key) { return {trust::fingerprint(key.public_key()).bytes}; }

// Dials and shakes hands; everything after that is the test's.
struct Member {
  Member(World& world, const io::SocketAddress& address) : world_(world), context_(key, tls::kPeerProtocol) {
    auto stream = std::make_unique<Stream>(world.loop);
    EXPECT_OK(stream->connect(address, std::nullopt));
    tls = std::make_unique<io::TlsStream>(world.loop, std::move(stream), context_, tls::Side::Client);
    tls->set_listener(&ear);
  }
  // What a member says before the first message.
  void greet(const ShareKey& share, Bytes grant = {}) {
    wire::Hello hello;
    hello.share = share;
    hello.grant = std::move(grant);
    tls->write(wire::encode_hello(hello));
    wire::Handshake handshake;
    handshake.info_hash = *InfoHashV1::from(share.info_hash.view().first(InfoHashV1::kSize));
    tls->write(wire::encode_handshake(handshake));
  }
  void say(const wire::Message& message) {
    Bytes bytes;
    wire::encode(message, bytes);
    tls->write(bytes);
  }
  bool has_ended() const { return !ear.ends.empty(); }

 private:
  World& world_;

 public:
  trust::KeyPair key = trust::KeyPair::generate();
  DeviceId device = device_of(key);
  Ear ear;
  std::unique_ptr<io::TlsStream> tls;

 private:
  tls::Context context_;
};

// Runs the loop until a condition holds, looking at it now and then.
template <class Condition>
void run_until(World& world, Condition condition) {
  Alarm alarm(world, [&] {
    if (condition()) world.loop.stop();
    else alarm.timer.set(1ms);
  });
  alarm.timer.set(0ms);
  world.run();
}

// For so long.
inline void run_for(World& world, Duration time) {
  Alarm alarm(world, [&] { world.loop.stop(); });
  alarm.timer.set(time);
  world.run();
}

}  // namespace p2p::test
