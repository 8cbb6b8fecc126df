// SPDX-License-Identifier: MIT
#include "daemon/tracker/refusals.h"

#include <fmt/format.h>

namespace p2p::tracker {

tl::unexpected<Error> no_such_group(std::string_view name) {
  return fail(Code::NotFound,
              name.empty() ? "there is no such group" : fmt::format("there is no group '{}'", name),
              "p2pctl group list shows the groups there are");
}

tl::unexpected<Error> no_such_file(std::string_view group) {
  return fail(Code::NotFound, fmt::format("'{}' shares no such file", group),
              fmt::format("p2pctl file list {} shows what it shares", group));
}

tl::unexpected<Error> not_member(std::string_view group) {
  return fail(Code::NotMember, fmt::format("you are not a member of '{}'", group),
              fmt::format("ask to join: p2pctl group join {}", group));
}

tl::unexpected<Error> not_admin(std::string_view group) {
  return fail(Code::NotAdmin, fmt::format("only an admin of '{}' may do this", group));
}

tl::unexpected<Error> not_owner(std::string_view group) {
  return fail(Code::NotAllowed, fmt::format("only the owner of '{}' may do this", group),
              fmt::format("p2pctl group show {} says who that is", group));
}

tl::unexpected<Error> login_required() {
  return fail(Code::LoginRequired, "nobody is logged in on this device", "log in first: p2pctl login NAME");
}

tl::unexpected<Error> login_refused() { return fail(Code::LoginRefused, "wrong user name or password"); }

tl::unexpected<Error> password_refused() {
  return fail(Code::LoginRefused, "the present password is wrong", "nothing was changed: try again");
}

tl::unexpected<Error> no_such_user(std::string_view user) {
  return fail(Code::NotFound, fmt::format("there is no user '{}'", user),
              "p2pctl tracker user list shows the users there are");
}

tl::unexpected<Error> registration_closed() {
  return fail(Code::NotAllowed, "this tracker makes no new accounts", "ask its operator for one");
}

tl::unexpected<Error> invite_refused() {
  return fail(Code::NotAllowed,
              "this tracker makes accounts for invited users only, and the invite is not valid",
              "ask the tracker's operator for an invite, and give it with --invite TOKEN");
}

Error account_disabled() {
  return {Code::LoginRefused, "the tracker's operator has disabled this account",
          "ask the operator why: files stay where they are"};
}

Error password_was_reset(std::string_view user) {
  return {Code::LoginRequired, "the tracker's operator has set a new password",
          fmt::format("log in with it: p2pctl login {}", user)};
}

}  // namespace p2p::tracker
