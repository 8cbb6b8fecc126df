// SPDX-License-Identifier: MIT
// Hosts behind an uplink and a downlink, and links between them, each with two directions.
//
// A direction is first in, first out: what is sent waits in its queue, crosses the sender's uplink in
// chunks of at most kChunk, travels for the latency, crosses the receiver's downlink, and arrives. An
// uplink serves the directions that have something in turns, a chunk each. A direction has at most
// `window` bytes under way, and what fits the path besides (as TCP has): when the receiver's downlink is the
// narrow place, the sender's uplink goes to the others. `framing` bytes travel for each byte given (headers
// of TCP, IP, Ethernet). Time and its order are the EventQueue's; the owner hands its Sent and Arrived events
// over.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "daemon/wire/message.h"
#include "tests/sim/event_queue.h"

namespace p2p::sim {

using HostNumber = std::uint32_t;
using LinkNumber = std::uint32_t;
using Direction = std::uint32_t;  // 2 x link: from the one who dialled; + 1: back

struct NetworkOptions {
  Duration latency = 10ms;          // one way
  std::size_t window = 256 * 1024;  // beyond the product of rate and round trip
  double framing = 1;
};

// A message on its way. Payload does not exist; a Piece has an empty one.
struct Item {
  wire::Message message;
  std::uint32_t bytes = 0;  // with its head
  bool bad = false;         // a Piece whose payload is not what was published
};

class Network {
 public:
  static constexpr std::size_t kChunk = 16 * 1024;

  class Listener {
   public:
    virtual void on_item(Direction direction, const Item& item) = 0;
    virtual void on_left(Direction direction) = 0;  // less is waiting now

   protected:
    ~Listener() = default;
  };

  // Both must outlive the network.
  Network(EventQueue& events, Listener& listener, NetworkOptions options)
      : events_(events), listener_(listener), options_(options) {}

  // Bytes a second; 0 is no limit.
  HostNumber add_host(double uplink, double downlink);
  LinkNumber add_link(HostNumber one, HostNumber other);
  // What is under way is lost, nothing is sent or arrives any more.
  void cut(LinkNumber link);
  // A partition: nothing moves between the host and those of another `island`, and goes on when they are
  // together again.
  void set_island(HostNumber host, std::uint32_t island);
  bool are_apart(HostNumber one, HostNumber other) const {
    return hosts_[one].island != hosts_[other].island;
  }

  void send(Direction direction, Item item);
  std::size_t waiting(Direction direction) const { return directions_[direction].waiting; }
  std::size_t under_way(Direction direction) const { return directions_[direction].flying_bytes; }
  // What the host can send in one round trip.
  std::size_t path_bytes(HostNumber host) const {
    return static_cast<std::size_t>(hosts_[host].uplink * 2 * seconds_of(options_.latency));
  }
  void on_sent(const Event& event);
  void on_arrived(const Event& event);

  std::uint64_t sent_bytes(HostNumber host) const { return hosts_[host].sent; }  // with framing
  double busy_seconds(HostNumber host) const { return seconds_of(hosts_[host].busy); }
  Duration latency() const { return options_.latency; }

 private:
  struct Host {
    double uplink;
    double downlink;
    std::uint32_t island = 0;
    bool sending = false;
    std::deque<Direction> ready;
    TimePoint downlink_free{};
    std::uint64_t sent = 0;
    Duration busy{};
  };
  struct Way {
    HostNumber from;
    HostNumber to;
    bool open = true;
    bool is_ready = false;  // in the list of its host
    std::deque<Item> queue;
    std::size_t waiting = 0;
    std::deque<Item> flying;
    std::size_t flying_bytes = 0;
  };
  void make_ready(Direction direction);
  void start(HostNumber host);
  Duration time_of(std::size_t bytes, double rate) const;

  EventQueue& events_;
  Listener& listener_;
  NetworkOptions options_;
  std::deque<Host> hosts_;
  std::deque<Way> directions_;
};

}  // namespace p2p::sim
