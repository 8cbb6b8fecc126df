// SPDX-License-Identifier: MIT
#include "ctl/client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/interrupts.h"
#include "daemon/base/limits.h"

namespace p2p::ctl {
namespace {

constexpr std::uint32_t kVersionMin = 1;
constexpr std::uint32_t kVersionMax = 1;
constexpr auto kSilence = std::chrono::seconds(1);    // then the listener hears of it
constexpr auto kSendTime = std::chrono::seconds(10);  // a daemon that does not read is not alive
constexpr std::size_t kReadBytes = 64 * limits::kKiB;
constexpr auto kPeerSocket = "/run/p2pd/control.sock";
constexpr auto kTrackerSocket = "/run/p2p-tracker/control.sock";

// Hello is answered at once; there is nothing to show meanwhile.
class NoListener final : public ProgressListener {
 public:
  void on_progress(const pb::control::Progress&, TimePoint) override {}
  void on_silence() override {}
};

tl::unexpected<Error> unreachable(const std::string& path, const std::string& why, Trust trust) {
  const bool tracker = trust == Trust::SocketOwner;
  return fail(Code::DaemonUnreachable,
              fmt::format("cannot reach {}: {} at {}", tracker ? "p2p-trackerd" : "p2pd", why, path),
              tracker
                  ? "start it with 'systemctl start p2p-trackerd', or name its control socket with --socket"
                  : "start it with 'systemctl --user start p2pd' or run 'p2pd'; --socket or P2P_SOCKET "
                    "name another control socket");
}

Status check_peer(int socket, const std::string& path, Trust trust) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
    return fail(system_error(errno, "cannot tell who is behind " + path));
  if (peer.uid == 0 || peer.uid == ::geteuid()) return {};
  struct stat file {};
  if (trust == Trust::SocketOwner && ::stat(path.c_str(), &file) == 0 && file.st_uid == peer.uid) return {};
  return fail(Code::PermissionDenied,
              fmt::format("the process behind {} belongs to user id {}", path, peer.uid),
              "p2pctl talks only to a daemon of its own user or of root");
}

}  // namespace

TimePoint monotonic_now() {
  std::timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return TimePoint(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

std::string default_socket(Trust trust) {
  if (trust == Trust::SocketOwner) return kTrackerSocket;
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime == nullptr || *runtime == '\0') return kPeerSocket;
  std::string own = std::string(runtime) + "/p2pd/control.sock";
  const bool only_system = ::access(own.c_str(), F_OK) != 0 && ::access(kPeerSocket, F_OK) == 0;
  return only_system ? kPeerSocket : own;
}

void wipe_proofs(pb::control::Request& request) {
  const auto wipe = [](std::string& proof) { OPENSSL_cleanse(proof.data(), proof.size()); };
  if (request.has_account_enter()) wipe(*request.mutable_account_enter()->mutable_proof());
  if (request.has_account_password()) {
    wipe(*request.mutable_account_password()->mutable_proof());
    wipe(*request.mutable_account_password()->mutable_new_proof());
  }
  if (request.has_operator_password_reset())
    wipe(*request.mutable_operator_password_reset()->mutable_proof());
}

Error error_of(const pb::Error& error) {
  return Error{code_from_name(error.code()), error.message().empty() ? error.code() : error.message(),
               error.hint()};
}

Client::Client(int socket) : socket_(socket), decoder_(limits::kFirstFrameBytes) {}

Client::Client(Client&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      last_id_(other.last_id_),
      ending_(other.ending_),
      decoder_(std::move(other.decoder_)) {}

Client::~Client() {
  if (socket_ >= 0) ::close(socket_);
}

Result<Client> Client::connect(const std::string& path, Trust trust) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::InvalidArgument, fmt::format("the path of the control socket is longer than {} bytes",
                                                   sizeof address.sun_path - 1));
  std::memcpy(address.sun_path, path.data(), path.size());

  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return fail(system_error(errno, "cannot make a socket"));
  Client client(socket);
  // Bounds connect() too, which waits while the daemon's queue is full.
  const timeval patience{std::chrono::seconds(kSendTime).count(), 0};
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return unreachable(path, "there is no socket", trust);
    if (errno == ECONNREFUSED) return unreachable(path, "nobody answers", trust);
    if (errno == EACCES || errno == EPERM) return unreachable(path, "permission denied", trust);
    if (errno == EAGAIN) return unreachable(path, "it does not answer", trust);
    return unreachable(path, std::strerror(errno), trust);
  }
  if (auto checked = check_peer(socket, path, trust); !checked) return fail(std::move(checked.error()));
  if (auto hello = client.exchange_hellos(); !hello) {
    auto& error = hello.error();
    if (error.code == Code::Closed) return unreachable(path, "the connection was closed", trust);
    if (error.code == Code::TimedOut) return unreachable(path, "no hello came", trust);
    return fail(std::move(error));
  }
  return client;
}

Status Client::exchange_hellos() {
  pb::control::Frame ours;
  ours.mutable_hello()->set_version_min(kVersionMin);
  ours.mutable_hello()->set_version_max(kVersionMax);
  ours.mutable_hello()->set_software("p2pctl " P2P_VERSION);
  if (auto sent = send(ours); !sent) return sent;

  NoListener nobody;
  auto frame = receive(monotonic_now() + limits::kHelloTime, -1, nobody);
  if (!frame) return fail(std::move(frame.error()));
  if (frame->has_response() && frame->response().has_error())
    return fail(error_of(frame->response().error()));
  if (!frame->has_hello()) return fail(Code::Internal, "the daemon did not say hello");
  const auto& theirs = frame->hello();
  if (std::max(theirs.version_min(), kVersionMin) > std::min(theirs.version_max(), kVersionMax))
    return fail(
        Code::Unsupported,
        fmt::format("p2pctl speaks version {} to {} of the control protocol, the daemon ({}) {} to {}",
                    kVersionMin, kVersionMax, theirs.software(), theirs.version_min(), theirs.version_max()),
        "install p2pctl and the daemon from the same release");
  decoder_.set_max_bytes(limits::kControlFrameBytes);
  return {};
}

Status Client::send(const pb::control::Frame& frame) {
  Bytes bytes = proto::encode_frame(frame);
  Status status;
  for (std::size_t sent = 0; sent < bytes.size() && status;) {
    const auto count = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count >= 0) sent += static_cast<std::size_t>(count);
    else if (errno != EINTR) status = fail(system_error(errno, "cannot send to the daemon"));
  }
  // It may carry the proof of a password.
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return status;
}

Status Client::wait_readable(std::optional<TimePoint> deadline, int signals, ProgressListener& listener) {
  for (;;) {
    Duration patience = kSilence;
    if (deadline) {
      const Duration left = *deadline - monotonic_now();
      if (left <= Duration::zero()) {
        ending_ = Ending::TimedOut;
        return fail(Code::TimedOut, "the daemon did not answer in time", "allow it more with --timeout");
      }
      patience = std::min(patience, left);
    }
    // Rounded up: poll() would return a little early otherwise, again and again.
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
    std::array<pollfd, 2> watched{pollfd{socket_, POLLIN, 0}, pollfd{signals, POLLIN, 0}};
    const int ready = ::poll(watched.data(), watched.size(), static_cast<int>(milliseconds));
    if (ready < 0 && errno != EINTR) return fail(system_error(errno, "cannot wait for the daemon"));
    if (ready == 0) listener.on_silence();
    if (ready <= 0) continue;
    if (watched[1].revents != 0) {
      ending_ = Ending::Interrupted;
      return fail(Code::Cancelled, "interrupted");
    }
    return {};
  }
}

Status Client::read_some() {
  Bytes chunk(kReadBytes);
  const auto count = ::recv(socket_, chunk.data(), chunk.size(), 0);
  if (count < 0 && errno == EINTR) return {};
  if (count < 0) return fail(system_error(errno, "cannot read from the daemon"));
  if (count == 0)
    return fail(Code::DaemonUnreachable, "the daemon closed the connection",
                "it may have stopped; see its log");
  decoder_.feed(ByteSpan(chunk).first(static_cast<std::size_t>(count)));
  return {};
}

Result<pb::control::Frame> Client::receive(std::optional<TimePoint> deadline, int signals,
                                           ProgressListener& listener) {
  for (;;) {
    auto bytes = decoder_.next();
    if (!bytes) return fail(std::move(bytes.error()));
    if (*bytes) {
      pb::control::Frame frame;
      if (auto parsed = proto::parse_frame(**bytes, frame); !parsed)
        return fail(Code::Internal, "the daemon's answer cannot be understood: " + parsed.error().message);
      return frame;
    }
    if (auto waited = wait_readable(deadline, signals, listener); !waited)
      return fail(std::move(waited.error()));
    if (auto read = read_some(); !read) return fail(std::move(read.error()));
  }
}

Result<pb::control::Response> Client::ask(const pb::control::Request& request, const Patience& patience,
                                          ProgressListener& listener) {
  ending_ = Ending::Failed;
  pb::control::Frame frame;
  frame.set_id(++last_id_);
  *frame.mutable_request() = request;
  const InterruptWatch interrupts;
  const auto sent = send(frame);
  wipe_proofs(*frame.mutable_request());
  if (!sent) return fail(sent.error());

  const auto begin = monotonic_now();
  const auto until = [begin](const std::optional<Duration>& limit) {
    return limit ? std::optional(begin + *limit) : std::nullopt;
  };
  auto deadline = until(patience.answer);
  for (;;) {
    auto answer = receive(deadline, interrupts.descriptor(), listener);
    if (!answer) return fail(std::move(answer.error()));
    if (answer->id() != last_id_) continue;
    if (answer->has_progress()) {
      deadline = until(patience.work);
      listener.on_progress(answer->progress(), monotonic_now());
    }
    if (!answer->has_response()) continue;
    ending_ = Ending::Answered;
    if (answer->response().has_error()) return fail(error_of(answer->response().error()));
    return std::move(*answer->mutable_response());
  }
}

}  // namespace p2p::ctl
