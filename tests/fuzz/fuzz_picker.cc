// SPDX-License-Identifier: MIT
// The piece picker against a naive one: the input is a stream of operations, made lawful here, as a swarm
// would have them. The first byte is the number of pieces, the second seeds the random decisions, the third
// is open_max.
#include <utility>

#include "daemon/base/check.h"
#include "daemon/swarm/piece_picker.h"
#include "tests/support/naive_picker.h"

namespace {

using namespace p2p;
using swarm::Bitfield;
using swarm::BlockRef;
using swarm::PiecePicker;
using swarm::SessionId;
using test::NaivePicker;
using State = PiecePicker::State;
using Number = NaivePicker::Number;

constexpr std::uint32_t kPieceBytes = 256 * 1024;
constexpr std::uint32_t kLastShort = 5 * 16 * 1024 + 1;  // the last piece lacks so much
constexpr Number kPieces[] = {1, 2, 7, 40, 70, 130, 300};
constexpr std::size_t kPlaces = 8;  // for sessions; who comes back is another session
constexpr int kChecksApart = 16;    // operations between two comparisons of everything

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  Number byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  Number below(std::size_t bound) {
    const auto value = bound > 256 ? byte() * 256 + byte() : byte();
    return value % static_cast<Number>(bound);
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

DeviceId device_of(Number session) {
  DeviceId device;
  device.bytes[0] = static_cast<std::uint8_t>(session % 5);
  return device;
}

class Pair {
 public:
  explicit Pair(Input& input)
      : input_(input),
        geometry_(*meta::Geometry::make(
            std::uint64_t{kPieces[input.below(std::size(kPieces))]} * kPieceBytes - kLastShort, kPieceBytes)),
        random_(input.byte()),
        naive_(geometry_, 1 + input.below(40)),
        picker_(geometry_, Bitfield(geometry_.pieces()), naive_.open_max, random_) {
    for (Number place = 0; place < kPlaces; ++place) arrive(place);
  }

  void step() {
    const auto place = input_.below(kPlaces);
    const auto session = ids_[place];
    switch (input_.below(18)) {
      case 0: have(session, piece()); break;
      case 1: lose_piece(session, piece()); break;
      case 2:
        leave(session);
        arrive(place);
        break;
      case 3: pick(wish_of(session)); break;
      case 4: pick_begun(wish_of(session)); break;
      case 5: suggested(session, piece()); break;
      case 6: fetch(session, input_.byte()); break;
      case 7: request_again(session); break;
      case 8: release(); break;
      case 9: receive(session); break;
      case 10: give_back(session); break;
      case 11: end_piece(); break;
      case 12: withdraw(); break;
      case 13: set_open_max(); break;
      case 14: set_order(); break;
      case 15: pick_of(session, ids_[input_.below(kPlaces)]); break;
      case 16: take_back(); break;
      default: CHECK(picker_.missing_at_peers() == naive_.missing_at_peers());
    }
    if (++steps_ % kChecksApart == 0) compare();
  }

  void compare() const {
    picker_.check_invariants();
    CHECK(picker_.open_pieces() == naive_.open_pieces());
    CHECK(picker_.all_requested() == naive_.all_requested());
    CHECK(picker_.seeds() == naive_.seeds());
    for (Number i = 0; i < naive_.pieces.size(); ++i) {
      const auto& piece = naive_.pieces[i];
      CHECK(picker_.availability({i}) == naive_.peers(i) + naive_.seeds());
      CHECK(picker_.state({i}) == piece.state);
      if (piece.state == State::Open || piece.state == State::Filled) compare_blocks(i, piece);
    }
  }

 private:
  void compare_blocks(Number number, const NaivePicker::Piece& piece) const {
    for (Number i = 0; i < piece.blocks.size(); ++i) {
      const BlockRef ref{{number}, {i}};
      std::vector<Number> askers;
      for (const auto session : picker_.requesters(ref)) askers.push_back(session.value);
      CHECK(askers == piece.blocks[i].askers && askers.size() <= 2);
      CHECK(picker_.is_received(ref) == piece.blocks[i].source.has_value());
      if (piece.state == State::Filled) CHECK(picker_.source(ref) == piece.blocks[i].source);
    }
    if (piece.state != State::Filled) return;
    auto contributors = picker_.contributors({number});
    std::sort(contributors.begin(), contributors.end());
    CHECK(contributors == naive_.contributors(number));
  }

  // --- what sessions have ----------------------------------------------------------------------------
  PieceIndex piece() { return {input_.below(naive_.pieces.size())}; }
  Bitfield bitfield(Number session) const {
    Bitfield result(geometry_.pieces());
    for (const auto piece : naive_.sessions.at(session).pieces) result.set({piece});
    return result;
  }
  void arrive(Number place) {
    const auto session = next_id_++;
    ids_[place] = session;
    auto& it = naive_.sessions[session];
    const auto density = input_.byte();  // of 256; all at 255
    Random draw(input_.byte());
    for (Number i = 0; i < naive_.pieces.size(); ++i) {
      if (density == 255 || draw.below(256) < density * density / 256) it.pieces.insert(i);
    }
    it.seed = density == 255 && draw.below(4) > 0;  // the others get there by haves, as it were
    if (it.seed) picker_.add_seed();
    else picker_.add_peer(bitfield(session));
  }
  void have(Number session, PieceIndex piece) {
    auto& it = naive_.sessions.at(session);
    barren_.erase(session);
    if (!it.pieces.insert(piece.value).second) return;
    picker_.add_piece(piece);
    if (it.pieces.size() < naive_.pieces.size() || input_.below(4) == 0) return;
    picker_.remove_peer(bitfield(session));
    picker_.add_seed();
    it.seed = true;
  }
  void lose_piece(Number session, PieceIndex piece) {
    auto& it = naive_.sessions.at(session);
    if (!it.pieces.contains(piece.value)) return;
    if (std::exchange(it.seed, false)) {
      picker_.remove_seed();
      picker_.add_peer(bitfield(session));
    }
    it.pieces.erase(piece.value);
    picker_.remove_piece(piece);
  }
  void leave(Number session) {
    give_back(session);
    if (naive_.sessions.at(session).seed) picker_.remove_seed();
    else picker_.remove_peer(bitfield(session));
    naive_.sessions.erase(session);
    barren_.erase(session);
  }

  // --- picking ---------------------------------------------------------------------------------------
  NaivePicker::Wish wish_of(Number session) {
    const auto flags = input_.byte();
    const bool seed = naive_.sessions.at(session).seed;
    return {.session = session, .open_new = flags % 8 != 0, .only_unshared = seed && flags % 2 == 1};
  }
  std::optional<BlockRef> pick(const NaivePicker::Wish& wish) {
    const auto has = bitfield(wish.session);
    const auto expected = naive_.begun(wish);
    const bool open_new = wish.open_new && naive_.may_open() && !naive_.candidates(wish).empty();
    // Who found nothing new at this generation finds nothing now.
    const auto barren = barren_.find(wish.session);
    if (barren != barren_.end() && barren->second == picker_.generation())
      CHECK(naive_.candidates({.session = wish.session}).empty());

    const auto block = picker_.pick({{wish.session}, has, wish.open_new, wish.only_unshared});

    if (expected) {
      CHECK(block == expected);
    } else if (open_new) {
      CHECK(block && block->block.value == 0 && naive_.is_right(block->piece.value, wish));
    } else {
      CHECK(block == naive_.shared(wish));
      if (!block && wish.open_new && !wish.only_unshared && naive_.may_open())
        barren_[wish.session] = picker_.generation();
    }
    if (block) naive_.take(*block, wish.session);
    return block;
  }
  void pick_begun(const NaivePicker::Wish& wish) {
    const auto has = bitfield(wish.session);
    const auto expected = naive_.begun(wish);
    CHECK(picker_.pick_begun({{wish.session}, has, wish.open_new, wish.only_unshared}) == expected);
    if (expected) naive_.take(*expected, wish.session);
  }
  void pick_of(Number session, Number owner) {
    const auto has = bitfield(session);
    const auto expected = naive_.of_owner(owner, {.session = session});
    CHECK(picker_.unasked_of({owner}) == naive_.unasked_of(owner));
    CHECK(picker_.pick_of({owner}, {{session}, has}) == expected);
    if (expected) naive_.take(*expected, session);
  }
  void suggested(Number session, PieceIndex piece) {
    const auto expected = naive_.of_piece(piece, session);
    CHECK(picker_.pick_piece(piece, {session}) == expected);
    if (!expected) return;
    naive_.take(*expected, session);
    naive_.pieces[piece.value].owner = session;
  }
  void fetch(Number session, Number blocks) {
    for (Number i = 0; i < blocks % 64; ++i) {
      const auto block = pick({.session = session});
      if (!block) return;
      receive(*block, session);
    }
  }

  // --- requests and answers --------------------------------------------------------------------------
  struct Request {
    BlockRef block;
    Number session;
  };
  template <class Condition>
  std::vector<Request> requests(Condition&& counts) const {
    std::vector<Request> result;
    for (Number i = 0; i < naive_.pieces.size(); ++i) {
      if (naive_.pieces[i].state != State::Open) continue;
      for (Number j = 0; j < naive_.pieces[i].blocks.size(); ++j) {
        for (const auto session : naive_.pieces[i].blocks[j].askers)
          if (counts(session)) result.push_back({{{i}, {j}}, session});
      }
    }
    return result;
  }
  std::optional<Request> any_request() {
    const auto all = requests([](Number) { return true; });
    return all.empty() ? std::nullopt : std::optional(all[input_.below(all.size())]);
  }
  void request_again(Number session) {
    const auto request = any_request();
    if (!request) return;
    const bool real = picker_.request_again(request->block, {session}, bitfield(session));
    CHECK(real == naive_.request_again(request->block, session));
  }
  void release() {
    if (const auto request = any_request()) release(*request);
  }
  void release(const Request& request) {
    picker_.release(request.block, {request.session});
    naive_.release(request.block, request.session);
  }
  void give_back(Number session) {
    for (const auto& request : requests([&](Number one) { return one == session; })) release(request);
    std::vector<Number> restarts;
    for (const auto& restart : picker_.disown({session})) restarts.push_back(restart.piece.value);
    std::sort(restarts.begin(), restarts.end());
    CHECK(restarts == naive_.disown(session));
  }
  // One that was asked, or a late one of somebody.
  void receive(Number session) {
    const auto request = any_request();
    if (request && input_.below(4) > 0) return receive(request->block, request->session);
    const auto number = piece();
    receive({number, {input_.below(geometry_.blocks(number))}}, session);
  }
  void receive(BlockRef block, Number session) {
    const auto real = picker_.receive(block, {session}, device_of(session));
    const auto naive = naive_.receive(block, session, device_of(session));
    CHECK(real.verdict == naive.verdict && real.filled == naive.filled && real.others == naive.others);
  }

  // --- pieces ----------------------------------------------------------------------------------------
  std::optional<Number> any_piece(State state) {
    std::vector<Number> all;
    for (Number i = 0; i < naive_.pieces.size(); ++i) {
      if (naive_.pieces[i].state == state) all.push_back(i);
    }
    return all.empty() ? std::nullopt : std::optional(all[input_.below(all.size())]);
  }
  void end_piece() {
    const auto number = any_piece(State::Filled);
    if (!number) return;
    switch (input_.below(6)) {
      case 0:
        picker_.lose({*number});
        naive_.pieces[*number].state = State::Missing;
        break;
      case 1:
        picker_.fail({*number});
        naive_.fail(*number);
        break;
      case 2: reopen(*number); break;
      default: picker_.store({*number}); naive_.store(*number);
    }
  }
  void take_back() {
    const auto number = piece();
    const BlockRef block{{number}, {input_.below(geometry_.blocks({number}))}};
    CHECK(picker_.take_back(block) == naive_.take_back(block));
  }
  void reopen(Number number) {
    std::vector<BlockIndex> bad;
    const auto pattern = input_.byte();
    for (Number i = 0; i < geometry_.blocks({number}); ++i) {
      if ((pattern >> i % 8 & 1u) != 0) bad.push_back({i});
    }
    if (bad.empty()) bad.push_back({0});
    picker_.reopen({number}, bad);
    naive_.reopen(number, bad);
  }
  void withdraw() {
    const auto number = any_piece(State::Stored);
    if (!number) return;
    picker_.withdraw({*number});
    naive_.pieces[*number].state = State::Missing;
  }
  void set_open_max() {
    naive_.open_max = 1 + input_.below(40);
    picker_.set_open_max(naive_.open_max);
  }
  void set_order() {
    const auto flags = input_.byte();
    if (flags % 4 == 0) {
      naive_.sequential = !naive_.sequential;
      picker_.set_sequential(naive_.sequential);
      return;
    }
    auto number = piece().value;
    for (Number i = 0; i < flags / 8 && number < naive_.pieces.size(); ++i, ++number) {
      naive_.pieces[number].high = flags % 2 == 1;
      picker_.set_priority({number},
                           flags % 2 == 1 ? PiecePicker::Priority::High : PiecePicker::Priority::Normal);
    }
  }

  Input& input_;
  meta::Geometry geometry_;
  Random random_;
  NaivePicker naive_;
  PiecePicker picker_;
  Number ids_[kPlaces] = {};
  Number next_id_ = 1;
  std::map<Number, std::uint64_t> barren_;  // session: generation
  int steps_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Pair pair(input);
  while (!input.empty()) pair.step();
  pair.compare();
  return 0;
}
