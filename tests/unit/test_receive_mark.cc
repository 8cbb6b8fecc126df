// SPDX-License-Identifier: MIT
#include "daemon/io/receive_mark.h"

#include <sys/socket.h>

#include "tests/support/io_world.h"

using namespace p2p;
using namespace p2p::test;
using io::ReceiveMark;

namespace {

constexpr std::uint64_t kMegabit = 125'000;
constexpr std::size_t kMore = 16 * limits::kMiB;  // than two sockets hold

// Brings so much a second for that long, as a loop hears of it that turns each millisecond.
void bring(ReceiveMark& mark, TimePoint& now, std::uint64_t bytes_per_second, Duration time) {
  for (const auto end = now + time; now < end; now += 1ms) mark.on_received(bytes_per_second / 1000, now);
}

TEST(a_fast_stream_gathers_ten_milliseconds_worth) {
  ReceiveMark mark;
  TimePoint now(1h);
  EXPECT_EQ(mark.bytes(), ReceiveMark::kNone);
  bring(mark, now, 600 * kMegabit, ReceiveMark::kWindow);
  EXPECT_EQ(mark.bytes(), ReceiveMark::kNone);  // the time before the first byte says nothing
  bring(mark, now, 600 * kMegabit, ReceiveMark::kWindow + 1ms);
  EXPECT(mark.is_gathering());
  EXPECT_EQ(mark.bytes(), 512 * limits::kKiB);

  bring(mark, now, 10'000 * kMegabit, 2 * ReceiveMark::kWindow + 1ms);
  EXPECT_EQ(mark.bytes(), ReceiveMark::kMost);
}

TEST(a_hundred_megabits_are_read_as_they_come) {
  ReceiveMark mark;
  TimePoint now(1h);
  for (int i = 0; i < 100; ++i) {
    bring(mark, now, 100 * kMegabit, 20ms);
    EXPECT(!mark.is_gathering());
  }
}

TEST(a_burst_behind_a_silence_does_not_make_a_stream_fast) {
  ReceiveMark mark;
  TimePoint now(1h);
  mark.on_received(1, now);
  now += 10s;
  EXPECT(!mark.on_received(64 * limits::kMiB, now));
  EXPECT(!mark.is_gathering());
}

TEST(a_mark_is_given_up_when_it_is_not_reached_or_the_stream_slows_down) {
  ReceiveMark mark;
  TimePoint now(1h);
  bring(mark, now, 800 * kMegabit, 1s);
  EXPECT(mark.on_pause());
  EXPECT(!mark.is_gathering());
  EXPECT(!mark.on_pause());  // nothing new

  bring(mark, now, 800 * kMegabit, 1s);
  EXPECT(mark.is_gathering());
  bring(mark, now, 100 * kMegabit, 2 * ReceiveMark::kWindow + 1ms);
  EXPECT(!mark.is_gathering());
}

std::size_t mark_of(const Stream& stream) {
  int bytes = 0;
  socklen_t size = sizeof bytes;
  EXPECT(::getsockopt(stream.descriptor(), SOL_SOCKET, SO_RCVLOWAT, &bytes, &size) == 0);
  return static_cast<std::size_t>(bytes);
}

TEST(a_word_behind_a_fast_stream_does_not_wait_for_its_mark) {
  World world;
  Connected pair(world);
  bool fast = false;
  bool last = false;
  std::size_t sent = 0;
  std::size_t received = 0;
  const auto send = [&](std::size_t bytes) {
    pair.near->write_buffer(Bytes(bytes, 9));
    sent += bytes;
  };
  pair.near_ear.drained = [&] {
    if (!fast) send(kMore);
  };
  pair.far_ear.heard = [&](ByteSpan bytes) {
    received += bytes.size();
    pair.far_ear.received.clear();
    if (mark_of(*pair.far) > ReceiveMark::kNone) fast = true;
    if (!fast || received < sent) return;
    if (last) world.loop.stop();
    else send(5);
    last = true;
  };
  send(kMore);
  world.run();
  EXPECT(last);
  EXPECT_EQ(received, sent);
  EXPECT_EQ(mark_of(*pair.far), ReceiveMark::kNone);
}

TEST(a_fast_stream_may_be_destroyed_while_it_gathers) {
  World world;
  Connected pair(world);
  pair.near_ear.drained = [&] { pair.near->write_buffer(Bytes(kMore, 9)); };
  pair.far_ear.heard = [&](ByteSpan) {
    pair.far_ear.received.clear();
    if (mark_of(*pair.far) == ReceiveMark::kNone) return;
    pair.far.reset();
    world.loop.stop();
  };
  pair.near->write_buffer(Bytes(kMore, 9));
  world.run();
  EXPECT(pair.far == nullptr);
  world.settle();
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_fast_stream_gathers_ten_milliseconds_worth),
      cmocka_unit_test(a_hundred_megabits_are_read_as_they_come),
      cmocka_unit_test(a_burst_behind_a_silence_does_not_make_a_stream_fast),
      cmocka_unit_test(a_mark_is_given_up_when_it_is_not_reached_or_the_stream_slows_down),
      cmocka_unit_test(a_word_behind_a_fast_stream_does_not_wait_for_its_mark),
      cmocka_unit_test(a_fast_stream_may_be_destroyed_while_it_gathers),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
