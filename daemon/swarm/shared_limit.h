// SPDX-License-Identifier: MIT
// One rate limit that several transfers share in turns: a bucket and a line in front of it.
//
// Who has nothing left and could use more lines up with wait(). next() takes one quantum out of the bucket
// for the first in the line; so all that always have something to do get the same, whatever they could
// take, and nobody holds more than a quantum that it does not use. The quantum is some milliseconds of the
// rate, between one block and kQuantumMax: small turns at low rates, few turns at high ones.
//
// The line is in memory only as long as somebody waits: each key stands in it once. Pure; loop thread only.
#pragma once

#include <deque>
#include <optional>

#include "daemon/base/ids.h"
#include "daemon/base/time.h"
#include "daemon/swarm/rate.h"

namespace p2p::swarm {

class SharedLimit {
 public:
  static constexpr std::uint64_t kQuantumMin = 16 * 1024;
  static constexpr std::uint64_t kQuantumMax = 256 * 1024;

  struct Turn {
    DownloadId who;
    std::uint64_t bytes = 0;
  };

  // Bytes a second; 0 is no limit, then nobody needs to wait. The line stays.
  void set_rate(std::uint64_t rate, TimePoint now);
  std::uint64_t rate() const { return rate_; }
  bool unlimited() const { return rate_ == 0; }

  void wait(const DownloadId& who);
  void forget(const DownloadId& who);
  // Whose turn it is, and what it may move; nothing while the bucket holds less than a quantum.
  std::optional<Turn> next(TimePoint now);
  TimePoint next_deadline(TimePoint now) const;  // max() when nobody waits

 private:
  std::uint64_t rate_ = 0;
  std::uint64_t quantum_ = kQuantumMin;
  TokenBucket bucket_;
  std::deque<DownloadId> line_;
};

}  // namespace p2p::swarm
