// SPDX-License-Identifier: MIT
#include "tests/sim/swarm_world.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>
#include <variant>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"

namespace p2p::sim {

namespace {

constexpr std::size_t kBatchBlocks = 16;
constexpr std::uint32_t kPieceHead = 13;
constexpr std::uint32_t kHashesHead = 53;
constexpr std::uint64_t kFaultSeed = 0x6661756c74;
constexpr Duration kSpaceRetry = 2s;
constexpr std::size_t kViolations = 20;

// As wire::encode writes it.
std::uint32_t bytes_of(const wire::Message& message) {
  if (const auto* field = std::get_if<wire::BitfieldMessage>(&message))
    return static_cast<std::uint32_t>(5 + field->bits.size());
  if (const auto* extended = std::get_if<wire::Extended>(&message))
    return static_cast<std::uint32_t>(6 + extended->payload.size());
  if (const auto* piece = std::get_if<wire::Piece>(&message)) return kPieceHead + piece->block.length;
  if (const auto* hashes = std::get_if<wire::Hashes>(&message))
    return static_cast<std::uint32_t>(kHashesHead + hashes->hashes.size());
  if (std::holds_alternative<wire::HashRequest>(message) || std::holds_alternative<wire::HashReject>(message))
    return kHashesHead;
  const bool has_block = std::holds_alternative<wire::Request>(message) ||
                         std::holds_alternative<wire::Cancel>(message) ||
                         std::holds_alternative<wire::Reject>(message);
  const bool has_index =
      std::holds_alternative<wire::Have>(message) || std::holds_alternative<wire::Suggest>(message);
  return has_block ? 17 : has_index ? 9 : 5;
}

}  // namespace

SwarmWorld::SwarmWorld(const meta::Geometry& geometry, std::uint64_t seed, WorldOptions options)
    : geometry_(geometry),
      seed_(seed),
      options_(options),
      random_(seed),
      faults_(seed ^ kFaultSeed),
      payload_(geometry),
      network_(events_, *this, options.network) {}

SwarmWorld::~SwarmWorld() = default;

SwarmWorld::Member SwarmWorld::add(const MemberOptions& options) {
  const auto member = network_.add_host(options.uplink, options.downlink);
  auto& state = members_.emplace_back();
  state.random = std::make_unique<Random>(seed_ * 100'003 + member);
  state.options = options;
  state.stored = swarm::Bitfield(geometry_.pieces(), options.seed || Hostile::has_all(options.attack));
  state.swarm = std::make_unique<swarm::Swarm>(geometry_, state.stored, options.swarm, *state.random,
                                               [this](PieceIndex piece) { return payload_.roots(piece); });
  state.book = std::make_unique<swarm::PeerBook>(device(member), options.links_wanted, *state.random);
  if (options.seed) state.book->set_source();
  if (options.attack == Attack::None) return member;
  state.hostile = std::make_unique<Hostile>(options.attack, options.share, geometry_,
                                            (seed_ * 100'003 + member) ^ kFaultSeed);
  events_.at(events_.now() + Hostile::kTick, Happening::Attack, member);
  return member;
}

DeviceId SwarmWorld::device(Member member) {
  DeviceId id;
  id.bytes[31] = static_cast<std::uint8_t>(member + 1);
  id.bytes[30] = static_cast<std::uint8_t>((member + 1) >> 8);
  return id;
}

// --- who is linked with whom -------------------------------------------------------------------------

void SwarmWorld::connect(Member one, Member other) {
  const auto number = network_.add_link(one, other);
  CHECK(number == links_.size());
  auto& link = links_.emplace_back();
  const Member both[2] = {one, other};
  for (int side = 0; side < 2; ++side) {
    auto& state = members_[both[side]];
    link.ends[side].member = both[side];
    link.ends[side].session = state.swarm->open_session(device(both[1 - side]), {}, events_.now());
    state.swarm->on_round_trip(link.ends[side].session, 2 * options_.network.latency);
    state.link_of_session.resize(link.ends[side].session.value + 1);
    state.link_of_session[link.ends[side].session.value] = number;
    state.book->on_connected(device(both[1 - side]));
  }
  settle(one);
  settle(other);
}

void SwarmWorld::connect_all() {
  for (Member one = 0; one < members_.size(); ++one) {
    for (Member other = one + 1; other < members_.size(); ++other) connect(one, other);
  }
}

void SwarmWorld::join(Member member) {
  members_[member].joined = true;
  const auto tell = [this](Member to, Member about) {
    swarm::PeerAddress address{Bytes(4, 0), static_cast<std::uint16_t>(about + 1)};
    members_[to].book->add(device(about), "", {std::move(address)}, members_[about].options.seed,
                           events_.now());
    set_dial_timer(to);
  };
  for (Member other = 0; other < members_.size(); ++other) {
    if (other == member || !members_[other].joined || members_[other].left) continue;
    tell(member, other);
    tell(other, member);
  }
}

void SwarmWorld::leave(Member member) {
  members_[member].left = true;
  cut_links(member);
  for (auto& other : members_) other.book->remove(device(member));
  look_ = true;
}

void SwarmWorld::cut_links(Member member) {
  for (LinkNumber link = 0; link < links_.size(); ++link) {
    if (links_[link].ends[0].member == member || links_[link].ends[1].member == member) close(link);
  }
}

bool SwarmWorld::are_linked(Member one, Member other) const {
  return std::any_of(links_.begin(), links_.end(), [&](const Link& link) {
    const auto a = link.ends[0].member;
    const auto b = link.ends[1].member;
    return link.open && ((a == one && b == other) || (a == other && b == one));
  });
}

void SwarmWorld::set_dial_timer(Member member) {
  auto& state = members_[member];
  const auto due = state.book->next_deadline();
  if (state.left || due >= state.dial_timer) return;
  state.dial_timer = std::max(due, events_.now());
  events_.at(state.dial_timer, Happening::Dial, member);
}

void SwarmWorld::dial_due(Member member) {
  auto& state = members_[member];
  state.dial_timer = TimePoint::max();
  if (state.left) return;
  while (const auto candidate = state.book->next_dial(state.swarm->complete(), events_.now())) {
    const Member other = candidate->address.port - 1u;
    // TCP, TLS, hello and handshake: three round trips.
    events_.at(events_.now() + 6 * network_.latency() + options_.handshake_time, Happening::Dialled, member,
               other);
  }
  set_dial_timer(member);
}

void SwarmWorld::on_dialled(Member member, Member other) {
  auto& state = members_[member];
  auto& far = members_[other];
  if (state.left) return;
  if (state.hostile != nullptr) state.hostile->dialling.erase(other);
  const bool refused =
      far.left || network_.are_apart(member, other) || far.book->is_banned(device(member), events_.now()) ||
      state.book->is_banned(device(other), events_.now()) || far.book->connected() >= limits::kLinksPerShare;
  if (are_linked(member, other)) {
    state.book->on_connected(device(other));
  } else if (refused) {
    state.book->on_dial_failed(device(other), events_.now());
    set_dial_timer(member);
  } else {
    connect(member, other);
  }
}

void SwarmWorld::close(LinkNumber number) {
  auto& link = links_[number];
  if (!std::exchange(link.open, false)) return;
  network_.cut(number);
  look_ = true;
  for (int side = 0; side < 2; ++side) {
    auto& state = members_[link.ends[side].member];
    state.swarm->close_session(link.ends[side].session, events_.now());
    state.book->on_disconnected(device(link.ends[1 - side].member), events_.now());
    if (state.hostile != nullptr) state.hostile->forget(number);
  }
  for (const auto& end : links_[number].ends) {
    settle(end.member);
    if (members_[end.member].joined) set_dial_timer(end.member);
  }
}

// --- time --------------------------------------------------------------------------------------------

void SwarmWorld::at(Duration time, std::function<void()> script) {
  scripts_.push_back(std::move(script));
  events_.at(TimePoint(time), Happening::Script, static_cast<std::uint32_t>(scripts_.size() - 1));
}

bool SwarmWorld::run(const std::function<bool()>& done, Duration limit) {
  look_ = true;
  while (true) {
    if (std::exchange(look_, false) && done()) return true;
    if (events_.empty() || events_.next_time() > TimePoint(limit)) return done();
    happen(events_.take());
  }
}

void SwarmWorld::happen(const Event& event) {
  note(static_cast<std::uint64_t>(event.time.time_since_epoch().count()));
  note(static_cast<std::uint64_t>(event.kind) << 56 | std::uint64_t{event.a} << 28 | event.b);
  switch (event.kind) {
    case Happening::Sent: return network_.on_sent(event);
    case Happening::Arrived: return network_.on_arrived(event);
    case Happening::Read: return on_read(event.a, event.b);
    case Happening::PieceDone: return on_piece_done(event.a, PieceIndex{event.b}, event.c != 0);
    case Happening::SwarmTimer: {
      auto& state = members_[event.a];
      if (state.timer != event.time || state.left) return;
      state.timer = TimePoint::max();
      if (state.swarm->next_deadline() <= event.time) state.swarm->on_timer(event.time);
      return settle(event.a);
    }
    case Happening::Dial:
      if (members_[event.a].dial_timer == event.time) dial_due(event.a);
      return;
    case Happening::Dialled: return on_dialled(event.a, event.b);
    case Happening::SpaceRetry:
      members_[event.a].swarm->set_fetching(true, event.time);
      return settle(event.a);
    case Happening::Script: {
      look_ = true;
      const auto script = scripts_[event.a];  // it may add others
      return script();
    }
    case Happening::LeavesRead: return on_leaves_read(event.a);
    case Happening::Attack: return attack(event.a);
  }
}

void SwarmWorld::set_timer(Member member) {
  auto& state = members_[member];
  const auto due = state.swarm->next_deadline();
  if (due >= state.timer) return;
  state.timer = std::max(due, events_.now());
  events_.at(state.timer, Happening::SwarmTimer, member);
}

// --- the driver --------------------------------------------------------------------------------------

void SwarmWorld::settle(Member member) {
  while (auto action = members_[member].swarm->next_action()) act(member, *action);
  set_timer(member);
}

Direction SwarmWorld::direction_of(Member member, swarm::SessionId session) const {
  const auto link = members_[member].link_of_session[session.value];
  return 2 * link + (links_[link].ends[0].member == member ? 0 : 1);
}

void SwarmWorld::act(Member member, const swarm::Action& action) {
  auto& state = members_[member];
  if (const auto* sent = std::get_if<swarm::Send>(&action)) {
    const auto direction = direction_of(member, sent->session);
    if (const auto* request = std::get_if<wire::Request>(&sent->message)) {
      end_of(direction).outstanding += static_cast<std::uint32_t>(wire::blocks_of(request->block).size());
      if (end_of(direction).outstanding > limits::kRequestsFromPeer)
        violate(member, "more requests outstanding than allowed");
    }
    // An honest peer answers what was cancelled too; no other one is waited for.
    if (std::holds_alternative<wire::Cancel>(sent->message) && is_hostile(far_end_of(direction).member))
      end_of(direction).outstanding -= std::min(end_of(direction).outstanding, 1u);
    look_ = look_ || std::holds_alternative<wire::Extended>(sent->message);
    send(direction, sent->message);
  } else if (const auto* filled = std::get_if<swarm::PieceFilled>(&action)) {
    check_piece(member, filled->piece);
  } else if (const auto* discarded = std::get_if<swarm::PieceDiscarded>(&action)) {
    state.buffers.erase(discarded->piece);
  } else if (const auto* compared = std::get_if<swarm::CompareBlock>(&action)) {
    compare(member, *compared);
  } else if (const auto* convicted = std::get_if<swarm::DeviceConvicted>(&action)) {
    convict(member, *convicted);
  } else if (const auto* ready = std::get_if<swarm::UploadReady>(&action)) {
    pump_upload(direction_of(member, ready->session));
  } else if (const auto* closed = std::get_if<swarm::CloseSession>(&action)) {
    const auto direction = direction_of(member, closed->session);
    const auto link = direction / 2;
    const auto far = far_end_of(direction).member;
    if (closed->reason != swarm::CloseReason::NothingToExchange && !is_hostile(far))
      violate(member, fmt::format("honest member {} was cut: {}", far, describe(closed->reason)));
    if (closed->reason == swarm::CloseReason::NothingToExchange) {
      for (const int side : {0, 1})
        members_[links_[link].ends[side].member].book->on_complete(
            device(links_[link].ends[1 - side].member));
    } else {
      state.book->on_fault(device(far), events_.now());
    }
    close(link);
  } else if (std::holds_alternative<swarm::Completed>(action)) {
    state.completed_at = now();
    if (!state.stored.all()) violate(member, "complete without all pieces");
    check_sums(member);
    look_ = true;
  }
}

void SwarmWorld::send(Direction direction, wire::Message message) {
  auto* hostile = members_[end_of(direction).member].hostile.get();
  if (hostile == nullptr) return put(direction, std::move(message), false);
  Hostile::Outbox out;
  hostile->on_send(direction / 2, std::move(message), events_.now(), out);
  put_all(direction, std::move(out));
}

void SwarmWorld::put(Direction direction, wire::Message message, bool bad) {
  const auto bytes = bytes_of(message);
  network_.send(direction, {std::move(message), bytes, bad});
  if (pending(direction) > limits::kSendLowWaterBytes) end_of(direction).is_full = true;
}

// What the kernel has not taken.
std::size_t SwarmWorld::pending(Direction direction) const {
  const auto all = network_.waiting(direction) + network_.under_way(direction);
  const auto host = links_[direction / 2].ends[direction % 2].member;
  return all - std::min(all, options_.socket_buffer + network_.path_bytes(host));
}

void SwarmWorld::pump_upload(Direction direction) {
  auto& end = end_of(direction);
  auto& swarm = *members_[end.member].swarm;
  while (swarm.has_upload(end.session) && end.reading.size() < 2 * kBatchBlocks &&
         pending(direction) + end.reading_bytes < 2 * limits::kSendLowWaterBytes) {
    std::uint32_t count = 0;
    for (; count < kBatchBlocks && swarm.has_upload(end.session); ++count) {
      const auto block = *swarm.next_upload(end.session);
      if (!members_[end.member].stored.has(block.piece)) violate(end.member, "served what it has not");
      end.reading.push_back(block);
      end.reading_bytes += block.length;
    }
    end.read_at = std::max(end.read_at, events_.now() + disk_time(end.member, options_.read_time));
    events_.at(end.read_at, Happening::Read, direction, count);
  }
}

// The oldest batch: jobs of one link end in the order they were given.
void SwarmWorld::on_read(Direction direction, std::uint32_t count) {
  if (!links_[direction / 2].open) return;
  auto& end = end_of(direction);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto block = end.reading[i];
    end.reading_bytes -= block.length;
    send(direction, wire::Piece{block, {}});
    members_[end.member].swarm->on_upload_sent(end.session, block, events_.now());
  }
  end.reading.erase(end.reading.begin(), end.reading.begin() + count);
  pump_upload(direction);
  settle(end.member);
}

void SwarmWorld::on_left(Direction direction) {
  auto& end = end_of(direction);
  if (!end.is_full || pending(direction) > limits::kSendLowWaterBytes) return;
  end.is_full = false;
  pump_upload(direction);
}

void SwarmWorld::on_item(Direction direction, const Item& item) {
  const auto& end = far_end_of(direction);
  auto& state = members_[end.member];
  note(item.message.index());
  if (item.bad) note(1);
  if (std::holds_alternative<wire::Piece>(item.message) ||
      std::holds_alternative<wire::Reject>(item.message)) {
    auto& outstanding = far_end_of(direction).outstanding;
    outstanding -= std::min(outstanding, 1u);
  }
  if (state.hostile != nullptr) {
    Hostile::Outbox out;
    const bool hears = state.hostile->on_receive(direction / 2, item.message, out);
    put_all(direction ^ 1, std::move(out));
    if (!hears) return;
  }
  if (const auto* piece = std::get_if<wire::Piece>(&item.message)) on_piece(direction, *piece, item.bad);
  else state.swarm->on_message(end.session, item.message, events_.now());
  settle(end.member);
  const auto* request = std::get_if<wire::HashRequest>(&item.message);
  if (request != nullptr && swarm::LeafServer::concerns(request->range))
    answer_leaves(direction ^ 1, request->range);
}

void SwarmWorld::on_piece(Direction direction, const wire::Piece& piece, bool bad) {
  const auto& end = far_end_of(direction);
  auto& state = members_[end.member];
  bad = bad && state.hostile == nullptr;
  const auto verdict = state.swarm->on_block(end.session, piece.block, events_.now());
  if (verdict == swarm::BlockVerdict::Unwanted) state.unwanted += piece.block.length;
  if (verdict == swarm::BlockVerdict::Compare) {
    const swarm::BlockRef block{piece.block.piece, {piece.block.begin / limits::kBlockBytes}};
    state.swarm->on_block_compared(device(end_of(direction).member), block, !bad, events_.now());
  }
  if (bad) ++bad_blocks_[{end_of(direction).member, end.member}];
  if (verdict == swarm::BlockVerdict::Keep) keep(end.member, piece.block, bad);
  if (state.nearly_complete_at == Duration{} &&
      state.swarm->totals().downloaded * 100 >= geometry_.size() * 99)
    state.nearly_complete_at = now();
}

void SwarmWorld::keep(Member member, const wire::BlockSpan& span, bool bad) {
  auto& blocks = members_[member].buffers[span.piece];
  blocks.resize(geometry_.blocks(span.piece));
  auto& block = blocks[span.begin / limits::kBlockBytes];
  if (block == Block::Good) violate(member, "a block was kept twice");
  block = bad ? Block::Bad : Block::Good;
}

// A block that did not come is none that was published.
BadBlocks SwarmWorld::bad_blocks(Member member, PieceIndex piece) const {
  BadBlocks bad;
  const auto& blocks = members_[member].buffers.at(piece);
  for (std::uint32_t i = 0; i < blocks.size(); ++i)
    if (blocks[i] != Block::Good) bad.insert({i});
  return bad;
}

// Verified and written one after the other.
void SwarmWorld::check_piece(Member member, PieceIndex piece) {
  auto& state = members_[member];
  const double bytes = geometry_.piece_bytes(piece);
  const Duration verify(static_cast<Duration::rep>(bytes / options_.verify_rate * 1e9));
  const auto& blocks = state.buffers[piece];
  if (std::find(blocks.begin(), blocks.end(), Block::Missing) != blocks.end())
    violate(member, "a piece was filled without all its blocks");
  const bool good = bad_blocks(member, piece).empty();
  state.disk_free = std::max(state.disk_free, events_.now()) + verify;
  if (good) state.disk_free += disk_time(member, options_.write_time);
  const bool written = !good || options_.write_errors == 0 || random_.unit() >= options_.write_errors;
  events_.at(state.disk_free, Happening::PieceDone, member, piece.value, written ? 1 : 0);
}

void SwarmWorld::on_piece_done(Member member, PieceIndex piece, bool written) {
  auto& state = members_[member];
  if (state.left) return;
  const auto bad = bad_blocks(member, piece);
  if (bad.empty()) state.buffers.erase(piece);
  if (!bad.empty()) {
    state.swarm->on_piece_failed(piece, payload_.evidence(piece, bad), events_.now());
  } else if (written) {
    state.stored.set(piece);
    look_ = true;
    state.swarm->on_piece_stored(piece, events_.now());
    if (state.swarm->lags() && state.book->on_lag(events_.now())) set_dial_timer(member);
  } else {
    state.lost += geometry_.piece_bytes(piece);
    state.swarm->on_piece_lost(piece, events_.now());
    state.swarm->set_fetching(false, events_.now());
    events_.at(events_.now() + kSpaceRetry, Happening::SpaceRetry, member);
  }
  settle(member);
}

// --- questions ---------------------------------------------------------------------------------------

bool SwarmWorld::all_complete() const {
  return std::all_of(members_.begin(), members_.end(),
                     [](const State& one) { return one.left || one.hostile || one.swarm->complete(); });
}

bool SwarmWorld::full_copy_without(Member member) const {
  for (std::uint32_t i = 0; i < geometry_.pieces(); ++i) {
    bool found = false;
    for (Member other = 0; other < members_.size() && !found; ++other)
      found = other != member && !members_[other].left && !is_hostile(other) &&
              members_[other].stored.has(PieceIndex{i});
    if (!found) return false;
  }
  return true;
}

std::uint64_t SwarmWorld::received(Member from, Member to) const {
  const auto& sources = members_[to].swarm->sources();
  const auto found = sources.find(device(from));
  return found == sources.end() ? 0 : found->second;
}

Duration SwarmWorld::last_completed_at() const {
  Duration last{};
  for (const auto& member : members_) {
    if (!member.left && !member.hostile) last = std::max(last, member.completed_at);
  }
  return last;
}

void SwarmWorld::check_invariants() const {
  for (const auto& member : members_)
    if (!member.hostile) member.swarm->check_invariants();
}

void SwarmWorld::violate(Member member, const std::string& what) {
  if (violations_.size() < kViolations && !is_hostile(member))
    violations_.push_back(fmt::format("{:.3f} s, member {}: {}", seconds_of(now()), member, what));
}

}  // namespace p2p::sim
