// SPDX-License-Identifier: MIT
// Requests of the control socket about groups: each becomes one request to the tracker, lists one a page.
#include "daemon/base/names.h"
#include "daemon/base/units.h"
#include "daemon/io/clock.h"
#include "daemon/peer/node.h"

namespace p2p::peer {
namespace {

using Kind = TrackerClient::Kind;

void answer_group(const CallPointer& call, const pb::tracker::Response& answer) {
  pb::control::Response response;
  fill_group(*response.mutable_group(), answer.group());
  call->answer(response);
}

}  // namespace

void fill_group(pb::control::Group& view, const pb::tracker::GroupRow& row) {
  view.set_group(row.group());
  view.set_role(row.role());
  view.set_members(row.members());
  view.set_requests(row.requests());
  view.set_description(row.description());
  view.set_unlisted(row.unlisted());
  view.set_owner(row.owner());
  view.set_id(to_hex(as_bytes(row.group_id())));
  view.set_created(format_wall_time({row.created()}));
  view.set_invited(row.invited());
  *view.mutable_invitations() = row.invitations();
}

void Node::call_group_create(const CallPointer& call) {
  const auto& wanted = call->request().group_create();
  const auto name = group_name(wanted.group());
  if (!name) return call->refuse(name.error());
  if (auto status = check_text(wanted.description(), limits::kMessageBytes, "description"); !status)
    return call->refuse(status.error());
  trust::GroupCreation creation;
  creation.tracker = tracker_.target()->tracker;
  creation.creator = account_->user_id;
  creation.device_key = identity_.public_key();
  creation.name = *name;
  creation.nonce = trust::random_id<decltype(creation.nonce)>();
  creation.created = clock_.now(io::boot_now(), io::wall_now());
  pb::tracker::Request request;
  request.mutable_create_group()->set_statement(to_string(creation.sign(identity_)));
  request.mutable_create_group()->set_description(wanted.description());
  request.mutable_create_group()->set_unlisted(wanted.unlisted());
  ask(call, std::move(request), Kind::Mutating,
      [call](const pb::tracker::Response& answer) { answer_group(call, answer); });
}

void Node::call_group_list(const CallPointer& call, std::shared_ptr<pb::control::Response> rows,
                           const std::string& cursor) {
  pb::tracker::Request request;
  request.mutable_list_groups()->set_cursor(cursor);
  request.mutable_list_groups()->set_mine(call->request().group_list().mine());
  rows->mutable_groups();
  ask(call, std::move(request), Kind::Query, [this, call, rows](const pb::tracker::Response& answer) {
    for (const auto& row : answer.groups().rows()) fill_group(*rows->mutable_groups()->add_groups(), row);
    if (answer.groups().next_cursor().empty()) call->answer(*rows);
    else call_group_list(call, rows, answer.groups().next_cursor());
  });
}

void Node::call_group_show(const CallPointer& call) {
  pb::tracker::Request request;
  request.mutable_show_group()->set_group(call->request().group_show().group());
  ask(call, std::move(request), Kind::Query,
      [call](const pb::tracker::Response& answer) { answer_group(call, answer); });
}

void Node::call_group_join(const CallPointer& call) {
  const auto& wanted = call->request().group_join();
  if (auto status = check_text(wanted.message(), limits::kMessageBytes, "message"); !status)
    return call->refuse(status.error());
  pb::tracker::Request request;
  request.mutable_join_group()->set_group(wanted.group());
  request.mutable_join_group()->set_message(wanted.message());
  ask(call, std::move(request), Kind::Mutating, [this, call](const pb::tracker::Response& answer) {
    if (call->request().group_join().wait()) wait_for_decision(call, answer.group().group());
    else answer_group(call, answer);
  });
}

// The decision arrives as an event; the row shown is then asked for once more.
void Node::wait_for_decision(const CallPointer& call, const std::string& group) {
  call->progress({});
  auto asked = std::make_shared<bool>(false);
  add_wait(call, [this, call, group, asked](Call& waiting) {
    const auto* membership = memberships_.find(group);
    if (*asked || (membership != nullptr && membership->role == trust::Role::Pending))
      return !waiting.is_open();
    *asked = true;
    pb::tracker::Request request;
    request.mutable_show_group()->set_group(group);
    ask(call, std::move(request), Kind::Query, [call, group, asked](const pb::tracker::Response& answer) {
      if (answer.group().role() == pb::pending) *asked = false;  // look again at the next poll
      else if (answer.group().role() >= pb::member) answer_group(call, answer);
      else
        call->refuse(
            Error{Code::NotAllowed, "the request to join '" + group + "' was rejected", "ask its admins"});
    });
    return false;
  });
}

void Node::call_group_leave(const CallPointer& call) {
  pb::tracker::Request request;
  const auto group = call->request().group_leave().group();
  request.mutable_leave_group()->set_group(group);
  ask(call, std::move(request), Kind::Mutating, [this, call, group](const pb::tracker::Response&) {
    for (const auto& [id, membership] : memberships_.all())
      if (is_logged_in() && membership.name == group) {
        const auto left = id;
        lose_membership(left, "");
        break;
      }
    pb::control::Response response;
    response.mutable_group()->set_group(group);
    call->answer(response);
  });
}

void Node::call_group_requests(const CallPointer& call, std::shared_ptr<pb::control::Response> rows,
                               const std::string& cursor) {
  pb::tracker::Request request;
  request.mutable_list_join_requests()->set_group(call->request().group_requests().group());
  request.mutable_list_join_requests()->set_cursor(cursor);
  rows->mutable_join_requests();
  ask(call, std::move(request), Kind::Query, [this, call, rows](const pb::tracker::Response& answer) {
    for (const auto& row : answer.join_requests().rows()) {
      auto* view = rows->mutable_join_requests()->add_requests();
      view->set_group(row.group());
      view->set_user(row.user());
      view->set_message(row.message());
      view->set_since(format_wall_time({row.since()}));
    }
    if (answer.join_requests().next_cursor().empty()) call->answer(*rows);
    else call_group_requests(call, rows, answer.join_requests().next_cursor());
  });
}

void Node::call_group_decide(const CallPointer& call) {
  const auto& wanted = call->request().group_decide();
  pb::tracker::Request request;
  auto* decide = request.mutable_decide_join_requests();
  decide->set_group(wanted.group());
  *decide->mutable_users() = wanted.users();
  decide->set_accept(wanted.accept());
  ask(call, std::move(request), Kind::Mutating, [call](const pb::tracker::Response&) {
    const auto& done = call->request().group_decide();
    pb::control::Response response;
    response.mutable_decision()->set_group(done.group());
    *response.mutable_decision()->mutable_users() = done.users();
    response.mutable_decision()->set_accepted(done.accept());
    call->answer(response);
  });
}

void Node::call_group_members(const CallPointer& call, std::shared_ptr<pb::control::Response> rows,
                              const std::string& cursor) {
  pb::tracker::Request request;
  request.mutable_list_members()->set_group(call->request().group_members().group());
  request.mutable_list_members()->set_cursor(cursor);
  rows->mutable_members()->set_group(call->request().group_members().group());
  ask(call, std::move(request), Kind::Query, [this, call, rows](const pb::tracker::Response& answer) {
    for (const auto& row : answer.members().rows()) {
      auto* view = rows->mutable_members()->add_members();
      view->set_user(row.user());
      view->set_role(row.role());
      view->set_online(row.online());
    }
    if (answer.members().next_cursor().empty()) call->answer(*rows);
    else call_group_members(call, rows, answer.members().next_cursor());
  });
}

}  // namespace p2p::peer
