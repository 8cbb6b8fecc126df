// SPDX-License-Identifier: MIT
// What the wire costs without a network, in nanoseconds a message and GiB of payload a second, CPU time of
// the thread, the median of the rounds:
//
//   bench_codec [ROUNDS]       (9)
//
// Decoding: blocks of 16 KiB in feeds of 128 KiB, as TLS gives them, so that one in eight is cut; then
// requests and haves in the same feeds. Encoding: heads of blocks, requests, haves.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/wire/message.h"
#include "tests/bench/cpu_time.h"

using namespace p2p;

namespace {

constexpr std::size_t kFeedBytes = 128 * limits::kKiB;
constexpr std::uint32_t kMessages = 8192;

void report(const char* what, int rounds, std::size_t payload_bytes, const std::function<void()>& run) {
  std::vector<double> seconds;
  for (int round = 0; round < rounds; ++round) {
    const double begin = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    run();
    seconds.push_back(cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - begin);
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  std::printf("%-24s %8.1f ns a message", what, median * 1e9 / kMessages);
  if (payload_bytes > 0)
    std::printf(", %6.2f GiB/s", static_cast<double>(payload_bytes) / (1024.0 * 1024 * 1024) / median);
  std::puts("");
}

wire::BlockSpan block_at(std::uint32_t number) {
  constexpr std::uint32_t kBlocks = 64;
  return {PieceIndex{number / kBlocks}, number % kBlocks * static_cast<std::uint32_t>(limits::kBlockBytes),
          static_cast<std::uint32_t>(limits::kBlockBytes)};
}

void decode(const Bytes& stream) {
  wire::MessageDecoder decoder;
  std::uint32_t messages = 0;
  for (ByteSpan rest(stream); !rest.empty();) {
    const auto part = rest.first(std::min(kFeedBytes, rest.size()));
    rest = rest.subspan(part.size());
    decoder.feed(part);
    for (auto next = decoder.next(); *next; next = decoder.next()) ++messages;
  }
  CHECK(messages == kMessages);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 9;
  const Bytes payload(limits::kBlockBytes, 7);
  Bytes blocks;
  Bytes requests;
  Bytes haves;
  for (std::uint32_t i = 0; i < kMessages; ++i) {
    wire::encode(wire::Piece{block_at(i), payload}, blocks);
    wire::encode(wire::Request{block_at(i)}, requests);
    wire::encode(wire::Have{PieceIndex{i}}, haves);
  }
  report("decode blocks", rounds, kMessages * payload.size(), [&] { decode(blocks); });
  report("decode requests", rounds, 0, [&] { decode(requests); });
  report("decode haves", rounds, 0, [&] { decode(haves); });
  std::uint32_t sum = 0;
  report("encode heads of blocks", rounds, 0, [&] {
    for (std::uint32_t i = 0; i < kMessages; ++i) sum += wire::encode_piece_head(block_at(i)).back();
  });
  Bytes out;
  const auto encode_all = [&](const auto& make) {
    out.clear();
    for (std::uint32_t i = 0; i < kMessages; ++i) wire::encode(make(i), out);
    sum += out.back();
  };
  report("encode requests", rounds, 0,
         [&] { encode_all([](std::uint32_t i) { return wire::Request{block_at(i)}; }); });
  report("encode haves", rounds, 0,
         [&] { encode_all([](std::uint32_t i) { return wire::Have{PieceIndex{i}}; }); });
  return sum == 1 ? 1 : 0;  // so that nothing is left out
}
