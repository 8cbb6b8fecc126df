// SPDX-License-Identifier: MIT
// The way from "get GROUP/NAME" to a download that is durable: everything that can refuse it is asked
// before, so that what was accepted is never refused afterwards.
//
//   catalogue entry → its signature → where the file goes (disk) → piece list → info-hash agrees (hash
//   pool) → part file and row made durable → the transfer opens
//
// Entry and piece list come from the tracker. While it is away, or does not answer within kPatience, the
// entry is the one that this device has kept (group_memory.h), and the piece list comes from members
// (metadata_fetch.h).
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "daemon/peer/group_memory.h"
#include "daemon/peer/metadata_fetch.h"
#include "daemon/peer/transfers.h"

namespace p2p::peer {

// What was made durable for an account that was left before it was answered: the next login finds it.
inline Error logged_out_meanwhile(std::string_view what) {
  return {Code::Cancelled, "the account was logged out meanwhile",
          std::string(what) + " goes on at the next login"};
}

class Fetcher {
 public:
  static constexpr Duration kPatience = 5s;
  struct Surroundings {
    io::Loop& loop;
    StateStore& store;
    io::WorkPool& disk;
    io::WorkPool& hash;
    TrackerClient& tracker;
    Transfers& transfers;
    const MembershipBook& memberships;
    GroupMemory& memory;
    const TrackerClock& clock;
    const tls::Context& context;
    const Options& options;
    DeviceId self;
  };
  using Done = std::function<void(Result<DownloadId>)>;

  explicit Fetcher(Surroundings around) : around_(around) {}

  // `done` comes once, from the loop; never after the fetcher is destroyed.
  void start(const pb::control::DownloadStart& order, Duration timeout, Done done);
  // Logged out: what is not yet accepted is given up and answered.
  void clear();

 private:
  struct Order;
  using OrderPointer = std::shared_ptr<Order>;
  bool is_open(const OrderPointer& order) const { return orders_.contains(order); }
  void finish(const OrderPointer& order, Result<DownloadId> result);
  void give_up(const OrderPointer& order, const Error& error);
  void use_known(const OrderPointer& order);
  void ask_tracker(const OrderPointer& order);
  Duration patience(const Order& order) const;
  bool may_use_known(const Order& order, const Error& error) const;
  void on_entry(const OrderPointer& order, ByteSpan signed_entry, const GroupId& group,
                const std::string& group_name);
  Status check_new(const ShareKey& share) const;
  void settle(const OrderPointer& order);
  void on_target(const OrderPointer& order, const Status& status);
  void get_piece_list(const OrderPointer& order);
  void read_piece_list(const OrderPointer& order);
  void ask_members(const OrderPointer& order);
  void on_devices(const OrderPointer& order, std::vector<storage::KnownDevice> devices);
  void on_fetched(const OrderPointer& order, Result<MetadataFetch::Fetched> fetched);
  void judge(const OrderPointer& order);
  void accept(const OrderPointer& order, std::shared_ptr<const meta::Metainfo> metainfo);

  Surroundings around_;
  std::set<OrderPointer> orders_;  // not yet answered
  std::set<ShareKey> starting_;    // accepted, their rows not yet durable
  std::set<std::string> settled_;  // where they will end
  std::map<OrderPointer, std::unique_ptr<MetadataFetch>> fetches_;
  io::WorkScope scope_;
};

}  // namespace p2p::peer
