// SPDX-License-Identifier: MIT
// The tracker's memory of accounts, groups, members and shares, and every rule about them.
//
// Pure: no clock, no randomness, no files, no logging. A mutating request is decided without being
// carried out: decide() gives the answer, the ChangeSet that makes it true, and the notices to push.
// The caller makes the change set durable, then calls apply(), then answers and pushes.
//
// Who may what is decided here and only here, by device → account → role in the group:
//  - a device that is not bound to an enabled account may create an account or log in, nothing else;
//  - an unlisted group exists only for its members, applicants and those invited; for all others the
//    answer is that of a name that nobody uses (not_found);
//  - of a listed group everybody may see the row; everything else is for members (not_member), requests,
//    decisions and invitations for admins (not_admin);
//  - the owner alone gives roles and the group away, and removes admins; an admin may step down; admins
//    remove members; a share is withdrawn by its publisher, while it is a member, or by an admin
//    (not_allowed);
//  - the answer about a share to somebody who is no member does not depend on whether the share exists.
//
// Invariants: every member, applicant and device belongs to an account; who is invited to a group has no
// role in it; a group has at least one member and exactly one owner; change numbers and epochs only grow; a
// group's id is never used twice; no grant that is made after a revocation of its device is void by it
// (issue_time).
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/meta/metainfo.h"
#include "daemon/tracker/model.h"
#include "daemon/tracker/operations.h"
#include "proto/tracker.pb.h"

namespace p2p::tracker {

namespace msg = ::p2p::pb::tracker;

class Presence;

// Things to push to online devices once a change is durable and applied.
struct RosterNotice {
  GroupId group;
};
struct MembershipNotice {
  GroupId group;
  std::string name;
  UserId user;
  std::string decided_by;
};
struct JoinNotice {
  GroupId group;
  std::string user;
  std::string message;
};
struct InvitationNotice {
  GroupId group;
  UserId user;
  std::string by;
};
struct FileNotice {
  ShareKey share;
};
struct WithdrawalNotice {
  ShareKey share;
  std::string name;
  std::string by;
};
struct DeviceNotice {
  DeviceId device;
};  // bound to an account or unbound
struct RevocationNotice {
  Revocation revocation;
};  // the device is unbound and what it was granted is void
struct EndNotice {
  DeviceId device;
  Error reason;
};  // its session, if there is one, ends
using Notice = std::variant<RosterNotice, MembershipNotice, JoinNotice, InvitationNotice, FileNotice,
                            WithdrawalNotice, DeviceNotice, RevocationNotice, EndNotice>;

// What an account is made of, prepared by the caller because it needs randomness and secrets. For
// ChangePassword only record and salt count.
struct NewAccount {
  UserId id;
  Bytes record;
  Bytes salt;
  std::uint32_t log_n = 0;
  std::optional<Sha256> invite;  // a right to make it is asked for: the hash of the token that came
};

// A piece list that was uploaded, and the metadata that follows from it and the catalogue entry.
struct CheckedUpload {
  meta::Metainfo metainfo;
  std::shared_ptr<const Bytes> piece_list;
};

// A mutating request, or an operation of the operator, with everything its decision depends on beside the
// registry.
struct Asked {
  std::uint64_t session = 0;  // who waits for the answer
  std::uint64_t frame = 0;    // id of the request's frame
  trust::PublicKey key;       // of the device that asks
  DeviceId device;
  std::optional<UserId> user;  // whose device it was when the request came, for what changes an account
  WallTime now;
  msg::Request request;
  std::optional<NewAccount> new_account;        // for CreateAccount and ChangePassword
  Bytes record;                                 // that a proof was compared with: for Login, ChangePassword
  std::chrono::seconds grant_lifetime{};        // the longest of any grant alive: for revocations
  std::shared_ptr<const CheckedUpload> upload;  // for ShareFile; nothing: there was none
  std::optional<Operation> operation;           // then there is no request, device or key
};

struct Decision {
  msg::Response answer;
  std::optional<ChangeSet> change;  // nothing: the answer holds without any
  std::vector<Notice> notices;
};

msg::Response error_response(const Error& error);

class Registry {
 public:
  explicit Registry(const TrackerId& tracker) : tracker_(tracker) {}

  // Revocations that have ended by `now` are left out.
  void load(Snapshot snapshot, WallTime now = {});
  // Carries out a change set that decide() made from the present state and that is durable.
  void apply(const ChangeSet& change);
  // Takes the store's state of one scope, after a conflict.
  void replace(ScopeState state);

  // --- lookups; pointers are valid until the next apply() or replace()
  const TrackerId& tracker() const { return tracker_; }
  const Account* account(std::string_view name) const;
  const Account* account(const UserId& user) const;
  const Account* account_of(const DeviceId& device) const;  // bound and not disabled
  const Group* group(std::string_view name) const;
  const Group* group(const GroupId& id) const;
  const std::set<std::string>& groups_of(const UserId& user) const;   // member or applicant
  const std::set<std::string>& invited_to(const UserId& user) const;  // names of groups
  std::size_t accounts() const { return accounts_.size(); }
  std::size_t groups() const { return groups_.size(); }
  std::size_t shares() const { return shares_; }
  trust::Roster roster(const Group& group) const;
  std::size_t revocations() const { return revocations_.size(); }
  // Those in force, of the devices of everybody who is a member of a group with the asker.
  std::vector<const Revocation*> revocations_for(const Account& asker, WallTime now) const;
  // Those of the group's members.
  std::vector<const Revocation*> revocations_in(const Group& group, WallTime now) const;
  // When a grant that is made now for the device has to say that it was issued.
  WallTime issue_time(const DeviceId& device, WallTime now) const;
  bool are_together(const UserId& one, const UserId& other) const;  // members of one group

  // --- for the operator, who sees everything (registry_operator.cc); in order of names
  std::vector<const Account*> all_accounts() const;
  std::vector<const Group*> all_groups() const;
  Result<const Account*> existing_account(const std::string& name) const;
  const std::set<DeviceId>& devices_of(const UserId& user) const;
  const std::string& owner_of(const Group& group) const;  // the name
  std::size_t memberships_of(const UserId& user) const;
  std::size_t invites() const { return invites_.size(); }
  bool has_expired_invites(WallTime now) const;

  // --- mutating requests
  // The scope that a request changes, or the refusal when that does not exist.
  Result<Scope> scope_of(const Asked& asked) const;
  Decision decide(const Asked& asked) const;
  bool is_repeated(const Asked& asked) const;  // decide() will give a remembered answer
  // What can be said about a ShareFile before its piece list is checked, which is work.
  Status may_share(const Asked& asked) const;

  // Adds to a decision, which changes the owner's account, that a device of it is unbound and its grants
  // are void.
  void revoke_device(const Account& owner, const DeviceId& device, WallTime now,
                     std::chrono::seconds grant_lifetime, Decision& decision) const;

  // --- reading requests of a logged-in user
  msg::SessionPage list_sessions(const Account& asker, const DeviceId& current,
                                 const msg::ListSessions& request, const Presence& presence) const;
  Result<msg::GroupRow> show_group(const Account& asker, const msg::ShowGroup& request) const;
  msg::GroupPage list_groups(const Account& asker, const msg::ListGroups& request) const;
  Result<msg::JoinRequestPage> list_requests(const Account& asker,
                                             const msg::ListJoinRequests& request) const;
  Result<msg::MemberPage> list_members(const Account& asker, const msg::ListMembers& request,
                                       const Presence& presence) const;
  Result<msg::FilePage> list_files(const Account& asker, const msg::ListFiles& request,
                                   const Presence& presence) const;
  Result<msg::FileDetail> show_file(const Account& asker, const msg::ShowFile& request,
                                    const Presence& presence) const;
  msg::FileRow file_row(const Group& group, const Share& share, const Presence* presence) const;
  // A group by its id, for members.
  Result<const Group*> joined_group(const Account& asker, const std::string& group_id) const;
  // A share by its key, for members: piece lists and peers.
  Result<const Share*> member_share(const Account& asker, const std::string& group_id,
                                    const std::string& info_hash) const;

 private:
  using Key = std::pair<DeviceId, IdempotencyKey>;

  Result<Decision> decide_create_account(const Asked& asked) const;
  Result<Decision> decide_login(const Asked& asked) const;
  Result<Decision> decide_logout(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_password(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_revoke(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_create_group(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_join(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_leave(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_requests(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_invite(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_role(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_remove(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_transfer(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_share(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_withdraw(const Account& asker, const Asked& asked) const;
  Result<Decision> decide_body(const Asked& asked) const;

  Result<Device> new_binding(const Account& account, const Asked& asked) const;
  Decision bound_to(const Account& account, const Asked& asked, ChangeSet change) const;

  Result<const Group*> visible_group(const Account& asker, std::string_view name) const;
  Result<const Group*> member_group(const Account& asker, std::string_view name) const;
  Result<const Group*> admin_group(const Account& asker, std::string_view name) const;
  Result<const Account*> fellow_member(const Group& group, const std::string& user) const;
  Status may_be_invited(const Group& group, const Account& user) const;
  static Status has_room(const Group& group, std::size_t members);
  // Adds to a decision, which changes the group, that an admin has let the user in.
  static void let_in(const Group& group, const UserId& user, const std::string& admin, WallTime now,
                     Decision& decision);
  void note_role_change(const Group& group, const Account& user, const Account& by, Decision& decision) const;
  Result<trust::CatalogueEntry> open_entry(const Account& asker, const Asked& asked) const;
  ChangeSet change_of(const Account& account) const;
  ChangeSet change_of(const Group& group) const;
  msg::GroupRow group_row(const Account& asker, const Group& group) const;
  void add_requests(const Group& group, const std::string& after, msg::JoinRequestPage& page) const;
  const std::string& name_of(const UserId& user) const;

  Decision decide_operation(const Asked& asked) const;
  Result<Decision> decide_one(const SetDisabled& operation, const Asked& asked) const;
  Result<Decision> decide_one(const ResetPassword& operation, const Asked& asked) const;
  Result<Decision> decide_one(const AddInvite& operation, const Asked& asked) const;
  Result<Decision> decide_one(const DropExpiredInvites& operation, const Asked& asked) const;
  Decision change_account(const Account& before, Account after) const;
  Decision change_invites(const Sha256& subject, WallTime now) const;
  void end_devices(const Account& account, const Error& reason, const Asked& asked, Decision& decision) const;
  Status admits(const Sha256& invite, WallTime now) const;

  Group* find_group(const GroupId& id);
  void carry_out(const PutAccount& change);
  void carry_out(const PutDevice& change);
  void carry_out(const DropDevice& change);
  void carry_out(const PutRevocation& change);
  void carry_out(const PutGroup& change);
  void carry_out(const EndGroup& change);
  void carry_out(const PutMember& change);
  void carry_out(const DropMember& change);
  void carry_out(const PutRequest& change);
  void carry_out(const DropRequest& change);
  void carry_out(const PutInvitation& change);
  void carry_out(const DropInvitation& change);
  void carry_out(const PutShare& change);
  void carry_out(const DropShare& change);
  void carry_out(const PutInvite& change);
  void carry_out(const UseInvite& change);
  void carry_out(const DropInvite& change);
  void add_group(Group group);
  void drop_group(const GroupId& id);
  void note_role(const Group& group, const UserId& user);
  void remember(const Remembered& remembered);

  TrackerId tracker_;
  std::map<UserId, Account> accounts_;
  std::map<std::string, UserId, std::less<>> account_names_;
  std::map<DeviceId, Device> devices_;
  std::map<UserId, std::set<DeviceId>> devices_of_;
  std::map<std::pair<DeviceId, UserId>, Revocation> revocations_;
  std::map<GroupId, Group> groups_;
  std::map<std::string, GroupId, std::less<>> group_names_;
  std::set<GroupId> ended_;
  std::map<UserId, std::set<std::string>> groups_of_;
  std::map<UserId, std::set<std::string>> invited_to_;
  std::map<UserId, std::size_t> shares_of_;
  std::size_t shares_ = 0;
  std::map<Sha256, Invite> invites_;
  std::map<Key, std::string> answers_;
  std::deque<Key> answer_order_;  // oldest first
};

}  // namespace p2p::tracker
