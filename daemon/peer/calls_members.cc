// SPDX-License-Identifier: MIT
// Requests of the control socket about the members of a group: invitations, roles, removal, a new owner.
#include "daemon/base/names.h"
#include "daemon/peer/node.h"

namespace p2p::peer {
namespace {

using Kind = TrackerClient::Kind;

constexpr Duration kRemovalPoll = 100ms;
constexpr Duration kRemovalWait = 2s;

}  // namespace

void Node::call_group_invite(const CallPointer& call) {
  const auto& wanted = call->request().group_invite();
  pb::tracker::Request request;
  request.mutable_invite_users()->set_group(wanted.group());
  *request.mutable_invite_users()->mutable_users() = wanted.users();
  ask(call, std::move(request), Kind::Mutating, [call](const pb::tracker::Response& answer) {
    pb::control::Response response;
    auto& done = *response.mutable_invitations();
    done.set_group(call->request().group_invite().group());
    *done.mutable_invited() = answer.invitations().invited();
    *done.mutable_accepted() = answer.invitations().accepted();
    call->answer(response);
  });
}

void Node::call_group_set_role(const CallPointer& call) {
  const auto& wanted = call->request().group_set_role();
  pb::tracker::Request request;
  request.mutable_set_role()->set_group(wanted.group());
  request.mutable_set_role()->set_user(wanted.user());
  request.mutable_set_role()->set_role(wanted.admin() ? pb::admin : pb::member);
  ask(call, std::move(request), Kind::Mutating, [call](const pb::tracker::Response& answer) {
    pb::control::Response response;
    response.mutable_member()->set_user(answer.member().user());
    response.mutable_member()->set_role(answer.member().role());
    response.mutable_member()->set_online(answer.member().online());
    call->answer(response);
  });
}

void Node::call_group_transfer(const CallPointer& call) {
  const auto& wanted = call->request().group_transfer();
  pb::tracker::Request request;
  request.mutable_transfer_group()->set_group(wanted.group());
  request.mutable_transfer_group()->set_user(wanted.user());
  ask(call, std::move(request), Kind::Mutating, [call](const pb::tracker::Response& answer) {
    pb::control::Response response;
    fill_group(*response.mutable_group(), answer.group());
    call->answer(response);
  });
}

// The member is removed once the tracker says so. That its links are closed everywhere is waited for, for
// a while: a daemon that does not answer closes them when the grant has run out.
void Node::call_group_remove(const CallPointer& call) {
  const auto& wanted = call->request().group_remove();
  pb::tracker::Request request;
  request.mutable_remove_member()->set_group(wanted.group());
  request.mutable_remove_member()->set_user(wanted.user());
  ask(call, std::move(request), Kind::Mutating, [this, call](const pb::tracker::Response& answer) {
    const auto group = GroupId::from(answer.removed().group_id());
    if (!group) return call->refuse(Error{Code::Internal, "the tracker named no group", {}});
    auto removing = std::make_shared<Removing>();
    removing->call = call;
    removing->group = *group;
    removing->epoch = answer.removed().epoch();
    removing->deadline = loop_.now() + kRemovalWait;
    removing->removal.set_group(call->request().group_remove().group());
    removing->removal.set_user(call->request().group_remove().user());
    removals_.push_back(removing);
    ask_progress(removing);
    if (!removal_timer_.is_set()) removal_timer_.set(kRemovalPoll);
  });
}

void Node::ask_progress(const std::shared_ptr<Removing>& removing) {
  removing->asking = true;
  pb::tracker::Request request;
  request.mutable_show_roster_progress()->set_group_id(removing->group.raw());
  request.mutable_show_roster_progress()->set_epoch(removing->epoch);
  tracker_.request(std::move(request), Kind::Query, kRemovalWait,
                   [this, removing](const Result<pb::tracker::Response>& response) {
                     removing->asking = false;
                     if (!response) return;
                     removing->removal.set_online(response->roster_progress().online());
                     removing->removal.set_applied(response->roster_progress().applied());
                     const auto* membership = memberships_.find(removing->group);
                     const bool here = membership == nullptr || !membership->roster ||
                                       membership->roster->epoch >= removing->epoch;
                     const bool all = removing->removal.applied() >= removing->removal.online();
                     if (here && all) removing->deadline = loop_.now();
                     poll_removals();
                   });
}

void Node::poll_removals() {
  const auto now = loop_.now();
  std::erase_if(removals_, [now](const auto& removing) {
    if (now < removing->deadline) return !removing->call->is_open();
    pb::control::Response response;
    *response.mutable_removal() = removing->removal;
    removing->call->answer(response);
    return true;
  });
  if (removals_.empty()) return removal_timer_.cancel();
  if (removal_timer_.is_set()) return;
  for (const auto& removing : removals_)
    if (!removing->asking) ask_progress(removing);
  removal_timer_.set(kRemovalPoll);
}

}  // namespace p2p::peer
