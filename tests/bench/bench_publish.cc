// SPDX-License-Identifier: MIT
// How fast p2pd hashes a file that is in the page cache, through the classes that it uses:
//
//   bench_publish [MIB [ROUNDS [FOLDER]]]       (4096 3 /tmp)
//
// Makes a file of random bytes in FOLDER and removes it in the end. Rows: one stream of SHA-1 over bytes in
// the cache, which publishing cannot outrun; what OpenSSL alone allows, which is the reading and every hash
// of a publication in no order; publishing (leaves, pieces, whole file), the same without the SHA-1 of the
// whole file, and verification of every piece. Columns: GiB per second of each round, their median, CPU
// seconds per GiB, and the longest time in milliseconds for which the event loop did not come to a timer of
// one millisecond. P2P_DIGEST=openssl measures the fallback. The last line is the most memory that the
// process had, in MiB.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include "daemon/base/check.h"
#include "daemon/base/digest.h"
#include "daemon/base/random.h"
#include "daemon/io/timer.h"
#include "daemon/peer/file_hasher.h"
#include "daemon/peer/piece_verifier.h"
#include "tests/bench/cpu_time.h"

using namespace p2p;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A loop, and how late it comes to what is due.
struct World {
  io::Loop loop;
  io::WorkPool hash{loop, "p2pd-hash", io::processors()};
  io::Timer tick{loop, bind<&World::on_tick>(this)};
  Clock::time_point last{};
  double longest = 0;

  void on_tick() {
    longest = std::max(longest, seconds_since(last) - 1e-3);
    last = Clock::now();
    tick.set(1ms);
  }
  void run() {
    longest = 0;
    last = Clock::now();
    tick.set(1ms);
    loop.run();
    tick.cancel();
  }
};

std::shared_ptr<storage::PayloadFile> make_file(const std::string& folder, std::uint64_t size) {
  auto path = folder + "/p2p-bench-XXXXXX";
  storage::Descriptor file(::mkstemp(path.data()));
  CHECK(file);
  CHECK(::unlink(path.c_str()) == 0);
  auto payload = std::make_shared<storage::PayloadFile>(std::move(file), path);
  Random random(1);
  Buffer part(limits::kMiB);
  for (std::uint64_t at = 0; at < size; at += part.size()) {
    for (std::size_t i = 0; i < part.size(); i += 8) {
      const auto word = random.next();
      std::copy_n(reinterpret_cast<const std::uint8_t*>(&word), 8, part.data() + i);
    }
    CHECK(payload->write(at, part.view()));
  }
  CHECK(payload->sync());
  return payload;
}

void row(const char* what, World& world, int rounds, std::uint64_t size, const std::function<void()>& begin) {
  const double gib = static_cast<double>(size) / (1024.0 * 1024 * 1024);
  std::vector<double> speeds;
  double longest = 0;
  const double cpu = cpu_seconds();
  for (int round = 0; round < rounds; ++round) {
    const auto start = Clock::now();
    begin();
    world.run();
    speeds.push_back(gib / seconds_since(start));
    longest = std::max(longest, world.longest);
  }
  std::printf("%-24s", what);
  for (const auto speed : speeds) std::printf(" %5.2f", speed);
  std::sort(speeds.begin(), speeds.end());
  std::printf(" | median %5.2f GiB/s, CPU %5.2f s/GiB, loop %.1f ms\n", speeds[speeds.size() / 2],
              (cpu_seconds() - cpu) / (gib * rounds), longest * 1e3);
  std::fflush(stdout);
}

// Reads so many bytes from there and hashes them as often as publishing has to, by OpenSSL.
bool hash_part(const storage::PayloadFile& file, std::uint64_t begin, std::uint64_t bytes) {
  Buffer part(limits::kMiB);
  Sha1State piece;
  Sha1State whole;
  for (auto at = begin; at < begin + bytes; at += part.size()) {
    CHECK(file.read(at, part.span()));
    piece.update(part.view());
    whole.update(part.view());
    for (std::size_t leaf = 0; leaf < part.size(); leaf += limits::kBlockBytes)
      CHECK(sha256(part.view().subspan(leaf, limits::kBlockBytes)) != Sha256{});
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const auto mib = argc > 1 ? std::max(1, std::atoi(argv[1])) : 4096;
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 3;
  const auto size = static_cast<std::uint64_t>(mib) * limits::kMiB;
  const auto file = make_file(argc > 3 ? argv[3] : "/tmp", size);
  const auto geometry = meta::Geometry::make(size, meta::Geometry::piece_length_for(size));
  CHECK(geometry);
  World world;
  std::unique_ptr<peer::FileHasher> hasher;
  Result<peer::FileHashes> hashes = fail(Code::Internal, "not hashed");
  const auto publish = [&](peer::FileHasher::Whole whole) {
    hasher =
        std::make_unique<peer::FileHasher>(world.hash, peer::FileHasher::Task{file, *geometry, {}, whole},
                                           peer::FileHasher::Listener{[](std::uint64_t) {},
                                                                      [&](Result<peer::FileHashes> result) {
                                                                        hashes = std::move(result);
                                                                        world.loop.stop();
                                                                      }});
  };
  std::printf("%d MiB, pieces of %u KiB, %u threads, SHA-256 %s, SHA-1 %s\n", mib,
              geometry->piece_length() / 1024, world.hash.threads(), instructions_name(best_for_sha256()),
              instructions_name(best_for_sha1()));
  row("one stream of SHA-1", world, rounds, size / 8, [&] {
    const Bytes part(limits::kMiB);
    Sha1State whole;
    for (std::uint64_t at = 0; at < size / 8; at += part.size()) whole.update(part);
    world.loop.post([&] { world.loop.stop(); });
  });
  io::WorkScope scope;
  row("allowed by OpenSSL", world, rounds, size, [&] {
    const auto left = std::make_shared<unsigned>(world.hash.threads());
    const auto each = size / limits::kMiB / world.hash.threads() * limits::kMiB;
    for (unsigned i = 0; i < world.hash.threads(); ++i)
      scope.run(
          world.hash, [&file, each, i] { return hash_part(*file, i * each, each); },
          [&world, left](bool) {
            if (--*left == 0) world.loop.stop();
          });
  });
  row("publish", world, rounds, size, [&] { publish(peer::FileHasher::Whole::Hash); });
  row("publish, no whole file", world, rounds, size, [&] { publish(peer::FileHasher::Whole::Leave); });
  CHECK(hashes);
  const auto made = meta::Metainfo::make("file", size, geometry->piece_length(), std::move(hashes->pieces));
  CHECK(made);
  const auto metainfo = std::make_shared<const meta::Metainfo>(*made);
  std::vector<PieceIndex> pieces;
  for (std::uint32_t i = 0; i < geometry->pieces(); ++i) pieces.push_back({i});
  std::size_t good = 0;
  std::unique_ptr<peer::PieceVerifier> verifier;
  row("verify", world, rounds, size, [&] {
    verifier = std::make_unique<peer::PieceVerifier>(
        world.hash, file, metainfo, pieces, [&](PieceIndex, bool is_good) { good += is_good ? 1 : 0; },
        [&] { world.loop.stop(); });
  });
  CHECK(good == pieces.size() * static_cast<std::size_t>(rounds));
  rusage usage{};
  CHECK(::getrusage(RUSAGE_SELF, &usage) == 0);
  std::printf("most memory %.1f MiB\n", static_cast<double>(usage.ru_maxrss) / 1024);
  return 0;
}
