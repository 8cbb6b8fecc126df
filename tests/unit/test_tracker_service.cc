// SPDX-License-Identifier: MIT
// The tracker as its clients see it: a whole server and clients over TLS on one loop.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/base/log.h"
#include "daemon/tracker/server.h"
#include "daemon/trust/address.h"
#include "tests/support/check.h"

using namespace p2p;
namespace msg = ::p2p::pb::tracker;

namespace {

using namespace std::chrono_literals;

struct Folder {
  Folder() {
    char name[] = "/tmp/p2p-tracker-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

// Runs the loop until a condition holds; a test that waits in vain fails.
class Waiter {
 public:
  explicit Waiter(io::Loop& loop) : loop_(loop), timer_(loop, bind<&Waiter::on_timeout>(this)) {}
  template <class Condition>
  void until(Condition condition) {
    timer_.set(5s);
    while (!condition()) {
      EXPECT(timer_.is_set());
      tick_.set(1ms);
      loop_.run();
    }
    timer_.cancel();
  }

 private:
  void on_timeout() { loop_.stop(); }
  void on_tick() { loop_.stop(); }
  io::Loop& loop_;
  io::Timer timer_;
  io::Timer tick_{loop_, bind<&Waiter::on_tick>(this)};
};

class Client final : private io::FrameStream::Listener {
 public:
  Client(io::Loop& loop, const io::SocketAddress& tracker, const trust::KeyPair& key)
      : context_(key, tls::kTrackerProtocol) {
    auto stream = std::make_unique<io::Stream>(loop);
    EXPECT_OK(stream->connect(tracker, std::nullopt));
    auto tls = std::make_unique<io::TlsStream>(loop, std::move(stream), context_, tls::Side::Client);
    io::FrameStream::Listener& self = *this;
    frames = std::make_unique<io::FrameStream>(std::move(tls), limits::kServerFrameBytes, self);
  }

  void send(msg::Request request) {
    msg::Frame frame;
    frame.set_id(++id_);
    *frame.mutable_request() = std::move(request);
    frames->send(frame);
  }

  std::unique_ptr<io::FrameStream> frames;
  msg::TrackerHello hello;
  std::vector<msg::Response> responses;
  std::vector<msg::Event> events;
  bool closed = false;

 private:
  void on_frame(ByteSpan bytes) override {
    msg::Frame frame;
    EXPECT_OK(proto::parse_frame(bytes, frame));
    if (frame.has_tracker_hello()) {
      hello = frame.tracker_hello();
      msg::Frame answer;
      answer.mutable_client_hello()->set_version_min(1);
      answer.mutable_client_hello()->set_version_max(1);
      frames->send(answer);
    }
    if (frame.has_response()) responses.push_back(frame.response());
    if (frame.has_event()) events.push_back(frame.event());
  }
  void on_frames_closed(const Error&) override { closed = true; }

  tls::Context context_;
  std::uint64_t id_ = 0;
};

struct World {
  World() {
    options.data_dir = folder.path + "/data";
    options.control = folder.path + "/control/control.sock";
    options.listen = {"127.0.0.1", 0};
    auto started = tracker::Server::start(loop, options, bind<&World::on_reload>(this));
    EXPECT_OK(started);
    server = std::move(*started);
    std::ifstream file(options.data_dir + "/address");
    std::string text;
    std::getline(file, text);
    address = *trust::TrackerAddress::parse(text);
  }
  void on_reload() {}

  std::unique_ptr<Client> connect(const trust::KeyPair& key) {
    auto client = std::make_unique<Client>(loop, *io::SocketAddress::parse(address.host_port), key);
    waiter.until([&] { return !client->hello.key_set().empty(); });
    return client;
  }
  msg::Response ask(Client& client, msg::Request request) {
    if (request.idempotency_key().empty())
      request.set_idempotency_key(trust::random_id<IdempotencyKey>().raw());
    const auto before = client.responses.size();
    client.send(std::move(request));
    waiter.until([&] { return client.responses.size() > before; });
    return client.responses.back();
  }
  msg::Response attach(Client& client, std::uint32_t port = 0) {
    msg::Request request;
    request.mutable_attach()->set_listen_port(port);
    return ask(client, request);
  }
  msg::Response enter(Client& client, const std::string& user, const std::string& proof, bool create) {
    msg::Request request;
    if (create) {
      request.mutable_create_account()->set_user(user);
      request.mutable_create_account()->set_proof(proof);
    } else {
      request.mutable_login()->set_user(user);
      request.mutable_login()->set_proof(proof);
    }
    return ask(client, request);
  }

  Folder folder;
  tracker::Options options;
  io::Loop loop;
  Waiter waiter{loop};
  std::unique_ptr<tracker::Server> server;
  trust::TrackerAddress address;
};

const std::string kProof(32, 'p');

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

// alice with her group "lab".
struct Owner {
  explicit Owner(World& world) : client(world.connect(key)) {
    user = *UserId::from(std::string_view(world.enter(*client, "alice", kProof, true).account().user_id()));
    world.attach(*client);
    trust::GroupCreation creation;
    creation.tracker = world.address.tracker;
    creation.creator = user;
    creation.device_key = key.public_key();
    creation.name = "lab";
    msg::Request create;
    create.mutable_create_group()->set_statement(to_string(creation.sign(key)));
    const auto made = world.ask(*client, create).group();
    EXPECT_EQ(made.role(), pb::owner);
    group = *GroupId::from(std::string_view(made.group_id()));
  }
  trust::KeyPair key = trust::KeyPair::generate();
  std::unique_ptr<Client> client;
  UserId user;
  GroupId group;
};

TEST(shared_file_is_listed_with_its_piece_list_and_seeders) {
  World world;
  Owner alice(world);
  meta::PieceHashes hashes{{sha1(as_bytes("x"))}, {sha256(as_bytes("x"))}};
  const auto metainfo = *meta::Metainfo::make("film.mkv", 1, limits::kPieceBytesMin, hashes);
  trust::CatalogueEntry entry;
  entry.tracker = world.address.tracker;
  entry.group = alice.group;
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
  EXPECT_EQ(world.ask(*alice.client, share).error().code(), "invalid_argument");

  msg::Request put;
  put.mutable_put_metadata()->set_upload_id(std::string(16, 'u'));
  put.mutable_put_metadata()->set_data(to_string(metainfo.piece_list()));
  EXPECT(world.ask(*alice.client, put).has_done());
  EXPECT_EQ(world.ask(*alice.client, share).file().name(), "film.mkv");
  msg::Request announce;
  auto& state = *announce.mutable_announce()->add_shares();
  state.set_group_id(alice.group.raw());
  state.set_info_hash(entry.info_hash.raw());
  state.set_activity(msg::seeding);
  EXPECT(world.ask(*alice.client, announce).has_done());

  msg::Request list;
  list.mutable_list_files()->set_group("lab");
  EXPECT_EQ(world.ask(*alice.client, list).files().rows(0).seeders(), 1u);
  msg::Request read;
  read.mutable_read_metadata()->set_group_id(alice.group.raw());
  read.mutable_read_metadata()->set_info_hash(entry.info_hash.raw());
  EXPECT(world.ask(*alice.client, read).metadata().data() == to_string(metainfo.piece_list()));
}

TEST(applicant_and_admin_hear_of_request_and_decision) {
  World world;
  const Owner owner(world);
  const auto& alice = owner.client;
  const auto bob = world.connect(trust::KeyPair::generate());
  world.enter(*bob, "bob", kProof, true);
  world.attach(*bob);
  alice->events.clear();

  msg::Request join;
  join.mutable_join_group()->set_group("lab");
  join.mutable_join_group()->set_message("hello");
  EXPECT_EQ(world.ask(*bob, join).group().role(), pb::pending);
  world.waiter.until([&] { return !alice->events.empty(); });
  EXPECT_EQ(alice->events.back().join_requested().user(), "bob");
  bob->events.clear();

  msg::Request decide;
  decide.mutable_decide_join_requests()->set_group("lab");
  decide.mutable_decide_join_requests()->add_users("bob");
  decide.mutable_decide_join_requests()->set_accept(true);
  EXPECT(world.ask(*alice, decide).has_done());
  world.waiter.until([&] { return bob->events.size() >= 2; });

  const auto keys = *trust::KeySet::open(as_bytes(bob->hello.key_set()), world.address.tracker);
  const auto& membership = bob->events[0].membership();
  EXPECT_EQ(membership.role(), pb::member);
  EXPECT_EQ(membership.decided_by(), "alice");
  EXPECT_OK(trust::Grant::open(as_bytes(membership.grant()), keys));
  const auto roster = trust::Roster::open(as_bytes(membership.roster()), keys);
  EXPECT_EQ(roster->members.size(), 2u);
  EXPECT(bob->events[1].has_roster());
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
      cmocka_unit_test(applicant_and_admin_hear_of_request_and_decision),
      cmocka_unit_test(only_the_device_itself_proves_its_address),
      cmocka_unit_test(second_server_on_the_same_data_is_refused),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
