// SPDX-License-Identifier: MIT
#include "daemon/tracker/passwords.h"

namespace p2p::tracker {

Bytes Passwords::salt_for(std::string_view name) const {
  const auto full = trust::hmac_sha256(salt_secret_, as_bytes("salt" + std::string(name)));
  return to_bytes(full.view().first(kSaltBytes));
}

Bytes Passwords::record(const UserId& user, ByteSpan proof) const {
  ByteWriter message;
  message.bytes(user.view());
  message.bytes(proof);
  ByteWriter record;
  record.u8(kVersion);
  record.bytes(trust::hmac_sha256(pepper_, message.view()).view());
  return record.take();
}

bool Passwords::fits(const Account* account, ByteSpan proof) const {
  static const Account nobody{};
  const bool known = account != nullptr && !account->disabled;
  const auto& compared = known ? *account : nobody;
  const auto expected = record(compared.id, proof);
  // Nobody's record is empty; compare something of full length all the same.
  const auto& stored = known ? compared.record : salt_secret_;
  const bool equal = stored.size() == expected.size()
                         ? trust::equal_in_constant_time(stored, expected)
                         : trust::equal_in_constant_time(expected, expected) && false;
  return equal && known;
}

}  // namespace p2p::tracker
