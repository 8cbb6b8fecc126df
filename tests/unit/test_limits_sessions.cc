// SPDX-License-Identifier: MIT
// Limits of what a daemon asks of its tracker and of other members, at them and one above.
#include "daemon/base/log.h"
#include "daemon/io/frame_stream.h"
#include "daemon/peer/metadata_fetch.h"
#include "daemon/peer/publisher.h"
#include "tests/support/limit.h"
#include "tests/support/peer_daemon.h"

using namespace p2p;
using namespace p2p::test;
using peer::FileHasher;
using peer::MetadataFetch;
using peer::Publisher;
using peer::TrackerClient;
using peer::TrackerSession;

namespace {

constexpr Duration kShort = 60ms;

// --- the tracker

// Says hello, takes an attach, and then nothing.
struct MuteTracker final : private io::FrameStream::Listener {
  MuteTracker(World& world_, DeviceId client_) : world(world_), client(client_) {
    door.taken = [this](std::unique_ptr<Stream> stream) {
      io::FrameStream::Listener& self = *this;
      auto secured =
          std::make_unique<io::TlsStream>(world.loop, std::move(stream), context, tls::Side::Server);
      frames = std::make_unique<io::FrameStream>(std::move(secured), limits::kServerFrameBytes, self);
    };
    const auto listening = *acceptor.listen(loopback());
    keys.root = root.public_key();
    keys.tls_keys = {trust::fingerprint(key.public_key())};
    keys.grant_keys = {grant_key.public_key()};
    keys.not_before = kNow;
    keys.not_after = kNow + std::chrono::hours(1);
    address.host_port = {"127.0.0.1", listening.port};
    address.tracker = keys.tracker();
  }
  void on_frames_open() override {
    is_open = true;
    if (silent) return;
    trust::TimeStatement time{keys.tracker(), client, kNow};
    pb::tracker::Frame frame;
    auto& hello = *frame.mutable_tracker_hello();
    hello.mutable_hello()->set_version_min(1);
    hello.mutable_hello()->set_version_max(1);
    hello.set_key_set(to_string(keys.sign(root)));
    hello.set_signed_time(to_string(time.sign(grant_key)));
    frames->send(frame);
  }
  void on_frame(ByteSpan bytes) override {
    pb::tracker::Frame frame;
    EXPECT_OK(proto::parse_frame(bytes, frame));
    if (!frame.request().has_attach()) return;
    pb::tracker::Frame answer;
    answer.set_id(frame.id());
    answer.mutable_response()->mutable_attached()->set_heartbeat_ms(3'600'000);
    frames->send(answer);
  }
  void on_frames_closed(const Error&) override {}

  World& world;
  DeviceId client;
  bool silent = false;
  bool is_open = false;
  trust::KeyPair root = trust::KeyPair::generate();
  trust::KeyPair key = trust::KeyPair::generate();
  trust::KeyPair grant_key = trust::KeyPair::generate();
  trust::KeySet keys;
  tls::Context context{key, tls::kTrackerProtocol};
  Door door;
  Acceptor acceptor{world.loop, door};
  trust::TrackerAddress address;
  std::unique_ptr<io::FrameStream> frames;
};

struct SessionEar final : TrackerSession::Listener {
  void on_session_hello(const TrackerSession::Hello&) override {}
  pb::tracker::Attach make_attach() override { return {}; }
  void on_session_attached(const pb::tracker::Attached&) override {}
  void on_session_response(std::uint64_t, const pb::tracker::Response&) override {}
  void on_session_event(const pb::tracker::Event&) override {}
  void on_session_ended(const Error& reason) override { ended = reason.code; }
  std::optional<Code> ended;
};

TEST(frame_of_the_tracker_is_as_long_as_allowed_and_not_a_byte_longer) {
  World world;
  const auto key = trust::KeyPair::generate();
  const tls::Context context(key, tls::kTrackerProtocol);
  MuteTracker tracker(world, device_of(key));
  tracker.silent = true;
  SessionEar ear;
  TrackerSession session(world.loop, context, device_of(key), tracker.address.host_port, std::nullopt,
                         std::nullopt, ear);
  run_until(world, [&] { return tracker.is_open; });
  pb::tracker::Frame frame;  // that the session ignores before it is attached
  auto& text = *frame.mutable_response()->mutable_error()->mutable_message();
  text.assign(limits::kServerFrameBytes, 'x');
  text.resize(text.size() - (frame.ByteSizeLong() - limits::kServerFrameBytes));
  EXPECT_EQ(frame.ByteSizeLong(), limits::kServerFrameBytes);

  LIMIT_AT(limits::kServerFrameBytes);
  tracker.frames->send(frame);
  const auto before = session.heard();
  run_until(world,
            [&] { return session.heard() > before && tracker.frames->transport().pending_bytes() == 0; });
  world.settle();
  EXPECT(!ear.ended);

  LIMIT_ABOVE(limits::kServerFrameBytes);
  text += 'x';
  tracker.frames->send(frame);
  run_until(world, [&] { return ear.ended.has_value(); });
  EXPECT_EQ(*ear.ended, Code::Limit);
}

TEST(tracker_has_its_time_for_the_hello_and_then_it_is_given_up) {
  World world;
  const auto key = trust::KeyPair::generate();
  const tls::Context context(key, tls::kTrackerProtocol);
  MuteTracker tracker(world, device_of(key));
  tracker.silent = true;
  SessionEar ear;
  const auto began = world.loop.now();
  const TrackerSession session(world.loop, context, device_of(key), tracker.address.host_port, std::nullopt,
                               std::nullopt, ear, kShort);

  run_until(world, [&] { return ear.ended.has_value(); });

  LIMIT_AT(limits::kHelloTime);
  EXPECT(tracker.is_open);
  EXPECT(world.loop.now() >= began + kShort);
  LIMIT_ABOVE(limits::kHelloTime);
  EXPECT_EQ(*ear.ended, Code::TrackerUnreachable);
}

TEST(so_many_requests_wait_for_the_tracker_and_one_more_is_refused) {
  Daemon daemon;
  trust::TrackerAddress nowhere;
  nowhere.host_port = {"127.0.0.1", 1};
  daemon.tracker.set_target(nowhere);
  std::vector<Code> refused;
  const auto ask = [&] {
    daemon.tracker.request({}, peer::TrackerClient::Kind::Query, 1h, [&](const auto& answer) {
      refused.push_back(answer ? Code::Internal : answer.error().code);
    });
  };
  for (std::size_t i = 0; i < peer::TrackerClient::kWaitingMax; ++i) ask();
  daemon.world.settle();
  LIMIT_AT(peer::TrackerClient::kWaitingMax);
  EXPECT(refused.empty());

  LIMIT_ABOVE(peer::TrackerClient::kWaitingMax);
  ask();
  daemon.world.settle();
  EXPECT(refused == std::vector<Code>{Code::Limit});
  daemon.tracker.set_target(std::nullopt);
  daemon.world.settle();
}

TEST(tracker_that_answers_nothing_is_lost_when_its_time_is_over_and_not_before) {
  World world;
  const auto key = trust::KeyPair::generate();
  const tls::Context context(key, tls::kTrackerProtocol);
  MuteTracker tracker(world, device_of(key));
  struct ClientEar final : TrackerClient::Listener {
    void on_tracker_hello(const TrackerSession::Hello&) override {}
    pb::tracker::Attach make_tracker_attach() override { return {}; }
    void on_tracker_attached(const pb::tracker::Attached&) override { attached = true; }
    void on_tracker_event(const pb::tracker::Event&) override {}
    void on_tracker_lost(const Error& reason) override { lost = reason.code; }
    bool attached = false;
    std::optional<Code> lost;
  } ear;
  Random random{7};
  TrackerClient client(world.loop, context, device_of(key), std::nullopt, random, ear, kShort);
  client.set_target(tracker.address);
  run_until(world, [&] { return ear.attached; });
  run_for(world, 2 * kShort);
  EXPECT(!ear.lost);  // nothing was asked

  const auto asked = world.loop.now();
  client.request({}, TrackerClient::Kind::Query, 1h, [](const auto&) {});
  run_until(world, [&] { return ear.lost.has_value(); });

  LIMIT_AT(TrackerClient::kAnswerTime);
  EXPECT(world.loop.now() >= asked + kShort);
  LIMIT_ABOVE(TrackerClient::kAnswerTime);
  EXPECT_EQ(*ear.lost, Code::TimedOut);
  client.set_target(std::nullopt);
  world.settle();
}

TEST(attempts_to_reach_the_tracker_wait_longer_up_to_their_limit) {
  LIMIT_AT(TrackerClient::kRetryMax);
  EXPECT_EQ(TrackerClient::next_retry(TrackerClient::kRetryMax / 4), TrackerClient::kRetryMax / 2);
  EXPECT_EQ(TrackerClient::next_retry(TrackerClient::kRetryMax / 2), Duration(TrackerClient::kRetryMax));
  LIMIT_ABOVE(TrackerClient::kRetryMax);
  EXPECT_EQ(TrackerClient::next_retry(TrackerClient::kRetryMax), Duration(TrackerClient::kRetryMax));
}

// --- members

// Takes connections and, if it has something to say, links.
struct Neighbour final : peer::PeerLinkOwner {
  explicit Neighbour(Daemon& daemon_) : daemon(daemon_) {
    door.taken = [this](std::unique_ptr<Stream> stream) {
      ++dialled;
      peer::PeerLinkOwner& owner = *this;
      if (opens)
        link = std::make_unique<peer::PeerLink>(daemon.world.loop, context, owner, std::move(stream));
      else streams.push_back(std::move(stream));
    };
    address = *acceptor.listen(loopback());
  }
  swarm::Candidate candidate() const { return {device_of(key), {address.host, address.port}}; }

  std::optional<Admission> admit(peer::PeerLink&, const wire::Hello& hello) override {
    admitted = daemon.world.loop.now();  // before the other side can take the link for open
    return Admission{{}, {hello.share, daemon.grant(device_of(key)), std::nullopt}};
  }
  void on_link_open(peer::PeerLink&, bool, bool) override {}
  void on_link_message(peer::PeerLink&, const wire::Message&) override {}
  void on_link_drained(peer::PeerLink&) override {}
  void on_link_closed(peer::PeerLink&, const Error&) override {}

  Daemon& daemon;
  bool opens = false;
  trust::KeyPair key = trust::KeyPair::generate();
  tls::Context context{key, tls::kPeerProtocol};
  Door door;
  Acceptor acceptor{daemon.world.loop, door};
  io::SocketAddress address;
  int dialled = 0;
  std::vector<std::unique_ptr<Stream>> streams;
  std::unique_ptr<peer::PeerLink> link;
  TimePoint admitted{};
};

struct Search {
  Search(Daemon& daemon, std::vector<swarm::Candidate> candidates, Duration silence)
      : fetch(
            {daemon.world.loop, daemon.hash, daemon.context, daemon.memberships, daemon.clock, daemon.self,
             std::nullopt},
            {{daemon.group, InfoHash{{1}}}, "film", 1, limits::kPieceBytesMin},
            *meta::Geometry::make(1, limits::kPieceBytesMin), std::move(candidates), 1h,
            [this](Result<MetadataFetch::Fetched> result) { failed = !result; }, silence) {}
  bool failed = false;
  MetadataFetch fetch;
};

TEST(so_many_members_are_dialled_for_metadata_at_a_time_and_no_more) {
  Daemon daemon;
  std::vector<std::unique_ptr<Neighbour>> neighbours;
  std::vector<swarm::Candidate> candidates;
  for (std::size_t i = 0; i <= MetadataFetch::kDialsAtOnce; ++i) {
    neighbours.push_back(std::make_unique<Neighbour>(daemon));
    candidates.push_back(neighbours.back()->candidate());
  }
  const auto dialled = [&] {
    std::size_t count = 0;
    for (const auto& one : neighbours) count += static_cast<std::size_t>(one->dialled);
    return count;
  };
  const Search search(daemon, candidates, 1h);
  run_until(daemon.world, [&] { return dialled() >= MetadataFetch::kDialsAtOnce; });
  daemon.world.settle();
  LIMIT_AT(MetadataFetch::kDialsAtOnce);
  EXPECT_EQ(dialled(), MetadataFetch::kDialsAtOnce);

  LIMIT_ABOVE(MetadataFetch::kDialsAtOnce);
  neighbours[0]->streams.clear();  // one of them hangs up
  run_until(daemon.world, [&] { return dialled() == MetadataFetch::kDialsAtOnce + 1; });
  EXPECT_EQ(neighbours.back()->dialled, 1);
}

TEST(member_that_gives_no_answer_about_metadata_is_given_up_in_its_time_and_not_before) {
  Daemon daemon;
  Neighbour mute(daemon);
  mute.opens = true;
  const Search search(daemon, {mute.candidate()}, kShort);

  run_until(daemon.world, [&] { return search.failed; });

  LIMIT_AT(MetadataFetch::kSilence);
  EXPECT(mute.admitted != TimePoint{});
  EXPECT(daemon.world.loop.now() >= mute.admitted + kShort);
  LIMIT_ABOVE(MetadataFetch::kSilence);
  EXPECT_EQ(mute.dialled, 1);
}

TEST(so_many_files_are_hashed_at_a_time_and_the_others_wait) {
  Daemon daemon;
  Publisher publisher({daemon.world.loop, daemon.hash, daemon.store, daemon.tracker, *daemon.transfers,
                       daemon.key, daemon.clock});
  const auto begin = [&](const std::string& name) {
    storage::TransferRow row;
    row.id = trust::random_id<DownloadId>();
    row.group = daemon.group;
    row.name = name;
    row.path = daemon.folder.put(name, name);
    daemon.transfers->add(row, nullptr);
    publisher.begin(row.id);
  };
  for (std::size_t i = 0; i < Publisher::kFilesAtOnce; ++i) begin("file" + std::to_string(i));
  LIMIT_AT(Publisher::kFilesAtOnce);
  EXPECT_EQ(publisher.hashing(), Publisher::kFilesAtOnce);
  LIMIT_ABOVE(Publisher::kFilesAtOnce);
  begin("one more");
  EXPECT_EQ(publisher.hashing(), Publisher::kFilesAtOnce);

  // It gets its turn.
  run_until(daemon.world, [&] {
    const auto& all = daemon.transfers->all();
    return std::all_of(all.begin(), all.end(), [](const auto& one) {
      return one.second->row().state != storage::TransferState::Hashing;
    });
  });
}

TEST(so_much_is_read_ahead_of_hashing_and_no_more) {
  LIMIT_AT(FileHasher::kWindowsAhead);
  EXPECT(FileHasher::may_begin(FileHasher::kWindowsAhead - 1));  // it is the last of so many
  LIMIT_ABOVE(FileHasher::kWindowsAhead);
  EXPECT(!FileHasher::may_begin(FileHasher::kWindowsAhead));
}

TEST(beside_a_large_file_only_small_ones_are_hashed) {
  LIMIT_AT(Publisher::kSmallBytes);
  EXPECT(Publisher::may_begin_beside_large(Publisher::kSmallBytes));
  LIMIT_ABOVE(Publisher::kSmallBytes);
  EXPECT(!Publisher::may_begin_beside_large(Publisher::kSmallBytes + 1));
}

TEST(lost_upload_starts_again_so_often_and_what_will_pass_for_ever) {
  LIMIT_AT(Publisher::kRetriesMax);
  EXPECT(Publisher::may_retry(Code::NotFound, Publisher::kRetriesMax - 1));
  LIMIT_ABOVE(Publisher::kRetriesMax);
  EXPECT(!Publisher::may_retry(Code::NotFound, Publisher::kRetriesMax));
  EXPECT(Publisher::may_retry(Code::Busy, Publisher::kRetriesMax));
  EXPECT(!Publisher::may_retry(Code::Exists, 0));
}

}  // namespace

int main() {
  log::start("test_limits_sessions", log::Level::Error);
  const CMUnitTest tests[] = {
      cmocka_unit_test(frame_of_the_tracker_is_as_long_as_allowed_and_not_a_byte_longer),
      cmocka_unit_test(tracker_has_its_time_for_the_hello_and_then_it_is_given_up),
      cmocka_unit_test(so_many_requests_wait_for_the_tracker_and_one_more_is_refused),
      cmocka_unit_test(tracker_that_answers_nothing_is_lost_when_its_time_is_over_and_not_before),
      cmocka_unit_test(attempts_to_reach_the_tracker_wait_longer_up_to_their_limit),
      cmocka_unit_test(so_many_members_are_dialled_for_metadata_at_a_time_and_no_more),
      cmocka_unit_test(member_that_gives_no_answer_about_metadata_is_given_up_in_its_time_and_not_before),
      cmocka_unit_test(so_many_files_are_hashed_at_a_time_and_the_others_wait),
      cmocka_unit_test(so_much_is_read_ahead_of_hashing_and_no_more),
      cmocka_unit_test(beside_a_large_file_only_small_ones_are_hashed),
      cmocka_unit_test(lost_upload_starts_again_so_often_and_what_will_pass_for_ever),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
