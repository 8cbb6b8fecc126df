// SPDX-License-Identifier: MIT
// `p2pctl daemon doctor`: what a user can check and repair. What the daemon knows is said first; what has
// to be looked at on disks is found on a disk thread. Nothing here waits for the tracker.
#include <dirent.h>
#include <fmt/format.h>
#include <map>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/names.h"
#include "daemon/base/units.h"
#include "daemon/io/clock.h"
#include "daemon/peer/node.h"

namespace p2p::peer {

using pb::control::bad;
using pb::control::good;
using pb::control::warning;
using storage::TransferKind;

namespace {

constexpr auto kClockWarning = std::chrono::seconds(60);
constexpr double kDescriptorsWarning = 0.8;  // of the limit
constexpr std::size_t kSharesNamed = 3;

void add(pb::control::Doctor& doctor, const char* name, pb::control::CheckState state, std::string message,
         std::string hint = {}) {
  auto* check = doctor.add_checks();
  check->set_name(name);
  check->set_state(state);
  check->set_message(std::move(message));
  check->set_hint(std::move(hint));
}

// What a disk thread needs to know.
struct Places {
  std::string download_dir;
  std::string control_path;
  std::map<std::string, std::uint64_t> missing;  // bytes still to come, by folder
};

void check_download_folder(const Places& places, pb::control::Doctor& doctor) {
  const auto directory = storage::Directory::open(places.download_dir);
  if (!directory)
    add(doctor, "download folder", bad, directory.error().message, "make it, or set download_dir");
  else if (!directory->is_writable())
    add(doctor, "download folder", bad, places.download_dir + ": this user may not write there",
        "chmod or chown it, or set download_dir");
  else add(doctor, "download folder", good, places.download_dir);
}

// Folders of one file system share its space.
void check_space(const Places& places, pb::control::Doctor& doctor) {
  struct Disk {
    std::string folder;
    std::uint64_t missing = 0;
    std::uint64_t free = 0;
  };
  std::map<dev_t, Disk> disks;
  for (const auto& [folder, missing] : places.missing) {
    struct stat status {};
    const auto directory = storage::Directory::open(folder);
    const auto free = directory ? directory->free_bytes() : Result<std::uint64_t>(fail(directory.error()));
    if (!free && missing == 0) continue;  // the folder has its own line
    if (!free || ::stat(folder.c_str(), &status) != 0) {
      add(doctor, "disk space", bad, free ? folder + " cannot be looked at" : free.error().message,
          "its downloads wait; see p2pctl download list");
      continue;
    }
    auto& disk = disks[status.st_dev];
    disk.folder = folder;
    disk.missing += missing;
    disk.free = *free;
  }
  for (const auto& [device, disk] : disks) {
    const auto text = fmt::format("{}: {} free, downloads need {}", disk.folder,
                                  format_size(static_cast<double>(disk.free)),
                                  format_size(static_cast<double>(disk.missing)));
    if (disk.free < disk.missing) add(doctor, "disk space", bad, text, "make room, or cancel a download");
    else add(doctor, "disk space", good, text);
  }
}

void check_descriptors(pb::control::Doctor& doctor) {
  rlimit files{};
  auto* open = ::opendir("/proc/self/fd");
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || open == nullptr) {
    if (open != nullptr) ::closedir(open);
    add(doctor, "descriptors", warning, "cannot be counted here", "mount /proc");
    return;
  }
  double used = -3;  // ".", ".." and the one that counts
  while (::readdir(open) != nullptr) ++used;
  ::closedir(open);
  const auto limit = static_cast<double>(files.rlim_cur);
  const auto text = fmt::format("{:.0f} of {:.0f} in use", used, limit);
  if (used > kDescriptorsWarning * limit)
    add(doctor, "descriptors", warning, text, "raise the limit of open files: LimitNOFILE= or ulimit -n");
  else add(doctor, "descriptors", good, text);
}

void check_control_socket(const Places& places, pb::control::Doctor& doctor) {
  struct stat socket {};
  struct stat folder {};
  const auto split = storage::split_path(places.control_path);
  const auto& path = places.control_path;
  if (!split || ::lstat(path.c_str(), &socket) != 0 || ::stat(split->folder.c_str(), &folder) != 0)
    add(doctor, "control socket", warning, path + " is gone or was renamed", "restart p2pd");
  else if ((socket.st_mode & 0177) != 0)
    add(doctor, "control socket", bad, path + " can be opened by others", "chmod 600 " + path);
  else if ((folder.st_mode & 022) != 0 && (folder.st_mode & S_ISVTX) == 0)
    add(doctor, "control socket", bad, split->folder + " can be changed by others",
        "chmod go-w " + split->folder);
  else add(doctor, "control socket", good, path);
}

}  // namespace

void Node::check_tracker(pb::control::Doctor& doctor) const {
  if (is_logged_in()) add(doctor, "account", good, "logged in as " + account_->user);
  else
    add(doctor, "account", warning, "nobody is logged in: nothing is shared or fetched",
        "p2pctl account login NAME");
  if (tracker_.is_attached()) {
    add(doctor, "tracker", good, "connected with " + tracker_.target()->host_port.text());
  } else if (tracker_.target()) {
    const auto& error = tracker_.last_error();
    add(doctor, "tracker", bad,
        fmt::format("not connected with {}: {}", tracker_.target()->host_port.text(), error.message),
        error.hint.empty() ? "ask its operator; transfers under way go on" : error.hint);
  } else {
    add(doctor, "tracker", warning, "no tracker is in use", "p2pctl account login NAME");
  }
  const auto ahead = clock_.ahead(io::boot_now(), io::wall_now());
  if (!ahead)
    return add(doctor, "clock", warning, "no tracker has told its time yet", "see the tracker's line");
  const auto off = std::chrono::seconds(std::abs(ahead->count()));
  const auto text =
      fmt::format("{} s {} the tracker's", off.count(), ahead->count() < 0 ? "behind" : "ahead of");
  if (off > kClockWarning)
    add(doctor, "clock", warning, text, "set this machine's clock: timedatectl set-ntp true");
  else add(doctor, "clock", good, text);
}

void Node::check_reach(pb::control::Doctor& doctor) const {
  const auto listening = transfers_.listening().text();
  if (reachable_ && *reachable_)
    add(doctor, "reachable", good, "others can connect to " + reachable_address_);
  else if (reachable_)
    add(doctor, "reachable", warning, "others cannot connect: " + unreachable_,
        fmt::format("open the port of {} in the firewall; this device still connects to others", listening));
  else
    add(doctor, "reachable", warning, "the tracker has not tried yet to connect to " + listening,
        "try again when the tracker is connected");
}

void Node::check_shares(pb::control::Doctor& doctor) const {
  std::size_t served = 0;
  std::vector<std::string> trouble;
  for (const auto& [id, transfer] : transfers_.all()) {
    const auto& row = transfer->row();
    const bool share = row.kind == TransferKind::Share || transfer->is_complete();
    if (!share || row.hold == storage::Hold::Unshared) continue;
    if (transfer->is_serving()) ++served;
    else if (!transfer->cause().empty())
      trouble.push_back(printable(fmt::format("{}/{}: {}", row.group_name, row.name, transfer->cause())));
  }
  if (trouble.empty()) return add(doctor, "shares", good, fmt::format("{} served", served));
  auto text = fmt::format("{} served, {} not", served, trouble.size());
  for (std::size_t i = 0; i < std::min(trouble.size(), kSharesNamed); ++i) text += "; " + trouble[i];
  add(doctor, "shares", warning, text, "bring the file back, or p2pctl file unshare GROUP/NAME");
}

void Node::call_doctor(const CallPointer& call) {
  auto response = std::make_shared<pb::control::Response>();
  auto& doctor = *response->mutable_doctor();
  check_tracker(doctor);
  check_reach(doctor);
  check_shares(doctor);
  auto places = std::make_shared<Places>();
  places->download_dir = options_.download_dir;
  places->control_path = options_.control_path;
  places->missing[options_.download_dir];
  for (const auto& [id, transfer] : transfers_.all()) {
    const auto& row = transfer->row();
    const auto split = storage::split_path(row.path);
    if (row.kind != TransferKind::Download || transfer->is_complete() || !transfer->takes_part() || !split)
      continue;
    pb::control::Download view;
    transfer->fill(view);
    places->missing[split->folder] += static_cast<std::uint64_t>(view.size() - view.done());
  }
  scope_.run(
      disk_,
      [places, response] {
        check_download_folder(*places, *response->mutable_doctor());
        check_space(*places, *response->mutable_doctor());
        check_descriptors(*response->mutable_doctor());
        check_control_socket(*places, *response->mutable_doctor());
        return true;
      },
      [call, response](bool) { call->answer(*response); });
}

}  // namespace p2p::peer
