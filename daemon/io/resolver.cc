// SPDX-License-Identifier: MIT
#include "daemon/io/resolver.h"

#include <arpa/inet.h>
#include <cstring>
#include <fmt/format.h>
#include <netdb.h>
#include <uv.h>

#include "daemon/base/check.h"

namespace p2p::io {

struct Resolver::Request {
  uv_getaddrinfo_t request;
  Resolver* owner;
  std::string host;
  std::uint16_t port;

  static void on_done(uv_getaddrinfo_t* done, int result, addrinfo* found) {
    const std::unique_ptr<Request> self(static_cast<Request*>(done->data));
    const std::unique_ptr<addrinfo, decltype(&uv_freeaddrinfo)> owner_of_found(found, &uv_freeaddrinfo);
    if (self->owner == nullptr) return;
    self->owner->request_ = nullptr;
    if (result < 0) {
      self->owner->on_answer_(
          fail(Code::TrackerUnreachable,
               fmt::format("cannot find the address of '{}': {}", self->host, uv_strerror(result))));
      return;
    }
    std::vector<SocketAddress> addresses;
    for (const auto* at = found; at != nullptr; at = at->ai_next) {
      SocketAddress address;
      address.port = self->port;
      if (at->ai_family == AF_INET) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(
            &reinterpret_cast<const sockaddr_in*>(at->ai_addr)->sin_addr);
        address.host.assign(bytes, bytes + 4);
      } else if (at->ai_family == AF_INET6) {
        const auto* bytes = reinterpret_cast<const sockaddr_in6*>(at->ai_addr)->sin6_addr.s6_addr;
        address.host.assign(bytes, bytes + 16);
      } else {
        continue;
      }
      addresses.push_back(std::move(address));
    }
    if (addresses.empty())
      self->owner->on_answer_(fail(Code::TrackerUnreachable, fmt::format("'{}' has no address", self->host)));
    else self->owner->on_answer_(addresses);
  }
};

Resolver::Resolver(Loop& loop, Bound<const Answer&> on_answer) : loop_(loop), on_answer_(on_answer) {}

Resolver::~Resolver() {
  if (request_ == nullptr) return;
  request_->owner = nullptr;
  uv_cancel(reinterpret_cast<uv_req_t*>(&request_->request));
}

void Resolver::resolve(const HostPort& name) {
  CHECK(request_ == nullptr);
  request_ = new Request{{}, this, name.host, name.port};
  request_->request.data = request_;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  const int result =
      uv_getaddrinfo(loop_.raw(), &request_->request, &Request::on_done, name.host.c_str(), nullptr, &hints);
  CHECK(result == 0 || result == UV_ENAMETOOLONG || result == UV_EINVAL || result == UV_ENOMEM);
  if (result != 0) {
    // Never call back from inside the starting call.
    loop_.defer([request = request_, result] { Request::on_done(&request->request, result, nullptr); });
  }
}

}  // namespace p2p::io
