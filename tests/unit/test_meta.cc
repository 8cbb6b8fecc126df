// SPDX-License-Identifier: MIT
#include <algorithm>
#include <bit>
#include <fstream>
#include <sstream>

#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/meta/geometry.h"
#include "daemon/meta/merkle.h"
#include "daemon/meta/metainfo.h"
#include "daemon/meta/piece_batch.h"
#include "daemon/wire/bencode.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using namespace p2p::meta;

namespace {

constexpr std::uint32_t kBlock = limits::kBlockBytes;
constexpr std::uint32_t kPiece = limits::kPieceBytesMin;

Geometry geometry(std::uint64_t size, std::uint32_t piece_length = kPiece) {
  const auto made = Geometry::make(size, piece_length);
  EXPECT_OK(made);
  return *made;
}

// --- Geometry ----------------------------------------------------------------------------------

TEST(empty_file_has_no_pieces) {
  const auto empty = geometry(0);

  EXPECT_EQ(empty.pieces(), 0u);
  EXPECT(!empty.contains(PieceIndex{0}));
  EXPECT(!empty.spans(PieceIndex{0}, 0, 1));
}

TEST(small_files_are_one_short_piece) {
  struct Row {
    std::uint64_t size;
    std::uint32_t blocks;
    std::uint32_t last_block;
  };
  for (const auto& row : {Row{1, 1, 1}, Row{kBlock - 1, 1, kBlock - 1}, Row{kBlock, 1, kBlock},
                          Row{kBlock + 1, 2, 1}, Row{kPiece - 1, 16, kBlock - 1}, Row{kPiece, 16, kBlock}}) {
    const auto file = geometry(row.size);
    const PieceIndex piece{0};

    EXPECT_EQ(file.pieces(), 1u);
    EXPECT_EQ(file.piece_bytes(piece), row.size);
    EXPECT_EQ(file.piece_offset(piece), 0u);
    EXPECT_EQ(file.blocks(piece), row.blocks);
    EXPECT_EQ(file.block_bytes(piece, BlockIndex{row.blocks - 1}), row.last_block);
  }
}

TEST(exact_multiples_have_no_short_piece) {
  const auto file = geometry(std::uint64_t{3} * kPiece);

  EXPECT_EQ(file.pieces(), 3u);
  EXPECT_EQ(file.piece_bytes(PieceIndex{2}), kPiece);
  EXPECT_EQ(file.piece_offset(PieceIndex{2}), 2u * kPiece);
  EXPECT_EQ(file.blocks(PieceIndex{2}), kPiece / kBlock);
  EXPECT_EQ(file.block_bytes(PieceIndex{2}, BlockIndex{15}), kBlock);
}

TEST(one_byte_over_a_multiple_is_a_piece_of_one_byte) {
  const auto file = geometry(std::uint64_t{3} * kPiece + 1);

  EXPECT_EQ(file.pieces(), 4u);
  EXPECT_EQ(file.piece_bytes(PieceIndex{2}), kPiece);
  EXPECT_EQ(file.piece_bytes(PieceIndex{3}), 1u);
  EXPECT_EQ(file.blocks(PieceIndex{3}), 1u);
  EXPECT_EQ(file.block_bytes(PieceIndex{3}, BlockIndex{0}), 1u);
}

TEST(offsets_beyond_32_bits_are_right) {
  const std::uint64_t size = (std::uint64_t{5} << 30) + 3;
  const auto file = geometry(size, 4 * limits::kMiB);

  EXPECT_EQ(file.pieces(), 1281u);
  EXPECT_EQ(file.piece_offset(PieceIndex{1280}), std::uint64_t{5} << 30);
  EXPECT_EQ(file.piece_bytes(PieceIndex{1280}), 3u);
  EXPECT_EQ(file.piece_offset(PieceIndex{1279}) + file.piece_bytes(PieceIndex{1279}), std::uint64_t{5} << 30);
}

TEST(pieces_and_blocks_cover_the_file_without_gap) {
  for (const std::uint64_t size : {1u, 16385u, 262145u, 1000000u, 3145729u}) {
    const auto file = geometry(size);
    std::uint64_t covered = 0;
    for (PieceIndex piece; piece.value < file.pieces(); ++piece.value) {
      EXPECT_EQ(file.piece_offset(piece), covered);
      for (BlockIndex block; block.value < file.blocks(piece); ++block.value) {
        EXPECT_EQ(file.piece_offset(piece) + file.block_begin(block), covered);
        EXPECT(file.spans(piece, file.block_begin(block), file.block_bytes(piece, block)));
        covered += file.block_bytes(piece, block);
      }
    }
    EXPECT_EQ(covered, size);
  }
}

Code refusal(std::uint64_t size, std::uint32_t piece_length) {
  const auto made = Geometry::make(size, piece_length);
  EXPECT(!made);
  return made.error().code;
}

TEST(file_at_the_size_limit_passes_and_one_byte_more_does_not) {
  LIMIT_AT(limits::kFileBytes);
  const auto largest = geometry(limits::kFileBytes, limits::kPieceBytesMax);
  EXPECT_EQ(largest.pieces(), 1u << 20);
  EXPECT_EQ(largest.piece_offset(PieceIndex{(1u << 20) - 1}), limits::kFileBytes - limits::kPieceBytesMax);

  LIMIT_ABOVE(limits::kFileBytes);
  EXPECT_EQ(refusal(limits::kFileBytes + 1, limits::kPieceBytesMax), Code::InvalidArgument);
  EXPECT_EQ(refusal(~std::uint64_t{0}, limits::kPieceBytesMax), Code::InvalidArgument);
}

TEST(pieces_at_the_limit_pass_and_one_more_does_not) {
  const auto size = std::uint64_t{limits::kPieces} * kPiece;

  LIMIT_AT(limits::kPieces);
  EXPECT_EQ(geometry(size).pieces(), limits::kPieces);
  LIMIT_ABOVE(limits::kPieces);
  EXPECT_EQ(refusal(size + 1, kPiece), Code::InvalidArgument);
}

TEST(piece_lengths_are_powers_of_two_within_bounds) {
  LIMIT_AT(limits::kPieceBytesMin);
  LIMIT_AT(limits::kPieceBytesMax);
  for (std::uint32_t length = limits::kPieceBytesMin; length <= limits::kPieceBytesMax; length *= 2)
    EXPECT_OK(Geometry::make(1, length));
  LIMIT_ABOVE(limits::kPieceBytesMin);
  LIMIT_ABOVE(limits::kPieceBytesMax);
  for (const std::uint32_t length : {0u, 1u, kBlock, kPiece / 2, kPiece - 1, kPiece + 1, 3 * kPiece,
                                     2 * limits::kPieceBytesMax, 0x80000000u, 0xffffffffu})
    EXPECT_EQ(refusal(1, length), Code::InvalidArgument);
}

TEST(spans_are_judged_for_any_input) {
  const auto file = geometry(std::uint64_t{kPiece} + 100);
  const std::uint32_t most = 0xffffffff;

  EXPECT(file.spans(PieceIndex{0}, 0, kPiece));
  EXPECT(file.spans(PieceIndex{0}, kPiece - 1, 1));
  EXPECT(file.spans(PieceIndex{1}, 0, 100));
  EXPECT(!file.spans(PieceIndex{0}, 0, 0));
  EXPECT(!file.spans(PieceIndex{0}, 1, kPiece));
  EXPECT(!file.spans(PieceIndex{0}, kPiece, 1));
  EXPECT(!file.spans(PieceIndex{1}, 0, 101));
  EXPECT(!file.spans(PieceIndex{2}, 0, 1));
  EXPECT(!file.spans(PieceIndex{0}, most, 1));
  EXPECT(!file.spans(PieceIndex{0}, 1, most));
  EXPECT(!file.spans(PieceIndex{0}, most, most));
  EXPECT(!file.spans(PieceIndex{most}, most, most));
}

TEST(chosen_piece_length_is_the_smallest_that_gives_fewer_than_4096_pieces) {
  const std::uint64_t most = std::uint64_t{4095} * kPiece;

  EXPECT_EQ(Geometry::piece_length_for(0), kPiece);
  EXPECT_EQ(Geometry::piece_length_for(most), kPiece);
  EXPECT_EQ(Geometry::piece_length_for(most + 1), 2 * kPiece);
  EXPECT_EQ(Geometry::piece_length_for(std::uint64_t{5} << 30), 2 * limits::kMiB);
  EXPECT_EQ(Geometry::piece_length_for(limits::kFileBytes), limits::kPieceBytesMax);
  EXPECT_EQ(Geometry::piece_length_for(~std::uint64_t{0}), limits::kPieceBytesMax);
}

// --- Merkle ------------------------------------------------------------------------------------

Sha256 numbered(std::uint8_t number) {
  Sha256 hash;
  hash.bytes.fill(number);
  return hash;
}

Sha256 pair_of(const Sha256& left, const Sha256& right) {
  auto both = to_bytes(left.view());
  both.insert(both.end(), right.bytes.begin(), right.bytes.end());
  return sha256(both);
}

// The same root by the definition: every padding node written out.
Sha256 naive_root(std::vector<Sha256> nodes, std::size_t width, const Sha256& padding) {
  nodes.resize(width, padding);
  while (nodes.size() > 1) {
    std::vector<Sha256> above;
    for (std::size_t i = 0; i < nodes.size(); i += 2) above.push_back(pair_of(nodes[i], nodes[i + 1]));
    nodes = above;
  }
  return nodes[0];
}

TEST(root_equals_the_root_with_all_padding_written_out) {
  std::vector<Sha256> nodes;
  for (std::uint8_t count = 0; count <= 33; ++count) {
    const auto smallest = std::bit_ceil(std::size_t{count});
    for (std::size_t width = smallest; width <= 4 * smallest; width *= 2)
      EXPECT_EQ(merkle_root(nodes, width, numbered(200)), naive_root(nodes, width, numbered(200)));
    nodes.push_back(numbered(count));
  }
}

TEST(zero_root_is_the_root_of_zero_leaves) {
  EXPECT(zero_root(1).is_zero());
  EXPECT_EQ(zero_root(2), pair_of(Sha256{}, Sha256{}));
  EXPECT_EQ(zero_root(16), naive_root({}, 16, Sha256{}));
}

TEST(short_last_piece_is_padded_with_zero_leaves_to_a_full_piece) {
  const Bytes bytes(kBlock + 1, 7);
  const auto full = sha256(ByteSpan(bytes).first(kBlock));
  const auto rest = sha256(ByteSpan(bytes).last(1));

  EXPECT_EQ(piece_root(bytes, kPiece, false), naive_root({full, rest}, 16, Sha256{}));
}

TEST(file_of_one_piece_is_padded_to_its_own_power_of_two) {
  const Bytes block(kBlock, 7);
  const Bytes three(3 * kBlock, 7);
  const auto leaf = sha256(block);

  EXPECT_EQ(piece_root(block, kPiece, true), leaf);
  EXPECT_EQ(piece_root(ByteSpan(block).first(1), kPiece, true), sha256(ByteSpan(block).first(1)));
  EXPECT_EQ(piece_root(three, kPiece, true), naive_root({leaf, leaf, leaf}, 4, Sha256{}));
}

TEST(absent_pieces_pad_a_layer_with_the_root_of_a_zero_piece) {
  const std::vector<Sha256> layer{numbered(1), numbered(2), numbered(3)};

  EXPECT_EQ(file_root(layer, kPiece), naive_root(layer, 4, zero_root(16)));
  EXPECT_EQ(file_root(std::span(layer).first(1), kPiece), layer[0]);
}

// --- Metainfo ----------------------------------------------------------------------------------

struct Fixture {
  std::uint64_t size = 0;
  std::uint32_t piece_length = 0;
  std::uint64_t seed = 0;
  std::string v1, v2, root, name;
};

std::vector<Fixture> read_fixtures() {
  std::ifstream file(P2P_TEST_DATA "/metainfo_fixtures.txt");
  std::vector<Fixture> fixtures;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    Fixture fixture;
    words >> fixture.size >> fixture.piece_length >> fixture.seed >> fixture.v1 >> fixture.v2 >> fixture.root;
    words.get();
    std::getline(words, fixture.name);
    EXPECT(!words.fail());
    fixtures.push_back(fixture);
  }
  EXPECT(fixtures.size() >= 10);
  return fixtures;
}

// As the head of the fixtures' file describes it.
Bytes content(std::uint64_t size, std::uint64_t seed) {
  Bytes bytes;
  bytes.reserve(size + Sha256::kSize);
  for (std::uint64_t counter = 0; bytes.size() < size; ++counter) {
    ByteWriter writer;
    writer.u64(seed);
    writer.u64(counter);
    const auto block = sha256(writer.view());
    bytes.insert(bytes.end(), block.bytes.begin(), block.bytes.end());
  }
  bytes.resize(size);
  return bytes;
}

PieceHashes hash_file(ByteSpan bytes, const Geometry& geometry) {
  PieceHashes hashes;
  for (PieceIndex piece; piece.value < geometry.pieces(); ++piece.value) {
    const auto digest = hash_piece(bytes.subspan(geometry.piece_offset(piece), geometry.piece_bytes(piece)),
                                   geometry.piece_length(), geometry.pieces() == 1);
    hashes.sha1.push_back(digest.sha1);
    hashes.layer.push_back(digest.root);
  }
  return hashes;
}

// By the definition, with nothing side by side.
PieceHashes hash_one_by_one(ByteSpan bytes, const Geometry& geometry) {
  PieceHashes hashes;
  for (PieceIndex piece; piece.value < geometry.pieces(); ++piece.value) {
    const auto part = bytes.subspan(geometry.piece_offset(piece), geometry.piece_bytes(piece));
    std::vector<Sha256> leaves;
    for (std::size_t at = 0; at < part.size(); at += kBlock)
      leaves.push_back(sha256(part.subspan(at, std::min<std::size_t>(kBlock, part.size() - at))));
    const auto width =
        geometry.pieces() == 1 ? std::bit_ceil(leaves.size()) : geometry.piece_length() / kBlock;
    hashes.sha1.push_back(sha1(part));
    hashes.layer.push_back(naive_root(leaves, width, Sha256{}));
  }
  return hashes;
}

// Files of these sizes end within a block, a piece, a batch.
const std::vector<std::uint64_t> kSizes{1,           kBlock,         kPiece - 1,  kPiece,
                                        kPiece + 1,  3 * kPiece + 5, 16 * kPiece, 17 * kPiece + kBlock,
                                        40 * kPiece, 40 * kPiece + 1};

TEST(pieces_hashed_together_have_the_hashes_of_each_alone) {
  for (const auto size : kSizes) {
    const auto shape = geometry(size, kPiece);
    const auto bytes = content(size, size);
    const auto expected = hash_one_by_one(bytes, shape);
    for (std::uint32_t first = 0; first < shape.pieces(); first += PieceBatch::kPiecesMax) {
      std::vector<ByteSpan> pieces;
      for (auto i = first; i < shape.pieces() && pieces.size() < PieceBatch::kPiecesMax; ++i)
        pieces.push_back(ByteSpan(bytes).subspan(shape.piece_offset({i}), shape.piece_bytes({i})));
      const auto digests = hash_pieces(pieces, kPiece, shape.pieces() == 1);
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        EXPECT_EQ(digests[i].sha1, expected.sha1[first + i]);
        EXPECT_EQ(digests[i].root, expected.layer[first + i]);
      }
    }
  }
}

Metainfo metainfo_of(const Fixture& fixture) {
  const auto bytes = content(fixture.size, fixture.seed);
  auto made = Metainfo::make(fixture.name, fixture.size, fixture.piece_length,
                             hash_file(bytes, geometry(fixture.size, fixture.piece_length)));
  EXPECT_OK(made);
  return *made;
}

// Hashes that belong to no file, for a file of this size in the smallest pieces.
PieceHashes invented(std::uint32_t pieces) {
  return {std::vector<Sha1>(pieces), std::vector<Sha256>(pieces, numbered(4))};
}

TEST(info_hashes_equal_those_of_another_implementation) {
  for (const auto& fixture : read_fixtures()) {
    const auto metainfo = metainfo_of(fixture);

    EXPECT_EQ(metainfo.pieces_root()->hex(), fixture.root);
    EXPECT_EQ(metainfo.info_hash().hex(), fixture.v2);
    EXPECT_EQ(metainfo.info_hash_v1()->hex(), fixture.v1);
  }
}

TEST(piece_list_carries_everything_but_name_and_sizes) {
  for (const auto& fixture : read_fixtures()) {
    const auto metainfo = metainfo_of(fixture);
    const auto list = metainfo.piece_list();
    EXPECT_EQ(list.size(), piece_list_bytes(metainfo.geometry().pieces()));

    const auto again = Metainfo::from_piece_list(fixture.name, fixture.size, fixture.piece_length, list);

    EXPECT_OK(again);
    EXPECT_EQ(again->info_hash(), metainfo.info_hash());
    EXPECT(again->pieces_sha1() == metainfo.pieces_sha1());
    EXPECT(again->piece_layer() == metainfo.piece_layer());
  }
}

TEST(piece_list_of_another_length_is_refused) {
  const auto size = std::uint64_t{2} * kPiece;
  for (const std::size_t bytes : {0u, 52u, 103u, 105u, 156u})
    EXPECT_EQ(Metainfo::from_piece_list("a", size, kPiece, Bytes(bytes)).error().code, Code::InvalidArgument);
  EXPECT_OK(Metainfo::from_piece_list("a", size, kPiece, Bytes(104)));
  EXPECT_EQ(Metainfo::from_piece_list("a", 0, kPiece, Bytes(1)).error().code, Code::InvalidArgument);
}

TEST(empty_file_has_only_a_v2_info_hash) {
  const auto made = Metainfo::make("empty", 0, kPiece, {});

  EXPECT_OK(made);
  EXPECT(!made->info_hash_v1());
  EXPECT(!made->pieces_root());
  EXPECT(made->piece_list().empty());
  EXPECT_EQ(to_string(made->info_dictionary()),
            "d9:file treed5:emptyd0:d6:lengthi0eeee12:meta versioni2e4:name5:empty12:piece lengthi262144e"
            "7:privatei1ee");
  EXPECT_EQ(made->info_hash().hex(), sha256(made->info_dictionary()).hex());
  EXPECT_OK(Metainfo::from_piece_list("empty", 0, kPiece, {}));
}

TEST(hashes_that_do_not_fit_the_size_are_refused) {
  const auto refused = [](PieceHashes hashes) {
    return Metainfo::make("a", kPiece + 1, kPiece, std::move(hashes)).error().code == Code::InvalidArgument;
  };
  auto uneven = invented(2);
  uneven.layer.pop_back();

  EXPECT_OK(Metainfo::make("a", kPiece + 1, kPiece, invented(2)));
  EXPECT(refused(invented(1)));
  EXPECT(refused(invented(3)));
  EXPECT(refused(uneven));
  EXPECT(refused({}));
}

TEST(names_and_sizes_are_checked) {
  const auto code = [](std::string name, std::uint64_t size, std::uint32_t piece_length) {
    return Metainfo::make(std::move(name), size, piece_length, invented(1)).error().code;
  };

  EXPECT_EQ(code("a/b", 1, kPiece), Code::InvalidName);
  EXPECT_EQ(code("..", 1, kPiece), Code::InvalidName);
  EXPECT_EQ(code("", 1, kPiece), Code::InvalidName);
  LIMIT_AT(limits::kNameBytes);
  EXPECT_OK(Metainfo::make(std::string(limits::kNameBytes, 'x'), 1, kPiece, invented(1)));
  LIMIT_ABOVE(limits::kNameBytes);
  EXPECT_EQ(code(std::string(limits::kNameBytes + 1, 'x'), 1, kPiece), Code::InvalidName);
  EXPECT_EQ(code("a", 1, kPiece + 1), Code::InvalidArgument);
  EXPECT_EQ(code("a", limits::kFileBytes + 1, kPiece), Code::InvalidArgument);
}

TEST(piece_list_over_the_limit_of_metadata_is_refused) {
  const auto pieces = limits::kMetadataBytes / piece_list_bytes(1);

  const auto most = Metainfo::make("a", pieces * kPiece, kPiece, {});
  const auto over = Metainfo::make("a", pieces * kPiece + 1, kPiece, {});

  LIMIT_AT(limits::kMetadataBytes);
  // The largest number is let through to the next rule: that there are as many hashes.
  EXPECT_EQ(most.error().code, Code::InvalidArgument);
  LIMIT_ABOVE(limits::kMetadataBytes);
  EXPECT_EQ(over.error().code, Code::Limit);
}

TEST(torrent_file_holds_the_info_dictionary_and_the_layer) {
  const auto metainfo = *Metainfo::make("a", kPiece + 1, kPiece, invented(2));
  const auto bytes = metainfo.torrent_file();

  const auto parsed = wire::Bencode::parse(bytes, {limits::kBencodeDepthFile, limits::kBencodeTokensWire});

  EXPECT(parsed.has_value());
  const auto root = parsed->root();
  EXPECT_EQ(root.find("info")->find("name")->string()->size(), 1u);
  EXPECT_EQ(root.find("info")->find("private")->integer().value(), 1);
  const auto layers = *root.find("piece layers");
  EXPECT_EQ(layers.find(metainfo.pieces_root()->raw())->string()->size(), 64u);
  const auto info = metainfo.info_dictionary();
  EXPECT(std::search(bytes.begin(), bytes.end(), info.begin(), info.end()) != bytes.end());
}

TEST(torrent_file_of_one_piece_has_no_layer) {
  const auto bytes = Metainfo::make("a", kPiece, kPiece, invented(1))->torrent_file();

  EXPECT(to_string(bytes).ends_with("12:piece layersdee"));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(empty_file_has_no_pieces),
      cmocka_unit_test(small_files_are_one_short_piece),
      cmocka_unit_test(exact_multiples_have_no_short_piece),
      cmocka_unit_test(one_byte_over_a_multiple_is_a_piece_of_one_byte),
      cmocka_unit_test(offsets_beyond_32_bits_are_right),
      cmocka_unit_test(pieces_and_blocks_cover_the_file_without_gap),
      cmocka_unit_test(file_at_the_size_limit_passes_and_one_byte_more_does_not),
      cmocka_unit_test(pieces_at_the_limit_pass_and_one_more_does_not),
      cmocka_unit_test(piece_lengths_are_powers_of_two_within_bounds),
      cmocka_unit_test(spans_are_judged_for_any_input),
      cmocka_unit_test(chosen_piece_length_is_the_smallest_that_gives_fewer_than_4096_pieces),
      cmocka_unit_test(root_equals_the_root_with_all_padding_written_out),
      cmocka_unit_test(zero_root_is_the_root_of_zero_leaves),
      cmocka_unit_test(short_last_piece_is_padded_with_zero_leaves_to_a_full_piece),
      cmocka_unit_test(file_of_one_piece_is_padded_to_its_own_power_of_two),
      cmocka_unit_test(absent_pieces_pad_a_layer_with_the_root_of_a_zero_piece),
      cmocka_unit_test(pieces_hashed_together_have_the_hashes_of_each_alone),
      cmocka_unit_test(info_hashes_equal_those_of_another_implementation),
      cmocka_unit_test(piece_list_carries_everything_but_name_and_sizes),
      cmocka_unit_test(piece_list_of_another_length_is_refused),
      cmocka_unit_test(empty_file_has_only_a_v2_info_hash),
      cmocka_unit_test(hashes_that_do_not_fit_the_size_are_refused),
      cmocka_unit_test(names_and_sizes_are_checked),
      cmocka_unit_test(piece_list_over_the_limit_of_metadata_is_refused),
      cmocka_unit_test(torrent_file_holds_the_info_dictionary_and_the_layer),
      cmocka_unit_test(torrent_file_of_one_piece_has_no_layer),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
