// SPDX-License-Identifier: MIT
// The SHA-256 leaves of one piece (BEP 52, hash requests of base layer 0): how they are named on the wire,
// and who may have them. One leaf speaks for one block; both sides know the piece's root, so nothing needs
// a proof. The tree of a piece is padded with zero leaves to its full width, that of a file which is one
// piece to the next power of two.
//
// Pure; loop thread only, but for leaves_answer().
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "daemon/base/limits.h"
#include "daemon/meta/metainfo.h"
#include "daemon/swarm/bitfield.h"
#include "daemon/swarm/rate.h"
#include "daemon/wire/message.h"

namespace p2p::swarm {

// Leaves under the root of a piece, padding included: a power of two.
std::uint32_t leaf_width(const meta::Geometry& geometry);
// What to ask for all leaves of a piece: ranges of at most limits::kHashesPerMessage that follow each other.
std::vector<wire::HashRange> leaf_ranges(const meta::Geometry& geometry, const Sha256& file_root,
                                         PieceIndex piece);
// The root over the leaves of a piece; what `leaves` lacks to the full width is padding.
Sha256 leaf_root(const meta::Geometry& geometry, std::span<const Sha256> leaves);
// The answer to a range of this piece that LeafServer has admitted.
wire::Hashes leaves_answer(const wire::HashRange& range, const meta::Geometry& geometry,
                           std::span<const Sha256> leaves);

// Says which requests for leaves are answered. Each costs reading and hashing a whole piece, so a link has
// at most limits::kLeafJobsPerLink under way and kLeafAnswersPerMinute, and a share kLeafJobsPerShare;
// everything else is to be rejected, and whoever asked turns to another member.
class LeafServer {
 public:
  struct Asker {
    TokenBucket answers{limits::kLeafAnswersPerMinute / 60.0, limits::kLeafAnswersBurst};
    std::size_t under_way = 0;
  };

  // `metainfo` is kept; it has a piece at least.
  explicit LeafServer(std::shared_ptr<const meta::Metainfo> metainfo);

  static bool concerns(const wire::HashRange& range) { return range.base_layer == 0; }
  // The piece whose leaves are to be read now; on_read() must follow. Nothing: reject.
  std::optional<PieceIndex> admit(Asker& asker, const wire::HashRange& range, const Bitfield& have,
                                  TimePoint now);
  // `asker` is null when it has gone meanwhile.
  void on_read(Asker* asker);

 private:
  std::shared_ptr<const meta::Metainfo> metainfo_;
  std::optional<Sha256> root_;  // made with the first question
  std::size_t under_way_ = 0;
};

}  // namespace p2p::swarm
