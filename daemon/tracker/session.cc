// SPDX-License-Identifier: MIT
#include "daemon/tracker/session.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/log.h"
#include "daemon/tracker/registry.h"
#include "daemon/tracker/version.h"

namespace p2p::tracker {

std::string source_of(const io::SocketAddress& address) {
  constexpr std::size_t kIpv6NetworkBytes = 8;
  const auto host = ByteSpan(address.host);
  return to_string(host.size() > kIpv6NetworkBytes ? host.first(kIpv6NetworkBytes) : host);
}

Session::Session(io::Loop& loop, std::uint64_t number, std::unique_ptr<io::Stream> stream,
                 const tls::Context& context, const Times& times, UploadBudget budget, Listener& listener)
    : loop_(loop),
      number_(number),
      times_(times),
      listener_(listener),
      remote_(stream->remote().value_or(io::SocketAddress{})),
      source_(source_of(remote_)),
      tls_(new io::TlsStream(loop, std::move(stream), context, tls::Side::Server)),
      frames_(std::unique_ptr<io::Transport>(tls_), limits::kFirstFrameBytes, *this),
      timer_(loop, bind<&Session::on_timeout>(this)),
      last_heard_(loop.now()),
      uploads_(std::move(budget)) {
  timer_.set(times_.hello);
}

void Session::set_logged_in(bool logged_in) {
  logged_in_ = logged_in;
  frames_.set_max_bytes(logged_in ? limits::kClientFrameBytes : limits::kFirstFrameBytes);
}

void Session::set_attached(std::uint16_t listen_port) {
  attached_ = true;
  listen_port_ = listen_port;
}

void Session::on_frames_open() {
  key_ = tls_->peer_key();
  device_.bytes = tls_->peer_fingerprint().bytes;
  state_ = State::Greeting;
  msg::Frame frame;
  *frame.mutable_tracker_hello() = listener_.greeting(*this);
  send(frame);
}

void Session::on_frame(ByteSpan bytes) {
  if (state_ == State::Ended) return;
  last_heard_ = loop_.now();
  msg::Frame frame;
  if (const auto parsed = proto::parse_frame(bytes, frame); !parsed) {
    end(parsed.error());
    return;
  }
  if (state_ == State::Greeting) {
    take_hello(frame);
  } else if (frame.body_case() == msg::Frame::kRequest) {
    timer_.set(times_.offline_after);
    listener_.on_request(*this, frame.id(), frame.request());
  } else {
    timer_.set(times_.offline_after);  // frames that we do not know are ignored
  }
}

void Session::take_hello(const msg::Frame& frame) {
  if (frame.body_case() != msg::Frame::kClientHello) {
    end({Code::InvalidArgument, "the first frame must be a hello"});
    return;
  }
  const auto& hello = frame.client_hello();
  if (hello.version_min() > kProtocolVersionMax || hello.version_max() < kProtocolVersionMin) {
    end({Code::Unsupported,
         fmt::format("the tracker speaks protocol versions {} to {}, this daemon {} to {}",
                     kProtocolVersionMin, kProtocolVersionMax, hello.version_min(), hello.version_max()),
         "bring the older of the two up to date"});
    return;
  }
  state_ = State::Open;
  timer_.set(times_.offline_after);
  log::debug("session open", {{"session", number_},
                              {"device", device_.hex()},
                              {"address", remote_.text()},
                              {"software", hello.software()}});
  listener_.on_session_open(*this);
}

void Session::answer(std::uint64_t frame_id, msg::Response response) {
  msg::Frame frame;
  frame.set_id(frame_id);
  *frame.mutable_response() = std::move(response);
  send(frame);
  // A client that asks and does not read the answers is not asked for more until it does.
  if (state_ == State::Open && unread_bytes() > limits::kSendBufferBytes) tls_->pause_reading();
}

void Session::push(msg::Event event) {
  msg::Frame frame;
  *frame.mutable_event() = std::move(event);
  send(frame);
}

void Session::send(const msg::Frame& frame) {
  if (state_ == State::Handshaking || state_ == State::Ended) return;
  if (unread_bytes() > limits::kEventBytesPerSession) {
    state_ = State::Ended;
    timer_.cancel();
    frames_.close();
    listener_.on_session_ended(*this, {Code::Limit, "the client does not read what it is sent"});
    return;
  }
  frames_.send(frame);
}

void Session::on_frames_drained() {
  if (state_ != State::Ended) tls_->resume_reading();
}

void Session::end(const Error& reason) {
  if (state_ == State::Ended) return;
  if (state_ != State::Handshaking) {
    msg::Frame frame;
    *frame.mutable_event()->mutable_session_ended()->mutable_error() = error_response(reason).error();
    frames_.send(frame);
  }
  state_ = State::Ended;
  timer_.cancel();
  frames_.shutdown();
  listener_.on_session_ended(*this, reason);
}

void Session::on_frames_closed(const Error& reason) {
  if (state_ == State::Ended) return;
  state_ = State::Ended;
  timer_.cancel();
  listener_.on_session_ended(*this, reason);
}

void Session::on_timeout() {
  end({Code::TimedOut,
       state_ == State::Open ? "nothing was heard for too long" : "the hello did not come in time"});
}

}  // namespace p2p::tracker
