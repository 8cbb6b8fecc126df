// SPDX-License-Identifier: MIT
// The way from "get GROUP/NAME" to a download that is durable: everything that can refuse it is asked
// before, so that what was accepted is never refused afterwards.
//
//   catalogue entry (tracker) → its signature → where the file goes (disk) → piece list (tracker, paged)
//   → info-hash agrees → part file and row made durable → the transfer opens
#pragma once

#include <functional>
#include <memory>
#include <set>

#include "daemon/peer/transfers.h"

namespace p2p::peer {

// What was made durable for an account that was left before it was answered: the next login finds it.
inline Error logged_out_meanwhile(std::string_view what) {
  return {Code::Cancelled, "the account was logged out meanwhile",
          std::string(what) + " goes on at the next login"};
}

class Fetcher {
 public:
  struct Surroundings {
    StateStore& store;
    io::WorkPool& disk;
    TrackerClient& tracker;
    Transfers& transfers;
    const TrackerClock& clock;
    const Options& options;
  };
  using Done = std::function<void(Result<DownloadId>)>;

  explicit Fetcher(Surroundings around) : around_(around) {}

  // `done` comes once, from the loop; never after the fetcher is destroyed.
  void start(const pb::control::DownloadStart& order, Duration timeout, Done done);

 private:
  struct Order;
  void on_detail(const std::shared_ptr<Order>& order, const pb::tracker::FileDetail& detail);
  Status check_new(const ShareKey& share) const;
  void settle(const std::shared_ptr<Order>& order);
  void on_target(const std::shared_ptr<Order>& order, const Status& status);
  void read_piece_list(const std::shared_ptr<Order>& order);
  void on_piece_list(const std::shared_ptr<Order>& order);

  Surroundings around_;
  std::set<ShareKey> starting_;    // accepted, their rows not yet durable
  std::set<std::string> settled_;  // where they will end
  io::WorkScope scope_;
};

}  // namespace p2p::peer
