// SPDX-License-Identifier: MIT
// tracker address, status, user list|disable|enable|reset-password, group list, backup, invite: an
// operator's requests to a tracker's control socket.
#include <chrono>
#include <fmt/format.h>

#include "ctl/commands.h"
#include "ctl/password.h"
#include "ctl/views.h"
#include "daemon/base/names.h"
#include "daemon/base/units.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;
using ctlpb::Response;

Result<Response> ask_tracker(Session& session, ctlpb::Request request, Response::BodyCase expected) {
  return session.ask(std::move(request), {.expected = expected, .trust = Trust::SocketOwner});
}

Status set_user(Session& session, const Arguments& arguments, bool is_disabled) {
  ctlpb::Request request;
  request.mutable_operator_user_set()->set_user(arguments.user);
  request.mutable_operator_user_set()->set_disabled(is_disabled);
  const auto response = ask_tracker(session, std::move(request), Response::kOperatorUser);
  if (!response) return fail(response.error());
  const auto& user = response->operator_user();
  if (session.output().is_json()) return session.output().json(user);
  session.output().say(
      user.disabled() ? fmt::format("{} is disabled: no session, no grant; memberships stay", user.user())
                      : fmt::format("{} is enabled", user.user()));
  return {};
}

// Where the new password comes from; without any other way one is made up.
struct NewPassword {
  Secret secret;
  bool is_generated = false;
};

Result<NewPassword> new_password(Session& session, const Arguments& arguments) {
  PasswordSource source;
  source.from_stdin = arguments.password_stdin;
  source.is_new = true;
  source.can_ask = session.output().terminal().can_ask && !session.globals().no_input;
  auto file = absolute_path(arguments.password_file);
  if (!file) return fail(std::move(file.error()));
  source.file = std::move(*file);
  const bool is_given = source.from_stdin || !source.file.empty();
  const bool is_generated = arguments.generate || (!is_given && !source.can_ask);
  auto password = is_generated ? generate_password() : read_password(source, arguments.user);
  if (!password && password.error().code == Code::Cancelled) session.set_interrupted();
  if (!password) return fail(std::move(password.error()));
  return NewPassword{std::move(*password), is_generated};
}

// The row that was changed, with the password if this program made it up: nobody else knows it.
Status print_reset(const Output& output, const ctlpb::OperatorUser& user, const NewPassword& password) {
  const auto word = std::string(as_text(password.secret.view()));
  if (output.is_json()) {
    auto row = message_json(user);
    if (!row) return fail(std::move(row.error()));
    if (password.is_generated) row->insert(row->size() - 1, ",\"password\":" + json_string(word));
    output.write(*row + "\n");
    return {};
  }
  if (password.is_generated) output.line(word);
  output.say(fmt::format("{} has a new password; every device has to log in again", user.user()));
  return {};
}

}  // namespace

Status tracker_address(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_tracker_address();
  const auto response = ask_tracker(session, std::move(request), Response::kAddress);
  if (!response) return fail(response.error());
  if (session.output().is_json()) return session.output().json(response->address());
  session.output().line(response->address().address());
  return {};
}

Status tracker_status(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_tracker_status();
  const auto response = ask_tracker(session, std::move(request), Response::kOperatorStatus);
  if (!response) return fail(response.error());
  return show(session.output(), response->operator_status());
}

Status tracker_user_list(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_operator_user_list();
  const auto response = ask_tracker(session, std::move(request), Response::kOperatorUsers);
  if (!response) return fail(response.error());
  return show(session.output(), response->operator_users());
}

Status tracker_user_disable(Session& session, const Arguments& arguments) {
  return set_user(session, arguments, true);
}

Status tracker_user_enable(Session& session, const Arguments& arguments) {
  return set_user(session, arguments, false);
}

Status tracker_user_reset_password(Session& session, const Arguments& arguments) {
  const auto user = user_name(arguments.user);
  if (!user) return fail(user.error());
  ctlpb::Request question;
  question.mutable_operator_password_parameters()->set_user(*user);
  const auto asked = ask_tracker(session, std::move(question), Response::kChallenge);
  if (!asked) return fail(asked.error());
  const auto& challenge = asked->challenge();
  const ScryptParameters parameters{challenge.version(), challenge.log_n(), challenge.r(), challenge.p(),
                                    challenge.salt()};
  if (auto checked = check_parameters(parameters); !checked) return checked;
  const auto password = new_password(session, arguments);
  if (!password) return fail(password.error());
  const auto proof = derive_proof(password->secret, parameters);
  if (!proof) return fail(proof.error());

  ctlpb::Request request;
  auto& body = *request.mutable_operator_password_reset();
  body.set_user(*user);
  body.set_salt(challenge.salt());
  body.set_proof(proof->view().data(), proof->size());
  const auto response = ask_tracker(session, std::move(request), Response::kOperatorUser);
  if (!response) return fail(response.error());
  return print_reset(session.output(), response->operator_user(), *password);
}

Status tracker_group_list(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_operator_group_list();
  const auto response = ask_tracker(session, std::move(request), Response::kOperatorGroups);
  if (!response) return fail(response.error());
  return show(session.output(), response->operator_groups());
}

Status tracker_backup(Session& session, const Arguments& arguments) {
  const auto path = absolute_path(arguments.path);
  if (!path) return fail(path.error());
  if (path->empty()) return fail(Code::InvalidArgument, "the path of the backup is empty");
  ctlpb::Request request;
  request.mutable_operator_backup()->set_path(*path);
  const auto response = ask_tracker(session, std::move(request), Response::kBackup);
  if (!response) return fail(response.error());
  const auto& backup = response->backup();
  if (session.output().is_json()) return session.output().json(backup);
  session.output().line(backup.path());
  session.output().say(fmt::format("{}, the tracker's keys included: keep it where only you can read it",
                                   format_size(backup.bytes())));
  return {};
}

Status tracker_invite(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  auto& body = *request.mutable_operator_invite();
  body.set_uses(arguments.uses);
  if (!arguments.expires.empty()) {
    const auto duration = parse_duration(arguments.expires);
    if (!duration) return fail(duration.error().in("--expires"));
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*duration).count();
    // 0 would stand for the default.
    if (seconds <= 0) return fail(Code::InvalidArgument, "--expires: an invitation has to last a while");
    body.set_expires_seconds(static_cast<std::uint64_t>(seconds));
  }
  const auto response = ask_tracker(session, std::move(request), Response::kInvite);
  if (!response) return fail(response.error());
  const auto& invite = response->invite();
  if (session.output().is_json()) return session.output().json(invite);
  session.output().line(invite.token());
  session.output().say(
      fmt::format("for {} {} until {}: p2pctl account create NAME --tracker ADDRESS --invite TOKEN",
                  count_text(invite.uses()), invite.uses() == 1 ? "account" : "accounts", invite.expires()));
  return {};
}

}  // namespace p2p::ctl
