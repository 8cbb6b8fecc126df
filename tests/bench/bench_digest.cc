// SPDX-License-Identifier: MIT
// How fast each choice of instructions hashes, in GiB per second of one core, by CPU time of the thread:
//
//   bench_digest [ROUNDS]       (9)
//
// SHA-256 of 16 KiB leaves, 64 a batch; of 64-byte nodes of a tree, 64 a batch; SHA-1 of 16, 8 and one stream
// in parts of 64 KiB. The median of the rounds and the fastest of them. A star marks what p2pd would choose.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "daemon/base/digest_batch.h"
#include "daemon/base/sha1_lanes.h"
#include "tests/bench/cpu_time.h"

using namespace p2p;

namespace {

constexpr std::size_t kRoundBytes = std::size_t{64} << 20;
constexpr double kGiB = 1024.0 * 1024 * 1024;

std::vector<ByteSpan> messages_in(ByteSpan memory, std::size_t count, std::size_t bytes, std::size_t gap) {
  std::vector<ByteSpan> messages;
  for (std::size_t i = 0; i < count; ++i) messages.push_back(memory.subspan(i * (bytes + gap), bytes));
  return messages;
}

void report(const char* what, Instructions with, bool chosen, int rounds, std::size_t batch_bytes,
            const std::function<void()>& hash_batch) {
  std::vector<double> speeds;
  for (int round = 0; round < rounds; ++round) {
    const auto batches = std::max<std::size_t>(1, kRoundBytes / batch_bytes);
    const double begin = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (std::size_t i = 0; i < batches; ++i) hash_batch();
    speeds.push_back(static_cast<double>(batches * batch_bytes) / kGiB /
                     (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - begin));
  }
  std::sort(speeds.begin(), speeds.end());
  std::printf("%-22s %-8s %6.2f %6.2f %s\n", what, instructions_name(with), speeds[speeds.size() / 2],
              speeds.back(), chosen ? "*" : "");
}

void sha256_rows(ByteSpan memory, const char* what, std::size_t bytes, int rounds) {
  const auto messages = messages_in(memory, 64, bytes, 0);
  std::vector<Sha256> digests(messages.size());
  for (const auto with : kAllInstructions)
    if (processor_has(with))
      report(what, with, with == best_for_sha256(), rounds, messages.size() * bytes,
             [&] { sha256_batch(messages, digests, with); });
}

void sha1_rows(ByteSpan memory, const char* what, std::size_t count, int rounds) {
  constexpr std::size_t kPart = std::size_t{64} << 10;
  const auto parts = messages_in(memory, count, kPart, 64);
  std::vector<Sha1State> states(count);
  std::vector<Sha1State*> streams;
  for (auto& state : states) streams.push_back(&state);
  for (const auto with : kAllInstructions)
    if (processor_has(with))
      report(what, with, with == best_for_sha1(), rounds, count * kPart,
             [&] { update_side_by_side(streams, parts, with); });
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 9;
  std::vector<std::uint8_t> memory(std::size_t{2} << 20, 7);
  std::printf("%-22s %-8s %6s %6s GiB/s\n", "", "", "median", "best");
  sha256_rows(memory, "SHA-256, 16 KiB leaves", 16 * 1024, rounds);
  sha256_rows(memory, "SHA-256, 64 B nodes", 64, rounds);
  sha1_rows(memory, "SHA-1, 16 streams", 16, rounds);
  sha1_rows(memory, "SHA-1, 8 streams", 8, rounds);
  sha1_rows(memory, "SHA-1, one stream", 1, rounds);
  return 0;
}
