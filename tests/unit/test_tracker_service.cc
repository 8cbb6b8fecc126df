// SPDX-License-Identifier: MIT
// The tracker as its clients see it: a whole server and clients over TLS on one loop.
#include "daemon/base/digest.h"
#include "daemon/base/log.h"
#include "tests/support/tracker_server.h"

using namespace p2p;
using test::Client;
using test::kProof;
using test::Person;
using test::World;
namespace msg = ::p2p::pb::tracker;

namespace {

TEST(tracker_greets_with_its_signed_keys_and_time) {
  World world;
  const auto key = trust::KeyPair::generate();

  const auto client = world.connect(key);

  const auto keys = trust::KeySet::open(as_bytes(client->hello.key_set()), world.address.tracker);
  EXPECT_OK(keys);
  const auto time = trust::TimeStatement::open(as_bytes(client->hello.signed_time()), *keys);
  EXPECT_OK(time);
  EXPECT(time->device.bytes == trust::fingerprint(key.public_key()).bytes);
}

TEST(stranger_is_asked_to_log_in_and_unknown_requests_are_unsupported) {
  World world;
  const auto client = world.connect(trust::KeyPair::generate());

  EXPECT(!world.attach(*client).attached().known());
  msg::Request request;
  request.mutable_list_groups();
  EXPECT_EQ(world.ask(*client, request).error().code(), "login_required");
  EXPECT_EQ(world.ask(*client, {}).error().code(), "unsupported");
}

TEST(account_is_known_again_by_its_device_key_alone) {
  World world;
  const auto key = trust::KeyPair::generate();
  auto client = world.connect(key);
  EXPECT_EQ(world.enter(*client, "alice", kProof, true).account().user(), "alice");
  client.reset();

  client = world.connect(key);

  const auto attached = world.attach(*client).attached();
  EXPECT(attached.known());
  EXPECT_EQ(attached.account().user(), "alice");
}

TEST(login_answers_alike_for_wrong_password_and_unknown_user) {
  World world;
  const auto client = world.connect(trust::KeyPair::generate());
  world.enter(*client, "alice", kProof, true);
  const auto other = world.connect(trust::KeyPair::generate());
  msg::Request known;
  known.mutable_password_parameters()->set_user("alice");
  msg::Request unknown;
  unknown.mutable_password_parameters()->set_user("nobody");

  const auto one = world.ask(*other, known).password_parameters();
  const auto two = world.ask(*other, unknown).password_parameters();
  EXPECT_EQ(one.salt().size(), two.salt().size());
  EXPECT_EQ(one.log_n(), two.log_n());
  const auto wrong = world.enter(*other, "alice", std::string(32, 'q'), false);
  const auto nobody = world.enter(*other, "nobody", kProof, false);
  EXPECT_EQ(wrong.error().code(), "login_refused");
  EXPECT_EQ(wrong.SerializeAsString(), nobody.SerializeAsString());
  EXPECT_EQ(world.enter(*other, "alice", kProof, false).account().user(), "alice");
}

TEST(newer_session_of_a_device_ends_the_older) {
  World world;
  const auto key = trust::KeyPair::generate();
  const auto older = world.connect(key);
  world.attach(*older);

  const auto newer = world.connect(key);
  world.attach(*newer);

  world.waiter.until([&] { return older->closed; });
  EXPECT(older->events.back().has_session_ended());
  EXPECT(!newer->closed);
}

TEST(shared_file_is_listed_with_its_piece_list_and_seeders) {
  World world;
  Person alice(world, "alice");
  alice.create_group("lab");
  const auto group = group_id(alice, "lab");

  const auto share = alice.share("lab", group, "film.mkv", 'x');
  EXPECT_EQ(alice.announce(group, share).gone_size(), 0);

  msg::Request list;
  list.mutable_list_files()->set_group("lab");
  EXPECT_EQ(alice.ask(list).files().rows(0).seeders(), 1u);
  msg::Request read;
  read.mutable_read_metadata()->set_group_id(group.raw());
  read.mutable_read_metadata()->set_info_hash(share.raw());
  EXPECT_EQ(alice.ask(read).metadata().data(), sha1(Bytes{'x'}).raw() + sha256(Bytes{'x'}).raw());
}

TEST(share_without_its_piece_list_is_refused) {
  World world;
  Person alice(world, "alice");
  alice.create_group("lab");
  const auto metainfo =
      *meta::Metainfo::make("film.mkv", 1, limits::kPieceBytesMin, {{sha1(Bytes{1})}, {sha256(Bytes{1})}});
  trust::CatalogueEntry entry;
  entry.tracker = world.address.tracker;
  entry.group = group_id(alice, "lab");
  entry.publisher = alice.user;
  entry.device_key = alice.key.public_key();
  entry.name = "film.mkv";
  entry.size = 1;
  entry.piece_length = limits::kPieceBytesMin;
  entry.info_hash = metainfo.info_hash();
  msg::Request share;
  share.mutable_share_file()->set_group("lab");
  share.mutable_share_file()->set_entry(to_string(entry.sign(alice.key)));
  share.mutable_share_file()->set_upload_id(std::string(16, 'u'));

  EXPECT_EQ(alice.ask(share).error().code(), "invalid_argument");
}

TEST(applicant_and_admin_hear_of_request_and_decision) {
  World world;
  Person alice(world, "alice");
  alice.create_group("lab");
  Person bob(world, "bob");

  bob.join("lab", "hello");
  EXPECT_EQ(alice.heard(msg::Event::kJoinRequested).join_requested().user(), "bob");
  bob.client->events.clear();
  alice.accept("lab", "bob");
  bob.heard(msg::Event::kRoster);

  const auto keys = bob.keys();
  const auto& membership = bob.client->events[0].membership();
  EXPECT_EQ(membership.role(), pb::member);
  EXPECT_EQ(membership.decided_by(), "alice");
  EXPECT_OK(trust::Grant::open(as_bytes(membership.grant()), keys));
  const auto roster = trust::Roster::open(as_bytes(membership.roster()), keys);
  EXPECT_EQ(roster->members.size(), 2u);
  EXPECT(bob.client->events[1].has_roster());
}

// Answers TLS with a device's key, as that device's daemon would.
class Answering final : private io::Acceptor::Listener {
 public:
  Answering(io::Loop& loop, const trust::KeyPair& key) : loop_(loop), context_(key, tls::kPeerProtocol) {
    io::Acceptor::Listener& self = *this;
    acceptor_ = std::make_unique<io::Acceptor>(loop, self);
    port = acceptor_->listen({{127, 0, 0, 1}, 0})->port;
  }
  std::uint16_t port = 0;

 private:
  void on_accept(std::unique_ptr<io::Stream> stream) override {
    streams_.push_back(
        std::make_unique<io::TlsStream>(loop_, std::move(stream), context_, tls::Side::Server));
  }
  io::Loop& loop_;
  tls::Context context_;
  std::unique_ptr<io::Acceptor> acceptor_;
  std::vector<std::unique_ptr<io::TlsStream>> streams_;
};

TEST(only_the_device_itself_proves_its_address) {
  World world;
  const auto key = trust::KeyPair::generate();
  const Answering same(world.loop, key);
  const Answering other(world.loop, trust::KeyPair::generate());
  const auto client = world.connect(key);
  world.enter(*client, "alice", kProof, true);

  world.attach(*client, same.port);
  world.waiter.until([&] { return client->events.size() == 1; });
  EXPECT(client->events[0].reachability().reachable());
  world.attach(*client, other.port);
  world.waiter.until([&] { return client->events.size() == 2; });
  EXPECT(!client->events[1].reachability().reachable());
  EXPECT(!client->events[1].reachability().cause().empty());
}

// What a member keeps for times without the tracker.
Sha256 catalogue_of(Person& person) {
  return *Sha256::from(person.world.attach(*person.client).attached().memberships().rows(0).catalogue());
}

TEST(membership_names_the_digest_of_the_entries_in_the_order_of_names) {
  World world;
  Person alice(world, "alice");
  alice.create_group("lab");
  const auto group = group_id(alice, "lab");
  EXPECT(catalogue_of(alice) == sha256({}));
  alice.share("lab", group, "b", 'x');
  const auto share = alice.share("lab", group, "a", 'y');

  const auto digest = catalogue_of(alice);

  msg::Request list;
  list.mutable_list_files()->set_group("lab");
  EXPECT(alice.ask(list).files().rows(0).entry().empty());
  list.mutable_list_files()->set_with_entries(true);
  std::string entries;
  const auto listed = alice.ask(list).files();
  for (const auto& row : listed.rows()) entries += row.entry();
  EXPECT(digest == sha256(as_bytes(entries)));
  EXPECT(trust::CatalogueEntry::open(as_bytes(listed.rows(0).entry()))->info_hash == share);
  EXPECT_EQ(alice.heard(msg::Event::kFileAdded).file_added().entry(), listed.rows(0).entry());
  msg::Request withdraw;
  withdraw.mutable_withdraw_file()->set_group("lab");
  withdraw.mutable_withdraw_file()->set_name("a");
  alice.ask(withdraw);
  EXPECT(catalogue_of(alice) != digest);
}

TEST(members_are_told_of_each_others_devices_and_others_are_not) {
  World world;
  Person alice(world, "alice");
  alice.create_group("lab");
  const auto group = group_id(alice, "lab");
  const Answering daemon(world.loop, alice.key);
  world.attach(*alice.client, daemon.port);
  alice.heard(msg::Event::kReachability);
  Person bob(world, "bob");
  msg::Request request;
  request.mutable_get_peers()->set_group_id(group.raw());
  EXPECT_EQ(bob.ask(request).error().code(), "not_member");
  bob.join("lab");
  alice.accept("lab", "bob");

  const auto peers = bob.ask(request).peers();

  EXPECT_EQ(peers.peers_size(), 1);  // bob listens nowhere
  EXPECT_EQ(peers.peers(0).device_id(), alice.device().raw());
  EXPECT_EQ(peers.peers(0).user(), "alice");
  EXPECT_EQ(peers.peers(0).addresses(0).port(), daemon.port);
  EXPECT_EQ(alice.ask(request).peers().peers_size(), 0);  // not herself
}

TEST(second_server_on_the_same_data_is_refused) {
  World world;
  io::Loop loop;
  auto options = world.options;
  options.control += "2";

  const auto second = tracker::Server::start(loop, options, bind<&World::on_reload>(&world));

  EXPECT_EQ(second.error().code, Code::AddressInUse);
}

}  // namespace

int main() {
  log::start("test_tracker_service", log::Level::Error);
  const CMUnitTest tests[] = {
      cmocka_unit_test(tracker_greets_with_its_signed_keys_and_time),
      cmocka_unit_test(stranger_is_asked_to_log_in_and_unknown_requests_are_unsupported),
      cmocka_unit_test(account_is_known_again_by_its_device_key_alone),
      cmocka_unit_test(login_answers_alike_for_wrong_password_and_unknown_user),
      cmocka_unit_test(newer_session_of_a_device_ends_the_older),
      cmocka_unit_test(shared_file_is_listed_with_its_piece_list_and_seeders),
      cmocka_unit_test(share_without_its_piece_list_is_refused),
      cmocka_unit_test(applicant_and_admin_hear_of_request_and_decision),
      cmocka_unit_test(only_the_device_itself_proves_its_address),
      cmocka_unit_test(membership_names_the_digest_of_the_entries_in_the_order_of_names),
      cmocka_unit_test(members_are_told_of_each_others_devices_and_others_are_not),
      cmocka_unit_test(second_server_on_the_same_data_is_refused),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
