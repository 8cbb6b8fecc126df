// SPDX-License-Identifier: MIT
// SHA-1 and SHA-256, in one go or as a stream. Safe on any thread; a stream belongs to one at a time.
#pragma once

#include <memory>

#include "daemon/base/ids.h"

struct evp_md_ctx_st;

namespace p2p {

Sha1 sha1(ByteSpan bytes);
Sha256 sha256(ByteSpan bytes);

// Internal to the two streams below: one OpenSSL digest context.
class DigestStream {
 public:
  enum class Algorithm : std::uint8_t { OneHundredSixty, TwoHundredFiftySix };
  explicit DigestStream(Algorithm algorithm);
  void update(ByteSpan bytes);
  void finish(std::uint8_t* out);  // and start again

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  Algorithm algorithm_;
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

class Sha1Stream {
 public:
  void update(ByteSpan bytes) { stream_.update(bytes); }
  Sha1 finish();

 private:
  DigestStream stream_{DigestStream::Algorithm::OneHundredSixty};
};

class Sha256Stream {
 public:
  void update(ByteSpan bytes) { stream_.update(bytes); }
  Sha256 finish();

 private:
  DigestStream stream_{DigestStream::Algorithm::TwoHundredFiftySix};
};

}  // namespace p2p
