// SPDX-License-Identifier: MIT
// What a TLS link costs: both ends of one in this thread, over loopback, through the classes that p2pd uses.
// And what of it is encrypting: records of 16 KiB with OpenSSL's AES-128-GCM, and with ours where there is
// one. P2P_AES=openssl keeps the link to OpenSSL's.
//
//   bench_link [MIB [ROUNDS]]       (2048 5)
//
// Writes of 16 blocks with their heads, as serving makes them, while less than twice the low water mark is
// unsent. The median of the rounds: MiB a second of this one thread, and CPU seconds per GiB of both ends
// with the kernel's part.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <openssl/evp.h>
#include <vector>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/io/tls_stream.h"
#include "daemon/tls/aes_gcm.h"
#include "tests/bench/cpu_time.h"

using namespace p2p;

namespace {

constexpr std::size_t kWriteBytes = 16 * (limits::kBlockBytes + 13);

struct End final : io::Transport::Listener {
  std::function<void()> opened;
  std::function<void()> drained;
  std::function<void(ByteSpan)> heard;
  void on_open() override { opened(); }
  void on_bytes(ByteSpan bytes) override {
    if (heard) heard(bytes);
  }
  void on_drained() override {
    if (drained) drained();
  }
  void on_closed(const Error& reason) override {
    std::fprintf(stderr, "closed: %s\n", reason.message.c_str());
    std::exit(1);
  }
};

struct Link final : io::Acceptor::Listener {
  io::Loop loop;
  trust::KeyPair key = trust::KeyPair::generate();
  tls::Context context{key, tls::kPeerProtocol};
  End near_end;
  End far_end;
  io::Acceptor acceptor{loop, *this};
  std::unique_ptr<io::TlsStream> near;
  std::unique_ptr<io::TlsStream> far;
  int opens = 0;

  Link() {
    near_end.opened = far_end.opened = [this] {
      if (++opens == 2) loop.stop();
    };
    io::SocketAddress local;
    local.host = {127, 0, 0, 1};
    const auto address = acceptor.listen(local);
    CHECK(address);
    auto stream = std::make_unique<io::Stream>(loop);
    CHECK(stream->connect(*address, std::nullopt));
    near = std::make_unique<io::TlsStream>(loop, std::move(stream), context, tls::Side::Client);
    near->set_listener(&near_end);
    loop.run();
  }
  void on_accept(std::unique_ptr<io::Stream> stream) override {
    far = std::make_unique<io::TlsStream>(loop, std::move(stream), context, tls::Side::Server);
    far->set_listener(&far_end);
  }

  void move(std::uint64_t bytes) {
    const Bytes block(kWriteBytes, 7);
    std::uint64_t to_send = bytes;
    std::uint64_t to_come = bytes;
    const auto send = [&] {
      while (to_send > 0 && near->pending_bytes() < 2 * limits::kSendLowWaterBytes) {
        const auto count = std::min<std::uint64_t>(to_send, block.size());
        near->write(ByteSpan(block).first(static_cast<std::size_t>(count)));
        to_send -= count;
      }
    };
    near_end.drained = send;
    far_end.heard = [&](ByteSpan heard) {
      to_come -= heard.size();
      if (to_come == 0) loop.stop();
      else if (to_send > 0 && near->pending_bytes() == 0) send();
    };
    send();
    loop.run();
    near_end.drained = nullptr;
    far_end.heard = nullptr;
  }
};

// As libssl does it, in place and in the first cache.
void encrypt(const char* whose, const char* properties) {
  constexpr int kRecords = 65'536;
  constexpr int kRecordBytes = 16 * 1024;
  Bytes record(kRecordBytes, 7);
  const Bytes iv(12, 1), head(5, 2), key(16, 3);
  EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", properties);
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  CHECK(EVP_CipherInit_ex(context, cipher, nullptr, key.data(), nullptr, 1) == 1);
  int count = 0;
  const double cpu = cpu_seconds();
  for (int i = 0; i < kRecords; ++i) {
    CHECK(EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, iv.data(), 1) == 1);
    CHECK(EVP_CipherUpdate(context, nullptr, &count, head.data(), 5) == 1);
    CHECK(EVP_CipherUpdate(context, record.data(), &count, record.data(), kRecordBytes) == 1);
    CHECK(EVP_CipherFinal_ex(context, record.data(), &count) == 1);
  }
  std::printf("AES-128-GCM of %s, records of 16 KiB: %.1f GiB/s\n", whose, 1 / (cpu_seconds() - cpu));
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(cipher);
}

}  // namespace

int main(int argc, char** argv) {
  const auto mib = argc > 1 ? std::max(1, std::atoi(argv[1])) : 2048;
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 5;
  encrypt("OpenSSL", "provider=default");
  if (tls::has_vector_aes()) encrypt("libipsec-mb", tls::kVectorAes);
  Link link;
  std::vector<double> seconds;
  const double cpu = cpu_seconds();
  for (int round = 0; round < rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    link.move(static_cast<std::uint64_t>(mib) * limits::kMiB);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(seconds.begin(), seconds.end());
  std::printf("TLS link, both ends in one thread: median %.0f MiB/s of %d rounds, CPU %.2f s/GiB\n",
              mib / seconds[seconds.size() / 2], rounds,
              (cpu_seconds() - cpu) * 1024 / (mib * double(rounds)));
  return 0;
}
