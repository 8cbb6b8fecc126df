// SPDX-License-Identifier: MIT
// Protobuf frames over TLS over loopback.
#include <memory>
#include <string>

#include "daemon/io/frame_stream.h"
#include "daemon/io/tls_stream.h"
#include "proto/common.pb.h"
#include "tests/support/io_world.h"

using namespace p2p;
using namespace p2p::test;
using io::FrameStream;
using io::TlsStream;

namespace {

struct FrameEar final : FrameStream::Listener {
  std::function<void()> opened;
  std::function<void(const std::string&)> heard;
  std::function<void(const Error&)> closed;
  std::vector<std::string> received;
  std::vector<Code> ends;

  void on_frames_open() override {
    if (opened) opened();
  }
  void on_frame(ByteSpan frame) override {
    pb::Error message;
    EXPECT_OK(proto::parse_frame(frame, message));
    received.push_back(message.message());
    if (heard) heard(message.message());
  }
  void on_frames_closed(const Error& reason) override {
    ends.push_back(reason.code);
    if (closed) closed(reason);
  }
};

pb::Error message_of(const std::string& text) {
  pb::Error message;
  message.set_message(text);
  return message;
}

// A client and a server that speak frames over TLS on loopback; both are open.
struct Framed {
  trust::KeyPair client_key = trust::KeyPair::generate();
  trust::KeyPair server_key = trust::KeyPair::generate();
  tls::Context client_context{client_key, tls::kTrackerProtocol};
  tls::Context server_context{server_key, tls::kTrackerProtocol};
  Door door;
  Acceptor acceptor;
  FrameEar client_ear;
  FrameEar server_ear;
  TlsStream* client_tls = nullptr;
  TlsStream* server_tls = nullptr;
  std::unique_ptr<FrameStream> client;
  std::unique_ptr<FrameStream> server;
  int opens = 0;

  explicit Framed(World& world) : acceptor(world.loop, door) {
    const auto opened = [&] {
      if (++opens == 2) world.loop.stop();
    };
    client_ear.opened = opened;
    server_ear.opened = opened;
    door.taken = [&](std::unique_ptr<Stream> stream) {
      auto secure =
          std::make_unique<TlsStream>(world.loop, std::move(stream), server_context, tls::Side::Server);
      server_tls = secure.get();
      server = std::make_unique<FrameStream>(std::move(secure), 1'000'000, server_ear);
    };
    auto stream = std::make_unique<Stream>(world.loop);
    EXPECT_OK(stream->connect(*acceptor.listen(loopback()), std::nullopt));
    auto secure =
        std::make_unique<TlsStream>(world.loop, std::move(stream), client_context, tls::Side::Client);
    client_tls = secure.get();
    client = std::make_unique<FrameStream>(std::move(secure), 1'000'000, client_ear);
    world.run();
    EXPECT_EQ(opens, 2);
  }
};

TEST(frames_over_tls_arrive_whole_and_the_keys_are_known) {
  World world;
  Framed framed(world);
  EXPECT_EQ(framed.client_tls->peer_key(), framed.server_key.public_key());
  EXPECT_EQ(framed.server_tls->peer_fingerprint(), trust::fingerprint(framed.client_key.public_key()));
  framed.server_ear.heard = [&](const std::string& text) { framed.server->send(message_of(text)); };
  framed.client_ear.heard = [&](const std::string&) {
    if (framed.client_ear.received.size() == 3) world.loop.stop();
  };
  const std::vector<std::string> sent{"one", std::string(900'000, 'x'), "three"};
  for (const auto& text : sent) framed.client->send(message_of(text));
  world.run();
  EXPECT(framed.server_ear.received == sent && framed.client_ear.received == sent);

  framed.client->send(message_of("last"));
  framed.client->shutdown();
  framed.server_ear.heard = nullptr;
  framed.server_ear.closed = [&](const Error&) { world.loop.stop(); };
  world.run();
  EXPECT_EQ(framed.server_ear.received.back(), std::string("last"));
  EXPECT(framed.server_ear.ends == std::vector<Code>{Code::Closed});
  EXPECT(framed.client_ear.ends.empty());
}

TEST(frame_over_the_limit_closes_the_connection) {
  World world;
  Framed framed(world);
  framed.server->set_max_bytes(10);
  framed.client_ear.closed = [&](const Error&) { world.loop.stop(); };
  framed.client->send(message_of("more than ten bytes"));
  world.run();
  EXPECT(framed.server_ear.received.empty());
  EXPECT(framed.server_ear.ends == std::vector<Code>{Code::Limit});
  EXPECT_EQ(framed.client_ear.ends.size(), 1u);
}

TEST(listener_hears_no_frame_after_it_has_closed_or_destroyed_the_stream) {
  World world;
  for (const std::string& how : {std::string("close"), std::string("shutdown"), std::string("destroy")}) {
    Framed framed(world);
    framed.server_ear.heard = [&](const std::string&) {
      if (how == "close") framed.server->close();
      if (how == "shutdown") framed.server->shutdown();
      if (how == "destroy") framed.server.reset();
    };
    framed.client_ear.closed = [&](const Error&) { world.loop.stop(); };
    framed.client->send(message_of("one"));
    framed.client->send(message_of("two"));
    world.run();
    EXPECT_EQ(framed.server_ear.received.size(), 1u);
    EXPECT(framed.server_ear.ends.empty());
  }
}

TEST(stranger_who_speaks_no_tls_is_refused) {
  World world;
  Connected pair(world);
  const auto key = trust::KeyPair::generate();
  const tls::Context context(key, tls::kPeerProtocol);
  Ear ear;
  TlsStream secure(world.loop, std::move(pair.far), context, tls::Side::Server);
  secure.set_listener(&ear);
  pair.near_ear.closed = [&](const Error&) { world.loop.stop(); };
  pair.near->write(as_bytes("GET / HTTP/1.1\r\n\r\n"));
  world.run();
  EXPECT(ear.opens == 0 && ear.ends == std::vector<Code>{Code::Io});
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(frames_over_tls_arrive_whole_and_the_keys_are_known),
      cmocka_unit_test(frame_over_the_limit_closes_the_connection),
      cmocka_unit_test(listener_hears_no_frame_after_it_has_closed_or_destroyed_the_stream),
      cmocka_unit_test(stranger_who_speaks_no_tls_is_refused),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
