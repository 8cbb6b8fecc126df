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
tl::unexpected<Error> password_refused();  // the present one, of somebody who is logged in

}  // namespace p2p::tracker
