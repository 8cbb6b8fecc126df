// SPDX-License-Identifier: MIT
#include "daemon/base/sha1_lanes.h"

#include <algorithm>
#include <cstring>

// What the streaming interface of OpenSSL hides: the state between two calls.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "daemon/base/check.h"
#include "daemon/base/sha1_kernel.h"

namespace p2p {
namespace {

constexpr std::size_t kStep = Sha1State::kStepBytes;

struct Kernel {
  void (*run)(std::uint32_t* state, const std::uint8_t* const* streams, std::size_t steps) = nullptr;
  std::size_t lanes = 0;
};

// The one for so many streams; none where one after the other is faster.
Kernel kernel_for(std::size_t streams, Instructions with) {
  if (with == Instructions::Avx512 && streams > 8) return {sha1_kernel_avx512_16, 16};
  if (with == Instructions::Avx512 && streams > 2) return {sha1_kernel_avx512_8, 8};
  if (with == Instructions::Avx2 && streams > 3) return {sha1_kernel_avx2_8, 8};
  return {};
}

void compress(std::array<std::uint32_t, 5>& words, const std::uint8_t* from, std::size_t bytes) {
  SHA_CTX context{};
  context.h0 = words[0];
  context.h1 = words[1];
  context.h2 = words[2];
  context.h3 = words[3];
  context.h4 = words[4];
  CHECK(SHA1_Update(&context, from, bytes) == 1);
  words = {context.h0, context.h1, context.h2, context.h3, context.h4};
}

// One stream that is to be carried on by whole steps.
struct Moving {
  Sha1State* stream;
  ByteSpan part;
};

// All of `moving`, as many as the kernel has lanes at most, by as many bytes as the shortest of them has.
void move_together(std::span<Moving> moving, const Kernel& kernel) {
  std::array<std::uint32_t, 5 * kSha1LanesMax> state{};
  std::array<const std::uint8_t*, kSha1LanesMax> from{};
  from.fill(moving[0].part.data());  // lanes that are left over hash something that nobody takes
  std::size_t bytes = moving[0].part.size();
  for (std::size_t i = 0; i < moving.size(); ++i) {
    for (std::size_t word = 0; word < 5; ++word)
      state[word * kernel.lanes + i] = moving[i].stream->words[word];
    from[i] = moving[i].part.data();
    bytes = std::min(bytes, moving[i].part.size());
  }
  kernel.run(state.data(), from.data(), bytes / kStep);
  for (std::size_t i = 0; i < moving.size(); ++i) {
    for (std::size_t word = 0; word < 5; ++word)
      moving[i].stream->words[word] = state[word * kernel.lanes + i];
    moving[i].stream->bytes += bytes;
    moving[i].part = moving[i].part.subspan(bytes);
  }
}

}  // namespace

void Sha1State::update(ByteSpan more) {
  const std::size_t held = bytes % kStep;
  bytes += more.size();
  if (held + more.size() >= kStep && held > 0) {
    std::memcpy(rest.data() + held, more.data(), kStep - held);
    compress(words, rest.data(), kStep);
    more = more.subspan(kStep - held);
  } else if (held > 0) {
    std::copy(more.begin(), more.end(), rest.begin() + static_cast<std::ptrdiff_t>(held));
    return;
  }
  const std::size_t whole = more.size() / kStep * kStep;
  if (whole > 0) compress(words, more.data(), whole);
  const auto left = more.subspan(whole);
  std::copy(left.begin(), left.end(), rest.begin());
}

Sha1 Sha1State::digest() const {
  auto padded = *this;
  std::array<std::uint8_t, 2 * kStep> padding{0x80};
  const std::size_t held = bytes % kStep;
  const std::size_t zeros = (held < kStep - 8 ? kStep - 8 : 2 * kStep - 8) - held;
  ByteWriter length;
  length.u64(8 * bytes);
  padded.update(ByteSpan(padding).first(zeros));
  padded.update(length.view());
  ByteWriter out;
  for (const auto word : padded.words) out.u32(word);
  return *Sha1::from(out.view());
}

void update_side_by_side(std::span<Sha1State* const> streams, std::span<const ByteSpan> parts,
                         Instructions with) {
  CHECK(streams.size() == parts.size() && streams.size() <= kSha1LanesMax);
  std::array<Moving, kSha1LanesMax> moving;
  std::size_t count = 0;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const auto whole = parts[i].first(parts[i].size() / kStep * kStep);
    CHECK(parts[i].empty() || streams[i]->bytes % kStep == 0);
    if (!whole.empty()) moving[count++] = {streams[i], whole};
  }
  for (auto kernel = kernel_for(count, with); kernel.run != nullptr; kernel = kernel_for(count, with)) {
    move_together(std::span(moving).first(std::min(count, kernel.lanes)), kernel);
    const auto end = std::remove_if(moving.begin(), moving.begin() + static_cast<std::ptrdiff_t>(count),
                                    [](const Moving& one) { return one.part.empty(); });
    count = static_cast<std::size_t>(end - moving.begin());
  }
  for (const auto& one : std::span(moving).first(count)) one.stream->update(one.part);
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const auto last = parts[i].subspan(parts[i].size() / kStep * kStep);
    if (!last.empty()) streams[i]->update(last);
  }
}

}  // namespace p2p
