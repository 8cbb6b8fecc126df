// SPDX-License-Identifier: MIT
// Limits of a tracker's connections, of its users and of its operator, at them and one above.
#include "daemon/base/log.h"
#include "proto/control.pb.h"
#include "tests/support/tracker_server.h"

#include "tests/support/limit.h"

using namespace p2p;
using test::Client;
using test::Person;
using test::Waiter;
using test::World;
using tracker::DialBack;
using tracker::Session;
namespace msg = ::p2p::pb::tracker;
namespace ctl = ::p2p::pb::control;

namespace {

constexpr Duration kShort = 60ms;

// Accepts connections and does with them what the test wants.
struct Door final : io::Acceptor::Listener {
  explicit Door(io::Loop& loop) : acceptor(loop, *this), address(*acceptor.listen({{127, 0, 0, 1}, 0})) {}
  void on_accept(std::unique_ptr<io::Stream> stream) override {
    ++count;
    if (taken) taken(std::move(stream));
    else streams.push_back(std::move(stream));
  }
  std::function<void(std::unique_ptr<io::Stream>)> taken;
  std::size_t count = 0;
  std::vector<std::unique_ptr<io::Stream>> streams;
  io::Acceptor acceptor;
  io::SocketAddress address;
};

// Runs the loop for so long.
void run_for(io::Loop& loop, Duration time) {
  struct End {
    io::Loop& loop;
    void now() { loop.stop(); }
  } end{loop};
  io::Timer timer(loop, bind<&End::now>(&end));
  timer.set(time);
  loop.run();
}

// --- one session

// A session of a tracker, and the client at its other end.
struct Visit final : Session::Listener {
  explicit Visit(Session::Times times) {
    door.taken = [this, times](std::unique_ptr<io::Stream> stream) {
      accepted = loop.now();
      Session::Listener& self = *this;
      session = std::make_unique<Session>(loop, 1, std::move(stream), context, times,
                                          std::make_shared<std::atomic<std::size_t>>(0), self);
    };
  }
  msg::TrackerHello greeting(const Session&) override {
    msg::TrackerHello hello;
    hello.set_key_set("keys");
    return hello;
  }
  void on_session_open(Session&) override {}
  void on_request(Session&, std::uint64_t, const msg::Request&) override {}
  void on_session_ended(Session&, const Error& why) override {
    reason = why.code;
    ended = loop.now();
  }
  io::Loop loop;
  Waiter waiter{loop};
  trust::KeyPair key = trust::KeyPair::generate();
  tls::Context context{key, tls::kTrackerProtocol};
  Door door{loop};
  std::unique_ptr<Session> session;
  TimePoint accepted{};
  TimePoint ended{};
  std::optional<Code> reason;
};

TEST(hello_of_a_client_has_its_time_and_then_the_session_ends) {
  EXPECT_EQ(Session::Times{}.hello, Duration(limits::kHelloTime));
  Visit visit({.offline_after = 1h, .hello = kShort});
  io::Stream silent(visit.loop);
  EXPECT_OK(silent.connect(visit.door.address, std::nullopt));

  visit.waiter.until([&] { return visit.reason.has_value(); });

  LIMIT_AT(limits::kHelloTime);
  EXPECT(visit.ended >= visit.accepted + kShort);
  LIMIT_ABOVE(limits::kHelloTime);
  EXPECT_EQ(*visit.reason, Code::TimedOut);
}

TEST(client_may_leave_so_many_bytes_unread_and_no_more) {
  Visit visit({.offline_after = 1h});
  Client client(visit.loop, visit.door.address, trust::KeyPair::generate());
  visit.waiter.until([&] { return visit.session && visit.session->is_open(); });
  client.frames->transport().pause_reading();
  msg::Event event;
  event.mutable_session_ended()->mutable_error()->set_message(std::string(64 * limits::kKiB, 'x'));
  const auto& session = *visit.session;
  // The kernel takes some of it first.
  std::size_t before = 0;
  do {
    while (session.unread_bytes() + 2 * event.ByteSizeLong() <= limits::kEventBytesPerSession)
      visit.session->push(event);
    before = session.unread_bytes();
    run_for(visit.loop, 20ms);
  } while (session.unread_bytes() < before);

  LIMIT_AT(limits::kEventBytesPerSession);
  while (session.unread_bytes() <= limits::kEventBytesPerSession) visit.session->push(event);
  EXPECT(!session.has_ended());
  LIMIT_ABOVE(limits::kEventBytesPerSession);
  visit.session->push(event);
  EXPECT(session.has_ended());
  EXPECT_EQ(*visit.reason, Code::Limit);
}

// --- all sessions

TEST(so_many_strangers_are_connected_and_one_more_drives_out_who_was_silent_longest) {
  struct Ears final : tracker::Sessions::Listener {
    msg::TrackerHello greeting(const Session&) override { return {}; }
    void on_request(Session&, std::uint64_t, const msg::Request&) override {}
    void on_session_ended(Session&) override {}
  } ears;
  io::Loop loop;
  Waiter waiter(loop);
  const auto key = trust::KeyPair::generate();
  const tls::Context context(key, tls::kTrackerProtocol);
  tracker::Sessions sessions(loop, context, {.unauthenticated_per_source = 1'000'000, .offline_after = 1h},
                             ears);
  const auto address = *sessions.listen({{127, 0, 0, 1}, 0});
  struct Stranger final : io::Transport::Listener {
    Stranger(io::Loop& loop, Waiter& waiter, const io::SocketAddress& to) : stream(loop) {
      stream.set_listener(this);
      EXPECT_OK(stream.connect(to, std::nullopt));
      waiter.until([this] { return open; });
    }
    void on_open() override { open = true; }
    void on_bytes(ByteSpan) override {}
    void on_closed(const Error&) override { closed = true; }
    io::Stream stream;
    bool open = false;
    bool closed = false;
  };
  std::vector<std::unique_ptr<Stranger>> strangers;
  const auto come = [&] { strangers.push_back(std::make_unique<Stranger>(loop, waiter, address)); };
  const auto closed = [&] {
    return std::count_if(strangers.begin(), strangers.end(), [](const auto& one) { return one->closed; });
  };

  for (std::size_t i = 0; i < limits::kUnauthenticatedTotal; ++i) come();
  run_for(loop, 20ms);
  LIMIT_AT(limits::kUnauthenticatedTotal);
  EXPECT_EQ(closed(), 0);

  LIMIT_ABOVE(limits::kUnauthenticatedTotal);
  come();
  waiter.until([&] { return strangers.front()->closed; });
  EXPECT_EQ(closed(), 1);
}

TEST(frame_of_a_user_is_as_long_as_allowed_and_not_a_byte_longer) {
  World world;
  Person alice(world, "alice");
  Person bob(world, "bob");
  // With the frame's own id, which is one byte as long as there are few requests.
  const auto request = [](std::size_t frame_bytes) {
    msg::Frame frame;
    frame.set_id(9);
    auto& cursor = *frame.mutable_request()->mutable_list_groups()->mutable_cursor();
    cursor.assign(frame_bytes, 'x');
    cursor.resize(cursor.size() - (frame.ByteSizeLong() - frame_bytes));
    EXPECT_EQ(frame.ByteSizeLong(), frame_bytes);
    return frame.request();
  };

  LIMIT_AT(limits::kClientFrameBytes);
  const auto before = alice.client->responses.size();
  alice.client->send(request(limits::kClientFrameBytes));
  world.waiter.until([&] { return alice.client->responses.size() > before; });
  EXPECT(alice.client->responses.back().has_groups());
  LIMIT_ABOVE(limits::kClientFrameBytes);
  alice.client->send(request(limits::kClientFrameBytes + 1));
  world.waiter.until([&] { return alice.client->closed; });
  EXPECT_EQ(alice.client->responses.size(), before + 1);
  bob.create_group("lab");
}

TEST(requests_of_a_user_are_refused_above_their_rate_and_those_of_others_are_not) {
  World world;
  Person alice(world, "alice");
  Person bob(world, "bob");
  msg::Request heartbeat;
  heartbeat.mutable_heartbeat();
  // How many of so many at once are not refused.
  const auto taken = [&](std::size_t count) {
    auto& answers = alice.client->responses;
    answers.clear();
    for (std::size_t i = 0; i < count; ++i) alice.client->send(heartbeat);
    world.waiter.until([&] { return answers.size() == count; });
    return static_cast<double>(std::count_if(answers.begin(), answers.end(),
                                             [](const auto& one) { return one.error().code() != "busy"; }));
  };
  const auto gained = [&](TimePoint since) {
    return limits::kRequestsPerSecond * seconds_of(world.loop.now() - since);
  };

  const auto began = world.loop.now();
  const auto first = taken(static_cast<std::size_t>(2 * limits::kRequestBurst));
  LIMIT_AT(limits::kRequestBurst);
  EXPECT(first >= limits::kRequestBurst - 1);  // her attach was one
  LIMIT_ABOVE(limits::kRequestBurst);
  EXPECT(first <= limits::kRequestBurst + gained(began) + 1);
  EXPECT(bob.ask(heartbeat).has_done());

  const auto paused = world.loop.now();
  run_for(world.loop, 300ms);
  const auto least = gained(paused);
  const auto second = taken(static_cast<std::size_t>(limits::kRequestBurst));
  LIMIT_AT(limits::kRequestsPerSecond);
  EXPECT(second >= least - 1);
  LIMIT_ABOVE(limits::kRequestsPerSecond);
  EXPECT(first + second <= limits::kRequestBurst + gained(began) + 1);
}

// --- the operator

// A p2pctl on the control socket.
class Ctl final : private io::FrameStream::Listener {
 public:
  explicit Ctl(World& world) : world_(world) {
    auto stream = std::make_unique<io::Stream>(world.loop);
    EXPECT_OK(stream->connect_unix(world.options.control));
    io::FrameStream::Listener& self = *this;
    frames_ = std::make_unique<io::FrameStream>(std::move(stream), limits::kControlFrameBytes, self);
    world.waiter.until([this] { return greeted_; });
  }
  ctl::Response ask(const ctl::Request& request) {
    ctl::Frame frame;
    frame.set_id(1);
    *frame.mutable_request() = request;
    return send(frame);
  }
  // The answer, or nothing when it ends the connection.
  ctl::Response send(const ctl::Frame& frame) {
    answer_.reset();
    frames_->send(frame);
    world_.waiter.until([this] { return answer_ || closed_; });
    return answer_.value_or(ctl::Response());
  }
  bool closed() const { return closed_; }

 private:
  void on_frame(ByteSpan bytes) override {
    ctl::Frame frame;
    EXPECT_OK(proto::parse_frame(bytes, frame));
    if (frame.has_hello()) {
      ctl::Frame answer;
      answer.mutable_hello()->set_version_min(1);
      answer.mutable_hello()->set_version_max(1);
      frames_->send(answer);
      greeted_ = true;
    }
    if (frame.has_response()) answer_ = frame.response();
  }
  void on_frames_closed(const Error&) override { closed_ = true; }

  World& world_;
  std::unique_ptr<io::FrameStream> frames_;
  bool greeted_ = false;
  bool closed_ = false;
  std::optional<ctl::Response> answer_;
};

TEST(frame_to_the_operators_socket_is_as_long_as_allowed_and_not_a_byte_longer) {
  World world;
  Ctl good(world);
  Ctl bad(world);
  const auto frame_of = [](std::size_t bytes) {
    ctl::Frame frame;
    frame.set_id(1);
    auto& name = *frame.mutable_request()->mutable_group_show()->mutable_group();
    name.assign(bytes - 100, 'g');
    while (frame.ByteSizeLong() < bytes) name += 'g';
    EXPECT_EQ(frame.ByteSizeLong(), bytes);
    return frame;
  };

  LIMIT_AT(limits::kOperatorFrameBytes);
  EXPECT_EQ(good.send(frame_of(limits::kOperatorFrameBytes)).error().code(), "unsupported");
  LIMIT_ABOVE(limits::kOperatorFrameBytes);
  EXPECT(!bad.send(frame_of(limits::kOperatorFrameBytes + 1)).has_error());
  EXPECT(bad.closed() && !good.closed());
}

TEST(invite_has_so_many_uses_and_lasts_so_long_and_no_more) {
  World world;
  Ctl operator_(world);
  const auto invite = [&](std::uint32_t uses, std::int64_t seconds) {
    ctl::Request request;
    request.mutable_operator_invite()->set_uses(uses);
    request.mutable_operator_invite()->set_expires_seconds(static_cast<std::uint64_t>(seconds));
    return operator_.ask(request);
  };
  const auto longest = std::chrono::duration_cast<std::chrono::seconds>(limits::kInviteLife).count();

  LIMIT_AT(limits::kInviteUses);
  LIMIT_AT(limits::kInviteLife);
  EXPECT_EQ(invite(limits::kInviteUses, longest).invite().uses(), limits::kInviteUses);
  LIMIT_ABOVE(limits::kInviteUses);
  EXPECT_EQ(invite(limits::kInviteUses + 1, 1).error().code(), "invalid_argument");
  LIMIT_ABOVE(limits::kInviteLife);
  EXPECT_EQ(invite(1, longest + 1).error().code(), "invalid_argument");
}

TEST(so_many_password_resets_are_begun_and_the_oldest_goes_for_one_more) {
  World world;
  const Person alice(world, "alice");
  Ctl operator_(world);
  const auto begin = [&] {
    ctl::Request request;
    request.mutable_operator_password_parameters()->set_user("alice");
    return operator_.ask(request).challenge().salt();
  };
  const auto reset = [&](const std::string& salt) {
    ctl::Request request;
    request.mutable_operator_password_reset()->set_user("alice");
    request.mutable_operator_password_reset()->set_salt(salt);
    request.mutable_operator_password_reset()->set_proof(std::string(32, 'n'));
    return operator_.ask(request).error().code();
  };
  std::vector<std::string> salts;
  for (std::size_t i = 0; i < limits::kPasswordChallenges; ++i) salts.push_back(begin());

  LIMIT_AT(limits::kPasswordChallenges);
  EXPECT_EQ(reset(salts[0]), "");  // which is one less
  salts.push_back(begin());
  LIMIT_ABOVE(limits::kPasswordChallenges);
  begin();
  EXPECT_EQ(reset(salts[1]), "conflict");
  EXPECT_EQ(reset(salts[2]), "");
}

// --- who is dialled back

struct Probes final : DialBack::Listener {
  void on_probed(const DeviceId&, const io::SocketAddress&, const Status&) override {}
  DeviceId device(std::size_t number) const {
    DeviceId id;
    id.bytes[0] = static_cast<std::uint8_t>(number >> 8);
    id.bytes[1] = static_cast<std::uint8_t>(number);
    return id;
  }
  io::Loop loop;
  Waiter waiter{loop};
  trust::KeyPair key = trust::KeyPair::generate();
  DialBack dial_back{loop, key, std::nullopt, *this};
};

TEST(so_many_devices_are_dialled_back_at_a_time_and_no_more) {
  Probes probes;
  Door door(probes.loop);  // that never says a word
  for (std::size_t i = 0; i <= DialBack::kParallel; ++i)
    probes.dial_back.probe(probes.device(i), door.address);
  probes.waiter.until([&] { return door.count >= DialBack::kParallel; });
  run_for(probes.loop, 20ms);
  LIMIT_AT(DialBack::kParallel);
  EXPECT_EQ(door.count, DialBack::kParallel);

  LIMIT_ABOVE(DialBack::kParallel);
  door.streams.erase(door.streams.begin());
  probes.waiter.until([&] { return door.count > DialBack::kParallel; });
  EXPECT_EQ(door.count, DialBack::kParallel + 1);
}

TEST(so_many_devices_wait_to_be_dialled_back_and_the_oldest_goes_for_one_more) {
  const auto is_oldest_dialled = [](std::size_t count) {
    Probes probes;
    Door oldest(probes.loop);
    Door others(probes.loop);
    for (std::size_t i = 0; i < count; ++i)
      probes.dial_back.probe(probes.device(i), i == 0 ? oldest.address : others.address);
    probes.waiter.until([&] { return oldest.count + others.count == DialBack::kParallel; });
    return oldest.count == 1;
  };

  LIMIT_AT(DialBack::kWaiting);
  EXPECT(is_oldest_dialled(DialBack::kWaiting));
  LIMIT_ABOVE(DialBack::kWaiting);
  EXPECT(!is_oldest_dialled(DialBack::kWaiting + 1));
}

}  // namespace

int main() {
  log::start("test_limits_tracker", log::Level::Error);
  const CMUnitTest tests[] = {
      cmocka_unit_test(hello_of_a_client_has_its_time_and_then_the_session_ends),
      cmocka_unit_test(client_may_leave_so_many_bytes_unread_and_no_more),
      cmocka_unit_test(so_many_strangers_are_connected_and_one_more_drives_out_who_was_silent_longest),
      cmocka_unit_test(frame_of_a_user_is_as_long_as_allowed_and_not_a_byte_longer),
      cmocka_unit_test(requests_of_a_user_are_refused_above_their_rate_and_those_of_others_are_not),
      cmocka_unit_test(frame_to_the_operators_socket_is_as_long_as_allowed_and_not_a_byte_longer),
      cmocka_unit_test(invite_has_so_many_uses_and_lasts_so_long_and_no_more),
      cmocka_unit_test(so_many_password_resets_are_begun_and_the_oldest_goes_for_one_more),
      cmocka_unit_test(so_many_devices_are_dialled_back_at_a_time_and_no_more),
      cmocka_unit_test(so_many_devices_wait_to_be_dialled_back_and_the_oldest_goes_for_one_more),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
