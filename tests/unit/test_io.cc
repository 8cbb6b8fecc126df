// SPDX-License-Identifier: MIT
// Real sockets on loopback, real threads. Every test ends with ~Loop, which takes no leaked handle.
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "daemon/io/work_pool.h"
#include "tests/support/io_world.h"
#include "tests/support/temp_dir.h"

using namespace p2p;
using namespace p2p::test;

namespace {

TEST(posted_and_deferred_tasks_run_in_order_and_not_from_inside) {
  World world;
  std::string order;
  world.loop.defer([&] {
    order += 'a';
    world.loop.defer([&] {
      order += 'd';
      world.loop.stop();
    });
    order += 'b';
  });
  world.loop.defer([&] { order += 'c'; });
  EXPECT(order.empty());
  world.run();
  EXPECT_EQ(order, std::string("abcd"));

  std::thread other([&] {
    for (int i = 0; i < 100; ++i) world.loop.post([&, i] { order += i < 99 ? "" : "!"; });
    world.loop.post([&] { world.loop.stop(); });
  });
  world.run();
  other.join();
  EXPECT_EQ(order, std::string("abcd!"));
}

TEST(deferred_task_does_not_wait_for_the_next_timer) {
  World world;
  std::string order;
  Alarm alarm(world, [&] { order += 't'; });
  alarm.timer.set(1h);
  world.loop.defer([&] {
    order += 'd';
    world.loop.stop();
  });
  world.run();
  EXPECT_EQ(order, std::string("d"));
}

TEST(loop_that_was_told_to_stop_as_it_ends_closes_every_handle) {
  bool ran = false;
  {
    World world;
    world.loop.defer([&] {
      ran = true;
      world.loop.stop();
    });
  }
  EXPECT(ran);
}

TEST(timers_ring_in_the_order_of_their_times_and_once) {
  World world;
  std::string order;
  Alarm late(world, [&] {
    order += 'c';
    world.loop.stop();
  });
  Alarm early(world, [&] { order += 'a'; });
  Alarm moved(world, [&] { order += 'b'; });
  Alarm cancelled(world, [&] { order += 'x'; });
  Alarm never(world, [&] { order += 'y'; });
  auto dead = std::make_unique<Alarm>(world, [&] { order += 'z'; });
  late.timer.set(60ms);
  early.timer.set(1ms);
  moved.timer.set(1h);
  moved.timer.set_at(world.loop.now() + 20ms);
  cancelled.timer.set(5ms);
  cancelled.timer.cancel();
  never.timer.set(5ms);
  never.timer.set_at(TimePoint::max());
  dead->timer.set(5ms);
  dead.reset();
  EXPECT(early.timer.is_set() && !cancelled.timer.is_set() && !never.timer.is_set());
  world.run();
  EXPECT_EQ(order, std::string("abc"));
  EXPECT(!early.timer.is_set());
}

TEST(timer_that_was_never_set_can_be_cancelled_and_destroyed) {
  World world;
  bool rang = false;
  Alarm alarm(world, [&] { rang = true; });
  Alarm end(world, [&] { world.loop.stop(); });

  EXPECT(!alarm.timer.is_set());
  alarm.timer.cancel();
  alarm.timer.set_at(TimePoint::max());
  EXPECT(!alarm.timer.is_set());
  end.timer.set(1ms);
  world.run();

  EXPECT(!rang);
}

TEST(timer_may_set_itself_again_and_be_destroyed_from_inside) {
  World world;
  int rings = 0;
  std::unique_ptr<Alarm> alarm;
  alarm = std::make_unique<Alarm>(world, [&] {
    if (++rings < 3) {
      alarm->timer.set(Duration(0));
      return;
    }
    world.loop.stop();
    const auto dying = std::move(alarm);
  });
  alarm->timer.set(-5ms);
  world.run();
  EXPECT_EQ(rings, 3);
}

TEST(echo_comes_back_and_the_end_is_heard) {
  World world;
  Connected pair(world);
  EXPECT_EQ(pair.near->remote()->port, pair.far->local()->port);
  EXPECT_EQ(pair.far->remote()->port, pair.near->local()->port);
  EXPECT(pair.far->remote()->is_loopback());
  pair.far_ear.heard = [&](ByteSpan bytes) { pair.far->write(bytes); };
  pair.near_ear.heard = [&](ByteSpan) {
    EXPECT(pair.near->round_trip() && *pair.near->round_trip() < 1s);
    if (pair.near_ear.received.size() == 5) pair.near->close();
  };
  pair.far_ear.closed = [&](const Error&) { world.loop.stop(); };
  pair.near->write(as_bytes("hello"));
  world.run();
  EXPECT_EQ(to_string(pair.near_ear.received), std::string("hello"));
  EXPECT(pair.far_ear.ends == std::vector<Code>{Code::Closed});
  EXPECT(pair.near_ear.ends.empty());  // never after close()
  EXPECT(!pair.near->remote() && pair.near->descriptor() == -1 && !pair.near->round_trip());
  pair.near->write(as_bytes("ignored"));
  pair.near->close();
}

TEST(large_write_is_drained_when_the_other_side_reads) {
  World world;
  Connected pair(world);
  constexpr std::size_t kSize = 32 * 1024 * 1024;
  pair.far->pause_reading();
  pair.near->write_buffer(Bytes(kSize, 9));
  // The kernel has taken some of it.
  EXPECT(pair.near->pending_bytes() > kSize / 2);
  world.settle();
  EXPECT_EQ(pair.near_ear.drains, 0);
  EXPECT(pair.far_ear.received.empty());

  const auto done = [&] {
    if (pair.near_ear.drains == 1 && pair.far_ear.received.size() == kSize) world.loop.stop();
  };
  pair.near_ear.drained = done;
  pair.far_ear.heard = [&](ByteSpan) { done(); };
  pair.far->resume_reading();
  world.run();
  EXPECT_EQ(pair.near->pending_bytes(), 0u);
}

constexpr std::uint16_t kIpv4 = 0x0800;  // as packet(7) numbers protocols

// Sees the packets of a TCP port on the loopback device; needs root.
class Packets {
 public:
  Packets() : socket_(::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(kIpv4))) {
    sockaddr_ll device{};
    device.sll_family = AF_PACKET;
    device.sll_protocol = htons(kIpv4);
    device.sll_ifindex = static_cast<int>(::if_nametoindex("lo"));
    if (socket_ >= 0) EXPECT(::bind(socket_, reinterpret_cast<sockaddr*>(&device), sizeof device) == 0);
  }
  ~Packets() {
    if (socket_ >= 0) ::close(socket_);
  }
  Packets(const Packets&) = delete;
  Packets& operator=(const Packets&) = delete;

  bool may_look() const { return socket_ >= 0; }
  // Of those sent from this port, since the last look.
  std::size_t longest(std::uint16_t port) {
    std::size_t most = 0;
    std::array<std::uint8_t, 64> begin{};
    while (true) {
      const auto length = ::recv(socket_, begin.data(), begin.size(), MSG_TRUNC);
      if (length < 0) return most;
      const std::size_t tcp = 4 * (begin[0] & 15u);
      if ((begin[tcp] << 8 | begin[tcp + 1]) == port) most = std::max(most, static_cast<std::size_t>(length));
    }
  }

 private:
  int socket_;
};

// The loopback device carries what the kernel makes one burst as one packet.
TEST(bursts_fit_into_the_bucket_of_a_traffic_shaper) {
  Packets packets;
  if (!packets.may_look()) {
    std::puts("not looked at: only root sees packets");
    return;
  }
  World world;
  Connected pair(world);
  constexpr std::size_t kSize = 8'000'000;
  const auto port = pair.near->local()->port;
  std::size_t longest = 0;
  pair.far_ear.heard = [&](ByteSpan) {
    longest = std::max(longest, packets.longest(port));
    if (pair.far_ear.received.size() == kSize) world.loop.stop();
  };
  for (std::size_t sent = 0; sent < kSize; sent += kSize / 64) pair.near->write(Bytes(kSize / 64, 9));
  world.run();
  EXPECT(longest > 0);
  EXPECT(longest < 62'000);
}

TEST(shutdown_sends_what_is_queued_and_then_closes) {
  World world;
  Connected pair(world);
  pair.near->write_buffer(Bytes(12'000'000, 9));
  pair.near->shutdown();
  pair.far_ear.closed = [&](const Error&) { world.loop.stop(); };
  world.run();
  EXPECT_EQ(pair.far_ear.received.size(), 12'000'000u);
  EXPECT(pair.far_ear.ends == std::vector<Code>{Code::Closed});
  EXPECT(pair.near_ear.ends.empty());
}

TEST(stream_may_be_destroyed_from_inside_each_callback) {
  World world;
  {
    Connected pair(world);
    pair.far_ear.heard = [&](ByteSpan) { pair.far.reset(); };
    pair.near_ear.closed = [&](const Error&) {
      pair.near.reset();
      world.loop.stop();
    };
    pair.near->write(as_bytes("hello"));
    world.run();
    EXPECT(!pair.near && !pair.far && pair.far_ear.ends.empty());
  }
  Connected pair(world);
  pair.near_ear.drained = [&] {
    pair.near.reset();
    world.loop.stop();
  };
  pair.near->write_buffer(Bytes(32'000'000, 9));
  world.run();
  EXPECT(!pair.near);
}

TEST(stream_may_be_destroyed_while_it_connects_and_when_it_is_open) {
  World world;
  Door door;
  door.taken = [](std::unique_ptr<Stream>) {};
  Acceptor acceptor(world.loop, door);
  const auto address = acceptor.listen(loopback());
  Ear ear;
  auto stream = std::make_unique<Stream>(world.loop);
  stream->set_listener(&ear);
  EXPECT_OK(stream->connect(*address, std::nullopt));
  stream.reset();
  world.settle();
  EXPECT(ear.opens == 0 && ear.ends.empty());

  stream = std::make_unique<Stream>(world.loop);
  stream->set_listener(&ear);
  ear.opened = [&] {
    stream.reset();
    world.loop.stop();
  };
  EXPECT_OK(stream->connect(*address, loopback()));
  world.run();
  EXPECT(ear.opens == 1 && ear.ends.empty());
  const Stream unused(world.loop);
}

TEST(refused_connection_is_closed_with_a_reason) {
  World world;
  std::uint16_t port = 0;
  {
    Door door;
    Acceptor acceptor(world.loop, door);
    port = acceptor.listen(loopback())->port;
  }
  Ear ear;
  ear.closed = [&](const Error& reason) {
    EXPECT(!reason.message.empty());
    world.loop.stop();
  };
  Stream stream(world.loop);
  stream.set_listener(&ear);
  EXPECT_OK(stream.connect(loopback(port), std::nullopt));
  EXPECT(ear.ends.empty());
  world.run();
  EXPECT(ear.opens == 0 && ear.ends.size() == 1);
  EXPECT(ear.ends[0] != Code::Closed);
}

TEST(port_that_is_taken_is_refused) {
  World world;
  Door door;
  Acceptor first(world.loop, door);
  const auto address = first.listen(loopback());
  Acceptor second(world.loop, door);
  EXPECT_EQ(second.listen(*address).error().code, Code::AddressInUse);
}

TEST(addresses_are_read_and_written) {
  for (const std::string& text : {std::string("127.0.0.1:80"), std::string("[::1]:65535")}) {
    const auto address = SocketAddress::parse(*parse_host_port(text));
    EXPECT_OK(address);
    EXPECT(address->is_loopback() && !address->is_unspecified());
    EXPECT_EQ(address->text(), text);
  }
  EXPECT(SocketAddress::parse({"::", 1})->is_unspecified());
  EXPECT(!SocketAddress::parse({"localhost", 1}));
  EXPECT(!SocketAddress::parse({"127.1", 1}));
}

// Leaves a socket file behind, as a daemon that was killed does.
void leave_stale_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::close(fd);
}

TEST(unix_socket_is_for_its_user_only_and_takes_the_place_of_a_stale_one) {
  World world;
  const TempDir temp;
  const auto path = temp.path_of("control");
  leave_stale_socket(path);
  Door door;
  std::unique_ptr<Stream> far;
  door.taken = [&](std::unique_ptr<Stream> stream) {
    far = std::move(stream);
    world.loop.stop();
  };
  {
    Acceptor acceptor(world.loop, door);
    EXPECT_OK(acceptor.listen_unix(path));
    EXPECT_EQ(temp.mode("control"), 0600u);
    Stream near(world.loop);
    EXPECT_OK(near.connect_unix(path));
    world.run();
    EXPECT(far && far->descriptor() >= 0 && !far->remote() && !far->round_trip());
  }
  EXPECT(!std::filesystem::exists(path));
}

TEST(unix_socket_replaces_nothing_else_and_has_a_short_path) {
  World world;
  const TempDir temp;
  Door door;
  temp.put("file", "content");
  Acceptor on_file(world.loop, door);
  EXPECT_EQ(on_file.listen_unix(temp.path_of("file")).error().code, Code::AddressInUse);
  EXPECT_EQ(temp.content("file"), std::string("content"));
  std::filesystem::create_symlink("file", temp.path_of("link"));
  Acceptor on_link(world.loop, door);
  EXPECT_EQ(on_link.listen_unix(temp.path_of("link")).error().code, Code::AddressInUse);

  const auto rest = 107 - temp.path().size() - 1;
  Acceptor longest(world.loop, door);
  EXPECT_OK(longest.listen_unix(temp.path_of(std::string(rest, 's'))));
  Acceptor too_long(world.loop, door);
  EXPECT_EQ(too_long.listen_unix(temp.path_of(std::string(rest + 1, 's'))).error().code,
            Code::InvalidArgument);
  Stream stream(world.loop);
  EXPECT(!stream.connect_unix(temp.path_of(std::string(rest + 1, 's'))));
}

TEST(work_runs_elsewhere_in_order_and_is_done_on_the_loop) {
  World world;
  io::WorkPool pool(world.loop, "test", 1);
  io::WorkScope scope;
  const auto here = std::this_thread::get_id();
  std::vector<int> results;
  bool elsewhere = true;
  for (int i = 0; i < 10; ++i) {
    scope.run(
        pool, [i] { return std::pair(i, std::this_thread::get_id()); },
        [&](std::pair<int, std::thread::id> result) {
          elsewhere = elsewhere && result.second != here && std::this_thread::get_id() == here;
          results.push_back(result.first);
          if (results.size() == 10) world.loop.stop();
        });
  }
  EXPECT(results.empty());
  world.run();
  EXPECT(elsewhere);
  EXPECT(results == (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(nothing_is_done_for_a_scope_that_is_gone) {
  World world;
  io::WorkPool pool(world.loop, "test", 2);
  const auto worked = std::make_shared<std::atomic<int>>(0);
  int done = 0;
  {
    io::WorkScope scope;
    for (int i = 0; i < 20; ++i)
      scope.run(
          pool, [worked] { return ++*worked; }, [&](int) { ++done; });
  }
  io::WorkScope other;
  std::function<void(int)> wait = [&](int finished) {
    if (finished == 20) world.loop.stop();
    else
      other.run(
          pool, [worked] { return worked->load(); }, wait);
  };
  wait(0);
  world.run();
  world.settle();
  EXPECT_EQ(done, 0);
  EXPECT_EQ(pool.depth(), 0u);
}

// Holds the threads that it is given until it is told to end.
struct SlowDisk {
  std::mutex mutex;
  std::condition_variable wake;
  bool is_over = false;
  std::atomic<int> waiting{0};

  void wait() {
    ++waiting;
    std::unique_lock lock(mutex);
    wake.wait(lock, [this] { return is_over; });
  }
  void end() {
    const std::lock_guard lock(mutex);
    is_over = true;
    wake.notify_all();
  }
};

TEST(lane_that_waits_leaves_half_of_the_threads_to_others) {
  World world;
  const auto slow = std::make_shared<SlowDisk>();
  int done = 0;
  std::vector<int> order;
  io::WorkScope scope;
  io::WorkPool pool(world.loop, "test", 4);
  for (int i = 0; i < 10; ++i)
    scope.run(
        pool, 7,
        [slow] {
          slow->wait();
          return true;
        },
        [&](bool) {
          if (++done == 10) world.loop.stop();
        });
  for (int i = 0; i < 100; ++i)
    scope.run(
        pool, 8, [i] { return i; },
        [&](int number) {
          order.push_back(number);
          if (order.size() == 100) world.loop.stop();
        });

  world.run();

  EXPECT_EQ(order.size(), 100u);
  EXPECT_EQ(done, 0);
  EXPECT(slow->waiting <= 2);
  EXPECT(pool.depth() >= 10);
  slow->end();
  world.run();
  EXPECT_EQ(done, 10);
}

TEST(lanes_have_their_turns) {
  World world;
  const auto slow = std::make_shared<SlowDisk>();
  std::string order;
  io::WorkScope scope;
  io::WorkPool pool(world.loop, "test", 1);
  scope.run(
      pool,
      [slow] {
        slow->wait();
        return true;
      },
      [](bool) {});
  for (const char name : std::string("aaabbbcd"))
    scope.run(
        pool, static_cast<io::WorkPool::Lane>(name), [name] { return name; },
        [&](char one) {
          order += one;
          if (order.size() == 8) world.loop.stop();
        });
  slow->end();

  world.run();

  EXPECT_EQ(order, "abcdabab");
}

TEST(nice_threads_give_way_and_their_loop_does_not) {
  World world;
  io::WorkPool pool(world.loop, "test", 2, 7);
  io::WorkScope scope;
  int nice = 0;
  scope.run(
      pool, [] { return ::getpriority(PRIO_PROCESS, 0); },
      [&](int found) {
        nice = found;
        world.loop.stop();
      });
  const int ours = ::getpriority(PRIO_PROCESS, 0);
  world.run();
  EXPECT_EQ(nice, std::min(ours + 7, 19));
  EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), ours);
}

TEST(pool_finishes_its_jobs_and_drops_what_follows_them) {
  World world;
  const auto worked = std::make_shared<std::atomic<int>>(0);
  int done = 0;
  io::WorkScope scope;
  {
    io::WorkPool pool(world.loop, "a name that is too long for a thread", 2);
    for (int i = 0; i < 50; ++i)
      scope.run(
          pool, [worked] { return ++*worked; }, [&](int) { ++done; });
  }
  EXPECT_EQ(worked->load(), 50);
  world.settle();
  EXPECT_EQ(done, 0);
  EXPECT(io::processors() >= 1);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(posted_and_deferred_tasks_run_in_order_and_not_from_inside),
      cmocka_unit_test(deferred_task_does_not_wait_for_the_next_timer),
      cmocka_unit_test(loop_that_was_told_to_stop_as_it_ends_closes_every_handle),
      cmocka_unit_test(timers_ring_in_the_order_of_their_times_and_once),
      cmocka_unit_test(timer_that_was_never_set_can_be_cancelled_and_destroyed),
      cmocka_unit_test(timer_may_set_itself_again_and_be_destroyed_from_inside),
      cmocka_unit_test(echo_comes_back_and_the_end_is_heard),
      cmocka_unit_test(large_write_is_drained_when_the_other_side_reads),
      cmocka_unit_test(bursts_fit_into_the_bucket_of_a_traffic_shaper),
      cmocka_unit_test(shutdown_sends_what_is_queued_and_then_closes),
      cmocka_unit_test(stream_may_be_destroyed_from_inside_each_callback),
      cmocka_unit_test(stream_may_be_destroyed_while_it_connects_and_when_it_is_open),
      cmocka_unit_test(refused_connection_is_closed_with_a_reason),
      cmocka_unit_test(port_that_is_taken_is_refused),
      cmocka_unit_test(addresses_are_read_and_written),
      cmocka_unit_test(unix_socket_is_for_its_user_only_and_takes_the_place_of_a_stale_one),
      cmocka_unit_test(unix_socket_replaces_nothing_else_and_has_a_short_path),
      cmocka_unit_test(work_runs_elsewhere_in_order_and_is_done_on_the_loop),
      cmocka_unit_test(nothing_is_done_for_a_scope_that_is_gone),
      cmocka_unit_test(lane_that_waits_leaves_half_of_the_threads_to_others),
      cmocka_unit_test(lanes_have_their_turns),
      cmocka_unit_test(nice_threads_give_way_and_their_loop_does_not),
      cmocka_unit_test(pool_finishes_its_jobs_and_drops_what_follows_them),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
