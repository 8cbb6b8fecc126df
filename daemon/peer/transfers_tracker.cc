// SPDX-License-Identifier: MIT
// What the tracker is told of the transfers, and what it says of them: peers, rosters, groups that were
// left, shares that were withdrawn.
#include <fmt/format.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/peer/peer_address.h"
#include "daemon/peer/transfers.h"

namespace p2p::peer {

using storage::TransferKind;
using storage::TransferState;

namespace {

constexpr Duration kAnnounceAgain = 1s;
constexpr Duration kAnnounceTogether = 10ms;
constexpr int kAnnouncedTogether = 1000;

pb::tracker::Activity activity_of(const Transfer& transfer) {
  if (!transfer.is_serving()) return pb::tracker::stopped;
  return transfer.is_complete() ? pb::tracker::seeding : pb::tracker::leeching;
}

}  // namespace

void Transfers::announce(Transfer& transfer) {
  if (transfer.row().info_hash.is_zero() || !around_.tracker.is_attached()) return;
  const auto activity = activity_of(transfer);
  const auto known = announced_.find(transfer.row().id);
  if (known != announced_.end() ? known->second == activity : activity == pb::tracker::stopped) return;
  announced_[transfer.row().id] = activity;
  announce_due_.insert(transfer.row().id);
  if (!announce_timer_.is_set()) announce_timer_.set(kAnnounceTogether);
}

// What changed within a moment goes out in one request: a daemon may have thousands of shares.
void Transfers::on_announce_due() {
  if (!around_.tracker.is_attached()) return announce_due_.clear();
  pb::tracker::Request request;
  std::vector<Transfer*> leeching;
  std::vector<DownloadId> told;
  while (!announce_due_.empty() && request.announce().shares_size() < kAnnouncedTogether) {
    auto* transfer = find(*announce_due_.begin());
    announce_due_.erase(announce_due_.begin());
    if (transfer == nullptr) continue;
    told.push_back(transfer->row().id);
    auto* share = request.mutable_announce()->add_shares();
    share->set_group_id(transfer->row().group.raw());
    share->set_info_hash(transfer->row().info_hash.raw());
    share->set_activity(activity_of(*transfer));
    share->set_pieces_have(transfer->pieces_have());
    if (share->activity() == pb::tracker::leeching) leeching.push_back(transfer);
  }
  around_.tracker.tell(std::move(request),
                       [this, told = std::move(told)](const Result<pb::tracker::Response>& response) {
                         if (response && response->has_announced()) on_gone(response->announced());
                         else if (!response) announce_again(response.error(), told);
                       });
  for (auto* transfer : leeching) ask_peers(*transfer);
  if (!announce_due_.empty()) announce_timer_.set(kAnnounceTogether);
}

// The tracker takes so many requests of a user a second.
void Transfers::announce_again(const Error& refusal, const std::vector<DownloadId>& ids) {
  if (refusal.code != Code::Busy || stopping_) return;
  for (const auto& id : ids)
    if (announced_.contains(id)) announce_due_.insert(id);
  announce_timer_.set(kAnnounceAgain);
}

// The share ends here before its transfer does: nobody is to be sent to us.
void Transfers::announce_end(const Transfer& transfer) {
  const auto known = announced_.find(transfer.row().id);
  if (known == announced_.end()) return;
  const bool told = known->second != pb::tracker::stopped;
  announced_.erase(known);
  announce_due_.erase(transfer.row().id);
  const auto* other = find(transfer.key());
  if (!told || !around_.tracker.is_attached() || (other != nullptr && other->is_serving())) return;
  pb::tracker::Request request;
  auto* share = request.mutable_announce()->add_shares();
  share->set_group_id(transfer.row().group.raw());
  share->set_info_hash(transfer.row().info_hash.raw());
  share->set_activity(pb::tracker::stopped);
  around_.tracker.tell(std::move(request));
}

void Transfers::on_gone(const pb::tracker::Announced& announced) {
  for (const auto& name : announced.gone()) {
    const auto group = GroupId::from(name.group_id());
    const auto info_hash = InfoHash::from(name.info_hash());
    // In a group that was left meanwhile nothing is listed for us; that is another matter.
    if (!group || !info_hash || !around_.memberships.is_in(*group)) continue;
    withdraw({*group, *info_hash}, "no longer in the catalogue of its group", Withdrawal::ByOther);
  }
}

void Transfers::withdraw(const ShareKey& share, const std::string& cause, Withdrawal withdrawal) {
  const Error error{Code::NotFound, cause, "ask its group's admins, or share it again"};
  std::vector<DownloadId> ended;
  for (const auto& [id, transfer] : transfers_) {
    const auto& row = transfer->row();
    if (transfer->key() != share || !transfer->takes_part() || row.state == TransferState::Publishing)
      continue;
    if (row.kind == TransferKind::Share && withdrawal == Withdrawal::ByUs) ended.push_back(id);
    else if (transfer->is_complete() || transfer->phase() == Transfer::Phase::Finishing)
      transfer->hold(storage::Hold::Withdrawn, error, nullptr);
    else transfer->fail_with(error);
  }
  for (const auto& id : ended) remove(id, nullptr);
}

void Transfers::ask_peers(Transfer& transfer) {
  pb::tracker::Request request;
  request.mutable_get_peers()->set_group_id(transfer.row().group.raw());
  request.mutable_get_peers()->set_info_hash(transfer.row().info_hash.raw());
  around_.tracker.request(std::move(request), TrackerClient::Kind::Query, 30s,
                          [this, id = transfer.row().id](Result<pb::tracker::Response> response) {
                            if (!response) announce_again(response.error(), {id});
                            else if (response->has_peers()) on_peers(response->peers());
                          });
}

void Transfers::on_attached() {
  announced_.clear();
  announce_due_.clear();
  for (auto& [id, transfer] : transfers_) {
    transfer->book().forget_known();  // the tracker knows better
    announce(*transfer);
  }
}

void Transfers::on_peers(const pb::tracker::Peers& message) {
  const auto group = GroupId::from(message.group_id());
  const auto info_hash = InfoHash::from(message.info_hash());
  auto* transfer = group && info_hash ? find(ShareKey{*group, *info_hash}) : nullptr;
  if (transfer == nullptr) return;
  for (const auto& peer : message.peers()) {
    const auto device = DeviceId::from(peer.device_id());
    if (!device || *device == around_.self) continue;
    if (peer.activity() == pb::tracker::stopped) {
      transfer->book().remove(*device);
      continue;
    }
    const auto user = user_name(peer.user());
    transfer->book().add(*device, user ? *user : std::string(),
                         dialable_addresses(peer, around_.tracker.is_local()),
                         peer.activity() == pb::tracker::seeding, around_.loop.now());
  }
  dial_timer_.set(Duration(0));
}

void Transfers::add_known(const GroupId& group, const std::vector<storage::KnownDevice>& devices) {
  for (auto& [id, transfer] : transfers_) {
    if (transfer->row().group != group || transfer->is_complete()) continue;
    for (const auto& known : devices) {
      if (transfer->has_link(known.device)) continue;
      std::vector<swarm::PeerAddress> addresses;
      for (const auto& address : known.addresses) addresses.push_back({address.host, address.port});
      transfer->book().add_known(known.device, known.user, std::move(addresses), around_.loop.now());
    }
  }
  dial_timer_.set(Duration(0));
}

void Transfers::forget_device(const DeviceId& device) {
  for (auto& [id, transfer] : transfers_) transfer->book().remove(device);
}

void Transfers::close_unwelcome() {
  std::vector<PeerLink*> gone;
  for (auto& [link, owned] : links_)
    if (link->is_open() && !is_welcome(*link)) gone.push_back(link);
  for (auto* link : gone) {
    log::info("link closed: no longer a member", {{"device", link->device().hex()}});
    if (auto* transfer = transfer_of(*link)) transfer->remove_link(*link);
    drop_link(*link);
  }
}

void Transfers::on_membership_changed(const GroupId& group, const std::string& cause) {
  const bool inside = around_.memberships.is_in(group);
  for (auto& [id, transfer] : transfers_)
    if (transfer->row().group == group) transfer->set_barred(inside ? "" : cause);
  if (inside) on_loaded_();
}

std::string Transfers::not_a_member(const std::string& group) {
  return fmt::format("you are not a member of '{}'", printable(group));
}

}  // namespace p2p::peer
