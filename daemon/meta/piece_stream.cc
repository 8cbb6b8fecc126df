// SPDX-License-Identifier: MIT
#include "daemon/meta/piece_stream.h"

#include <algorithm>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/meta/merkle.h"

namespace p2p::meta {
namespace {

// Twice as many make publishing a twentieth faster and hold some 14 MiB more, with pieces of 2 MiB.
constexpr std::size_t kLanes = 8;
static_assert(kLanes <= kSha1LanesMax);
constexpr std::size_t kStepBytes = 64 * limits::kKiB;  // that a stream moves on at a time

}  // namespace

PieceStream::PieceStream(const Geometry& geometry, std::size_t held_bytes_max, PieceHashes known)
    : geometry_(geometry),
      held_bytes_max_(held_bytes_max),
      hashes_(std::move(known)),
      next_piece_(static_cast<std::uint32_t>(hashes_.sha1.size())),
      pieces_done_(next_piece_) {
  CHECK(next_piece_ <= geometry.pieces() && hashes_.layer.size() == hashes_.sha1.size());
  hashes_.sha1.resize(geometry.pieces());
  hashes_.layer.resize(geometry.pieces());
}

void PieceStream::add(ByteSpan bytes, std::span<const Sha256> leaves) {
  const auto addition = additions_++;
  bytes_left_[addition] = bytes.size();
  held_bytes_ += bytes.size();
  while (!bytes.empty()) {
    if (lanes_.empty() || lanes_.back().to_come == 0) begin_piece();
    auto& lane = lanes_.back();
    const auto part = bytes.first(std::min<std::size_t>(bytes.size(), lane.to_come));
    const auto blocks = (part.size() + limits::kBlockBytes - 1) / limits::kBlockBytes;
    lane.leaves.insert(lane.leaves.end(), leaves.begin(),
                       leaves.begin() + static_cast<std::ptrdiff_t>(blocks));
    lane.parts.push_back({part, addition});
    lane.to_come -= static_cast<std::uint32_t>(part.size());
    bytes = bytes.subspan(part.size());
    leaves = leaves.subspan(blocks);
  }
  const bool last = next_piece_ == geometry_.pieces() && lanes_.back().to_come == 0;
  while (held_bytes_ > (last ? 0 : held_bytes_max_)) step();
}

// The bytes of the piece before have all come, so its lane is the last.
void PieceStream::begin_piece() {
  while (lanes_.size() == kLanes) step();
  const PieceIndex piece{next_piece_++};
  lanes_.push_back({piece, geometry_.piece_bytes(piece)});
}

// Moves every stream on by a part of what is held of it.
void PieceStream::step() {
  std::vector<Sha1State*> streams;
  std::vector<ByteSpan> parts;
  for (auto& lane : lanes_) {
    if (lane.parts.empty()) continue;
    auto& front = lane.parts.front();
    const auto part = front.bytes.first(std::min(kStepBytes, front.bytes.size()));
    streams.push_back(&lane.sha1);
    parts.push_back(part);
    held_bytes_ -= part.size();
    const auto left = bytes_left_.find(front.addition);
    left->second -= part.size();
    if (left->second == 0) {
      released_.push_back(front.addition);
      bytes_left_.erase(left);
    }
    front.bytes = front.bytes.subspan(part.size());
    if (front.bytes.empty()) lane.parts.pop_front();
  }
  update_side_by_side(streams, parts);
  std::erase_if(lanes_, [this](const Lane& lane) {
    if (lane.to_come > 0 || !lane.parts.empty()) return false;
    end_piece(lane);
    return true;
  });
}

void PieceStream::end_piece(const Lane& lane) {
  hashes_.sha1[lane.piece.value] = lane.sha1.digest();
  hashes_.layer[lane.piece.value] =
      piece_root(lane.leaves, geometry_.piece_length(), geometry_.pieces() == 1);
  ++pieces_done_;
}

// The last piece may end before those in front of it, no other does.
std::optional<PieceHashes> PieceStream::hashes_of(std::uint32_t begin, std::uint32_t end) const {
  const auto first_open = lanes_.empty() ? next_piece_ : lanes_.front().piece.value;
  if (end > first_open) return std::nullopt;
  return PieceHashes{{hashes_.sha1.begin() + begin, hashes_.sha1.begin() + end},
                     {hashes_.layer.begin() + begin, hashes_.layer.begin() + end}};
}

std::vector<std::size_t> PieceStream::take_released() { return std::exchange(released_, {}); }

PieceHashes PieceStream::take_hashes() {
  CHECK(pieces_done_ == geometry_.pieces());
  return std::move(hashes_);
}

}  // namespace p2p::meta
