// SPDX-License-Identifier: MIT
// Token buckets by key: at most `burst` at once and `per_second` in the long run. Pure; bounded memory:
// full buckets say nothing and are forgotten when there are kKeys of them; if none is full, all are.
#pragma once

#include <map>
#include <string>

#include "daemon/base/time.h"

namespace p2p::tracker {

struct Rate {
  double burst = 1;
  double per_second = 1;
};

class Rates {
 public:
  static constexpr std::size_t kKeys = 50'000;

  explicit Rates(Rate rate) : rate_(rate) {}
  void set_rate(Rate rate) { rate_ = rate; }

  // Takes one token; false when there is none.
  bool take(const std::string& key, TimePoint now);

 private:
  struct Bucket {
    double tokens = 0;
    TimePoint filled;
  };
  double tokens_at(const Bucket& bucket, TimePoint now) const;
  void forget(TimePoint now);

  Rate rate_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace p2p::tracker
