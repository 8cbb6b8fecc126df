// SPDX-License-Identifier: MIT
// Which blocks of a piece are wrong: a piece whose blocks came from several devices has failed its hash, and
// its SHA-256 leaves are asked of one session after the other (leaf_query.h). Compared with ours they name
// the bad blocks.
//
//   Idle    ──ask()──▶ Asking
//   Asking  ──all leaves, and they give the root──▶ Solved, see bad_blocks()
//           ──all leaves, and they do not: its device lied──▶ Idle
//           ──reject, its link gone, kAnswerTime over: nobody's fault──▶ Idle
//   Idle    after kTries, or when nobody is left to ask: the owner gives up
//
// No device is asked twice. Pure; loop thread only.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/time.h"
#include "daemon/meta/geometry.h"
#include "daemon/swarm/leaf_query.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

class PieceInquiry {
 public:
  static constexpr std::size_t kTries = 3;
  // Behind the blocks that wait on its link, and a piece to read. Short: the piece waits so long, and
  // without leaves it is only fetched again.
  static constexpr Duration kAnswerTime = 5s;

  // `evidence` has the leaf of every block of the piece.
  PieceInquiry(const meta::Geometry& geometry, PieceIndex piece, Evidence evidence);

  bool may_ask(const DeviceId& device) const {
    return asked_.size() < kTries && std::find(asked_.begin(), asked_.end(), device) == asked_.end();
  }
  // Idle -> Asking. What to send.
  std::vector<wire::HashRequest> ask(SessionId session, const DeviceId& device, TimePoint now);
  bool is_asking(SessionId session) const { return session_ == session; }
  // max() unless Asking.
  TimePoint deadline() const { return session_ ? deadline_ : TimePoint::max(); }

  enum class Answer : std::uint8_t { Ignored, Incomplete, Refused, Solved, Lie };
  // Ignored: not what this session was asked for.
  Answer on_hashes(SessionId session, const wire::Hashes& message);
  Answer on_reject(SessionId session, const wire::HashReject& message);
  void give_up() { session_.reset(); }  // Asking -> Idle: its link is gone, or its time over

  // Solved: in order, and not all of them need come from one device.
  std::vector<BlockIndex> bad_blocks() const;

 private:
  std::vector<Sha256> ours_;  // one a block
  LeafQuery query_;
  std::optional<SessionId> session_;  // while Asking
  TimePoint deadline_{};
  std::vector<DeviceId> asked_;
};

}  // namespace p2p::swarm
