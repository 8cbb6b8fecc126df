// SPDX-License-Identifier: MIT
// Many digests at once: one processor hashes several messages side by side in a fraction of the time that it
// needs for them one after the other. Which instructions do it is chosen once, by the processor; OpenSSL is
// the reference that every choice is tested against, and what is left where the processor has none of them.
//
// P2P_DIGEST=openssl|sha-ni|avx2|avx512 in the environment overrules the choice where the processor can.
// Safe on any thread; the first batch on a thread allocates some 200 KiB for it.
#pragma once

#include <array>
#include <span>

#include "daemon/base/ids.h"

namespace p2p {

enum class Instructions : std::uint8_t { OpenSsl, ShaNi, Avx2, Avx512 };
inline constexpr std::array kAllInstructions{Instructions::OpenSsl, Instructions::ShaNi, Instructions::Avx2,
                                             Instructions::Avx512};

const char* instructions_name(Instructions instructions);
bool processor_has(Instructions instructions);
Instructions best_for_sha256();  // of many messages
Instructions best_for_sha1();    // of many streams

// digests[i] = SHA-256 of messages[i]. Side by side are those of 1 to 65,535 bytes; it pays from a handful of
// messages, and most when they are of one length.
void sha256_batch(std::span<const ByteSpan> messages, std::span<Sha256> digests,
                  Instructions with = best_for_sha256());

}  // namespace p2p
