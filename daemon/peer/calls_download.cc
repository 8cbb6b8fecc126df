// SPDX-License-Identifier: MIT
// Requests of the control socket about downloads.
#include <fmt/format.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/peer/node.h"

namespace p2p::peer {

using storage::TransferKind;
using storage::TransferState;

void Node::call_download_start(const CallPointer& call) {
  fetcher_.start(
      call->request().download_start(), call->timeout(), [this, call](const Result<DownloadId>& started) {
        if (!started) return call->refuse(started.error());
        const auto id = *started;
        if (!call->request().download_start().wait()) {
          pb::control::Response response;
          transfers_.find(id)->fill(*response.mutable_download());
          return call->answer(response);
        }
        add_wait(call, [this, id](Call& waiting) {
          const auto* transfer = transfers_.find(id);
          if (transfer == nullptr) {
            waiting.refuse(Error{Code::Cancelled, "the download was cancelled or forgotten", {}});
            return true;
          }
          pb::control::Response response;
          transfer->fill(*response.mutable_download());
          const auto state = response.download().state();
          if (state == pb::control::failed || state == pb::control::paused) {
            const auto code =
                transfer->error_code().empty() ? Code::Unfinished : code_from_name(transfer->error_code());
            waiting.refuse(Error{
                code,
                fmt::format("'{}' did not complete: {}", transfer->row().name, response.download().cause()),
                "p2pctl download show " + id.hex()});
            return true;
          }
          if (transfer->is_barred()) {
            waiting.refuse(Error{Code::NotMember,
                                 fmt::format("'{}' waits: {}", transfer->row().name, transfer->cause()),
                                 "p2pctl group join " + transfer->row().group_name});
            return true;
          }
          if (state == pb::control::complete) {
            waiting.answer(response);
            return true;
          }
          pb::control::Progress progress;
          *progress.mutable_download() = response.download();
          waiting.progress(progress);
          return false;
        });
      });
}

void Node::call_download_list(const CallPointer& call) {
  pb::control::Response response;
  response.mutable_downloads();
  for (const auto& [id, transfer] : transfers_.all())
    if (transfer->row().kind == TransferKind::Download)
      transfer->fill(*response.mutable_downloads()->add_downloads());
  call->answer(response);
}

void Node::call_download_show(const CallPointer& call) {
  const auto transfer = transfers_.find_download(call->request().download_show().id());
  if (!transfer) return call->refuse(transfer.error());
  pb::control::Response response;
  (*transfer)->fill(*response.mutable_download());
  call->answer(response);
}

void Node::call_download_wait(const CallPointer& call) {
  std::vector<DownloadId> ids;
  for (const auto& text : call->request().download_wait().ids()) {
    const auto transfer = transfers_.find_download(text);
    if (!transfer) return call->refuse(transfer.error());
    ids.push_back((*transfer)->row().id);
  }
  add_wait(call, [this, ids](Call& waiting) {
    pb::control::Response response;
    bool all_complete = true;
    for (const auto& id : ids) {
      const auto* transfer = transfers_.find(id);
      auto* row = response.mutable_downloads()->add_downloads();
      if (transfer != nullptr) transfer->fill(*row);
      const auto state = row->state();
      if (transfer == nullptr || transfer->is_barred() || state == pb::control::failed ||
          state == pb::control::paused) {
        const auto& cause = transfer == nullptr ? "it was cancelled or forgotten" : row->cause();
        waiting.refuse(Error{Code::Unfinished,
                             fmt::format("download {} cannot complete: {}", id.hex(), cause),
                             "p2pctl download list"});
        return true;
      }
      if (state == pb::control::complete) continue;
      all_complete = false;
      pb::control::Progress progress;
      *progress.mutable_download() = *row;
      waiting.progress(progress);
    }
    if (all_complete) waiting.answer(response);
    return all_complete;
  });
}

// --- changes -----------------------------------------------------------------------------------------

void Node::call_download_change(const CallPointer& call) {
  const auto& wanted = call->request().download_change();
  const auto found = transfers_.find_download(wanted.id());
  if (!found) return call->refuse(found.error());
  auto& transfer = **found;
  const auto id = transfer.row().id;
  const auto state = transfer.row().state;
  const bool complete = transfer.is_complete() || transfer.phase() == Transfer::Phase::Finishing;
  const auto conflict = [&](std::string_view what, const std::string& hint) {
    call->refuse(Error{Code::Conflict, fmt::format("'{}' {}", printable(transfer.row().name), what), hint});
  };
  const auto show = [this, call, id](const Status& stored) {
    if (!stored) return call->refuse(stored.error());
    pb::control::Response response;
    if (const auto* changed = transfers_.find(id)) changed->fill(*response.mutable_download());
    call->answer(response);
  };
  if (transfer.is_discarded())
    return call->refuse(Error{Code::Busy, "it is just being given up", "try again in a moment"});
  switch (wanted.action()) {
    case pb::control::pause:
      if (complete) return conflict("is complete", "p2pctl file unshare stops serving it");
      if (state == TransferState::Failed) return conflict("has failed", "p2pctl download resume " + id.hex());
      if (state == TransferState::Paused) return show({});
      return transfer.pause(show);
    case pb::control::resume:
      if (complete && !transfer.is_waiting_for_file())
        return conflict("is complete", "p2pctl file share shares it again where it was unshared");
      if (state == TransferState::Downloading) return show({});
      return transfers_.resume(transfer, show);
    case pb::control::cancel:
      if (complete) return conflict("is complete", "p2pctl download forget " + id.hex());
      return end_download(call, transfer);
    case pb::control::forget:
      if (!complete && state != TransferState::Failed)
        return conflict("is not complete", "p2pctl download cancel " + id.hex());
      if (transfer.phase() == Transfer::Phase::Finishing)
        return conflict("is just being completed", "try again");
      return end_download(call, transfer);
    default: return call->refuse(Error{Code::InvalidArgument, "there is no such change of a download", {}});
  }
}

// The row shown is the last there is of it. A complete file stays where it is.
void Node::end_download(const CallPointer& call, Transfer& transfer) {
  if (transfer.is_discarded())
    return call->refuse(Error{Code::Busy, "it is being removed just now", "try again"});
  pb::control::Response response;
  transfer.fill(*response.mutable_download());
  const bool complete = transfer.is_complete();
  if (!complete) {
    response.mutable_download()->set_state(pb::control::failed);
    response.mutable_download()->set_cause("cancelled by its user");
    response.mutable_download()->set_rate(0);
    response.mutable_download()->set_peers(0);
  }
  log::info(complete ? "download forgotten" : "download cancelled",
            {{"name", transfer.row().name}, {"group", transfer.row().group_name}});
  const auto done = [call, response](const Status& status) {
    if (status) call->answer(response);
    else call->refuse(status.error());
  };
  if (complete) transfers_.remove(transfer.row().id, done);
  else transfers_.discard(transfer, done);
}

}  // namespace p2p::peer
