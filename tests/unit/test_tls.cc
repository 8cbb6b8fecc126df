// SPDX-License-Identifier: MIT
#include <algorithm>
#include <memory>
#include <openssl/ssl.h>

#include "daemon/base/random.h"
#include "daemon/tls/channel.h"
#include "tests/support/check.h"
#include "tests/support/limit.h"

using namespace p2p;
using tls::Channel;
using tls::Side;
using trust::KeyPair;

namespace {

// One side with everything that it has read and the error that ended it.
struct End {
  KeyPair key = KeyPair::generate();
  tls::Context context;
  Channel channel;
  Bytes received;
  std::optional<Error> error;

  End(Side side, std::string_view protocol, std::uint64_t records_per_key = limits::kTlsRecordsPerKey)
      : context(key, protocol), channel(context, side, records_per_key) {}

  // Takes ciphertext as it would come from a socket, in steps of at most `step` bytes.
  void take(ByteSpan ciphertext, std::size_t step, std::size_t slab) {
    Bytes out(slab);
    while (!ciphertext.empty() && !error) {
      const auto part = ciphertext.first(std::min(step, ciphertext.size()));
      ciphertext = ciphertext.subspan(part.size());
      channel.feed(part);
      while (true) {
        const auto got = channel.read(out);
        if (!got) error = got.error();
        if (!got || *got == 0) break;
        received.insert(received.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*got));
      }
    }
  }
  Bytes taken_out() {
    Bytes out = std::move(channel.outgoing());
    channel.outgoing() = Bytes();
    return out;
  }
};

struct Pair {
  End client;
  End server;

  explicit Pair(std::string_view client_protocol = tls::kPeerProtocol,
                std::string_view server_protocol = tls::kPeerProtocol,
                std::uint64_t records_per_key = limits::kTlsRecordsPerKey)
      : client(Side::Client, client_protocol, records_per_key),
        server(Side::Server, server_protocol, records_per_key) {}

  // Carries ciphertext to and fro until both are silent.
  void exchange(std::size_t step = SIZE_MAX, std::size_t slab = 4096) {
    while (true) {
      const auto up = client.taken_out();
      server.take(up, step, slab);
      const auto down = server.taken_out();
      client.take(down, step, slab);
      if (up.empty() && down.empty()) return;
    }
  }
  void shake_hands(std::size_t step = SIZE_MAX) {
    EXPECT_OK(client.channel.start());
    exchange(step);
    EXPECT(client.channel.is_open() && server.channel.is_open());
    EXPECT(!client.error && !server.error);
  }
};

// A client of OpenSSL's own, set up by the test.
struct RawClient {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, &SSL_free};
  BIO* incoming = BIO_new(BIO_s_mem());
  BIO* outgoing = BIO_new(BIO_s_mem());

  void use(EVP_PKEY* key, const EVP_MD* digest) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key);
    EXPECT(X509_sign(certificate.get(), key, digest) > 0);
    EXPECT_EQ(SSL_CTX_use_certificate(context.get(), certificate.get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), key), 1);
  }
  void start() {
    const unsigned char offer[] = "\x0ap2p-peer/1";
    SSL_CTX_set_alpn_protos(context.get(), offer, sizeof offer - 1);
    ssl.reset(SSL_new(context.get()));
    SSL_set_bio(ssl.get(), incoming, outgoing);
    SSL_set_connect_state(ssl.get());
    SSL_do_handshake(ssl.get());
  }
  Bytes taken_out() {
    Bytes out(BIO_ctrl_pending(outgoing));
    if (!out.empty()) BIO_read(outgoing, out.data(), static_cast<int>(out.size()));
    return out;
  }
  void exchange(End& server) {
    while (true) {
      const auto up = taken_out();
      server.take(up, SIZE_MAX, 4096);
      const auto down = server.taken_out();
      if (!down.empty()) BIO_write(incoming, down.data(), static_cast<int>(down.size()));
      SSL_do_handshake(ssl.get());
      if (up.empty() && down.empty()) return;
    }
  }
};

TEST(two_channels_shake_hands_and_know_each_others_keys) {
  Pair pair;
  pair.shake_hands();
  EXPECT_EQ(pair.client.channel.peer_key(), pair.server.key.public_key());
  EXPECT_EQ(pair.server.channel.peer_key(), pair.client.key.public_key());
}

TEST(handshake_may_come_byte_by_byte) {
  Pair pair;
  pair.shake_hands(1);
  EXPECT_EQ(pair.server.channel.peer_key(), pair.client.key.public_key());
}

TEST(nothing_can_be_written_before_the_handshake) {
  Pair pair;
  EXPECT_EQ(pair.client.channel.write(Bytes{1}).error().code, Code::Closed);
  EXPECT_OK(pair.client.channel.start());
  EXPECT(!pair.client.channel.is_open());
  EXPECT(!pair.client.channel.write(Bytes{1}));
  EXPECT(!pair.server.channel.write(Bytes{1}));
}

TEST(bytes_arrive_in_order_in_both_directions_in_odd_sizes) {
  Pair pair;
  pair.shake_hands();
  Random random(1);
  Bytes up;
  Bytes down;
  for (const std::size_t size : {1u, 0u, 16383u, 16384u, 16385u, 7u, 100'003u, 300'000u, 2u}) {
    Bytes sent(size);
    for (auto& byte : sent) byte = static_cast<std::uint8_t>(random.next());
    EXPECT_OK(pair.client.channel.write(sent));
    up.insert(up.end(), sent.begin(), sent.end());
    std::reverse(sent.begin(), sent.end());
    EXPECT_OK(pair.server.channel.write(sent));
    down.insert(down.end(), sent.begin(), sent.end());
    pair.exchange(1 + random.below(5000), 1 + random.below(20'000));
  }
  EXPECT(pair.server.received == up);
  EXPECT(pair.client.received == down);
  EXPECT(!pair.client.error && !pair.server.error);
}

// The size of what leaves shows it: a KeyUpdate is a record of five bytes, with 22 around them.
TEST(keys_are_renewed_and_no_byte_is_lost) {
  Pair rarely;
  Pair often(tls::kPeerProtocol, tls::kPeerProtocol, 3);
  rarely.shake_hands();
  often.shake_hands();
  Bytes up;
  Random random(2);
  // One record each way; by how many bytes more leave where keys are renewed often.
  const auto exchange = [&] {
    Bytes sent(1000);
    for (auto& byte : sent) byte = static_cast<std::uint8_t>(random.next());
    up.insert(up.end(), sent.begin(), sent.end());
    for (auto* pair : {&rarely, &often}) {
      EXPECT_OK(pair->client.channel.write(sent));
      EXPECT_OK(pair->server.channel.write(sent));
    }
    const auto more = often.client.channel.outgoing().size() - rarely.client.channel.outgoing().size();
    for (auto* pair : {&rarely, &often}) pair->exchange();
    return more;
  };
  EXPECT_EQ(exchange(), 0u);
  EXPECT_EQ(exchange(), 0u);
  LIMIT_AT(limits::kTlsRecordsPerKey);
  EXPECT_EQ(exchange(), 0u);
  LIMIT_ABOVE(limits::kTlsRecordsPerKey);
  EXPECT_EQ(exchange(), 27u);
  EXPECT_EQ(exchange(), 0u);
  EXPECT_EQ(exchange(), 0u);
  EXPECT_EQ(exchange(), 27u);
  EXPECT(often.server.received == up && often.client.received == up);
  EXPECT(!often.client.error && !often.server.error);
}

TEST(other_protocol_is_refused_on_both_sides) {
  Pair pair(tls::kPeerProtocol, tls::kTrackerProtocol);
  EXPECT_OK(pair.client.channel.start());
  pair.exchange();
  EXPECT(pair.server.error && pair.client.error);
  EXPECT(!pair.server.channel.is_open() && !pair.client.channel.is_open());
}

TEST(close_notify_ends_in_order_after_all_bytes) {
  Pair pair;
  pair.shake_hands();
  EXPECT_OK(pair.client.channel.write(Bytes(20'000, 5)));
  pair.client.channel.end();

  pair.exchange();

  EXPECT_EQ(pair.server.received.size(), 20'000u);
  EXPECT(pair.server.error.has_value());
  EXPECT_EQ(pair.server.error->code, Code::Closed);
  Bytes out(10);
  EXPECT(!pair.server.channel.read(out));
  EXPECT(!pair.server.channel.write(Bytes{1}));
}

TEST(server_sends_no_session_ticket) {
  Pair pair;
  EXPECT_OK(pair.client.channel.start());
  pair.server.take(pair.client.taken_out(), SIZE_MAX, 4096);
  pair.client.take(pair.server.taken_out(), SIZE_MAX, 4096);
  pair.server.take(pair.client.taken_out(), SIZE_MAX, 4096);
  EXPECT(pair.server.channel.is_open());
  EXPECT(pair.server.channel.outgoing().empty());
}

TEST(garbage_fails_for_good) {
  for (const auto side : {Side::Client, Side::Server}) {
    End end(side, tls::kPeerProtocol);
    if (side == Side::Client) EXPECT_OK(end.channel.start());
    end.take(as_bytes("GET / HTTP/1.1\r\nHost: example\r\n\r\n"), SIZE_MAX, 4096);
    EXPECT(end.error && end.error->code == Code::Io);
    Bytes out(10);
    EXPECT(!end.channel.read(out));
    EXPECT(!end.channel.is_open());
  }
}

TEST(changed_ciphertext_fails) {
  Pair pair;
  pair.shake_hands();
  EXPECT_OK(pair.client.channel.write(Bytes(1000, 5)));
  auto ciphertext = pair.client.taken_out();
  ciphertext[500] ^= 1;
  pair.server.take(ciphertext, SIZE_MAX, 4096);
  EXPECT(pair.server.error && pair.server.error->code == Code::Io);
  EXPECT(pair.server.received.empty());
}

TEST(client_of_tls_1_2_is_refused) {
  End server(Side::Server, tls::kPeerProtocol);
  RawClient client;
  SSL_CTX_set_max_proto_version(client.context.get(), TLS1_2_VERSION);
  client.start();
  const auto hello = client.taken_out();
  EXPECT(!hello.empty());
  server.take(hello, SIZE_MAX, 4096);
  EXPECT(server.error && server.error->code == Code::Io);
  EXPECT(!server.channel.is_open());
}

TEST(client_without_certificate_is_refused) {
  End server(Side::Server, tls::kPeerProtocol);
  RawClient client;
  client.start();
  client.exchange(server);
  EXPECT(server.error && server.error->code == Code::Io);
  EXPECT(!server.channel.is_open());
}

TEST(client_with_another_sort_of_key_is_refused) {
  End server(Side::Server, tls::kPeerProtocol);
  RawClient client;
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), &EVP_PKEY_free);
  client.use(key.get(), EVP_sha256());
  client.start();
  client.exchange(server);
  EXPECT(server.error.has_value());
  EXPECT(!server.channel.is_open());
}

// Each asks for an answer, and nobody has to read those: they would be memory of ours.
TEST(client_that_floods_with_key_updates_is_left) {
  End server(Side::Server, tls::kPeerProtocol);
  RawClient client;
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free);
  client.use(key.get(), nullptr);
  client.start();
  client.exchange(server);
  EXPECT(server.channel.is_open());
  const auto update = [&] {
    EXPECT_EQ(SSL_key_update(client.ssl.get(), SSL_KEY_UPDATE_REQUESTED), 1);
    EXPECT_EQ(SSL_do_handshake(client.ssl.get()), 1);
    server.take(client.taken_out(), SIZE_MAX, 4096);
  };
  for (std::uint32_t i = 0; i < limits::kTlsKeyUpdates; ++i) update();
  LIMIT_AT(limits::kTlsKeyUpdates);
  EXPECT(!server.error);
  update();
  LIMIT_ABOVE(limits::kTlsKeyUpdates);
  EXPECT(server.error && server.error->code == Code::Io);
  EXPECT(server.channel.outgoing().size() < 32 * 1024);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(two_channels_shake_hands_and_know_each_others_keys),
      cmocka_unit_test(handshake_may_come_byte_by_byte),
      cmocka_unit_test(nothing_can_be_written_before_the_handshake),
      cmocka_unit_test(bytes_arrive_in_order_in_both_directions_in_odd_sizes),
      cmocka_unit_test(keys_are_renewed_and_no_byte_is_lost),
      cmocka_unit_test(other_protocol_is_refused_on_both_sides),
      cmocka_unit_test(close_notify_ends_in_order_after_all_bytes),
      cmocka_unit_test(server_sends_no_session_ticket),
      cmocka_unit_test(garbage_fails_for_good),
      cmocka_unit_test(changed_ciphertext_fails),
      cmocka_unit_test(client_of_tls_1_2_is_refused),
      cmocka_unit_test(client_without_certificate_is_refused),
      cmocka_unit_test(client_with_another_sort_of_key_is_refused),
      cmocka_unit_test(client_that_floods_with_key_updates_is_left),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
