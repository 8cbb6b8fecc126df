// SPDX-License-Identifier: MIT
// A small tracker without clock, network or disk, for tests of its registry: devices with real keys, and
// requests that are decided and, when they change something, applied.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/tracker/registry.h"

namespace p2p::test {

namespace msg = ::p2p::pb::tracker;

struct TrackerDevice {
  trust::KeyPair key = trust::KeyPair::generate();
  DeviceId id = device_id(key);

  static DeviceId device_id(const trust::KeyPair& key) {
    return {trust::fingerprint(key.public_key()).bytes};
  }
};

class TrackerWorld {
 public:
  static TrackerId tracker_id() { return {sha256(as_bytes("tracker")).bytes}; }

  tracker::Registry registry{tracker_id()};
  std::map<std::string, TrackerDevice> devices;
  std::int64_t seconds = 1000;
  tracker::Decision last;

  const tracker::Account& account(const std::string& name) { return *registry.account(name); }

  tracker::Asked asked(const std::string& device, msg::Request request) {
    auto& from = devices[device];
    tracker::Asked made;
    made.key = from.key.public_key();
    made.device = from.id;
    made.now = WallTime{++seconds};
    if (request.idempotency_key().empty())
      request.set_idempotency_key(trust::random_id<IdempotencyKey>().raw());
    if (request.has_create_account())
      made.new_account = tracker::NewAccount{trust::random_id<UserId>(), Bytes(33, 1), Bytes(16, 2), 17};
    made.grant_lifetime = std::chrono::hours(4);
    if (const auto* user =
            request.has_login() ? registry.account(request.login().user()) : registry.account_of(made.device))
      made.record = user->record;  // the proof fits
    if (request.has_change_password())
      made.new_account = tracker::NewAccount{{}, Bytes(33, 3), Bytes(16, 4), 17};
    made.request = std::move(request);
    return made;
  }

  // Decides, applies, and gives the answer's error code; empty when it is no error.
  std::string run(const tracker::Asked& asked) {
    last = registry.decide(asked);
    if (last.change) registry.apply(*last.change);
    return last.answer.error().code();
  }
  std::string run(const std::string& device, msg::Request request) {
    return run(asked(device, std::move(request)));
  }

  std::string create_account(const std::string& name) {
    msg::Request request;
    request.mutable_create_account()->set_user(name);
    return run(name, request);
  }
  std::string login(const std::string& device, const std::string& name) {
    msg::Request request;
    request.mutable_login()->set_user(name);
    return run(device, request);
  }
  std::string logout(const std::string& device) {
    msg::Request request;
    request.mutable_logout();
    return run(device, request);
  }

  trust::GroupCreation creation(const std::string& user, const std::string& group) {
    trust::GroupCreation made;
    made.tracker = tracker_id();
    made.creator = account(user).id;
    made.device_key = devices[user].key.public_key();
    made.name = group;
    made.nonce = trust::random_id<decltype(made.nonce)>();
    return made;
  }
  std::string create_group(const std::string& user, const std::string& group, bool unlisted = false) {
    return create_group(user, creation(user, group).sign(devices[user].key), unlisted);
  }
  std::string create_group(const std::string& user, const Bytes& statement, bool unlisted = false) {
    msg::Request request;
    request.mutable_create_group()->set_statement(to_string(statement));
    request.mutable_create_group()->set_unlisted(unlisted);
    return run(user, request);
  }
  std::string join(const std::string& user, const std::string& group, const std::string& message = {}) {
    msg::Request request;
    request.mutable_join_group()->set_group(group);
    request.mutable_join_group()->set_message(message);
    return run(user, request);
  }
  std::string leave(const std::string& user, const std::string& group) {
    msg::Request request;
    request.mutable_leave_group()->set_group(group);
    return run(user, request);
  }
  std::string decide(const std::string& admin, const std::string& group,
                     const std::vector<std::string>& users, bool accept = true) {
    msg::Request request;
    auto& decision = *request.mutable_decide_join_requests();
    decision.set_group(group);
    for (const auto& user : users) decision.add_users(user);
    decision.set_accept(accept);
    return run(admin, request);
  }
  std::string invite(const std::string& admin, const std::string& group,
                     const std::vector<std::string>& users) {
    msg::Request request;
    request.mutable_invite_users()->set_group(group);
    for (const auto& user : users) request.mutable_invite_users()->add_users(user);
    return run(admin, request);
  }
  std::string set_role(const std::string& by, const std::string& group, const std::string& user,
                       pb::Role role) {
    msg::Request request;
    request.mutable_set_role()->set_group(group);
    request.mutable_set_role()->set_user(user);
    request.mutable_set_role()->set_role(role);
    return run(by, request);
  }
  std::string remove(const std::string& by, const std::string& group, const std::string& user) {
    msg::Request request;
    request.mutable_remove_member()->set_group(group);
    request.mutable_remove_member()->set_user(user);
    return run(by, request);
  }
  std::string transfer(const std::string& by, const std::string& group, const std::string& user) {
    msg::Request request;
    request.mutable_transfer_group()->set_group(group);
    request.mutable_transfer_group()->set_user(user);
    return run(by, request);
  }
  std::string withdraw(const std::string& by, const std::string& group, const std::string& name) {
    msg::Request request;
    request.mutable_withdraw_file()->set_group(group);
    request.mutable_withdraw_file()->set_name(name);
    return run(by, request);
  }
  std::string revoke(const std::string& by, const std::string& device) {
    msg::Request request;
    request.mutable_revoke_session()->set_device_id(devices[device].id.raw());
    return run(by, request);
  }
  // A user with an account who is a member of the group.
  void add_member(const std::string& admin, const std::string& group, const std::string& user) {
    if (registry.account(user) == nullptr) create_account(user);
    join(user, group);
    decide(admin, group, {user});
  }

  // A file of one piece, given by its name and one byte of content.
  std::shared_ptr<const tracker::CheckedUpload> upload(const std::string& name, std::uint8_t content) {
    meta::PieceHashes hashes;
    hashes.sha1 = {sha1(Bytes{content})};
    hashes.layer = {sha256(Bytes{content})};
    auto metainfo = meta::Metainfo::make(name, 1, limits::kPieceBytesMin, hashes);
    auto list = std::make_shared<const Bytes>(metainfo->piece_list());
    return std::make_shared<const tracker::CheckedUpload>(tracker::CheckedUpload{std::move(*metainfo), list});
  }
  trust::CatalogueEntry entry(const std::string& user, const std::string& group,
                              const tracker::CheckedUpload& upload) {
    trust::CatalogueEntry made;
    made.tracker = tracker_id();
    if (const auto* found = registry.group(group)) made.group = found->head.id;
    made.publisher = account(user).id;
    made.device_key = devices[user].key.public_key();
    made.name = upload.metainfo.name();
    made.size = upload.metainfo.geometry().size();
    made.piece_length = upload.metainfo.geometry().piece_length();
    made.info_hash = upload.metainfo.info_hash();
    return made;
  }
  tracker::Asked share_request(const std::string& user, const std::string& group, const Bytes& entry,
                               std::shared_ptr<const tracker::CheckedUpload> upload) {
    msg::Request request;
    request.mutable_share_file()->set_group(group);
    request.mutable_share_file()->set_entry(to_string(entry));
    auto made = asked(user, request);
    made.upload = std::move(upload);
    return made;
  }
  std::string share(const std::string& user, const std::string& group, const std::string& name,
                    std::uint8_t content) {
    const auto made = upload(name, content);
    return run(share_request(user, group, entry(user, group, *made).sign(devices[user].key), made));
  }
};

}  // namespace p2p::test
