// SPDX-License-Identifier: MIT
// Proofs of passwords. The client derives a proof with scrypt; the tracker keeps a version byte and
// HMAC-SHA-256(pepper, user id ‖ proof) of it, so that neither a stolen database nor a stolen pepper alone
// allows to try passwords, and the password itself is never seen.
//
// A user that does not exist gets a salt made from its name in the same way as one that does, and the
// comparison does the same work, so that neither answers nor times tell who exists.
#pragma once

#include "daemon/tracker/model.h"
#include "daemon/trust/keys.h"

namespace p2p::tracker {

class Passwords {
 public:
  static constexpr std::size_t kProofBytes = 32;
  static constexpr std::size_t kSaltBytes = 16;
  static constexpr std::uint32_t kVersion = 1;
  static constexpr std::uint32_t kBlockSize = 8;        // scrypt's r
  static constexpr std::uint32_t kParallelization = 1;  // scrypt's p

  Passwords(Bytes pepper, Bytes salt_secret, std::uint32_t log_n)
      : pepper_(std::move(pepper)), salt_secret_(std::move(salt_secret)), log_n_(log_n) {}

  Bytes salt_for(std::string_view name) const;
  std::uint32_t log_n() const { return log_n_; }
  Bytes record(const UserId& user, ByteSpan proof) const;
  // `account` may be null: false, after the same work.
  bool fits(const Account* account, ByteSpan proof) const;

 private:
  Bytes pepper_;
  Bytes salt_secret_;
  std::uint32_t log_n_;
};

}  // namespace p2p::tracker
