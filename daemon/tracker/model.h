// SPDX-License-Identifier: MIT
// What the tracker knows for good: accounts, devices, groups with their members and shares; and the words
// in which a change of it is written down.
//
// A ChangeSet belongs to one scope (an account or a group, by its name, which is unique and never
// changes). It holds if the scope still has the change number `expected` (0: the scope does not exist),
// and gives it the number `next`. Both the registry in memory and the store on disk apply the same
// ChangeSet; a change set that alters who is a member makes `next` the roster epoch as well.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/base/digest.h"
#include "daemon/base/ids.h"
#include "daemon/base/time.h"
#include "daemon/trust/statements.h"

namespace p2p::tracker {

using trust::Role;

struct Account {
  UserId id;
  std::string name;
  Bytes record;  // version byte and HMAC of the password's proof (passwords.h)
  Bytes salt;
  std::uint32_t log_n = 0;
  bool disabled = false;
  WallTime created;
  std::uint64_t change = 0;
};

struct Device {
  DeviceId id;
  trust::PublicKey key;
  UserId user;
  WallTime since;
};

// Grants that a device got for its user at or before `at` are void. Kept until none of them can live.
struct Revocation {
  DeviceId device;
  UserId user;
  WallTime at;
  WallTime until;
};

struct Member {
  Role role = Role::Member;
  WallTime since;
};

struct JoinRequest {
  std::string message;
  WallTime since;
};

// Whoever has one may join: an admin has decided before being asked.
struct Invitation {
  UserId by;
  WallTime since;
};

// A catalogue row. The piece list itself stays in the store.
struct Share {
  GroupId group;
  std::string name;
  std::uint64_t size = 0;
  std::uint32_t piece_length = 0;
  std::uint32_t pieces = 0;
  Sha1 sha1;
  InfoHash info_hash;
  std::optional<InfoHashV1> info_hash_v1;
  UserId publisher;
  trust::PublicKey publisher_key;
  Bytes entry;  // signed CatalogueEntry
  WallTime since;
};

// What a group is apart from its rows.
struct GroupHead {
  GroupId id;
  std::string name;
  std::string description;
  bool unlisted = false;
  Bytes statement;  // signed GroupCreation
  WallTime created;
};

struct Group {
  GroupHead head;
  std::uint64_t change = 0;
  std::uint64_t epoch = 0;  // change number of the last change of the membership
  std::map<UserId, Member> members;
  std::map<UserId, JoinRequest> requests;
  std::map<UserId, Invitation> invitations;          // of users without a role
  std::map<std::string, Share, std::less<>> shares;  // by name
  std::map<InfoHash, std::string> share_names;

  Role role_of(const UserId& user) const;
  bool is_visible_to(const UserId& user) const;  // that there is such a group
  const Share* share(const InfoHash& info_hash) const;
};

using InviteToken = Id<struct InviteTokenTag, 16>;  // random; people see it in hex

// A right to make accounts, for whoever has its token. The token itself is kept nowhere.
struct Invite {
  Sha256 hash;             // of the token
  std::uint32_t uses = 1;  // left
  WallTime expires;
};

// An invite's name is its hash in hex; it has change number 1 as long as it exists.
struct Scope {
  enum class Kind : std::uint8_t { Account, Group, Invite };
  Kind kind = Kind::Account;
  std::string name;
  auto operator<=>(const Scope&) const = default;
};

struct PutAccount {
  Account account;
};
struct PutDevice {
  Device device;
};
struct DropDevice {
  DeviceId device;
  UserId user;  // it stays if it is bound to another one meanwhile
};
struct PutRevocation {
  Revocation revocation;
};  // and forget those, of whomever, that ended before it was made
struct PutGroup {
  GroupHead head;
};
struct EndGroup {
  GroupId group;
};  // with all its rows; its id is never used again
struct PutMember {
  GroupId group;
  UserId user;
  Member member;
};
struct DropMember {
  GroupId group;
  UserId user;
};
struct PutRequest {
  GroupId group;
  UserId user;
  JoinRequest request;
};
struct DropRequest {
  GroupId group;
  UserId user;
};
struct PutInvitation {
  GroupId group;
  UserId user;
  Invitation invitation;
};
struct DropInvitation {
  GroupId group;
  UserId user;
};
struct PutShare {
  Share share;
  std::shared_ptr<const Bytes> piece_list;
};
struct DropShare {
  GroupId group;
  InfoHash info_hash;
};  // with its piece list
struct PutInvite {
  Invite invite;
};
struct UseInvite {
  Sha256 hash;
};  // holds only as long as a use is left; with the last one the invite is gone
struct DropInvite {
  Sha256 hash;
};

using Change = std::variant<PutAccount, PutDevice, DropDevice, PutRevocation, PutGroup, EndGroup, PutMember,
                            DropMember, PutRequest, DropRequest, PutInvitation, DropInvitation, PutShare,
                            DropShare, PutInvite, UseInvite, DropInvite>;

// The first answer to a mutating request, given again when its key comes again.
struct Remembered {
  DeviceId device;
  IdempotencyKey key;
  std::string response;  // serialized
};

struct ChangeSet {
  Scope scope;
  std::uint64_t expected = 0;
  std::uint64_t next = 1;
  std::vector<Change> changes;
  std::optional<Remembered> remembered;

  bool alters_roster() const;
};

// Everything, as loaded at start.
struct Snapshot {
  std::vector<Account> accounts;
  std::vector<Device> devices;
  std::vector<Revocation> revocations;
  std::vector<Group> groups;
  std::vector<GroupId> ended_groups;
  std::vector<Invite> invites;
  std::vector<Remembered> remembered;  // oldest first
};

// One scope, as loaded after a conflict. Nothing in it: the scope does not exist.
struct ScopeState {
  Scope scope;
  std::optional<Account> account;
  std::vector<Device> devices;
  std::vector<Revocation> revocations;  // of the account
  std::optional<Group> group;
  std::optional<std::vector<Invite>> invites;  // all there are; not loaded for a group
  std::optional<Remembered> remembered;        // of the request that met the conflict
};

}  // namespace p2p::tracker
