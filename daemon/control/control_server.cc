// SPDX-License-Identifier: MIT
#include "daemon/control/control_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/limits.h"
#include "daemon/base/log.h"

namespace p2p::control {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr auto kDefaultTimeout = std::chrono::seconds(30);
constexpr auto kTimeoutMax = std::chrono::hours(24);

bool may_control(const io::Stream& stream) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(stream.descriptor(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return false;
  return credentials.uid == ::geteuid() || credentials.uid == 0;
}

}  // namespace

Duration Call::timeout() const {
  const Duration asked = std::chrono::milliseconds(request_.timeout_ms());
  return asked == Duration(0) ? Duration(kDefaultTimeout) : std::min<Duration>(asked, kTimeoutMax);
}

void Call::progress(const pb::control::Progress& progress) {
  if (send_ == nullptr || !show_progress_) return;
  pb::control::Frame frame;
  frame.set_id(id_);
  *frame.mutable_progress() = progress;
  send_(frame);
}

void Call::answer(const pb::control::Response& response) {
  if (send_ == nullptr) return;
  pb::control::Frame frame;
  frame.set_id(id_);
  *frame.mutable_response() = response;
  const auto send = std::move(send_);
  send_ = nullptr;
  send(frame);
}

void Call::refuse(const Error& error) {
  pb::control::Response response;
  response.mutable_error()->set_code(std::string(code_name(error.code)));
  response.mutable_error()->set_message(error.message);
  response.mutable_error()->set_hint(error.hint);
  answer(response);
}

class ControlServer::Client final : private io::FrameStream::Listener {
 public:
  Client(ControlServer& server, std::unique_ptr<io::Stream> stream)
      : server_(server), frames_(std::move(stream), server.terms_.request_bytes, *this) {
    pb::control::Frame frame;
    frame.mutable_hello()->set_version_min(kVersion);
    frame.mutable_hello()->set_version_max(kVersion);
    frame.mutable_hello()->set_software(server.terms_.software);
    frames_.send(frame);
  }
  ~Client() { abandon(); }

  void shutdown() { frames_.shutdown(); }

 private:
  void on_frame(ByteSpan bytes) override {
    pb::control::Frame frame;
    if (!proto::parse_frame(bytes, frame)) {
      end();
    } else if (!greeted_) {
      const auto& hello = frame.hello();
      greeted_ = frame.has_hello() && hello.version_min() <= kVersion && kVersion <= hello.version_max();
      if (!greeted_) end();
    } else if (frame.has_request()) {
      take(frame.id(), std::move(*frame.mutable_request()));
    } else {
      end();
    }
  }

  void take(std::uint64_t id, pb::control::Request request) {
    std::erase_if(calls_, [](const CallPointer& call) { return !call->is_open(); });
    auto call = std::make_shared<Call>(id, std::move(request),
                                       [this](const pb::control::Frame& answer) { send(answer); });
    if (calls_.size() >= limits::kControlRequestsPerClient) {
      call->refuse(Error{Code::Limit, "too many requests at a time on one connection", {}});
      return;
    }
    calls_.push_back(call);
    server_.listener_.on_call(std::move(call));
  }

  void send(const pb::control::Frame& answer) {
    // A client that is stopped must not pile up progress.
    if (answer.has_progress() && frames_.transport().pending_bytes() > limits::kSendLowWaterBytes) return;
    if (answer.ByteSizeLong() <= limits::kControlFrameBytes) return frames_.send(answer);
    pb::control::Frame refusal;
    refusal.set_id(answer.id());
    refusal.mutable_response()->mutable_error()->set_code(std::string(code_name(Code::Limit)));
    refusal.mutable_response()->mutable_error()->set_message("the answer is too long for one message");
    refusal.mutable_response()->mutable_error()->set_hint(server_.terms_.too_long_hint);
    frames_.send(refusal);
  }

  void on_frames_closed(const Error&) override { end(); }

  // Our hello still leaves: it says to a client of another version which ones we speak.
  void end() {
    abandon();
    frames_.shutdown();
    server_.forget(this);
  }

  void abandon() {
    for (const auto& call : calls_) call->abandon();
    calls_.clear();
  }

  ControlServer& server_;
  bool greeted_ = false;
  std::vector<CallPointer> calls_;
  io::FrameStream frames_;
};

ControlServer::ControlServer(io::Loop& loop, Terms terms, Listener& listener)
    : loop_(loop), terms_(std::move(terms)), listener_(listener) {}
ControlServer::~ControlServer() = default;

Status ControlServer::listen(const std::string& path) {
  io::Acceptor::Listener& listener = *this;  // the base is private: make_unique may not convert
  acceptor_ = std::make_unique<io::Acceptor>(loop_, listener);
  return acceptor_->listen_unix(path);
}

void ControlServer::close() {
  acceptor_.reset();
  for (auto& [client, owned] : clients_) client->shutdown();
}

void ControlServer::on_accept(std::unique_ptr<io::Stream> stream) {
  if (!may_control(*stream)) {
    log::warn("control connection of another user refused");
    return;
  }
  if (clients_.size() >= limits::kControlClients) return;
  auto client = std::make_unique<Client>(*this, std::move(stream));
  clients_.emplace(client.get(), std::move(client));
}

void ControlServer::forget(Client* client) {
  const auto at = clients_.find(client);
  if (at == clients_.end()) return;
  loop_.defer([old = std::shared_ptr<Client>(std::move(at->second))] {});
  clients_.erase(at);
}

}  // namespace p2p::control
