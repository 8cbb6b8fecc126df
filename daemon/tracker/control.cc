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

}  // namespace

void Call::answer(ctl::Response response) {
  if (send_ == nullptr) return;
  const auto send = std::move(send_);
  send_ = nullptr;
  send(std::move(response));
}

void Call::refuse(const Error& error) {
  ctl::Response response;
  auto& body = *response.mutable_error();
  body.set_code(std::string(code_name(error.code)));
  body.set_message(error.message);
  body.set_hint(error.hint);
  answer(std::move(response));
}

class Control::Client final : private io::FrameStream::Listener {
 public:
  Client(Control& owner, std::uint64_t number, std::unique_ptr<io::Stream> stream)
      : owner_(owner), number_(number), frames_(std::move(stream), limits::kOperatorFrameBytes, *this) {
    ctl::Frame frame;
    *frame.mutable_hello() = our_hello();
    frames_.send(frame);
  }
  ~Client() { abandon(); }

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
      take(frame.id(), std::move(*frame.mutable_request()));
    }
  }

  void take(std::uint64_t id, ctl::Request request) {
    std::erase_if(calls_, [](const CallPointer& call) { return !call->is_open(); });
    auto call = std::make_shared<Call>(std::move(request),
                                       [this, id](ctl::Response response) { send(id, std::move(response)); });
    if (calls_.size() >= limits::kControlRequestsPerClient) {
      call->refuse({Code::Limit, "too many requests at a time on one connection"});
      return;
    }
    calls_.push_back(call);
    owner_.listener_.on_call(std::move(call));
  }

  void send(std::uint64_t id, ctl::Response response) {
    ctl::Frame frame;
    frame.set_id(id);
    *frame.mutable_response() = std::move(response);
    if (frame.ByteSizeLong() > limits::kControlFrameBytes) {
      auto& error = *frame.mutable_response()->mutable_error();
      error.set_code(std::string(code_name(Code::Limit)));
      error.set_message("the list is too long for one answer");
      error.set_hint("look into a backup of the tracker, which is an SQLite database");
    }
    frames_.send(frame);
  }

  void on_frames_closed(const Error&) override {
    if (ended_) return;
    ended_ = true;
    abandon();
    owner_.on_client_ended(number_);
  }

  void end() {
    ended_ = true;
    abandon();
    frames_.shutdown();
    owner_.on_client_ended(number_);
  }

  void abandon() {
    for (const auto& call : calls_) call->abandon();
    calls_.clear();
  }

  Control& owner_;
  const std::uint64_t number_;
  bool greeted_ = false;
  bool ended_ = false;
  std::vector<CallPointer> calls_;
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
