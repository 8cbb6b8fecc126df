// SPDX-License-Identifier: MIT
#include "daemon/peer/tracker_session.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/names.h"

namespace p2p::peer {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kAttachId = 1;

}  // namespace

TrackerSession::TrackerSession(io::Loop& loop, const tls::Context& context, const DeviceId& self,
                               HostPort target, std::optional<TrackerId> pin,
                               std::optional<io::SocketAddress> from, Listener& listener, Duration hello_time)
    : loop_(loop),
      context_(context),
      self_(self),
      target_(std::move(target)),
      pin_(pin),
      from_(std::move(from)),
      listener_(listener),
      hello_time_(hello_time),
      resolver_(loop, bind<&TrackerSession::on_resolved>(this)),
      timer_(loop, bind<&TrackerSession::on_timeout>(this)) {
  resolver_.resolve(target_);
  timer_.set(limits::kConnectTime);
}

TrackerSession::~TrackerSession() = default;

void TrackerSession::on_resolved(const io::Resolver::Answer& answer) {
  if (!answer) {
    end(answer.error());
    return;
  }
  addresses_ = *answer;
  std::reverse(addresses_.begin(), addresses_.end());
  connect_next();
}

void TrackerSession::connect_next() {
  Error last{Code::TrackerUnreachable, fmt::format("cannot connect to {}", target_.text()), {}};
  while (!addresses_.empty()) {
    const auto address = addresses_.back();
    addresses_.pop_back();
    auto stream = std::make_unique<io::Stream>(loop_);
    if (auto status = stream->connect(address, from_); !status) {
      last = status.error();
      continue;
    }
    state_ = State::Connecting;
    local_ = address.is_loopback();
    auto tls = std::make_unique<io::TlsStream>(loop_, std::move(stream), context_, tls::Side::Client);
    tls_ = tls.get();
    io::FrameStream::Listener& listener = *this;
    frames_ = std::make_unique<io::FrameStream>(std::move(tls), limits::kServerFrameBytes, listener);
    timer_.set(limits::kConnectTime);
    return;
  }
  end(last);
}

void TrackerSession::on_timeout() {
  end(Error{Code::TrackerUnreachable, fmt::format("{} does not answer", target_.text()), {}});
}

void TrackerSession::on_frames_open() {
  state_ = State::Greeting;
  timer_.set(hello_time_);
}

void TrackerSession::on_frames_closed(const Error& reason) {
  if (state_ == State::Connecting && !addresses_.empty()) {
    // The stream that reports is still on the stack.
    loop_.defer([old = std::shared_ptr<io::FrameStream>(std::move(frames_))] {});
    connect_next();
    return;
  }
  end(reason);
}

void TrackerSession::on_frame(ByteSpan bytes) {
  pb::tracker::Frame frame;
  if (auto status = proto::parse_frame(bytes, frame); !status) {
    end(status.error().in("the tracker"));
    return;
  }
  switch (frame.body_case()) {
    case pb::tracker::Frame::kTrackerHello:
      if (state_ == State::Greeting) on_hello(frame.tracker_hello());
      break;
    case pb::tracker::Frame::kResponse:
      if (state_ == State::Attaching && frame.id() == kAttachId) {
        if (!frame.response().has_attached()) {
          const auto& error = frame.response().error();
          end(Error{code_from_name(error.code()), "the tracker refuses: " + printable(error.message()),
                    error.hint()});
          return;
        }
        state_ = State::Attached;
        timer_.cancel();
        listener_.on_session_attached(frame.response().attached());
      } else if (state_ == State::Attached) {
        listener_.on_session_response(frame.id(), frame.response());
      }
      break;
    case pb::tracker::Frame::kEvent:
      if (frame.event().has_session_ended()) {
        const auto& error = frame.event().session_ended().error();
        end(Error{code_from_name(error.code()), printable(error.message()), printable(error.hint())});
      } else if (state_ == State::Attached) {
        listener_.on_session_event(frame.event());
      }
      break;
    default: break;  // unknown frames are ignored
  }
}

void TrackerSession::on_hello(const pb::tracker::TrackerHello& message) {
  if (message.hello().version_min() > kVersion || message.hello().version_max() < kVersion) {
    end(Error{Code::Unsupported,
              fmt::format("the tracker speaks versions {} to {}, this program speaks {}",
                          message.hello().version_min(), message.hello().version_max(), kVersion),
              "update the older of the two"});
    return;
  }
  auto keys = pin_ ? trust::KeySet::open(as_bytes(message.key_set()), *pin_)
                   : trust::KeySet::open_unpinned(as_bytes(message.key_set()));
  if (!keys) {
    end(keys.error());
    return;
  }
  auto time = trust::TimeStatement::open(as_bytes(message.signed_time()), *keys);
  const auto tls_key = tls_->peer_fingerprint();
  const bool is_its_key =
      std::find(keys->tls_keys.begin(), keys->tls_keys.end(), tls_key) != keys->tls_keys.end();
  if (!time || time->device != self_ || !is_its_key || time->now < keys->not_before ||
      time->now > keys->not_after) {
    end(Error{Code::Integrity, fmt::format("{} does not prove to be the tracker it names", target_.text()),
              "somebody may be in between; do not go on from this network"});
    return;
  }
  state_ = State::Attaching;
  const bool pinned = pin_.has_value();
  const auto attach = pinned ? listener_.make_attach() : pb::tracker::Attach();
  if (pinned) {
    pb::tracker::Frame hello;
    hello.mutable_client_hello()->set_version_min(kVersion);
    hello.mutable_client_hello()->set_version_max(kVersion);
    hello.mutable_client_hello()->set_software("p2pd " P2P_VERSION);
    frames_->send(hello);
    pb::tracker::Request request;
    *request.mutable_attach() = attach;
    send(kAttachId, request);
    timer_.set(hello_time_);
  }
  listener_.on_session_hello({std::move(*keys), to_bytes(as_bytes(message.key_set())), time->now});
}

void TrackerSession::send(std::uint64_t id, const pb::tracker::Request& request) {
  if (frames_ == nullptr) return;
  pb::tracker::Frame frame;
  frame.set_id(id);
  *frame.mutable_request() = request;
  frames_->send(frame);
}

void TrackerSession::shutdown() {
  state_ = State::Ended;
  timer_.cancel();
  if (frames_ != nullptr) frames_->shutdown();
}

void TrackerSession::end(const Error& reason) {
  if (state_ == State::Ended) return;
  state_ = State::Ended;
  timer_.cancel();
  if (frames_ != nullptr) frames_->close();
  listener_.on_session_ended(reason);
}

}  // namespace p2p::peer
