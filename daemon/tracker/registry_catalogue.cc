// SPDX-License-Identifier: MIT
// Which files a group shares.
#include <fmt/format.h>

#include "daemon/base/limits.h"
#include "daemon/base/names.h"
#include "daemon/tracker/presence.h"
#include "daemon/tracker/refusals.h"
#include "daemon/tracker/registry.h"

namespace p2p::tracker {

msg::FileRow Registry::file_row(const Group& group, const Share& share, const Presence* presence) const {
  msg::FileRow row;
  row.set_group_id(group.head.id.raw());
  row.set_group(group.head.name);
  row.set_name(share.name);
  row.set_size(share.size);
  row.set_sha1(share.sha1.raw());
  row.set_pieces(share.pieces);
  row.set_piece_length(share.piece_length);
  row.set_info_hash(share.info_hash.raw());
  if (share.info_hash_v1) row.set_info_hash_v1(share.info_hash_v1->raw());
  if (presence != nullptr) {
    const auto counts = presence->counts({group.head.id, share.info_hash});
    row.set_seeders(counts.seeders);
    row.set_leechers(counts.leechers);
  }
  row.set_shared_by(name_of(share.publisher));
  row.set_since(share.since.seconds);
  return row;
}

Result<msg::FilePage> Registry::list_files(const Account& asker, const msg::ListFiles& request,
                                           const Presence& presence) const {
  msg::FilePage page;
  const auto slash = request.cursor().find('/');
  const auto first = request.cursor().substr(0, slash);
  const auto after = slash == std::string::npos ? std::string() : request.cursor().substr(slash + 1);
  // True when the page is full; the cursor is "group/name" of the last row.
  const auto add = [&](const Group& group) {
    auto row = group.head.name == first ? group.shares.upper_bound(after) : group.shares.begin();
    for (; row != group.shares.end(); ++row) {
      if (static_cast<std::size_t>(page.rows_size()) == limits::kListPageRows) {
        const auto& last = page.rows(page.rows_size() - 1);
        page.set_next_cursor(last.group() + "/" + last.name());
        return true;
      }
      auto& added = *page.add_rows() = file_row(group, row->second, &presence);
      if (request.with_entries()) added.set_entry(to_string(row->second.entry));
    }
    return false;
  };
  if (!request.group().empty()) {
    const auto group = member_group(asker, request.group());
    if (!group) return fail(group.error());
    (void)add(**group);
    return page;
  }
  const auto& mine = groups_of(asker.id);
  for (auto name = mine.lower_bound(first); name != mine.end(); ++name) {
    const auto& one = *group(*name);
    if (trust::is_member(one.role_of(asker.id)) && add(one)) break;
  }
  return page;
}

Result<msg::FileDetail> Registry::show_file(const Account& asker, const msg::ShowFile& request,
                                            const Presence& presence) const {
  const auto group = member_group(asker, request.group());
  if (!group) return fail(group.error());
  const auto found = (*group)->shares.find(request.name());
  if (found == (*group)->shares.end()) return no_such_file((*group)->head.name);
  const auto& share = found->second;
  msg::FileDetail detail;
  *detail.mutable_row() = file_row(**group, share, &presence);
  detail.set_entry(to_string(share.entry));
  detail.set_publisher_key(share.publisher_key.raw());
  detail.set_piece_list_bytes(meta::piece_list_bytes(share.pieces));
  return detail;
}

Result<const Share*> Registry::member_share(const Account& asker, const std::string& group_id,
                                            const std::string& info_hash) const {
  const auto found = joined_group(asker, group_id);
  if (!found) return fail(found.error());
  const auto hash = InfoHash::from(std::string_view(info_hash));
  if (!hash) return fail(Code::InvalidArgument, "an info-hash has 32 bytes");
  const auto* share = (*found)->share(*hash);
  if (share == nullptr) return no_such_file((*found)->head.name);
  return share;
}

Result<trust::CatalogueEntry> Registry::open_entry(const Account& asker, const Asked& asked) const {
  const auto& request = asked.request.share_file();
  const auto group = member_group(asker, request.group());
  if (!group) return fail(group.error());
  auto entry = trust::CatalogueEntry::open(as_bytes(request.entry()));
  if (!entry) return entry;
  if (entry->tracker != tracker_ || entry->group != (*group)->head.id)
    return fail(Code::InvalidArgument, "the catalogue entry is for another tracker or group");
  if (entry->publisher != asker.id || entry->device_key != asked.key)
    return fail(Code::InvalidArgument, "the catalogue entry is not from this user and device");
  if (const auto name = check_file_name(entry->name); !name) return fail(name.error());
  if (const auto geometry = meta::Geometry::make(entry->size, entry->piece_length); !geometry)
    return fail(geometry.error());
  if (const auto found = (*group)->shares.find(entry->name);
      found != (*group)->shares.end() && found->second.info_hash != entry->info_hash)
    return fail(Code::Exists, fmt::format("'{}' shares another file under this name", (*group)->head.name),
                "share it under another name: p2pctl file share PATH GROUP --name NAME");
  return entry;
}

Status Registry::may_share(const Asked& asked) const {
  const auto* asker = account_of(asked.device);
  if (asker == nullptr) return login_required();
  const auto entry = open_entry(*asker, asked);
  if (!entry) return fail(entry.error());
  return {};
}

Result<Decision> Registry::decide_share(const Account& asker, const Asked& asked) const {
  const auto entry = open_entry(asker, asked);
  if (!entry) return fail(entry.error());
  const auto& group = *this->group(entry->group);

  Decision decision;
  if (const auto* known = group.share(entry->info_hash)) {
    *decision.answer.mutable_file() = file_row(group, *known, nullptr);
    return decision;
  }
  if (!asked.upload) return fail(Code::InvalidArgument, "the piece list was not uploaded");
  const auto& metainfo = asked.upload->metainfo;
  if (metainfo.name() != entry->name || metainfo.geometry().size() != entry->size ||
      metainfo.info_hash() != entry->info_hash)
    return fail(Code::Integrity, "the piece list does not belong to the catalogue entry");
  if (const auto count = shares_of_.find(asker.id);
      count != shares_of_.end() && count->second >= limits::kSharesPerUser)
    return fail(Code::Limit, fmt::format("you share {} files already", count->second));

  Share share{entry->group,
              entry->name,
              entry->size,
              entry->piece_length,
              metainfo.geometry().pieces(),
              entry->sha1,
              entry->info_hash,
              metainfo.info_hash_v1(),
              asker.id,
              asked.key,
              to_bytes(as_bytes(asked.request.share_file().entry())),
              asked.now};
  *decision.answer.mutable_file() = file_row(group, share, nullptr);
  auto change = change_of(group);
  decision.notices.emplace_back(FileNotice{{share.group, share.info_hash}});
  change.changes.emplace_back(PutShare{std::move(share), asked.upload->piece_list});
  decision.change = std::move(change);
  return decision;
}

Result<Decision> Registry::decide_withdraw(const Account& asker, const Asked& asked) const {
  const auto& request = asked.request.withdraw_file();
  const auto found = member_group(asker, request.group());
  if (!found) return fail(found.error());
  const auto& group = **found;
  const auto share = group.shares.find(request.name());
  if (share == group.shares.end()) return no_such_file(group.head.name);
  const auto& withdrawn = share->second;
  if (withdrawn.publisher != asker.id && !trust::is_admin(group.role_of(asker.id)))
    return fail(Code::NotAllowed,
                fmt::format("only '{}', who shared it, or an admin of '{}' may withdraw this file",
                            name_of(withdrawn.publisher), group.head.name),
                fmt::format("to stop serving it from here: p2pctl file unshare {}/{}", group.head.name,
                            withdrawn.name));
  Decision decision;
  *decision.answer.mutable_file() = file_row(group, withdrawn, nullptr);
  decision.change = change_of(group);
  decision.change->changes.emplace_back(DropShare{group.head.id, withdrawn.info_hash});
  decision.notices.emplace_back(
      WithdrawalNotice{{group.head.id, withdrawn.info_hash}, withdrawn.name, asker.name});
  return decision;
}

}  // namespace p2p::tracker
