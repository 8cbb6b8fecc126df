// SPDX-License-Identifier: MIT
// A connection as its user sees it, whatever is below: a TCP or Unix stream, or TLS on one.
//
// States: connecting → open → closed. on_open() comes once, unless the transport began open (accepted
// plain streams). on_closed() comes at most once, with the reason, and never after close() or the
// destructor. End of input by the other side is on_closed() with Code::Closed.
//
// Back-pressure: pending_bytes() is what was written and the kernel has not taken yet; on_drained() comes
// when it falls to the low-water mark after a write left it above. pause_reading() stops on_bytes() soon
// (bytes that TLS has already decrypted may still be delivered once).
#pragma once

#include <cstddef>
#include <optional>

#include "daemon/base/bytes.h"
#include "daemon/base/result.h"
#include "daemon/base/time.h"

namespace p2p::io {

class Transport {
 public:
  class Listener {
   public:
    virtual void on_open() {}
    virtual void on_bytes(ByteSpan bytes) = 0;  // lent for the call
    virtual void on_drained() {}
    virtual void on_closed(const Error& reason) = 0;

   protected:
    ~Listener() = default;
  };

  virtual ~Transport() = default;

  virtual void set_listener(Listener* listener) = 0;  // must outlive the transport or be replaced
  // Copies (TLS) or moves the bytes out. Ignored once closed.
  virtual void write(ByteSpan bytes) = 0;
  virtual std::size_t pending_bytes() const = 0;
  // Of the way alone: the least that a packet and its acknowledgement took. Nothing when that is not known.
  virtual std::optional<Duration> round_trip() const = 0;
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  // Sends what is queued, then closes; cut after `kShutdownTime`. The listener hears nothing more.
  virtual void shutdown() = 0;
  // Closes at once.
  virtual void close() = 0;

  static constexpr auto kShutdownTime = std::chrono::seconds(2);
};

}  // namespace p2p::io
