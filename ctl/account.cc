// SPDX-License-Identifier: MIT
// account create, login, logout, whoami, passwd, sessions; and the original system's create_user.
#include <fmt/format.h>

#include "ctl/commands.h"
#include "ctl/password.h"
#include "ctl/views.h"
#include "daemon/base/names.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;
using ctlpb::Response;

constexpr std::size_t kFingerprintShown = 8;  // characters to type back
constexpr auto kTwoLines = "standard input has two lines: the present password, then the new one";

enum class Purpose : std::uint8_t { Create, Login };

Result<ctlpb::PasswordChallenge> ask_challenge(Session& session, const std::string& user,
                                               const std::string& tracker) {
  ctlpb::Request request;
  request.mutable_account_parameters()->set_user(user);
  request.mutable_account_parameters()->set_tracker(tracker);
  auto response = session.ask(std::move(request), {.expected = Response::kChallenge});
  if (!response) return fail(std::move(response.error()));
  return std::move(*response->mutable_challenge());
}

// Whether the person in front of the terminal knows this tracker. Eight characters have to be typed: a
// "yes" would be given without looking.
Status confirm_tracker(const Session& session, const ctlpb::PasswordChallenge& challenge) {
  const auto refusal =
      fail(Code::TrackerUnpinned,
           fmt::format("the tracker at {} is not known yet, and an address without fingerprint "
                       "does not prove which one answers",
                       challenge.tracker().substr(0, challenge.tracker().find('#'))),
           fmt::format("if this is the tracker you mean: --tracker '{}'", challenge.tracker()));
  if (!session.may_ask() || challenge.fingerprint().size() < kFingerprintShown) return refusal;
  auto answer = ask_on_terminal(fmt::format(
      "This tracker is not known yet:\n  {}\nIts fingerprint is\n  {}\nCompare it with what its operator "
      "gives ('p2pctl tracker address').\nType its first {} characters to go on: ",
      safe_text(challenge.tracker()), safe_text(challenge.fingerprint()), kFingerprintShown));
  if (!answer) return fail(std::move(answer.error()));
  if (*answer != challenge.fingerprint().substr(0, kFingerprintShown)) return refusal;
  return {};
}

Result<ctlpb::PasswordChallenge> challenge_of_pinned_tracker(Session& session, const std::string& user,
                                                             const std::string& tracker) {
  auto challenge = ask_challenge(session, user, tracker);
  if (!challenge || challenge->pinned()) return challenge;
  if (auto confirmed = confirm_tracker(session, *challenge); !confirmed) return fail(confirmed.error());
  challenge = ask_challenge(session, user, challenge->tracker());
  if (challenge && !challenge->pinned())
    return fail(Code::Internal, "the daemon does not accept the tracker's address as confirmed");
  return challenge;
}

Result<PasswordSource> password_source(const Session& session, const Arguments& arguments, Purpose purpose) {
  PasswordSource source;
  source.from_stdin = arguments.password_stdin;
  auto file = absolute_path(arguments.password_file);
  if (!file) return fail(std::move(file.error()));
  source.file = std::move(*file);
  source.is_new = purpose == Purpose::Create;
  // --yes does not stand against it: a password is not a question that yes answers.
  source.can_ask = session.output().terminal().can_ask && !session.globals().no_input;
  return source;
}

Result<Secret> ask_password(Session& session, const PasswordSource& source, const std::string& user) {
  auto password = read_password(source, user);
  if (!password && password.error().code == Code::Cancelled) session.set_interrupted();
  return password;
}

ScryptParameters parameters_of(const ctlpb::PasswordChallenge& challenge) {
  return {challenge.version(), challenge.log_n(), challenge.r(), challenge.p(), challenge.salt()};
}

struct Passwords {
  Secret present;
  Secret next;
};

// From standard input the next two lines.
Result<Passwords> ask_both_passwords(Session& session, PasswordSource source, const std::string& user) {
  auto present = ask_password(session, source, user);
  if (!present) return fail(std::move(present.error()));
  source.is_new = true;
  auto next = ask_password(session, source, user);
  if (!next) {
    auto error = next.error().code == Code::Cancelled ? next.error() : next.error().in("the new password");
    if (source.from_stdin && next.error().hint.empty()) error.hint = kTwoLines;
    return fail(std::move(error));
  }
  if (as_text(present->view()) == as_text(next->view()))
    return fail(Code::InvalidArgument, "the new password is the present one", "choose another one");
  return Passwords{std::move(*present), std::move(*next)};
}

Status enter(Session& session, const Arguments& arguments, Purpose purpose) {
  const auto user = user_name(arguments.user);
  if (!user) return fail(user.error());
  const auto source = password_source(session, arguments, purpose);
  if (!source) return fail(source.error());
  // What cannot be asked for is read first, so that a missing or unsafe file is told before anybody is
  // called; a question comes only after the tracker has answered.
  Result<Secret> password = Secret();
  const bool is_asked = source->can_ask && !source->from_stdin && source->file.empty();
  if (!is_asked) password = ask_password(session, *source, *user);
  if (!password) return fail(password.error());
  const auto challenge = challenge_of_pinned_tracker(session, *user, arguments.tracker);
  if (!challenge) return fail(challenge.error());
  const auto parameters = parameters_of(*challenge);
  if (auto checked = check_parameters(parameters); !checked) return checked;
  if (is_asked) password = ask_password(session, *source, *user);
  if (!password) return fail(password.error());
  const auto proof = derive_proof(*password, parameters);
  password = Secret();
  if (!proof) return fail(proof.error());

  ctlpb::Request request;
  auto& body = *request.mutable_account_enter();
  body.set_user(*user);
  body.set_tracker(challenge->tracker());
  body.set_proof(proof->view().data(), proof->size());
  body.set_create(purpose == Purpose::Create);
  body.set_invite(arguments.invite);
  const auto response = session.ask(std::move(request), {.expected = Response::kAccount});
  if (!response) return fail(response.error());
  const auto& account = response->account();
  if (session.output().is_json()) return session.output().json(account);
  session.output().say(fmt::format("{} {} at {}",
                                   purpose == Purpose::Create ? "created and logged in as" : "logged in as",
                                   account.user(), account.tracker()));
  return {};
}

}  // namespace

Status account_create(Session& session, const Arguments& arguments) {
  return enter(session, arguments, Purpose::Create);
}

Status account_login(Session& session, const Arguments& arguments) {
  return enter(session, arguments, Purpose::Login);
}

Status account_logout(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_account_logout();
  const auto response = session.ask(std::move(request), {.expected = Response::kAccount});
  if (!response) return fail(response.error());
  if (session.output().is_json()) return session.output().json(response->account());
  session.output().say("logged out; this device shares nothing until the next login");
  return {};
}

Status account_whoami(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_account_whoami();
  const auto response = session.ask(std::move(request), {.expected = Response::kAccount});
  if (!response) return fail(response.error());
  return show(session.output(), response->account());
}

Status account_passwd(Session& session, const Arguments& arguments) {
  const auto source = password_source(session, arguments, Purpose::Login);
  if (!source) return fail(source.error());
  if (!source->from_stdin && !source->can_ask)
    return fail(Code::InvalidArgument, "passwords are needed and there is nobody to ask",
                "pass the present and the new one with --password-stdin, a line each");
  ctlpb::Request who;
  who.mutable_account_whoami();
  const auto account = session.ask(std::move(who), {.expected = Response::kAccount});
  if (!account) return fail(account.error());
  const auto& user = account->account().user();
  // Standard input is read before anybody is called, a person is asked once the tracker has answered.
  Result<Passwords> passwords = Passwords();
  if (source->from_stdin) passwords = ask_both_passwords(session, *source, user);
  if (!passwords) return fail(passwords.error());
  ctlpb::Request question;
  question.mutable_account_password_parameters();
  const auto asked = session.ask(std::move(question), {.expected = Response::kChallenge});
  if (!asked) return fail(asked.error());
  auto parameters = parameters_of(asked->challenge());
  if (auto checked = check_parameters(parameters); !checked) return checked;
  if (!source->from_stdin) passwords = ask_both_passwords(session, *source, user);
  if (!passwords) return fail(passwords.error());

  const auto proof = derive_proof(passwords->present, parameters);
  if (!proof) return fail(proof.error());
  auto salt = new_salt();
  if (!salt) return fail(salt.error());
  parameters.salt = std::move(*salt);
  const auto new_proof = derive_proof(passwords->next, parameters);
  if (!new_proof) return fail(new_proof.error());
  ctlpb::Request request;
  auto& body = *request.mutable_account_password();
  body.set_proof(proof->view().data(), proof->size());
  body.set_new_salt(parameters.salt);
  body.set_new_proof(new_proof->view().data(), new_proof->size());
  const auto response = session.ask(std::move(request), {.expected = Response::kAccount});
  if (!response) return fail(response.error());
  if (session.output().is_json()) return session.output().json(response->account());
  session.output().say(fmt::format("{} has a new password; devices that are logged in stay so", user));
  return {};
}

Status account_sessions_list(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_account_sessions();
  const auto response = session.ask(std::move(request), {.expected = Response::kSessions});
  if (!response) return fail(response.error());
  return show(session.output(), response->sessions());
}

Status account_sessions_revoke(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  request.mutable_account_revoke()->set_id(arguments.id);
  const auto response = session.ask(std::move(request), {.expected = Response::kSession});
  if (!response) return fail(response.error());
  const auto& row = response->session();
  if (session.output().is_json()) return session.output().json(row);
  session.output().say(fmt::format("device {} is logged out; what it shared it shares no longer", row.id()));
  return {};
}

Status original_create_user(Session& session, const Arguments& arguments) {
  auto status = enter(session, arguments, Purpose::Create);
  if (!status && arguments.tracker.empty() && status.error().code == Code::InvalidArgument &&
      status.error().hint.find("--tracker") != std::string::npos)
    status.error().hint = "name it: create_user NAME --tracker ADDRESS, or P2P_TRACKER=ADDRESS";
  return status;
}

}  // namespace p2p::ctl
