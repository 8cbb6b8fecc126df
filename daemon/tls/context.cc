// SPDX-License-Identifier: MIT
#include "daemon/tls/context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "daemon/base/check.h"
#include "daemon/tls/aes_gcm.h"

namespace p2p::tls {
namespace {

constexpr long kCertificateBytes = 8 * 1024;

// ALPN protocol lists are length-prefixed; ours has one entry.
int protocol_index() {
  static const int kIndex = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr,
      [](void*, void* text, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<std::string*>(text); });
  return kIndex;
}

// The certificate says nothing but the key: empty names, fixed serial number and dates.
X509* make_certificate(EVP_PKEY* key) {
  X509* certificate = X509_new();
  CHECK(certificate != nullptr);
  CHECK(X509_set_version(certificate, X509_VERSION_3) == 1);
  CHECK(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1);
  CHECK(ASN1_TIME_set_string(X509_getm_notBefore(certificate), "19700101000000Z") == 1);
  CHECK(ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z") == 1);
  CHECK(X509_set_pubkey(certificate, key) == 1);
  CHECK(X509_sign(certificate, key, nullptr) > 0);
  return certificate;
}

// Accepts exactly one self-made Ed25519 certificate. That the other side holds its private key is proved
// by TLS itself; whether the key is welcome is the caller's decision.
int verify_form(X509_STORE_CTX* store, void*) {
  X509* certificate = X509_STORE_CTX_get0_cert(store);
  const auto* chain = X509_STORE_CTX_get0_untrusted(store);
  const EVP_PKEY* key = certificate != nullptr ? X509_get0_pubkey(certificate) : nullptr;
  const bool welcome = key != nullptr && EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 &&
                       (chain == nullptr || sk_X509_num(chain) <= 1);
  X509_STORE_CTX_set_error(store, welcome ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
  return welcome ? 1 : 0;
}

int select_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_length,
                    const unsigned char* offered, unsigned offered_length, void*) {
  const auto& wanted =
      *static_cast<const std::string*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), protocol_index()));
  for (unsigned at = 0; at < offered_length; at += 1u + offered[at]) {
    const unsigned length = offered[at];
    if (at + 1 + length > offered_length) break;
    if (wanted == std::string_view(reinterpret_cast<const char*>(offered + at + 1), length)) {
      *out = offered + at + 1;
      *out_length = static_cast<unsigned char>(length);
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

void Context::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Context::Context(const trust::KeyPair& identity, std::string_view protocol)
    : context_(SSL_CTX_new_ex(nullptr, cipher_properties(), TLS_method())) {
  SSL_CTX* context = context_.get();
  CHECK(context != nullptr);
  CHECK(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1);
  CHECK(SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1);
  CHECK(SSL_CTX_set_ciphersuites(
            context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1);
  CHECK(SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1);
  CHECK(SSL_CTX_set1_sigalgs_list(context, "ed25519") == 1);

  // A ticket would let a removed member resume past its grant.
  CHECK(SSL_CTX_set_num_tickets(context, 0) == 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  CHECK(SSL_CTX_set_max_early_data(context, 0) == 1);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_max_cert_list(context, kCertificateBytes);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

  X509* certificate = make_certificate(identity.handle());
  CHECK(SSL_CTX_use_certificate(context, certificate) == 1);
  X509_free(certificate);
  CHECK(SSL_CTX_use_PrivateKey(context, identity.handle()) == 1);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, verify_form, nullptr);

  auto* wanted = new std::string(protocol);  // freed with the context
  CHECK(SSL_CTX_set_ex_data(context, protocol_index(), wanted) == 1);
  SSL_CTX_set_alpn_select_cb(context, select_protocol, nullptr);
  std::string offer(1, static_cast<char>(protocol.size()));
  offer += protocol;
  CHECK(SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(offer.data()),
                                static_cast<unsigned>(offer.size())) == 0);
}

}  // namespace p2p::tls
