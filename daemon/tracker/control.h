// SPDX-License-Identifier: MIT
// The operator's control socket: accepts p2pctl, checks who it is, and hands on each request as a Call.
//
// Only our own user and root are served (SO_PEERCRED). A client may have limits::kControlRequestsPerClient
// requests at a time; frames over the limit and nonsense end its connection, nobody else's.
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

// One request on its way. Answered once; an answer to a client that has gone is dropped.
class Call {
 public:
  using Send = std::function<void(pb::control::Response)>;
  Call(pb::control::Request request, Send send) : request_(std::move(request)), send_(std::move(send)) {}

  const pb::control::Request& request() const { return request_; }
  bool is_open() const { return send_ != nullptr; }
  void answer(pb::control::Response response);
  void refuse(const Error& error);
  void abandon() { send_ = nullptr; }  // the client has gone; what was begun goes on

 private:
  pb::control::Request request_;
  Send send_;
};
using CallPointer = std::shared_ptr<Call>;

class Control final : private io::Acceptor::Listener {
 public:
  class Listener {
   public:
    virtual void on_call(CallPointer call) = 0;

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
