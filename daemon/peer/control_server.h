// SPDX-License-Identifier: MIT
// The control socket: accepts p2pctl, checks who it is, and gives each request to the daemon as a Call.
//
// Only this user and root are served (SO_PEERCRED). A client may have limits::kControlRequestsPerClient
// requests at a time; frames over the limit and nonsense end its connection, nobody else's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "daemon/io/frame_stream.h"
#include "daemon/io/stream.h"
#include "proto/control.pb.h"

namespace p2p::peer {

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

  ControlServer(io::Loop& loop, Listener& listener);
  ~ControlServer();

  Status listen(const std::string& path);
  void close();  // answers under way still leave

 private:
  class Client;
  void on_accept(std::unique_ptr<io::Stream> stream) override;
  void forget(Client* client);

  io::Loop& loop_;
  Listener& listener_;
  std::unique_ptr<io::Acceptor> acceptor_;
  std::map<Client*, std::unique_ptr<Client>> clients_;
};

}  // namespace p2p::peer
