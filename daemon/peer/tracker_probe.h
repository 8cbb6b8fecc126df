// SPDX-License-Identifier: MIT
// Asks a tracker at HOST:PORT for its fingerprint, before anybody trusts it, and tells it nothing.
#pragma once

#include <functional>

#include "daemon/peer/tracker_session.h"
#include "daemon/trust/address.h"

namespace p2p::peer {

class TrackerProbe final : private TrackerSession::Listener {
 public:
  // `done` comes once, from the loop, unless the probe is destroyed first; it may destroy the probe.
  using Done = std::function<void(Result<trust::TrackerAddress>)>;
  TrackerProbe(io::Loop& loop, const tls::Context& context, const DeviceId& self, const HostPort& target,
               std::optional<io::SocketAddress> from, Done done)
      : loop_(loop),
        target_(target),
        done_(std::move(done)),
        session_(loop, context, self, target, std::nullopt, std::move(from), *this) {}

 private:
  void finish(Result<trust::TrackerAddress> result) {
    // On a clean stack: the session that reports may die with us.
    auto done = std::move(done_);
    done_ = nullptr;
    if (done) loop_.defer([done = std::move(done), result = std::move(result)] { done(result); });
  }
  void on_session_hello(const TrackerSession::Hello& hello) override {
    finish(trust::TrackerAddress{target_, hello.keys.tracker()});
  }
  pb::tracker::Attach make_attach() override { return {}; }
  void on_session_attached(const pb::tracker::Attached&) override {}
  void on_session_response(std::uint64_t, const pb::tracker::Response&) override {}
  void on_session_event(const pb::tracker::Event&) override {}
  void on_session_ended(const Error& reason) override {
    finish(fail(Code::TrackerUnreachable,
                "the tracker " + target_.text() + " cannot be reached: " + reason.message,
                "check the address, and that the tracker runs"));
  }

  io::Loop& loop_;
  HostPort target_;
  Done done_;
  TrackerSession session_;
};

}  // namespace p2p::peer
