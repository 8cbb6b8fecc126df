// SPDX-License-Identifier: MIT
// The control socket of both daemons: who gets a hearing, how much of it, and how it ends.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/limits.h"
#include "daemon/base/log.h"
#include "daemon/control/control_server.h"
#include "tests/support/io_world.h"
#include "tests/support/limit.h"
#include "tests/support/temp_dir.h"

using namespace p2p;
using namespace p2p::test;
using control::CallPointer;
using control::ControlServer;
namespace ctlpb = p2p::pb::control;

namespace {

constexpr std::size_t kRequestBytes = 1000;

// A daemon that keeps every call until the test answers it.
struct Desk final : ControlServer::Listener {
  World world;
  TempDir folder;
  std::vector<CallPointer> calls;
  ControlServer server{world.loop, {"p2pd test", kRequestBytes, "ask for less"}, *this};

  Desk() { EXPECT_OK(server.listen(folder.path_of("ctl.sock"))); }
  void on_call(CallPointer call) override { calls.push_back(std::move(call)); }
};

// A p2pctl of which every byte is chosen here.
class Visitor {
 public:
  explicit Visitor(Desk& desk) : desk_(desk), socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    desk.folder.path_of("ctl.sock").copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Visitor() { leave(); }

  void leave() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    desk_.world.settle();
  }
  void send(ByteSpan bytes) {
    EXPECT_EQ(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL), std::int64_t(bytes.size()));
    desk_.world.settle();
  }
  void send(const ctlpb::Frame& frame) { send(proto::encode_frame(frame)); }
  void hello(std::uint32_t low = 1, std::uint32_t high = 1) {
    ctlpb::Frame frame;
    frame.mutable_hello()->set_version_min(low);
    frame.mutable_hello()->set_version_max(high);
    send(frame);
  }
  void ask(std::uint64_t id, std::size_t text_bytes = 0) {
    ctlpb::Frame frame;
    frame.set_id(id);
    frame.mutable_request()->mutable_group_show()->set_group(std::string(text_bytes, 'g'));
    send(frame);
  }
  // What has come since the last look.
  std::vector<ctlpb::Frame> received() {
    desk_.world.settle();
    Bytes chunk(64 * 1024);
    ssize_t count = 0;
    while ((count = ::recv(socket_, chunk.data(), chunk.size(), MSG_DONTWAIT)) > 0) {
      decoder_.feed(ByteSpan(chunk).first(static_cast<std::size_t>(count)));
      desk_.world.settle();
    }
    ended_ = count == 0;
    std::vector<ctlpb::Frame> frames;
    for (auto bytes = decoder_.next(); bytes && *bytes; bytes = decoder_.next())
      EXPECT_OK(proto::parse_frame(**bytes, frames.emplace_back()));
    return frames;
  }
  bool has_ended() {
    received();
    return ended_;
  }

 private:
  Desk& desk_;
  int socket_;
  bool ended_ = false;
  proto::FrameDecoder decoder_{limits::kControlFrameBytes};
};

ctlpb::Response group_answer(const std::string& name) {
  ctlpb::Response response;
  response.mutable_group()->set_group(name);
  return response;
}

TEST(request_is_answered_once_with_its_id) {
  Desk desk;
  Visitor visitor(desk);
  visitor.hello();
  visitor.ask(7);
  EXPECT_EQ(desk.calls.size(), 1u);

  desk.calls[0]->answer(group_answer("lab"));
  desk.calls[0]->refuse(Error{Code::Internal, "a second answer", {}});

  const auto frames = visitor.received();
  EXPECT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].hello().software(), "p2pd test");
  EXPECT_EQ(frames[1].id(), 7u);
  EXPECT_EQ(frames[1].response().group().group(), "lab");
  EXPECT(!desk.calls[0]->is_open());
}

TEST(whoever_does_not_begin_with_a_fitting_hello_is_not_heard) {
  Desk desk;
  Visitor hasty(desk);
  hasty.ask(1);
  Visitor newer(desk);
  newer.hello(2, 3);

  EXPECT(desk.calls.empty());
  EXPECT(hasty.has_ended());
  EXPECT_EQ(newer.received().size(), 1u);  // our hello says which versions fit
  EXPECT(newer.has_ended());
}

TEST(nonsense_ends_its_own_connection_only) {
  Desk desk;
  Visitor good(desk);
  Visitor bad(desk);
  good.hello();
  bad.hello();
  bad.hello();
  Visitor noise(desk);
  noise.send(to_bytes(as_bytes(std::string("\0\0\0\4\xff\xff\xff\xff", 8))));

  EXPECT(bad.has_ended());
  EXPECT(noise.has_ended());
  good.ask(1);
  EXPECT_EQ(desk.calls.size(), 1u);
}

TEST(frame_of_a_client_is_as_long_as_the_daemon_allows) {
  Desk desk;
  ctlpb::Frame frame;
  frame.set_id(1);
  auto& text = *frame.mutable_request()->mutable_group_show()->mutable_group();
  while (frame.ByteSizeLong() < kRequestBytes) text += 'g';
  EXPECT_EQ(frame.ByteSizeLong(), kRequestBytes);
  Visitor fits(desk);
  fits.hello();
  fits.send(frame);
  EXPECT_EQ(desk.calls.size(), 1u);

  text += 'g';
  Visitor over(desk);
  over.hello();
  over.send(frame);

  EXPECT_EQ(desk.calls.size(), 1u);
  EXPECT(over.has_ended());
  EXPECT(!fits.has_ended());
}

TEST(client_has_thirty_two_requests_at_a_time_and_not_one_more) {
  Desk desk;
  Visitor visitor(desk);
  visitor.hello();
  for (std::size_t i = 1; i <= limits::kControlRequestsPerClient; ++i) visitor.ask(i);
  LIMIT_AT(limits::kControlRequestsPerClient);
  EXPECT_EQ(desk.calls.size(), limits::kControlRequestsPerClient);
  visitor.received();

  LIMIT_ABOVE(limits::kControlRequestsPerClient);
  visitor.ask(100);

  const auto refused = visitor.received();
  EXPECT_EQ(desk.calls.size(), limits::kControlRequestsPerClient);
  EXPECT_EQ(refused.at(0).id(), 100u);
  EXPECT_EQ(refused.at(0).response().error().code(), "limit");
  desk.calls[0]->answer(group_answer("lab"));
  visitor.ask(101);
  EXPECT_EQ(desk.calls.size(), limits::kControlRequestsPerClient + 1);
}

TEST(sixty_four_clients_are_served_and_not_one_more) {
  Desk desk;
  std::vector<std::unique_ptr<Visitor>> visitors;
  for (std::size_t i = 0; i < limits::kControlClients; ++i)
    visitors.push_back(std::make_unique<Visitor>(desk));
  visitors.back()->hello();
  visitors.back()->ask(1);
  LIMIT_AT(limits::kControlClients);
  EXPECT_EQ(desk.calls.size(), 1u);

  LIMIT_ABOVE(limits::kControlClients);
  Visitor late(desk);

  EXPECT(late.has_ended());
  visitors.front()->leave();
  Visitor next(desk);
  EXPECT_EQ(next.received().size(), 1u);
  EXPECT(!next.has_ended());
}

TEST(call_of_a_client_that_has_gone_is_closed) {
  Desk desk;
  Visitor visitor(desk);
  visitor.hello();
  visitor.ask(1);
  EXPECT(desk.calls.at(0)->is_open());

  visitor.leave();

  EXPECT(!desk.calls[0]->is_open());
  desk.calls[0]->progress({});
  desk.calls[0]->answer(group_answer("lab"));
}

TEST(answer_that_is_too_long_is_refused_with_what_to_do) {
  Desk desk;
  Visitor visitor(desk);
  visitor.hello();
  visitor.ask(1);
  visitor.ask(2);
  ctlpb::Frame largest;
  largest.set_id(1);
  *largest.mutable_response() = group_answer(std::string(limits::kControlFrameBytes, 'g'));
  const auto over = largest.ByteSizeLong() - limits::kControlFrameBytes;
  auto& text = *largest.mutable_response()->mutable_group()->mutable_group();
  text.resize(text.size() - over);
  EXPECT_EQ(largest.ByteSizeLong(), limits::kControlFrameBytes);
  visitor.received();

  LIMIT_AT(limits::kControlFrameBytes);
  desk.calls[0]->answer(largest.response());
  const auto whole = visitor.received();
  EXPECT_EQ(whole.at(0).response().group().group().size(), text.size());
  LIMIT_ABOVE(limits::kControlFrameBytes);
  text += 'g';
  desk.calls[1]->answer(largest.response());
  const auto refused = visitor.received();

  EXPECT_EQ(refused.at(0).response().error().code(), "limit");
  EXPECT_EQ(refused.at(0).response().error().hint(), "ask for less");
}

}  // namespace

int main() {
  log::start("test_control", log::Level::Error);
  const CMUnitTest tests[] = {
      cmocka_unit_test(request_is_answered_once_with_its_id),
      cmocka_unit_test(whoever_does_not_begin_with_a_fitting_hello_is_not_heard),
      cmocka_unit_test(nonsense_ends_its_own_connection_only),
      cmocka_unit_test(frame_of_a_client_is_as_long_as_the_daemon_allows),
      cmocka_unit_test(client_has_thirty_two_requests_at_a_time_and_not_one_more),
      cmocka_unit_test(sixty_four_clients_are_served_and_not_one_more),
      cmocka_unit_test(call_of_a_client_that_has_gone_is_closed),
      cmocka_unit_test(answer_that_is_too_long_is_refused_with_what_to_do),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
