// SPDX-License-Identifier: MIT
// What the tracker says unasked: memberships, rosters, revocations, withdrawals.
#include <fmt/format.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/peer/node.h"

namespace p2p::peer {

void Node::take_memberships(const pb::tracker::Memberships& memberships) {
  for (const auto& row : memberships.rows()) take_membership(row);
  renew_grants();
}

void Node::take_membership(const pb::tracker::Membership& message) {
  const auto group = GroupId::from(message.group_id());
  const auto name = group_name(message.group());
  if (!group || !is_logged_in()) return;
  const auto role = static_cast<trust::Role>(message.role());
  if (role == trust::Role::None) return lose_membership(*group, message.decided_by());
  if (!name) return;
  if (auto status =
          memberships_.update(*group, *name, role, as_bytes(message.grant()), as_bytes(message.roster()));
      !status) {
    log::error("a membership statement is refused", {{"group", *name}, {"cause", status.error().message}});
    return;
  }
  transfers_.close_unwelcome();
  transfers_.on_membership_changed(*group, Transfers::not_a_member(*name));
  if (!trust::is_member(role)) return forget_membership(*group);
  if (const auto digest = Sha256::from(message.catalogue())) group_memory_.on_membership(*group, *digest);
  if (!message.roster().empty()) {
    group_memory_.on_roster_changed(*group);
    tell_roster_applied(*group);
  }
  store_.run(
      scope_,
      [id = account_->id, row = memberships_.row_of(*group)](storage::StateDb& db) {
        return db.put_membership(id, row);
      },
      [](const Status& status) {
        if (!status) log::error("cannot store a membership", {{"cause", status.error().message}});
      });
}

void Node::lose_membership(const GroupId& group, const std::string& decided_by) {
  const auto* held = memberships_.find(group);
  if (held == nullptr) return;
  const auto by = user_name(decided_by);
  const auto cause = by && *by != account_->user ? fmt::format("{} removed you from '{}'", *by, held->name)
                                                 : Transfers::not_a_member(held->name);
  if (trust::is_member(held->role))
    log::info("no longer a member", {{"group", held->name}, {"cause", cause}});
  memberships_.remove(group);
  transfers_.close_unwelcome();
  transfers_.on_membership_changed(group, cause);
  forget_membership(group);
}

// On disk: a grant of an earlier time must not come back with a restart.
void Node::forget_membership(const GroupId& group) {
  store_.run(
      scope_, [id = account_->id, group](storage::StateDb& db) { return db.remove_membership(id, group); },
      [](const Status& status) {
        if (!status) log::error("cannot remove a membership", {{"cause", status.error().message}});
      });
}

// Whoever removed a member is told when its links are closed everywhere.
void Node::tell_roster_applied(const GroupId& group) {
  const auto* membership = memberships_.find(group);
  if (membership == nullptr || !membership->roster) return;
  pb::tracker::Request request;
  request.mutable_roster_applied()->set_group_id(group.raw());
  request.mutable_roster_applied()->set_epoch(membership->roster->epoch);
  tracker_.tell(std::move(request));
}

void Node::take_revocation(ByteSpan revocation) {
  if (!is_logged_in()) return;
  auto row = memberships_.add_revocation(revocation);
  if (!row) {
    log::error("a revocation is refused", {{"cause", row.error().message}});
    return;
  }
  if (!*row) return;
  log::info("grants revoked", {{"device", (*row)->device.hex()}});
  group_memory_.on_revoked((*row)->device);
  transfers_.forget_device((*row)->device);
  transfers_.close_unwelcome();
  store_.run(
      scope_,
      [id = account_->id, stored = std::move(**row)](storage::StateDb& db) {
        return db.put_revocation(id, stored);
      },
      [](const Status& status) {
        if (!status) log::error("cannot store a revocation", {{"cause", status.error().message}});
      });
}

void Node::take_withdrawal(const pb::tracker::FileWithdrawn& withdrawn) {
  const auto group = GroupId::from(withdrawn.group_id());
  const auto info_hash = InfoHash::from(withdrawn.info_hash());
  if (!group || !info_hash || !is_logged_in()) return;
  group_memory_.on_withdrawn({*group, *info_hash});
  transfers_.withdraw(
      {*group, *info_hash}, "withdrawn by " + printable(withdrawn.by(), 64),
      withdrawn.by() == account_->user ? Transfers::Withdrawal::ByUs : Transfers::Withdrawal::ByOther);
}

void Node::take_roster(const GroupId& group, ByteSpan roster) {
  const auto changed = memberships_.update_roster(group, roster);
  if (!changed) {
    log::error("a roster is refused", {{"group", group.hex()}, {"cause", changed.error().message}});
    return;
  }
  if (!is_logged_in()) return;
  if (!*changed) return tell_roster_applied(group);
  group_memory_.on_roster_changed(group);
  transfers_.close_unwelcome();
  tell_roster_applied(group);
  store_.run(
      scope_,
      [id = account_->id, row = memberships_.row_of(group)](storage::StateDb& db) {
        return db.put_membership(id, row);
      },
      [](const Status&) {});
}

void Node::on_tracker_event(const pb::tracker::Event& event) {
  if (event.has_membership()) {
    take_membership(event.membership());
  } else if (event.has_roster()) {
    if (const auto group = GroupId::from(event.roster().group_id()))
      take_roster(*group, as_bytes(event.roster().roster()));
  } else if (event.has_revoked()) {
    take_revocation(as_bytes(event.revoked().revocation()));
  } else if (event.has_file_added()) {
    if (is_logged_in()) group_memory_.on_file_added(event.file_added());
  } else if (event.has_file_withdrawn()) {
    take_withdrawal(event.file_withdrawn());
  } else if (event.has_peers()) {
    transfers_.on_peers(event.peers());
  } else if (event.has_join_requested()) {
    log::info("join requested",
              {{"group", event.join_requested().group()}, {"user", event.join_requested().user()}});
  } else if (event.has_invitation()) {
    log::info("invited to a group", {{"group", event.invitation().group()}, {"by", event.invitation().by()}});
  } else if (event.has_reachability()) {
    const auto& result = event.reachability();
    reachable_ = result.reachable();
    reachable_address_ = printable(result.address(), 64);
    unreachable_ =
        result.reachable() ? "" : printable(fmt::format("{}: {}", result.address(), result.cause()), 300);
    if (!unreachable_.empty()) log::warn("others cannot connect to this device", {{"cause", unreachable_}});
  }
  on_changed();
}

}  // namespace p2p::peer
