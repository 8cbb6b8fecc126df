// SPDX-License-Identifier: MIT
// file share, list, show, unshare, withdraw, and the original system's stop_share.
#include <filesystem>
#include <fmt/format.h>

#include "ctl/commands.h"
#include "ctl/views.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;
using ctlpb::Response;

Status unshare(Session& session, const FileAddress& address) {
  ctlpb::Request request;
  request.mutable_file_unshare()->set_group(address.group);
  request.mutable_file_unshare()->set_name(address.name);
  const auto response = session.ask(std::move(request), {.expected = Response::kFile});
  if (!response) return fail(response.error());
  const auto& file = response->file();
  if (session.output().is_json()) return session.output().json(file);
  session.output().say(fmt::format("this device no longer shares {}/{}; the file stays where it is",
                                   file.group(), file.name()));
  return {};
}

}  // namespace

Status file_share(Session& session, const Arguments& arguments) {
  const auto path = absolute_path(arguments.path);
  if (!path) return fail(path.error());
  if (path->empty()) return fail(Code::InvalidArgument, "the path of the file to share is empty");
  ctlpb::Request request;
  auto& body = *request.mutable_file_share();
  body.set_path(*path);
  body.set_group(arguments.group);
  body.set_name(arguments.name);
  body.set_wait(arguments.wait);

  Session::Question question{.expected = Response::kFile};
  question.wait = arguments.wait ? Wait::Work : Wait::Answer;
  question.label =
      arguments.group + "/" +
      (arguments.name.empty() ? std::filesystem::path(*path).filename().string() : arguments.name);
  question.background = "sharing goes on in the daemon";
  question.background_hint = fmt::format("see 'p2pctl file list {}'", arguments.group);
  const auto response = session.ask(std::move(request), question);
  if (!response) return fail(response.error());
  const auto& file = response->file();
  if (session.output().is_json()) return session.output().json(file);
  session.output().say(file.state() == ctlpb::sharing
                           ? fmt::format("sharing {}/{}", file.group(), file.name())
                           : fmt::format("sharing {}/{} is under way ({})", file.group(), file.name(),
                                         ctlpb::FileState_Name(file.state())));
  return {};
}

Status file_list(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  request.mutable_file_list()->set_group(arguments.group);
  const auto response = session.ask(std::move(request), {.expected = Response::kFiles});
  if (!response) return fail(response.error());
  return show(session.output(), response->files());
}

Status file_show(Session& session, const Arguments& arguments) {
  const auto address = split_file_address(arguments.file);
  if (!address) return fail(address.error());
  ctlpb::Request request;
  request.mutable_file_show()->set_group(address->group);
  request.mutable_file_show()->set_name(address->name);
  const auto response = session.ask(std::move(request), {.expected = Response::kFile});
  if (!response) return fail(response.error());
  return show(session.output(), response->file());
}

Status file_unshare(Session& session, const Arguments& arguments) {
  const auto address = split_file_address(arguments.file);
  if (!address) return fail(address.error());
  return unshare(session, *address);
}

Status file_withdraw(Session& session, const Arguments& arguments) {
  const auto address = split_file_address(arguments.file);
  if (!address) return fail(address.error());
  const auto answer = session.confirm(fmt::format(
      "Withdraw {}? Every member's daemon stops sharing it; files stay where they are.", arguments.file));
  if (!answer) return answer;
  ctlpb::Request request;
  request.mutable_file_withdraw()->set_group(address->group);
  request.mutable_file_withdraw()->set_name(address->name);
  const auto response = session.ask(std::move(request), {.expected = Response::kFile});
  if (!response) return fail(response.error());
  const auto& file = response->file();
  if (session.output().is_json()) return session.output().json(file);
  session.output().say(fmt::format("withdrew {}/{}", file.group(), file.name()));
  return {};
}

Status original_stop_share(Session& session, const Arguments& arguments) {
  return unshare(session, {arguments.group, arguments.name});
}

}  // namespace p2p::ctl
