// SPDX-License-Identifier: MIT
#include "daemon/io/tls_stream.h"

#include "daemon/base/limits.h"

namespace p2p::io {
namespace {

constexpr std::size_t kPlainSlabBytes = 128 * 1024;
constexpr std::size_t kFlushBytes = 128 * 1024;  // written out before the turn ends

// Plaintext is lent for one callback only, and callbacks do not nest, so one slab per thread is enough.
std::span<std::uint8_t> plain_slab() {
  thread_local Buffer slab(kPlainSlabBytes);
  return slab.span();
}

}  // namespace

TlsStream::TlsStream(Loop& loop, std::unique_ptr<Stream> stream, const tls::Context& context, tls::Side side,
                     Duration handshake_time)
    : loop_(loop),
      stream_(std::move(stream)),
      channel_(context, side),
      handshake_timer_(loop, bind<&TlsStream::on_handshake_timeout>(this)),
      alive_(std::make_shared<bool>(true)) {
  stream_->set_listener(this);
  handshake_timer_.set(handshake_time);
}

TlsStream::~TlsStream() { *alive_ = false; }

Duration TlsStream::handshake_time(tls::Side side) {
  return side == tls::Side::Client ? limits::kConnectTime : limits::kTlsHandshakeTime;
}

void TlsStream::set_listener(Transport::Listener* listener) { listener_ = listener; }

void TlsStream::on_open() {
  if (auto status = channel_.start(); !status) fail_with(status.error());
  else flush();
}

void TlsStream::on_bytes(ByteSpan bytes) {
  channel_.feed(bytes);
  const auto alive = alive_;
  while (!closed_) {
    auto got = channel_.read(plain_slab());
    if (!got) {
      flush();  // an alert may tell the other side why
      fail_with(got.error());
      return;
    }
    if (!open_ && channel_.is_open()) {
      open_ = true;
      handshake_timer_.cancel();
      flush();
      if (listener_ != nullptr) listener_->on_open();
      if (!*alive || closed_) return;
    }
    if (*got == 0) break;
    if (listener_ != nullptr) listener_->on_bytes(plain_slab().first(*got));
    if (!*alive) return;
  }
  flush();
}

void TlsStream::on_drained() {
  if (listener_ != nullptr && open_) listener_->on_drained();
}

void TlsStream::on_closed(const Error& reason) { fail_with(reason); }

void TlsStream::on_handshake_timeout() {
  fail_with(Error{Code::TimedOut, "TLS handshake: no answer in time", {}});
}

void TlsStream::fail_with(Error reason) {
  if (closed_) return;
  closed_ = true;
  handshake_timer_.cancel();
  stream_->shutdown();
  auto* const told = listener_;
  listener_ = nullptr;
  if (told != nullptr) told->on_closed(reason);
}

void TlsStream::write(ByteSpan bytes) {
  if (closed_ || !open_) return;
  if (!channel_.write(bytes)) return;  // the read side reports the broken connection
  if (channel_.outgoing().size() >= kFlushBytes) {
    flush();
  } else if (!flush_due_) {
    // Small writes of one turn leave together, in full records and one system call.
    flush_due_ = true;
    loop_.defer([this, alive = alive_] {
      if (*alive) flush();
    });
  }
}

void TlsStream::flush() {
  flush_due_ = false;
  auto& outgoing = channel_.outgoing();
  if (outgoing.empty()) return;
  stream_->write_buffer(std::move(outgoing));
  outgoing = Bytes();
}

std::size_t TlsStream::pending_bytes() const {
  return stream_->pending_bytes() + const_cast<tls::Channel&>(channel_).outgoing().size();
}

std::optional<Duration> TlsStream::round_trip() const { return stream_->round_trip(); }

void TlsStream::pause_reading() { stream_->pause_reading(); }

void TlsStream::resume_reading() { stream_->resume_reading(); }

void TlsStream::shutdown() {
  if (closed_) return;
  closed_ = true;
  listener_ = nullptr;
  handshake_timer_.cancel();
  channel_.end();
  flush();
  stream_->shutdown();
}

void TlsStream::close() {
  if (closed_) return;
  closed_ = true;
  listener_ = nullptr;
  handshake_timer_.cancel();
  stream_->close();
}

}  // namespace p2p::io
