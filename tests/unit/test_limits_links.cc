// SPDX-License-Identifier: MIT
// The times of a link and of a daemon's end, and what waits to be sent: at the limit and above. Times are
// short here; that the usual ones are the limits is compared.
#include "daemon/base/limits.h"
#include "daemon/io/orderly_stop.h"
#include "tests/support/limit.h"
#include "tests/support/peer_world.h"

using namespace p2p;
using namespace p2p::test;
using io::TlsStream;

namespace {

constexpr Duration kShort = 60ms;
constexpr Duration kLonger = 400ms;  // enough for what is not to be late on a machine that is busy

// A server that accepts links and takes every hello.
struct House final : peer::PeerLinkOwner {
  explicit House(World& world_, peer::LinkTimes times_ = {}) : world(world_), times(times_) {
    door.taken = [this](std::unique_ptr<Stream> stream) {
      accepted = world.loop.now();
      peer::PeerLinkOwner& owner = *this;
      link = std::make_unique<peer::PeerLink>(world.loop, context, owner, std::move(stream), times);
    };
    const auto listening = acceptor.listen(loopback());
    EXPECT_OK(listening);
    address = *listening;
  }
  // A member whose link is open.
  std::unique_ptr<Member> enter() {
    auto member = std::make_unique<Member>(world, address);
    run_until(world, [&] { return member->ear.opens == 1; });
    member->greet(share);
    run_until(world, [&] { return is_open; });
    return member;
  }
  bool has_ended() const { return reason != Code::Internal; }

  std::optional<Admission> admit(peer::PeerLink&, const wire::Hello& hello) override {
    return Admission{{}, {hello.share, {}, std::nullopt}};
  }
  void on_link_open(peer::PeerLink&, bool, bool) override {
    is_open = true;
    opened = world.loop.now();
  }
  void on_link_message(peer::PeerLink&, const wire::Message&) override {}
  void on_link_drained(peer::PeerLink&) override {}
  void on_link_closed(peer::PeerLink&, const Error& why) override {
    reason = why.code;
    ended = world.loop.now();
  }

  World& world;
  peer::LinkTimes times;
  trust::KeyPair key = trust::KeyPair::generate();
  tls::Context context{key, tls::kPeerProtocol};
  ShareKey share;
  Door door;
  Acceptor acceptor{world.loop, door};
  io::SocketAddress address;
  std::unique_ptr<peer::PeerLink> link;
  bool is_open = false;
  TimePoint accepted{};
  TimePoint opened{};
  TimePoint ended{};
  Code reason = Code::Internal;
};

TEST(handshake_of_tls_has_its_time_and_then_the_connection_ends) {
  EXPECT_EQ(TlsStream::handshake_time(tls::Side::Server), Duration(limits::kTlsHandshakeTime));
  World world;
  Connected pair(world);
  const auto key = trust::KeyPair::generate();
  const tls::Context context(key, tls::kPeerProtocol);
  Ear ear;
  const auto began = world.loop.now();
  TlsStream silent(world.loop, std::move(pair.far), context, tls::Side::Server, kShort);
  silent.set_listener(&ear);
  run_until(world, [&] { return !ear.ends.empty(); });
  LIMIT_AT(limits::kTlsHandshakeTime);
  EXPECT(world.loop.now() >= began + kShort);
  LIMIT_ABOVE(limits::kTlsHandshakeTime);
  EXPECT(ear.ends == std::vector<Code>{Code::TimedOut});

  // Who is in time is not cut later.
  Ear in_time;
  std::unique_ptr<TlsStream> server;
  Door door;
  door.taken = [&](std::unique_ptr<Stream> stream) {
    server = std::make_unique<TlsStream>(world.loop, std::move(stream), context, tls::Side::Server, kLonger);
    server->set_listener(&in_time);
  };
  Acceptor acceptor(world.loop, door);
  const Member member(world, *acceptor.listen(loopback()));
  run_until(world, [&] { return in_time.opens == 1; });
  run_for(world, kLonger + kShort);
  EXPECT(in_time.ends.empty());
}

TEST(connecting_has_its_time_and_then_it_is_given_up) {
  EXPECT_EQ(TlsStream::handshake_time(tls::Side::Client), Duration(limits::kConnectTime));
  EXPECT_EQ(peer::LinkTimes{}.connect, Duration(limits::kConnectTime));
  World world;
  // It listens, and nobody ever answers.
  Door door;
  std::unique_ptr<Stream> taken;
  door.taken = [&](std::unique_ptr<Stream> stream) { taken = std::move(stream); };
  Acceptor acceptor(world.loop, door);
  const auto address = *acceptor.listen(loopback());
  const auto key = trust::KeyPair::generate();
  const tls::Context context(key, tls::kPeerProtocol);
  auto stream = std::make_unique<Stream>(world.loop);
  EXPECT_OK(stream->connect(address, std::nullopt));
  Ear ear;
  const auto began = world.loop.now();
  TlsStream dialled(world.loop, std::move(stream), context, tls::Side::Client, kShort);
  dialled.set_listener(&ear);

  run_until(world, [&] { return !ear.ends.empty(); });

  LIMIT_AT(limits::kConnectTime);
  EXPECT(world.loop.now() >= began + kShort);
  LIMIT_ABOVE(limits::kConnectTime);
  EXPECT(ear.ends == std::vector<Code>{Code::TimedOut});
}

TEST(hello_has_its_time_and_then_the_link_ends) {
  EXPECT_EQ(peer::LinkTimes{}.hello, Duration(limits::kHelloTime));
  World world;
  House house(world, {.hello = kShort});
  const Member silent(world, house.address);
  run_until(world, [&] { return house.has_ended(); });
  LIMIT_AT(limits::kHelloTime);
  EXPECT(house.ended >= house.accepted + kShort);
  LIMIT_ABOVE(limits::kHelloTime);
  EXPECT_EQ(house.reason, Code::TimedOut);

  House another(world, {.hello = kLonger});
  const auto member = another.enter();
  run_for(world, kLonger + kShort);
  EXPECT(!another.has_ended() && !member->has_ended());
}

TEST(silent_link_says_that_it_is_there_when_it_is_time_and_not_before) {
  EXPECT_EQ(peer::LinkTimes{}.idle_ping, Duration(limits::kIdlePing));
  World world;
  House house(world, {.idle_ping = kShort});
  const auto member = house.enter();
  const auto& received = member->ear.received;
  // What greets comes first: the hello behind its length, the handshake.
  const auto greeting = [&] { return ByteReader(received).u32() + 4 + wire::kHandshakeBytes; };

  run_until(world, [&] { return received.size() >= 4 && received.size() > greeting(); });

  LIMIT_AT(limits::kIdlePing);
  EXPECT(world.loop.now() >= house.opened + kShort);
  LIMIT_ABOVE(limits::kIdlePing);
  EXPECT_EQ(to_hex(ByteSpan(received).subspan(greeting(), 4)), "00000000");
  EXPECT(!house.has_ended());
}

TEST(link_that_hears_nothing_for_too_long_ends_and_one_that_hears_a_keep_alive_does_not) {
  EXPECT_EQ(peer::LinkTimes{}.idle_drop, Duration(limits::kIdleDrop));
  World world;
  House house(world,
              {.idle_ping = 1h, .idle_drop = kShort});  // measured to the moment, not from ping to ping
  const auto member = house.enter();
  run_until(world, [&] { return house.has_ended(); });
  LIMIT_AT(limits::kIdleDrop);
  EXPECT(house.ended >= house.opened + kShort);
  LIMIT_ABOVE(limits::kIdleDrop);
  EXPECT_EQ(house.reason, Code::TimedOut);

  House another(world, {.idle_ping = 1h, .idle_drop = kLonger});
  const auto lively = another.enter();
  while (world.loop.now() < another.opened + kLonger + kShort) {
    lively->say(wire::KeepAlive{});
    run_for(world, kShort / 2);
  }
  EXPECT(!another.has_ended());
}

TEST(who_reads_nothing_may_have_so_much_waiting_and_is_cut_above) {
  World world;
  House house(world);
  const auto member = house.enter();
  world.settle();
  member->tls->pause_reading();
  const Bytes chunk(64 * limits::kKiB, 0);
  const auto most = 2 * limits::kSendBufferBytes;
  // The kernel takes some of it first.
  std::size_t before = 0;
  do {
    while (house.link->pending_bytes() + 2 * chunk.size() <= most) house.link->send_bytes(chunk);
    before = house.link->pending_bytes();
    world.settle();
  } while (house.link->pending_bytes() < before);

  LIMIT_AT(limits::kSendBufferBytes);
  EXPECT(house.link->pending_bytes() > most - 2 * chunk.size());
  EXPECT(house.link->is_open());
  LIMIT_ABOVE(limits::kSendBufferBytes);
  while (house.link->pending_bytes() <= most) house.link->send_bytes(chunk);
  run_until(world, [&] { return house.has_ended(); });
  EXPECT_EQ(house.reason, Code::Limit);
}

// The kernel is full of what the other side does not read, and `bytes` wait with us.
void let_wait(World& world, Connected& pair, std::size_t bytes) {
  pair.far->pause_reading();
  std::size_t before = 0;
  do {
    while (pair.near->pending_bytes() == 0) pair.near->write(Bytes(64 * limits::kKiB, 1));
    before = pair.near->pending_bytes();
    world.settle();
  } while (pair.near->pending_bytes() != before);
  pair.near->write(Bytes(bytes - before, 2));
  EXPECT_EQ(pair.near->pending_bytes(), bytes);
}

TEST(low_water_is_told_of_when_more_than_that_was_waiting) {
  World world;
  Connected pair(world);
  const auto read_all = [&] {
    pair.far->resume_reading();
    run_until(world, [&] { return pair.near->pending_bytes() == 0; });
    world.settle();
  };
  let_wait(world, pair, limits::kSendLowWaterBytes);
  read_all();
  LIMIT_AT(limits::kSendLowWaterBytes);
  EXPECT_EQ(pair.near_ear.drains, 0);

  let_wait(world, pair, limits::kSendLowWaterBytes + 1);
  read_all();
  LIMIT_ABOVE(limits::kSendLowWaterBytes);
  EXPECT_EQ(pair.near_ear.drains, 1);
}

// --- the end

struct Ending {
  World world;
  int lates = 0;
  io::OrderlyStop::Done done;
  void on_late() { ++lates; }
};

TEST(daemon_has_its_time_to_stop_and_then_its_loop_ends) {
  {
    Ending ending;
    io::OrderlyStop stop(ending.world.loop, bind<&Ending::on_late>(&ending), kShort);
    const auto began = ending.world.loop.now();
    stop.begin([&](io::OrderlyStop::Done done) { ending.done = std::move(done); });
    ending.world.run();
    LIMIT_AT(limits::kStopTime);
    EXPECT(ending.world.loop.now() >= began + kShort);
    LIMIT_ABOVE(limits::kStopTime);
    EXPECT_EQ(ending.lates, 1);
  }
  // Who is done sooner does not wait, and is not late; the usual time is the limit.
  Ending ending;
  io::OrderlyStop stop(ending.world.loop, bind<&Ending::on_late>(&ending));
  const auto began = ending.world.loop.now();
  stop.begin([&](io::OrderlyStop::Done done) { ending.world.loop.defer(std::move(done)); });
  ending.world.run();
  EXPECT(ending.world.loop.now() < began + limits::kStopTime);
  EXPECT_EQ(stop.time(), Duration(limits::kStopTime));
  EXPECT_EQ(ending.lates, 0);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(handshake_of_tls_has_its_time_and_then_the_connection_ends),
      cmocka_unit_test(connecting_has_its_time_and_then_it_is_given_up),
      cmocka_unit_test(hello_has_its_time_and_then_the_link_ends),
      cmocka_unit_test(silent_link_says_that_it_is_there_when_it_is_time_and_not_before),
      cmocka_unit_test(link_that_hears_nothing_for_too_long_ends_and_one_that_hears_a_keep_alive_does_not),
      cmocka_unit_test(who_reads_nothing_may_have_so_much_waiting_and_is_cut_above),
      cmocka_unit_test(low_water_is_told_of_when_more_than_that_was_waiting),
      cmocka_unit_test(daemon_has_its_time_to_stop_and_then_its_loop_ends),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
