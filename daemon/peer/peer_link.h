// SPDX-License-Identifier: MIT
// One connection with another member's daemon, from TLS to BitTorrent messages.
//
//   dialled    Securing ──TLS, the expected device key──▶ Greeting (our hello is out)
//                ──its hello and BEP 3 handshake──▶ Open
//   accepted   Securing ──TLS──▶ Greeting ──its hello, accepted by the owner──▶ (our hello and
//                handshake are out) ──its handshake──▶ Open
//   any        ──▶ Closed: on_link_closed, at most once
//
// Every refusal is the same silent close. Until Open a link has LinkTimes::hello, of which TLS may take
// limits::kTlsHandshakeTime. Open links send a keep-alive when silent and are closed when the other side is.
// The owner may destroy a link only from a clean stack (io::Loop::defer), not from inside a callback of this
// link.
#pragma once

#include <memory>
#include <optional>

#include "daemon/base/limits.h"
#include "daemon/io/timer.h"
#include "daemon/io/tls_stream.h"
#include "daemon/trust/statements.h"
#include "daemon/wire/handshake.h"
#include "daemon/wire/hello.h"
#include "daemon/wire/message.h"

namespace p2p::peer {

class PeerLink;

// What a link needs to greet: the share, our grant in its group, and the handshake's info-hash: v1, or the
// truncated v2 hash where there is no v1 (BEP 52) or it is not known yet. The hello has named the share
// already, so who does not know the v1 hash may take any.
struct Greeting {
  ShareKey share;
  Bytes grant;
  std::optional<InfoHashV1> handshake_hash;  // nothing: not known
};

// How long a link waits for the other side.
struct LinkTimes {
  Duration connect = limits::kConnectTime;  // what a dialled link has before the hello's time
  Duration hello = limits::kHelloTime;
  Duration idle_ping = limits::kIdlePing;
  Duration idle_drop = limits::kIdleDrop;
};

class PeerLinkOwner {
 public:
  // The grant was judged good: who is on the other side.
  struct Admission {
    trust::Grant grant;
    Greeting greeting;
  };
  // Judges the other side's hello. Nothing: refused, the link closes.
  virtual std::optional<Admission> admit(PeerLink& link, const wire::Hello& hello) = 0;
  virtual void on_link_open(PeerLink& link, bool fast, bool extended) = 0;
  virtual void on_link_message(PeerLink& link, const wire::Message& message) = 0;
  virtual void on_link_drained(PeerLink& link) = 0;
  virtual void on_link_closed(PeerLink& link, const Error& reason) = 0;

 protected:
  ~PeerLinkOwner() = default;
};

class PeerLink final : private io::Transport::Listener {
 public:
  // Dials. `start()` reports what fails at once.
  PeerLink(io::Loop& loop, const tls::Context& context, PeerLinkOwner& owner, const DeviceId& device,
           Greeting greeting, const LinkTimes& times = {});
  // Accepts.
  PeerLink(io::Loop& loop, const tls::Context& context, PeerLinkOwner& owner,
           std::unique_ptr<io::Stream> stream, const LinkTimes& times = {});
  ~PeerLink();

  Status start(const io::SocketAddress& address, const std::optional<io::SocketAddress>& from);

  bool is_open() const { return state_ == State::Open; }
  bool was_open() const { return was_open_; }  // ever
  bool is_dialled() const { return dialled_; }
  bool is_closed() const { return state_ == State::Closed; }
  const DeviceId& device() const { return device_; }  // known once secured
  const ShareKey& share() const { return greeting_.share; }
  const trust::Grant& grant() const { return *grant_; }            // once open
  const std::string& remote_text() const { return remote_text_; }  // for the log

  void send(const wire::Message& message);
  void send_bytes(ByteSpan encoded);  // whole messages, encoded by the caller
  std::size_t pending_bytes() const { return transport_->pending_bytes(); }
  std::optional<Duration> round_trip() const { return transport_->round_trip(); }
  // Closes without a word to the owner.
  void close();

 private:
  enum class State : std::uint8_t { Securing, Greeting, Shaking, Open, Closed };

  void on_open() override;
  void on_bytes(ByteSpan bytes) override;
  void on_drained() override;
  void on_closed(const Error& reason) override;
  bool take_hello();
  bool take_handshake();
  void send_hello();
  void send_handshake();
  void deliver(ByteSpan bytes);
  void on_timer();
  void watch_silence();
  void end(const Error& reason);

  io::Loop& loop_;
  const tls::Context& context_;
  PeerLinkOwner& owner_;
  const LinkTimes times_;
  bool dialled_;
  bool was_open_ = false;
  State state_ = State::Securing;
  std::string remote_text_ = "?";
  DeviceId device_;
  Greeting greeting_;
  std::optional<trust::Grant> grant_;
  std::unique_ptr<io::TlsStream> transport_;
  io::Timer timer_;
  Bytes early_;  // received before Open
  wire::MessageDecoder decoder_;
  bool choked_up_ = false;  // over limits::kSendBufferBytes, to be cut
  TimePoint heard_{};
  TimePoint spoke_{};
};

}  // namespace p2p::peer
