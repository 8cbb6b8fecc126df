// SPDX-License-Identifier: MIT
// A real event loop for tests, with listeners that note what they hear, and two streams over loopback.
// Include it instead of tests/support/check.h.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "daemon/io/stream.h"
#include "daemon/io/timer.h"
#include "tests/support/check.h"

namespace p2p::test {

using io::Acceptor;
using io::SocketAddress;
using io::Stream;
using io::Transport;

// A loop that gives up after a while.
struct World {
  io::Loop loop;
  io::Timer guard{loop, bind<&World::on_late>(this)};
  bool late = false;

  void on_late() {
    late = true;
    loop.stop();
  }
  void run() {
    guard.set(20s);
    loop.run();
    guard.cancel();
    EXPECT(!late);
  }
  // What is due now happens: tasks and events run before this one, which is asked for last.
  void settle() {
    io::Timer timer(loop, bind<&World::on_settled>(this));
    timer.set(30ms);
    run();
  }
  void on_settled() { loop.stop(); }
};

struct Alarm {
  std::function<void()> ring;
  io::Timer timer;
  Alarm(World& world, std::function<void()> due)
      : ring(std::move(due)), timer(world.loop, bind<&Alarm::on_due>(this)) {}
  void on_due() { ring(); }
};

struct Ear final : Transport::Listener {
  std::function<void()> opened;
  std::function<void(ByteSpan)> heard;
  std::function<void()> drained;
  std::function<void(const Error&)> closed;
  Bytes received;
  int opens = 0;
  int drains = 0;
  std::vector<Code> ends;

  void on_open() override {
    ++opens;
    if (opened) opened();
  }
  void on_bytes(ByteSpan bytes) override {
    received.insert(received.end(), bytes.begin(), bytes.end());
    if (heard) heard(bytes);
  }
  void on_drained() override {
    ++drains;
    if (drained) drained();
  }
  void on_closed(const Error& reason) override {
    ends.push_back(reason.code);
    if (closed) closed(reason);
  }
};

struct Door final : Acceptor::Listener {
  std::function<void(std::unique_ptr<Stream>)> taken;
  void on_accept(std::unique_ptr<Stream> stream) override { taken(std::move(stream)); }
};

inline SocketAddress loopback(std::uint16_t port = 0) { return {{127, 0, 0, 1}, port}; }

// Two streams that are connected over loopback.
struct Connected {
  Door door;
  Acceptor acceptor;
  Ear near_ear;
  Ear far_ear;
  std::unique_ptr<Stream> near;
  std::unique_ptr<Stream> far;

  explicit Connected(World& world) : acceptor(world.loop, door), near(std::make_unique<Stream>(world.loop)) {
    door.taken = [&](std::unique_ptr<Stream> stream) {
      far = std::move(stream);
      far->set_listener(&far_ear);
      if (near_ear.opens > 0) world.loop.stop();
    };
    near_ear.opened = [&] {
      if (far) world.loop.stop();
    };
    const auto address = acceptor.listen(loopback());
    EXPECT_OK(address);
    EXPECT(address->port != 0);
    near->set_listener(&near_ear);
    EXPECT_OK(near->connect(*address, std::nullopt));
    EXPECT_EQ(near_ear.opens, 0);  // nothing calls back from inside
    world.run();
    EXPECT_EQ(near_ear.opens, 1);
  }
};

}  // namespace p2p::test
