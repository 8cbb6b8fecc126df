// SPDX-License-Identifier: MIT
// group create, list, show, join, leave, requests, accept, reject, members.
#include <fmt/format.h>

#include "ctl/commands.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;
using ctlpb::Response;

std::string yes_no(bool value) { return value ? "yes" : "no"; }

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
  if (session.output().is_json()) return session.output().json(response->groups());
  Table table({{"GROUP"}, {"ROLE"}, {"MEMBERS", Align::Right}, {"REQUESTS", Align::Right}, {"DESCRIPTION"}});
  for (const auto& group : response->groups().groups())
    table.add({group.group(), pb::Role_Name(group.role()), count_text(group.members()),
               count_text(group.requests()), group.description()});
  session.output().table(table);
  return {};
}

Status group_show(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  request.mutable_group_show()->set_group(arguments.group);
  const auto response = session.ask(std::move(request), {.expected = Response::kGroup});
  if (!response) return fail(response.error());
  const auto& group = response->group();
  if (session.output().is_json()) return session.output().json(group);
  session.output().pairs({{"group", group.group()},
                          {"role", pb::Role_Name(group.role())},
                          {"members", count_text(group.members())},
                          {"requests", count_text(group.requests())},
                          {"description", group.description()},
                          {"unlisted", yes_no(group.unlisted())},
                          {"owner", group.owner()},
                          {"id", group.id()},
                          {"created", group.created()}});
  return {};
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
  if (session.output().is_json()) return session.output().json(response->join_requests());
  Table table({{"GROUP"}, {"USER"}, {"SINCE"}, {"MESSAGE"}});
  for (const auto& row : response->join_requests().requests())
    table.add({row.group(), row.user(), row.since(), row.message()});
  session.output().table(table);
  return {};
}

Status group_accept(Session& session, const Arguments& arguments) { return decide(session, arguments, true); }

Status group_reject(Session& session, const Arguments& arguments) {
  return decide(session, arguments, false);
}

Status group_members(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  request.mutable_group_members()->set_group(arguments.group);
  const auto response = session.ask(std::move(request), {.expected = Response::kMembers});
  if (!response) return fail(response.error());
  if (session.output().is_json()) return session.output().json(response->members());
  Table table({{"USER"}, {"ROLE"}, {"ONLINE"}});
  for (const auto& member : response->members().members())
    table.add({member.user(), pb::Role_Name(member.role()), yes_no(member.online())});
  session.output().table(table);
  return {};
}

}  // namespace p2p::ctl
