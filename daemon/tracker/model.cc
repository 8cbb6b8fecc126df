// SPDX-License-Identifier: MIT
#include "daemon/tracker/model.h"

#include <algorithm>

namespace p2p::tracker {

Role Group::role_of(const UserId& user) const {
  if (const auto found = members.find(user); found != members.end()) return found->second.role;
  return requests.contains(user) ? Role::Pending : Role::None;
}

bool Group::is_visible_to(const UserId& user) const {
  return !head.unlisted || role_of(user) != Role::None || invitations.contains(user);
}

const Share* Group::share(const InfoHash& info_hash) const {
  const auto found = share_names.find(info_hash);
  if (found == share_names.end()) return nullptr;
  return &shares.find(found->second)->second;
}

bool ChangeSet::alters_roster() const {
  return std::any_of(changes.begin(), changes.end(), [](const Change& change) {
    return std::holds_alternative<PutMember>(change) || std::holds_alternative<DropMember>(change);
  });
}

}  // namespace p2p::tracker
