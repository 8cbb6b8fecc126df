// SPDX-License-Identifier: MIT
#include "daemon/peer/group_memory.h"

#include <algorithm>

#include "daemon/base/limits.h"
#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/io/clock.h"
#include "daemon/peer/peer_address.h"

namespace p2p::peer {
namespace {

void log_failure(const Status& status) {
  if (!status) log::error("cannot store what is known of a group", {{"cause", status.error().message}});
}

std::optional<storage::CatalogueRow> row_of(const pb::tracker::FileRow& row) {
  const auto info_hash = InfoHash::from(row.info_hash());
  if (!info_hash || row.entry().empty() || !check_file_name(row.name())) return std::nullopt;
  return storage::CatalogueRow{row.name(), *info_hash, to_bytes(as_bytes(row.entry()))};
}

}  // namespace

GroupMemory::GroupMemory(io::Loop& loop, StateStore& store, TrackerClient& tracker,
                         const MembershipBook& memberships, Random& random)
    : loop_(loop),
      store_(store),
      tracker_(tracker),
      memberships_(memberships),
      random_(random),
      ask_timer_(loop, bind<&GroupMemory::ask_devices>(this)) {}

void GroupMemory::set_account(std::int64_t account) {
  account_ = account;
  scope_.emplace();
  on_lost();
}

void GroupMemory::on_lost() {
  to_list_.clear();
  listing_.reset();
  to_ask_.clear();
  ask_timer_.cancel();
}

void GroupMemory::on_attached() {
  to_ask_.clear();
  ask_timer_.set(Duration(
      static_cast<Duration::rep>(random_.unit() * static_cast<double>(Duration(kDevicesPause).count()))));
}

// --- catalogues --------------------------------------------------------------------------------------

void GroupMemory::on_membership(const GroupId& group, const Sha256& digest) {
  store_.run(
      *scope_,
      [account = account_, group](storage::StateDb& db) { return db.catalogue_digest(account, group); },
      [this, group, digest](const Result<Sha256>& held) {
        if (!tracker_.is_attached() || (held && *held == digest)) return;
        if (std::find(to_list_.begin(), to_list_.end(), group) == to_list_.end()) to_list_.push_back(group);
        list_next();
        ask_soon(group);
      });
}

void GroupMemory::list_next() {
  if (listing_ || to_list_.empty()) return;
  listing_ = Listing{to_list_.front(), {}};
  to_list_.pop_front();
  list_page("");
}

void GroupMemory::list_page(const std::string& cursor) {
  const auto* membership = memberships_.find(listing_->group);
  if (membership == nullptr) {
    listing_.reset();
    return list_next();
  }
  pb::tracker::Request request;
  request.mutable_list_files()->set_group(membership->name);
  request.mutable_list_files()->set_cursor(cursor);
  request.mutable_list_files()->set_with_entries(true);
  // What is not finished when the session ends begins anew with the next one.
  tracker_.tell(std::move(request),
                [this](const Result<pb::tracker::Response>& response) { on_page(response); });
}

void GroupMemory::on_page(const Result<pb::tracker::Response>& response) {
  if (!listing_) return;
  const bool usable = response && response->has_files();
  if (usable)
    for (const auto& row : response->files().rows())
      if (auto known = row_of(row); known && listing_->rows.size() < limits::kKnownFiles)
        listing_->rows[known->name] = std::move(*known);
  if (usable && !response->files().next_cursor().empty() && listing_->rows.size() < limits::kKnownFiles)
    return list_page(response->files().next_cursor());
  if (usable) {
    std::vector<storage::CatalogueRow> rows;
    for (auto& [name, row] : listing_->rows) rows.push_back(std::move(row));
    log::debug("catalogue listed", {{"group", listing_->group.hex()}, {"files", rows.size()}});
    store_.run(
        *scope_,
        [account = account_, group = listing_->group, rows = std::move(rows)](storage::StateDb& db) {
          return db.replace_catalogue(account, group, rows);
        },
        log_failure);
  } else {
    log::debug("catalogue not listed",
               {{"cause", response ? std::string("no files in the answer") : response.error().message}});
  }
  listing_.reset();
  list_next();
}

void GroupMemory::on_file_added(const pb::tracker::FileRow& message) {
  const auto group = GroupId::from(message.group_id());
  auto row = row_of(message);
  if (!group || !row || !memberships_.is_in(*group)) return;
  ask_soon(*group);
  if (listing_ && listing_->group == *group) listing_->rows[row->name] = *row;
  store_.run(
      *scope_,
      [account = account_, group = *group, row = std::move(*row)](storage::StateDb& db) {
        return db.put_catalogue_row(account, group, row);
      },
      log_failure);
}

void GroupMemory::on_withdrawn(const ShareKey& share) {
  if (listing_ && listing_->group == share.group)
    std::erase_if(listing_->rows,
                  [&](const auto& entry) { return entry.second.info_hash == share.info_hash; });
  store_.run(
      *scope_,
      [account = account_, share](storage::StateDb& db) { return db.remove_catalogue_row(account, share); },
      log_failure);
}

void GroupMemory::find_entry(const GroupId& group, const std::string& name, Found found) {
  store_.run(
      *scope_,
      [account = account_, group, name](storage::StateDb& db) {
        return db.catalogue_entry(account, group, name);
      },
      [found = std::move(found)](Result<std::optional<Bytes>> entry) {
        found(entry ? std::move(*entry) : std::nullopt);
      });
}

// --- devices -----------------------------------------------------------------------------------------

void GroupMemory::ask_soon(const GroupId& group) {
  if (std::find(to_ask_.begin(), to_ask_.end(), group) == to_ask_.end()) to_ask_.push_front(group);
  ask_timer_.set(kDevicesPause);
}

// The next group's; after the last one the round begins anew in a while.
void GroupMemory::ask_devices() {
  if (!tracker_.is_attached()) return;
  if (to_ask_.empty())
    for (const auto& [id, membership] : memberships_.all())
      if (trust::is_member(membership.role)) to_ask_.push_back(id);
  if (!to_ask_.empty()) {
    const auto group = to_ask_.front();
    to_ask_.pop_front();
    pb::tracker::Request request;
    request.mutable_get_peers()->set_group_id(group.raw());
    tracker_.tell(std::move(request), [this, group](const Result<pb::tracker::Response>& response) {
      if (response && response->has_peers()) on_devices(group, response->peers());
    });
  }
  const auto jitter = 0.5 + random_.unit() / 2;
  ask_timer_.set(to_ask_.empty() ? Duration(static_cast<Duration::rep>(
                                       static_cast<double>(Duration(kDevicesAgain).count()) * jitter))
                                 : kDevicesPause);
}

void GroupMemory::on_devices(const GroupId& group, const pb::tracker::Peers& peers) {
  std::vector<storage::KnownDevice> devices;
  for (const auto& peer : peers.peers()) {
    const auto device = DeviceId::from(peer.device_id());
    if (!device || devices.size() == limits::kDevicesPerGroup) continue;
    storage::KnownDevice known{*device, user_name(peer.user()).value_or(std::string()), {}};
    for (auto& address : dialable_addresses(peer, tracker_.is_local()))
      known.addresses.push_back({std::move(address.host), address.port});
    if (!known.addresses.empty()) devices.push_back(std::move(known));
  }
  if (devices.empty()) return;
  log::debug("devices of members", {{"group", group.hex()}, {"count", devices.size()}});
  store_.run(
      *scope_,
      [account = account_, group, devices = std::move(devices), now = io::wall_now().seconds](
          storage::StateDb& db) { return db.put_devices(account, group, devices, now); },
      log_failure);
}

void GroupMemory::find_devices(const GroupId& group, Devices found) {
  store_.run(
      *scope_, [account = account_, group](storage::StateDb& db) { return db.devices(account, group); },
      [found = std::move(found)](Result<std::vector<storage::KnownDevice>> devices) {
        found(devices ? std::move(*devices) : std::vector<storage::KnownDevice>());
      });
}

}  // namespace p2p::peer
