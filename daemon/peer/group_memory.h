// SPDX-License-Identifier: MIT
// What is kept of the account's groups for times without the tracker: the signed catalogue entries, so that
// a known file can be fetched, and where members' devices were last reachable. All of it is on disk, in the
// state database; this class keeps it as the tracker has it.
//
// Catalogues: every membership that the tracker sends names the digest of the group's catalogue. Where ours
// is another one, the catalogue is listed and replaced as a whole; between that, events keep it up. Of one
// with more than limits::kKnownFiles files only so many are kept. One group is listed at a time, its pages
// kPause apart.
//
// Devices: asked for with each attach, where the catalogue or the roster has changed (a publisher may be new,
// a member gone), and every kDevicesAgain; groups one after the other, kPause apart. Devices of users who are
// no longer members are forgotten, and so are revoked ones: they are not to be dialled.
//
// Loop thread only.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "daemon/io/timer.h"
#include "daemon/peer/membership_book.h"
#include "daemon/peer/state_store.h"
#include "daemon/peer/tracker_client.h"

namespace p2p::peer {

class GroupMemory {
 public:
  static constexpr Duration kDevicesAgain = 5min;
  static constexpr Duration kPause = 100ms;
  static constexpr Duration kBusyPause = 2s;  // the tracker says that it is asked too much

  GroupMemory(io::Loop& loop, StateStore& store, TrackerClient& tracker, const MembershipBook& memberships,
              Random& random);

  void set_account(std::int64_t account);  // 0: nobody is logged in
  void on_attached();
  void on_lost();
  void on_membership(const GroupId& group, const Sha256& digest);
  void on_file_added(const pb::tracker::FileRow& row);
  void on_withdrawn(const ShareKey& share);
  void on_roster_changed(const GroupId& group);
  void on_revoked(const DeviceId& device);

  // The signed entry of a file, or nothing when it is not known.
  using Found = std::function<void(std::optional<Bytes>)>;
  void find_entry(const GroupId& group, const std::string& name, Found found);
  // Those that were seen last come first.
  using Devices = std::function<void(std::vector<storage::KnownDevice>)>;
  void find_devices(const GroupId& group, Devices found);

 private:
  struct Listing {
    GroupId group;
    Sha256 digest;                                      // that it should have
    std::map<std::string, storage::CatalogueRow> rows;  // by name
    std::string cursor;
  };
  void list_next();
  void list_page();
  void on_page(const Result<pb::tracker::Response>& response);
  void ask_soon(const GroupId& group);
  void ask_devices();
  void ask_all();
  void on_devices(const GroupId& group, const pb::tracker::Peers& peers);

  io::Loop& loop_;
  StateStore& store_;
  TrackerClient& tracker_;
  const MembershipBook& memberships_;
  Random& random_;
  std::int64_t account_ = 0;
  std::deque<std::pair<GroupId, Sha256>> to_list_;
  std::optional<Listing> listing_;
  std::map<GroupId, Sha256> in_part_;  // digests of catalogues that were kept in part
  std::deque<GroupId> to_ask_;         // whose devices
  TimePoint all_again_{};              // when all groups are asked about
  io::Timer list_timer_;
  io::Timer ask_timer_;
  std::optional<io::WorkScope> scope_{std::in_place};  // of the account
};

}  // namespace p2p::peer
