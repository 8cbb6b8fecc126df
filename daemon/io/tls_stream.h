// SPDX-License-Identifier: MIT
// TLS on a TCP stream. on_open() comes when the handshake is done; peer_key() is then known and the owner
// decides whether it is welcome. Note for dialling sides (TLS 1.3): open says that we accepted the other
// side; that it accepted us is known only with its first byte.
#pragma once

#include <memory>

#include "daemon/io/stream.h"
#include "daemon/io/timer.h"
#include "daemon/tls/channel.h"

namespace p2p::io {

class TlsStream final : public Transport, private Transport::Listener {
 public:
  // An accepted stream (Side::Server), or one that is connecting (Side::Client). The context must
  // outlive this. The handshake has so long; a client's includes connecting.
  TlsStream(Loop& loop, std::unique_ptr<Stream> stream, const tls::Context& context, tls::Side side,
            Duration handshake_time);
  TlsStream(Loop& loop, std::unique_ptr<Stream> stream, const tls::Context& context, tls::Side side)
      : TlsStream(loop, std::move(stream), context, side, handshake_time(side)) {}
  ~TlsStream();
  // limits::kTlsHandshakeTime or, of a client, limits::kConnectTime.
  static Duration handshake_time(tls::Side side);

  const trust::PublicKey& peer_key() const { return channel_.peer_key(); }
  trust::Fingerprint peer_fingerprint() const { return trust::fingerprint(channel_.peer_key()); }
  Stream& stream() { return *stream_; }

  void set_listener(Transport::Listener* listener) override;
  void write(ByteSpan bytes) override;
  std::size_t pending_bytes() const override;
  std::optional<Duration> round_trip() const override;
  void pause_reading() override;
  void resume_reading() override;
  void shutdown() override;
  void close() override;

 private:
  void on_open() override;
  void on_bytes(ByteSpan bytes) override;
  void on_drained() override;
  void on_closed(const Error& reason) override;
  void on_handshake_timeout();
  void flush();
  void fail_with(Error reason);

  Loop& loop_;
  std::unique_ptr<Stream> stream_;
  tls::Channel channel_;
  Transport::Listener* listener_ = nullptr;
  Timer handshake_timer_;
  bool open_ = false;
  bool closed_ = false;
  bool flush_due_ = false;
  std::shared_ptr<bool> alive_;  // false once destroyed: deferred flushes and callbacks look at it
};

}  // namespace p2p::io
