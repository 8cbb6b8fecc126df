// SPDX-License-Identifier: MIT
#include "daemon/swarm/leaf_query.h"

#include <algorithm>

#include "daemon/swarm/leaf_exchange.h"

namespace p2p::swarm {

LeafQuery::LeafQuery(const meta::Geometry& geometry, PieceIndex piece, LeafRoots roots)
    : geometry_(geometry),
      roots_(roots),
      ranges_(leaf_ranges(geometry, roots.file, piece)),
      here_(ranges_.size(), true) {}

std::vector<wire::HashRequest> LeafQuery::ask() {
  leaves_.assign(leaf_width(geometry_), Sha256{});
  here_.assign(ranges_.size(), false);
  std::vector<wire::HashRequest> requests;
  for (const auto& range : ranges_) requests.push_back({range});
  return requests;
}

std::optional<std::size_t> LeafQuery::part_of(const wire::HashRange& range) const {
  const auto at = std::find(ranges_.begin(), ranges_.end(), range);
  const auto part = static_cast<std::size_t>(at - ranges_.begin());
  if (at == ranges_.end() || here_[part]) return std::nullopt;
  return part;
}

LeafQuery::Answer LeafQuery::on_hashes(const wire::Hashes& message) {
  const auto part = part_of(message.range).value();
  // No honest member sends anything but the hashes themselves: no proof was asked for.
  const bool fits = message.hashes.size() == std::size_t{message.range.length} * Sha256::kSize;
  for (std::size_t i = 0; fits && i < message.range.length; ++i)
    leaves_[part * message.range.length + i] =
        *Sha256::from(ByteSpan(message.hashes).subspan(i * Sha256::kSize, Sha256::kSize));
  here_[part] = true;
  if (fits && std::find(here_.begin(), here_.end(), false) != here_.end()) return Answer::Incomplete;
  return fits && leaf_root(geometry_, leaves_) == roots_.piece ? Answer::Solved : Answer::Lie;
}

}  // namespace p2p::swarm
