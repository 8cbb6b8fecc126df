// SPDX-License-Identifier: MIT
#include "daemon/tls/channel.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "daemon/base/check.h"

namespace p2p::tls {
namespace {

constexpr std::size_t kRecordBytes = 16 * 1024;  // the most plaintext of a TLS record
constexpr std::size_t kRecordExtra = 64;         // what one is longer, rounded up

}  // namespace

// OpenSSL's view of the connection: reads take from the ciphertext that was lent, writes append to what
// goes out. Two copies fewer than memory BIOs, which would own both directions.
struct Channel::Bio {
  static Channel* channel(BIO* bio) { return static_cast<Channel*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* out, int length) {
    BIO_clear_retry_flags(bio);
    auto& incoming = channel(bio)->incoming_;
    if (incoming.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const auto count = std::min(incoming.size(), static_cast<std::size_t>(length));
    std::memcpy(out, incoming.data(), count);
    incoming = incoming.subspan(count);
    return static_cast<int>(count);
  }

  static int write(BIO* bio, const char* bytes, int length) {
    BIO_clear_retry_flags(bio);
    auto& outgoing = channel(bio)->outgoing_;
    const auto* begin =
        reinterpret_cast<const std::uint8_t*>(bytes);  // of one type with the target: one memcpy
    outgoing.insert(outgoing.end(), begin, begin + length);
    return length;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const kMethod = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "p2p channel");
      CHECK(made != nullptr);
      BIO_meth_set_read(made, &Bio::read);
      BIO_meth_set_write(made, &Bio::write);
      BIO_meth_set_ctrl(made, &Bio::control);
      BIO_meth_set_create(made, &Bio::create);
      return made;
    }();
    return kMethod;
  }
};

void Channel::Free::operator()(ssl_st* ssl) const { SSL_free(ssl); }

Channel::Channel(const Context& context, Side side, std::uint64_t records_per_key)
    : ssl_(SSL_new(context.raw())), records_per_key_(records_per_key) {
  CHECK(ssl_ != nullptr);
  BIO* bio = BIO_new(Bio::method());
  CHECK(bio != nullptr);
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_msg_callback(ssl_.get(), &Channel::on_message);
  SSL_set_msg_callback_arg(ssl_.get(), this);
  if (side == Side::Client) SSL_set_connect_state(ssl_.get());
  else SSL_set_accept_state(ssl_.get());
}

Channel::~Channel() = default;

Error Channel::last_error(int result, std::string_view what) {
  failed_ = true;
  const int kind = SSL_get_error(ssl_.get(), result);
  const auto number = ERR_peek_last_error();
  if (kind == SSL_ERROR_ZERO_RETURN) return {Code::Closed, "the other side ended the connection", {}};
  const char* reason = ERR_reason_error_string(number);
  return {Code::Io, fmt::format("{}: {}", what, reason != nullptr ? reason : "protocol error"), {}};
}

Status Channel::start() { return advance_handshake(); }

Status Channel::advance_handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    const int kind = SSL_get_error(ssl_.get(), result);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) return {};
    return fail(last_error(result, "TLS handshake"));
  }
  const unsigned char* protocol = nullptr;
  unsigned protocol_length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &protocol_length);
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  std::size_t length = trust::PublicKey::kSize;
  if (protocol_length == 0 || certificate == nullptr ||
      EVP_PKEY_get_raw_public_key(X509_get0_pubkey(certificate), peer_key_.bytes.data(), &length) != 1 ||
      length != trust::PublicKey::kSize) {
    failed_ = true;
    return fail(Code::Io, "TLS handshake: no agreement on protocol and key");
  }
  open_ = true;
  return {};
}

void Channel::feed(ByteSpan ciphertext) {
  DCHECK(incoming_.empty());
  incoming_ = ciphertext;
}

Result<std::size_t> Channel::read(std::span<std::uint8_t> out) {
  if (failed_) return fail(Code::Closed, "the connection has ended");
  if (!open_) {
    if (auto status = advance_handshake(); !status) return fail(status.error());
    if (!open_) return 0;
  }
  ERR_clear_error();
  std::size_t total = 0;
  while (total < out.size()) {
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), out.data() + total, out.size() - total, &got);
    if (key_updates_heard_ > limits::kTlsKeyUpdates) {
      failed_ = true;
      return fail(Code::Io, "TLS: too many key updates");
    }
    if (result == 1) {
      total += got;
      continue;
    }
    if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) break;
    if (total > 0) break;  // the error comes again with the next call
    return fail(last_error(result, "TLS"));
  }
  return total;
}

void Channel::on_message(int is_ours, int, int type, const void* bytes, std::size_t length, ssl_st*,
                         void* channel) {
  if (is_ours != 0 || type != SSL3_RT_HANDSHAKE || length == 0) return;
  if (*static_cast<const std::uint8_t*>(bytes) == SSL3_MT_KEY_UPDATE)
    ++static_cast<Channel*>(channel)->key_updates_heard_;
}

Status Channel::write(ByteSpan plaintext) {
  if (!open_ || failed_) return fail(Code::Closed, "the connection is not open");
  ERR_clear_error();
  const auto records = plaintext.size() / kRecordBytes + 1;
  if (records_ + records > records_per_key_)
    if (auto status = renew_key(); !status) return status;
  records_ += records;
  // Space for all records at once; what is small grows as vectors do.
  const auto needed = outgoing_.size() + plaintext.size() + plaintext.size() / kRecordBytes * kRecordExtra;
  if (plaintext.size() > kRecordBytes && needed > outgoing_.capacity())
    outgoing_.reserve(needed + kRecordExtra);
  while (!plaintext.empty()) {
    std::size_t done = 0;
    const int result = SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &done);
    if (result != 1) return fail(last_error(result, "TLS"));
    plaintext = plaintext.subspan(done);
  }
  return {};
}

// Of the direction that we write; the message goes before the next bytes.
Status Channel::renew_key() {
  records_ = 0;
  const int result = SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
  if (result != 1) return fail(last_error(result, "TLS"));
  return {};
}

void Channel::end() {
  if (!open_ || failed_) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

}  // namespace p2p::tls
