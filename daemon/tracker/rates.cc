// SPDX-License-Identifier: MIT
#include "daemon/tracker/rates.h"

#include <algorithm>

namespace p2p::tracker {

double Rates::tokens_at(const Bucket& bucket, TimePoint now) const {
  return std::min(rate_.burst, bucket.tokens + rate_.per_second * seconds_of(now - bucket.filled));
}

bool Rates::take(const std::string& key, TimePoint now) {
  if (buckets_.size() >= kKeys && !buckets_.contains(key)) forget(now);
  auto& bucket = buckets_.try_emplace(key, Bucket{rate_.burst, now}).first->second;
  bucket.tokens = tokens_at(bucket, now);
  bucket.filled = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

void Rates::forget(TimePoint now) {
  std::erase_if(buckets_, [&](const auto& row) { return tokens_at(row.second, now) >= rate_.burst; });
  // Somebody with this many addresses is not held back by a bucket for each of them.
  if (buckets_.size() >= kKeys) buckets_.clear();
}

}  // namespace p2p::tracker
