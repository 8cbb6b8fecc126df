// SPDX-License-Identifier: MIT
#include "daemon/trust/keys.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/check.h"
#include "daemon/base/digest.h"

namespace p2p::trust {
namespace {

constexpr std::size_t kSecretFileBytes = 4096;

// What precedes the 32 key bytes in an Ed25519 SubjectPublicKeyInfo (RFC 8410).
constexpr std::array<std::uint8_t, 12> kSpkiPrefix{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                                   0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::shared_ptr<EVP_PKEY> own(EVP_PKEY* key) { return {key, &EVP_PKEY_free}; }

Bytes to_pem(EVP_PKEY* key) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  CHECK(bio && PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* text = nullptr;
  const auto length = BIO_get_mem_data(bio.get(), &text);
  return to_bytes(as_bytes({text, static_cast<std::size_t>(length)}));
}

}  // namespace

Result<std::optional<Bytes>> read_secret_file(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::nullopt;
    return fail(system_error(errno, path));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail(system_error(errno, path));
  if (!S_ISREG(status.st_mode)) return fail(Code::Corrupt, path + " is not a regular file");
  if (status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
    return fail(Code::PermissionDenied, path + " may be read or changed by others",
                fmt::format("make it yours alone: chmod 600 {}", path));
  Bytes content(kSecretFileBytes);
  std::size_t length = 0;
  while (length < content.size()) {
    const auto got = ::read(file.get(), content.data() + length, content.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(system_error(errno, path));
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  content.resize(length);
  return content;
}

Status write_secret_file(const std::string& path, ByteSpan content) {
  const std::string temporary = path + ".new";
  // What a crash left behind may have another mode, and somebody may hold it open.
  if (::unlink(temporary.c_str()) != 0 && errno != ENOENT) return fail(system_error(errno, temporary));
  {
    const FileDescriptor file(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (file.get() < 0) return fail(system_error(errno, temporary));
    std::size_t done = 0;
    while (done < content.size()) {
      const auto put = ::write(file.get(), content.data() + done, content.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return fail(system_error(errno, temporary));
      done += static_cast<std::size_t>(put);
    }
    if (::fsync(file.get()) != 0) return fail(system_error(errno, temporary));
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail(system_error(errno, path));
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) return fail(system_error(errno, folder));
  return {};
}

Fingerprint fingerprint(const PublicKey& key) {
  Bytes spki(kSpkiPrefix.begin(), kSpkiPrefix.end());
  spki.insert(spki.end(), key.bytes.begin(), key.bytes.end());
  return sha256(spki);
}

bool verify(const PublicKey& key, ByteSpan message, const Signature& signature) {
  const auto handle =
      own(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.bytes.data(), key.kSize));
  if (!handle) return false;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  CHECK(context != nullptr);
  if (EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, handle.get()) != 1) return false;
  return EVP_DigestVerify(context.get(), signature.bytes.data(), signature.kSize, message.data(),
                          message.size()) == 1;
}

KeyPair::KeyPair(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {
  std::size_t length = PublicKey::kSize;
  CHECK(EVP_PKEY_get_raw_public_key(key_.get(), public_key_.bytes.data(), &length) == 1);
  CHECK(length == PublicKey::kSize);
}

KeyPair KeyPair::generate() {
  auto key = own(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  CHECK(key != nullptr);
  return KeyPair(std::move(key));
}

Result<KeyPair> KeyPair::load_or_make(const std::string& path) {
  auto content = read_secret_file(path);
  if (!content) return fail(content.error().in("cannot read the key"));
  if (!*content) {
    auto made = generate();
    const auto pem = to_pem(made.key_.get());
    if (auto status = write_secret_file(path, pem); !status)
      return fail(status.error().in("cannot write the key"));
    return made;
  }
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf((*content)->data(), static_cast<int>((*content)->size())), &BIO_free);
  CHECK(bio != nullptr);
  auto key = own(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519)
    return fail(Code::Corrupt, path + " holds no Ed25519 private key",
                "restore it from a backup, or remove it to get a new identity");
  return KeyPair(std::move(key));
}

Signature KeyPair::sign(ByteSpan message) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  CHECK(context != nullptr);
  CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1);
  Signature signature;
  std::size_t length = Signature::kSize;
  CHECK(EVP_DigestSign(context.get(), signature.bytes.data(), &length, message.data(), message.size()) == 1);
  CHECK(length == Signature::kSize);
  return signature;
}

void fill_random(std::span<std::uint8_t> out) {
  CHECK(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1);
}

Sha256 hmac_sha256(ByteSpan key, ByteSpan message) {
  Sha256 result;
  unsigned length = Sha256::kSize;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
             result.bytes.data(), &length) != nullptr);
  return result;
}

bool equal_in_constant_time(ByteSpan a, ByteSpan b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<Bytes> load_or_make_secret(const std::string& path, std::size_t size) {
  auto content = read_secret_file(path);
  if (!content) return fail(content.error().in("cannot read the secret"));
  if (*content) {
    if ((*content)->size() != size)
      return fail(Code::Corrupt, fmt::format("{} does not hold {} bytes", path, size),
                  "restore it from a backup");
    return std::move(**content);
  }
  Bytes secret(size);
  fill_random(secret);
  if (auto status = write_secret_file(path, secret); !status)
    return fail(status.error().in("cannot write the secret"));
  return secret;
}

}  // namespace p2p::trust
