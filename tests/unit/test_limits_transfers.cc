// SPDX-License-Identifier: MIT
// Limits of a daemon's links and transfers, at them and one above.
#include <sys/resource.h>

#include "daemon/base/log.h"
#include "daemon/meta/piece_batch.h"
#include "tests/support/limit.h"
#include "tests/support/peer_daemon.h"

using namespace p2p;
using namespace p2p::test;
using peer::Transfers;

namespace {

TEST(so_many_strangers_are_greeted_at_a_time_and_no_more) {
  rlimit files{};
  EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  Daemon daemon;
  struct Stranger {
    Ear ear;
    Stream stream;
    Stranger(Daemon& to) : stream(to.world.loop) {
      stream.set_listener(&ear);
      EXPECT_OK(stream.connect(to.address, std::nullopt));
      run_until(to.world, [this] { return ear.opens == 1; });
    }
  };
  std::vector<std::unique_ptr<Stranger>> strangers;
  const auto all_are_there = [&] {
    daemon.world.settle();
    return std::all_of(strangers.begin(), strangers.end(),
                       [](const auto& stranger) { return stranger->ear.ends.empty(); });
  };
  for (std::size_t i = 0; i < limits::kUnauthenticatedTotal; ++i)
    strangers.push_back(std::make_unique<Stranger>(daemon));
  LIMIT_AT(limits::kUnauthenticatedTotal);
  EXPECT(all_are_there());

  LIMIT_ABOVE(limits::kUnauthenticatedTotal);
  Stranger late(daemon);
  run_until(daemon.world, [&] { return !late.ear.ends.empty(); });
  EXPECT(all_are_there());

  strangers.pop_back();
  daemon.world.settle();
  strangers.push_back(std::make_unique<Stranger>(daemon));
  EXPECT(all_are_there());
}

TEST(share_has_so_many_links_and_no_more) {
  Daemon daemon;
  const auto& film = daemon.share();
  std::vector<std::unique_ptr<Member>> members;
  for (std::size_t i = 0; i < limits::kLinksPerShare; ++i) members.push_back(daemon.visit(film));
  run_until(daemon.world, [&] { return film.links() == limits::kLinksPerShare; });
  LIMIT_AT(limits::kLinksPerShare);
  EXPECT(std::none_of(members.begin(), members.end(), [](const auto& one) { return one->has_ended(); }));

  LIMIT_ABOVE(limits::kLinksPerShare);
  const auto late = daemon.visit(film);
  run_until(daemon.world, [&] { return late->has_ended(); });
  EXPECT(late->ear.received.empty());
  EXPECT_EQ(film.links(), limits::kLinksPerShare);

  members.pop_back();
  run_until(daemon.world, [&] { return film.links() < limits::kLinksPerShare; });
  const auto next = daemon.visit(film);
  run_until(daemon.world, [&] { return film.links() == limits::kLinksPerShare; });
}

TEST(link_stays_for_a_while_after_the_end_of_its_grant_and_no_longer) {
  trust::Grant grant;
  grant.not_after = kNow;
  LIMIT_AT(limits::kGrantGrace);
  EXPECT(!Transfers::is_over(grant, kNow + limits::kGrantGrace));
  LIMIT_ABOVE(limits::kGrantGrace);
  EXPECT(Transfers::is_over(grant, kNow + limits::kGrantGrace + 1s));
}

TEST(pieces_that_are_not_verified_fit_into_their_memory) {
  const auto bytes = [](std::size_t active, std::uint32_t piece_length) {
    return active * Transfers::open_pieces(active, piece_length) * std::uint64_t{piece_length};
  };
  LIMIT_AT(limits::kUnverifiedBytes);
  EXPECT_EQ(bytes(1, limits::kPieceBytesMax), limits::kUnverifiedBytes);
  EXPECT_EQ(bytes(3, limits::kPieceBytesMin), limits::kUnverifiedBytes);
  LIMIT_ABOVE(limits::kUnverifiedBytes);
  EXPECT(bytes(1, limits::kPieceBytesMax) + limits::kPieceBytesMax > limits::kUnverifiedBytes);
  for (const std::size_t active : {2u, 5u, 7u, 100u})
    EXPECT(bytes(active, limits::kPieceBytesMin) <= limits::kUnverifiedBytes);
  EXPECT_EQ(Transfers::open_pieces(100, limits::kPieceBytesMax), 1u);
}

TEST(pieces_are_hashed_together_where_enough_come_soon) {
  using peer::Transfer;
  const auto together = [](double pieces_in_time, std::uint32_t open_pieces) {
    const auto rate = pieces_in_time * limits::kPieceBytesMin / seconds_of(Transfer::kCompanyTime);
    return Transfer::pieces_together(rate, limits::kPieceBytesMin, open_pieces);
  };
  LIMIT_AT(Transfer::kCompanyLeast);
  EXPECT_EQ(together(Transfer::kCompanyLeast + 0.01, 100), Transfer::kCompanyLeast);
  LIMIT_ABOVE(Transfer::kCompanyLeast);
  EXPECT_EQ(together(Transfer::kCompanyLeast - 0.01, 100), 1u);
  EXPECT_EQ(together(0, 100), 1u);
  EXPECT_EQ(together(1e12, 100), meta::PieceBatch::kPiecesMax);
  EXPECT_EQ(together(1e12, Transfer::kOpenParts * 6 + 1), 6u);
  EXPECT_EQ(together(1e12, 3), 1u);
}

// Members' devices that answer at one address.
std::vector<storage::KnownDevice> devices_at(const io::SocketAddress& address, std::size_t count) {
  std::vector<storage::KnownDevice> devices;
  for (std::size_t i = 0; i < count; ++i)
    devices.push_back({trust::random_id<DeviceId>(), {}, "bob", {{address.host, address.port}}});
  return devices;
}

// Where members' devices are dialled, which say nothing.
struct Mute {
  explicit Mute(World& world) : acceptor(world.loop, door) {
    door.taken = [this](std::unique_ptr<Stream> stream) {
      ++count;
      if (!hangs_up) streams.push_back(std::move(stream));
    };
    address = *acceptor.listen(loopback());
  }
  bool hangs_up = false;
  std::size_t count = 0;
  std::vector<std::unique_ptr<Stream>> streams;
  Door door;
  Acceptor acceptor;
  io::SocketAddress address;
};

TEST(download_dials_so_many_links_and_no_more) {
  Daemon daemon;
  Mute mute(daemon.world);
  daemon.fetch(Daemon::small_file("a"));

  daemon.transfers->add_known(daemon.group, devices_at(mute.address, limits::kLinksWanted + 2));

  run_until(daemon.world, [&] { return mute.count >= limits::kLinksWanted; });
  run_for(daemon.world, 100ms);
  LIMIT_AT(limits::kLinksWanted);
  EXPECT_EQ(mute.count, limits::kLinksWanted);
  LIMIT_ABOVE(limits::kLinksWanted);
  mute.streams.erase(mute.streams.begin());
  run_until(daemon.world, [&] { return mute.count > limits::kLinksWanted; });
  EXPECT_EQ(mute.count, limits::kLinksWanted + 1);
}

TEST(so_many_dials_are_under_way_and_no_more) {
  Daemon daemon;
  Mute mute(daemon.world);
  for (const auto* name : {"a", "b", "c"}) daemon.fetch(Daemon::small_file(name));

  daemon.transfers->add_known(daemon.group, devices_at(mute.address, limits::kLinksWanted));

  run_until(daemon.world, [&] { return mute.count >= limits::kHalfOpenDials; });
  run_for(daemon.world, 100ms);
  LIMIT_AT(limits::kHalfOpenDials);
  EXPECT_EQ(mute.count, limits::kHalfOpenDials);
  LIMIT_ABOVE(limits::kHalfOpenDials);
  mute.streams.erase(mute.streams.begin());
  run_until(daemon.world, [&] { return mute.count > limits::kHalfOpenDials; });
  EXPECT_EQ(mute.count, limits::kHalfOpenDials + 1);
}

TEST(so_many_dials_a_second_come_to_nothing_and_no_more) {
  Daemon daemon;
  Mute mute(daemon.world);
  mute.hangs_up = true;
  for (const auto* name : {"a", "b", "c"}) daemon.fetch(Daemon::small_file(name));
  const auto devices = devices_at(mute.address, limits::kLinksWanted);
  EXPECT(3 * devices.size() > limits::kDialsPerSecond);

  const auto began = daemon.world.loop.now();
  daemon.transfers->add_known(daemon.group, devices);

  run_until(daemon.world, [&] { return mute.count >= limits::kDialsPerSecond; });
  run_until(daemon.world, [&] { return daemon.world.loop.now() >= began + 900ms; });
  LIMIT_AT(limits::kDialsPerSecond);
  EXPECT(mute.count == limits::kDialsPerSecond || daemon.world.loop.now() >= began + 1s);
  LIMIT_ABOVE(limits::kDialsPerSecond);
  run_until(daemon.world, [&] { return mute.count >= 3 * devices.size(); });
  EXPECT(daemon.world.loop.now() >= began + 1s);
}

// A member that has everything of a share of zeros, and gives the first so many pieces that it is asked for.
struct Giver {
  Giver(Daemon& daemon, const peer::Transfer& transfer, std::size_t most)
      : member(daemon.visit(transfer)), pieces_max(most) {
    member->ear.heard = [this](ByteSpan bytes) { take(bytes); };
    run_until(daemon.world, [&] { return transfer.links() == 1; });
    member->say(wire::HaveAll{});
    member->say(wire::Unchoke{});
  }
  void take(ByteSpan bytes) {
    received.insert(received.end(), bytes.begin(), bytes.end());
    if (!greeted) {
      const std::size_t greeting = ByteReader(received).u32() + 4 + wire::kHandshakeBytes;
      if (received.size() < greeting) return;
      received.erase(received.begin(), received.begin() + static_cast<std::ptrdiff_t>(greeting));
      greeted = true;
    }
    decoder.feed(received);
    for (auto message = decoder.next(); message && *message; message = decoder.next())
      if (const auto* request = std::get_if<wire::Request>(&**message)) asked.push_back(request->block);
    received.clear();
    give();
  }
  void give() {
    std::erase_if(asked, [this](const wire::BlockSpan& block) {
      if (!pieces.contains(block.piece) && pieces.size() == pieces_max) return false;
      pieces.insert(block.piece);
      member->say(wire::Piece{block, ByteSpan(zeros).first(block.length)});
      return true;
    });
  }
  std::unique_ptr<Member> member;
  std::size_t pieces_max;
  std::set<PieceIndex> pieces;
  const Bytes zeros = Bytes(limits::kBlockBytes);
  Bytes received;
  bool greeted = false;
  wire::MessageDecoder decoder;
  std::vector<wire::BlockSpan> asked;
};

TEST(so_many_bytes_are_written_between_checkpoints_and_no_more) {
  constexpr auto kPieceBytes = limits::kPieceBytesMax;
  constexpr auto kPieces = peer::Transfer::kCheckpointBytes / kPieceBytes;  // fill what is between two
  Daemon daemon;
  daemon.options.checkpoint_interval = 1h;
  const Bytes piece(kPieceBytes);
  const auto digest = meta::hash_piece(piece, kPieceBytes, false);
  meta::PieceHashes hashes;
  hashes.sha1.assign(kPieces + 1, digest.sha1);
  hashes.layer.assign(kPieces + 1, digest.root);
  const auto metainfo = *meta::Metainfo::make("film", (kPieces + 1) * std::uint64_t{kPieceBytes}, kPieceBytes,
                                              std::move(hashes));
  const auto& film = daemon.fetch(metainfo);
  io::WorkScope scope;
  // Pieces that are in the database.
  const auto durable = [&] {
    std::optional<std::uint32_t> count;
    daemon.store.run(
        scope, [](storage::StateDb& db) { return db.load(); },
        [&](const Result<storage::State>& state) {
          const auto& have = state->transfers.at(0).have;
          count = have.empty() ? 0 : swarm::Bitfield::from_wire(kPieces + 1, have)->count();
        });
    run_until(daemon.world, [&] { return count.has_value(); });
    return *count;
  };

  Giver giver(daemon, film, kPieces - 1);
  run_until(daemon.world, [&] { return film.pieces_have() == kPieces - 1; });
  daemon.world.settle();
  LIMIT_AT(peer::Transfer::kCheckpointBytes);
  EXPECT_EQ(durable(), 0u);

  giver.pieces_max = kPieces;
  giver.give();
  run_until(daemon.world, [&] { return film.pieces_have() == kPieces; });
  run_until(daemon.world, [&] { return daemon.disk.depth() == 0; });
  daemon.world.settle();
  LIMIT_ABOVE(peer::Transfer::kCheckpointBytes);
  EXPECT_EQ(durable(), kPieces);
}

TEST(convicted_device_is_let_in_again_when_its_time_is_over_and_not_before) {
  Daemon daemon;
  auto& film = daemon.fetch(Daemon::small_file("film"));
  const Giver liar(daemon, film, 1);  // of a zero instead of what is in the file
  run_until(daemon.world, [&] { return liar.member->has_ended(); });
  const auto now = daemon.world.loop.now();
  const auto& device = liar.member->device;

  LIMIT_AT(peer::Transfer::kBanTime);
  EXPECT(film.book().is_banned(device, now + peer::Transfer::kBanTime - 1min));
  LIMIT_ABOVE(peer::Transfer::kBanTime);
  EXPECT(!film.book().is_banned(device, now + peer::Transfer::kBanTime));
}

}  // namespace

int main() {
  log::start("test_limits_transfers", log::Level::Error);
  const CMUnitTest tests[] = {
      cmocka_unit_test(so_many_strangers_are_greeted_at_a_time_and_no_more),
      cmocka_unit_test(share_has_so_many_links_and_no_more),
      cmocka_unit_test(link_stays_for_a_while_after_the_end_of_its_grant_and_no_longer),
      cmocka_unit_test(pieces_that_are_not_verified_fit_into_their_memory),
      cmocka_unit_test(pieces_are_hashed_together_where_enough_come_soon),
      cmocka_unit_test(download_dials_so_many_links_and_no_more),
      cmocka_unit_test(so_many_dials_are_under_way_and_no_more),
      cmocka_unit_test(so_many_dials_a_second_come_to_nothing_and_no_more),
      cmocka_unit_test(so_many_bytes_are_written_between_checkpoints_and_no_more),
      cmocka_unit_test(convicted_device_is_let_in_again_when_its_time_is_over_and_not_before),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
