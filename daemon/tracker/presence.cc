// SPDX-License-Identifier: MIT
#include "daemon/tracker/presence.h"

#include <algorithm>

#include "daemon/base/limits.h"

namespace p2p::tracker {

const Presence::Online* Presence::find(const DeviceId& device) const {
  const auto found = devices_.find(device);
  return found == devices_.end() ? nullptr : &found->second;
}

std::vector<ShareKey> Presence::attach(const DeviceId& device, const UserId& user, bool from_loopback) {
  std::vector<ShareKey> left;
  std::optional<Endpoint> endpoint;
  if (const auto* known = find(device); known != nullptr && known->user != user) {
    endpoint = known->endpoint;
    left = detach(device);
  }
  auto& online = devices_[device];
  if (endpoint) online.endpoint = endpoint;
  online.user = user;
  online.from_loopback = from_loopback;
  online_[user].insert(device);
  return left;
}

std::vector<ShareKey> Presence::detach(const DeviceId& device) {
  const auto found = devices_.find(device);
  if (found == devices_.end()) return {};
  const std::vector<ShareKey> left(found->second.shares.begin(), found->second.shares.end());
  for (const auto& share : left) drop(share, device);
  auto& of_user = online_[found->second.user];
  of_user.erase(device);
  if (of_user.empty()) online_.erase(found->second.user);
  devices_.erase(found);
  return left;
}

bool Presence::announce(const DeviceId& device, const ShareKey& share, Activity activity) {
  const auto found = devices_.find(device);
  if (found == devices_.end()) return false;
  if (activity == Activity::Stopped) {
    const bool was_there = found->second.shares.contains(share);
    if (was_there) drop(share, device);
    return was_there;
  }
  found->second.shares.insert(share);
  const auto [row, is_new] = shares_[share].emplace(device, activity);
  const bool changed = is_new || row->second != activity;
  row->second = activity;
  return changed;
}

std::vector<ShareKey> Presence::set_endpoint(const DeviceId& device,
                                             const std::optional<Endpoint>& endpoint) {
  const auto found = devices_.find(device);
  if (found == devices_.end() || found->second.endpoint == endpoint) return {};
  found->second.endpoint = endpoint;
  return {found->second.shares.begin(), found->second.shares.end()};
}

std::vector<std::pair<ShareKey, DeviceId>> Presence::leave_group(const UserId& user, const GroupId& group) {
  std::vector<std::pair<ShareKey, DeviceId>> left;
  for (const auto& device : devices_of(user))
    for (const auto& share : devices_.at(device).shares)
      if (share.group == group) left.emplace_back(share, device);
  for (const auto& [share, device] : left) drop(share, device);
  for (const auto& device : devices_of(user)) devices_.at(device).rosters.erase(group);
  return left;
}

void Presence::drop_share(const ShareKey& share) {
  const auto found = shares_.find(share);
  if (found == shares_.end()) return;
  for (const auto& [device, activity] : found->second) devices_.at(device).shares.erase(share);
  shares_.erase(found);
}

void Presence::roster_applied(const DeviceId& device, const GroupId& group, std::uint64_t epoch) {
  const auto found = devices_.find(device);
  if (found == devices_.end()) return;
  auto& known = found->second.rosters[group];
  known = std::max(known, epoch);
}

bool Presence::has_applied(const DeviceId& device, const GroupId& group, std::uint64_t epoch) const {
  const auto* online = find(device);
  if (online == nullptr) return false;
  const auto known = online->rosters.find(group);
  return known != online->rosters.end() && known->second >= epoch;
}

std::optional<Endpoint> Presence::endpoint(const DeviceId& device, const DeviceId& asker) const {
  const auto* online = find(device);
  if (online == nullptr || !online->endpoint) return std::nullopt;
  const auto* other = find(asker);
  const bool may_see = !online->endpoint->loopback || (other != nullptr && other->from_loopback);
  return may_see ? online->endpoint : std::nullopt;
}

void Presence::drop(const ShareKey& share, const DeviceId& device) {
  devices_.at(device).shares.erase(share);
  const auto found = shares_.find(share);
  found->second.erase(device);
  if (found->second.empty()) shares_.erase(found);
}

std::vector<DeviceId> Presence::devices_of(const UserId& user) const {
  const auto found = online_.find(user);
  if (found == online_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

Presence::Counts Presence::counts(const ShareKey& share) const {
  Counts counts;
  const auto found = shares_.find(share);
  if (found == shares_.end()) return counts;
  for (const auto& [device, activity] : found->second) {
    if (activity == Activity::Seeding) ++counts.seeders;
    else ++counts.leechers;
  }
  return counts;
}

PeerRow Presence::peer(const ShareKey& share, const DeviceId& device, const DeviceId& asker) const {
  PeerRow row;
  row.device = device;
  const auto* online = find(device);
  if (online == nullptr) return row;
  row.user = online->user;
  if (const auto found = shares_.find(share); found != shares_.end())
    if (const auto activity = found->second.find(device); activity != found->second.end())
      row.activity = activity->second;
  row.endpoint = endpoint(device, asker);
  return row;
}

std::vector<PeerRow> Presence::peers(const ShareKey& share, const DeviceId& asker) const {
  std::vector<PeerRow> reachable;
  std::vector<PeerRow> others;
  const auto found = shares_.find(share);
  if (found == shares_.end()) return reachable;
  for (const auto& [device, activity] : found->second) {
    if (device == asker) continue;
    auto row = peer(share, device, asker);
    auto& list = row.endpoint ? reachable : others;
    if (list.size() < limits::kPeersPerShare) list.push_back(std::move(row));
  }
  for (auto& row : others)
    if (reachable.size() < limits::kPeersPerShare) reachable.push_back(std::move(row));
  return reachable;
}

std::vector<DeviceId> Presence::audience(const ShareKey& share, const DeviceId& changed) const {
  std::vector<DeviceId> devices;
  const auto found = shares_.find(share);
  if (found == shares_.end()) return devices;
  for (const auto& [device, activity] : found->second)
    if (device != changed) devices.push_back(device);
  return devices;
}

}  // namespace p2p::tracker
