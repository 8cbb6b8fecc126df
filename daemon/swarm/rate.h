// SPDX-License-Identifier: MIT
// How fast bytes flow, and how fast they may.
//
// Rate measures: a moving average over kWindow, kept in kSlots counters, so that adding costs O(1) and
// silence brings it to zero within one window. TokenBucket limits: tokens (bytes, messages) come at
// `rate` a second up to `burst`. It may be overdrawn by one item, so that a block never has to be cut;
// the debt is paid before the next.
#pragma once

#include <array>
#include <cstdint>

#include "daemon/base/time.h"

namespace p2p::swarm {

class Rate {
 public:
  static constexpr Duration kWindow = 2s;
  static constexpr std::size_t kSlots = 8;

  void add(std::uint64_t bytes, TimePoint now);
  // A flow is waited for: from now on silence counts, also before its first byte.
  void expect(TimePoint now);
  double per_second(TimePoint now) const;

 private:
  static constexpr Duration kSlot = kWindow / kSlots;
  std::array<std::uint64_t, kSlots> slots_{};
  std::int64_t newest_ = -1;  // number of the slot that counts now; -1: nothing was added yet
  TimePoint start_{};         // of the flow: the average must not count the time before it
  bool expected_ = false;
};

class TokenBucket {
 public:
  // A rate of 0 is no limit. The bucket begins full.
  explicit TokenBucket(double rate = 0, double burst = 0) : rate_(rate), burst_(burst), level_(burst) {}

  // Another limit from now on; what was taken stays taken.
  void set_limit(double rate, double burst, TimePoint now);
  bool unlimited() const { return rate_ <= 0; }

  // Negative after an overdraft. The largest double when unlimited.
  double available(TimePoint now) const;
  void take(double amount, TimePoint now);
  // The first time at which `amount` (at most the burst is waited for) will be available; `now` if it is.
  TimePoint when(double amount, TimePoint now) const;

 private:
  double rate_;
  double burst_;
  double level_;
  TimePoint updated_{};
};

}  // namespace p2p::swarm
