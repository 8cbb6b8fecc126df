// SPDX-License-Identifier: MIT
// A small world for real Swarm objects: virtual time, one event queue, nodes that are connected pairwise.
//
// A node has an uplink of a given rate that serves its sessions in turn, one block at a time, as the
// daemon's link does; messages and blocks take `latency` to arrive and never overtake each other on one
// link. No payload exists: blocks are counted, and a filled piece is verified after `verify_time` and
// always right. Everything follows from the seed; digest() names the run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/meta/geometry.h"
#include "daemon/swarm/swarm.h"

namespace p2p::test {

class SwarmWorld {
 public:
  struct NodeOptions {
    double uplink = 1024 * 1024;  // bytes a second
    bool seed = false;
    swarm::Options swarm = {};
  };
  using Node = std::size_t;

  SwarmWorld(const meta::Geometry& geometry, std::uint64_t seed, Duration latency = 10ms);
  ~SwarmWorld();

  Node add(const NodeOptions& options);
  void connect(Node one, Node other);
  void connect_all();
  void disconnect(Node node);  // from everybody

  // Runs until `done` or until the virtual time `limit`; true if done.
  bool run(const std::function<bool()>& done, Duration limit);
  bool all_complete() const;
  // Every piece is stored somewhere else than at `node`.
  bool full_copy_without(Node node) const;

  swarm::Swarm& swarm(Node node);
  static DeviceId device(Node node);
  std::uint64_t received(Node from, Node to) const;  // payload kept
  Duration now() const { return now_.time_since_epoch(); }
  Duration completed_at(Node node) const;
  std::uint64_t digest() const { return digest_; }  // of every event so far
  std::uint64_t events() const { return events_; }

 private:
  struct Link {
    Node one = 0;
    Node other = 0;
    swarm::SessionId session_of_one;
    swarm::SessionId session_of_other;
    TimePoint free_towards_one{};  // nothing arrives earlier
    TimePoint free_towards_other{};
    bool open = true;
  };
  struct Member {
    std::unique_ptr<Random> random;
    std::unique_ptr<swarm::Swarm> swarm;
    double uplink = 0;
    bool sending = false;
    std::size_t turn = 0;  // of its links
    std::vector<std::size_t> links;
    TimePoint timer = TimePoint::max();
    Duration completed_at{};
  };
  struct Event {
    TimePoint time;
    std::uint64_t number;  // events of one time happen in the order they were made
    std::function<void()> happen;
    bool operator>(const Event& other) const {
      return time != other.time ? time > other.time : number > other.number;
    }
  };

  void at(TimePoint time, std::function<void()> happen);
  void settle(Node node);  // takes the node's actions, starts its uplink, sets its timer
  void act(Node node, const swarm::Action& action);
  void deliver(Node from, std::size_t link, std::function<void(Node to, swarm::SessionId session)> happen);
  void start_uplink(Node node);
  void set_timer(Node node);
  void close(std::size_t link);
  std::size_t link_of(Node node, swarm::SessionId session) const;
  swarm::SessionId session_at(std::size_t link, Node node) const;
  void note(std::uint64_t word);

  meta::Geometry geometry_;
  std::uint64_t seed_;
  Duration latency_;
  TimePoint now_{};
  std::uint64_t events_ = 0;
  std::uint64_t digest_ = 0xcbf29ce484222325;
  std::vector<Member> members_;
  std::vector<Link> links_;
  std::map<std::pair<Node, swarm::SessionId>, std::size_t> link_by_session_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> queue_;
};

}  // namespace p2p::test
