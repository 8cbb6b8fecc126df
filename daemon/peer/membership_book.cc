// SPDX-License-Identifier: MIT
#include "daemon/peer/membership_book.h"

#include <algorithm>

#include "daemon/base/limits.h"

namespace p2p::peer {

void MembershipBook::clear() {
  keys_.reset();
  groups_.clear();
  revocations_.clear();
}

void MembershipBook::load(const std::vector<storage::MembershipRow>& rows) {
  for (const auto& row : rows) (void)update(row.group, row.name, trust::Role::Member, row.grant, row.roster);
}

Status MembershipBook::update(const GroupId& group, std::string name, trust::Role role, ByteSpan grant,
                              ByteSpan roster) {
  std::optional<trust::Grant> checked;
  if (trust::is_member(role)) {
    if (!keys_) return fail(Code::Internal, "no key set to check a grant with");
    if (!grant.empty()) {
      auto opened = trust::Grant::open(grant, *keys_);
      if (!opened) return fail(opened.error());
      if (opened->group != group) return fail(Code::Integrity, "a grant names another group");
      checked = std::move(*opened);
    }
  }
  auto& membership = groups_[group];
  membership.name = std::move(name);
  membership.role = checked ? checked->role : role;
  if (!trust::is_member(role)) {
    membership.grant.reset();
    membership.grant_bytes.clear();
    return {};
  }
  if (checked) {
    membership.grant = std::move(checked);
    membership.grant_bytes = to_bytes(grant);
  }
  if (!roster.empty())
    if (auto changed = update_roster(group, roster); !changed) return fail(changed.error());
  return {};
}

Result<bool> MembershipBook::update_roster(const GroupId& group, ByteSpan roster) {
  const auto at = groups_.find(group);
  if (at == groups_.end() || !keys_) return false;
  auto opened = trust::Roster::open(roster, *keys_);
  if (!opened) return fail(opened.error());
  if (opened->group != group) return fail(Code::Integrity, "a roster names another group");
  auto& held = at->second.roster;
  if (held && opened->epoch < held->epoch)
    return fail(Code::Integrity, "the tracker sent an older roster than the one before");
  const bool changed = !held || opened->epoch != held->epoch;
  held = std::move(*opened);
  at->second.roster_bytes = to_bytes(roster);
  return changed;
}

void MembershipBook::load(const std::vector<storage::RevocationRow>& rows) {
  for (const auto& row : rows) (void)add_revocation(row.statement);
}

Result<std::optional<storage::RevocationRow>> MembershipBook::add_revocation(ByteSpan revocation) {
  if (!keys_) return fail(Code::Internal, "no key set to check a revocation with");
  auto opened = trust::Revocation::open(revocation, *keys_);
  if (!opened) return fail(opened.error());
  const auto held = revocations_.find(opened->device);
  if (held != revocations_.end() && held->second.at >= opened->at) return std::nullopt;
  storage::RevocationRow row{opened->device, opened->until.seconds, to_bytes(revocation)};
  revocations_.insert_or_assign(opened->device, std::move(*opened));
  if (revocations_.size() > limits::kRevocations)
    revocations_.erase(
        std::min_element(revocations_.begin(), revocations_.end(),
                         [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
  return row;
}

void MembershipBook::forget_revocations(WallTime now) {
  std::erase_if(revocations_, [now](const auto& entry) { return entry.second.until < now; });
}

bool MembershipBook::is_void(const trust::Grant& grant) const {
  const auto held = revocations_.find(grant.device);
  return held != revocations_.end() && held->second.voids(grant);
}

const MembershipBook::Membership* MembershipBook::find(const GroupId& group) const {
  const auto at = groups_.find(group);
  return at != groups_.end() ? &at->second : nullptr;
}

const MembershipBook::Membership* MembershipBook::find(const std::string& name) const {
  for (const auto& [id, membership] : groups_)
    if (membership.name == name) return &membership;
  return nullptr;
}

storage::MembershipRow MembershipBook::row_of(const GroupId& group) const {
  const auto* membership = find(group);
  if (membership == nullptr) return {group, {}, {}, {}};
  return {group, membership->name, membership->grant_bytes, membership->roster_bytes};
}

bool MembershipBook::is_member(const GroupId& group, const UserId& user) const {
  const auto* membership = find(group);
  return membership != nullptr && (!membership->roster || membership->roster->contains(user));
}

bool MembershipBook::is_in(const GroupId& group) const {
  const auto* membership = find(group);
  return membership != nullptr && trust::is_member(membership->role);
}

Result<trust::Grant> MembershipBook::check_grant(ByteSpan grant, const GroupId& group, const DeviceId& device,
                                                 WallTime now) const {
  const auto* membership = find(group);
  if (!keys_ || membership == nullptr || !trust::is_member(membership->role))
    return fail(Code::NotMember, "not a group of ours");
  auto opened = trust::Grant::open(grant, *keys_);
  if (!opened) return fail(opened.error());
  if (opened->group != group || opened->device != device)
    return fail(Code::NotAllowed, "the grant is for another group or device");
  // Clocks of tracker and peers may differ by the time that grants are back-dated.
  if (now < opened->not_before - limits::kGrantBackdate || now > opened->not_after)
    return fail(Code::NotAllowed, "the grant is not valid now");
  if (membership->roster && !membership->roster->contains(opened->user) &&
      opened->epoch <= membership->roster->epoch)
    return fail(Code::NotMember, "its user is not on the roster");
  if (is_void(*opened)) return fail(Code::NotAllowed, "the grant was revoked");
  return opened;
}

}  // namespace p2p::peer
