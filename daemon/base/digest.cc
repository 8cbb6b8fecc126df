// SPDX-License-Identifier: MIT
#include "daemon/base/digest.h"

#include <openssl/evp.h>

#include "daemon/base/check.h"

namespace p2p {
namespace {

// Fetching an algorithm takes a lock in OpenSSL 3; once per process is enough.
const EVP_MD* algorithm_of(DigestStream::Algorithm algorithm) {
  static const EVP_MD* const kSha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm == DigestStream::Algorithm::OneHundredSixty ? kSha1 : kSha256;
}

}  // namespace

void DigestStream::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

DigestStream::DigestStream(Algorithm algorithm) : algorithm_(algorithm), context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr);
  CHECK(EVP_DigestInit_ex2(context_.get(), algorithm_of(algorithm_), nullptr) == 1);
}

void DigestStream::update(ByteSpan bytes) {
  CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

void DigestStream::finish(std::uint8_t* out) {
  CHECK(EVP_DigestFinal_ex(context_.get(), out, nullptr) == 1);
  CHECK(EVP_DigestInit_ex2(context_.get(), algorithm_of(algorithm_), nullptr) == 1);
}

Sha1 Sha1Stream::finish() {
  Sha1 digest;
  stream_.finish(digest.bytes.data());
  return digest;
}

Sha256 Sha256Stream::finish() {
  Sha256 digest;
  stream_.finish(digest.bytes.data());
  return digest;
}

Sha1 sha1(ByteSpan bytes) {
  thread_local Sha1Stream stream;
  stream.update(bytes);
  return stream.finish();
}

Sha256 sha256(ByteSpan bytes) {
  thread_local Sha256Stream stream;
  stream.update(bytes);
  return stream.finish();
}

}  // namespace p2p
