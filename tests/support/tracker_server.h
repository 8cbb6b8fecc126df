// SPDX-License-Identifier: MIT
// A whole tracker and its clients over TLS, on one loop. Include it last: it brings check.h.
#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/tracker/server.h"
#include "daemon/trust/address.h"
#include "tests/support/check.h"

namespace p2p::test {

namespace msg = ::p2p::pb::tracker;

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

inline const std::string kProof(32, 'p');

inline msg::Request create_group_request(const TrackerId& tracker, const UserId& user,
                                         const trust::KeyPair& key, const std::string& name) {
  trust::GroupCreation creation;
  creation.tracker = tracker;
  creation.creator = user;
  creation.device_key = key.public_key();
  creation.name = name;
  msg::Request request;
  request.mutable_create_group()->set_statement(to_string(creation.sign(key)));
  return request;
}

// A user with a device, logged in and attached.
struct Person {
  Person(World& world_, const std::string& name_, bool create = true)
      : world(world_), name(name_), client(world.connect(key)) {
    const auto account = world.enter(*client, name, kProof, create).account();
    EXPECT_EQ(account.user(), name);
    user = *UserId::from(std::string_view(account.user_id()));
    world.attach(*client);
  }

  msg::Response ask(msg::Request request) { return world.ask(*client, std::move(request)); }
  void create_group(const std::string& group) {
    EXPECT_EQ(ask(create_group_request(world.address.tracker, user, key, group)).group().role(), pb::owner);
  }
  void join(const std::string& group, const std::string& message = {}) {
    msg::Request request;
    request.mutable_join_group()->set_group(group);
    request.mutable_join_group()->set_message(message);
    EXPECT_EQ(ask(request).group().role(), pb::pending);
  }
  void accept(const std::string& group, const std::string& applicant) {
    msg::Request request;
    request.mutable_decide_join_requests()->set_group(group);
    request.mutable_decide_join_requests()->add_users(applicant);
    request.mutable_decide_join_requests()->set_accept(true);
    EXPECT(ask(request).has_done());
  }
  void set_role(const std::string& group, const std::string& member, pb::Role role) {
    msg::Request request;
    request.mutable_set_role()->set_group(group);
    request.mutable_set_role()->set_user(member);
    request.mutable_set_role()->set_role(role);
    EXPECT_EQ(ask(request).member().role(), role);
  }
  msg::Removed remove(const std::string& group, const std::string& member) {
    msg::Request request;
    request.mutable_remove_member()->set_group(group);
    request.mutable_remove_member()->set_user(member);
    const auto answer = ask(request);
    EXPECT_EQ(answer.error().code(), "");
    return answer.removed();
  }
  // A file of one piece whose content is one byte.
  InfoHash share(const std::string& group, const GroupId& id, const std::string& file, std::uint8_t content) {
    const auto metainfo = *meta::Metainfo::make(file, 1, limits::kPieceBytesMin,
                                                {{sha1(Bytes{content})}, {sha256(Bytes{content})}});
    trust::CatalogueEntry entry;
    entry.tracker = world.address.tracker;
    entry.group = id;
    entry.publisher = user;
    entry.device_key = key.public_key();
    entry.name = file;
    entry.size = 1;
    entry.piece_length = limits::kPieceBytesMin;
    entry.info_hash = metainfo.info_hash();
    msg::Request put;
    put.mutable_put_metadata()->set_upload_id(std::string(16, 'u'));
    put.mutable_put_metadata()->set_data(to_string(metainfo.piece_list()));
    EXPECT(ask(put).has_done());
    msg::Request request;
    request.mutable_share_file()->set_group(group);
    request.mutable_share_file()->set_entry(to_string(entry.sign(key)));
    request.mutable_share_file()->set_upload_id(std::string(16, 'u'));
    EXPECT_EQ(ask(request).file().name(), file);
    return entry.info_hash;
  }
  msg::Announced announce(const GroupId& group, const InfoHash& share) {
    msg::Request request;
    auto& state = *request.mutable_announce()->add_shares();
    state.set_group_id(group.raw());
    state.set_info_hash(share.raw());
    state.set_activity(msg::seeding);
    const auto answer = ask(request);
    EXPECT(answer.has_announced());
    return answer.announced();
  }
  DeviceId device() const { return {trust::fingerprint(key.public_key()).bytes}; }
  trust::KeySet keys() const {
    return *trust::KeySet::open(as_bytes(client->hello.key_set()), world.address.tracker);
  }
  // Waits for an event of a kind; gives the newest.
  msg::Event heard(msg::Event::BodyCase kind) {
    const msg::Event* found = nullptr;
    world.waiter.until([&] {
      for (const auto& event : client->events)
        if (event.body_case() == kind) found = &event;
      return found != nullptr;
    });
    return *found;
  }

  World& world;
  std::string name;
  trust::KeyPair key = trust::KeyPair::generate();
  std::unique_ptr<Client> client;
  UserId user;
};

inline GroupId group_id(Person& person, const std::string& group) {
  msg::Request request;
  request.mutable_show_group()->set_group(group);
  return *GroupId::from(std::string_view(person.ask(request).group().group_id()));
}

}  // namespace p2p::test
