// SPDX-License-Identifier: MIT
// What an operator changes over the tracker's own control socket. These go the way of every change: decided
// by the registry, made durable, applied, and then answered.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "daemon/base/result.h"
#include "daemon/tracker/model.h"

namespace p2p::tracker {

// Disabling revokes every device of the user; memberships stay. What is so already changes nothing.
struct SetDisabled {
  std::string user;
  bool disabled = false;
};
// Every device of the user is revoked.
struct ResetPassword {
  std::string user;
  Bytes record;
  Bytes salt;
  std::uint32_t log_n = 0;
};
struct AddInvite {
  Invite invite;
};
struct DropExpiredInvites {};

using Operation = std::variant<SetDisabled, ResetPassword, AddInvite, DropExpiredInvites>;

// What it changes; the refusal when that cannot exist.
Result<Scope> scope_of(const Operation& operation);
// What the tracker keeps of an invite's token. A text that is no token gives a hash that no token has.
Sha256 invite_hash(std::string_view token);

}  // namespace p2p::tracker
