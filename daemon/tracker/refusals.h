// SPDX-License-Identifier: MIT
// Refusals that several rules share, so that equal cases get equal words.
#pragma once

#include <string_view>

#include "daemon/base/result.h"

namespace p2p::tracker {

tl::unexpected<Error> no_such_group(std::string_view name);  // also: an unlisted one of others
tl::unexpected<Error> no_such_file(std::string_view group);
tl::unexpected<Error> not_member(std::string_view group);
tl::unexpected<Error> not_admin(std::string_view group);
tl::unexpected<Error> not_owner(std::string_view group);
tl::unexpected<Error> login_required();
tl::unexpected<Error> login_refused();
tl::unexpected<Error> password_refused();                   // the present one, of somebody who is logged in
tl::unexpected<Error> no_such_user(std::string_view user);  // the operator's question only
tl::unexpected<Error> registration_closed();
tl::unexpected<Error> invite_refused();  // none, unknown, used up, run out: all the same

// Why the operator ended a session.
Error account_disabled();
Error password_was_reset(std::string_view user);

}  // namespace p2p::tracker
