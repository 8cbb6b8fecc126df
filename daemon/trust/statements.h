// SPDX-License-Identifier: MIT
// Everything that is signed: fixed byte layouts with a domain string and a version, never protobuf.
//
// A statement on the wire is `body ‖ signature(64)`, and the body begins with a domain string of its own
// ending in a zero byte, so that no statement can pass for another. Fields follow big-endian in the order
// of the struct; strings are u16 length and UTF-8. Parsing checks form and bounds only; who signed is
// checked by open() of each kind. Trailing bytes are an error. Layouts: PROTOCOL.md, "Statements".
//
//   root key ──signs──▶ KeySet {tls keys, grant keys}
//   grant key ──signs──▶ Grant, Roster, Revocation, TimeStatement
//   device key ──signs──▶ GroupCreation, CatalogueEntry
//
// Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "daemon/trust/keys.h"

namespace p2p::trust {

enum class Role : std::uint8_t { None = 0, Pending = 1, Member = 2, Admin = 3, Owner = 4 };
inline bool is_member(Role role) { return role >= Role::Member; }
inline bool is_admin(Role role) { return role >= Role::Admin; }

// Which keys act for a tracker. Signed by its root key.
struct KeySet {
  PublicKey root;
  std::vector<Fingerprint> tls_keys;  // 1 to 8
  std::vector<PublicKey> grant_keys;  // 1 to 8
  WallTime not_before;
  WallTime not_after;

  TrackerId tracker() const;
  Bytes sign(const KeyPair& root_key) const;
  // Checks the signature by the root key inside and that this root is `tracker`. The validity times are
  // the caller's to check, once it knows the time.
  static Result<KeySet> open(ByteSpan signed_bytes, const TrackerId& tracker);
  // The same without a pin, to show a fingerprint before the first contact.
  static Result<KeySet> open_unpinned(ByteSpan signed_bytes);
};

// A device's user is a member of a group: what a peer link begins with.
struct Grant {
  TrackerId tracker;
  GroupId group;
  UserId user;
  DeviceId device;
  Role role = Role::None;
  std::uint64_t epoch = 0;  // of the roster it was made from
  WallTime not_before;
  WallTime not_after;
  Bytes admin_statement;  // reserved for admin-signed membership; empty, at most 200 bytes

  Bytes sign(const KeyPair& grant_key) const;
  // Signed by one of the key set's grant keys, for its tracker. Times, device and group are the
  // caller's to compare.
  static Result<Grant> open(ByteSpan signed_bytes, const KeySet& keys);
};

// The members of a group as of one epoch, in order of user id.
struct Roster {
  struct Member {
    UserId user;
    Role role = Role::Member;
    auto operator<=>(const Member&) const = default;
  };
  TrackerId tracker;
  GroupId group;
  std::uint64_t epoch = 0;
  std::vector<Member> members;

  bool contains(const UserId& user) const;
  Bytes sign(const KeyPair& grant_key) const;
  static Result<Roster> open(ByteSpan signed_bytes, const KeySet& keys);
};

// "What this device was granted is void": its user revoked it, or the operator disabled the user. Grants
// that were issued later, after a new login, hold again.
struct Revocation {
  TrackerId tracker;
  DeviceId device;
  UserId user;
  WallTime at;
  WallTime until;  // no grant that it voids lives longer: it may be forgotten then

  bool voids(const Grant& grant) const;
  Bytes sign(const KeyPair& grant_key) const;
  static Result<Revocation> open(ByteSpan signed_bytes, const KeySet& keys);
};

// The tracker's clock, for one device.
struct TimeStatement {
  TrackerId tracker;
  DeviceId device;
  WallTime now;

  Bytes sign(const KeyPair& grant_key) const;
  static Result<TimeStatement> open(ByteSpan signed_bytes, const KeySet& keys);
};

// "I make this group." Its id is the SHA-256 of the signed statement.
struct GroupCreation {
  TrackerId tracker;
  UserId creator;
  PublicKey device_key;  // that signs
  std::string name;
  Id<struct NonceTag, 16> nonce;
  WallTime created;

  Bytes sign(const KeyPair& device_key_pair) const;
  static Result<GroupCreation> open(ByteSpan signed_bytes);
};
GroupId group_id_of(ByteSpan signed_creation);

// "This device publishes this file in this group." The v2 info-hash commits to the piece list.
struct CatalogueEntry {
  TrackerId tracker;
  GroupId group;
  UserId publisher;
  PublicKey device_key;  // that signs
  std::string name;
  std::uint64_t size = 0;
  std::uint32_t piece_length = 0;
  Sha1 sha1;  // of the whole file
  InfoHash info_hash;
  WallTime published;

  Bytes sign(const KeyPair& device_key_pair) const;
  static Result<CatalogueEntry> open(ByteSpan signed_bytes);
};

}  // namespace p2p::trust
