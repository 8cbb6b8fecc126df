// SPDX-License-Identifier: MIT
// A piece list on its way from a member who has it to one who has only the catalogue entry.
#include "daemon/swarm/metadata_exchange.h"

#include "daemon/base/limits.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using namespace p2p::swarm;
using State = MetadataReader::State;

namespace {

constexpr std::uint32_t kPiece = limits::kPieceBytesMin;

std::shared_ptr<const meta::Metainfo> share_of(std::uint32_t pieces) {
  meta::PieceHashes hashes;
  for (std::uint32_t i = 0; i < pieces; ++i) {
    Sha1 sha1;
    Sha256 root;
    for (std::size_t byte = 0; byte < 4; ++byte) {
      sha1.bytes[byte] = static_cast<std::uint8_t>(i >> (8 * byte));
      root.bytes[byte] = static_cast<std::uint8_t>(~i >> (8 * byte));
    }
    hashes.sha1.push_back(sha1);
    hashes.layer.push_back(root);
  }
  auto made = meta::Metainfo::make("film.mkv", std::uint64_t{pieces} * kPiece, kPiece, std::move(hashes));
  EXPECT_OK(made);
  return std::make_shared<const meta::Metainfo>(std::move(*made));
}

// A reader and a server that hear each other; messages may be changed on the way.
struct World {
  explicit World(std::uint32_t pieces)
      : share(share_of(pieces)), server(share), reader(share->geometry(), share->info_hash()) {}

  wire::Message server_opening() const {
    wire::ExtensionHandshake handshake;
    handshake.messages.emplace(wire::kMetadataName, wire::kMetadataId);
    handshake.metadata_bytes = share->info_dictionary_bytes();
    return wire::Extended{0, wire::encode_extension_handshake(handshake)};
  }
  // Until nobody has anything to say. Gives how many requests were made.
  int run() {
    for (const auto& message : reader.opening()) (void)server.answer(asker, message);
    std::vector<wire::Message> asked = reader.on_message(server_opening());
    int count = 0;
    while (!asked.empty()) {
      EXPECT(asked.size() <= MetadataReader::kAhead);
      std::vector<wire::Message> next;
      for (const auto& question : asked) {
        ++count;
        EXPECT(MetadataServer::concerns(question));
        auto answer = server.answer(asker, question);
        if (!answer) continue;
        if (spoil != nullptr) spoil(*answer);
        for (auto& more : reader.on_message(*answer)) next.push_back(std::move(more));
      }
      asked = std::move(next);
    }
    return count;
  }

  std::shared_ptr<const meta::Metainfo> share;
  MetadataServer server;
  MetadataServer::Asker asker;
  MetadataReader reader;
  void (*spoil)(wire::Message&) = nullptr;
};

TEST(piece_list_comes_over_whatever_its_length) {
  for (const std::uint32_t pieces : {1u, 2u, 3u, 512u, 513u, 5000u}) {
    World world(pieces);

    world.run();

    EXPECT(world.reader.state() == State::Complete);
    EXPECT(world.reader.take_piece_list() == world.share->piece_list());
  }
}

TEST(each_part_is_asked_for_once) {
  World world(1025);  // 20,500 bytes of SHA-1 and three ranges of the layer

  EXPECT_EQ(world.run(), 2 + 3);
}

TEST(another_dictionary_is_not_believed) {
  World world(3);
  world.spoil = [](wire::Message& message) {
    if (auto* block = std::get_if<wire::Extended>(&message)) block->payload.back() ^= 1;
  };

  world.run();

  EXPECT(world.reader.state() == State::Failed);
  EXPECT_EQ(world.reader.failure(), "its metadata has another info-hash");
}

TEST(wrong_layer_does_not_make_the_share) {
  World world(3);
  world.spoil = [](wire::Message& message) {
    if (auto* hashes = std::get_if<wire::Hashes>(&message)) hashes->hashes.front() ^= 1;
  };

  world.run();

  EXPECT(world.reader.state() == State::Complete);
  const auto judged =
      meta::Metainfo::from_piece_list("film.mkv", 3 * kPiece, kPiece, world.reader.take_piece_list());
  EXPECT(judged && judged->info_hash() != world.share->info_hash());
}

TEST(member_that_gives_no_metadata_is_no_source) {
  for (const auto* handshake : {"d1:mdee", "d1:md11:ut_metadatai1eee", "d13:metadata_sizei300ee",
                                "d1:md11:ut_metadatai1ee13:metadata_sizei99999999ee"}) {
    World world(3);
    const auto out = world.reader.on_message(wire::Extended{0, to_bytes(as_bytes(handshake))});

    EXPECT(out.empty());
    EXPECT(world.reader.state() == State::Failed);
  }
}

TEST(metadata_of_the_largest_size_is_read_and_a_byte_more_is_not) {
  const std::uint64_t most = 3 * Sha1::kSize + 2 * limits::kNameBytes + 512;
  for (const bool over : {false, true}) {
    World world(3);
    wire::ExtensionHandshake handshake;
    handshake.messages.emplace(wire::kMetadataName, std::uint8_t{9});
    handshake.metadata_bytes = most + (over ? 1 : 0);

    world.reader.on_message(wire::Extended{0, wire::encode_extension_handshake(handshake)});

    EXPECT(world.reader.state() == (over ? State::Failed : State::Dictionary));
  }
}

TEST(rejects_end_the_attempt) {
  World dictionary(3);
  dictionary.spoil = [](wire::Message& message) {
    message = wire::Extended{wire::kMetadataId,
                             wire::encode_metadata_message({wire::MetadataMessage::Kind::Reject, 0, 0, {}})};
  };
  dictionary.run();
  World layer(3);
  layer.spoil = [](wire::Message& message) {
    if (auto* hashes = std::get_if<wire::Hashes>(&message)) message = wire::HashReject{hashes->range};
  };
  layer.run();

  EXPECT(dictionary.reader.state() == State::Failed);
  EXPECT(layer.reader.state() == State::Failed);
}

TEST(what_was_not_asked_for_is_ignored) {
  World world(3);
  world.reader.on_message(wire::Hashes{{}, Bytes(64)});
  world.reader.on_message(wire::HashReject{});
  world.reader.on_message(wire::Extended{wire::kMetadataId, to_bytes(as_bytes("de"))});
  world.reader.on_message(wire::Choke{});

  EXPECT(world.reader.state() == State::Greeting);
  world.run();
  EXPECT(world.reader.state() == State::Complete);
}

TEST(ranges_that_are_not_of_the_layer_are_rejected) {
  World world(3);
  const auto root = *world.share->pieces_root();
  const wire::HashRange bad[] = {
      {{}, 4, 0, 4, 0},   {root, 0, 0, 4, 0}, {root, 4, 0, 4, 1},    {root, 4, 0, 3, 0},
      {root, 4, 2, 4, 0}, {root, 4, 4, 4, 0}, {root, 4, 0, 1024, 0}, {root, 4, 0, 0, 0},
  };
  for (const auto& range : bad) {
    const auto answer = world.server.answer(world.asker, wire::HashRequest{range});
    EXPECT(answer && std::get<wire::HashReject>(*answer).range == range);
  }
  EXPECT_EQ(world.asker.bytes, 0u);
  const auto good = world.server.answer(world.asker, wire::HashRequest{{root, 4, 0, 4, 0}});
  EXPECT_EQ(std::get<wire::Hashes>(*good).hashes.size(), 4u * 32u);
}

TEST(member_gets_the_metadata_as_often_as_allowed_and_no_more) {
  World world(1);
  for (const auto& message : world.reader.opening()) (void)world.server.answer(world.asker, message);
  const auto question = wire::Extended{wire::kMetadataId, wire::encode_metadata_message({})};
  const auto size = world.share->info_dictionary_bytes();
  const auto most = MetadataServer::kServings * (size + 32 + limits::kHashesPerMessage * 32) / size;
  const auto kind = [&] {
    const auto answer = world.server.answer(world.asker, question);
    return wire::decode_metadata_message(std::get<wire::Extended>(*answer).payload)->kind;
  };

  LIMIT_AT(MetadataServer::kServings);
  for (std::uint64_t i = 0; i < most; ++i) EXPECT(kind() == wire::MetadataMessage::Kind::Block);

  LIMIT_ABOVE(MetadataServer::kServings);
  EXPECT(kind() == wire::MetadataMessage::Kind::Reject);
}

TEST(block_beyond_the_end_is_rejected_and_who_named_no_id_gets_no_answer) {
  World world(1);
  const auto question = wire::Extended{
      wire::kMetadataId, wire::encode_metadata_message({wire::MetadataMessage::Kind::Request, 1, 0, {}})};
  EXPECT(!world.server.answer(world.asker, question));
  for (const auto& message : world.reader.opening()) (void)world.server.answer(world.asker, message);

  const auto answer = world.server.answer(world.asker, question);

  EXPECT(wire::decode_metadata_message(std::get<wire::Extended>(*answer).payload)->kind ==
         wire::MetadataMessage::Kind::Reject);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(piece_list_comes_over_whatever_its_length),
      cmocka_unit_test(each_part_is_asked_for_once),
      cmocka_unit_test(another_dictionary_is_not_believed),
      cmocka_unit_test(wrong_layer_does_not_make_the_share),
      cmocka_unit_test(member_that_gives_no_metadata_is_no_source),
      cmocka_unit_test(metadata_of_the_largest_size_is_read_and_a_byte_more_is_not),
      cmocka_unit_test(rejects_end_the_attempt),
      cmocka_unit_test(what_was_not_asked_for_is_ignored),
      cmocka_unit_test(ranges_that_are_not_of_the_layer_are_rejected),
      cmocka_unit_test(member_gets_the_metadata_as_often_as_allowed_and_no_more),
      cmocka_unit_test(block_beyond_the_end_is_rejected_and_who_named_no_id_gets_no_answer),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
