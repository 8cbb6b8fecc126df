// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>

#include "daemon/base/limits.h"
#include "daemon/trust/address.h"
#include "daemon/trust/keys.h"
#include "daemon/trust/statements.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"
#include "tests/support/temp_dir.h"

using namespace p2p;
using namespace p2p::trust;
using test::TempDir;

namespace {

const std::string kHex(64, 'a');

// One tracker, one device, and a statement of every kind.
struct Tracker {
  KeyPair root = KeyPair::generate();
  KeyPair grant_key = KeyPair::generate();
  KeyPair device = KeyPair::generate();
  KeySet keys = make_keys();

  KeySet make_keys() const {
    KeySet made;
    made.root = root.public_key();
    made.tls_keys = {random_id<Fingerprint>()};
    made.grant_keys = {random_id<PublicKey>(), grant_key.public_key()};
    made.not_before = {1000};
    made.not_after = {2000};
    return made;
  }
  Grant grant() const {
    Grant made;
    made.tracker = keys.tracker();
    made.group = random_id<GroupId>();
    made.user = random_id<UserId>();
    made.device = {fingerprint(device.public_key()).bytes};
    made.role = Role::Admin;
    made.epoch = 0x0102030405060708;
    made.not_before = {-5};
    made.not_after = {1'900'000'000};
    made.admin_statement = {1, 2, 3};
    return made;
  }
  Roster roster(std::size_t members) const {
    Roster made;
    made.tracker = keys.tracker();
    made.group = random_id<GroupId>();
    made.epoch = 7;
    for (std::size_t i = 0; i < members; ++i) made.members.push_back({random_id<UserId>(), Role::Member});
    std::sort(made.members.begin(), made.members.end());
    return made;
  }
  Revocation revocation() const {
    return {keys.tracker(), random_id<DeviceId>(), random_id<UserId>(), {1'800'000'000}, {1'800'014'400}};
  }
  TimeStatement time() const { return {keys.tracker(), random_id<DeviceId>(), {1'800'000'000}}; }
  GroupCreation creation() const {
    GroupCreation made;
    made.tracker = keys.tracker();
    made.creator = random_id<UserId>();
    made.device_key = device.public_key();
    made.name = "lab";
    made.nonce = random_id<decltype(made.nonce)>();
    made.created = {1'700'000'000};
    return made;
  }
  CatalogueEntry entry() const {
    CatalogueEntry made;
    made.tracker = keys.tracker();
    made.group = random_id<GroupId>();
    made.publisher = random_id<UserId>();
    made.device_key = device.public_key();
    made.name = "film.mkv";
    made.size = limits::kFileBytes;
    made.piece_length = limits::kPieceBytesMax;
    made.sha1 = random_id<Sha1>();
    made.info_hash = random_id<InfoHash>();
    made.published = {1'700'000'000};
    return made;
  }
};

template <class Open>
void expect_unforgeable(const Bytes& statement, Open open) {
  EXPECT_OK(open(statement));
  for (std::size_t at = 0; at < statement.size(); ++at) {
    auto changed = statement;
    changed[at] ^= static_cast<std::uint8_t>(1u << at % 8);
    EXPECT(!open(changed));
  }
  for (std::size_t length = 0; length < statement.size(); ++length)
    EXPECT(!open(to_bytes(ByteSpan(statement).first(length))));
  auto longer = statement;
  longer.push_back(0);
  EXPECT(!open(longer));
  // A byte more inside what is signed moves the signature: just as bad.
  auto wider = statement;
  wider.insert(wider.end() - Signature::kSize, 0);
  EXPECT(!open(wider));
}

TEST(signature_fits_its_key_and_message_only) {
  const auto key = KeyPair::generate();
  const Bytes message{1, 2, 3};
  const auto signature = key.sign(message);

  EXPECT(verify(key.public_key(), message, signature));
  EXPECT(!verify(KeyPair::generate().public_key(), message, signature));
  EXPECT(!verify(key.public_key(), Bytes{1, 2}, signature));
  auto changed = signature;
  changed.bytes[63] ^= 1;
  EXPECT(!verify(key.public_key(), message, changed));
  EXPECT(verify(key.public_key(), Bytes(), key.sign(Bytes())));
}

TEST(signature_of_rfc_8032_is_accepted) {
  const auto key = PublicKey::from_hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const auto signature = Signature::from_hex(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT(verify(*key, Bytes{0x72}, *signature));
  EXPECT(!verify(*key, Bytes{0x73}, *signature));
}

TEST(key_is_made_once_and_read_afterwards) {
  const TempDir folder;
  const auto made = KeyPair::load_or_make(folder.path_of("device.key"));
  EXPECT_OK(made);
  EXPECT_EQ(folder.mode("device.key"), 0600u);
  EXPECT(!std::filesystem::exists(folder.path_of("device.key.new")));

  const auto read = KeyPair::load_or_make(folder.path_of("device.key"));

  EXPECT_OK(read);
  EXPECT_EQ(read->public_key(), made->public_key());
  EXPECT(verify(made->public_key(), Bytes{1}, read->sign(Bytes{1})));
}

TEST(key_is_never_written_into_a_file_that_others_may_read) {
  const TempDir folder;
  folder.put("device.key.new", "left behind", 0644);

  EXPECT_OK(KeyPair::load_or_make(folder.path_of("device.key")));

  EXPECT_EQ(folder.mode("device.key"), 0600u);
}

TEST(key_file_that_others_may_read_is_refused) {
  const TempDir folder;
  const auto path = folder.path_of("device.key");
  EXPECT_OK(KeyPair::load_or_make(path));
  const auto content = folder.content("device.key");
  for (const unsigned mode : {0644u, 0640u, 0604u, 0660u, 0601u}) {
    folder.put("device.key", content, mode);
    EXPECT_EQ(KeyPair::load_or_make(path).error().code, Code::PermissionDenied);
  }
  EXPECT_EQ(folder.content("device.key"), content);
}

TEST(garbage_in_a_key_file_is_refused_and_kept) {
  const TempDir folder;
  const auto path = folder.path_of("device.key");
  EXPECT_OK(KeyPair::load_or_make(path));
  const auto good = folder.content("device.key");
  const std::string ec_key =
      "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBA\n"
      "-----END PRIVATE KEY-----\n";
  for (const auto& content :
       {std::string(), std::string("x"), std::string(10'000, 'x'), good.substr(0, good.size() / 2), ec_key}) {
    folder.put("device.key", content);
    EXPECT_EQ(KeyPair::load_or_make(path).error().code, Code::Corrupt);
    EXPECT_EQ(folder.content("device.key"), content);
  }
}

TEST(links_and_folders_are_no_key_files) {
  const TempDir folder;
  EXPECT_OK(KeyPair::load_or_make(folder.path_of("real.key")));
  std::filesystem::create_symlink("real.key", folder.path_of("link.key"));
  std::filesystem::create_directory(folder.path_of("folder.key"));

  EXPECT(!KeyPair::load_or_make(folder.path_of("link.key")));
  EXPECT(!KeyPair::load_or_make(folder.path_of("folder.key")));
  EXPECT(!KeyPair::load_or_make(folder.path_of("missing/device.key")));
}

TEST(secret_is_made_once_and_has_its_size) {
  const TempDir folder;
  const auto path = folder.path_of("secret");
  const auto made = load_or_make_secret(path, 32);
  EXPECT_OK(made);
  EXPECT_EQ(made->size(), 32u);
  EXPECT_EQ(folder.mode("secret"), 0600u);
  EXPECT(*load_or_make_secret(path, 32) == *made);
  EXPECT_EQ(load_or_make_secret(path, 16).error().code, Code::Corrupt);

  folder.put("secret", std::string(32, 's'), 0644);
  EXPECT_EQ(load_or_make_secret(path, 32).error().code, Code::PermissionDenied);
  EXPECT(*load_or_make_secret(folder.path_of("other"), 32) != *made);
}

TEST(hmac_of_rfc_4231_and_constant_time_comparison) {
  const auto mac = hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"));
  EXPECT_EQ(mac.hex(), std::string("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));

  EXPECT(equal_in_constant_time(Bytes{1, 2}, Bytes{1, 2}));
  EXPECT(!equal_in_constant_time(Bytes{1, 2}, Bytes{1, 3}));
  EXPECT(!equal_in_constant_time(Bytes{1, 2}, Bytes{1}));
  EXPECT(equal_in_constant_time(Bytes(), Bytes()));
}

TEST(key_set_survives_signing_and_no_change) {
  const Tracker tracker;
  const auto statement = tracker.keys.sign(tracker.root);
  const auto keys = KeySet::open(statement, tracker.keys.tracker());
  EXPECT_OK(keys);
  EXPECT_EQ(keys->root, tracker.root.public_key());
  EXPECT(keys->tls_keys == tracker.keys.tls_keys && keys->grant_keys == tracker.keys.grant_keys);
  EXPECT_EQ(keys->not_before.seconds, 1000);
  EXPECT_EQ(keys->not_after.seconds, 2000);
  expect_unforgeable(statement, [](const Bytes& bytes) { return KeySet::open_unpinned(bytes); });
}

TEST(key_set_of_another_root_is_a_changed_tracker) {
  const Tracker tracker;
  const Tracker other;
  const auto pinned = KeySet::open(other.keys.sign(other.root), tracker.keys.tracker());
  EXPECT_EQ(pinned.error().code, Code::TrackerChanged);
  EXPECT(!KeySet::open_unpinned(tracker.keys.sign(other.root)));
}

TEST(key_set_has_one_to_eight_keys_of_each_sort) {
  Tracker tracker;
  for (const std::size_t count : {0u, 1u, 8u, 9u}) {
    auto keys = tracker.keys;
    keys.tls_keys.resize(count);
    EXPECT_EQ(KeySet::open_unpinned(keys.sign(tracker.root)).has_value(), count == 1 || count == 8);
    keys = tracker.keys;
    keys.grant_keys.resize(count);
    EXPECT_EQ(KeySet::open_unpinned(keys.sign(tracker.root)).has_value(), count == 1 || count == 8);
  }
}

TEST(grant_survives_signing_and_no_change) {
  const Tracker tracker;
  const auto grant = tracker.grant();
  const auto statement = grant.sign(tracker.grant_key);
  const auto opened = Grant::open(statement, tracker.keys);
  EXPECT_OK(opened);
  EXPECT_EQ(opened->group, grant.group);
  EXPECT_EQ(opened->user, grant.user);
  EXPECT_EQ(opened->device, grant.device);
  EXPECT_EQ(opened->role, Role::Admin);
  EXPECT_EQ(opened->epoch, grant.epoch);
  EXPECT_EQ(opened->not_before.seconds, -5);
  EXPECT_EQ(opened->not_after.seconds, 1'900'000'000);
  EXPECT(opened->admin_statement == grant.admin_statement);
  expect_unforgeable(statement, [&](const Bytes& bytes) { return Grant::open(bytes, tracker.keys); });
}

TEST(grant_of_another_signer_or_tracker_is_refused) {
  const Tracker tracker;
  const Tracker other;
  EXPECT_EQ(Grant::open(tracker.grant().sign(tracker.root), tracker.keys).error().code, Code::Integrity);
  EXPECT(!Grant::open(tracker.grant().sign(tracker.device), tracker.keys));
  EXPECT(!Grant::open(tracker.grant().sign(tracker.grant_key), other.keys));
  // Its own name, and a signature that the other tracker's keys would accept.
  auto borrowed = tracker.keys;
  borrowed.root = other.keys.root;
  EXPECT(!Grant::open(tracker.grant().sign(tracker.grant_key), borrowed));
}

TEST(grant_is_for_members_only) {
  const Tracker tracker;
  for (const auto role : {Role::None, Role::Pending, Role::Member, Role::Admin, Role::Owner}) {
    auto grant = tracker.grant();
    grant.role = role;
    EXPECT_EQ(Grant::open(grant.sign(tracker.grant_key), tracker.keys).has_value(), is_member(role));
  }
  auto grant = tracker.grant();
  grant.role = static_cast<Role>(5);
  EXPECT(!Grant::open(grant.sign(tracker.grant_key), tracker.keys));
}

TEST(grant_has_a_largest_size) {
  const Tracker tracker;
  auto grant = tracker.grant();
  grant.admin_statement = Bytes(200, 9);
  const auto largest = grant.sign(tracker.grant_key);
  EXPECT(largest.size() <= limits::kGrantBytes);
  EXPECT_OK(Grant::open(largest, tracker.keys));

  for (const std::size_t bytes : {201u, 299u, 400u, 65535u}) {
    grant.admin_statement = Bytes(bytes, 9);
    EXPECT(!Grant::open(grant.sign(tracker.grant_key), tracker.keys));
  }
}

TEST(roster_survives_signing_and_no_change) {
  const Tracker tracker;
  auto roster = tracker.roster(3);
  roster.members[1].role = Role::Owner;
  const auto statement = roster.sign(tracker.grant_key);
  const auto opened = Roster::open(statement, tracker.keys);
  EXPECT_OK(opened);
  EXPECT_EQ(opened->group, roster.group);
  EXPECT_EQ(opened->epoch, 7u);
  EXPECT(opened->members == roster.members);
  for (const auto& member : roster.members) EXPECT(opened->contains(member.user));
  EXPECT(!opened->contains(random_id<UserId>()));
  expect_unforgeable(statement, [&](const Bytes& bytes) { return Roster::open(bytes, tracker.keys); });
  EXPECT_OK(Roster::open(tracker.roster(0).sign(tracker.grant_key), tracker.keys));
}

TEST(roster_of_another_signer_or_tracker_is_refused) {
  const Tracker tracker;
  const Tracker other;
  EXPECT(!Roster::open(tracker.roster(1).sign(tracker.root), tracker.keys));
  EXPECT(!Roster::open(tracker.roster(1).sign(tracker.grant_key), other.keys));
}

TEST(roster_is_in_order_without_doubles_and_of_members_only) {
  const Tracker tracker;
  const auto opens = [&](const Roster& roster) {
    return Roster::open(roster.sign(tracker.grant_key), tracker.keys).has_value();
  };
  auto roster = tracker.roster(3);
  EXPECT(opens(roster));
  std::swap(roster.members[0], roster.members[2]);
  EXPECT(!opens(roster));
  roster = tracker.roster(3);
  roster.members[1].user = roster.members[0].user;
  EXPECT(!opens(roster));
  for (const auto role : {Role::None, Role::Pending, static_cast<Role>(5)}) {
    roster = tracker.roster(3);
    roster.members[2].role = role;
    EXPECT(!opens(roster));
  }
}

TEST(roster_has_a_largest_size) {
  const Tracker tracker;
  LIMIT_AT(limits::kRosterMembers);
  EXPECT_OK(Roster::open(tracker.roster(limits::kRosterMembers).sign(tracker.grant_key), tracker.keys));
  LIMIT_ABOVE(limits::kRosterMembers);
  EXPECT(!Roster::open(tracker.roster(limits::kRosterMembers + 1).sign(tracker.grant_key), tracker.keys));
}

TEST(count_of_a_roster_takes_no_memory) {
  const Tracker tracker;
  ByteWriter body;
  body.bytes(as_bytes(std::string_view("p2p roster\0\1", 12)));
  body.bytes(tracker.keys.tracker().bytes);
  body.bytes(GroupId().bytes);
  body.u64(1);
  body.u32(0xffffffff);
  body.bytes(tracker.grant_key.sign(body.view()).bytes);
  EXPECT_EQ(Roster::open(body.view(), tracker.keys).error().code, Code::Integrity);
}

TEST(time_statement_survives_signing_and_no_change) {
  const Tracker tracker;
  const Tracker other;
  const auto time = tracker.time();
  const auto statement = time.sign(tracker.grant_key);
  const auto opened = TimeStatement::open(statement, tracker.keys);
  EXPECT_OK(opened);
  EXPECT_EQ(opened->device, time.device);
  EXPECT_EQ(opened->now.seconds, time.now.seconds);
  expect_unforgeable(statement, [&](const Bytes& bytes) { return TimeStatement::open(bytes, tracker.keys); });
  EXPECT(!TimeStatement::open(time.sign(tracker.device), tracker.keys));
  EXPECT(!TimeStatement::open(statement, other.keys));
}

TEST(revocation_survives_signing_and_no_change) {
  const Tracker tracker;
  const Tracker other;
  const auto revocation = tracker.revocation();
  const auto statement = revocation.sign(tracker.grant_key);
  const auto opened = Revocation::open(statement, tracker.keys);
  EXPECT_OK(opened);
  EXPECT_EQ(opened->device, revocation.device);
  EXPECT_EQ(opened->user, revocation.user);
  EXPECT_EQ(opened->at.seconds, revocation.at.seconds);
  EXPECT_EQ(opened->until.seconds, revocation.until.seconds);
  expect_unforgeable(statement, [&](const Bytes& bytes) { return Revocation::open(bytes, tracker.keys); });
  EXPECT(!Revocation::open(revocation.sign(tracker.device), tracker.keys));
  EXPECT(!Revocation::open(statement, other.keys));
}

TEST(revocation_voids_what_was_granted_before_it_only) {
  const Tracker tracker;
  const auto revocation = tracker.revocation();
  auto grant = tracker.grant();
  grant.device = revocation.device;
  grant.not_before = revocation.at - limits::kGrantBackdate;
  EXPECT(revocation.voids(grant));
  grant.not_before = grant.not_before + std::chrono::seconds(1);
  EXPECT(!revocation.voids(grant));
  grant.not_before = revocation.at - limits::kGrantBackdate;
  grant.device = random_id<DeviceId>();
  EXPECT(!revocation.voids(grant));
}

TEST(group_creation_survives_signing_and_no_change) {
  const Tracker tracker;
  const auto creation = tracker.creation();
  const auto statement = creation.sign(tracker.device);
  const auto opened = GroupCreation::open(statement);
  EXPECT_OK(opened);
  EXPECT_EQ(opened->tracker, creation.tracker);
  EXPECT_EQ(opened->creator, creation.creator);
  EXPECT_EQ(opened->device_key, creation.device_key);
  EXPECT_EQ(opened->name, std::string("lab"));
  EXPECT_EQ(opened->nonce, creation.nonce);
  EXPECT_EQ(opened->created.seconds, creation.created.seconds);
  expect_unforgeable(statement, [](const Bytes& bytes) { return GroupCreation::open(bytes); });
  EXPECT(!GroupCreation::open(creation.sign(tracker.root)));
  EXPECT(group_id_of(statement) != group_id_of(tracker.creation().sign(tracker.device)));
}

TEST(group_creation_has_a_name_in_its_plain_form) {
  const Tracker tracker;
  for (const std::string& name : {std::string(), std::string("LAB"), std::string("a/b"), std::string("\xff"),
                                  std::string(300, 'a'), std::string(" lab")}) {
    auto creation = tracker.creation();
    creation.name = name;
    EXPECT(!GroupCreation::open(creation.sign(tracker.device)));
  }
}

TEST(catalogue_entry_survives_signing_and_no_change) {
  const Tracker tracker;
  const auto entry = tracker.entry();
  const auto statement = entry.sign(tracker.device);
  const auto opened = CatalogueEntry::open(statement);
  EXPECT_OK(opened);
  EXPECT_EQ(opened->tracker, entry.tracker);
  EXPECT_EQ(opened->group, entry.group);
  EXPECT_EQ(opened->publisher, entry.publisher);
  EXPECT_EQ(opened->device_key, entry.device_key);
  EXPECT_EQ(opened->name, entry.name);
  EXPECT_EQ(opened->size, entry.size);
  EXPECT_EQ(opened->piece_length, entry.piece_length);
  EXPECT_EQ(opened->sha1, entry.sha1);
  EXPECT_EQ(opened->info_hash, entry.info_hash);
  EXPECT_EQ(opened->published.seconds, entry.published.seconds);
  expect_unforgeable(statement, [](const Bytes& bytes) { return CatalogueEntry::open(bytes); });
  EXPECT(!CatalogueEntry::open(entry.sign(tracker.root)));
}

TEST(catalogue_entry_names_a_file_in_no_folder) {
  const Tracker tracker;
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("../x"),
                                  std::string("a/b"), std::string("a\0b", 3), std::string(256, 'a')}) {
    auto entry = tracker.entry();
    entry.name = name;
    EXPECT(!CatalogueEntry::open(entry.sign(tracker.device)));
  }
}

TEST(no_statement_passes_for_another_or_for_a_later_version) {
  const Tracker tracker;
  const std::vector<Bytes> statements{tracker.keys.sign(tracker.root),
                                      tracker.grant().sign(tracker.grant_key),
                                      tracker.roster(2).sign(tracker.grant_key),
                                      tracker.time().sign(tracker.grant_key),
                                      tracker.creation().sign(tracker.device),
                                      tracker.entry().sign(tracker.device),
                                      tracker.revocation().sign(tracker.grant_key)};
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const auto& bytes = statements[i];
    EXPECT_EQ(KeySet::open_unpinned(bytes).has_value(), i == 0);
    EXPECT_EQ(Grant::open(bytes, tracker.keys).has_value(), i == 1);
    EXPECT_EQ(Roster::open(bytes, tracker.keys).has_value(), i == 2);
    EXPECT_EQ(TimeStatement::open(bytes, tracker.keys).has_value(), i == 3);
    EXPECT_EQ(GroupCreation::open(bytes).has_value(), i == 4);
    EXPECT_EQ(CatalogueEntry::open(bytes).has_value(), i == 5);
    EXPECT_EQ(Revocation::open(bytes, tracker.keys).has_value(), i == 6);
  }
  auto later = statements[3];
  later[9] = 2;
  EXPECT_EQ(TimeStatement::open(later, tracker.keys).error().code, Code::Unsupported);
}

TEST(tracker_address_is_read_and_written_alike) {
  for (const std::string& host : {std::string("tracker.example:7733"), std::string("192.0.2.1:1"),
                                  std::string("[2001:db8::1]:65535")}) {
    const auto text = "p2p://" + host + "/#" + kHex;
    const auto address = TrackerAddress::parse(text);
    EXPECT_OK(address);
    EXPECT_EQ(address->text(), text);
    EXPECT_EQ(address->tracker.hex(), kHex);
    EXPECT(*TrackerAddress::parse(address->text()) == *address);
  }
  const auto upper = TrackerAddress::parse("p2p://h:1/#" + std::string(64, 'A'));
  EXPECT(upper && upper->text() == "p2p://h:1/#" + kHex);
}

TEST(bad_tracker_address_is_refused) {
  const auto bad = [](const std::string& text) {
    const auto address = TrackerAddress::parse(text);
    return !address && address.error().code == Code::InvalidArgument;
  };
  EXPECT(bad(""));
  EXPECT(bad("tracker:7733"));
  EXPECT(bad("http://tracker:7733/#" + kHex));
  EXPECT(bad("p2p:tracker:7733/#" + kHex));
  EXPECT(bad(" p2p://tracker:7733/#" + kHex));
  EXPECT(bad("p2p://tracker:7733"));
  EXPECT(bad("p2p://tracker:7733/"));
  EXPECT(bad("p2p://tracker:7733#" + kHex));
  EXPECT(bad("p2p://tracker:7733/#"));
  EXPECT(bad("p2p://tracker:7733/#" + kHex.substr(1)));
  EXPECT(bad("p2p://tracker:7733/#" + kHex + "a"));
  EXPECT(bad("p2p://tracker:7733/#" + kHex + " "));
  EXPECT(bad("p2p://tracker:7733/#" + kHex.substr(1) + "g"));
  EXPECT(bad("p2p://tracker:7733/x/#" + kHex));
  EXPECT(bad("p2p://tracker/#" + kHex));
  EXPECT(bad("p2p://tracker:/#" + kHex));
  EXPECT(bad("p2p://tracker:0/#" + kHex));
  EXPECT(bad("p2p://tracker:65536/#" + kHex));
  EXPECT(bad("p2p://tracker:-1/#" + kHex));
  EXPECT(bad("p2p://tracker:7733x/#" + kHex));
  EXPECT(bad("p2p://:7733/#" + kHex));
  EXPECT(bad("p2p://2001:db8::1:7733/#" + kHex));
  EXPECT(bad("p2p://[]:7733/#" + kHex));
  EXPECT(bad("p2p://user@tracker:7733/#" + kHex));
  EXPECT(bad("p2p://tra\ncker:7733/#" + kHex));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(signature_fits_its_key_and_message_only),
      cmocka_unit_test(signature_of_rfc_8032_is_accepted),
      cmocka_unit_test(key_is_made_once_and_read_afterwards),
      cmocka_unit_test(key_is_never_written_into_a_file_that_others_may_read),
      cmocka_unit_test(key_file_that_others_may_read_is_refused),
      cmocka_unit_test(garbage_in_a_key_file_is_refused_and_kept),
      cmocka_unit_test(links_and_folders_are_no_key_files),
      cmocka_unit_test(secret_is_made_once_and_has_its_size),
      cmocka_unit_test(hmac_of_rfc_4231_and_constant_time_comparison),
      cmocka_unit_test(key_set_survives_signing_and_no_change),
      cmocka_unit_test(key_set_of_another_root_is_a_changed_tracker),
      cmocka_unit_test(key_set_has_one_to_eight_keys_of_each_sort),
      cmocka_unit_test(grant_survives_signing_and_no_change),
      cmocka_unit_test(grant_of_another_signer_or_tracker_is_refused),
      cmocka_unit_test(grant_is_for_members_only),
      cmocka_unit_test(grant_has_a_largest_size),
      cmocka_unit_test(roster_survives_signing_and_no_change),
      cmocka_unit_test(roster_of_another_signer_or_tracker_is_refused),
      cmocka_unit_test(roster_is_in_order_without_doubles_and_of_members_only),
      cmocka_unit_test(roster_has_a_largest_size),
      cmocka_unit_test(count_of_a_roster_takes_no_memory),
      cmocka_unit_test(time_statement_survives_signing_and_no_change),
      cmocka_unit_test(revocation_survives_signing_and_no_change),
      cmocka_unit_test(revocation_voids_what_was_granted_before_it_only),
      cmocka_unit_test(group_creation_survives_signing_and_no_change),
      cmocka_unit_test(group_creation_has_a_name_in_its_plain_form),
      cmocka_unit_test(catalogue_entry_survives_signing_and_no_change),
      cmocka_unit_test(catalogue_entry_names_a_file_in_no_folder),
      cmocka_unit_test(no_statement_passes_for_another_or_for_a_later_version),
      cmocka_unit_test(tracker_address_is_read_and_written_alike),
      cmocka_unit_test(bad_tracker_address_is_refused),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
