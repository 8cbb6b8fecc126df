// SPDX-License-Identifier: MIT
#include "daemon/tracker/control.h"

#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/limits.h"
#include "daemon/base/log.h"
#include "daemon/tracker/version.h"
#include "proto/frame.h"

namespace p2p::tracker {
namespace {

namespace ctl = pb::control;

bool is_welcome(const io::Stream& stream) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(stream.descriptor(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

void set_error(const Error& error, ctl::Response& response) {
  response.mutable_error()->set_code(std::string(code_name(error.code)));
  response.mutable_error()->set_message(error.message);
  response.mutable_error()->set_hint(error.hint);
}

}  // namespace

class Control::Client final : private io::FrameStream::Listener {
 public:
  Client(Control& owner, std::uint64_t number, std::unique_ptr<io::Stream> stream)
      : owner_(owner), number_(number), frames_(std::move(stream), limits::kFirstFrameBytes, *this) {
    ctl::Frame frame;
    *frame.mutable_hello() = our_hello();
    frames_.send(frame);
  }

  void shutdown() { frames_.shutdown(); }

 private:
  void on_frame(ByteSpan bytes) override {
    if (ended_) return;
    ctl::Frame frame;
    if (!proto::parse_frame(bytes, frame)) {
      end();
    } else if (!greeted_) {
      const auto& hello = frame.hello();
      greeted_ = frame.has_hello() && hello.version_min() <= kProtocolVersionMax &&
                 hello.version_max() >= kProtocolVersionMin;
      if (!greeted_) end();
    } else if (frame.has_request()) {
      ctl::Frame reply;
      reply.set_id(frame.id());
      *reply.mutable_response() = owner_.answer(frame.request());
      frames_.send(reply);
    }
  }
  void on_frames_closed(const Error&) override {
    if (ended_) return;
    ended_ = true;
    owner_.on_client_ended(number_);
  }
  void end() {
    ended_ = true;
    frames_.shutdown();
    owner_.on_client_ended(number_);
  }

  Control& owner_;
  const std::uint64_t number_;
  bool greeted_ = false;
  bool ended_ = false;
  io::FrameStream frames_;
};

Control::Control(io::Loop& loop, Listener& listener)
    : loop_(loop), listener_(listener), reaper_(loop, bind<&Control::reap>(this)) {}

Control::~Control() = default;

Status Control::listen(const std::string& path) {
  io::Acceptor::Listener& self = *this;  // the base is ours alone to convert to
  acceptor_ = std::make_unique<io::Acceptor>(loop_, self);
  return acceptor_->listen_unix(path);
}

void Control::stop() {
  acceptor_.reset();
  for (auto& [number, client] : clients_) client->shutdown();
  clients_.clear();
}

void Control::on_accept(std::unique_ptr<io::Stream> stream) {
  if (!is_welcome(*stream)) {
    log::warn("control client of another user refused");
    return;
  }
  if (clients_.size() >= limits::kControlClients) return;
  const auto number = next_number_++;
  clients_[number] = std::make_unique<Client>(*this, number, std::move(stream));
}

ctl::Response Control::answer(const ctl::Request& request) {
  ctl::Response response;
  if (request.has_tracker_address()) {
    response.mutable_address()->set_address(listener_.operator_address());
  } else if (request.has_tracker_status()) {
    *response.mutable_operator_status() = listener_.operator_status();
  } else {
    set_error({Code::Unsupported, "this is the control socket of a tracker, which does not know this request",
               "for a peer daemon give its own socket: p2pctl --socket PATH"},
              response);
  }
  return response;
}

void Control::on_client_ended(std::uint64_t number) {
  const auto found = clients_.find(number);
  if (found == clients_.end()) return;
  dead_.push_back(std::move(found->second));
  clients_.erase(found);
  reaper_.set(Duration::zero());
}

void Control::reap() {
  std::vector<std::unique_ptr<Client>> dead;
  dead.swap(dead_);
}

}  // namespace p2p::tracker
