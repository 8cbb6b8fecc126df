// SPDX-License-Identifier: MIT
// One connection of a peer daemon: TLS, the two hellos, and frames after them. What requests mean is the
// listener's business.
//
//   handshaking ──TLS open, TrackerHello sent──▶ greeting ──client's Hello──▶ open ──▶ ended
//
// A session that is not open after Times::hello ends; later one that is silent for longer than
// `offline_after` ends. An ended session answers nothing, pushes nothing, and is about to be destroyed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "daemon/base/limits.h"
#include "daemon/io/frame_stream.h"
#include "daemon/io/tls_stream.h"
#include "daemon/tracker/uploads.h"
#include "proto/tracker.pb.h"

namespace p2p::tracker {

namespace msg = ::p2p::pb::tracker;

// Where a connection comes from, for limits: the IPv4 address, or the /64 of an IPv6 one.
std::string source_of(const io::SocketAddress& address);

class Session final : private io::FrameStream::Listener {
 public:
  class Listener {
   public:
    // The TLS peer's key is known; gives the first frame.
    virtual msg::TrackerHello greeting(const Session& session) = 0;
    virtual void on_session_open(Session& session) = 0;
    virtual void on_request(Session& session, std::uint64_t frame, const msg::Request& request) = 0;
    // The last call. The session must not be destroyed from inside.
    virtual void on_session_ended(Session& session, const Error& reason) = 0;

   protected:
    ~Listener() = default;
  };

  struct Times {
    Duration offline_after;
    Duration hello = limits::kHelloTime;
  };

  Session(io::Loop& loop, std::uint64_t number, std::unique_ptr<io::Stream> stream,
          const tls::Context& context, const Times& times, UploadBudget budget, Listener& listener);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::uint64_t number() const { return number_; }
  bool is_open() const { return state_ == State::Open; }
  bool has_ended() const { return state_ == State::Ended; }
  const io::SocketAddress& remote() const { return remote_; }
  const std::string& source() const { return source_; }
  TimePoint last_heard() const { return last_heard_; }
  // Known once open.
  const trust::PublicKey& key() const { return key_; }
  const DeviceId& device() const { return device_; }

  // A session that is logged in may send larger frames and does not count as a stranger's.
  bool is_logged_in() const { return logged_in_; }
  void set_logged_in(bool logged_in);
  bool is_attached() const { return attached_; }
  std::uint16_t listen_port() const { return listen_port_; }
  void set_attached(std::uint16_t listen_port);
  Uploads& uploads() { return uploads_; }
  std::size_t unread_bytes() const { return tls_->pending_bytes(); }

  void answer(std::uint64_t frame, msg::Response response);
  void push(msg::Event event);
  // Tells the client why, then closes.
  void end(const Error& reason);

 private:
  enum class State : std::uint8_t { Handshaking, Greeting, Open, Ended };

  void on_frames_open() override;
  void on_frame(ByteSpan frame) override;
  void on_frames_drained() override;
  void on_frames_closed(const Error& reason) override;
  void on_timeout();
  void take_hello(const msg::Frame& frame);
  void send(const msg::Frame& frame);

  io::Loop& loop_;
  const std::uint64_t number_;
  const Times times_;
  Listener& listener_;
  io::SocketAddress remote_;
  std::string source_;
  io::TlsStream* tls_;  // owned by frames_
  io::FrameStream frames_;
  io::Timer timer_;
  State state_ = State::Handshaking;
  TimePoint last_heard_;
  trust::PublicKey key_;
  DeviceId device_;
  bool logged_in_ = false;
  bool attached_ = false;
  std::uint16_t listen_port_ = 0;
  Uploads uploads_;
};

}  // namespace p2p::tracker
