// SPDX-License-Identifier: MIT
// The groups of this account as this device knows them: our grants, the rosters, and the judgement on
// grants that others show us.
//
// Rosters are signed and numbered; an older epoch than the one held is refused. A grant of another device
// is good when it is signed by the tracker's grant key, names that device and group, is within its times,
// its user is on the roster (or the grant is newer than the roster), and no revocation of its device was
// issued since. A revocation is kept until no grant that it voids can be alive; when there are more than
// limits::kRevocations, those go first that end first. Pure but for its inputs; loop thread only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/storage/state_db.h"
#include "daemon/trust/statements.h"

namespace p2p::peer {

class MembershipBook {
 public:
  struct Membership {
    std::string name;
    trust::Role role = trust::Role::None;
    Bytes grant_bytes;
    std::optional<trust::Grant> grant;
    Bytes roster_bytes;
    std::optional<trust::Roster> roster;
  };

  void clear();
  void set_key_set(trust::KeySet keys) { keys_ = std::move(keys); }
  const std::optional<trust::KeySet>& key_set() const { return keys_; }

  // Rows as stored; what no longer verifies is left out.
  void load(const std::vector<storage::MembershipRow>& rows);
  // What the tracker says of our own place. Empty grant and roster leave what is held.
  Status update(const GroupId& group, std::string name, trust::Role role, ByteSpan grant, ByteSpan roster);
  // A newer roster. True: it changed.
  Result<bool> update_roster(const GroupId& group, ByteSpan roster);
  void remove(const GroupId& group) { groups_.erase(group); }

  void load(const std::vector<storage::RevocationRow>& rows);
  // A revocation by the tracker. The row to store when it says more than what is held; nothing otherwise.
  Result<std::optional<storage::RevocationRow>> add_revocation(ByteSpan revocation);
  void forget_revocations(WallTime now);  // those that have ended
  std::size_t revocations() const { return revocations_.size(); }
  bool is_void(const trust::Grant& grant) const;

  const Membership* find(const GroupId& group) const;
  const Membership* find(const std::string& name) const;
  const std::map<GroupId, Membership>& all() const { return groups_; }
  storage::MembershipRow row_of(const GroupId& group) const;

  // Does this roster know the user? True where no roster is held.
  bool is_member(const GroupId& group, const UserId& user) const;
  // Is this account a member of the group?
  bool is_in(const GroupId& group) const;
  // Judges a grant shown by the device on the other end of a link.
  Result<trust::Grant> check_grant(ByteSpan grant, const GroupId& group, const DeviceId& device,
                                   WallTime now) const;

 private:
  std::optional<trust::KeySet> keys_;
  std::map<GroupId, Membership> groups_;
  std::map<DeviceId, trust::Revocation> revocations_;
};

}  // namespace p2p::peer
