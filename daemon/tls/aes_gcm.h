// SPDX-License-Identifier: MIT
// AES-128-GCM of TLS records with the vectors of the processor: libipsec-mb encrypts about three times as
// fast as OpenSSL 3.0 (tests/bench/bench_link.cc prints both). A provider of OpenSSL (provider(7),
// provider-cipher(7)) in this process only; NIST SP 800-38D is what it computes.
//
// States of a cipher context: without key -> keyed -> with IV -> has data -> keyed again, once final() gave
// the tag or compared it. An IV serves one message. Additional data comes before data, 64 bytes at most,
// which is more than a record has. The tag is compared in constant time; what was decrypted is not to be
// believed before final() has said so.
//
// Any thread; a cipher context belongs to one at a time, as in OpenSSL.
#pragma once

namespace p2p::tls {

// What to give SSL_CTX_new_ex and EVP_CIPHER_fetch as properties, so that AES-128-GCM comes from here where
// the processor has the vectors (AVX-512 with VAES) and the environment does not say P2P_AES=openssl; all
// else comes from OpenSSL, everything where not. The first call makes the provider known.
const char* cipher_properties();

// Does the processor have them?
bool has_vector_aes();

// The properties that ask for it whatever the environment says; once has_vector_aes() has said that it is
// there.
inline constexpr const char* kVectorAes = "provider=p2p-aes";

}  // namespace p2p::tls
