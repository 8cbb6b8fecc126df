// SPDX-License-Identifier: MIT
// The operator's control socket: our own user and root may ask for the address and the status.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/io/frame_stream.h"
#include "daemon/io/stream.h"
#include "daemon/io/timer.h"
#include "proto/control.pb.h"

namespace p2p::tracker {

class Control final : private io::Acceptor::Listener {
 public:
  class Listener {
   public:
    virtual std::string operator_address() = 0;
    virtual pb::control::OperatorStatus operator_status() = 0;

   protected:
    ~Listener() = default;
  };

  Control(io::Loop& loop, Listener& listener);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // The caller holds the lock of the data directory, so that a socket that is there is a stale one.
  Status listen(const std::string& path);
  void stop();

 private:
  class Client;
  void on_accept(std::unique_ptr<io::Stream> stream) override;
  pb::control::Response answer(const pb::control::Request& request);
  void on_client_ended(std::uint64_t number);
  void reap();

  io::Loop& loop_;
  Listener& listener_;
  std::uint64_t next_number_ = 1;
  std::map<std::uint64_t, std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Client>> dead_;
  io::Timer reaper_;
  std::unique_ptr<io::Acceptor> acceptor_;
};

}  // namespace p2p::tracker
