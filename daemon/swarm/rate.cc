// SPDX-License-Identifier: MIT
#include "daemon/swarm/rate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace p2p::swarm {

void Rate::add(std::uint64_t bytes, TimePoint now) {
  const std::int64_t slot = now.time_since_epoch() / kSlot;
  constexpr auto kCount = static_cast<std::int64_t>(kSlots);
  if (newest_ < 0 || slot - newest_ >= kCount) {
    slots_.fill(0);
    if (!expected_) start_ = now;
    newest_ = slot;
  }
  for (; newest_ < slot; ++newest_) slots_[static_cast<std::size_t>((newest_ + 1) % kCount)] = 0;
  slots_[static_cast<std::size_t>(newest_ % kCount)] += bytes;
}

void Rate::expect(TimePoint now) {
  if (per_second(now) == 0) start_ = now;
  expected_ = true;
}

double Rate::per_second(TimePoint now) const {
  if (newest_ < 0) return 0;
  constexpr auto kCount = static_cast<std::int64_t>(kSlots);
  const std::int64_t slot = now.time_since_epoch() / kSlot;
  const std::int64_t stale = std::clamp<std::int64_t>(slot - newest_, 0, kCount);
  std::uint64_t sum = std::accumulate(slots_.begin(), slots_.end(), std::uint64_t{0});
  for (std::int64_t i = 1; i <= stale; ++i) sum -= slots_[static_cast<std::size_t>((newest_ + i) % kCount)];

  // The window covers the full slots behind us and the part of the present one that has passed.
  const Duration passed = now.time_since_epoch() - slot * kSlot;
  const Duration covered = std::min(kWindow - kSlot + passed, now - start_);
  return static_cast<double>(sum) / seconds_of(std::max(covered, kSlot));
}

void TokenBucket::set_limit(double rate, double burst, TimePoint now) {
  const double level = unlimited() ? burst : available(now);
  rate_ = rate;
  burst_ = burst;
  level_ = std::min(level, burst);
  updated_ = now;
}

double TokenBucket::available(TimePoint now) const {
  if (unlimited()) return std::numeric_limits<double>::max();
  const double gained = now > updated_ ? seconds_of(now - updated_) * rate_ : 0;
  return std::min(burst_, level_ + gained);
}

void TokenBucket::take(double amount, TimePoint now) {
  if (unlimited()) return;
  level_ = available(now) - amount;
  updated_ = std::max(updated_, now);
}

TimePoint TokenBucket::when(double amount, TimePoint now) const {
  const double missing = std::min(amount, burst_) - available(now);
  if (unlimited() || missing <= 0) return now;
  // One nanosecond more than computed, so that rounding never wakes the caller a moment too early.
  return now + Duration(static_cast<Duration::rep>(std::ceil(missing / rate_ * 1e9)) + 1);
}

}  // namespace p2p::swarm
