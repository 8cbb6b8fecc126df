// SPDX-License-Identifier: MIT
// Passwords: taken from the terminal, a file or standard input, turned into a proof, and wiped.
//
// The password never leaves this process, not even for the daemon: what is sent is the result of scrypt.
// The parameters come from the tracker and are bounded here, from below so that a hostile tracker cannot
// ask for a proof that is cheap to guess from, from above so that it cannot exhaust the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/bytes.h"
#include "daemon/base/result.h"

namespace p2p::ctl {

inline constexpr std::size_t kPasswordBytesMin = 8;  // of a new one
inline constexpr std::size_t kPasswordBytesMax = 1000;
inline constexpr std::size_t kProofBytes = 32;

// Bytes that are overwritten before their memory is given back. Moves, never copies.
class Secret {
 public:
  Secret() = default;
  explicit Secret(ByteSpan bytes) : bytes_(to_bytes(bytes)) {}
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) {}
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  static Secret of_size(std::size_t size);
  ByteSpan view() const { return bytes_; }
  std::uint8_t* data() { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }

 private:
  void wipe();
  Bytes bytes_;
};

struct PasswordSource {
  bool from_stdin = false;
  std::string file;      // absolute; empty: none
  bool is_new = false;   // for a new account: asked twice, with a minimum length
  bool can_ask = false;  // there is a terminal and asking is allowed
};

// The password for `user`; from standard input its next line. Without a source and without anybody to ask
// this is a usage error.
Result<Secret> read_password(const PasswordSource& source, std::string_view user);

struct ScryptParameters {
  std::uint32_t version = 0;
  std::uint32_t log_n = 0;
  std::uint32_t r = 0;
  std::uint32_t p = 0;
  std::string salt;
};

inline constexpr std::size_t kSaltBytes = 16;  // of a new salt

// Random bytes for a new salt.
Result<std::string> new_salt();

// A password of 100 random bits, in a form that can be read out and typed: no letter looks like another.
Result<Secret> generate_password();

// `bytes`, at least 20 of them, as four groups of five letters and digits, five bits each.
Secret password_of(ByteSpan bytes);

Status check_parameters(const ScryptParameters& parameters);

// Takes a third of a second and 128 MiB with the usual parameters.
Result<Secret> derive_proof(const Secret& password, const ScryptParameters& parameters);

}  // namespace p2p::ctl
