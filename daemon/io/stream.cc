// SPDX-License-Identifier: MIT
#include "daemon/io/stream.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <uv.h>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/io/burst_size.h"
#include "daemon/io/receive_mark.h"
#include "daemon/io/tcp_round_trip.h"
#include "daemon/io/timer.h"

namespace p2p::io {
namespace {

constexpr std::size_t kReadSlabBytes = 256 * 1024;
constexpr std::size_t kUnixPathBytes = 107;
constexpr int kBacklog = 511;

Error uv_error(int result, std::string_view what) {
  auto error = system_error(-result, what);
  if (result == UV_EOF) error = Error{Code::Closed, "the other side ended the connection", {}};
  return error;
}

SocketAddress from_sockaddr(const sockaddr_storage& storage) {
  SocketAddress address;
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&v4.sin_addr);
    address.host.assign(bytes, bytes + 4);
    address.port = ntohs(v4.sin_port);
  } else if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    const auto* bytes = v6.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) address.host.assign(bytes + 12, bytes + 16);
    else address.host.assign(bytes, bytes + 16);
    address.port = ntohs(v6.sin6_port);
  }
  return address;
}

sockaddr_storage to_sockaddr(const SocketAddress& address) {
  sockaddr_storage storage{};
  if (address.host.size() == 4) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, address.host.data(), 4);
  } else {
    CHECK(address.host.size() == 16);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&v6.sin6_addr, address.host.data(), 16);
  }
  return storage;
}

// Allocation and read callback are adjacent in libuv on Unix, so one slab per thread serves all streams.
uv_buf_t read_slab() {
  thread_local const std::unique_ptr<char[]> kSlab = std::make_unique_for_overwrite<char[]>(kReadSlabBytes);
  return uv_buf_init(kSlab.get(), kReadSlabBytes);
}

}  // namespace

Result<SocketAddress> SocketAddress::parse(const HostPort& text) {
  SocketAddress address;
  address.port = text.port;
  std::uint8_t bytes[16];
  if (::inet_pton(AF_INET, text.host.c_str(), bytes) == 1) address.host.assign(bytes, bytes + 4);
  else if (::inet_pton(AF_INET6, text.host.c_str(), bytes) == 1) address.host.assign(bytes, bytes + 16);
  else return fail(Code::InvalidArgument, fmt::format("'{}' is not an IP address", text.host));
  return address;
}

bool SocketAddress::is_loopback() const {
  if (host.size() == 4) return host[0] == 127;
  return host.size() == 16 && host[15] == 1 &&
         std::all_of(host.begin(), host.end() - 1, [](auto b) { return b == 0; });
}

bool SocketAddress::is_unspecified() const {
  return std::all_of(host.begin(), host.end(), [](auto b) { return b == 0; });
}

std::string SocketAddress::text() const {
  char buffer[INET6_ADDRSTRLEN] = "?";
  if (host.size() == 4) ::inet_ntop(AF_INET, host.data(), buffer, sizeof buffer);
  if (host.size() == 16) ::inet_ntop(AF_INET6, host.data(), buffer, sizeof buffer);
  return HostPort{buffer, port}.text();
}

// --- Stream ------------------------------------------------------------------------------------------

struct Stream::Handle {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  Loop* loop = nullptr;
  Stream* owner = nullptr;  // null once the owner has closed or died
  Listener* listener = nullptr;
  bool initialised = false;
  bool is_tcp = false;
  bool open = false;
  bool want_reading = true;
  bool above_low_water = false;
  std::size_t pending = 0;
  std::deque<Bytes> unsent;       // not empty: uv_write waits with some of it
  std::size_t first_sent = 0;     // bytes of the first one
  std::size_t waiting_bytes = 0;  // in uv_write
  BurstSize burst;
  std::size_t burst_bytes = 0;  // of the burst that what follows may still join
  bool ending = false;          // shuts down when all is sent
  ReceiveMark receive_mark;
  std::unique_ptr<Timer> pause_timer;  // of one that gathers
  uv_connect_t connect_request;
  uv_write_t write_request;
  uv_shutdown_t shutdown_request;
  std::unique_ptr<Timer> shutdown_timer;

  Handle() {}  // the union is initialised by init_tcp() or init_pipe()

  void init_tcp(unsigned family) {
    CHECK(uv_tcp_init_ex(loop->raw(), &tcp, family) == 0);
    is_tcp = true;
    initialised = true;
    handle.data = this;
  }
  void init_pipe() {
    CHECK(uv_pipe_init(loop->raw(), &pipe, 0) == 0);
    initialised = true;
    handle.data = this;
  }

  int raw_descriptor() const {
    uv_os_fd_t descriptor = -1;
    if (initialised) uv_fileno(&handle, &descriptor);
    return descriptor;
  }

  // The owner hears nothing from here on; the memory goes in the close callback.
  void retire() {
    owner = nullptr;
    listener = nullptr;
    shutdown_timer.reset();
    pause_timer.reset();
    if (!initialised) {
      delete this;
    } else if (uv_is_closing(&handle) == 0) {
      uv_close(&handle, [](uv_handle_t* closed) { delete static_cast<Handle*>(closed->data); });
    }
  }

  // Reports the end to the listener and gives the socket up.
  void end(const Error& reason) {
    Listener* const told = listener;
    if (owner != nullptr) owner->handle_ = nullptr;
    retire();
    if (told != nullptr) told->on_closed(reason);
  }

  void start_reading() {
    if (!open || !want_reading) return;
    uv_read_start(
        &stream, [](uv_handle_t*, std::size_t, uv_buf_t* buffer) { *buffer = read_slab(); },
        [](uv_stream_t* source, ssize_t count, const uv_buf_t* buffer) {
          auto* self = static_cast<Handle*>(source->data);
          if (count > 0 && self->is_tcp) self->gather(static_cast<std::size_t>(count));
          if (count > 0 && self->listener != nullptr)
            self->listener->on_bytes(
                {reinterpret_cast<const std::uint8_t*>(buffer->base), static_cast<std::size_t>(count)});
          else if (count < 0) self->end(uv_error(static_cast<int>(count), "connection"));
        });
  }

  // Bytes were read.
  void gather(std::size_t count) {
    if (receive_mark.on_received(count, loop->now())) set_receive_mark();
    if (!receive_mark.is_gathering()) return;
    if (pause_timer == nullptr) pause_timer = std::make_unique<Timer>(*loop, bind<&Handle::on_pause>(this));
    pause_timer->set(ReceiveMark::kPause);
  }

  void on_pause() {
    if (receive_mark.on_pause()) set_receive_mark();
  }

  // What is there already and enough now wakes the loop. A kernel that does not know the option reads at
  // once.
  void set_receive_mark() {
    const int bytes = static_cast<int>(receive_mark.bytes());
    ::setsockopt(raw_descriptor(), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
  }

  void set_open() {
    open = true;
    if (is_tcp) uv_tcp_nodelay(&tcp, 1);
    start_reading();
  }

  static void on_connect(uv_connect_t* request, int result) {
    auto* self = static_cast<Handle*>(request->data);
    if (result == UV_ECANCELED) return;
    if (result < 0) {
      self->end(uv_error(result, "cannot connect"));
      return;
    }
    self->set_open();
    if (self->listener != nullptr) self->listener->on_open();
  }

  // Gives to the kernel what it takes now, then lets libuv wait with the rest of a burst; also to report what
  // is broken, because nothing calls back from inside a call.
  void send_unsent() {
    const int descriptor = raw_descriptor();
    while (!unsent.empty()) {
      const auto room = room_in_burst();
      const auto part = next(room);
      const bool ends_burst = part.size() == room;
      const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (is_tcp && ends_burst ? MSG_EOR : 0);
      const auto count = ::send(descriptor, part.data(), part.size(), flags);
      if (count >= 0) {
        advance(static_cast<std::size_t>(count));
        if (ends_burst && static_cast<std::size_t>(count) == room) burst_bytes = 0;
      } else if (errno != EINTR) {
        wait_to_send();
        return;
      }
    }
  }

  std::size_t room_in_burst() const { return burst.bytes() - burst_bytes % burst.bytes(); }

  std::span<std::uint8_t> next(std::size_t most) {
    const auto rest = std::span(unsent.front()).subspan(first_sent);
    return rest.first(std::min(rest.size(), most));
  }

  void advance(std::size_t count) {
    pending -= count;
    first_sent += count;
    burst_bytes += count;
    burst.on_sent(count, loop->now());
    if (first_sent < unsent.front().size()) return;
    unsent.pop_front();
    first_sent = 0;
  }

  void wait_to_send() {
    const auto part = next(room_in_burst());
    const auto buffer = uv_buf_init(reinterpret_cast<char*>(part.data()), static_cast<unsigned>(part.size()));
    waiting_bytes = part.size();
    write_request.data = this;
    if (uv_write(&write_request, &stream, &buffer, 1, &Handle::on_written) == 0) return;
    unsent.clear();  // the read side reports the broken connection
    first_sent = pending = 0;
  }

  static void on_written(uv_write_t* request, int result) {
    auto* self = static_cast<Handle*>(request->data);
    if (result == UV_ECANCELED) return;
    if (result < 0) {
      self->end(uv_error(result, "connection"));
      return;
    }
    self->advance(self->waiting_bytes);
    self->send_unsent();
    if (self->ending && self->unsent.empty()) {
      self->end_writing();
      return;
    }
    if (self->above_low_water && self->pending <= limits::kSendLowWaterBytes) {
      self->above_low_water = false;
      if (self->listener != nullptr) self->listener->on_drained();
    }
  }

  void end_writing() {
    shutdown_request.data = this;
    const int result = uv_shutdown(&shutdown_request, &stream, [](uv_shutdown_t* request, int status) {
      if (status != UV_ECANCELED) static_cast<Handle*>(request->data)->retire();
    });
    if (result < 0) retire();
  }

  void on_shutdown_timeout() { retire(); }
};

Stream::Stream(Loop& loop) : loop_(loop), handle_(new Handle) {
  handle_->loop = &loop_;
  handle_->owner = this;
}

Stream::~Stream() {
  if (handle_ != nullptr) handle_->retire();
}

Status Stream::connect(const SocketAddress& to, const std::optional<SocketAddress>& from) {
  const auto target = to_sockaddr(to);
  handle_->init_tcp(AF_UNSPEC);  // the socket is made by bind or connect, whose errors are reported
  if (from && from->host.size() == to.host.size()) {
    auto source = *from;
    source.port = 0;
    const auto local = to_sockaddr(source);
    if (const int result = uv_tcp_bind(&handle_->tcp, reinterpret_cast<const sockaddr*>(&local), 0);
        result < 0)
      return fail(uv_error(result, "cannot bind " + source.text()));
  }
  handle_->connect_request.data = handle_;
  const int result = uv_tcp_connect(&handle_->connect_request, &handle_->tcp,
                                    reinterpret_cast<const sockaddr*>(&target), &Handle::on_connect);
  if (result < 0) return fail(uv_error(result, "cannot connect to " + to.text()));
  return {};
}

Status Stream::connect_unix(const std::string& path) {
  if (path.size() > kUnixPathBytes)
    return fail(Code::InvalidArgument, path + ": a socket path has at most 107 bytes");
  handle_->init_pipe();
  handle_->connect_request.data = handle_;
  uv_pipe_connect(&handle_->connect_request, &handle_->pipe, path.c_str(), &Handle::on_connect);
  return {};
}

void Stream::set_listener(Listener* listener) {
  if (handle_ != nullptr) handle_->listener = listener;
}

void Stream::write(ByteSpan bytes) { write_buffer(to_bytes(bytes)); }

void Stream::write_buffer(Bytes bytes) {
  if (handle_ == nullptr || !handle_->open || bytes.empty()) return;
  handle_->pending += bytes.size();
  handle_->unsent.push_back(std::move(bytes));
  if (handle_->unsent.size() == 1) handle_->send_unsent();
  if (handle_->pending > limits::kSendLowWaterBytes) handle_->above_low_water = true;
}

std::size_t Stream::pending_bytes() const { return handle_ != nullptr ? handle_->pending : 0; }

std::optional<Duration> Stream::round_trip() const { return tcp_round_trip(descriptor()); }

void Stream::pause_reading() {
  if (handle_ == nullptr) return;
  handle_->want_reading = false;
  if (handle_->open) uv_read_stop(&handle_->stream);
}

void Stream::resume_reading() {
  if (handle_ == nullptr) return;
  handle_->want_reading = true;
  handle_->start_reading();
}

void Stream::shutdown() {
  if (handle_ == nullptr) return;
  auto* handle = handle_;
  if (!handle->open || handle->pending == 0) {
    close();
    return;
  }
  handle_ = nullptr;
  handle->owner = nullptr;
  handle->listener = nullptr;
  uv_read_stop(&handle->stream);
  handle->shutdown_timer = std::make_unique<Timer>(*handle->loop, bind<&Handle::on_shutdown_timeout>(handle));
  handle->shutdown_timer->set(kShutdownTime);
  handle->ending = true;
}

void Stream::close() {
  if (handle_ == nullptr) return;
  auto* handle = handle_;
  handle_ = nullptr;
  handle->retire();
}

std::optional<SocketAddress> Stream::remote() const {
  sockaddr_storage storage{};
  int length = sizeof storage;
  if (handle_ == nullptr || !handle_->is_tcp ||
      uv_tcp_getpeername(&handle_->tcp, reinterpret_cast<sockaddr*>(&storage), &length) < 0)
    return std::nullopt;
  return from_sockaddr(storage);
}

std::optional<SocketAddress> Stream::local() const {
  sockaddr_storage storage{};
  int length = sizeof storage;
  if (handle_ == nullptr || !handle_->is_tcp ||
      uv_tcp_getsockname(&handle_->tcp, reinterpret_cast<sockaddr*>(&storage), &length) < 0)
    return std::nullopt;
  return from_sockaddr(storage);
}

int Stream::descriptor() const { return handle_ != nullptr ? handle_->raw_descriptor() : -1; }

// --- Acceptor ----------------------------------------------------------------------------------------

struct Acceptor::Handle {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  Acceptor* owner = nullptr;
  bool is_tcp = false;
  Handle() {}

  void retire() {
    owner = nullptr;
    uv_close(&handle, [](uv_handle_t* closed) { delete static_cast<Handle*>(closed->data); });
  }

  static void on_connection(uv_stream_t* server, int result) {
    auto* self = static_cast<Handle*>(server->data);
    if (result < 0 || self->owner == nullptr) return;  // libuv goes on with the next connection
    auto stream = std::make_unique<Stream>(self->owner->loop_);
    if (self->is_tcp) stream->handle_->init_tcp(AF_UNSPEC);
    else stream->handle_->init_pipe();
    if (uv_accept(server, &stream->handle_->stream) < 0) return;
    // Reading starts when the listener has been set: libuv reads only from the loop.
    stream->handle_->set_open();
    self->owner->listener_.on_accept(std::move(stream));
  }

  Status start() {
    if (const int result = uv_listen(&stream, kBacklog, &Handle::on_connection); result < 0)
      return fail(uv_error(result, "cannot listen"));
    return {};
  }
};

Acceptor::Acceptor(Loop& loop, Listener& listener) : loop_(loop), listener_(listener) {}

Acceptor::~Acceptor() {
  if (handle_ != nullptr) handle_->retire();
  if (!path_.empty()) ::unlink(path_.c_str());
  if (lock_ >= 0) ::close(lock_);
}

Result<SocketAddress> Acceptor::listen(const SocketAddress& address) {
  CHECK(handle_ == nullptr);
  handle_ = new Handle;
  handle_->owner = this;
  handle_->is_tcp = true;
  const auto local = to_sockaddr(address);
  CHECK(uv_tcp_init(loop_.raw(), &handle_->tcp) == 0);
  handle_->handle.data = handle_;
  if (const int result = uv_tcp_bind(&handle_->tcp, reinterpret_cast<const sockaddr*>(&local), 0); result < 0)
    return fail(uv_error(result, "cannot listen on " + address.text()));
  if (auto status = handle_->start(); !status) return fail(status.error().in(address.text()));
  sockaddr_storage bound{};
  int length = sizeof bound;
  CHECK(uv_tcp_getsockname(&handle_->tcp, reinterpret_cast<sockaddr*>(&bound), &length) == 0);
  auto real = from_sockaddr(bound);
  return real;
}

Status Acceptor::listen_unix(const std::string& path) {
  CHECK(handle_ == nullptr);
  if (path.size() > kUnixPathBytes)
    return fail(Code::InvalidArgument, path + ": a socket path has at most 107 bytes",
                "choose a shorter --control path");
  const auto lock_path = path + ".lock";
  lock_ = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock_ < 0) return fail(system_error(errno, lock_path));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0)
    return fail(Code::AddressInUse, "another daemon answers on " + path,
                "stop it, or choose another --control path");
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode) || status.st_uid != ::geteuid())
      return fail(Code::AddressInUse, path + " exists and is not a socket of this user");
    ::unlink(path.c_str());
  }
  handle_ = new Handle;
  handle_->owner = this;
  CHECK(uv_pipe_init(loop_.raw(), &handle_->pipe, 0) == 0);
  handle_->handle.data = handle_;
  const auto old_mask = ::umask(0177);
  const int result = uv_pipe_bind(&handle_->pipe, path.c_str());
  ::umask(old_mask);
  if (result < 0) return fail(uv_error(result, "cannot listen on " + path));
  path_ = path;
  return handle_->start();
}

}  // namespace p2p::io
