// SPDX-License-Identifier: MIT
// What the tracker does with requests: sends each to the registry, presence or the store, keeps rates,
// and pushes what others should hear. It owns nothing durable and holds no rules about who may what:
// those are the registry's.
//
// Answers to mutating requests leave when the change is durable; the events that follow from it leave in
// the same turn of the loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "daemon/io/work_pool.h"
#include "daemon/tracker/dial_back.h"
#include "daemon/tracker/keys.h"
#include "daemon/tracker/mutations.h"
#include "daemon/tracker/options.h"
#include "daemon/tracker/passwords.h"
#include "daemon/tracker/presence.h"
#include "daemon/tracker/rates.h"
#include "daemon/tracker/registry.h"
#include "daemon/tracker/sessions.h"

namespace p2p::tracker {

class Service final : private Sessions::Listener, private Mutations::Listener, private DialBack::Listener {
 public:
  // `on_store_failed` is called when the store can no longer be trusted to keep what it is given.
  Service(io::Loop& loop, const Options& options, const Keys& keys, const tls::Context& context,
          Registry& registry, Store& store, Bound<const Error&> on_store_failed);
  ~Service();

  Result<io::SocketAddress> listen(const io::SocketAddress& address);
  void stop();
  // Takes over what may change while running: registration, its rate, the life of grants.
  void reconfigure(const Options& options);
  std::size_t sessions() const { return sessions_.size(); }

  // --- the operator (service_operator.cc)
  // `done` is called once, when the operation is durable and those it concerns have been told, or refused;
  // it may be called from inside.
  using Operated = std::function<void(const Decision& decision)>;
  void operate(Operation operation, Operated done);
  const Passwords& passwords() const { return passwords_; }
  const Presence& presence() const { return presence_; }

 private:
  using Answer = Result<msg::Response>;

  // --- requests (service.cc)
  msg::TrackerHello greeting(const Session& session) override;
  void on_request(Session& session, std::uint64_t frame, const msg::Request& request) override;
  void on_session_ended(Session& session) override;
  bool within_rate(const Session& session, const msg::Request& request);
  void answer(Session& session, std::uint64_t frame, Answer answer);
  Answer answer_now(Session& session, const msg::Request& request);
  Answer answer_reading(const Account& asker, const msg::Request& request);
  Answer attach(Session& session, const msg::Attach& request);
  Answer password_parameters(const msg::PasswordParameters& request);
  Answer heartbeat(Session& session);
  Answer renew_grants(Session& session, const Account& asker);
  Answer announce(Session& session, const Account& asker, const msg::Announce& request);
  Answer get_peers(Session& session, const Account& asker, const msg::GetPeers& request);
  Answer get_devices(Session& session, const Account& asker, const msg::GetPeers& request);
  Answer roster_applied(Session& session, const Account& asker, const msg::RosterApplied& request);
  Answer roster_progress(Session& session, const Account& asker, const msg::ShowRosterProgress& request);

  // --- mutating requests (service_mutations.cc)
  void mutate(Session& session, std::uint64_t frame, const msg::Request& request);
  Status prepare_account(Session& session, Asked& asked);
  Status check_login(Session& session, Asked& asked);
  Status check_password_change(Session& session, Asked& asked);
  // Of a login or of a change of the password; what it costs and tells does not depend on the account.
  Status check_proof(Session& session, const std::string& name, const std::string& proof,
                     const tl::unexpected<Error>& refusal);
  void share(Session& session, Asked asked);
  void read_metadata(Session& session, std::uint64_t frame, const Account& asker,
                     const msg::ReadMetadata& request);
  void on_decided(const Asked& asked, const Decision& decision) override;
  void on_store_failed(const Error& error) override;
  void on_operated(const Asked& asked, const Decision& decision);

  // --- events (service_events.cc)
  void tell(const RosterNotice& notice);
  void tell(const MembershipNotice& notice);
  void tell(const JoinNotice& notice);
  void tell(const InvitationNotice& notice);
  void tell(const FileNotice& notice);
  void tell(const WithdrawalNotice& notice);
  void tell(const DeviceNotice& notice);
  void tell(const RevocationNotice& notice);
  void tell(const EndNotice& notice);
  void tell_peer_changed(const ShareKey& share, const DeviceId& changed);
  void push_to_user(const UserId& user, const msg::Event& event);
  void leave_all_shares(const DeviceId& device);
  // For what does not fit in the answer that is being made: leaves after it.
  void push_later(const Session& session, msg::Event event);
  const Bytes& signed_roster(const Group& group);
  const Sha256& catalogue_digest(const Group& group);
  const Bytes& signed_revocation(const Revocation& revocation);
  // Revocations that the account's groups have to know.
  void fill_revocations(const Session& session, const Account& account, msg::Attached& out);
  void fill_membership(const Group& group, const Account& account, const DeviceId& device,
                       msg::Membership& out);
  // All groups of the account; rosters only where the client's position is another one. Rosters that do
  // not fit in the answer are pushed after it.
  void fill_memberships(Session& session, const Account& account,
                        const std::map<GroupId, std::uint64_t>& positions, msg::Memberships& out);
  msg::Peer peer_message(const PeerRow& row) const;
  void probe(Session& session);
  void on_probed(const DeviceId& device, const io::SocketAddress& address, const Status& result) override;

  io::Loop& loop_;
  Options options_;
  const Keys& keys_;
  Registry& registry_;
  Store& store_;
  Bound<const Error&> on_store_failed_;
  Presence presence_;
  Passwords passwords_;
  Rates request_rates_;
  Rates metadata_rates_;  // chunks of piece lists, in and out
  Rates login_rates_;     // of one source
  Rates
      user_login_rates_;  // of one user from wherever: wide, so that nobody can be locked out from one place
  Rates registration_rates_;
  Bytes key_set_;
  WallTime key_set_signed_;
  struct SignedRoster {
    std::uint64_t epoch = 0;
    Bytes bytes;
  };
  std::map<GroupId, SignedRoster> rosters_;  // one per group, made when asked for
  struct CatalogueDigest {
    std::uint64_t change = 0;  // of the group it was made of
    Sha256 digest;
  };
  std::map<GroupId, CatalogueDigest> catalogues_;  // the same
  struct SignedRevocation {
    WallTime at;
    WallTime until;
    Bytes bytes;
  };
  std::map<std::pair<DeviceId, UserId>, SignedRevocation> revocations_;  // made when asked for
  Duration longest_grant_;                                               // of all settings since the start
  struct Reach {
    bool proved = false;
    TimePoint probed;
    std::uint16_t port = 0;
  };
  std::map<DeviceId, Reach> reach_;
  std::map<std::uint64_t, Operated> operations_;  // under way, by number; mutations bound them
  std::uint64_t next_operation_ = 1;
  bool stopping_ = false;
  Mutations mutations_;
  DialBack dial_back_;
  Sessions sessions_;
  io::WorkPool checkers_;                                       // checks of piece lists, away from the loop
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for deferred pushes
  io::WorkScope scope_;                                         // dies first
};

}  // namespace p2p::tracker
