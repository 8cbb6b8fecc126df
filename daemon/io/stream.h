// SPDX-License-Identifier: MIT
// A TCP or Unix stream socket, and the listening socket that accepts them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "daemon/base/units.h"
#include "daemon/io/loop.h"
#include "daemon/io/transport.h"

struct sockaddr_storage;

namespace p2p::io {

// An IP address and port; IPv4-mapped IPv6 is normalised to IPv4.
struct SocketAddress {
  Bytes host;  // 4 or 16 bytes
  std::uint16_t port = 0;

  static Result<SocketAddress> parse(const HostPort& text);  // literal addresses only
  bool is_loopback() const;
  bool is_unspecified() const;
  std::string text() const;
  auto operator<=>(const SocketAddress&) const = default;
};

class Stream final : public Transport {
 public:
  explicit Stream(Loop& loop);
  ~Stream() override;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Starts to connect; on_open() or on_closed() follows. `from` binds the local address (port 0).
  Status connect(const SocketAddress& to, const std::optional<SocketAddress>& from);
  Status connect_unix(const std::string& path);

  void set_listener(Listener* listener) override;
  void write(ByteSpan bytes) override;
  void write_buffer(Bytes bytes);  // without a copy
  std::size_t pending_bytes() const override;
  std::optional<Duration> round_trip() const override;
  void pause_reading() override;
  void resume_reading() override;
  void shutdown() override;
  void close() override;

  std::optional<SocketAddress> remote() const;  // of a TCP stream
  std::optional<SocketAddress> local() const;
  int descriptor() const;  // for SO_PEERCRED

 private:
  friend class Acceptor;
  struct Handle;
  Loop& loop_;
  Handle* handle_;
};

// Accepts connections. The socket stays open (accepting continues) until it is destroyed. A connection
// that cannot be taken (no descriptors left) waits in the kernel's queue and is tried again.
class Acceptor {
 public:
  class Listener {
   public:
    virtual void on_accept(std::unique_ptr<Stream> stream) = 0;

   protected:
    ~Listener() = default;
  };

  Acceptor(Loop& loop, Listener& listener);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Gives the address in fact (port 0 becomes a real one). "[::]" listens on IPv4 too.
  Result<SocketAddress> listen(const SocketAddress& address);
  // Takes the place of a stale socket of ours; the mode is 0600. Refuses paths of over 107 bytes. PATH.lock
  // is held as long as we listen, so that a living daemon's socket is never taken for a stale one.
  Status listen_unix(const std::string& path);

 private:
  struct Handle;
  Loop& loop_;
  Listener& listener_;
  Handle* handle_ = nullptr;
  std::string path_;  // to unlink at the end
  int lock_ = -1;
};

}  // namespace p2p::io
