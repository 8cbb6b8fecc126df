// SPDX-License-Identifier: MIT
// Requests of the control socket about files: what groups share, and what this device shares.
#include <fmt/format.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/base/units.h"
#include "daemon/io/clock.h"
#include "daemon/peer/node.h"

namespace p2p::peer {

using storage::TransferKind;
using storage::TransferState;

namespace {

using Kind = TrackerClient::Kind;

void fill(pb::control::File& view, const pb::tracker::FileRow& row) {
  view.set_group(row.group());
  view.set_name(row.name());
  view.set_size(static_cast<double>(row.size()));
  view.set_sha1(to_hex(as_bytes(row.sha1())));
  view.set_pieces(row.pieces());
  view.set_piece_length(row.piece_length());
  view.set_seeders(row.seeders());
  view.set_leechers(row.leechers());
  view.set_shared_by(row.shared_by());
  view.set_info_hash_v1(to_hex(as_bytes(row.info_hash_v1())));
  view.set_info_hash_v2(to_hex(as_bytes(row.info_hash())));
  view.set_since(format_wall_time({row.since()}));
}

std::optional<ShareKey> key_of(const pb::tracker::FileRow& row) {
  const auto group = GroupId::from(row.group_id());
  const auto info_hash = InfoHash::from(row.info_hash());
  if (!group || !info_hash) return std::nullopt;
  return ShareKey{*group, *info_hash};
}

// A share as it is before the tracker has listed it.
void fill_unlisted(pb::control::File& view, const Transfer& transfer) {
  view.set_group(transfer.row().group_name);
  view.set_name(transfer.row().name);
  view.set_size(static_cast<double>(transfer.row().size));
  transfer.fill(view);
}

// Can it be shared at all? On a disk thread.
Result<storage::FileIdentity> inspect(const std::string& path) {
  auto split = storage::split_path(path);
  if (!split) return fail(split.error());
  auto directory = storage::Directory::open(split->folder);
  if (!directory) return fail(directory.error());
  auto file = directory->open_to_read(split->name);
  if (!file) return fail(file.error());
  auto identity = storage::identify(*file, path);
  if (identity && identity->size > limits::kFileBytes)
    return fail(Code::Limit, path + " is larger than 16 TiB");
  return identity;
}

}  // namespace

Transfer* Node::own_share(const std::string& group, const std::string& name) const {
  for (const auto& [id, transfer] : transfers_.all())
    if (transfer->row().group_name == group && transfer->row().name == name && transfer->takes_part() &&
        (transfer->row().kind == TransferKind::Share || transfer->is_complete()))
      return transfer.get();
  return nullptr;
}

// An unfinished download that is what would be shared: the same name in the group, or the same file.
const Transfer* Node::unfinished_download(const std::string& group, const std::string& name,
                                          const std::string& path) const {
  for (const auto& [id, transfer] : transfers_.all()) {
    const auto& row = transfer->row();
    if (row.kind == TransferKind::Download && !transfer->is_complete() && transfer->takes_part() &&
        ((row.group_name == group && row.name == name) || row.path == path))
      return transfer.get();
  }
  return nullptr;
}

void Node::fill_own(pb::control::File& view, const ShareKey& share) const {
  if (const auto* transfer = transfers_.find(share)) transfer->fill(view);
}

// --- share -------------------------------------------------------------------------------------------

void Node::call_file_share(const CallPointer& call) {
  const auto& wanted = call->request().file_share();
  const auto split = storage::split_path(wanted.path());
  if (!split) return call->refuse(split.error());
  const auto name = wanted.name().empty() ? split->name : wanted.name();
  if (auto status = check_file_name(name); !status) return call->refuse(status.error());
  // The path first: it needs nobody else. Then membership and the name, at the tracker.
  scope_.run(
      disk_, [path = wanted.path()] { return inspect(path); },
      [this, call, name, account = transfers_.account()](const Result<storage::FileIdentity>& found) {
        if (account != transfers_.account()) return;  // a logout has answered it
        if (!found) {
          auto error = found.error().in("cannot share");
          if (error.code == Code::NotFound && error.hint.empty()) error.hint = "check the path";
          return call->refuse(error);
        }
        const auto size = found->size;
        pb::tracker::Request request;
        request.mutable_show_group()->set_group(call->request().file_share().group());
        ask(call, std::move(request), Kind::Query,
            [this, call, name, size](const pb::tracker::Response& group) {
              if (group.group().role() < pb::member)
                return call->refuse(
                    Error{Code::NotMember,
                          fmt::format("you are not a member of '{}'", printable(group.group().group())),
                          "p2pctl group join " + group.group().group()});
              auto* same = own_share(group.group().group(), name);
              const auto& path = call->request().file_share().path();
              if (const auto* coming = unfinished_download(group.group().group(), name, path))
                return call->refuse(being_downloaded(*coming));
              // One whose file is gone is shared anew from wherever the file is now.
              if (same == nullptr || (same->is_waiting_for_file() && same->row().path != path)) {
                storage::TransferRow row;
                row.id = trust::random_id<DownloadId>();
                row.kind = TransferKind::Share;
                row.group = GroupId::from(group.group().group_id()).value_or(GroupId{});
                row.group_name = group.group().group();
                row.name = name;
                row.size = size;
                row.path = path;
                row.added = clock_.now(io::boot_now(), io::wall_now()).seconds;
                return begin_share(call, std::move(row));
              }
              if (same->row().size != size)
                return call->refuse(
                    Error{Code::Exists,
                          fmt::format("'{}' is in the group already, with other content", printable(name)),
                          "share it under another name with --name"});
              if (same->is_waiting_for_file()) transfers_.resume(*same, nullptr);
              if (call->request().file_share().wait())
                return wait_for_share(call, same->row().id, same->row().group_name, name);
              pb::control::Response response;
              fill_unlisted(*response.mutable_file(), *same);
              call->answer(response);
            });
      });
}

void Node::begin_share(const CallPointer& call, storage::TransferRow row) {
  pb::tracker::Request request;
  request.mutable_show_file()->set_group(row.group_name);
  request.mutable_show_file()->set_name(row.name);
  tracker_.request(
      std::move(request), Kind::Query, call->timeout(),
      [this, call, row](const Result<pb::tracker::Response>& listed) {
        if (!listed && listed.error().code != Code::NotFound) return call->refuse(listed.error());
        if (listed && listed->file_detail().row().size() != row.size)
          return call->refuse(
              Error{Code::Exists,
                    fmt::format("'{}' is in the group already, with other content", printable(row.name)),
                    "share it under another name with --name"});
        if (!check_logged_in(call)) return;
        const auto account = transfers_.account();
        store_.run(
            scope_, [row, account](storage::StateDb& db) { return db.put_transfer(account, row); },
            [this, call, row, account](const Status& stored) {
              if (!stored) return call->refuse(stored.error());
              if (account != transfers_.account()) return call->refuse(logged_out_meanwhile("the share"));
              auto& transfer = transfers_.add(row, nullptr);
              publisher_.begin(row.id);
              if (call->request().file_share().wait())
                return wait_for_share(call, row.id, row.group_name, row.name);
              pb::control::Response response;
              fill_unlisted(*response.mutable_file(), transfer);
              call->answer(response);
            });
      });
}

void Node::wait_for_share(const CallPointer& call, const DownloadId& id, const std::string& group,
                          const std::string& name) {
  add_wait(call, [this, id, group, name](Call& waiting) {
    const auto* transfer = transfers_.find(id);
    if (transfer == nullptr) transfer = own_share(group, name);
    if (transfer == nullptr) {
      waiting.refuse(Error{Code::Cancelled, "it was unshared meanwhile", {}});
      return true;
    }
    if (transfer->phase() == Transfer::Phase::Failed || transfer->is_waiting_for_file()) {
      waiting.refuse(Error{code_from_name(transfer->error_code()),
                           fmt::format("cannot share '{}': {}", printable(name), transfer->cause()),
                           {}});
      return true;
    }
    if (transfer->is_complete() && transfer->is_serving()) {
      pb::control::Response response;
      fill_unlisted(*response.mutable_file(), *transfer);
      auto* file = response.mutable_file();
      const auto& metainfo = *transfer->metainfo();
      file->set_sha1(transfer->row().sha1.hex());
      file->set_pieces(metainfo.geometry().pieces());
      file->set_piece_length(metainfo.geometry().piece_length());
      file->set_seeders(1);
      file->set_shared_by(account_->user);
      file->set_info_hash_v2(metainfo.info_hash().hex());
      if (metainfo.info_hash_v1()) file->set_info_hash_v1(metainfo.info_hash_v1()->hex());
      waiting.answer(response);
      return true;
    }
    pb::control::Progress progress;
    progress.mutable_hashing()->set_done(
        static_cast<double>(std::min(transfer->hashed_bytes(), transfer->row().size)));
    progress.mutable_hashing()->set_size(static_cast<double>(transfer->row().size));
    waiting.progress(progress);
    return false;
  });
}

// --- catalogue ---------------------------------------------------------------------------------------

void Node::call_file_list(const CallPointer& call, std::shared_ptr<pb::control::Response> rows,
                          const std::string& cursor) {
  pb::tracker::Request request;
  request.mutable_list_files()->set_group(call->request().file_list().group());
  request.mutable_list_files()->set_cursor(cursor);
  rows->mutable_files();
  ask(call, std::move(request), Kind::Query, [this, call, rows](const pb::tracker::Response& answer) {
    for (const auto& row : answer.files().rows()) {
      auto* view = rows->mutable_files()->add_files();
      fill(*view, row);
      if (const auto key = key_of(row)) fill_own(*view, *key);
    }
    if (answer.files().next_cursor().empty()) call->answer(*rows);
    else call_file_list(call, rows, answer.files().next_cursor());
  });
}

void Node::call_file_show(const CallPointer& call) {
  struct Showing {
    pb::control::Response response;
    GroupId group;
    InfoHash info_hash;
    std::uint64_t pieces = 0;
    Bytes sha1s;
  };
  struct Pages {
    // The SHA-1s stand first in the piece list; the rest of it is not needed here.
    static void next(Node* self, const CallPointer& call, const std::shared_ptr<Showing>& showing) {
      const auto wanted = showing->pieces * Sha1::kSize;
      if (showing->sha1s.size() >= wanted) {
        for (std::uint64_t i = 0; i < showing->pieces; ++i)
          showing->response.mutable_file()->add_pieces_sha1(
              to_hex(ByteSpan(showing->sha1s).subspan(i * Sha1::kSize, Sha1::kSize)));
        call->answer(showing->response);
        return;
      }
      pb::tracker::Request request;
      request.mutable_read_metadata()->set_group_id(showing->group.raw());
      request.mutable_read_metadata()->set_info_hash(showing->info_hash.raw());
      request.mutable_read_metadata()->set_offset(showing->sha1s.size());
      self->ask(call, std::move(request), Kind::Query,
                [self, call, showing](const pb::tracker::Response& answer) {
                  const auto chunk = as_bytes(answer.metadata().data());
                  if (chunk.empty())
                    return call->refuse(Error{Code::Integrity, "the tracker's piece list is too short", {}});
                  showing->sha1s.insert(showing->sha1s.end(), chunk.begin(), chunk.end());
                  next(self, call, showing);
                });
    }
  };
  pb::tracker::Request request;
  request.mutable_show_file()->set_group(call->request().file_show().group());
  request.mutable_show_file()->set_name(call->request().file_show().name());
  ask(call, std::move(request), Kind::Query, [this, call](const pb::tracker::Response& answer) {
    const auto& row = answer.file_detail().row();
    const auto key = key_of(row);
    if (!key || row.pieces() > limits::kPieces)
      return call->refuse(Error{Code::Integrity, "the tracker's answer makes no sense", {}});
    auto showing = std::make_shared<Showing>();
    fill(*showing->response.mutable_file(), row);
    fill_own(*showing->response.mutable_file(), *key);
    showing->group = key->group;
    showing->info_hash = key->info_hash;
    showing->pieces = row.pieces();
    Pages::next(this, call, showing);
  });
}

// --- the end of sharing ------------------------------------------------------------------------------

// Of this device only: others go on, and the catalogue keeps it. Needs no tracker.
void Node::call_file_unshare(const CallPointer& call) {
  const auto& wanted = call->request().file_unshare();
  const auto group = group_name(wanted.group());
  if (!group) return call->refuse(group.error());
  std::vector<DownloadId> shares;
  Transfer* complete = nullptr;
  const Transfer* unfinished = nullptr;
  for (const auto& [id, transfer] : transfers_.all()) {
    if (transfer->row().group_name != *group || transfer->row().name != wanted.name()) continue;
    if (transfer->row().kind == TransferKind::Share) shares.push_back(id);
    else if (!transfer->is_complete()) unfinished = transfer.get();
    else if (transfer->takes_part()) complete = transfer.get();
  }
  const auto shown = printable(*group + "/" + wanted.name());
  if (shares.empty() && complete == nullptr && unfinished != nullptr)
    return call->refuse(being_downloaded(*unfinished));
  if (shares.empty() && complete == nullptr)
    return call->refuse(Error{Code::NotFound, fmt::format("this device does not share '{}'", shown),
                              "p2pctl file list shows what it shares"});
  pb::control::Response response;
  auto* view = response.mutable_file();
  fill_unlisted(*view, complete != nullptr ? *complete : *transfers_.find(shares.front()));
  view->set_sharing(false);
  view->set_state(pb::control::listed);
  view->clear_cause();
  log::info("unshared", {{"name", wanted.name()}, {"group", *group}});
  auto waiting = std::make_shared<std::size_t>(shares.size() + (complete != nullptr ? 1 : 0));
  const auto one_done = [call, waiting, response](const Status& stored) {
    if (!stored) call->refuse(stored.error().in("sharing has ended, but cannot be stored as ended"));
    else if (--*waiting == 0) call->answer(response);
  };
  if (complete != nullptr)
    complete->hold(storage::Hold::Unshared, Error{Code::Cancelled, "unshared by its user", {}}, one_done);
  for (const auto& id : shares) {
    publisher_.drop(id);
    transfers_.remove(id, one_done);
  }
}

void Node::call_file_withdraw(const CallPointer& call) {
  pb::tracker::Request request;
  request.mutable_withdraw_file()->set_group(call->request().file_withdraw().group());
  request.mutable_withdraw_file()->set_name(call->request().file_withdraw().name());
  ask(call, std::move(request), Kind::Mutating, [this, call](const pb::tracker::Response& answer) {
    const auto& row = answer.file();
    if (const auto key = key_of(row); key && is_logged_in())
      transfers_.withdraw(*key, "withdrawn by " + account_->user, Transfers::Withdrawal::ByUs);
    pb::control::Response response;
    fill(*response.mutable_file(), row);
    call->answer(response);
  });
}

}  // namespace p2p::peer
