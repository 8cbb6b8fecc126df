// SPDX-License-Identifier: MIT
#include "daemon/swarm/peer_session.h"

#include <algorithm>
#include <utility>

namespace p2p::swarm {

namespace {

// An unasked block costs the peer as much as many messages: it costs us as much.
constexpr double kUnwantedBlockTokens = 16;
// A session whose rate is not known yet is taken for this slow.
constexpr double kUnknownRate = 16.0 * 1024;
// A first guess, and the most that is believed: what takes longer waits in a queue, ours as a rule, and to
// ask for more makes that longer. Up to twice as much is asked for, so a way that is that long is filled too.
constexpr Duration kLongRoundTrip = 500ms;
// Requests wait until this part of what may be outstanding goes together.
constexpr std::uint32_t kTogetherPart = 16;
constexpr Duration kRampLook = 1s;
constexpr double kRampGrowth = 1.1;  // less growth in kRampLook ends the ramp
// An answer that takes this many times the longest lately is not expected any more; less is chance.
constexpr int kPatienceGaps = 10;
constexpr Duration kPatienceLeast = 2s;
constexpr Duration kPatienceUnknown = 8s;  // before the first block: it may have a long queue

template <class... Kinds>
bool is_any(const wire::Message& message) {
  return (std::holds_alternative<Kinds>(message) || ...);
}

}  // namespace

PeerSession::PeerSession(SessionId id, const DeviceId& device, Abilities abilities,
                         const meta::Geometry& geometry, const Options& options, TimePoint now)
    : id_(id),
      device_(device),
      abilities_(abilities),
      geometry_(geometry),
      options_(options),
      messages_(static_cast<double>(limits::kControlMessagesPerSecond),
                static_cast<double>(limits::kControlMessagesBurst)),
      pieces_(geometry.pieces()),
      last_block_(now),
      last_answer_(now),
      patience_(kPatienceUnknown),
      ramp_depth_(options.pipeline_new) {}

// --- admission ---------------------------------------------------------------------------------------

std::optional<CloseReason> PeerSession::admit(const wire::Message& message, TimePoint now) {
  // Requests are limited by their queue; everything else by the bucket.
  if (!is_any<wire::Request>(message)) {
    if (messages_.available(now) < 1) return CloseReason::MessageFlood;
    messages_.take(1, now);
  }
  if (const auto reason = admit_first(message)) return reason;
  const bool needs_fast =
      is_any<wire::HaveAll, wire::HaveNone, wire::Suggest, wire::Reject, wire::AllowedFast>(message);
  if (needs_fast && !abilities_.fast) return CloseReason::MalformedMessage;

  bool valid = true;
  if (const auto* have = std::get_if<wire::Have>(&message)) valid = geometry_.contains(have->piece);
  if (const auto* one = std::get_if<wire::Suggest>(&message)) valid = geometry_.contains(one->piece);
  if (const auto* one = std::get_if<wire::AllowedFast>(&message)) valid = geometry_.contains(one->piece);
  if (const auto* request = std::get_if<wire::Request>(&message)) valid = is_valid_request(request->block);
  if (const auto* cancel = std::get_if<wire::Cancel>(&message)) valid = is_valid(cancel->block);
  if (const auto* reject = std::get_if<wire::Reject>(&message)) valid = is_valid(reject->block);
  return valid ? std::nullopt : std::optional(CloseReason::MalformedMessage);
}

std::optional<CloseReason> PeerSession::admit_first(const wire::Message& message) {
  if (is_any<wire::KeepAlive, wire::Extended, wire::HashRequest, wire::Unknown>(message)) return std::nullopt;
  const bool was_opening = std::exchange(opening_, false);
  const bool tells_all = is_any<wire::BitfieldMessage, wire::HaveAll, wire::HaveNone>(message);
  return tells_all && !was_opening ? std::optional(CloseReason::UnexpectedBitfield) : std::nullopt;
}

bool PeerSession::allow_unwanted_block(TimePoint now) {
  if (messages_.available(now) < kUnwantedBlockTokens) return false;
  messages_.take(kUnwantedBlockTokens, now);
  return true;
}

bool PeerSession::is_valid(const wire::BlockSpan& block) const {
  return block.length <= limits::kBlockBytes && geometry_.spans(block.piece, block.begin, block.length);
}

// One block or a part of it, as BEP 3 has it, or several whole ones of a piece.
bool PeerSession::is_valid_request(const wire::BlockSpan& request) const {
  if (is_valid(request)) return true;
  if (request.length > limits::kRequestBytes || request.begin % limits::kBlockBytes != 0) return false;
  if (!geometry_.spans(request.piece, request.begin, request.length)) return false;
  return request.length % limits::kBlockBytes == 0 ||
         request.begin + request.length == geometry_.piece_bytes(request.piece);
}

std::optional<BlockRef> PeerSession::block_of(const wire::BlockSpan& span) const {
  if (!is_valid(span) || span.begin % limits::kBlockBytes != 0) return std::nullopt;
  const BlockRef block{span.piece, BlockIndex{span.begin / limits::kBlockBytes}};
  if (geometry_.block_bytes(block.piece, block.block) != span.length) return std::nullopt;
  return block;
}

// --- fetching ----------------------------------------------------------------------------------------

// As many requests as keep the link busy for the round trip and pipeline_time beyond; on a long way for
// more of it, because its rate swings by whole windows. Not more: what waits at a peer is there for us alone,
// later than it could be here for others. The round trip is that of the way: one from a request to its block
// has the queues in it that we and others make at both ends, and who counts those in makes them longer.
double PeerSession::steady_depth(TimePoint now) const {
  const Duration trip =
      std::min<Duration>(way_.value_or(round_trip_.value_or(kLongRoundTrip)), kLongRoundTrip);
  const Duration time = trip + std::max<Duration>(options_.pipeline_time, trip * 5 / 4);
  return download_.per_second(now) * seconds_of(time) / limits::kBlockBytes;
}

std::uint32_t PeerSession::pipeline_depth(TimePoint now, bool far) const {
  const std::uint32_t most = std::max(1u, std::min(options_.pipeline_max, reqq_));
  if (snubbed) return abilities_.fast ? 0 : 1;
  const double steady = steady_depth(now);
  // While ramping the rate is not known well; twice what it says is enough to let it double.
  const bool is_new = first_request_ == TimePoint{} || now - first_request_ < kRampLook;
  const double least = std::min(is_new ? options_.pipeline_new : options_.pipeline_min, most);
  // With a few requests in addition all who ask a busy peer come to have the same number of them there, as
  // in TCP Vegas (Brakmo and Peterson 1995); without, whoever has many keeps them.
  const double depth =
      ramping_ ? std::min(ramp_depth_, 2 * steady + least) : steady + (far ? options_.pipeline_min : 0);
  const auto chosen = static_cast<std::uint32_t>(std::clamp(depth, least, static_cast<double>(most)));
  return trial.is_over() ? chosen : std::min(chosen, trial.blocks_left());
}

bool PeerSession::is_due(TimePoint now, bool far) const {
  const auto depth = pipeline_depth(now, far);
  const auto together = std::clamp(depth / kTogetherPart, 1u, limits::kRequestBytes / limits::kBlockBytes);
  return outstanding_.empty() || outstanding_.size() + together <= depth;
}

void PeerSession::on_requested(BlockRef block, TimePoint now) {
  if (outstanding_.empty()) {
    last_block_ = last_answer_ = now;
    download_.expect(now);
  }
  if (first_request_ == TimePoint{}) first_request_ = now;
  outstanding_.push_back({block, now});
}

bool PeerSession::settle(BlockRef block, TimePoint now) {
  if (!take_outstanding(block)) return false;
  on_answer(now);
  return true;
}

bool PeerSession::take_outstanding(BlockRef block) {
  // Peers answer in order as a rule, so the search ends at the front.
  const auto found = std::find_if(outstanding_.begin(), outstanding_.end(),
                                  [&](const Outstanding& one) { return one.block == block; });
  if (found == outstanding_.end()) return false;
  outstanding_.erase(found);
  return true;
}

bool PeerSession::settle_late(BlockRef block, TimePoint now) {
  const auto found = std::find(late_.begin(), late_.end(), block);
  if (found == late_.end()) return false;
  late_.erase(found);
  on_answer(now);
  return true;
}

void PeerSession::give_up(BlockRef block) {
  if (!take_outstanding(block)) return;
  late_.push_back(block);
  if (late_.size() > options_.pipeline_max) late_.pop_front();
}

std::vector<BlockRef> PeerSession::give_up_all() {
  std::vector<BlockRef> blocks;
  for (const auto& one : outstanding_) blocks.push_back(one.block);
  for (const auto& block : blocks) give_up(block);
  return blocks;
}

// Longer each time: somebody who serves many at a small rate has not much to say to each.
std::vector<BlockRef> PeerSession::snub() {
  snubbed = true;
  patience_ = std::min<Duration>(2 * patience_, options_.block_timeout);
  return give_up_all();
}

void PeerSession::on_answer(TimePoint now) {
  last_answer_ = now;
  snubbed = false;
}

bool PeerSession::on_block(BlockRef block, std::uint32_t bytes, TimePoint now) {
  const auto found = std::find_if(outstanding_.begin(), outstanding_.end(),
                                  [&](const Outstanding& one) { return one.block == block; });
  if (found == outstanding_.end()) return false;
  const Duration taken = now - found->sent;
  round_trip_ = round_trip_ ? std::min(*round_trip_, taken) : taken;
  outstanding_.erase(found);
  download_.add(bytes, now);
  rate_at_block_ = download_.per_second(now);
  const Duration gap = now - last_block_;
  // Not the average: who serves many in turns sends many blocks at once and then none for long.
  longest_gap_ = std::max<Duration>(gap, longest_gap_ * 31 / 32);
  patience_ = std::clamp<Duration>(longest_gap_ * kPatienceGaps, kPatienceLeast, options_.block_timeout);
  last_block_ = now;
  if (first_block_ == TimePoint{}) first_block_ = now;
  on_answer(now);
  steer_ramp(now);
  return true;
}

void PeerSession::steer_ramp(TimePoint now) {
  if (!ramping_) return;
  ramp_depth_ = std::min(ramp_depth_ + 1, static_cast<double>(options_.pipeline_max));
  if (ramp_look_ == TimePoint{}) ramp_look_ = now;
  if (now - ramp_look_ < kRampLook) return;
  const double rate = download_.per_second(now);
  if (rate < ramp_rate_ * kRampGrowth) ramping_ = false;
  ramp_rate_ = rate;
  ramp_look_ = now;
}

TimePoint PeerSession::snub_time() const {
  return outstanding_.empty() ? TimePoint::max() : last_answer_ + patience_;
}

Duration PeerSession::expected_answer(TimePoint now) const {
  // Who was asked for nothing since is no slower for it.
  const double present = outstanding_.empty() ? rate_at_block_ : download_.per_second(now);
  const double rate = std::max(present, kUnknownRate);
  const double waiting = static_cast<double>((outstanding_.size() + 1) * limits::kBlockBytes) / rate;
  const Duration queue(static_cast<Duration::rep>(waiting * 1e9));
  return std::max(queue, round_trip_.value_or(kLongRoundTrip));
}

Duration PeerSession::expected_last(std::uint64_t more, TimePoint now) const {
  const Duration silence = now - last_block_;
  if (!round_trip_) return silence;  // nothing is known but how long it keeps us waiting
  const double rate = std::max(download_.per_second(now), kUnknownRate);
  const double waiting = static_cast<double>((outstanding_.size() + more) * limits::kBlockBytes) / rate;
  return std::max(Duration(static_cast<Duration::rep>(waiting * 1e9)), silence);
}

// --- serving -----------------------------------------------------------------------------------------

PeerSession::Enqueued PeerSession::enqueue(const wire::BlockSpan& block, bool servable, TimePoint now) {
  if (!servable || queue_.size() >= limits::kRequestsFromPeer)
    return count_refusal(now) ? Enqueued::Refused : Enqueued::Flood;
  const std::size_t repeats_most = limits::kRepeatsPerMinute + geometry_.piece_length() / limits::kBlockBytes;
  if (asked_of_us_.add(block) && !repeats_.allow(repeats_most, now)) return Enqueued::Flood;
  queue_.push_back(block);
  return queue_.size() == 1 ? Enqueued::First : Enqueued::Behind;
}

bool PeerSession::count_refusal(TimePoint now) {
  if (forgiven_refusals_ > 0) {
    --forgiven_refusals_;
    return true;
  }
  return refusals_.allow(limits::kRejectsPerMinute, now);
}

bool PeerSession::PerMinute::allow(std::size_t most, TimePoint now) {
  if (count == 0 || now - since >= 1min) {
    count = 0;
    since = now;
  }
  return ++count <= most;
}

bool PeerSession::cancel(const wire::BlockSpan& block) {
  const auto found = std::find(queue_.begin(), queue_.end(), block);
  if (found == queue_.end()) return false;
  queue_.erase(found);
  asked_of_us_.remove(block);
  return true;
}

std::optional<wire::BlockSpan> PeerSession::take_upload() {
  if (queue_.empty()) return std::nullopt;
  const auto block = queue_.front();
  queue_.pop_front();
  return block;
}

std::vector<wire::BlockSpan> PeerSession::drop_queue() {
  std::vector<wire::BlockSpan> dropped(queue_.begin(), queue_.end());
  for (const auto& block : dropped) asked_of_us_.remove(block);
  queue_.clear();
  return dropped;
}

std::vector<wire::BlockSpan> PeerSession::drop_queued(PieceIndex piece) {
  std::vector<wire::BlockSpan> dropped;
  std::erase_if(queue_, [&](const wire::BlockSpan& block) {
    if (block.piece == piece) dropped.push_back(block);
    return block.piece == piece;
  });
  for (const auto& block : dropped) asked_of_us_.remove(block);
  return dropped;
}

}  // namespace p2p::swarm
