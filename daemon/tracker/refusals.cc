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

}  // namespace p2p::tracker
