// SPDX-License-Identifier: MIT
// The devices that are known to take part in one share, where they can be reached, and when to try.
//
// States of a device: idle (not connected, may be dialled at `next_try`), dialling, connected. A failed
// dial doubles the wait from kFirstWait up to kLastWait; success and a fresh announcement by the tracker
// reset it. Bounded: limits::kPeersPerShare devices, limits::kAddressesPerDevice addresses each; more are
// not taken. Pure; loop thread only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/ids.h"
#include "daemon/base/random.h"
#include "daemon/base/time.h"

namespace p2p::swarm {

// Opaque here: what the driver needs to dial.
struct PeerAddress {
  Bytes host;  // 4 or 16 bytes
  std::uint16_t port = 0;
  auto operator<=>(const PeerAddress&) const = default;
};

struct Candidate {
  DeviceId device;
  PeerAddress address;
};

class PeerBook {
 public:
  static constexpr Duration kFirstWait = 2s;
  static constexpr Duration kLastWait = 5min;
  static constexpr Duration kDialPause = 50ms;
  static constexpr int kDialBurst = 2;
  static constexpr Duration kLagInterval = 500ms;

  // `self` is never dialled, and nobody while there are `links_wanted` links: about ten links make a random
  // graph through which a piece comes to everybody in a few steps, with more than that each has less of every
  // uplink. Dials are kDialPause apart, after kDialBurst at once: who is dialled meanwhile need not dial, so
  // that nobody ends with twice the links of others and their share of the uplinks. `random` must outlive the
  // book.
  PeerBook(const DeviceId& self, std::size_t links_wanted, Random& random);

  // The share comes from us: our uplink is for what nobody else has. While `links_wanted` others have
  // everything, we dial nobody; who dials us is served like by any other.
  void set_source() { is_source_ = true; }

  // The tracker told about a device. An empty address list: it can only dial us.
  void add(const DeviceId& device, std::string user, std::vector<PeerAddress> addresses, bool seeding,
           TimePoint now);
  // A member's device that may take part: tried as long as nobody knows better.
  void add_known(const DeviceId& device, std::string user, std::vector<PeerAddress> addresses, TimePoint now);
  void forget_known();
  void remove(const DeviceId& device);  // gone; a connected one stays until it closes

  // Whom to dial now, or nothing. The device is then `dialling` until one of the three below.
  // Seeders are not dialled while we are complete ourselves.
  std::optional<Candidate> next_dial(bool we_are_complete, TimePoint now);
  void on_dial_failed(const DeviceId& device, TimePoint now);
  void on_connected(const DeviceId& device);  // in either direction
  void on_disconnected(const DeviceId& device, TimePoint now);
  void on_complete(const DeviceId& device);  // it has everything
  void on_fault(const DeviceId& device,
                TimePoint now);                       // its link was closed for one: not let in for a while
  void ban(const DeviceId& device, TimePoint until);  // never shortens an earlier one
  bool is_banned(const DeviceId& device, TimePoint now) const;

  // We are behind the others (Swarm::lags): one link more, at most every kLagInterval and up to twice what
  // was wanted. The reason is as a rule that all our peers have more links than we. True when next_dial()
  // should be asked.
  bool on_lag(TimePoint now);

  // When next_dial() may give something; max() for never. As long as `we_are_complete` stays what it was
  // in the last call of next_dial().
  TimePoint next_deadline() const;
  std::size_t connected() const;
  std::string user_of(const DeviceId& device) const;  // empty when unknown

 private:
  enum class State : std::uint8_t { Idle, Dialling, Connected };
  struct Entry {
    std::string user;
    std::vector<PeerAddress> addresses;
    std::size_t next_address = 0;
    bool seeding = false;
    State state = State::Idle;
    Duration wait{};
    TimePoint next_try{};
    TimePoint banned_until{};
    bool listed = true;  // false: removed while connected, or unknown to the tracker
    bool known = false;  // of add_known(), and not named by the tracker since
  };
  std::size_t links() const;  // connected or being dialled
  bool wants_links() const;
  bool may_dial(const Entry& entry) const;
  static TimePoint dial_time(const Entry& entry);
  void forget_if_useless(std::map<DeviceId, Entry>::iterator one);
  bool make_room(TimePoint now);  // for one more device

  DeviceId self_;
  std::size_t links_wanted_;
  std::size_t links_most_;
  TimePoint dial_credit_{};  // kDialPause later with every dial, at most kDialBurst pauses ago
  TimePoint last_lag_{};
  Random& random_;
  bool is_source_ = false;
  bool we_are_complete_ = false;
  std::map<DeviceId, Entry> entries_;
};

}  // namespace p2p::swarm
