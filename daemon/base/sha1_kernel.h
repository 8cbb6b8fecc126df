// SPDX-License-Identifier: MIT
// The compression function of SHA-1 (FIPS 180-4) on many streams at once: word w of the state of stream s is
// at state[w * streams + s]. Carries every stream on by `steps` x 64 bytes from where its pointer is. For
// sha1_lanes.cc only; the processor must have the instructions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace p2p {

void sha1_kernel_avx512_16(std::uint32_t* state, const std::uint8_t* const* streams, std::size_t steps);
void sha1_kernel_avx512_8(std::uint32_t* state, const std::uint8_t* const* streams, std::size_t steps);
void sha1_kernel_avx2_8(std::uint32_t* state, const std::uint8_t* const* streams, std::size_t steps);

}  // namespace p2p
