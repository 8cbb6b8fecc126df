// SPDX-License-Identifier: MIT
#include "daemon/base/digest_batch.h"

#include <cstdlib>
#include <intel-ipsec-mb.h>
#include <memory>
#include <optional>
#include <string_view>

#include "daemon/base/check.h"
#include "daemon/base/digest.h"

namespace p2p {
namespace {

constexpr std::size_t kMessageBytesMax = 65'535;  // of the library: it counts in 16 bits
constexpr std::size_t kWorthwhile = 3;            // messages; below, one after the other is as fast

struct FreeLanes {
  void operator()(IMB_MGR* lanes) const { free_mb_mgr(lanes); }
};
using Lanes = std::unique_ptr<IMB_MGR, FreeLanes>;

Lanes make_lanes(Instructions with) {
  Lanes lanes(alloc_mb_mgr(with == Instructions::Avx2 ? IMB_FLAG_SHANI_OFF : 0));
  CHECK(lanes != nullptr);
  switch (with) {
    case Instructions::OpenSsl: break;
    case Instructions::ShaNi: init_mb_mgr_sse(lanes.get()); break;
    case Instructions::Avx2: init_mb_mgr_avx2(lanes.get()); break;
    case Instructions::Avx512: init_mb_mgr_avx512(lanes.get()); break;
  }
  CHECK(imb_get_errno(lanes.get()) == 0);
  return lanes;
}

IMB_MGR& lanes_of_thread(Instructions with) {
  thread_local std::array<Lanes, kAllInstructions.size()> lanes_by_kind;
  auto& lanes = lanes_by_kind[static_cast<std::size_t>(with)];
  if (lanes == nullptr) lanes = make_lanes(with);
  return *lanes;
}

std::optional<Instructions> demanded() {
  const char* name = std::getenv("P2P_DIGEST");
  for (const auto instructions : kAllInstructions)
    if (name != nullptr && std::string_view(name) == instructions_name(instructions) &&
        processor_has(instructions))
      return instructions;
  return std::nullopt;
}

// The first that the processor has.
Instructions first_of(std::initializer_list<Instructions> order) {
  for (const auto instructions : order)
    if (processor_has(instructions)) return instructions;
  return Instructions::OpenSsl;
}

}  // namespace

const char* instructions_name(Instructions instructions) {
  switch (instructions) {
    case Instructions::OpenSsl: return "openssl";
    case Instructions::ShaNi: return "sha-ni";
    case Instructions::Avx2: return "avx2";
    case Instructions::Avx512: return "avx512";
  }
  return "";
}

bool processor_has(Instructions instructions) {
  static const std::uint64_t kFeatures = imb_get_feature_flags();
  const auto has = [](std::uint64_t all) { return (kFeatures & all) == all; };
  switch (instructions) {
    case Instructions::OpenSsl: return true;
    case Instructions::ShaNi: return has(IMB_CPUFLAGS_SSE_T2);
    case Instructions::Avx2: return has(IMB_CPUFLAGS_AVX2);
    case Instructions::Avx512: return has(IMB_CPUFLAGS_AVX512);
  }
  return false;
}

// In the order of the figures of tests/bench/bench_digest.cc.
Instructions best_for_sha256() {
  static const auto kBest =
      demanded().value_or(first_of({Instructions::Avx512, Instructions::ShaNi, Instructions::Avx2}));
  return kBest;
}

Instructions best_for_sha1() {
  static const auto kBest = demanded().value_or(first_of({Instructions::Avx512, Instructions::Avx2}));
  return kBest;
}

void sha256_batch(std::span<const ByteSpan> messages, std::span<Sha256> digests, Instructions with) {
  CHECK(messages.size() == digests.size());
  const bool alone = with == Instructions::OpenSsl || messages.size() < kWorthwhile;
  IMB_MGR* lanes = alone ? nullptr : &lanes_of_thread(with);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto message = messages[i];
    if (lanes == nullptr || message.empty() || message.size() > kMessageBytesMax) {
      digests[i] = sha256(message);
      continue;
    }
    IMB_JOB* job = IMB_GET_NEXT_JOB(lanes);
    job->src = message.data();
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = message.size();
    job->auth_tag_output = digests[i].bytes.data();
    job->auth_tag_output_len_in_bytes = Sha256::kSize;
    job->hash_alg = IMB_AUTH_SHA_256;
    job->cipher_mode = IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    const IMB_JOB* ready = IMB_SUBMIT_JOB_NOCHECK(lanes);
    for (; ready != nullptr; ready = IMB_GET_COMPLETED_JOB(lanes))
      CHECK(ready->status == IMB_STATUS_COMPLETED);
  }
  if (lanes == nullptr) return;
  while (const IMB_JOB* ready = IMB_FLUSH_JOB(lanes)) CHECK(ready->status == IMB_STATUS_COMPLETED);
}

}  // namespace p2p
