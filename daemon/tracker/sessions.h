// SPDX-License-Identifier: MIT
// All connections of peer daemons: at most one open session per device (the newest), and a bound on
// those that are not logged in, in total and per source. When a bound is reached, the one that has been
// silent for longest makes room.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "daemon/base/log_limit.h"
#include "daemon/tracker/session.h"

namespace p2p::tracker {

class Sessions final : private io::Acceptor::Listener, private Session::Listener {
 public:
  class Listener {
   public:
    virtual msg::TrackerHello greeting(const Session& session) = 0;
    virtual void on_request(Session& session, std::uint64_t frame, const msg::Request& request) = 0;
    virtual void on_session_ended(Session& session) = 0;  // it was open; no answer reaches it

   protected:
    ~Listener() = default;
  };

  struct Limits {
    std::size_t unauthenticated_per_source = 64;
    Duration offline_after{};
  };

  Sessions(io::Loop& loop, const tls::Context& context, const Limits& limits, Listener& listener);
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  Result<io::SocketAddress> listen(const io::SocketAddress& address);
  // Stops to accept, and tells every client that the tracker goes.
  void stop();

  Session* find(std::uint64_t number);    // null: it has ended
  Session* find(const DeviceId& device);  // its open session
  std::size_t size() const { return by_device_.size(); }
  void set_logged_in(Session& session, bool logged_in);

 private:
  void on_accept(std::unique_ptr<io::Stream> stream) override;
  msg::TrackerHello greeting(const Session& session) override { return listener_.greeting(session); }
  void on_session_open(Session& session) override;
  void on_request(Session& session, std::uint64_t frame, const msg::Request& request) override;
  void on_session_ended(Session& session, const Error& reason) override;
  void make_room(const std::string& source);
  void reap();

  io::Loop& loop_;
  const tls::Context& context_;
  const Limits limits_;
  Listener& listener_;
  UploadBudget upload_budget_;
  std::uint64_t next_number_ = 1;
  std::map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::map<std::uint64_t, Session*> strangers_;  // not logged in
  std::map<DeviceId, Session*> by_device_;       // open
  // Sessions die on a clean stack, after whoever called has returned.
  std::vector<std::unique_ptr<Session>> dead_;
  io::Timer reaper_;
  log::Limit refused_;  // lines about sessions that the other side is to blame for
  std::unique_ptr<io::Acceptor> acceptor_;
};

}  // namespace p2p::tracker
