// SPDX-License-Identifier: MIT
#include "daemon/swarm/peer_book.h"

#include <algorithm>
#include <utility>

#include "daemon/base/limits.h"

namespace p2p::swarm {

PeerBook::PeerBook(const DeviceId& self, std::size_t links_wanted, Random& random)
    : self_(self), links_wanted_(links_wanted), links_most_(2 * links_wanted), random_(random) {}

void PeerBook::add(const DeviceId& device, std::string user, std::vector<PeerAddress> addresses, bool seeding,
                   TimePoint now) {
  if (device == self_) return;
  if (!entries_.contains(device) && !make_room(now)) return;
  if (addresses.size() > limits::kAddressesPerDevice) addresses.resize(limits::kAddressesPerDevice);
  auto& entry = entries_[device];
  if (entry.addresses != addresses) entry.next_address = 0;
  entry.user = std::move(user);
  entry.addresses = std::move(addresses);
  entry.seeding = seeding;
  entry.listed = true;
  entry.known = false;
  entry.wait = {};
  entry.next_try = now;
}

void PeerBook::add_known(const DeviceId& device, std::string user, std::vector<PeerAddress> addresses,
                         TimePoint now) {
  const auto one = entries_.find(device);
  if (one != entries_.end() && one->second.listed) {
    one->second.wait = {};
    one->second.next_try = now;
    return;
  }
  const bool seeding = one != entries_.end() && one->second.seeding;
  add(device, std::move(user), std::move(addresses), seeding, now);
  if (const auto added = entries_.find(device); added != entries_.end()) added->second.known = true;
}

void PeerBook::forget_known() {
  for (auto one = entries_.begin(); one != entries_.end();) {
    const auto entry = one++;
    if (!std::exchange(entry->second.known, false)) continue;
    entry->second.listed = false;
    forget_if_useless(entry);
  }
}

void PeerBook::on_complete(const DeviceId& device) {
  if (const auto one = entries_.find(device); one != entries_.end()) one->second.seeding = true;
}

void PeerBook::remove(const DeviceId& device) {
  const auto found = entries_.find(device);
  if (found == entries_.end()) return;
  found->second.listed = false;
  forget_if_useless(found);
}

std::optional<Candidate> PeerBook::next_dial(bool we_are_complete, TimePoint now) {
  we_are_complete_ = we_are_complete;
  if (!wants_links()) return std::nullopt;
  dial_credit_ = std::max<TimePoint>(dial_credit_, now - kDialBurst * kDialPause);
  if (dial_credit_ + kDialPause > now) return std::nullopt;
  // One of those that are due, each with the same chance: the swarm becomes a random graph.
  std::map<DeviceId, Entry>::iterator chosen = entries_.end();
  std::uint64_t due = 0;
  for (auto one = entries_.begin(); one != entries_.end(); ++one) {
    if (may_dial(one->second) && dial_time(one->second) <= now && random_.below(++due) == 0) chosen = one;
  }
  if (chosen == entries_.end()) return std::nullopt;
  dial_credit_ += kDialPause;
  auto& entry = chosen->second;
  entry.state = State::Dialling;
  entry.next_address %= entry.addresses.size();
  return Candidate{chosen->first, entry.addresses[entry.next_address]};
}

void PeerBook::on_dial_failed(const DeviceId& device, TimePoint now) {
  const auto found = entries_.find(device);
  if (found == entries_.end() || found->second.state != State::Dialling) return;
  auto& entry = found->second;
  entry.state = State::Idle;
  entry.wait = std::clamp<Duration>(entry.wait * 2, kFirstWait, kLastWait);
  entry.next_try = now + entry.wait;
  ++entry.next_address;
  forget_if_useless(found);
}

void PeerBook::on_connected(const DeviceId& device) {
  // A device that dialled us need not be known; it is forgotten when it goes.
  const auto [found, inserted] = entries_.try_emplace(device);
  if (inserted) found->second.listed = false;
  found->second.state = State::Connected;
  found->second.wait = {};
}

void PeerBook::on_disconnected(const DeviceId& device, TimePoint now) {
  const auto found = entries_.find(device);
  if (found == entries_.end() || found->second.state != State::Connected) return;
  found->second.state = State::Idle;
  found->second.next_try = now + kFirstWait;
  forget_if_useless(found);
}

void PeerBook::on_fault(const DeviceId& device, TimePoint now) { ban(device, now + limits::kOffenderPause); }

void PeerBook::ban(const DeviceId& device, TimePoint until) {
  const auto found = entries_.find(device);
  if (found != entries_.end()) {
    found->second.banned_until = std::max(found->second.banned_until, until);
  } else if (entries_.size() < limits::kPeersPerShare) {
    auto& entry = entries_[device];
    entry.listed = false;
    entry.banned_until = until;
  }
}

bool PeerBook::is_banned(const DeviceId& device, TimePoint now) const {
  const auto found = entries_.find(device);
  return found != entries_.end() && now < found->second.banned_until;
}

TimePoint PeerBook::next_deadline() const {
  TimePoint next = TimePoint::max();
  if (!wants_links()) return next;
  for (const auto& [device, entry] : entries_) {
    if (may_dial(entry)) next = std::min(next, dial_time(entry));
  }
  return std::max<TimePoint>(next, dial_credit_ + kDialPause);
}

bool PeerBook::on_lag(TimePoint now) {
  if (now - last_lag_ < kLagInterval || links_wanted_ == links_most_) return false;
  last_lag_ = now;
  ++links_wanted_;
  return true;
}

std::size_t PeerBook::connected() const {
  return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [](const auto& one) {
    return one.second.state == State::Connected;
  }));
}

std::string PeerBook::user_of(const DeviceId& device) const {
  const auto found = entries_.find(device);
  return found == entries_.end() ? std::string() : found->second.user;
}

std::size_t PeerBook::links() const {
  return static_cast<std::size_t>(std::count_if(
      entries_.begin(), entries_.end(), [](const auto& one) { return one.second.state != State::Idle; }));
}

bool PeerBook::wants_links() const {
  if (links() >= links_wanted_) return false;
  if (!is_source_ || !we_are_complete_) return true;
  const auto seeders = std::count_if(entries_.begin(), entries_.end(),
                                     [](const auto& one) { return one.second.listed && one.second.seeding; });
  return static_cast<std::size_t>(seeders) < links_wanted_;
}

bool PeerBook::may_dial(const Entry& entry) const {
  return entry.state == State::Idle && entry.listed && !entry.addresses.empty() &&
         !(entry.seeding && we_are_complete_);
}

TimePoint PeerBook::dial_time(const Entry& entry) { return std::max(entry.next_try, entry.banned_until); }

void PeerBook::forget_if_useless(std::map<DeviceId, Entry>::iterator one) {
  const auto& entry = one->second;
  if (!entry.listed && entry.state == State::Idle && entry.banned_until == TimePoint{}) entries_.erase(one);
}

bool PeerBook::make_room(TimePoint now) {
  if (entries_.size() < limits::kPeersPerShare) return true;
  // Bans that are over are all that an unlisted idle device was kept for.
  std::erase_if(entries_, [now](const auto& one) {
    return !one.second.listed && one.second.state == State::Idle && one.second.banned_until <= now;
  });
  return entries_.size() < limits::kPeersPerShare;
}

}  // namespace p2p::swarm
