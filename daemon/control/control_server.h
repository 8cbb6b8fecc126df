// SPDX-License-Identifier: MIT
// A daemon's control socket: accepts p2pctl, checks who it is, and hands on each request as a Call.
//
// Only this user and root are served (SO_PEERCRED). A client says hello and then nothing but requests, at
// most limits::kControlRequestsPerClient at a time; frames over the limit and nonsense end its connection,
// nobody else's. PROTOCOL.md, "Control socket".
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/io/frame_stream.h"
#include "daemon/io/stream.h"
#include "proto/control.pb.h"

namespace p2p::control {

// One request on its way. Answered once; an answer to a client that has gone is dropped.
class Call {
 public:
  using Send = std::function<void(const pb::control::Frame&)>;
  Call(std::uint64_t id, pb::control::Request request, Send send)
      : id_(id), request_(std::move(request)), send_(std::move(send)) {}

  const pb::control::Request& request() const { return request_; }
  Duration timeout() const;
  bool is_open() const { return send_ != nullptr; }
  void progress(const pb::control::Progress& progress);
  void show_progress(bool show) { show_progress_ = show; }  // or drop it: it comes too soon after the last
  void answer(const pb::control::Response& response);
  void refuse(const Error& error);
  void abandon() { send_ = nullptr; }  // the client has gone

 private:
  std::uint64_t id_;
  pb::control::Request request_;
  Send send_;
  bool show_progress_ = true;
};
using CallPointer = std::shared_ptr<Call>;

class ControlServer final : private io::Acceptor::Listener {
 public:
  class Listener {
   public:
    virtual void on_call(CallPointer call) = 0;

   protected:
    ~Listener() = default;
  };

  // What differs between the daemons.
  struct Terms {
    std::string software;           // of the hello: "p2pd 0.1.0"
    std::size_t request_bytes = 0;  // the largest frame of a client
    std::string too_long_hint;      // where an answer does not fit into limits::kControlFrameBytes
  };

  ControlServer(io::Loop& loop, Terms terms, Listener& listener);
  ~ControlServer();

  // The caller holds the lock of the data directory, so that a socket that is there is a stale one.
  Status listen(const std::string& path);
  void close();  // answers that were given still leave

 private:
  class Client;
  void on_accept(std::unique_ptr<io::Stream> stream) override;
  void forget(Client* client);

  io::Loop& loop_;
  const Terms terms_;
  Listener& listener_;
  std::unique_ptr<io::Acceptor> acceptor_;
  std::map<Client*, std::unique_ptr<Client>> clients_;
};

}  // namespace p2p::control
