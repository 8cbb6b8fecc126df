// SPDX-License-Identifier: MIT
// What serves and fetches in a p2pd, without control socket and tracker: it is in one group, and members with
// grants can dial it. Include it instead of tests/support/check.h.
#pragma once

#include "daemon/base/digest.h"
#include "daemon/io/clock.h"
#include "daemon/peer/transfers.h"
#include "tests/support/peer_world.h"
#include "tests/support/temp_dir.h"

namespace p2p::test {

inline constexpr WallTime kNow{1'800'000'000};

struct Daemon final : private peer::TrackerClient::Listener {
  Daemon() {
    trust::KeySet keys;
    keys.root = root.public_key();
    keys.tls_keys = {trust::random_id<trust::Fingerprint>()};
    keys.grant_keys = {grant_key.public_key()};
    tracker_id = keys.tracker();
    memberships.set_key_set(keys);
    EXPECT_OK(memberships.update(group, "lab", trust::Role::Member, grant(self), {}));
    clock.set(kNow, io::boot_now());
    options.listen = loopback();
    transfers.emplace(peer::Transfers::Surroundings{world.loop, disk, hash, background, store, random,
                                                    memberships, tracker, clock, context, options, self},
                      bind<&Daemon::on_changed>(this), bind<&Daemon::on_changed>(this));
    const auto listening = transfers->listen();
    EXPECT_OK(listening);
    address = *listening;
    transfers->load(account, {});
  }
  storage::StateDb open_db() {
    auto db = *storage::StateDb::open(folder.path_of("state.db"));
    storage::AccountRow row;
    row.tracker = "p2p://tracker";
    row.user = "alice";
    account = db.enter(row)->account->id;
    return db;
  }
  Bytes grant(const DeviceId& device) const {
    trust::Grant made;
    made.tracker = tracker_id;
    made.group = group;
    made.user = trust::random_id<UserId>();
    made.device = device;
    made.role = trust::Role::Member;
    made.epoch = 5;
    made.not_before = kNow;
    made.not_after = kNow + std::chrono::hours(1);
    return made.sign(grant_key);
  }
  // A file of one byte that is served.
  peer::Transfer& share() {
    storage::TransferRow row;
    row.id = trust::random_id<DownloadId>();
    row.state = storage::TransferState::Complete;
    row.group = group;
    row.name = "film";
    row.size = 1;
    row.piece_length = limits::kPieceBytesMin;
    row.path = folder.put("film", "x");
    row.identity = *storage::identify_path(row.path);
    const auto metainfo = small_file("film");
    row.info_hash = metainfo.info_hash();
    auto& transfer = transfers->add(row, std::make_shared<const meta::Metainfo>(metainfo));
    run_until(world, [&] { return transfer.is_serving(); });
    return transfer;
  }
  // A download that begins.
  peer::Transfer& fetch(const meta::Metainfo& metainfo) {
    storage::TransferRow row;
    row.id = trust::random_id<DownloadId>();
    row.kind = storage::TransferKind::Download;
    row.state = storage::TransferState::Downloading;
    row.group = group;
    row.name = metainfo.name();
    row.info_hash = metainfo.info_hash();
    row.size = metainfo.geometry().size();
    row.piece_length = metainfo.geometry().piece_length();
    row.path = folder.path_of(metainfo.name());
    row.part_name = "." + metainfo.name() + ".part";
    auto& transfer = transfers->add(row, std::make_shared<const meta::Metainfo>(metainfo));
    run_until(world, [&] { return transfer.is_serving(); });
    return transfer;
  }
  // A file of one byte.
  static meta::Metainfo small_file(const std::string& name) {
    const Bytes content{'x'};
    return *meta::Metainfo::make(name, 1, limits::kPieceBytesMin, {{sha1(content)}, {sha256(content)}});
  }
  // A member that has said who it is and what it wants.
  std::unique_ptr<Member> visit(const peer::Transfer& transfer) {
    auto member = std::make_unique<Member>(world, address);
    run_until(world, [&] { return member->ear.opens == 1; });
    member->greet(transfer.key(), grant(member->device));
    return member;
  }

  World world;
  TempDir folder;
  Random random{7};
  trust::KeyPair root = trust::KeyPair::generate();
  trust::KeyPair grant_key = trust::KeyPair::generate();
  trust::KeyPair key = trust::KeyPair::generate();
  DeviceId self = device_of(key);
  TrackerId tracker_id;
  GroupId group = trust::random_id<GroupId>();
  std::int64_t account = 0;
  tls::Context context{key, tls::kPeerProtocol};
  io::WorkPool disk{world.loop, "disk", 1};
  io::WorkPool hash{world.loop, "hash", 1};
  io::WorkPool background{world.loop, "background", 1};
  peer::StateStore store{world.loop, open_db()};
  peer::MembershipBook memberships;
  peer::TrackerClock clock;
  peer::Options options;
  peer::TrackerClient tracker{world.loop, context, self, std::nullopt, random, *this};
  std::optional<peer::Transfers> transfers;
  io::SocketAddress address;

 private:
  void on_changed() {}
  void on_tracker_hello(const peer::TrackerSession::Hello&) override {}
  pb::tracker::Attach make_tracker_attach() override { return {}; }
  void on_tracker_attached(const pb::tracker::Attached&) override {}
  void on_tracker_event(const pb::tracker::Event&) override {}
  void on_tracker_lost(const Error&) override {}
};

}  // namespace p2p::test
