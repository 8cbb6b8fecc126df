// SPDX-License-Identifier: MIT
// The tracker as the rest of the daemon sees it: requests that survive a broken session, events, and a
// session that comes back by itself.
//
// A request waits for the session until its deadline and is sent again, with the same idempotency key,
// when a session breaks under it. A tracker that says nothing for kAnswerTime after it was asked something,
// be it by a heartbeat, is taken for lost; what is large has longer, at kSlowest. Reconnects back off from
// 100 ms to kRetryMax with jitter, and try the tracker's addresses in turn. Bounded: kWaitingMax requests.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "daemon/base/random.h"
#include "daemon/peer/tracker_session.h"
#include "daemon/trust/address.h"

namespace p2p::peer {

class TrackerClient final : private TrackerSession::Listener {
 public:
  using Reply = std::function<void(Result<pb::tracker::Response>)>;

  class Listener {
   public:
    virtual void on_tracker_hello(const TrackerSession::Hello& hello) = 0;
    virtual pb::tracker::Attach make_tracker_attach() = 0;
    virtual void on_tracker_attached(const pb::tracker::Attached& attached) = 0;
    virtual void on_tracker_event(const pb::tracker::Event& event) = 0;
    virtual void on_tracker_lost(const Error& reason) = 0;

   protected:
    ~Listener() = default;
  };

  static constexpr Duration kRetryMax = 5s;
  static constexpr Duration kAnswerTime = 15s;
  static constexpr std::size_t kSlowest = 4096;  // bytes a second that an uplink may be down to
  static constexpr std::size_t kWaitingMax = 4096;

  TrackerClient(io::Loop& loop, const tls::Context& context, const DeviceId& self,
                std::optional<io::SocketAddress> from, Random& random, Listener& listener,
                Duration answer_time = kAnswerTime);
  ~TrackerClient();
  // How long to wait at most before the next attempt, after so long before the last one.
  static Duration next_retry(Duration last);

  // Connects to this tracker from now on; nothing: disconnects. Waiting requests of another target fail.
  // `others`: where else the same tracker may be.
  void set_target(std::optional<trust::TrackerAddress> target, std::vector<HostPort> others = {});
  const std::optional<trust::TrackerAddress>& target() const { return target_; }
  bool is_attached() const { return session_ != nullptr && session_->is_attached(); }
  bool is_local() const { return session_ != nullptr && session_->is_local(); }
  const Error& last_error() const { return last_error_; }

  // `reply` comes exactly once, from the loop; an error response of the tracker arrives as Error. An
  // idempotency key is added where `mutating` says so.
  enum class Kind : std::uint8_t { Query, Mutating };
  void request(pb::tracker::Request request, Kind kind, Duration timeout, Reply reply);
  // Sent only while attached, and never again: soft state that is repeated at attach. `reply` comes with
  // the answer, and not at all when the session ends before it.
  void tell(pb::tracker::Request request, Reply reply = nullptr);

 private:
  struct Waiting {
    pb::tracker::Request request;
    TimePoint deadline;
    Reply reply;
    bool sent = false;
    bool once = false;  // of tell()
  };

  void connect();
  void drop_session();
  void send(std::uint64_t id, const pb::tracker::Request& request);
  void on_silence();
  void finish(std::uint64_t id, Result<pb::tracker::Response> result);
  void arm_deadline();
  void on_deadline();
  void on_heartbeat();
  void on_session_hello(const TrackerSession::Hello& hello) override;
  pb::tracker::Attach make_attach() override;
  void on_session_attached(const pb::tracker::Attached& attached) override;
  void on_session_response(std::uint64_t id, const pb::tracker::Response& response) override;
  void on_session_event(const pb::tracker::Event& event) override;
  void on_session_ended(const Error& reason) override;

  io::Loop& loop_;
  const tls::Context& context_;
  DeviceId self_;
  std::optional<io::SocketAddress> from_;
  Random& random_;
  Listener& listener_;
  const Duration answer_time_;
  std::optional<trust::TrackerAddress> target_;
  std::vector<HostPort> others_;
  std::size_t next_address_ = 0;  // 0: that of the target
  std::unique_ptr<TrackerSession> session_;
  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t next_id_ = 2;  // 1 is the session's own attach
  Duration retry_{};
  Duration heartbeat_ = 30s;
  Error last_error_{Code::TrackerUnreachable, "not connected yet", {}};
  io::Timer retry_timer_;
  io::Timer deadline_timer_;
  io::Timer heartbeat_timer_;
  io::Timer silence_timer_;
  std::optional<std::uint64_t> asked_at_;  // what had been heard when the question was asked that is watched
  TimePoint due_{};                        // when more must have been
};

}  // namespace p2p::peer
