// SPDX-License-Identifier: MIT
// Fetching: interest, requests, blocks, and the fate of pieces.
#include <algorithm>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/swarm/origin.h"
#include "daemon/swarm/peer_session.h"
#include "daemon/swarm/piece_picker.h"
#include "daemon/swarm/swarm.h"

namespace p2p::swarm {

namespace {

constexpr int kSeedsEnough = 3;
// Without a request to anybody for so long, who is directed asks for what was not suggested.
constexpr Duration kSuggestionTime = 1s;
// What the incomplete peers will send within this time at their present rate is not asked of a seed.
constexpr Duration kPeersTime = 2s;
// Haves for those who have the piece are sent together, at most so late.
constexpr Duration kTellInterval = 200ms;
// Who is behind the others by one part in so many lags.
constexpr std::uint64_t kLagParts = 50;
// What was cancelled comes by then all the same, or not at all.
constexpr Duration kDoubtTime = 500ms;
// How often idle sessions are looked at whose reason to be idle passes with time.
constexpr Duration kLookInterval = 150ms;
// Nothing is asked of a session while another one is expected to bring it this many times sooner.
constexpr int kFasterTimes = 2;
// When all pieces are begun, whoever answers has at least so many requests: with fewer, the last blocks come
// one round trip after the other.
constexpr std::size_t kEndDepth = 4;
// What can be asked for within this time is the end.
constexpr Duration kEndTime = 2s;
// Who takes a block over from another must promise to be this many times sooner; and with more requests than
// its pace asks for, which makes it slower for others, so many times.
constexpr double kSoonerTimes = 1.5;
constexpr double kMuchSoonerTimes = 8;
// ... and save at least this.
constexpr Duration kWorthwhile = 50ms;
// Of the payload at most one part in so many comes twice, of small files a few blocks.
constexpr std::uint64_t kDuplicateShare = 100;
constexpr std::uint64_t kDuplicateFree = 4 * std::uint64_t{limits::kBlockBytes};

}  // namespace

void Swarm::update_interest(PeerSession& session) {
  const bool interested = (fetching_ && session.wanted > 0) || wants_audit(session);
  if (std::exchange(session.interested, interested) == interested) return;
  if (interested) send(session, wire::Interested{});
  else send(session, wire::NotInterested{});
}

// --- requests ----------------------------------------------------------------------------------------

wire::BlockSpan Swarm::span_of(BlockRef block) const {
  return {block.piece, geometry_.block_begin(block.block), geometry_.block_bytes(block.piece, block.block)};
}

void Swarm::pump(PeerSession& session, TimePoint now) {
  if (!picker_->all_begun() && !session.is_due(now, is_far_from_end(now))) return;
  while (request_next(session, now)) {
  }
}

// With enough complete peers no piece is rare, and nobody's direction is needed. Who only says that it is
// complete does not count.
bool Swarm::is_directed(const PeerSession& by) const {
  if (!by.directs) return false;
  if (picker_->seeds() < std::uint32_t{kSeedsEnough}) return true;
  return std::count_if(sessions_.begin(), sessions_.end(), [this](const auto& one) {
           return one.second->counts_as_seed && is_trusted(*one.second);
         }) < kSeedsEnough;
}

bool Swarm::is_trusted(const PeerSession& session) const { return trusted_.contains(session.device()); }

bool Swarm::is_far_from_end(TimePoint now) const {
  const auto unasked = static_cast<double>(picker_->unasked_blocks()) * limits::kBlockBytes;
  return unasked > download_rate_.per_second(now) * seconds_of(kEndTime);
}

bool Swarm::request_next(PeerSession& session, TimePoint now) {
  if (!fetching_ || session.choking_us || !session.interested) return false;
  if (!may_request()) return false;
  const bool all_begun = picker_->all_begun();
  const bool may_hurry = all_begun && session.may_hurry();
  const std::size_t depth =
      std::max<std::size_t>(session.pipeline_depth(now, is_far_from_end(now)), may_hurry ? kEndDepth : 0);
  std::optional<BlockRef> block;
  if (session.outstanding() < depth)
    block = is_directed(session) ? pick_suggested(session, now) : pick_for(session, now);
  else if (may_hurry) block = pick_from_slower(session, kMuchSoonerTimes, now);
  if (!block) return false;
  if (session.directs || is_trusted(session)) idle_since_.reset();
  const auto span = span_of(*block);
  charge(span.length);
  if (session.trial.is_fresh()) begin_trial(session, block->piece, now);
  session.on_requested(*block, now);
  wake_at(session.snub_time());
  ask(session, span);
  return true;
}

// What is asked for in a row goes as one message, where the other side takes that.
void Swarm::ask(const PeerSession& session, const wire::BlockSpan& block) {
  auto* last = actions_.empty() ? nullptr : std::get_if<Send>(&actions_.back());
  auto* request =
      last != nullptr && last->session == session.id() ? std::get_if<wire::Request>(&last->message) : nullptr;
  if (request != nullptr && request->block.piece == block.piece &&
      request->block.begin + request->block.length == block.begin &&
      session.takes_request(request->block.length + block.length))
    request->block.length += block.length;
  else send(session, wire::Request{block});
}

std::optional<BlockRef> Swarm::pick_for(PeerSession& session, TimePoint now) {
  const bool seeds_wait = seeds_wait_for_peers(now);
  const bool only_unshared = seeds_wait && session.counts_as_seed;
  const bool open_new = session.barren_generation != picker_->generation();
  if (auto block = picker_->pick({session.id(), session.pieces(), open_new, only_unshared})) {
    if (!is_left_to_faster(session, block->piece, seeds_wait, now)) return block;
    picker_->release(*block, session.id());
    wake_at(last_look_ + kLookInterval);
    return std::nullopt;
  }
  const bool end_game = picker_->all_requested();
  if (only_unshared || end_game) wake_at(last_look_ + kLookInterval);
  else if (picker_->open_pieces() < picker_->open_max()) session.barren_generation = picker_->generation();
  return end_game ? pick_from_slower(session, kSoonerTimes, now) : std::nullopt;
}

// What it suggested and nobody sends us, in its order; what was begun is finished first. The end game is for
// who directs too: what it gave to a slow peer would otherwise come at that peer's pace.
std::optional<BlockRef> Swarm::pick_suggested(PeerSession& session, TimePoint now) {
  if (auto block = picker_->pick_begun({session.id(), session.pieces(), false, true})) return block;
  if (auto block = take_suggestion(session)) return block;
  if (picker_->all_begun()) {
    wake_at(last_look_ + kLookInterval);
    if (const auto block = pick_from_slower(session, kSoonerTimes, now)) return block;
  }
  // A suggestion may be lost, or never come: nobody waits for one while there is nothing else to wait for.
  // Answers of somebody who has never given any are nothing to wait for.
  for (const auto& [id, other] : sessions_)
    if (other->outstanding() > 0 && (other->directs || is_trusted(*other))) return std::nullopt;
  if (!idle_since_) idle_since_ = now;
  if (now - *idle_since_ >= kSuggestionTime) return pick_for(session, now);
  wake_at(*idle_since_ + kSuggestionTime);
  return std::nullopt;
}

// What was begun elsewhere is left there, and is asked for here when it is given back; or when there is
// nothing else to begin, for then it takes too long there.
std::optional<BlockRef> Swarm::take_suggestion(PeerSession& session) {
  auto& suggested = session.suggested;
  for (auto one = suggested.begin(); one != suggested.end();) {
    const auto state = picker_->state(*one);
    if (state == PiecePicker::State::Open && !picker_->all_begun()) {
      ++one;
      continue;
    }
    const auto block = picker_->pick_piece(*one, session.id());
    if (!block && state == PiecePicker::State::Missing) break;  // too many are open
    one = suggested.erase(one);
    if (block) return block;
  }
  return std::nullopt;
}

void Swarm::pump_all(TimePoint now) {
  if (!fetching_) return;
  if (allowance_) return pump_in_turns(now);
  // What a snubbed session gave back must not go to it again while others can take it.
  for (const bool snubbed : {false, true}) {
    for (const auto& [id, session] : sessions_) {
      if (session->snubbed == snubbed) pump(*session, now);
    }
  }
}

// --- the limit of the download rate --------------------------------------------------------------------

// Everybody asks for one block, beginning behind who asked last, until nobody can or may.
void Swarm::pump_in_turns(TimePoint now) {
  std::vector<PeerSession*> order;
  for (const auto& [id, session] : sessions_) order.push_back(session.get());
  std::stable_partition(order.begin(), order.end(),
                        [this](const PeerSession* one) { return one->id() > last_in_turn_; });
  std::stable_partition(order.begin(), order.end(), [](const PeerSession* one) { return !one->snubbed; });
  while (!order.empty()) {
    std::erase_if(order, [&](PeerSession* one) {
      if (!request_next(*one, now)) return true;
      last_in_turn_ = one->id();
      return false;
    });
  }
}

bool Swarm::may_request() {
  if (!allowance_ || *allowance_ > 0) return true;
  if (!std::exchange(allowance_asked_, true)) actions_.push_back(AllowanceSpent{});
  return false;
}

void Swarm::charge(std::int64_t bytes) {
  if (allowance_) *allowance_ -= bytes;
}

void Swarm::limit_requests(bool limited, TimePoint now) {
  if (limited == allowance_.has_value()) return;
  allowance_asked_ = false;
  if (limited) allowance_ = 0;
  else allowance_.reset();
  pump_all(now);
}

void Swarm::allow_requests(std::uint64_t bytes, TimePoint now) {
  if (!allowance_) return;
  allowance_asked_ = false;
  *allowance_ += static_cast<std::int64_t>(bytes);
  pump_all(now);
}

// A seed has what nobody else has; while incomplete peers can keep us supplied with the rest, the seed's
// uplink is left to pieces that only seeds have. Why: the uplink of the first seed bounds the time of the
// whole swarm (Mundinger, Weber and Weiss), so a piece should leave it once.
bool Swarm::seeds_wait_for_peers(TimePoint now) const {
  const auto shared = picker_->missing_at_peers();
  if (shared == 0) return false;
  double rate = 0;
  for (const auto& [id, one] : sessions_) {
    if (!one->counts_as_seed && !one->choking_us && !one->snubbed) rate += one->download_rate(now);
  }
  return rate * seconds_of(kPeersTime) >= static_cast<double>(shared) * geometry_.piece_length();
}

// Near the end a slow session is asked for nothing that a faster one will bring: the last blocks would come
// at its pace, or twice. A seed that waits for peers will bring nothing.
bool Swarm::is_left_to_faster(const PeerSession& session, PieceIndex piece, bool seeds_wait,
                              TimePoint now) const {
  if (picker_->is_on_parole(piece)) return false;  // nobody else may bring it
  const Duration expected = session.expected_answer(now);
  const double soon = rate_at_block_ * seconds_of(expected) / limits::kBlockBytes;
  auto left = picker_->unasked_blocks();
  if (static_cast<double>(left) >= soon) return false;
  for (const auto& [id, other] : sessions_) left += other->outstanding();
  if (static_cast<double>(left) >= soon) return false;
  return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& entry) {
    const auto& other = *entry.second;
    const bool waits = seeds_wait && other.counts_as_seed;
    return !waits && !other.choking_us && !other.snubbed && !is_directed(other) &&
           other.pieces().has(piece) && other.expected_answer(now) * kFasterTimes < expected;
  });
}

// Both what came twice and what may yet come twice count.
bool Swarm::may_move(TimePoint now) {
  std::erase_if(moves_, [&](const Move& one) { return now - one.time >= kDoubtTime; });
  const auto doubtful = totals_.duplicate + moves_.size() * limits::kBlockBytes;
  return doubtful < std::max(kDuplicateFree, geometry_.size() / kDuplicateShare);
}

// What it was told to forget it has sent, or will not.
bool Swarm::settle_late(PeerSession& session, BlockRef block, TimePoint now) {
  std::erase_if(moves_, [&](const Move& one) { return one.from == session.id() && one.block == block; });
  return session.settle_late(block, now);
}

// End game: the block that is expected last of all, if this session would bring it sooner. As long as the
// slow one has not been asked for all of its piece, one that it was not asked for; then one that it was: it
// is told to forget it, and what was sent already comes twice.
std::optional<BlockRef> Swarm::pick_from_slower(PeerSession& session, double times, TimePoint now) {
  // If they all kept the same pace to the end, this is when it were: a download that our own link holds up is
  // not helped.
  std::size_t outstanding = 1;
  for (const auto& [id, other] : sessions_) outstanding += other->outstanding();
  Duration expected = session.expected_answer(now);
  if (rate_at_block_ > 0) {
    const double even = static_cast<double>(outstanding * limits::kBlockBytes) / rate_at_block_;
    expected = std::max(expected, Duration(static_cast<Duration::rep>(even * 1e9)));
  }
  std::vector<std::pair<Duration, PeerSession*>> slower;
  for (const auto& [id, other] : sessions_) {
    if (other.get() == &session || other->outstanding() == 0) continue;
    const Duration last = other->expected_last(picker_->unasked_of(id), now);
    if (seconds_of(last) > seconds_of(expected) * times && last > expected + kWorthwhile)
      slower.emplace_back(last, other.get());
  }
  // Stable, so that equals stay in the order of their ids.
  std::stable_sort(slower.begin(), slower.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [last, other] : slower) {
    if (const auto block = picker_->pick_of(other->id(), {session.id(), session.pieces()})) return block;
  }
  if (!may_move(now)) return std::nullopt;
  std::optional<BlockRef> found;
  for (const auto& [last, other] : slower) {
    const bool taken = other->any_outstanding_from_last([&](const BlockRef& block) {
      if (!picker_->request_again(block, session.id(), session.pieces())) return false;
      found = block;
      return true;
    });
    if (!taken) continue;
    picker_->release(*found, other->id());
    other->give_up(*found);
    const auto span = span_of(*found);
    charge(-std::int64_t{span.length});
    send(*other, wire::Cancel{span});
    moves_.push_back({now, other->id(), *found});
    break;
  }
  return found;
}

void Swarm::give_back_requests(PeerSession& session, const std::vector<BlockRef>& blocks, Farewell farewell) {
  for (const auto& block : blocks) {
    picker_->release(block, session.id());
    const auto span = span_of(block);
    charge(-std::int64_t{span.length});
    if (farewell == Farewell::Cancel) send(session, wire::Cancel{span});
  }
  disown(session);
}

void Swarm::disown(const PeerSession& session) {
  for (const auto& [piece, bytes] : picker_->disown(session.id())) {
    totals_.wasted += bytes;
    actions_.push_back(PieceDiscarded{piece});
  }
}

void Swarm::snub_silent_sessions(TimePoint now) {
  for (const auto& [id, session] : sessions_) {
    if (session->snub_time() > now) continue;
    give_back_requests(*session, session->snub(), Farewell::Cancel);
  }
}

void Swarm::set_fetching(bool fetching, TimePoint now) {
  if (std::exchange(fetching_, fetching) == fetching) return;
  for (const auto& [id, session] : sessions_) {
    if (!fetching) give_back_requests(*session, session->give_up_all(), Farewell::Cancel);
    update_interest(*session);
  }
  pump_all(now);
}

void Swarm::set_open_pieces_max(std::uint32_t count, TimePoint now) {
  picker_->set_open_max(count);
  open_pieces_allowed_ = std::max(open_pieces_allowed_, count);
  pump_all(now);
}

// --- blocks ------------------------------------------------------------------------------------------

BlockVerdict Swarm::on_block(SessionId id, const wire::BlockSpan& span, TimePoint now) {
  auto* session = find(id);
  if (session == nullptr) return BlockVerdict::Unwanted;
  const auto block = session->block_of(span);
  if (!block) {
    totals_.wasted += span.length;
    close(*session, CloseReason::MalformedMessage, now);
    return BlockVerdict::Unwanted;
  }
  if (end_audit(*session, *block)) return BlockVerdict::Compare;
  const bool asked = session->on_block(*block, span.length, now);
  const bool late = !asked && settle_late(*session, *block, now);
  if (late) charge(span.length);
  PiecePicker::Receipt receipt;
  if (asked || (late && fetching_)) receipt = picker_->receive(*block, id, session->device());
  else if (picker_->is_received(*block)) receipt.verdict = BlockVerdict::Duplicate;

  switch (receipt.verdict) {
    case BlockVerdict::Keep:
      totals_.downloaded += span.length;
      sources_[session->device()] += span.length;
      download_rate_.add(span.length, now);
      rate_at_block_ = download_rate_.per_second(now);
      session->trial.on_kept(*block);
      break;
    case BlockVerdict::Duplicate: totals_.duplicate += span.length; break;
    case BlockVerdict::Unwanted: totals_.wasted += span.length; break;
    case BlockVerdict::Compare: break;
  }
  for (const auto& other_id : receipt.others) {
    auto* other = other_id ? find(*other_id) : nullptr;
    if (other == nullptr) continue;
    other->give_up(*block);
    charge(-std::int64_t{span.length});
    send(*other, wire::Cancel{span});
    pump(*other, now);
  }
  if (receipt.filled) actions_.push_back(PieceFilled{block->piece});
  compare_kept(*session);
  if (!asked && !late && !session->allow_unwanted_block(now)) close(*session, CloseReason::MessageFlood, now);
  else pump(*session, now);
  return receipt.verdict;
}

// --- pieces ------------------------------------------------------------------------------------------

void Swarm::on_piece_stored(PieceIndex piece, TimePoint now) {
  const auto contributors = picker_->contributors(piece);
  picker_->store(piece);
  CHECK(have_.set(piece));
  tell_piece(piece);
  for (const auto& device : contributors) trust(device, now);
  if (complete()) complete_download(now);
  else pump_all(now);
}

void Swarm::tell_piece(PieceIndex piece) {
  for (const auto& [id, session] : sessions_) {
    const bool has_it = session->pieces().has(piece);
    if (has_it) {
      --session->wanted;
      update_interest(*session);
    }
    // Who directs wants to see what becomes of what it suggests.
    if (!has_it || session->directs) send(*session, wire::Have{piece});
    else withhold(*session, piece);
  }
}

// It has the piece itself: there is no hurry, and one record carries many.
void Swarm::withhold(PeerSession& session, PieceIndex piece) {
  if (session.withheld.size() >= PeerSession::kWithheldHaves) return;
  if (!session.pieces().all()) wake_at(last_told_ + kTellInterval);
  session.withheld.push_back(piece);
}

// So that peers see how far we are. One that is complete need not know before we are.
void Swarm::tell_withheld(TimePoint now) {
  const bool is_time = now - last_told_ >= kTellInterval;
  if (is_time) last_told_ = now;
  for (const auto& [id, session] : sessions_) {
    if (session->withheld.empty() || session->pieces().all()) continue;
    if (!is_time) return wake_at(last_told_ + kTellInterval);
    for (const auto piece : std::exchange(session->withheld, {})) send(*session, wire::Have{piece});
  }
}

bool Swarm::lags() const {
  if (complete() || !fetching_ || allowance_) return false;
  std::uint64_t pieces = 0;
  std::uint64_t peers = 0;
  for (const auto& [id, session] : sessions_) {
    if (session->pieces().all()) continue;
    pieces += session->pieces().count();
    ++peers;
  }
  return have_.count() * peers * kLagParts < pieces * (kLagParts - 1);
}

void Swarm::complete_download(TimePoint now) {
  actions_.push_back(Completed{});
  std::vector<SessionId> idle;
  for (const auto& [id, session] : sessions_) {
    if (session->pieces().all()) idle.push_back(id);
    // So that it sees that we are complete, and can tell when both of us are.
    else
      for (const auto piece : session->withheld) send(*session, wire::Have{piece});
    session->withheld = {};
  }
  draw_first();
  begin_origin(now);
  for (const auto id : idle) close(*find(id), CloseReason::NothingToExchange, now);
}

void Swarm::on_piece_lost(PieceIndex piece, TimePoint now) {
  picker_->lose(piece);
  pump_all(now);
}

void Swarm::on_piece_withdrawn(PieceIndex piece, TimePoint now) {
  CHECK(have_.clear(piece));
  picker_->withdraw(piece);
  origin_.reset();
  for (const auto& [id, session] : sessions_) {
    for (const auto& block : session->drop_queued(piece)) {
      if (session->abilities().fast) send(*session, wire::Reject{block});
    }
    std::erase(session->withheld, piece);
    if (session->pieces().has(piece)) ++session->wanted;
    update_interest(*session);
  }
  tell_direction();
  pump_all(now);
}

}  // namespace p2p::swarm
