// SPDX-License-Identifier: MIT
#include "tests/sim/network.h"

#include <algorithm>
#include <utility>

namespace p2p::sim {

HostNumber Network::add_host(double uplink, double downlink) {
  auto& host = hosts_.emplace_back();
  host.uplink = uplink;
  host.downlink = downlink;
  return static_cast<HostNumber>(hosts_.size() - 1);
}

LinkNumber Network::add_link(HostNumber one, HostNumber other) {
  for (const auto& [from, to] : {std::pair(one, other), std::pair(other, one)}) {
    auto& way = directions_.emplace_back();
    way.from = from;
    way.to = to;
  }
  return static_cast<LinkNumber>(directions_.size() / 2 - 1);
}

void Network::cut(LinkNumber link) {
  for (const Direction direction : {2 * link, 2 * link + 1}) {
    auto& way = directions_[direction];
    way.open = false;
    way.queue = {};
    way.waiting = 0;
  }
}

void Network::set_island(HostNumber host, std::uint32_t island) {
  hosts_[host].island = island;
  for (Direction direction = 0; direction < directions_.size(); ++direction) {
    const auto& way = directions_[direction];
    if (way.from == host || way.to == host) make_ready(direction);
  }
}

void Network::send(Direction direction, Item item) {
  auto& way = directions_[direction];
  if (!way.open) return;
  way.waiting += item.bytes;
  way.queue.push_back(std::move(item));
  make_ready(direction);
}

void Network::make_ready(Direction direction) {
  auto& way = directions_[direction];
  if (way.is_ready || way.queue.empty() || are_apart(way.from, way.to)) return;
  if (way.flying_bytes >= options_.window + path_bytes(way.from)) return;
  way.is_ready = true;
  hosts_[way.from].ready.push_back(direction);
  start(way.from);
}

Duration Network::time_of(std::size_t bytes, double rate) const {
  if (rate <= 0) return {};
  return Duration(static_cast<Duration::rep>(static_cast<double>(bytes) * options_.framing / rate * 1e9));
}

void Network::start(HostNumber number) {
  auto& host = hosts_[number];
  while (!host.sending && !host.ready.empty()) {
    const Direction direction = host.ready.front();
    host.ready.pop_front();
    auto& way = directions_[direction];
    way.is_ready = false;
    std::size_t bytes = 0;
    std::uint32_t count = 0;
    while (!way.queue.empty() && bytes < kChunk) {
      bytes += way.queue.front().bytes;
      ++count;
      way.flying.push_back(std::move(way.queue.front()));
      way.queue.pop_front();
    }
    if (count == 0) continue;  // cut meanwhile
    way.waiting -= bytes;
    way.flying_bytes += bytes;
    host.sending = true;
    host.sent += static_cast<std::uint64_t>(static_cast<double>(bytes) * options_.framing);
    const auto time = time_of(bytes, host.uplink);
    host.busy += time;
    events_.at(events_.now() + time, Happening::Sent, direction, count, static_cast<std::uint32_t>(bytes));
  }
}

void Network::on_sent(const Event& event) {
  auto& way = directions_[event.a];
  hosts_[way.from].sending = false;
  auto& downlink_free = hosts_[way.to].downlink_free;
  downlink_free =
      std::max(downlink_free, events_.now() + options_.latency) + time_of(event.c, hosts_[way.to].downlink);
  events_.at(downlink_free, Happening::Arrived, event.a, event.b, event.c);
  make_ready(event.a);
  start(way.from);
  if (way.open) listener_.on_left(event.a);
}

void Network::on_arrived(const Event& event) {
  auto& way = directions_[event.a];
  way.flying_bytes -= event.c;
  for (std::uint32_t i = 0; i < event.b; ++i) {
    const auto item = std::move(way.flying.front());
    way.flying.pop_front();
    if (way.open) listener_.on_item(event.a, item);
  }
  make_ready(event.a);
}

}  // namespace p2p::sim
