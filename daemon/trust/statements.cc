// SPDX-License-Identifier: MIT
#include "daemon/trust/statements.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/base/names.h"

namespace p2p::trust {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kKeysMax = 8;
constexpr std::size_t kAdminStatementBytes = 200;

constexpr std::string_view kKeySetDomain = "p2p key set";
constexpr std::string_view kGrantDomain = "p2p grant";
constexpr std::string_view kRosterDomain = "p2p roster";
constexpr std::string_view kRevocationDomain = "p2p revocation";
constexpr std::string_view kTimeDomain = "p2p time";
constexpr std::string_view kGroupDomain = "p2p group";
constexpr std::string_view kEntryDomain = "p2p catalogue entry";

// Begins a body: domain, zero byte, version.
class BodyWriter : public ByteWriter {
 public:
  explicit BodyWriter(std::string_view domain) {
    bytes(as_bytes(domain));
    u8(0);
    u8(kVersion);
  }
  void text(std::string_view value) {
    u16(static_cast<std::uint16_t>(value.size()));
    bytes(as_bytes(value));
  }
  Bytes signed_by(const KeyPair& key) {
    const auto signature = key.sign(view());
    bytes(signature.bytes);
    return take();
  }
};

// A signed statement taken apart: the body that was signed, its fields behind the domain, the signature.
struct Parts {
  ByteSpan body;
  ByteReader fields;
  Signature signature;
};

tl::unexpected<Error> malformed(std::string_view domain) {
  return fail(Code::Integrity, fmt::format("a '{}' statement is malformed", domain));
}

tl::unexpected<Error> badly_signed(std::string_view domain) {
  return fail(Code::Integrity, fmt::format("a '{}' statement is not signed by the right key", domain));
}

Result<Parts> take_apart(std::string_view domain, ByteSpan statement) {
  const auto head = domain.size() + 2;
  if (statement.size() < head + Signature::kSize) return malformed(domain);
  const auto body = statement.first(statement.size() - Signature::kSize);
  if (as_text(body.first(domain.size())) != domain || body[domain.size()] != 0) return malformed(domain);
  if (body[domain.size() + 1] != kVersion)
    return fail(Code::Unsupported,
                fmt::format("a '{}' statement has version {}", domain, body[domain.size() + 1]));
  return Parts{body, ByteReader(body.subspan(head)), *Signature::from(statement.last(Signature::kSize))};
}

template <class T>
T id_from(ByteReader& reader) {
  const auto bytes = reader.bytes(T::kSize);
  return T::from(bytes).value_or(T{});
}

std::string text_from(ByteReader& reader, std::size_t max_bytes) {
  const std::size_t length = reader.u16();
  return length <= max_bytes ? to_string(reader.bytes(length)) : (reader.bytes(SIZE_MAX), std::string());
}

Role role_from(ByteReader& reader, bool& valid) {
  const auto value = reader.u8();
  if (value > static_cast<std::uint8_t>(Role::Owner)) valid = false;
  return static_cast<Role>(value);
}

bool signed_by_grant_key(const Parts& parts, const KeySet& keys) {
  return std::any_of(keys.grant_keys.begin(), keys.grant_keys.end(),
                     [&](const PublicKey& key) { return verify(key, parts.body, parts.signature); });
}

}  // namespace

TrackerId KeySet::tracker() const { return TrackerId{fingerprint(root).bytes}; }

Bytes KeySet::sign(const KeyPair& root_key) const {
  BodyWriter body(kKeySetDomain);
  body.bytes(root.bytes);
  body.u8(static_cast<std::uint8_t>(tls_keys.size()));
  for (const auto& key : tls_keys) body.bytes(key.bytes);
  body.u8(static_cast<std::uint8_t>(grant_keys.size()));
  for (const auto& key : grant_keys) body.bytes(key.bytes);
  body.i64(not_before.seconds);
  body.i64(not_after.seconds);
  return body.signed_by(root_key);
}

Result<KeySet> KeySet::open_unpinned(ByteSpan signed_bytes) {
  auto parts = take_apart(kKeySetDomain, signed_bytes);
  if (!parts) return fail(parts.error());
  auto& fields = parts->fields;
  KeySet keys;
  keys.root = id_from<PublicKey>(fields);
  const std::size_t tls_count = fields.u8();
  if (tls_count == 0 || tls_count > kKeysMax) return malformed(kKeySetDomain);
  for (std::size_t i = 0; i < tls_count; ++i) keys.tls_keys.push_back(id_from<Fingerprint>(fields));
  const std::size_t grant_count = fields.u8();
  if (grant_count == 0 || grant_count > kKeysMax) return malformed(kKeySetDomain);
  for (std::size_t i = 0; i < grant_count; ++i) keys.grant_keys.push_back(id_from<PublicKey>(fields));
  keys.not_before.seconds = fields.i64();
  keys.not_after.seconds = fields.i64();
  if (!fields.at_end()) return malformed(kKeySetDomain);
  if (!verify(keys.root, parts->body, parts->signature)) return badly_signed(kKeySetDomain);
  return keys;
}

Result<KeySet> KeySet::open(ByteSpan signed_bytes, const TrackerId& tracker) {
  auto keys = open_unpinned(signed_bytes);
  if (keys && keys->tracker() != tracker)
    return fail(Code::TrackerChanged,
                fmt::format("the tracker's root key has the fingerprint {}, not the pinned {}",
                            keys->tracker().hex(), tracker.hex()),
                "do not go on unless the operator confirms the new address");
  return keys;
}

Bytes Grant::sign(const KeyPair& grant_key) const {
  BodyWriter body(kGrantDomain);
  body.bytes(tracker.bytes);
  body.bytes(group.bytes);
  body.bytes(user.bytes);
  body.bytes(device.bytes);
  body.u8(static_cast<std::uint8_t>(role));
  body.u64(epoch);
  body.i64(not_before.seconds);
  body.i64(not_after.seconds);
  body.u16(static_cast<std::uint16_t>(admin_statement.size()));
  body.bytes(admin_statement);
  return body.signed_by(grant_key);
}

Result<Grant> Grant::open(ByteSpan signed_bytes, const KeySet& keys) {
  if (signed_bytes.size() > limits::kGrantBytes) return malformed(kGrantDomain);
  auto parts = take_apart(kGrantDomain, signed_bytes);
  if (!parts) return fail(parts.error());
  auto& fields = parts->fields;
  bool valid = true;
  Grant grant;
  grant.tracker = id_from<TrackerId>(fields);
  grant.group = id_from<GroupId>(fields);
  grant.user = id_from<UserId>(fields);
  grant.device = id_from<DeviceId>(fields);
  grant.role = role_from(fields, valid);
  grant.epoch = fields.u64();
  grant.not_before.seconds = fields.i64();
  grant.not_after.seconds = fields.i64();
  const std::size_t admin_bytes = fields.u16();
  if (admin_bytes > kAdminStatementBytes) return malformed(kGrantDomain);
  grant.admin_statement = to_bytes(fields.bytes(admin_bytes));
  if (!fields.at_end() || !valid || !is_member(grant.role)) return malformed(kGrantDomain);
  if (grant.tracker != keys.tracker() || !signed_by_grant_key(*parts, keys))
    return badly_signed(kGrantDomain);
  return grant;
}

bool Roster::contains(const UserId& user) const {
  const auto at = std::lower_bound(members.begin(), members.end(), user,
                                   [](const Member& member, const UserId& id) { return member.user < id; });
  return at != members.end() && at->user == user;
}

Bytes Roster::sign(const KeyPair& grant_key) const {
  BodyWriter body(kRosterDomain);
  body.bytes(tracker.bytes);
  body.bytes(group.bytes);
  body.u64(epoch);
  body.u32(static_cast<std::uint32_t>(members.size()));
  for (const auto& member : members) {
    body.bytes(member.user.bytes);
    body.u8(static_cast<std::uint8_t>(member.role));
  }
  return body.signed_by(grant_key);
}

Result<Roster> Roster::open(ByteSpan signed_bytes, const KeySet& keys) {
  auto parts = take_apart(kRosterDomain, signed_bytes);
  if (!parts) return fail(parts.error());
  auto& fields = parts->fields;
  bool valid = true;
  Roster roster;
  roster.tracker = id_from<TrackerId>(fields);
  roster.group = id_from<GroupId>(fields);
  roster.epoch = fields.u64();
  const std::size_t count = fields.u32();
  if (count > limits::kRosterMembers || fields.rest().size() != count * (UserId::kSize + 1))
    return malformed(kRosterDomain);
  roster.members.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    Member member;
    member.user = id_from<UserId>(fields);
    member.role = role_from(fields, valid);
    if (!is_member(member.role)) valid = false;
    if (!roster.members.empty() && !(roster.members.back().user < member.user)) valid = false;
    roster.members.push_back(member);
  }
  if (!fields.at_end() || !valid) return malformed(kRosterDomain);
  if (roster.tracker != keys.tracker() || !signed_by_grant_key(*parts, keys))
    return badly_signed(kRosterDomain);
  return roster;
}

bool Revocation::voids(const Grant& grant) const {
  return grant.device == device && grant.not_before + limits::kGrantBackdate <= at;
}

Bytes Revocation::sign(const KeyPair& grant_key) const {
  BodyWriter body(kRevocationDomain);
  body.bytes(tracker.bytes);
  body.bytes(device.bytes);
  body.bytes(user.bytes);
  body.i64(at.seconds);
  body.i64(until.seconds);
  return body.signed_by(grant_key);
}

Result<Revocation> Revocation::open(ByteSpan signed_bytes, const KeySet& keys) {
  auto parts = take_apart(kRevocationDomain, signed_bytes);
  if (!parts) return fail(parts.error());
  Revocation revocation;
  revocation.tracker = id_from<TrackerId>(parts->fields);
  revocation.device = id_from<DeviceId>(parts->fields);
  revocation.user = id_from<UserId>(parts->fields);
  revocation.at.seconds = parts->fields.i64();
  revocation.until.seconds = parts->fields.i64();
  if (!parts->fields.at_end()) return malformed(kRevocationDomain);
  if (revocation.tracker != keys.tracker() || !signed_by_grant_key(*parts, keys))
    return badly_signed(kRevocationDomain);
  return revocation;
}

Bytes TimeStatement::sign(const KeyPair& grant_key) const {
  BodyWriter body(kTimeDomain);
  body.bytes(tracker.bytes);
  body.bytes(device.bytes);
  body.i64(now.seconds);
  return body.signed_by(grant_key);
}

Result<TimeStatement> TimeStatement::open(ByteSpan signed_bytes, const KeySet& keys) {
  auto parts = take_apart(kTimeDomain, signed_bytes);
  if (!parts) return fail(parts.error());
  TimeStatement statement;
  statement.tracker = id_from<TrackerId>(parts->fields);
  statement.device = id_from<DeviceId>(parts->fields);
  statement.now.seconds = parts->fields.i64();
  if (!parts->fields.at_end()) return malformed(kTimeDomain);
  if (statement.tracker != keys.tracker() || !signed_by_grant_key(*parts, keys))
    return badly_signed(kTimeDomain);
  return statement;
}

Bytes GroupCreation::sign(const KeyPair& device_key_pair) const {
  BodyWriter body(kGroupDomain);
  body.bytes(tracker.bytes);
  body.bytes(creator.bytes);
  body.bytes(device_key.bytes);
  body.text(name);
  body.bytes(nonce.bytes);
  body.i64(created.seconds);
  return body.signed_by(device_key_pair);
}

Result<GroupCreation> GroupCreation::open(ByteSpan signed_bytes) {
  auto parts = take_apart(kGroupDomain, signed_bytes);
  if (!parts) return fail(parts.error());
  auto& fields = parts->fields;
  GroupCreation creation;
  creation.tracker = id_from<TrackerId>(fields);
  creation.creator = id_from<UserId>(fields);
  creation.device_key = id_from<PublicKey>(fields);
  creation.name = text_from(fields, limits::kNameBytes);
  creation.nonce = id_from<Id<NonceTag, 16>>(fields);
  creation.created.seconds = fields.i64();
  if (!fields.at_end()) return malformed(kGroupDomain);
  const auto folded = group_name(creation.name);
  if (!folded) return fail(folded.error());
  if (*folded != creation.name) return malformed(kGroupDomain);
  if (!verify(creation.device_key, parts->body, parts->signature)) return badly_signed(kGroupDomain);
  return creation;
}

GroupId group_id_of(ByteSpan signed_creation) { return GroupId{sha256(signed_creation).bytes}; }

Bytes CatalogueEntry::sign(const KeyPair& device_key_pair) const {
  BodyWriter body(kEntryDomain);
  body.bytes(tracker.bytes);
  body.bytes(group.bytes);
  body.bytes(publisher.bytes);
  body.bytes(device_key.bytes);
  body.text(name);
  body.u64(size);
  body.u32(piece_length);
  body.bytes(sha1.bytes);
  body.bytes(info_hash.bytes);
  body.i64(published.seconds);
  return body.signed_by(device_key_pair);
}

Result<CatalogueEntry> CatalogueEntry::open(ByteSpan signed_bytes) {
  auto parts = take_apart(kEntryDomain, signed_bytes);
  if (!parts) return fail(parts.error());
  auto& fields = parts->fields;
  CatalogueEntry entry;
  entry.tracker = id_from<TrackerId>(fields);
  entry.group = id_from<GroupId>(fields);
  entry.publisher = id_from<UserId>(fields);
  entry.device_key = id_from<PublicKey>(fields);
  entry.name = text_from(fields, limits::kNameBytes);
  entry.size = fields.u64();
  entry.piece_length = fields.u32();
  entry.sha1 = id_from<Sha1>(fields);
  entry.info_hash = id_from<InfoHash>(fields);
  entry.published.seconds = fields.i64();
  if (!fields.at_end()) return malformed(kEntryDomain);
  if (auto status = check_file_name(entry.name); !status) return fail(status.error());
  if (!verify(entry.device_key, parts->body, parts->signature)) return badly_signed(kEntryDomain);
  return entry;
}

}  // namespace p2p::trust
