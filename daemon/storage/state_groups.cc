// SPDX-License-Identifier: MIT
// Catalogues and devices of groups, see group_rows.h.
#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/storage/state_db.h"

namespace p2p::storage {
namespace {

Bytes encode_addresses(const std::vector<KnownAddress>& addresses) {
  ByteWriter writer;
  for (const auto& address : addresses) {
    writer.u8(static_cast<std::uint8_t>(address.host.size()));
    writer.bytes(address.host);
    writer.u16(address.port);
  }
  return writer.take();
}

std::vector<KnownAddress> decode_addresses(ByteSpan bytes) {
  std::vector<KnownAddress> addresses;
  ByteReader reader(bytes);
  while (reader.ok() && !reader.at_end()) {
    KnownAddress address;
    address.host = to_bytes(reader.bytes(reader.u8()));
    address.port = reader.u16();
    if (reader.ok()) addresses.push_back(std::move(address));
  }
  return addresses;
}

}  // namespace

Result<Sha256> StateDb::catalogue_digest(std::int64_t account, const GroupId& group) {
  auto query =
      database_.prepare("SELECT entry FROM catalogue WHERE account = ? AND group_id = ? ORDER BY name");
  if (!query) return fail(query.error());
  query->bind(account).bind(group.view());
  Sha256Stream digest;
  while (true) {
    auto row = query->step();
    if (!row) return fail(row.error());
    if (!*row) return digest.finish();
    digest.update(query->blob(0));
  }
}

Status StateDb::put_catalogue_row(std::int64_t account, const GroupId& group, const CatalogueRow& row) {
  auto put = database_.prepare(
      "INSERT OR REPLACE INTO catalogue (account, group_id, name, info_hash, entry) SELECT ?1, ?2, ?3, ?4, "
      "?5 "
      "WHERE (SELECT count(*) FROM catalogue WHERE account = ?1 AND group_id = ?2) < ?6 "
      "OR EXISTS (SELECT 1 FROM catalogue WHERE account = ?1 AND group_id = ?2 AND name = ?3)");
  if (!put) return fail(put.error());
  put->bind(account).bind(group.view()).bind(as_bytes(row.name)).bind(row.info_hash.view());
  return put->bind(ByteSpan(row.entry)).bind(static_cast<std::int64_t>(limits::kKnownFiles)).run();
}

Status StateDb::replace_catalogue(std::int64_t account, const GroupId& group,
                                  const std::vector<CatalogueRow>& rows) {
  return database_.transaction([&]() -> Status {
    if (auto status =
            forget_in_group("DELETE FROM catalogue WHERE account = ? AND group_id = ?", account, group);
        !status)
      return status;
    auto put = database_.prepare(
        "INSERT INTO catalogue (account, group_id, name, info_hash, entry) VALUES (?, ?, ?, ?, ?)");
    if (!put) return fail(put.error());
    for (const auto& row : rows) {
      put->bind(account).bind(group.view()).bind(as_bytes(row.name)).bind(row.info_hash.view());
      if (auto status = put->bind(ByteSpan(row.entry)).run(); !status) return status;
    }
    return {};
  });
}

Status StateDb::remove_catalogue_row(std::int64_t account, const ShareKey& share) {
  auto remove =
      database_.prepare("DELETE FROM catalogue WHERE account = ? AND group_id = ? AND info_hash = ?");
  if (!remove) return fail(remove.error());
  return remove->bind(account).bind(share.group.view()).bind(share.info_hash.view()).run();
}

Result<std::optional<Bytes>> StateDb::catalogue_entry(std::int64_t account, const GroupId& group,
                                                      const std::string& name) {
  auto query =
      database_.prepare("SELECT entry FROM catalogue WHERE account = ? AND group_id = ? AND name = ?");
  if (!query) return fail(query.error());
  query->bind(account).bind(group.view()).bind(as_bytes(name));
  auto row = query->step();
  if (!row) return fail(row.error());
  if (!*row) return std::optional<Bytes>();
  return std::optional(to_bytes(query->blob(0)));
}

Status StateDb::put_devices(std::int64_t account, const GroupId& group,
                            const std::vector<KnownDevice>& devices, std::int64_t now) {
  return database_.transaction([&]() -> Status {
    for (const auto& known : devices) {
      auto put = database_.prepare(
          "INSERT OR REPLACE INTO device (account, group_id, device, user_id, user, addresses, seen) "
          "VALUES (?, ?, ?, ?, ?, ?, ?)");
      if (!put) return fail(put.error());
      put->bind(account).bind(group.view()).bind(known.device.view()).bind(known.user_id.view());
      put->bind(known.user);
      if (auto status = put->bind(ByteSpan(encode_addresses(known.addresses))).bind(now).run(); !status)
        return status;
    }
    auto trim = database_.prepare(
        "DELETE FROM device WHERE account = ?1 AND group_id = ?2 AND device NOT IN (SELECT device FROM "
        "device "
        "WHERE account = ?1 AND group_id = ?2 ORDER BY seen DESC, device LIMIT ?3)");
    if (!trim) return fail(trim.error());
    trim->bind(account).bind(group.view());
    return trim->bind(static_cast<std::int64_t>(limits::kDevicesPerGroup)).run();
  });
}

Result<std::vector<KnownDevice>> StateDb::devices(std::int64_t account, const GroupId& group) {
  auto query = database_.prepare(
      "SELECT device, user_id, user, addresses FROM device WHERE account = ? AND group_id = ? ORDER BY seen "
      "DESC, "
      "device");
  if (!query) return fail(query.error());
  query->bind(account).bind(group.view());
  std::vector<KnownDevice> devices;
  while (true) {
    auto row = query->step();
    if (!row) return fail(row.error());
    if (!*row) return devices;
    devices.push_back({DeviceId::from(query->blob(0)).value_or(DeviceId{}),
                       UserId::from(query->blob(1)).value_or(UserId{}), query->text(2),
                       decode_addresses(query->blob(3))});
  }
}

Status StateDb::forget_devices(std::int64_t account, const GroupId& group, const std::set<UserId>& members) {
  return database_.transaction([&]() -> Status {
    auto known = devices(account, group);
    if (!known) return fail(known.error());
    auto remove = database_.prepare("DELETE FROM device WHERE account = ? AND group_id = ? AND device = ?");
    if (!remove) return fail(remove.error());
    for (const auto& one : *known) {
      if (members.contains(one.user_id)) continue;
      remove->bind(account).bind(group.view()).bind(one.device.view());
      if (auto status = remove->run(); !status) return status;
    }
    return {};
  });
}

Status StateDb::forget_device(std::int64_t account, const DeviceId& device) {
  auto remove = database_.prepare("DELETE FROM device WHERE account = ? AND device = ?");
  if (!remove) return fail(remove.error());
  return remove->bind(account).bind(device.view()).run();
}

Status StateDb::forget_in_group(std::string_view sql, std::int64_t account, const GroupId& group) {
  auto remove = database_.prepare(sql);
  if (!remove) return fail(remove.error());
  return remove->bind(account).bind(group.view()).run();
}

Status StateDb::remove_membership(std::int64_t account, const GroupId& group) {
  return database_.transaction([&]() -> Status {
    for (const auto* sql : {"DELETE FROM membership WHERE account = ? AND group_id = ?",
                            "DELETE FROM catalogue WHERE account = ? AND group_id = ?",
                            "DELETE FROM device WHERE account = ? AND group_id = ?"})
      if (auto status = forget_in_group(sql, account, group); !status) return status;
    return {};
  });
}

}  // namespace p2p::storage
