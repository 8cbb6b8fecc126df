// SPDX-License-Identifier: MIT
#include "daemon/swarm/shared_limit.h"

#include <algorithm>

namespace p2p::swarm {

namespace {

constexpr double kBurstSeconds = 0.05;
constexpr double kBurstBytes = 64 * 1024;  // at least
constexpr double kTurnsPerBurst = 8;

}  // namespace

void SharedLimit::set_rate(std::uint64_t rate, TimePoint now) {
  rate_ = rate;
  const double burst = std::max(static_cast<double>(rate) * kBurstSeconds, kBurstBytes);
  quantum_ = std::clamp(static_cast<std::uint64_t>(burst / kTurnsPerBurst), kQuantumMin, kQuantumMax);
  bucket_.set_limit(static_cast<double>(rate), burst, now);
}

void SharedLimit::wait(const DownloadId& who) {
  if (std::find(line_.begin(), line_.end(), who) == line_.end()) line_.push_back(who);
}

void SharedLimit::forget(const DownloadId& who) { std::erase(line_, who); }

std::optional<SharedLimit::Turn> SharedLimit::next(TimePoint now) {
  const auto amount = static_cast<double>(quantum_);
  if (line_.empty() || bucket_.available(now) < amount) return std::nullopt;
  bucket_.take(amount, now);
  const Turn turn{line_.front(), quantum_};
  line_.pop_front();
  return turn;
}

TimePoint SharedLimit::next_deadline(TimePoint now) const {
  return line_.empty() ? TimePoint::max() : bucket_.when(static_cast<double>(quantum_), now);
}

}  // namespace p2p::swarm
