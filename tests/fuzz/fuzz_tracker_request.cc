// SPDX-License-Identifier: MIT
// A frame of a session, from its bytes to the registry's decision: by a device that nobody is logged in
// on, and by the owner, an admin and a member of a group. What is decided is carried out, on a copy.
#include "daemon/base/check.h"
#include "daemon/tracker/presence.h"
#include "daemon/tracker/uploads.h"
#include "proto/frame.h"
#include "tests/support/tracker_world.h"

using namespace p2p;
namespace msg = ::p2p::pb::tracker;

namespace {

void decide(tracker::Registry& registry, const tracker::Asked& asked) {
  const auto decision = registry.decide(asked);
  if (!decision.change) return;
  CHECK(!decision.answer.has_error());
  CHECK(registry.scope_of(asked).has_value());
  registry.apply(*decision.change);
  CHECK(registry.decide(asked).answer.SerializeAsString() == decision.answer.SerializeAsString());
}

void read(const tracker::Registry& registry, const tracker::Account& asker, const msg::Request& request) {
  static const tracker::Presence presence;
  (void)registry.show_group(asker, request.show_group());
  (void)registry.list_groups(asker, request.list_groups());
  (void)registry.list_requests(asker, request.list_join_requests());
  (void)registry.list_members(asker, request.list_members(), presence);
  (void)registry.list_files(asker, request.list_files(), presence);
  (void)registry.show_file(asker, request.show_file(), presence);
  (void)registry.member_share(asker, request.read_metadata().group_id(), request.read_metadata().info_hash());
  (void)registry.joined_group(asker, request.roster_applied().group_id());
  (void)registry.list_sessions(asker, {}, request.list_sessions(), presence);
  tracker::Uploads uploads(std::make_shared<std::atomic<std::size_t>>(0));
  const auto& put = request.put_metadata();
  (void)uploads.put(put.upload_id(), put.offset(), as_bytes(put.data()));
}

test::TrackerWorld make_world() {
  test::TrackerWorld world;
  world.create_account("alice");
  world.create_account("bob");
  world.create_group("alice", "lab");
  world.join("bob", "lab", "hello");
  world.add_member("alice", "lab", "adam");
  world.set_role("alice", "lab", "adam", p2p::pb::admin);
  world.add_member("alice", "lab", "mia");
  world.login("laptop", "alice");
  world.share("alice", "lab", "film.mkv", 1);
  return world;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto prepared = make_world();
  msg::Frame frame;
  if (!proto::parse_frame({data, size}, frame) || !frame.has_request()) return 0;
  for (const auto* device : {"stranger", "alice", "adam", "mia"}) {
    auto world = prepared;
    auto request = frame.request();
    // Ids of devices are new in every run; this word stands for one.
    if (request.revoke_session().device_id() == "laptop")
      request.mutable_revoke_session()->set_device_id(world.devices["laptop"].id.raw());
    auto asked = world.asked(device, request);
    (void)world.registry.scope_of(asked);
    (void)world.registry.may_share(asked);
    decide(world.registry, asked);
    if (const auto* asker = world.registry.account_of(asked.device)) read(world.registry, *asker, request);
  }
  return 0;
}
