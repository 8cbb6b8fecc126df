// SPDX-License-Identifier: MIT
// Requests that are answered from memory.
#include "daemon/tracker/service.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/limits.h"
#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/io/clock.h"
#include "daemon/tracker/refusals.h"
#include "daemon/tracker/version.h"

namespace p2p::tracker {
namespace {

constexpr double kLoginBurst = 20;  // per source; a stranger's share of what a user has is small
constexpr double kLoginsPerSecond = 0.1;
constexpr double kUserLoginBurst = 60;
constexpr double kUserLoginsPerSecond = 1;
// The largest piece list twice at once: publishing and reading it must not run into the request rate.
constexpr double kMetadataBurst = 2.0 * limits::kMetadataBytes / limits::kMetadataChunkBytes;
constexpr auto kProbeAgainAfter = std::chrono::seconds(60);
constexpr auto kKeySetRenewal = std::chrono::hours(24);

Rate registration_rate(const Options& options) {
  return {options.registration_burst, options.registrations_per_hour / 3600.0};
}

std::optional<io::SocketAddress> specific_address(const Options& options) {
  const auto listen = io::SocketAddress::parse(options.listen);
  if (!listen || listen->is_unspecified()) return std::nullopt;
  return *listen;
}

bool is_mutating(const msg::Request& request) {
  switch (request.body_case()) {
    case msg::Request::kCreateAccount:
    case msg::Request::kLogin:
    case msg::Request::kLogout:
    case msg::Request::kChangePassword:
    case msg::Request::kRevokeSession:
    case msg::Request::kCreateGroup:
    case msg::Request::kJoinGroup:
    case msg::Request::kLeaveGroup:
    case msg::Request::kDecideJoinRequests:
    case msg::Request::kInviteUsers:
    case msg::Request::kSetRole:
    case msg::Request::kRemoveMember:
    case msg::Request::kTransferGroup:
    case msg::Request::kShareFile:
    case msg::Request::kWithdrawFile: return true;
    default: return false;
  }
}

}  // namespace

Service::Service(io::Loop& loop, const Options& options, const Keys& keys, const tls::Context& context,
                 Registry& registry, Store& store, Bound<const Error&> on_store_failed)
    : loop_(loop),
      options_(options),
      keys_(keys),
      registry_(registry),
      store_(store),
      on_store_failed_(on_store_failed),
      passwords_(keys.pepper, keys.salt_secret, options.kdf_log_n),
      request_rates_({limits::kRequestBurst, limits::kRequestsPerSecond}),
      metadata_rates_({kMetadataBurst, limits::kRequestsPerSecond}),
      login_rates_({kLoginBurst, kLoginsPerSecond}),
      user_login_rates_({kUserLoginBurst, kUserLoginsPerSecond}),
      registration_rates_(registration_rate(options)),
      longest_grant_(options.grant_lifetime),
      mutations_(registry, store, *this),
      dial_back_(loop, keys.tls, specific_address(options), *this),
      sessions_(loop, context, {options.unauthenticated_per_address, options.offline_after}, *this),
      checkers_(loop, "check", 1) {}

Service::~Service() { *alive_ = false; }

Result<io::SocketAddress> Service::listen(const io::SocketAddress& address) {
  return sessions_.listen(address);
}

void Service::stop() {
  stopping_ = true;  // every session hears that the tracker goes; nobody needs to hear of each other's end
  sessions_.stop();
}

void Service::reconfigure(const Options& options) {
  options_.registration = options.registration;
  options_.grant_lifetime = options.grant_lifetime;
  longest_grant_ = std::max(longest_grant_, options.grant_lifetime);
  registration_rates_.set_rate(registration_rate(options));
}

msg::TrackerHello Service::greeting(const Session& session) {
  const auto now = io::wall_now();
  if (key_set_.empty() || now >= key_set_signed_ + kKeySetRenewal) {
    key_set_ = keys_.sign_key_set(now);
    key_set_signed_ = now;
  }
  trust::TimeStatement time;
  time.tracker = registry_.tracker();
  time.device = session.device();
  time.now = now;
  msg::TrackerHello hello;
  *hello.mutable_hello() = our_hello();
  hello.set_key_set(to_string(key_set_));
  hello.set_signed_time(to_string(time.sign(keys_.grant)));
  return hello;
}

void Service::on_session_ended(Session& session) {
  dial_back_.forget(session.device());
  reach_.erase(session.device());
  leave_all_shares(session.device());
}

// --- dispatch ------------------------------------------------------------------------------------

bool Service::within_rate(const Session& session, const msg::Request& request) {
  const auto* account = registry_.account_of(session.device());
  const auto key = account != nullptr ? "user" + account->id.raw() : "from" + session.source();
  const bool metadata = request.has_put_metadata() || request.has_read_metadata();
  return (metadata ? metadata_rates_ : request_rates_).take(key, loop_.now());
}

void Service::answer(Session& session, std::uint64_t frame, Answer answer) {
  session.answer(frame, answer ? std::move(*answer) : error_response(answer.error()));
}

void Service::on_request(Session& session, std::uint64_t frame, const msg::Request& request) {
  if (!within_rate(session, request)) {
    answer(session, frame, fail(Code::Busy, "too many requests", "slow down and try again"));
    return;
  }
  if (is_mutating(request)) {
    mutate(session, frame, request);
    return;
  }
  if (request.body_case() == msg::Request::kReadMetadata) {
    const auto* asker = registry_.account_of(session.device());
    if (asker == nullptr || !session.is_logged_in()) answer(session, frame, login_required());
    else read_metadata(session, frame, *asker, request.read_metadata());
    return;
  }
  answer(session, frame, answer_now(session, request));
}

Service::Answer Service::answer_now(Session& session, const msg::Request& request) {
  switch (request.body_case()) {
    case msg::Request::kAttach: return attach(session, request.attach());
    case msg::Request::kPasswordParameters: return password_parameters(request.password_parameters());
    case msg::Request::BODY_NOT_SET: return fail(Code::Unsupported, "the tracker does not know this request");
    default: break;
  }
  const auto* asker = registry_.account_of(session.device());
  if (asker == nullptr || !session.is_logged_in()) return login_required();
  switch (request.body_case()) {
    case msg::Request::kHeartbeat: return heartbeat(session);
    case msg::Request::kRenewGrants: return renew_grants(session, *asker);
    case msg::Request::kAnnounce: return announce(session, *asker, request.announce());
    case msg::Request::kGetPeers: return get_peers(session, *asker, request.get_peers());
    case msg::Request::kRosterApplied: return roster_applied(session, *asker, request.roster_applied());
    case msg::Request::kShowRosterProgress:
      return roster_progress(session, *asker, request.show_roster_progress());
    case msg::Request::kListSessions: {
      msg::Response response;
      *response.mutable_sessions() =
          registry_.list_sessions(*asker, session.device(), request.list_sessions(), presence_);
      return response;
    }
    case msg::Request::kPutMetadata: {
      const auto& put = request.put_metadata();
      if (const auto status = session.uploads().put(put.upload_id(), put.offset(), as_bytes(put.data()));
          !status)
        return fail(status.error());
      msg::Response response;
      response.mutable_done();
      return response;
    }
    default: return answer_reading(*asker, request);
  }
}

Service::Answer Service::answer_reading(const Account& asker, const msg::Request& request) {
  msg::Response response;
  // Puts a result of the registry into its place in the response.
  const auto put = [&response](auto&& result, auto* place) -> Answer {
    if (!result) return fail(result.error());
    *place = std::move(*result);
    return response;
  };
  switch (request.body_case()) {
    case msg::Request::kListGroups:
      *response.mutable_groups() = registry_.list_groups(asker, request.list_groups());
      return response;
    case msg::Request::kShowGroup:
      return put(registry_.show_group(asker, request.show_group()), response.mutable_group());
    case msg::Request::kListJoinRequests:
      return put(registry_.list_requests(asker, request.list_join_requests()),
                 response.mutable_join_requests());
    case msg::Request::kListMembers:
      return put(registry_.list_members(asker, request.list_members(), presence_),
                 response.mutable_members());
    case msg::Request::kListFiles:
      return put(registry_.list_files(asker, request.list_files(), presence_), response.mutable_files());
    case msg::Request::kShowFile:
      return put(registry_.show_file(asker, request.show_file(), presence_), response.mutable_file_detail());
    default: return fail(Code::Unsupported, "the tracker does not know this request");
  }
}

// --- attach and presence -------------------------------------------------------------------------

Service::Answer Service::attach(Session& session, const msg::Attach& request) {
  if (request.listen_port() > 65535) return fail(Code::InvalidArgument, "a port is at most 65535");
  session.set_attached(static_cast<std::uint16_t>(request.listen_port()));
  msg::Response response;
  auto& attached = *response.mutable_attached();
  attached.set_heartbeat_ms(static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.heartbeat).count()));
  const auto* account = registry_.account_of(session.device());
  attached.set_known(account != nullptr);
  if (account == nullptr) return response;
  attached.mutable_account()->set_user_id(account->id.raw());
  attached.mutable_account()->set_user(account->name);
  std::map<GroupId, std::uint64_t> positions;
  for (const auto& position : request.positions())
    if (const auto group = GroupId::from(std::string_view(position.group_id())))
      positions[*group] = position.epoch();
  tell(DeviceNotice{session.device()});
  // What the device holds it has taken over; of later rosters it tells itself.
  for (const auto& [id, epoch] : positions)
    if (const auto group = registry_.joined_group(*account, id.raw()))
      presence_.roster_applied(session.device(), id, std::min(epoch, (*group)->epoch));
  fill_memberships(session, *account, positions, *attached.mutable_memberships());
  fill_revocations(session, *account, attached);
  return response;
}

Service::Answer Service::password_parameters(const msg::PasswordParameters& request) {
  const auto name = user_name(request.user());
  if (!name) return fail(name.error());
  const auto* account = registry_.account(*name);
  const auto made_up = passwords_.salt_for(*name);
  msg::Response response;
  auto& parameters = *response.mutable_password_parameters();
  parameters.set_version(Passwords::kVersion);
  parameters.set_salt(to_string(account != nullptr ? account->salt : made_up));
  parameters.set_log_n(account != nullptr ? account->log_n : passwords_.log_n());
  parameters.set_r(Passwords::kBlockSize);
  parameters.set_p(Passwords::kParallelization);
  return response;
}

Service::Answer Service::heartbeat(Session& session) {
  const auto reach = reach_.find(session.device());
  if (reach != reach_.end() && !reach->second.proved &&
      loop_.now() - reach->second.probed >= kProbeAgainAfter)
    probe(session);
  msg::Response response;
  response.mutable_done();
  return response;
}

Service::Answer Service::renew_grants(Session& session, const Account& asker) {
  msg::Response response;
  fill_memberships(session, asker, {}, *response.mutable_memberships());
  return response;
}

Service::Answer Service::announce(Session& session, const Account& asker, const msg::Announce& request) {
  msg::Response response;
  auto& announced = *response.mutable_announced();
  for (const auto& state : request.shares()) {
    // A share of a group that is not the asker's is gone like one that never was.
    const auto found = registry_.member_share(asker, state.group_id(), state.info_hash());
    if (!found) {
      auto& gone = *announced.add_gone();
      gone.set_group_id(state.group_id());
      gone.set_info_hash(state.info_hash());
      continue;
    }
    const auto& share = **found;
    auto activity = Activity::Stopped;
    if (state.activity() == msg::leeching) activity = Activity::Leeching;
    if (state.activity() == msg::seeding) activity = Activity::Seeding;
    const ShareKey key{share.group, share.info_hash};
    if (presence_.announce(session.device(), key, activity)) tell_peer_changed(key, session.device());
  }
  return response;
}

Service::Answer Service::get_peers(Session& session, const Account& asker, const msg::GetPeers& request) {
  if (request.info_hash().empty()) return get_devices(session, asker, request);
  const auto share = registry_.member_share(asker, request.group_id(), request.info_hash());
  if (!share) return fail(share.error());
  msg::Response response;
  auto& peers = *response.mutable_peers();
  peers.set_group_id(request.group_id());
  peers.set_info_hash(request.info_hash());
  for (const auto& row : presence_.peers({(*share)->group, (*share)->info_hash}, session.device()))
    *peers.add_peers() = peer_message(row);
  return response;
}

Service::Answer Service::get_devices(Session& session, const Account& asker, const msg::GetPeers& request) {
  const auto group = registry_.joined_group(asker, request.group_id());
  if (!group) return fail(group.error());
  msg::Response response;
  auto& peers = *response.mutable_peers();
  peers.set_group_id(request.group_id());
  for (const auto& [user, member] : (*group)->members)
    for (const auto& device : presence_.devices_of(user)) {
      const auto endpoint = presence_.endpoint(device, session.device());
      if (!endpoint || device == session.device()) continue;
      if (static_cast<std::size_t>(peers.peers_size()) == limits::kDevicesPerGroup) return response;
      *peers.add_peers() = peer_message({device, user, Activity::Stopped, endpoint});
    }
  return response;
}

// --- how far a roster has come -------------------------------------------------------------------

Service::Answer Service::roster_applied(Session& session, const Account& asker,
                                        const msg::RosterApplied& request) {
  const auto group = registry_.joined_group(asker, request.group_id());
  if (!group) return fail(group.error());
  presence_.roster_applied(session.device(), (*group)->head.id, std::min(request.epoch(), (*group)->epoch));
  msg::Response response;
  response.mutable_done();
  return response;
}

Service::Answer Service::roster_progress(Session& session, const Account& asker,
                                         const msg::ShowRosterProgress& request) {
  const auto group = registry_.joined_group(asker, request.group_id());
  if (!group) return fail(group.error());
  std::uint32_t online = 0;
  std::uint32_t applied = 0;
  for (const auto& [user, member] : (*group)->members)
    for (const auto& device : presence_.devices_of(user)) {
      if (device == session.device()) continue;
      ++online;
      if (presence_.has_applied(device, (*group)->head.id, request.epoch())) ++applied;
    }
  msg::Response response;
  response.mutable_roster_progress()->set_online(online);
  response.mutable_roster_progress()->set_applied(applied);
  return response;
}

}  // namespace p2p::tracker
