// SPDX-License-Identifier: MIT
// account create, login, logout, whoami.
#include <fmt/format.h>

#include "ctl/commands.h"
#include "ctl/password.h"
#include "daemon/base/names.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;
using ctlpb::Response;

constexpr std::size_t kFingerprintShown = 8;  // characters to type back

enum class Purpose : std::uint8_t { Create, Login };

Status print_account(const Session& session, const ctlpb::Account& account) {
  const auto& output = session.output();
  if (output.is_json()) return output.json(account);
  output.pairs({{"user", account.user()},
                {"device", account.device()},
                {"tracker", account.tracker()},
                {"connected", account.connected() ? "yes" : "no"}});
  return {};
}

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
  const ScryptParameters parameters{challenge->version(), challenge->log_n(), challenge->r(), challenge->p(),
                                    challenge->salt()};
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
  return print_account(session, response->account());
}

}  // namespace p2p::ctl
