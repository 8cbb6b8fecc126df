// SPDX-License-Identifier: MIT
// Who we are on a TLS connection, and the one TLS configuration we speak.
//
// TLS 1.3 only; AES-GCM and ChaCha20; both sides show a self-signed certificate that carries nothing but
// an Ed25519 key; no names, no authority, no tickets, no session cache, no early data, one ALPN protocol
// per context. A certificate of any other form is refused; its dates mean nothing. Which keys are welcome
// is decided by the caller, after the handshake, by fingerprint.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "daemon/trust/keys.h"

struct ssl_ctx_st;

namespace p2p::tls {

inline constexpr std::string_view kTrackerProtocol = "p2p-tracker/1";
inline constexpr std::string_view kPeerProtocol = "p2p-peer/1";

class Context {
 public:
  // The key pair may be dropped afterwards. `protocol` is the ALPN protocol offered and demanded.
  Context(const trust::KeyPair& identity, std::string_view protocol);

  ssl_ctx_st* raw() const { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

}  // namespace p2p::tls
