// SPDX-License-Identifier: MIT
// Who is online, where they can be reached, and what they do with which share. Soft state: it lives in
// memory only and is told anew after every attach.
//
// It also knows which roster of each of its groups a device has taken over: the one that it attached with,
// or a later one that it has told of. There is a row for a group only while its user is a member.
//
// Pure. A device is here while its session is attached and its account logged in. An endpoint is known
// only after a dial-back has proved that the device answers there. Loopback endpoints are shown only to
// devices whose own session comes from loopback.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "daemon/base/ids.h"

namespace p2p::tracker {

enum class Activity : std::uint8_t { Stopped = 0, Leeching = 1, Seeding = 2 };

struct Endpoint {
  Bytes host;  // 4 or 16 bytes
  std::uint16_t port = 0;
  bool loopback = false;
  bool operator==(const Endpoint&) const = default;
};

struct PeerRow {
  DeviceId device;
  UserId user;
  Activity activity = Activity::Stopped;
  std::optional<Endpoint> endpoint;  // nothing: not proved, or not for this asker
};

class Presence {
 public:
  // From now on the device is online. Attaching again keeps its endpoint and, for the same user, its
  // shares; a change of user gives the shares that the device left.
  std::vector<ShareKey> attach(const DeviceId& device, const UserId& user, bool from_loopback);
  // The device is gone. Gives the shares it was in, so that others can be told.
  std::vector<ShareKey> detach(const DeviceId& device);

  // True when what others see has changed. Nothing happens for a device that is not attached.
  bool announce(const DeviceId& device, const ShareKey& share, Activity activity);
  // Gives the shares whose other devices should hear of it: none when nothing changed.
  std::vector<ShareKey> set_endpoint(const DeviceId& device, const std::optional<Endpoint>& endpoint);
  // The share is no longer in the catalogue: nobody is in it.
  void drop_share(const ShareKey& share);
  // The user left a group: its devices leave the group's shares, and their rosters count no more.
  std::vector<std::pair<ShareKey, DeviceId>> leave_group(const UserId& user, const GroupId& group);

  // The device has taken over the group's roster of this epoch; an older one than before says nothing.
  void roster_applied(const DeviceId& device, const GroupId& group, std::uint64_t epoch);
  bool has_applied(const DeviceId& device, const GroupId& group, std::uint64_t epoch) const;

  bool is_online(const UserId& user) const { return online_.contains(user); }
  bool is_online(const DeviceId& device) const { return devices_.contains(device); }
  // Where the device can be reached, as far as another one may see it.
  std::optional<Endpoint> endpoint(const DeviceId& device, const DeviceId& asker) const;
  std::size_t devices() const { return devices_.size(); }
  std::vector<DeviceId> devices_of(const UserId& user) const;

  struct Counts {
    std::uint32_t seeders = 0;
    std::uint32_t leechers = 0;
  };
  Counts counts(const ShareKey& share) const;
  // Everybody in the share but the asker's device, at most limits::kPeersPerShare; those with an
  // endpoint come first.
  std::vector<PeerRow> peers(const ShareKey& share, const DeviceId& asker) const;
  // One device as another one may see it; stopped when it is not in the share.
  PeerRow peer(const ShareKey& share, const DeviceId& device, const DeviceId& asker) const;
  // The devices that hear of changes: all in the share but the one that changed.
  std::vector<DeviceId> audience(const ShareKey& share, const DeviceId& changed) const;

 private:
  struct Online {
    UserId user;
    bool from_loopback = false;
    std::optional<Endpoint> endpoint;
    std::set<ShareKey> shares;
    std::map<GroupId, std::uint64_t> rosters;  // epochs taken over
  };
  const Online* find(const DeviceId& device) const;
  void drop(const ShareKey& share, const DeviceId& device);

  std::map<DeviceId, Online> devices_;
  std::map<UserId, std::set<DeviceId>> online_;
  std::map<ShareKey, std::map<DeviceId, Activity>> shares_;
};

}  // namespace p2p::tracker
