// SPDX-License-Identifier: MIT
// Both sides of the way of a piece list, against whatever a member sends. The input is a stream of messages.
#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/swarm/metadata_exchange.h"

using namespace p2p;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint32_t kPieces = 3;
  meta::PieceHashes hashes{std::vector<Sha1>(kPieces), std::vector<Sha256>(kPieces)};
  auto made = meta::Metainfo::make("a", std::uint64_t{kPieces} * limits::kPieceBytesMin,
                                   limits::kPieceBytesMin, std::move(hashes));
  CHECK(made.has_value());
  const auto share = std::make_shared<const meta::Metainfo>(std::move(*made));
  swarm::MetadataReader reader(share->geometry(), share->info_hash());
  swarm::MetadataServer server(share);
  swarm::MetadataServer::Asker asker;

  wire::MessageDecoder decoder;
  decoder.feed(ByteSpan(data, size));
  while (true) {
    const auto message = decoder.next();
    if (!message || !*message) break;
    const auto asked = reader.on_message(**message);
    CHECK(asked.size() <= swarm::MetadataReader::kAhead);
    (void)server.answer(asker, **message);
  }
  if (reader.state() == swarm::MetadataReader::State::Complete)
    CHECK(reader.take_piece_list().size() == meta::piece_list_bytes(kPieces));
  return 0;
}
