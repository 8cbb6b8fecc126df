// SPDX-License-Identifier: MIT
// Proves that a device answers at an address: connects there, shakes hands, and compares the key of the
// certificate. An open port is not enough, and nothing is sent inside TLS.
//
// At most kParallel probes run at a time; the rest wait in order, one per device, at most
// kWaiting. A probe takes at most limits::kConnectTime.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "daemon/io/tls_stream.h"
#include "daemon/tls/context.h"

namespace p2p::tracker {

class DialBack {
 public:
  static constexpr std::size_t kParallel = 32;
  static constexpr std::size_t kWaiting = 10'000;

  class Listener {
   public:
    virtual void on_probed(const DeviceId& device, const io::SocketAddress& address,
                           const Status& result) = 0;

   protected:
    ~Listener() = default;
  };

  // `from`: the local address that connections leave from, where the tracker listens on a specific one.
  DialBack(io::Loop& loop, const trust::KeyPair& identity, std::optional<io::SocketAddress> from,
           Listener& listener);
  ~DialBack();
  DialBack(const DialBack&) = delete;
  DialBack& operator=(const DialBack&) = delete;

  // The answer always comes later. A probe of the same device that still waits or runs is replaced.
  void probe(const DeviceId& device, const io::SocketAddress& address);
  void forget(const DeviceId& device);

 private:
  struct Waiting {
    DeviceId device;
    io::SocketAddress address;
  };
  class Probe;
  Waiting take_first();
  void start_next();
  void finish(Probe& probe, const Status& result);
  void reap();

  io::Loop& loop_;
  tls::Context context_;
  std::optional<io::SocketAddress> from_;
  Listener& listener_;
  std::deque<Waiting> waiting_;
  std::set<DeviceId> is_waiting_;  // the devices of waiting_
  std::map<DeviceId, std::unique_ptr<Probe>> running_;
  std::vector<std::unique_ptr<Probe>> dead_;
  io::Timer reaper_;
};

}  // namespace p2p::tracker
