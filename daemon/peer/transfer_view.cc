// SPDX-License-Identifier: MIT
// A transfer as commands show it.
#include <fmt/format.h>

#include "daemon/base/units.h"
#include "daemon/peer/transfer.h"

namespace p2p::peer {

using storage::Hold;
using storage::TransferKind;
using storage::TransferState;

namespace {

double number(std::uint64_t value) { return static_cast<double>(value); }

}  // namespace

// What earlier runs of the daemon fetched, and this one.
std::vector<storage::SourceBytes> Transfer::all_sources() const {
  auto sources = earlier_sources_;
  if (swarm_ != nullptr)
    for (const auto& [device, bytes] : swarm_->sources()) {
      auto& source = sources[device];
      source.device = device;
      if (const auto user = book_.user_of(device); !user.empty()) source.user = user;
      source.bytes += bytes;
    }
  std::vector<storage::SourceBytes> list;
  for (auto& [device, source] : sources) list.push_back(std::move(source));
  return list;
}

pb::control::DownloadState Transfer::shown_state(std::string& cause) const {
  cause = row_.cause;
  if (row_.state == TransferState::Complete) {
    if (row_.hold == Hold::Unshared) cause = "not shared: its user said so";
    else if (is_barred()) cause = barred_;
    return pb::control::complete;
  }
  if (row_.state == TransferState::Paused) {
    cause = "paused by its user";
    return pb::control::paused;
  }
  if (row_.state == TransferState::Failed) return pb::control::failed;
  if (is_barred()) {
    cause = barred_;
    return pb::control::stalled;
  }
  if (phase_ == Phase::Opening || phase_ == Phase::Finishing) return pb::control::verifying;
  if (phase_ == Phase::NoSpace) return pb::control::stalled;
  if (queued_) {
    cause = "waits for other downloads to complete";
    return pb::control::queued;
  }
  if (links_.empty()) {
    cause = "no member who has it is connected";
    return pb::control::stalled;
  }
  return pb::control::downloading;
}

void Transfer::fill(pb::control::Download& view) const {
  std::string cause;
  view.set_id(row_.id.hex());
  view.set_group(row_.group_name);
  view.set_name(row_.name);
  view.set_state(shown_state(cause));
  view.set_cause(cause);
  view.set_size(number(row_.size));
  std::uint64_t done = is_complete() ? row_.size : 0;
  if (!is_complete()) done = std::min(row_.size, std::uint64_t{stored_pieces().count()} * row_.piece_length);
  view.set_done(number(done));
  view.set_rate(is_complete() ? 0 : download_rate());
  view.set_peers(number(links_.size()));
  view.set_path(row_.path);
  for (const auto& source : is_complete() ? row_.sources : all_sources()) {
    auto* shown = view.add_sources();
    shown->set_user(source.user);
    shown->set_device(source.device.hex());
    shown->set_bytes(number(source.bytes));
  }
  if (swarm_ != nullptr) {
    view.set_uploaded(number(swarm_->totals().uploaded));
    view.set_duplicate(number(swarm_->totals().duplicate));
    view.set_wasted(number(swarm_->totals().wasted));
  }
  view.set_file_sha1(row_.file_sha1 == storage::FileSha1::Ok         ? pb::control::ok
                     : row_.file_sha1 == storage::FileSha1::Mismatch ? pb::control::mismatch
                                                                     : pb::control::pending);
  view.set_sha1(row_.sha1.hex());
  const bool running = !is_complete() && swarm_ != nullptr;
  view.set_seconds(row_.seconds + (running ? seconds_of(services_.loop.now() - started_) : 0));
}

void Transfer::fill(pb::control::File& view) const {
  view.set_path(row_.path);
  view.set_cause(cause());
  view.set_sharing(is_complete() && is_serving());
  if (row_.hold == Hold::Missing) {
    view.set_state(pb::control::missing);
  } else if (row_.hold == Hold::Changed) {
    view.set_state(pb::control::changed);
  } else if (phase_ == Phase::Failed) {
    const auto code = code_from_name(row_.code);
    view.set_state(code == Code::NotFound    ? pb::control::missing
                   : code == Code::Integrity ? pb::control::changed
                                             : pb::control::refused);
  } else if (row_.state == TransferState::Hashing) {
    view.set_state(pb::control::hashing);
  } else if (row_.state == TransferState::Publishing) {
    view.set_state(pb::control::publishing);
  } else if (view.sharing()) {
    view.set_state(pb::control::FileState::sharing);
  }
}

}  // namespace p2p::peer
