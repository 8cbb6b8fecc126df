// SPDX-License-Identifier: MIT
// Protobuf frames over any transport: both ends of the tracker session and of the control socket.
//
// A frame over the limit or one that is no message closes the connection with that reason. Frames are
// delivered one at a time; the listener may destroy the stream from inside.
#pragma once

#include <google/protobuf/message_lite.h>
#include <memory>

#include "daemon/io/transport.h"
#include "proto/frame.h"

namespace p2p::io {

class FrameStream final : private Transport::Listener {
 public:
  class Listener {
   public:
    virtual void on_frames_open() {}            // the transport opened (TLS: handshake done)
    virtual void on_frames_heard() {}           // bytes came, of a whole frame or not
    virtual void on_frame(ByteSpan frame) = 0;  // lent for the call; parse with proto::parse_frame
    virtual void on_frames_drained() {}
    virtual void on_frames_closed(const Error& reason) = 0;

   protected:
    ~Listener() = default;
  };

  FrameStream(std::unique_ptr<Transport> transport, std::size_t max_bytes, Listener& listener);
  ~FrameStream();

  void send(const google::protobuf::MessageLite& message);
  void set_max_bytes(std::size_t max_bytes) { decoder_.set_max_bytes(max_bytes); }
  Transport& transport() { return *transport_; }
  void shutdown();  // after what is queued
  void close();

 private:
  void on_open() override;
  void on_bytes(ByteSpan bytes) override;
  void on_drained() override;
  void on_closed(const Error& reason) override;

  std::unique_ptr<Transport> transport_;
  proto::FrameDecoder decoder_;
  Listener& listener_;
  std::shared_ptr<bool> alive_;  // false once closed or destroyed: no frame is delivered any more
};

}  // namespace p2p::io
