// SPDX-License-Identifier: MIT
// group create, list, show, join, leave, requests, accept, reject, invite, members, promote, demote,
// remove, transfer.
#include <fmt/format.h>

#include "ctl/commands.h"
#include "ctl/views.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;
using ctlpb::Response;

std::string joined(const google::protobuf::RepeatedPtrField<std::string>& words) {
  return fmt::format("{}", fmt::join(words.begin(), words.end(), ", "));
}

// The answer to a request that changes one group: its row, or a sentence for people.
Status change(Session& session, ctlpb::Request request, Session::Question question,
              std::string (*sentence)(const ctlpb::Group&)) {
  question.expected = Response::kGroup;
  const auto response = session.ask(std::move(request), question);
  if (!response) return fail(response.error());
  if (session.output().is_json()) return session.output().json(response->group());
  session.output().say(sentence(response->group()));
  return {};
}

Status decide(Session& session, const Arguments& arguments, bool is_accepted) {
  ctlpb::Request request;
  auto& body = *request.mutable_group_decide();
  body.set_group(arguments.group);
  for (const auto& user : arguments.users) body.add_users(user);
  body.set_accept(is_accepted);
  const auto response = session.ask(std::move(request), {.expected = Response::kDecision});
  if (!response) return fail(response.error());
  const auto& decision = response->decision();
  if (session.output().is_json()) return session.output().json(decision);
  session.output().say(decision.accepted()
                           ? fmt::format("accepted into {}: {}", decision.group(), joined(decision.users()))
                           : fmt::format("rejected for {}: {}", decision.group(), joined(decision.users())));
  return {};
}

Status set_role(Session& session, const Arguments& arguments, bool is_admin) {
  ctlpb::Request request;
  auto& body = *request.mutable_group_set_role();
  body.set_group(arguments.group);
  body.set_user(arguments.user);
  body.set_admin(is_admin);
  const auto response = session.ask(std::move(request), {.expected = Response::kMember});
  if (!response) return fail(response.error());
  const auto& member = response->member();
  if (session.output().is_json()) return session.output().json(member);
  session.output().say(
      fmt::format("{} is now {} of {}", member.user(), pb::Role_Name(member.role()), arguments.group));
  return {};
}

// Whether those who are online have let go of the removed member.
std::string sentence_of(const ctlpb::Removal& removal) {
  const auto removed = fmt::format("removed {} from {}", removal.user(), removal.group());
  if (removal.online() <= 0) return removed + "; no other member is online";
  return fmt::format("{}; {} of {} online daemons of members have closed the links", removed,
                     count_text(removal.applied()), count_text(removal.online()));
}

}  // namespace

Status group_create(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  auto& body = *request.mutable_group_create();
  body.set_group(arguments.group);
  body.set_description(arguments.description);
  body.set_unlisted(arguments.unlisted);
  return change(session, std::move(request), {.expected = Response::kGroup}, [](const ctlpb::Group& group) {
    return fmt::format("group {} created; you own it", group.group());
  });
}

Status group_list(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  request.mutable_group_list()->set_mine(arguments.mine);
  const auto response = session.ask(std::move(request), {.expected = Response::kGroups});
  if (!response) return fail(response.error());
  return show(session.output(), response->groups());
}

Status group_show(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  request.mutable_group_show()->set_group(arguments.group);
  const auto response = session.ask(std::move(request), {.expected = Response::kGroup});
  if (!response) return fail(response.error());
  return show(session.output(), response->group());
}

Status group_join(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  auto& body = *request.mutable_group_join();
  body.set_group(arguments.group);
  body.set_message(arguments.message);
  body.set_wait(arguments.wait);
  Session::Question question{.expected = Response::kGroup};
  question.wait = arguments.wait ? Wait::Work : Wait::Answer;
  question.goes_on_unseen = true;
  question.background = "the request to join stays";
  question.background_hint = fmt::format("see 'p2pctl group show {}'", arguments.group);
  return change(session, std::move(request), question, [](const ctlpb::Group& group) {
    return group.role() == pb::pending
               ? fmt::format("asked to join {}; an admin decides", group.group())
               : fmt::format("you are a member of {} ({})", group.group(), pb::Role_Name(group.role()));
  });
}

Status group_leave(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  request.mutable_group_leave()->set_group(arguments.group);
  return change(session, std::move(request), {.expected = Response::kGroup},
                [](const ctlpb::Group& group) { return fmt::format("left {}", group.group()); });
}

Status group_requests(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  request.mutable_group_requests()->set_group(arguments.group);
  const auto response = session.ask(std::move(request), {.expected = Response::kJoinRequests});
  if (!response) return fail(response.error());
  return show(session.output(), response->join_requests());
}

Status group_accept(Session& session, const Arguments& arguments) { return decide(session, arguments, true); }

Status group_reject(Session& session, const Arguments& arguments) {
  return decide(session, arguments, false);
}

Status group_invite(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  auto& body = *request.mutable_group_invite();
  body.set_group(arguments.group);
  for (const auto& user : arguments.users) body.add_users(user);
  const auto response = session.ask(std::move(request), {.expected = Response::kInvitations});
  if (!response) return fail(response.error());
  const auto& done = response->invitations();
  if (session.output().is_json()) return session.output().json(done);
  if (!done.invited().empty())
    session.output().say(fmt::format("invited to {}: {}", done.group(), joined(done.invited())));
  if (!done.accepted().empty())
    session.output().say(
        fmt::format("accepted into {}, having asked: {}", done.group(), joined(done.accepted())));
  return {};
}

Status group_members(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  request.mutable_group_members()->set_group(arguments.group);
  const auto response = session.ask(std::move(request), {.expected = Response::kMembers});
  if (!response) return fail(response.error());
  return show(session.output(), response->members());
}

Status group_promote(Session& session, const Arguments& arguments) {
  return set_role(session, arguments, true);
}

Status group_demote(Session& session, const Arguments& arguments) {
  return set_role(session, arguments, false);
}

Status group_remove(Session& session, const Arguments& arguments) {
  const auto answer = session.confirm(fmt::format("Remove {} from {}?", arguments.user, arguments.group));
  if (!answer) return answer;
  ctlpb::Request request;
  request.mutable_group_remove()->set_group(arguments.group);
  request.mutable_group_remove()->set_user(arguments.user);
  const auto response = session.ask(std::move(request), {.expected = Response::kRemoval});
  if (!response) return fail(response.error());
  const auto& removal = response->removal();
  if (session.output().is_json()) return session.output().json(removal);
  session.output().say(sentence_of(removal));
  if (removal.applied() < removal.online())
    session.output().say(
        "the others refuse new links by themselves once they hear of it, at the latest when "
        "the grants of the removed member end");
  return {};
}

Status group_transfer(Session& session, const Arguments& arguments) {
  const auto answer = session.confirm(
      fmt::format("Make {} the owner of {}? You stay an admin.", arguments.user, arguments.group));
  if (!answer) return answer;
  ctlpb::Request request;
  request.mutable_group_transfer()->set_group(arguments.group);
  request.mutable_group_transfer()->set_user(arguments.user);
  return change(session, std::move(request), {.expected = Response::kGroup}, [](const ctlpb::Group& group) {
    return fmt::format("{} is now owned by {}", group.group(), group.owner());
  });
}

}  // namespace p2p::ctl
