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
      list_timer_(loop, bind<&GroupMemory::list_page>(this)),
      ask_timer_(loop, bind<&GroupMemory::ask_devices>(this)) {}

void GroupMemory::set_account(std::int64_t account) {
  account_ = account;
  scope_.emplace();
  in_part_.clear();
  on_lost();
}

void GroupMemory::on_lost() {
  to_list_.clear();
  listing_.reset();
  list_timer_.cancel();
  to_ask_.clear();
  ask_timer_.cancel();
}

void GroupMemory::on_attached() {
  all_again_ = loop_.now();
  ask_timer_.set(kPause);
}

// --- catalogues --------------------------------------------------------------------------------------

void GroupMemory::on_membership(const GroupId& group, const Sha256& digest) {
  store_.run(
      *scope_,
      [account = account_, group](storage::StateDb& db) { return db.catalogue_digest(account, group); },
      [this, group, digest](const Result<Sha256>& held) {
        const auto part = in_part_.find(group);
        const bool known = (held && *held == digest) || (part != in_part_.end() && part->second == digest);
        if (!tracker_.is_attached() || known) return;
        std::erase_if(to_list_, [&](const auto& waiting) { return waiting.first == group; });
        to_list_.emplace_back(group, digest);
        list_next();
        ask_soon(group);
      });
}

void GroupMemory::list_next() {
  if (listing_ || to_list_.empty()) return;
  listing_ = Listing{to_list_.front().first, to_list_.front().second, {}, {}};
  to_list_.pop_front();
  list_page();
}

void GroupMemory::list_page() {
  const auto* membership = memberships_.find(listing_->group);
  if (membership == nullptr) {
    listing_.reset();
    return list_next();
  }
  pb::tracker::Request request;
  request.mutable_list_files()->set_group(membership->name);
  request.mutable_list_files()->set_cursor(listing_->cursor);
  request.mutable_list_files()->set_with_entries(true);
  // What is not finished when the session ends begins anew with the next one.
  tracker_.tell(std::move(request),
                [this](const Result<pb::tracker::Response>& response) { on_page(response); });
}

void GroupMemory::on_page(const Result<pb::tracker::Response>& response) {
  if (!listing_) return;
  if (!response && response.error().code == Code::Busy) return list_timer_.set(kBusyPause);
  const bool usable = response && response->has_files();
  bool more = false;
  if (usable) {
    for (const auto& row : response->files().rows())
      if (auto known = row_of(row); known && listing_->rows.size() < limits::kKnownFiles)
        listing_->rows[known->name] = std::move(*known);
    listing_->cursor = response->files().next_cursor();
    more = !listing_->cursor.empty();
    if (more && listing_->rows.size() < limits::kKnownFiles) return list_timer_.set(kPause);
    std::vector<storage::CatalogueRow> rows;
    for (auto& [name, row] : listing_->rows) rows.push_back(std::move(row));
    log::debug("catalogue listed", {{"group", listing_->group.hex()}, {"files", rows.size()}});
    if (more) in_part_[listing_->group] = listing_->digest;
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
  if (listing_ && listing_->group == *group && listing_->rows.size() < limits::kKnownFiles)
    listing_->rows[row->name] = *row;
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
  ask_timer_.set(kPause);
}

void GroupMemory::ask_all() {
  for (const auto& [id, membership] : memberships_.all())
    if (trust::is_member(membership.role) && std::find(to_ask_.begin(), to_ask_.end(), id) == to_ask_.end())
      to_ask_.push_back(id);
  const auto again = static_cast<double>(Duration(kDevicesAgain).count()) * (0.5 + random_.unit() / 2);
  all_again_ = loop_.now() + Duration(static_cast<Duration::rep>(again));
}

void GroupMemory::ask_devices() {
  if (!tracker_.is_attached()) return;
  if (loop_.now() >= all_again_) ask_all();
  if (!to_ask_.empty()) {
    const auto group = to_ask_.front();
    to_ask_.pop_front();
    pb::tracker::Request request;
    request.mutable_get_peers()->set_group_id(group.raw());
    tracker_.tell(std::move(request), [this, group](const Result<pb::tracker::Response>& response) {
      if (response && response->has_peers()) on_devices(group, response->peers());
    });
  }
  if (to_ask_.empty()) ask_timer_.set_at(all_again_);
  else ask_timer_.set(kPause);
}

void GroupMemory::on_roster_changed(const GroupId& group) {
  const auto* membership = memberships_.find(group);
  if (membership == nullptr || !membership->roster) return;
  std::set<UserId> members;
  for (const auto& member : membership->roster->members) members.insert(member.user);
  store_.run(
      *scope_,
      [account = account_, group, members = std::move(members)](storage::StateDb& db) {
        return db.forget_devices(account, group, members);
      },
      log_failure);
  ask_soon(group);
}

void GroupMemory::on_revoked(const DeviceId& device) {
  store_.run(
      *scope_,
      [account = account_, device](storage::StateDb& db) { return db.forget_device(account, device); },
      log_failure);
}

void GroupMemory::on_devices(const GroupId& group, const pb::tracker::Peers& peers) {
  std::vector<storage::KnownDevice> devices;
  for (const auto& peer : peers.peers()) {
    const auto device = DeviceId::from(peer.device_id());
    const auto user = UserId::from(peer.user_id());
    if (!device || !user || devices.size() == limits::kDevicesPerGroup) continue;
    storage::KnownDevice known{*device, *user, user_name(peer.user()).value_or(std::string()), {}};
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
