// SPDX-License-Identifier: MIT
#include "daemon/peer/peer_link.h"

#include <algorithm>

namespace p2p::peer {
namespace {

constexpr std::size_t kEarlyBytes = limits::kFirstFrameBytes + wire::kHandshakeBytes + 512 * limits::kKiB;

InfoHashV1 truncated(const InfoHash& info_hash) {
  return *InfoHashV1::from(info_hash.view().first(InfoHashV1::kSize));
}

Error refused() { return {Code::NotAllowed, "refused", {}}; }

}  // namespace

PeerLink::PeerLink(io::Loop& loop, const tls::Context& context, PeerLinkOwner& owner, const DeviceId& device,
                   Greeting greeting, const LinkTimes& times)
    : loop_(loop),
      context_(context),
      owner_(owner),
      times_(times),
      dialled_(true),
      device_(device),
      greeting_(std::move(greeting)),
      timer_(loop, bind<&PeerLink::on_timer>(this)) {}

PeerLink::PeerLink(io::Loop& loop, const tls::Context& context, PeerLinkOwner& owner,
                   std::unique_ptr<io::Stream> stream, const LinkTimes& times)
    : loop_(loop),
      context_(context),
      owner_(owner),
      times_(times),
      dialled_(false),
      timer_(loop, bind<&PeerLink::on_timer>(this)) {
  if (const auto remote = stream->remote()) remote_text_ = remote->text();
  transport_ = std::make_unique<io::TlsStream>(loop_, std::move(stream), context_, tls::Side::Server);
  transport_->set_listener(this);
  timer_.set(times_.hello);
}

PeerLink::~PeerLink() = default;

Status PeerLink::start(const io::SocketAddress& address, const std::optional<io::SocketAddress>& from) {
  remote_text_ = address.text();
  auto stream = std::make_unique<io::Stream>(loop_);
  if (auto status = stream->connect(address, from); !status) return status;
  transport_ = std::make_unique<io::TlsStream>(loop_, std::move(stream), context_, tls::Side::Client);
  transport_->set_listener(this);
  timer_.set(times_.connect + times_.hello);
  return {};
}

void PeerLink::on_open() {
  const DeviceId found{transport_->peer_fingerprint().bytes};
  if (dialled_ && found != device_) {
    end(Error{Code::Integrity, "another device answers there", {}});
    return;
  }
  device_ = found;
  state_ = State::Greeting;
  if (dialled_) send_hello();
}

void PeerLink::on_bytes(ByteSpan bytes) {
  heard_ = loop_.now();
  if (state_ == State::Open) {
    deliver(bytes);
    return;
  }
  if (early_.size() + bytes.size() > kEarlyBytes) {
    end(refused());
    return;
  }
  early_.insert(early_.end(), bytes.begin(), bytes.end());
  if (state_ == State::Greeting && !take_hello()) return;
  if (state_ == State::Shaking && !take_handshake()) return;
  if (state_ == State::Open && !early_.empty()) {
    const auto rest = std::move(early_);
    early_ = Bytes();
    deliver(rest);
  }
}

// False: nothing more to do now.
bool PeerLink::take_hello() {
  std::size_t used = 0;
  const auto hello = wire::decode_hello(early_, used);
  if (!hello) {
    end(refused());
    return false;
  }
  if (!*hello) return false;
  if (dialled_ && (*hello)->share != greeting_.share) {
    end(refused());
    return false;
  }
  auto admission = owner_.admit(*this, **hello);
  if (!admission) {
    end(refused());
    return false;
  }
  early_.erase(early_.begin(), early_.begin() + static_cast<std::ptrdiff_t>(used));
  grant_ = std::move(admission->grant);
  greeting_ = std::move(admission->greeting);
  if (!dialled_) send_hello();
  send_handshake();
  state_ = State::Shaking;
  return true;
}

bool PeerLink::take_handshake() {
  std::size_t used = 0;
  const auto handshake = wire::decode_handshake(early_, used);
  const auto& known = greeting_.handshake_hash;
  const auto is_good = [&](const InfoHashV1& hash) {
    return !known || hash == *known || hash == truncated(greeting_.share.info_hash);
  };
  if (!handshake || (*handshake && !is_good((*handshake)->info_hash))) {
    end(refused());
    return false;
  }
  if (!*handshake) return false;
  early_.erase(early_.begin(), early_.begin() + static_cast<std::ptrdiff_t>(used));
  state_ = State::Open;
  was_open_ = true;
  spoke_ = loop_.now();
  watch_silence();
  owner_.on_link_open(*this, (*handshake)->features.fast, (*handshake)->features.extensions);
  return state_ == State::Open;
}

void PeerLink::send_hello() {
  wire::Hello hello;
  hello.share = greeting_.share;
  hello.grant = greeting_.grant;
  transport_->write(wire::encode_hello(hello));
}

void PeerLink::send_handshake() {
  wire::Handshake handshake;
  handshake.info_hash = greeting_.handshake_hash.value_or(truncated(greeting_.share.info_hash));
  // A fresh id for each link: the device id is what identifies us, and that is not for this place.
  handshake.peer_id = trust::random_id<WirePeerId>();
  transport_->write(wire::encode_handshake(handshake));
}

void PeerLink::deliver(ByteSpan bytes) {
  decoder_.feed(bytes);
  while (state_ == State::Open) {
    auto message = decoder_.next();
    if (!message) {
      end(Error{Code::Integrity, std::string(wire::describe(message.error())), {}});
      return;
    }
    if (!*message) return;
    owner_.on_link_message(*this, **message);
  }
}

void PeerLink::send(const wire::Message& message) {
  Bytes encoded;
  wire::encode(message, encoded);
  send_bytes(encoded);
}

void PeerLink::send_bytes(ByteSpan encoded) {
  if (state_ != State::Open) return;
  spoke_ = loop_.now();
  transport_->write(encoded);
  // Who never reads while it keeps asking is cut, on a clean stack.
  if (transport_->pending_bytes() > 2 * limits::kSendBufferBytes && !choked_up_) {
    choked_up_ = true;
    timer_.set(Duration(0));
  }
}

void PeerLink::on_timer() {
  if (state_ != State::Open) {
    end(Error{Code::TimedOut, "no greeting in time", {}});
    return;
  }
  if (choked_up_) {
    end(Error{Code::Limit, "it does not read what it asked for", {}});
    return;
  }
  const auto now = loop_.now();
  if (now - heard_ >= times_.idle_drop) {
    end(Error{Code::TimedOut, "silent for too long", {}});
    return;
  }
  if (now - spoke_ >= times_.idle_ping) send(wire::KeepAlive{});
  watch_silence();
}

void PeerLink::watch_silence() {
  if (!choked_up_) timer_.set_at(std::min(heard_ + times_.idle_drop, spoke_ + times_.idle_ping));
}

void PeerLink::on_drained() {
  if (state_ == State::Open) owner_.on_link_drained(*this);
}

void PeerLink::on_closed(const Error& reason) { end(reason); }

void PeerLink::end(const Error& reason) {
  if (state_ == State::Closed) return;
  state_ = State::Closed;
  timer_.cancel();
  if (transport_ != nullptr) transport_->close();
  owner_.on_link_closed(*this, reason);
}

void PeerLink::close() {
  if (state_ == State::Closed) return;
  state_ = State::Closed;
  timer_.cancel();
  if (transport_ != nullptr) transport_->shutdown();
}

}  // namespace p2p::peer
