// SPDX-License-Identifier: MIT
// Looks up the configured tracker's host name. Literal addresses are answered without a look-up.
#pragma once

#include <string>
#include <vector>

#include "daemon/base/bound.h"
#include "daemon/io/stream.h"

namespace p2p::io {

class Resolver {
 public:
  using Answer = Result<std::vector<SocketAddress>>;  // not empty when it holds a value

  Resolver(Loop& loop, Bound<const Answer&> on_answer);
  ~Resolver();  // the answer of a look-up under way is dropped
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // One look-up at a time; the answer always comes later, from the loop.
  void resolve(const HostPort& name);

 private:
  struct Request;
  Loop& loop_;
  Bound<const Answer&> on_answer_;
  Request* request_ = nullptr;
};

}  // namespace p2p::io
