// SPDX-License-Identifier: MIT
// What is pushed to clients, and the signed statements in it.
#include <algorithm>
#include <set>

#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/base/log.h"
#include "daemon/io/clock.h"
#include "daemon/tracker/service.h"

namespace p2p::tracker {
namespace {

// Rosters inside one answer; more are pushed after it, so that the frame stays within its limit.
constexpr std::size_t kRosterBytesPerAnswer = limits::kServerFrameBytes / 4;
// The same for revocations.
constexpr std::size_t kRevocationBytesPerAnswer = limits::kServerFrameBytes / 16;

}  // namespace

void Service::push_to_user(const UserId& user, const msg::Event& event) {
  for (const auto& device : presence_.devices_of(user))
    if (auto* session = sessions_.find(device)) session->push(event);
}

void Service::push_later(const Session& session, msg::Event event) {
  loop_.defer([this, number = session.number(), event = std::move(event), alive = alive_] {
    if (!*alive) return;
    if (auto* waiting = sessions_.find(number)) waiting->push(event);
  });
}

const Bytes& Service::signed_roster(const Group& group) {
  auto& cached = rosters_[group.head.id];
  if (cached.bytes.empty() || cached.epoch != group.epoch) {
    cached.epoch = group.epoch;
    cached.bytes = registry_.roster(group).sign(keys_.grant);
  }
  return cached.bytes;
}

const Sha256& Service::catalogue_digest(const Group& group) {
  auto& cached = catalogues_[group.head.id];
  if (cached.change != group.change) {
    Sha256Stream stream;
    for (const auto& [name, share] : group.shares) stream.update(share.entry);
    cached = {group.change, stream.finish()};
  }
  return cached.digest;
}

const Bytes& Service::signed_revocation(const Revocation& revocation) {
  // What the registry has forgotten is made room of by forgetting all: the rest is signed anew when asked
  // for.
  if (revocations_.size() > 2 * registry_.revocations() + 1) revocations_.clear();
  auto& cached = revocations_[{revocation.device, revocation.user}];
  if (cached.bytes.empty() || cached.at != revocation.at || cached.until != revocation.until) {
    const trust::Revocation statement{registry_.tracker(), revocation.device, revocation.user, revocation.at,
                                      revocation.until};
    cached = {revocation.at, revocation.until, statement.sign(keys_.grant)};
  }
  return cached.bytes;
}

void Service::fill_revocations(const Session& session, const Account& account, msg::Attached& out) {
  std::size_t bytes = 0;
  for (const auto* revocation : registry_.revocations_for(account, io::wall_now())) {
    const auto& statement = signed_revocation(*revocation);
    bytes += statement.size();
    if (bytes <= kRevocationBytesPerAnswer) {
      out.add_revocations(to_string(statement));
      continue;
    }
    msg::Event event;
    event.mutable_revoked()->set_revocation(to_string(statement));
    push_later(session, std::move(event));
  }
}

void Service::fill_membership(const Group& group, const Account& account, const DeviceId& device,
                              msg::Membership& out) {
  const auto role = group.role_of(account.id);
  out.set_group_id(group.head.id.raw());
  out.set_group(group.head.name);
  out.set_role(static_cast<pb::Role>(role));
  if (!trust::is_member(role)) return;
  const auto now = registry_.issue_time(device, io::wall_now());
  trust::Grant grant;
  grant.tracker = registry_.tracker();
  grant.group = group.head.id;
  grant.user = account.id;
  grant.device = device;
  grant.role = role;
  grant.epoch = group.epoch;
  grant.not_before = now - limits::kGrantBackdate;
  grant.not_after = now + std::chrono::duration_cast<std::chrono::seconds>(options_.grant_lifetime);
  out.set_grant(to_string(grant.sign(keys_.grant)));
  out.set_catalogue(catalogue_digest(group).raw());
}

void Service::fill_memberships(Session& session, const Account& account,
                               const std::map<GroupId, std::uint64_t>& positions, msg::Memberships& out) {
  std::size_t roster_bytes = 0;
  for (const auto& name : registry_.groups_of(account.id)) {
    const auto& group = *registry_.group(name);
    auto& row = *out.add_rows();
    fill_membership(group, account, session.device(), row);
    const auto position = positions.find(group.head.id);
    if (row.grant().empty() || (position != positions.end() && position->second == group.epoch)) continue;
    const auto& roster = signed_roster(group);
    roster_bytes += roster.size();
    if (roster_bytes <= kRosterBytesPerAnswer) {
      row.set_roster(to_string(roster));
      continue;
    }
    msg::Event event;
    event.mutable_roster()->set_group_id(group.head.id.raw());
    event.mutable_roster()->set_roster(to_string(roster));
    push_later(session, std::move(event));
  }
  // Groups that the client still believes in and that are no longer its own.
  for (const auto& [id, epoch] : positions) {
    const auto* group = registry_.group(id);
    if (group != nullptr && group->role_of(account.id) != Role::None) continue;
    out.add_rows()->set_group_id(id.raw());
  }
}

void Service::tell(const RosterNotice& notice) {
  const auto* group = registry_.group(notice.group);
  if (group == nullptr) return;
  msg::Event event;
  event.mutable_roster()->set_group_id(notice.group.raw());
  event.mutable_roster()->set_roster(to_string(signed_roster(*group)));
  for (const auto& [user, member] : group->members) push_to_user(user, event);
}

void Service::tell(const MembershipNotice& notice) {
  const auto* group = registry_.group(notice.group);
  const auto* account = registry_.account(notice.user);
  if (account == nullptr) return;
  if (group == nullptr) {
    rosters_.erase(notice.group);
    catalogues_.erase(notice.group);
  }
  const bool member = group != nullptr && trust::is_member(group->role_of(notice.user));
  if (!member)
    for (const auto& [share, device] : presence_.leave_group(notice.user, notice.group))
      tell_peer_changed(share, device);
  // A new member has to know whom in the group not to trust, before it is trusted itself.
  std::vector<msg::Event> revoked;
  if (member)
    for (const auto* revocation : registry_.revocations_in(*group, io::wall_now()))
      revoked.emplace_back().mutable_revoked()->set_revocation(to_string(signed_revocation(*revocation)));
  for (const auto& device : presence_.devices_of(notice.user)) {
    auto* session = sessions_.find(device);
    if (session == nullptr) continue;
    const auto number = session->number();
    for (const auto& event : revoked)
      if (session = sessions_.find(number); session != nullptr) session->push(event);
    if (session = sessions_.find(number); session == nullptr) continue;
    msg::Event event;
    auto& row = *event.mutable_membership();
    row.set_group_id(notice.group.raw());
    row.set_group(notice.name);
    row.set_decided_by(notice.decided_by);
    if (group != nullptr) fill_membership(*group, *account, device, row);
    if (member) row.set_roster(to_string(signed_roster(*group)));
    session->push(std::move(event));
  }
}

void Service::tell(const JoinNotice& notice) {
  const auto* group = registry_.group(notice.group);
  if (group == nullptr) return;
  msg::Event event;
  auto& request = *event.mutable_join_requested();
  request.set_group(group->head.name);
  request.set_user(notice.user);
  request.set_message(notice.message);
  for (const auto& [user, member] : group->members)
    if (trust::is_admin(member.role)) push_to_user(user, event);
}

void Service::tell(const InvitationNotice& notice) {
  const auto* group = registry_.group(notice.group);
  if (group == nullptr) return;
  msg::Event event;
  event.mutable_invitation()->set_group(group->head.name);
  event.mutable_invitation()->set_by(notice.by);
  push_to_user(notice.user, event);
}

void Service::tell(const FileNotice& notice) {
  const auto* group = registry_.group(notice.share.group);
  const auto* share = group != nullptr ? group->share(notice.share.info_hash) : nullptr;
  if (share == nullptr) return;
  msg::Event event;
  *event.mutable_file_added() = registry_.file_row(*group, *share, &presence_);
  event.mutable_file_added()->set_entry(to_string(share->entry));
  for (const auto& [user, member] : group->members) push_to_user(user, event);
}

void Service::tell(const WithdrawalNotice& notice) {
  presence_.drop_share(notice.share);
  const auto* group = registry_.group(notice.share.group);
  if (group == nullptr) return;
  msg::Event event;
  auto& withdrawn = *event.mutable_file_withdrawn();
  withdrawn.set_group_id(notice.share.group.raw());
  withdrawn.set_info_hash(notice.share.info_hash.raw());
  withdrawn.set_name(notice.name);
  withdrawn.set_by(notice.by);
  for (const auto& [user, member] : group->members) push_to_user(user, event);
}

// Brings the device's session and presence in line with the account it is bound to now.
void Service::tell(const DeviceNotice& notice) {
  auto* session = sessions_.find(notice.device);
  if (session == nullptr) return;
  const auto* account = registry_.account_of(notice.device);
  if (account == nullptr) {
    sessions_.set_logged_in(*session, false);
    dial_back_.forget(notice.device);
    reach_.erase(notice.device);
    leave_all_shares(notice.device);
    return;
  }
  sessions_.set_logged_in(*session, true);
  for (const auto& share : presence_.attach(notice.device, account->id, session->remote().is_loopback()))
    tell_peer_changed(share, notice.device);
  if (session->listen_port() == 0) {
    dial_back_.forget(notice.device);
    reach_.erase(notice.device);
    for (const auto& share : presence_.set_endpoint(notice.device, std::nullopt))
      tell_peer_changed(share, notice.device);
    return;
  }
  const auto reach = reach_.find(notice.device);
  if (reach == reach_.end() || reach->second.port != session->listen_port()) probe(*session);
}

void Service::tell(const RevocationNotice& notice) {
  const auto& revoked = notice.revocation;
  if (auto* session = sessions_.find(revoked.device))
    session->end({Code::LoginRequired, "the session of this device was ended by its user or the operator",
                  "log in again: p2pctl login NAME"});
  msg::Event event;
  event.mutable_revoked()->set_revocation(to_string(signed_revocation(revoked)));
  std::set<UserId> told;  // once, whoever is in several of the groups
  for (const auto& name : registry_.groups_of(revoked.user)) {
    const auto& group = *registry_.group(name);
    if (!trust::is_member(group.role_of(revoked.user))) continue;
    for (const auto& [user, member] : group.members)
      if (told.insert(user).second) push_to_user(user, event);
  }
}

void Service::leave_all_shares(const DeviceId& device) {
  for (const auto& share : presence_.detach(device)) tell_peer_changed(share, device);
}

msg::Peer Service::peer_message(const PeerRow& row) const {
  msg::Peer peer;
  peer.set_device_id(row.device.raw());
  peer.set_user_id(row.user.raw());
  if (const auto* account = registry_.account(row.user)) peer.set_user(account->name);
  peer.set_activity(static_cast<msg::Activity>(row.activity));
  if (row.endpoint) {
    auto& address = *peer.add_addresses();
    address.set_host(to_string(row.endpoint->host));
    address.set_port(row.endpoint->port);
  }
  return peer;
}

void Service::tell_peer_changed(const ShareKey& share, const DeviceId& changed) {
  if (stopping_) return;
  for (const auto& device : presence_.audience(share, changed)) {
    auto* session = sessions_.find(device);
    if (session == nullptr) continue;
    msg::Event event;
    auto& peers = *event.mutable_peers();
    peers.set_group_id(share.group.raw());
    peers.set_info_hash(share.info_hash.raw());
    *peers.add_peers() = peer_message(presence_.peer(share, changed, device));
    session->push(std::move(event));
  }
}

void Service::probe(Session& session) {
  auto address = session.remote();
  address.port = session.listen_port();
  reach_[session.device()] = {false, loop_.now(), address.port};
  dial_back_.probe(session.device(), address);
}

void Service::on_probed(const DeviceId& device, const io::SocketAddress& address, const Status& result) {
  auto* session = sessions_.find(device);
  const auto reach = reach_.find(device);
  if (session == nullptr || reach == reach_.end()) return;
  reach->second.proved = result.has_value();
  std::optional<Endpoint> endpoint;
  if (result) endpoint = Endpoint{address.host, address.port, address.is_loopback()};
  for (const auto& share : presence_.set_endpoint(device, endpoint)) tell_peer_changed(share, device);
  log::debug("dialled back", {{"device", device.hex()},
                              {"address", address.text()},
                              {"result", result ? "reachable" : result.error().message}});
  msg::Event event;
  auto& reachability = *event.mutable_reachability();
  reachability.set_address(address.text());
  reachability.set_reachable(result.has_value());
  if (!result) reachability.set_cause(result.error().message);
  session->push(std::move(event));
}

}  // namespace p2p::tracker
