// SPDX-License-Identifier: MIT
// One connection to the tracker, from name look-up to its end.
//
//   Resolving → Connecting (each address in turn) → Greeting (TLS is up, the tracker speaks first)
//     → Attaching (key set and TLS key checked against the pin) → Attached → Ended
//
// Without a pin the session only learns the tracker's key set (on_session_hello) and must then be
// dropped. Nothing secret is sent before the pin has been checked. on_session_ended comes at most once.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "daemon/base/limits.h"
#include "daemon/io/frame_stream.h"
#include "daemon/io/resolver.h"
#include "daemon/io/timer.h"
#include "daemon/io/tls_stream.h"
#include "daemon/trust/statements.h"
#include "proto/tracker.pb.h"

namespace p2p::peer {

class TrackerSession final : private io::FrameStream::Listener {
 public:
  struct Hello {
    trust::KeySet keys;
    Bytes key_set_bytes;
    WallTime now;
  };
  class Listener {
   public:
    virtual void on_session_hello(const Hello& hello) = 0;
    virtual pb::tracker::Attach make_attach() = 0;
    virtual void on_session_attached(const pb::tracker::Attached& attached) = 0;
    virtual void on_session_response(std::uint64_t id, const pb::tracker::Response& response) = 0;
    virtual void on_session_event(const pb::tracker::Event& event) = 0;
    virtual void on_session_ended(const Error& reason) = 0;

   protected:
    ~Listener() = default;
  };

  TrackerSession(io::Loop& loop, const tls::Context& context, const DeviceId& self, HostPort target,
                 std::optional<TrackerId> pin, std::optional<io::SocketAddress> from, Listener& listener,
                 Duration hello_time = limits::kHelloTime);
  ~TrackerSession();

  bool is_attached() const { return state_ == State::Attached; }
  void send(std::uint64_t id, const pb::tracker::Request& request);
  // Ends the session after what is queued; the listener hears nothing more.
  void shutdown();
  std::uint64_t heard() const { return heard_; }  // how often bytes came
  bool is_local() const { return local_; }        // over loopback

 private:
  enum class State : std::uint8_t { Resolving, Connecting, Greeting, Attaching, Attached, Ended };

  void on_resolved(const io::Resolver::Answer& answer);
  void connect_next();
  void on_timeout();
  void on_frames_open() override;
  void on_frames_heard() override { ++heard_; }
  void on_frame(ByteSpan frame) override;
  void on_frames_closed(const Error& reason) override;
  void on_hello(const pb::tracker::TrackerHello& hello);
  void end(const Error& reason);

  io::Loop& loop_;
  const tls::Context& context_;
  DeviceId self_;
  HostPort target_;
  std::optional<TrackerId> pin_;
  std::optional<io::SocketAddress> from_;
  Listener& listener_;
  const Duration hello_time_;
  State state_ = State::Resolving;
  io::Resolver resolver_;
  io::Timer timer_;
  std::vector<io::SocketAddress> addresses_;  // not yet tried, best last
  io::TlsStream* tls_ = nullptr;              // inside frames_
  std::unique_ptr<io::FrameStream> frames_;
  std::uint64_t heard_ = 0;
  bool local_ = false;
};

}  // namespace p2p::peer
