// SPDX-License-Identifier: MIT
// One TLS connection over memory: ciphertext in, ciphertext out, plaintext in, plaintext out. No socket.
//
// States: handshaking → open → failed or ended (close_notify seen). After every call the owner takes the
// outgoing ciphertext. Errors are sticky. Two channels can shake hands with each other in a test.
#pragma once

#include <memory>

#include "daemon/base/limits.h"
#include "daemon/base/result.h"
#include "daemon/tls/context.h"

struct ssl_st;

namespace p2p::tls {

enum class Side : std::uint8_t { Client, Server };

class Channel {
 public:
  // OpenSSL counts no records: after `records_per_key` of ours we go on with the next key. It answers any
  // number of key updates, and at once: who sends more than limits::kTlsKeyUpdates has failed.
  Channel(const Context& context, Side side, std::uint64_t records_per_key = limits::kTlsRecordsPerKey);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Client: produces the first flight. Server: nothing until feed().
  Status start();
  // Lends ciphertext that has arrived; read() consumes it. All of it is consumed when read() has given 0
  // bytes or an error; only then may the span go away.
  void feed(ByteSpan ciphertext);
  // Decrypts into `out` and drives the handshake. 0: nothing more from what was fed. Code::Closed: the
  // other side ended the connection in order. Anything else is fatal.
  Result<std::size_t> read(std::span<std::uint8_t> out);
  // Encrypts; only when open.
  Status write(ByteSpan plaintext);
  // Queues a close_notify.
  void end();

  bool is_open() const { return open_; }
  // Of the other side's certificate. Known once open.
  const trust::PublicKey& peer_key() const { return peer_key_; }

  // Ciphertext to send; the owner takes it and leaves it empty.
  Bytes& outgoing() { return outgoing_; }

 private:
  Status advance_handshake();
  Status renew_key();
  Error last_error(int result, std::string_view what);
  struct Bio;
  friend struct Bio;
  static void on_message(int is_ours, int version, int type, const void* bytes, std::size_t length, ssl_st*,
                         void* channel);
  struct Free {
    void operator()(ssl_st* ssl) const;
  };
  std::unique_ptr<ssl_st, Free> ssl_;
  ByteSpan incoming_;
  Bytes outgoing_;
  bool open_ = false;
  bool failed_ = false;
  std::uint64_t records_per_key_;
  std::uint64_t records_ = 0;  // with the present key, or some more than in fact
  std::uint32_t key_updates_heard_ = 0;
  trust::PublicKey peer_key_;
};

}  // namespace p2p::tls
