// SPDX-License-Identifier: MIT
// Ed25519 keys (RFC 8032), their fingerprints, and secrets from the system's generator.
//
// A fingerprint is the SHA-256 of the SubjectPublicKeyInfo; it is the identity of a device or tracker.
// Private keys live in PEM files of mode 0600 that are made once and never leave the machine.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "daemon/base/ids.h"
#include "daemon/base/result.h"

struct evp_pkey_st;

namespace p2p::trust {

using PublicKey = Id<struct PublicKeyTag, 32>;  // raw Ed25519
using Signature = Id<struct SignatureTag, 64>;
using Fingerprint = Sha256;

Fingerprint fingerprint(const PublicKey& key);
bool verify(const PublicKey& key, ByteSpan message, const Signature& signature);

class KeyPair {
 public:
  static KeyPair generate();
  // Reads the key, or makes it (written, synced, then renamed into place) when there is none. A file
  // that others may read, or that is no Ed25519 key, is refused.
  static Result<KeyPair> load_or_make(const std::string& path);

  const PublicKey& public_key() const { return public_key_; }
  Signature sign(ByteSpan message) const;
  evp_pkey_st* handle() const { return key_.get(); }  // for tls/context; stays ours

 private:
  explicit KeyPair(std::shared_ptr<evp_pkey_st> key);
  std::shared_ptr<evp_pkey_st> key_;  // immutable
  PublicKey public_key_;
};

// Unpredictable bytes: ids, salts, tokens.
void fill_random(std::span<std::uint8_t> out);
template <class T>
T random_id() {
  T id;
  fill_random(id.bytes);
  return id;
}

Sha256 hmac_sha256(ByteSpan key, ByteSpan message);
bool equal_in_constant_time(ByteSpan a, ByteSpan b);

// The content of a small file that only its owner may read; nothing when there is no such file.
Result<std::optional<Bytes>> read_secret_file(const std::string& path);
// Durable before it has its name, so that a key that was used once is never lost or half written.
Status write_secret_file(const std::string& path, ByteSpan content);

// Reads a secret of `size` bytes from a file of mode 0600, or makes it.
Result<Bytes> load_or_make_secret(const std::string& path, std::size_t size);

}  // namespace p2p::trust
