// SPDX-License-Identifier: MIT
#include "ctl/password.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/limits.h"

namespace p2p::ctl {
namespace {

constexpr std::uint32_t kLogNMin = 16;
constexpr std::uint32_t kLogNMax = 20;
constexpr std::size_t kSaltBytesMin = 16;
constexpr std::size_t kSaltBytesMax = 64;
constexpr int kPromptInterrupted = -2;
constexpr std::size_t kGeneratedLetters = 20;

// A place for a password while it is being read, wiped on every way out.
struct Scratch {
  std::array<char, kPasswordBytesMax + 2> bytes{};
  Scratch() = default;
  ~Scratch() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

Result<Secret> first_line(int descriptor, std::string_view where) {
  Scratch scratch;
  std::size_t length = 0;
  // Byte by byte: what follows the line belongs to whoever reads standard input next.
  for (;;) {
    const auto count = ::read(descriptor, &scratch.bytes[length], 1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(system_error(errno, fmt::format("cannot read the password from {}", where)));
    if (count == 0 || scratch.bytes[length] == '\n') break;
    if (++length > kPasswordBytesMax)
      return fail(Code::InvalidArgument,
                  fmt::format("the password is longer than {} bytes", kPasswordBytesMax));
  }
  if (length != 0 && scratch.bytes[length - 1] == '\r') --length;
  return Secret(as_bytes({scratch.bytes.data(), length}));
}

Result<Secret> from_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (file < 0) return fail(system_error(errno, fmt::format("cannot open the password file '{}'", path)));
  struct stat attributes {};
  Result<Secret> line =
      fail(Code::InvalidArgument, fmt::format("the password file '{}' can be read by others", path),
           "make it yours alone: chmod 600");
  if (::fstat(file, &attributes) != 0) line = fail(system_error(errno, "cannot look at the password file"));
  else if ((attributes.st_mode & (S_IRWXG | S_IRWXO)) == 0) line = first_line(file, "the password file");
  ::close(file);
  return line;
}

Result<Secret> from_terminal(const PasswordSource& source, std::string_view user) {
  Scratch scratch;
  const auto prompt =
      source.is_new ? fmt::format("New password for {}: ", user) : fmt::format("Password for {}: ", user);
  const int status = EVP_read_pw_string_min(scratch.bytes.data(), 0, static_cast<int>(kPasswordBytesMax),
                                            prompt.c_str(), source.is_new ? 1 : 0);
  if (status == kPromptInterrupted) return fail(Code::Cancelled, "interrupted");
  if (status != 0)
    return fail(Code::InvalidArgument,
                source.is_new ? "no password was taken: the two must be the same" : "no password was taken");
  const auto end = std::find(scratch.bytes.begin(), scratch.bytes.end(), '\0');
  return Secret(as_bytes({scratch.bytes.data(), static_cast<std::size_t>(end - scratch.bytes.begin())}));
}

}  // namespace

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    bytes_ = std::move(other.bytes_);
  }
  return *this;
}

Secret Secret::of_size(std::size_t size) {
  Secret secret;
  secret.bytes_.resize(size);
  return secret;
}

void Secret::wipe() {
  if (!bytes_.empty()) OPENSSL_cleanse(bytes_.data(), bytes_.size());
  bytes_.clear();
}

Result<Secret> read_password(const PasswordSource& source, std::string_view user) {
  Result<Secret> password = fail(Code::InvalidArgument, "a password is needed and there is nobody to ask",
                                 "pass it with --password-stdin or --password-file FILE");
  if (source.from_stdin) password = first_line(STDIN_FILENO, "standard input");
  else if (!source.file.empty()) password = from_file(source.file);
  else if (source.can_ask) password = from_terminal(source, user);
  if (!password) return password;
  if (password->size() == 0) return fail(Code::InvalidArgument, "the password is empty");
  if (source.is_new && password->size() < kPasswordBytesMin)
    return fail(Code::InvalidArgument,
                fmt::format("the password is shorter than {} characters", kPasswordBytesMin),
                "choose a longer one; several words are easy to remember");
  return password;
}

Result<std::string> new_salt() {
  std::string salt(kSaltBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), static_cast<int>(salt.size())) != 1)
    return fail(Code::Internal, "the system has no random bytes");
  return salt;
}

Result<Secret> generate_password() {
  Secret random = Secret::of_size(kGeneratedLetters);
  if (RAND_priv_bytes(random.data(), static_cast<int>(random.size())) != 1)
    return fail(Code::Internal, "the system has no random bytes");
  return password_of(random.view());
}

Secret password_of(ByteSpan bytes) {
  // 32 of them: every byte gives one with the same probability.
  constexpr std::string_view kLetters = "0123456789abcdefghjkmnpqrstvwxyz";
  constexpr std::size_t kGroup = 5;
  Secret password = Secret::of_size(kGeneratedLetters + kGeneratedLetters / kGroup - 1);
  std::size_t at = 0;
  for (std::size_t i = 0; i < kGeneratedLetters; ++i) {
    if (i != 0 && i % kGroup == 0) password.data()[at++] = '-';
    password.data()[at++] = static_cast<std::uint8_t>(kLetters[bytes[i] % kLetters.size()]);
  }
  return password;
}

Status check_parameters(const ScryptParameters& parameters) {
  if (parameters.version != 1)
    return fail(Code::Unsupported,
                fmt::format("the tracker uses password scheme {}, which this p2pctl does not know",
                            parameters.version),
                "install a newer p2pctl");
  const auto refuse = [](const std::string& what) {
    return fail(Code::Integrity, "the tracker asks for unsafe password parameters: " + what,
                "ask the tracker's operator");
  };
  if (parameters.log_n < kLogNMin || parameters.log_n > kLogNMax)
    return refuse(fmt::format("log_n is {}, not {} to {}", parameters.log_n, kLogNMin, kLogNMax));
  if (parameters.r != 8) return refuse(fmt::format("r is {}, not 8", parameters.r));
  if (parameters.p != 1) return refuse(fmt::format("p is {}, not 1", parameters.p));
  if (parameters.salt.size() < kSaltBytesMin || parameters.salt.size() > kSaltBytesMax)
    return refuse(fmt::format("the salt has {} bytes, not {} to {}", parameters.salt.size(), kSaltBytesMin,
                              kSaltBytesMax));
  return {};
}

Result<Secret> derive_proof(const Secret& password, const ScryptParameters& parameters) {
  if (auto checked = check_parameters(parameters); !checked) return fail(std::move(checked.error()));
  const std::uint64_t n = std::uint64_t{1} << parameters.log_n;
  // OpenSSL's own limit of 32 MiB would refuse; what scrypt takes is 128 * N * r and a little.
  const std::uint64_t memory =
      std::max<std::uint64_t>(160 * limits::kMiB, 128 * n * parameters.r + 32 * limits::kMiB);
  Secret proof = Secret::of_size(kProofBytes);
  const auto salt = as_bytes(parameters.salt);
  if (EVP_PBE_scrypt(as_text(password.view()).data(), password.size(), salt.data(), salt.size(), n,
                     parameters.r, parameters.p, memory, proof.data(), proof.size()) != 1)
    return fail(Code::Limit, "the password cannot be hashed: not enough memory",
                fmt::format("it takes {} MiB", memory / limits::kMiB));
  return proof;
}

}  // namespace p2p::ctl
