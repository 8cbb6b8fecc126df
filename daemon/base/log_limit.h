// SPDX-License-Identifier: MIT
// Keeps what strangers can cause from filling the log: some lines at once, then one every ten seconds,
// and each line says how many there were in between. One thread; the time is the caller's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "daemon/base/time.h"

namespace p2p::log {

class Limit {
 public:
  static constexpr std::uint32_t kAtOnce = 10;
  static constexpr Duration kOneMore = std::chrono::seconds(10);

  // How many were left out before this one; nothing: leave this one out as well.
  std::optional<std::uint64_t> take(TimePoint now) {
    const auto more = static_cast<std::uint64_t>((now - refilled_) / kOneMore);
    refilled_ += kOneMore * static_cast<Duration::rep>(more);
    left_ = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(kAtOnce, left_ + std::min<std::uint64_t>(more, kAtOnce)));
    if (left_ == 0) {
      ++left_out_;
      return std::nullopt;
    }
    --left_;
    return std::exchange(left_out_, 0);
  }

 private:
  std::uint32_t left_ = kAtOnce;
  std::uint64_t left_out_ = 0;
  TimePoint refilled_{};
};

}  // namespace p2p::log
