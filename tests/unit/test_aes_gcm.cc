// SPDX-License-Identifier: MIT
// AES-128-GCM of our provider against OpenSSL's own, by the interface that libssl uses.
#include "daemon/tls/aes_gcm.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <optional>
#include <string>

#include "daemon/base/bytes.h"
#include "daemon/base/random.h"
#include "tests/support/check.h"

using namespace p2p;

namespace {

constexpr int kTagBytes = 16;
constexpr const char* kReference = "provider=default";

struct Free {
  void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// One direction of one connection, as libssl has it.
class Direction {
 public:
  Direction(const char* properties, bool encrypts, const Bytes& key) : encrypts_(encrypts) {
    cipher_.reset(EVP_CIPHER_fetch(nullptr, "id-aes128-GCM", properties));
    EXPECT(cipher_ != nullptr);
    EXPECT_EQ(EVP_CipherInit_ex(context_.get(), cipher_.get(), nullptr, nullptr, nullptr, encrypts), 1);
    EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_IVLEN, 12, nullptr), 1);
    EXPECT_EQ(EVP_CipherInit_ex(context_.get(), nullptr, nullptr, key.data(), nullptr, -1), 1);
  }

  EVP_CIPHER_CTX* raw() { return context_.get(); }
  const EVP_CIPHER* cipher() const { return cipher_.get(); }

  // In place, in parts of `part` bytes; the tag is behind the text. Nothing: refused.
  std::optional<Bytes> turn(const Bytes& iv, const Bytes& head, Bytes text, std::size_t part) {
    Bytes tag;
    if (!encrypts_) {
      tag.assign(text.end() - kTagBytes, text.end());
      text.resize(text.size() - kTagBytes);
    }
    EXPECT_EQ(EVP_CipherInit_ex(raw(), nullptr, nullptr, nullptr, iv.data(), encrypts_), 1);
    if (!encrypts_) EXPECT_EQ(EVP_CIPHER_CTX_ctrl(raw(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()), 1);
    int count = 0;
    if (!head.empty())
      EXPECT_EQ(EVP_CipherUpdate(raw(), nullptr, &count, head.data(), static_cast<int>(head.size())), 1);
    for (std::size_t at = 0; at < text.size(); at += part) {
      const auto length = static_cast<int>(std::min(part, text.size() - at));
      EXPECT_EQ(EVP_CipherUpdate(raw(), text.data() + at, &count, text.data() + at, length), 1);
      EXPECT_EQ(count, length);
    }
    std::uint8_t nothing = 0;
    if (EVP_CipherFinal_ex(raw(), &nothing, &count) != 1) return std::nullopt;
    EXPECT_EQ(count, 0);
    if (!encrypts_) return text;
    tag.resize(kTagBytes);
    EXPECT_EQ(EVP_CIPHER_CTX_ctrl(raw(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()), 1);
    text.insert(text.end(), tag.begin(), tag.end());
    return text;
  }

 private:
  bool encrypts_;
  std::unique_ptr<EVP_CIPHER, Free> cipher_;
  std::unique_ptr<EVP_CIPHER_CTX, Free> context_{EVP_CIPHER_CTX_new()};
};

Bytes random_bytes(Random& random, std::size_t count) {
  Bytes bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
  return bytes;
}

// False where this processor has none, which is said.
bool have_vectors() {
  if (tls::has_vector_aes()) return true;
  std::puts("not looked at: this processor has no AVX-512 with VAES");
  return false;
}

TEST(properties_name_what_the_processor_has) {
  const std::string properties = tls::cipher_properties();
  const std::unique_ptr<EVP_CIPHER, Free> cipher(
      EVP_CIPHER_fetch(nullptr, "id-aes128-GCM", properties.c_str()));
  EXPECT(cipher != nullptr);
  const std::string provider = OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(cipher.get()));
  EXPECT_EQ(provider, properties.empty() ? "default" : "p2p-aes");
  // What is not AES-128-GCM still comes from OpenSSL.
  const std::unique_ptr<EVP_CIPHER, Free> other(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", properties.c_str()));
  EXPECT(other != nullptr);
}

TEST(both_encrypt_alike_and_read_each_other) {
  if (!have_vectors()) return;
  Random random(1);
  for (int round = 0; round < 300; ++round) {
    const auto key = random_bytes(random, 16);
    Direction ours(tls::kVectorAes, true, key), theirs(kReference, true, key);
    Direction our_reader(tls::kVectorAes, false, key), their_reader(kReference, false, key);
    for (int record = 0; record < 3; ++record) {
      const auto iv = random_bytes(random, 12);
      const auto head = random_bytes(random, random.below(65));
      const std::size_t sizes[] = {random.below(300), random.below(16'640), 16'385};
      const auto text = random_bytes(random, sizes[record]);
      const auto part = 1 + random.below(20'000);
      const auto sent = ours.turn(iv, head, text, part);
      EXPECT(sent && sent == theirs.turn(iv, head, text, 20'000));
      EXPECT(our_reader.turn(iv, head, *sent, part) == text);
      EXPECT(their_reader.turn(iv, head, *sent, 20'000) == text);
    }
  }
}

TEST(one_wrong_bit_is_refused_and_the_next_record_is_read) {
  if (!have_vectors()) return;
  Random random(2);
  const auto key = random_bytes(random, 16);
  Direction writer(tls::kVectorAes, true, key), reader(tls::kVectorAes, false, key);
  for (int round = 0; round < 500; ++round) {
    const auto iv = random_bytes(random, 12);
    const auto head = random_bytes(random, 5);
    const auto text = random_bytes(random, random.below(2'000));
    const auto good = *writer.turn(iv, head, text, 20'000);
    auto bad = good;
    bad[random.below(bad.size())] ^= static_cast<std::uint8_t>(1u << random.below(8));
    EXPECT(!reader.turn(iv, head, bad, 20'000));
    auto other_head = head;
    other_head[random.below(5)] ^= 1;
    EXPECT(!reader.turn(iv, other_head, good, 20'000));
    auto other_iv = iv;
    other_iv[random.below(12)] ^= 1;
    EXPECT(!reader.turn(other_iv, head, good, 20'000));
    EXPECT(reader.turn(iv, head, good, 20'000) == text);
  }
}

TEST(what_does_not_fit_is_refused) {
  if (!have_vectors()) return;
  Random random(3);
  const auto key = random_bytes(random, 16);
  const auto iv = random_bytes(random, 12);
  std::uint8_t bytes[80] = {};
  int count = 0;
  Direction writer(tls::kVectorAes, true, key);
  EXPECT(EVP_CIPHER_CTX_ctrl(writer.raw(), EVP_CTRL_AEAD_SET_IVLEN, 16, nullptr) != 1);
  // An IV serves once, and text needs one.
  EXPECT(EVP_CipherUpdate(writer.raw(), bytes, &count, bytes, 16) != 1);
  EXPECT(writer.turn(iv, {}, Bytes(10), 20'000));
  EXPECT(EVP_CipherUpdate(writer.raw(), bytes, &count, bytes, 16) != 1);
  EXPECT(EVP_CipherFinal_ex(writer.raw(), bytes, &count) != 1);
  // Additional data: not too long, and before the text.
  EXPECT_EQ(EVP_CipherInit_ex(writer.raw(), nullptr, nullptr, nullptr, iv.data(), 1), 1);
  EXPECT(EVP_CipherUpdate(writer.raw(), nullptr, &count, bytes, 65) != 1);
  EXPECT_EQ(EVP_CipherUpdate(writer.raw(), nullptr, &count, bytes, 64), 1);
  EXPECT(EVP_CipherUpdate(writer.raw(), nullptr, &count, bytes, 1) != 1);
  EXPECT_EQ(EVP_CipherUpdate(writer.raw(), bytes, &count, bytes, 16), 1);
  EXPECT(EVP_CipherUpdate(writer.raw(), nullptr, &count, bytes, 1) != 1);
  // Nothing is decrypted that no tag vouches for.
  Direction reader(tls::kVectorAes, false, key);
  EXPECT_EQ(EVP_CipherInit_ex(reader.raw(), nullptr, nullptr, nullptr, iv.data(), 0), 1);
  EXPECT_EQ(EVP_CipherUpdate(reader.raw(), bytes, &count, bytes, 16), 1);
  EXPECT(EVP_CipherFinal_ex(reader.raw(), bytes, &count) != 1);
  EXPECT(EVP_CIPHER_CTX_ctrl(reader.raw(), EVP_CTRL_AEAD_SET_TAG, 12, bytes) != 1);
  EXPECT(EVP_CIPHER_CTX_ctrl(reader.raw(), EVP_CTRL_AEAD_GET_TAG, 16, bytes) != 1);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(properties_name_what_the_processor_has),
      cmocka_unit_test(both_encrypt_alike_and_read_each_other),
      cmocka_unit_test(one_wrong_bit_is_refused_and_the_next_record_is_read),
      cmocka_unit_test(what_does_not_fit_is_refused),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
