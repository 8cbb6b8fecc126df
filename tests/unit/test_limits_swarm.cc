// SPDX-License-Identifier: MIT
// Limits of a swarm and of what members ask each other, at them and one above, that have no test where the
// rest of their class is tested.
#include "daemon/base/digest.h"
#include "daemon/swarm/metadata_exchange.h"
#include "daemon/swarm/origin.h"
#include "daemon/swarm/peer_book.h"
#include "daemon/swarm/peer_session.h"
#include "daemon/swarm/shared_limit.h"
#include "tests/support/limit.h"
#include "tests/support/scripted_swarm.h"

using namespace p2p;
using namespace p2p::test;
using swarm::MetadataReader;
using swarm::Origin;
using swarm::PeerBook;
using swarm::PeerSession;
using swarm::SharedLimit;

namespace {

// --- messages

TEST(a_whole_block_is_served_and_a_byte_more_ends_the_session) {
  ScriptedSwarm world("##");
  const auto good = world.taker(1);
  const auto greedy = world.taker(2);
  LIMIT_AT(limits::kBlockBytes);
  world.say(good, wire::Request{{PieceIndex{0}, 0, limits::kBlockBytes}});
  EXPECT_EQ(world.swarm.next_upload(good)->length, limits::kBlockBytes);

  LIMIT_ABOVE(limits::kBlockBytes);
  world.say(greedy, wire::Request{{PieceIndex{0}, 0, limits::kBlockBytes + 1}});

  EXPECT(world.closed_for(greedy, CloseReason::MalformedMessage));
  EXPECT_EQ(world.closed.size(), 1u);
}

TEST(a_request_is_for_so_many_bytes_of_a_piece) {
  constexpr std::uint32_t kMost = limits::kRequestBytes;
  const auto geometry = *meta::Geometry::make(8 * std::uint64_t{kMost}, 4 * kMost);
  PeerSession session(SessionId{1}, device(1), {}, geometry, {}, TimePoint{});
  const auto is_admitted = [&](std::uint32_t begin, std::uint32_t length) {
    return !session.admit(wire::Request{{PieceIndex{0}, begin, length}}, TimePoint{});
  };
  LIMIT_AT(limits::kRequestBytes);
  EXPECT(is_admitted(0, kMost) && is_admitted(3 * kMost, kMost));
  LIMIT_ABOVE(limits::kRequestBytes);
  EXPECT(!is_admitted(0, kMost + limits::kBlockBytes));
  EXPECT(!is_admitted(3 * kMost + limits::kBlockBytes, kMost));  // beyond the piece
}

TEST(haves_are_withheld_up_to_their_limit_and_told_when_they_matter) {
  // Of so many pieces that the peer has and we have stored, what it hears when it begins to direct.
  const auto told = [](std::size_t stored) {
    ScriptedSwarm world(std::string(PeerSession::kWithheldHaves + 3, '.'));
    const auto id = world.open(1);
    world.say(id, wire::HaveAll{});
    world.say(id, wire::Unchoke{});
    for (std::size_t count = 0; count < stored;) {
      for (const auto& span : world.requests(id)) world.swarm.on_block(id, span, world.now);
      world.drain();
      for (const auto piece : std::exchange(world.filled, {})) {
        if (count == stored) break;
        ++count;
        world.swarm.on_piece_stored(piece, world.now);
      }
      world.drain();
    }
    EXPECT(world.take<wire::Have>(id).empty());
    wire::ExtensionHandshake handshake;
    handshake.directs = true;
    world.say(id, wire::Extended{wire::kExtensionHandshakeId, wire::encode_extension_handshake(handshake)});
    EXPECT(world.closed.empty());
    return world.take<wire::Have>(id).size();
  };

  LIMIT_AT(PeerSession::kWithheldHaves);
  EXPECT_EQ(told(PeerSession::kWithheldHaves), PeerSession::kWithheldHaves);
  LIMIT_ABOVE(PeerSession::kWithheldHaves);
  EXPECT_EQ(told(PeerSession::kWithheldHaves + 1), PeerSession::kWithheldHaves);
}

// --- metadata of a member

struct Dictionary {
  explicit Dictionary(Bytes content)
      : bytes(std::move(content)), reader(*meta::Geometry::make(1, limits::kPieceBytesMin), hash()) {
    wire::ExtensionHandshake handshake;
    handshake.messages.emplace(wire::kMetadataName, std::uint8_t{1});
    handshake.metadata_bytes = bytes.size();
    (void)reader.on_message(wire::Extended{0, wire::encode_extension_handshake(handshake)});
    EXPECT(reader.state() == MetadataReader::State::Dictionary);
  }
  InfoHash hash() const { return {sha256(bytes).bytes}; }
  MetadataReader::State take() {
    const wire::MetadataMessage block{wire::MetadataMessage::Kind::Block, 0, bytes.size(), bytes};
    (void)reader.on_message(wire::Extended{wire::kMetadataId, wire::encode_metadata_message(block)});
    return reader.state();
  }
  Bytes bytes;
  MetadataReader reader;
};

// The info dictionary of a file of one piece with lists within each other, `depth` with the dictionary.
Bytes nested_dictionary(std::size_t depth) {
  wire::BencodeWriter writer;
  writer.begin_dictionary();
  writer.key("file tree");
  writer.begin_dictionary();
  writer.key("a");
  writer.begin_dictionary();
  writer.key("");
  writer.begin_dictionary();
  writer.key("pieces root");
  writer.string(Bytes(Sha256::kSize, 1));
  for (int i = 0; i < 3; ++i) writer.end();
  writer.key("nest");
  for (std::size_t i = 1; i < depth; ++i) writer.begin_list();
  for (std::size_t i = 1; i < depth; ++i) writer.end();
  writer.key("pieces");
  writer.string(Bytes(Sha1::kSize, 1));
  writer.end();
  return writer.take();
}

TEST(info_dictionary_is_nested_as_deep_as_allowed_and_no_deeper) {
  LIMIT_AT(limits::kBencodeDepthFile);
  EXPECT(Dictionary(nested_dictionary(limits::kBencodeDepthFile)).take() == MetadataReader::State::Complete);
  LIMIT_ABOVE(limits::kBencodeDepthFile);
  EXPECT(Dictionary(nested_dictionary(limits::kBencodeDepthFile + 1)).take() ==
         MetadataReader::State::Failed);
}

constexpr std::uint32_t kManyPieces = 9000;  // ten blocks of metadata and more

std::shared_ptr<const meta::Metainfo> long_share() {
  meta::PieceHashes hashes;
  hashes.sha1.resize(kManyPieces);
  hashes.layer.resize(kManyPieces);
  const auto size = std::uint64_t{kManyPieces} * limits::kPieceBytesMin;
  return std::make_shared<const meta::Metainfo>(
      *meta::Metainfo::make("a", size, limits::kPieceBytesMin, std::move(hashes)));
}

// A reader that has just heard how long the metadata is.
struct Reading {
  Reading() : share(long_share()), reader(share->geometry(), share->info_hash()) {
    wire::ExtensionHandshake handshake;
    handshake.messages.emplace(wire::kMetadataName, std::uint8_t{1});
    handshake.metadata_bytes = share->info_dictionary_bytes();
    asked = reader.on_message(wire::Extended{0, wire::encode_extension_handshake(handshake)});
  }
  std::vector<wire::Message> give_first(std::size_t bytes) {
    const auto dictionary = share->info_dictionary();
    const wire::MetadataMessage block{wire::MetadataMessage::Kind::Block, 0, dictionary.size(),
                                      ByteSpan(dictionary).first(bytes)};
    return reader.on_message(wire::Extended{wire::kMetadataId, wire::encode_metadata_message(block)});
  }
  std::shared_ptr<const meta::Metainfo> share;
  MetadataReader reader;
  std::vector<wire::Message> asked;
};

TEST(block_of_metadata_has_its_size_and_not_a_byte_more) {
  Reading good;
  Reading bad;
  swarm::MetadataServer server(good.share);
  swarm::MetadataServer::Asker asker{.metadata_id = 1};
  const auto answer = server.answer(asker, good.asked.at(0));

  LIMIT_AT(limits::kMetadataBlockBytes);
  EXPECT_EQ(wire::decode_metadata_message(std::get<wire::Extended>(*answer).payload)->data.size(),
            std::size_t{limits::kMetadataBlockBytes});
  EXPECT_EQ(good.give_first(limits::kMetadataBlockBytes).size(), 1u);
  LIMIT_ABOVE(limits::kMetadataBlockBytes);
  EXPECT(bad.give_first(limits::kMetadataBlockBytes + 1).empty());
  EXPECT(bad.reader.state() == MetadataReader::State::Failed);
}

TEST(so_many_blocks_of_metadata_are_asked_for_ahead_and_one_more_when_one_has_come) {
  Reading world;
  LIMIT_AT(MetadataReader::kAhead);
  EXPECT_EQ(world.asked.size(), std::size_t{MetadataReader::kAhead});

  LIMIT_ABOVE(MetadataReader::kAhead);
  EXPECT(world.reader.on_message(wire::KeepAlive{}).empty());
  EXPECT_EQ(world.give_first(limits::kMetadataBlockBytes).size(), 1u);
}

// --- who is dialled, who gets what

TEST(so_many_links_are_wanted_and_no_more_are_dialled) {
  Random random{7};
  PeerBook book(device(0), limits::kLinksWanted, random);
  TimePoint now(1h);
  const auto count = static_cast<int>(limits::kLinksWanted) + 2;
  for (int i = 1; i <= count; ++i)
    book.add(device(i), "user", {{{10, 0, 0, static_cast<std::uint8_t>(i)}, 4000}}, false, now);

  LIMIT_AT(limits::kLinksWanted);
  for (std::size_t i = 0; i < limits::kLinksWanted; ++i) {
    const auto dial = book.next_dial(false, now);
    EXPECT(dial.has_value());
    now += PeerBook::kDialPause;
    if (i % 2 == 0) book.on_connected(dial->device);  // dialled and linked count alike
  }
  LIMIT_ABOVE(limits::kLinksWanted);
  EXPECT(!book.next_dial(false, now));
  EXPECT_EQ(book.next_deadline(), TimePoint::max());
}

TEST(so_many_pieces_at_single_peers_are_looked_at_and_no_more) {
  const auto count = static_cast<std::uint32_t>(Origin::kLook) + 2;
  // What is found when a peer has the first so many of those that have been at one peer for long.
  const auto found = [&](std::size_t had) {
    const TimePoint now(1h);
    Origin origin(count, PieceIndex{}, [](PieceIndex) { return 1u; });
    Bitfield pieces(count);
    for (std::uint32_t i = 0; i < had; ++i) pieces.set(PieceIndex{i});
    return origin.assign(SessionId{1}, pieces, 0, now).has_value();
  };

  LIMIT_AT(Origin::kLook);
  EXPECT(found(Origin::kLook - 1));
  LIMIT_ABOVE(Origin::kLook);
  EXPECT(!found(Origin::kLook));
}

TEST(turn_grows_with_the_rate_between_its_bounds) {
  const auto turn = [](std::uint64_t rate) {
    SharedLimit limit;
    const TimePoint now(1h);
    limit.set_rate(rate, now);
    limit.wait(DownloadId{});
    return limit.next(now)->bytes;
  };
  // A turn is an eighth of what 50 ms bring.
  const std::uint64_t least = SharedLimit::kQuantumMin * 8 * 20;
  const std::uint64_t most = SharedLimit::kQuantumMax * 8 * 20;

  LIMIT_AT(SharedLimit::kQuantumMin);
  EXPECT_EQ(turn(least), SharedLimit::kQuantumMin);
  EXPECT_EQ(turn(2 * least), 2 * SharedLimit::kQuantumMin);
  LIMIT_ABOVE(SharedLimit::kQuantumMin);
  EXPECT_EQ(turn(least / 2), SharedLimit::kQuantumMin);
  LIMIT_AT(SharedLimit::kQuantumMax);
  EXPECT_EQ(turn(most), SharedLimit::kQuantumMax);
  EXPECT_EQ(turn(most / 2), SharedLimit::kQuantumMax / 2);
  LIMIT_ABOVE(SharedLimit::kQuantumMax);
  EXPECT_EQ(turn(2 * most), SharedLimit::kQuantumMax);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_request_is_for_so_many_bytes_of_a_piece),
      cmocka_unit_test(a_whole_block_is_served_and_a_byte_more_ends_the_session),
      cmocka_unit_test(haves_are_withheld_up_to_their_limit_and_told_when_they_matter),
      cmocka_unit_test(info_dictionary_is_nested_as_deep_as_allowed_and_no_deeper),
      cmocka_unit_test(block_of_metadata_has_its_size_and_not_a_byte_more),
      cmocka_unit_test(so_many_blocks_of_metadata_are_asked_for_ahead_and_one_more_when_one_has_come),
      cmocka_unit_test(so_many_links_are_wanted_and_no_more_are_dialled),
      cmocka_unit_test(so_many_pieces_at_single_peers_are_looked_at_and_no_more),
      cmocka_unit_test(turn_grows_with_the_rate_between_its_bounds),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
