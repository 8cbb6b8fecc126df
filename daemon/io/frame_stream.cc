// SPDX-License-Identifier: MIT
#include "daemon/io/frame_stream.h"

namespace p2p::io {

FrameStream::FrameStream(std::unique_ptr<Transport> transport, std::size_t max_bytes, Listener& listener)
    : transport_(std::move(transport)),
      decoder_(max_bytes),
      listener_(listener),
      alive_(std::make_shared<bool>(true)) {
  transport_->set_listener(this);
}

FrameStream::~FrameStream() {
  *alive_ = false;
  transport_->set_listener(nullptr);
}

void FrameStream::send(const google::protobuf::MessageLite& message) {
  transport_->write(proto::encode_frame(message));
}

void FrameStream::shutdown() {
  *alive_ = false;
  transport_->shutdown();
}

void FrameStream::close() {
  *alive_ = false;
  transport_->close();
}

void FrameStream::on_open() { listener_.on_frames_open(); }

void FrameStream::on_bytes(ByteSpan bytes) {
  listener_.on_frames_heard();
  decoder_.feed(bytes);
  const auto alive = alive_;
  while (true) {
    auto frame = decoder_.next();
    if (!frame) {
      transport_->close();
      listener_.on_frames_closed(frame.error());
      return;
    }
    if (!*frame) return;
    listener_.on_frame(**frame);
    if (!*alive) return;
  }
}

void FrameStream::on_drained() { listener_.on_frames_drained(); }

void FrameStream::on_closed(const Error& reason) { listener_.on_frames_closed(reason); }

}  // namespace p2p::io
