// SPDX-License-Identifier: MIT
#include "daemon/peer/fetcher.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/names.h"
#include "daemon/io/clock.h"

namespace p2p::peer {

using storage::TransferRow;
using storage::TransferState;

struct Fetcher::Order {
  pb::control::DownloadStart wanted;
  TimePoint deadline{};
  Done done;
  GroupId group;  // zero: not one of ours, as far as this device knows
  std::string group_name;
  TransferRow row;
  std::optional<Bytes> known;    // the entry that this device has kept
  bool without_tracker = false;  // go on with what this device and members know
  bool settled = false;          // its path is taken
  std::optional<Error> nobody;   // why members could not help: only the tracker is left to ask
  trust::PublicKey publisher_key;
  std::string target;  // as the user named it, or the download folder
  std::uint64_t list_bytes = 0;
  Bytes piece_list;
  Status status = {};
};

namespace {

constexpr int kRenameTries = 10'000;

// "film.mkv" becomes "film (2).mkv".
std::string numbered(const std::string& name, int number) {
  const auto dot = name.rfind('.');
  const auto stem = dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
  return fmt::format("{} ({}){}", stem, number, name.substr(stem.size()));
}

// On a disk thread: settles where the file goes and that it can go there.
// `taken`: the paths where other downloads will end.
Status settle_target(const std::string& target, pb::control::OnExist on_exist,
                     const std::set<std::string>& taken, TransferRow& row) {
  auto name = row.name;
  std::string folder = target;
  auto directory = storage::Directory::open(target);
  const bool must_be_folder = !target.empty() && target.back() == '/';
  if (!directory) {
    if (must_be_folder || (directory.error().code != Code::NotFound && directory.error().code != Code::Io))
      return fail(directory.error());
    auto split = storage::split_path(target);
    if (!split) return fail(split.error());
    folder = split->folder;
    name = split->name;
    directory = storage::Directory::open(folder);
    if (!directory) return fail(directory.error());
  }
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  if (name.size() > limits::kNameBytes)
    return fail(Code::InvalidName, "the file name is longer than 255 bytes");
  if (!directory->is_writable())
    return fail(Code::PermissionDenied, folder + ": you may not write there", "name another folder with -o");
  const auto path_in_folder = [&](const std::string& entry) {
    return (folder == "/" ? "" : folder) + "/" + entry;
  };
  const auto is_taken = [&](const std::string& entry) { return taken.contains(path_in_folder(entry)); };
  if (is_taken(name) && on_exist != pb::control::rename)
    return fail(Code::Exists, "another download will end as " + path_in_folder(name),
                "--on-exist rename, or another -o");
  if (is_taken(name) || directory->exists(name)) {
    if (on_exist == pb::control::OnExist::fail)
      return fail(Code::Exists, directory->path_of(name) + " exists already",
                  "--on-exist rename or overwrite, or another -o");
    if (on_exist == pb::control::rename) {
      int number = 2;
      while (number < kRenameTries &&
             (is_taken(numbered(name, number)) || directory->exists(numbered(name, number))))
        ++number;
      name = numbered(name, number);
    }
  }
  row.overwrite = on_exist == pb::control::overwrite;
  row.path = path_in_folder(name);
  row.part_name = fmt::format(".p2p-{}.part", row.id.hex());
  return {};
}

Status make_part_file(const TransferRow& row) {
  auto split = storage::split_path(row.path);
  if (!split) return fail(split.error());
  auto directory = storage::Directory::open(split->folder);
  if (!directory) return fail(directory.error());
  if (auto file = directory->create(row.part_name); !file) return fail(file.error());
  return {};
}

void remove_part_file(const TransferRow& row) {
  const auto split = storage::split_path(row.path);
  if (!split) return;
  if (auto directory = storage::Directory::open(split->folder)) (void)directory->remove(row.part_name);
}

ShareFacts facts_of(const TransferRow& row) {
  return {{row.group, row.info_hash}, row.name, row.size, row.piece_length};
}

}  // namespace

void Fetcher::start(const pb::control::DownloadStart& wanted, Duration timeout, Done done) {
  auto order = std::make_shared<Order>();
  order->wanted = wanted;
  order->deadline = around_.loop.now() + timeout;
  order->done = std::move(done);
  orders_.insert(order);
  const auto name = group_name(wanted.group());
  const auto* membership = name ? around_.memberships.find(*name) : nullptr;
  if (membership == nullptr || !membership->grant) return ask_tracker(order);
  order->group = membership->grant->group;
  order->group_name = *name;
  around_.memory.find_entry(order->group, wanted.name(), [this, order](std::optional<Bytes> known) {
    if (!is_open(order)) return;
    order->known = std::move(known);
    if (!order->known || around_.tracker.is_attached()) return ask_tracker(order);
    use_known(order);
  });
}

void Fetcher::finish(const OrderPointer& order, Result<DownloadId> result) {
  if (orders_.erase(order) == 0) return;
  if (order->settled) settled_.erase(order->row.path);
  fetches_.erase(order);
  order->done(std::move(result));
}

void Fetcher::clear() {
  while (!orders_.empty()) {
    const auto order = *orders_.begin();
    finish(order, fail(Code::Cancelled, "the account was logged out meanwhile",
                       "log in, and give the command again"));
  }
}

void Fetcher::use_known(const OrderPointer& order) {
  order->without_tracker = true;
  on_entry(order, *order->known, order->group, order->group_name);
}

void Fetcher::ask_tracker(const OrderPointer& order) {
  pb::tracker::Request request;
  request.mutable_show_file()->set_group(order->wanted.group());
  request.mutable_show_file()->set_name(order->wanted.name());
  around_.tracker.request(std::move(request), TrackerClient::Kind::Query, patience(*order),
                          [this, order](const Result<pb::tracker::Response>& response) {
                            if (!is_open(order)) return;
                            if (!response && may_use_known(*order, response.error())) return use_known(order);
                            if (!response) return finish(order, fail(response.error()));
                            const auto& detail = response->file_detail();
                            const auto group = GroupId::from(detail.row().group_id());
                            if (!response->has_file_detail() || !group)
                              return finish(order, fail(Code::Internal, "the tracker gave no file"));
                            on_entry(order, as_bytes(detail.entry()), *group, detail.row().group());
                          });
}

Duration Fetcher::patience(const Order& order) const {
  const auto left = order.deadline - around_.loop.now();
  return order.known && !order.nobody ? std::min<Duration>(kPatience, left) : left;
}

bool Fetcher::may_use_known(const Order& order, const Error& error) const {
  return order.known && !order.nobody &&
         (error.code == Code::TrackerUnreachable || error.code == Code::TimedOut);
}

void Fetcher::on_entry(const OrderPointer& order, ByteSpan signed_entry, const GroupId& group,
                       const std::string& group_name) {
  auto entry = trust::CatalogueEntry::open(signed_entry);
  if (!entry || entry->group != group || entry->name != order->wanted.name() || !around_.tracker.target() ||
      entry->tracker != around_.tracker.target()->tracker) {
    finish(order, fail(Code::Integrity, "the catalogue entry is not what its publisher signed",
                       "tell the publisher; do not trust this share"));
    return;
  }
  auto geometry = meta::Geometry::make(entry->size, entry->piece_length);
  if (!geometry) {
    finish(order, fail(geometry.error()));
    return;
  }
  if (auto status = check_new({group, entry->info_hash}); !status) {
    finish(order, fail(status.error()));
    return;
  }
  auto& row = order->row;
  row.id = trust::random_id<DownloadId>();
  row.kind = storage::TransferKind::Download;
  row.state = TransferState::Downloading;
  row.group = group;
  row.group_name = group_name;
  row.name = entry->name;
  row.info_hash = entry->info_hash;
  row.size = entry->size;
  row.piece_length = entry->piece_length;
  row.sha1 = entry->sha1;
  row.entry = to_bytes(signed_entry);
  row.added = around_.clock.now(io::boot_now(), io::wall_now()).seconds;
  order->publisher_key = entry->device_key;
  order->list_bytes = meta::piece_list_bytes(geometry->pieces());
  order->target = order->wanted.output().empty() ? around_.options.download_dir : order->wanted.output();
  settle(order);
}

void Fetcher::settle(const OrderPointer& order) {
  auto taken = settled_;
  for (const auto& [id, transfer] : around_.transfers.all())
    if (!transfer->is_complete() && transfer->phase() != Transfer::Phase::Failed)
      taken.insert(transfer->row().path);
  scope_.run(
      around_.disk,
      [order, taken = std::move(taken)]() -> Status {
        auto row = order->row;
        auto status = settle_target(order->target, order->wanted.on_exist(), taken, row);
        if (status) order->row = std::move(row);
        return status;
      },
      [this, order](const Status& status) {
        if (is_open(order)) on_target(order, status);
      });
}

// A device takes part in a share once.
Status Fetcher::check_new(const ShareKey& share) const {
  const auto* same = around_.transfers.find(share);
  if (same == nullptr && starting_.contains(share))
    return fail(Code::Exists, "another command starts this download just now", "p2pctl download list");
  if (same == nullptr) return {};
  if (same->is_complete())
    return fail(Code::Exists, "this device has it already: " + same->row().path, "copy it from there");
  const auto id = same->row().id.hex();
  return fail(Code::Exists, fmt::format("download {} fetches it already", id), "p2pctl download show " + id);
}

void Fetcher::on_target(const OrderPointer& order, const Status& status) {
  if (!status) {
    finish(order, fail(status.error()));
  } else if (order->list_bytes > limits::kMetadataBytes) {
    finish(order, fail(Code::Limit, "its piece list is over the limit"));
  } else if (!settled_.insert(order->row.path).second) {
    settle(order);  // another command settled on the same path meanwhile
  } else {
    order->settled = true;  // until this command is answered; from then on the transfer's row says it
    get_piece_list(order);
  }
}

// --- the piece list ----------------------------------------------------------------------------------

void Fetcher::get_piece_list(const OrderPointer& order) {
  if (order->without_tracker && order->list_bytes > 0) ask_members(order);
  else read_piece_list(order);
}

void Fetcher::read_piece_list(const OrderPointer& order) {
  if (order->piece_list.size() == order->list_bytes) return judge(order);
  pb::tracker::Request request;
  request.mutable_read_metadata()->set_group_id(order->row.group.raw());
  request.mutable_read_metadata()->set_info_hash(order->row.info_hash.raw());
  request.mutable_read_metadata()->set_offset(order->piece_list.size());
  around_.tracker.request(
      std::move(request), TrackerClient::Kind::Query, patience(*order),
      [this, order](const Result<pb::tracker::Response>& response) {
        if (!is_open(order)) return;
        if (!response && may_use_known(*order, response.error())) return ask_members(order);
        if (!response) return finish(order, fail(order->nobody.value_or(response.error())));
        const auto chunk = as_bytes(response->metadata().data());
        if (chunk.empty() || chunk.size() > order->list_bytes - order->piece_list.size())
          return finish(order,
                        fail(Code::Integrity, "the tracker's piece list has another length than the share"));
        order->piece_list.insert(order->piece_list.end(), chunk.begin(), chunk.end());
        read_piece_list(order);
      });
}

void Fetcher::ask_members(const OrderPointer& order) {
  order->without_tracker = true;
  around_.memory.find_devices(order->row.group, [this, order](std::vector<storage::KnownDevice> devices) {
    if (is_open(order)) on_devices(order, std::move(devices));
  });
}

// The publisher's device is the likeliest to have it; then those that were seen last.
void Fetcher::on_devices(const OrderPointer& order, std::vector<storage::KnownDevice> devices) {
  const DeviceId publisher{trust::fingerprint(order->publisher_key).bytes};
  std::stable_partition(devices.begin(), devices.end(),
                        [&](const auto& known) { return known.device == publisher; });
  std::vector<swarm::Candidate> candidates;
  for (const auto& known : devices)
    for (const auto& address : known.addresses)
      candidates.push_back({known.device, {address.host, address.port}});
  const auto& row = order->row;
  const auto geometry = meta::Geometry::make(row.size, row.piece_length);
  std::optional<io::SocketAddress> from;
  if (!around_.options.listen.is_unspecified()) from = around_.options.listen;
  fetches_[order] = std::make_unique<MetadataFetch>(
      MetadataFetch::Surroundings{around_.loop, around_.hash, around_.context, around_.memberships,
                                  around_.clock, around_.self, from},
      facts_of(row), *geometry, std::move(candidates), order->deadline - around_.loop.now(),
      [this, order](Result<MetadataFetch::Fetched> fetched) { on_fetched(order, std::move(fetched)); });
}

void Fetcher::on_fetched(const OrderPointer& order, Result<MetadataFetch::Fetched> fetched) {
  // It is what calls us.
  around_.loop.defer([old = std::shared_ptr<MetadataFetch>(std::move(fetches_[order]))] {});
  fetches_.erase(order);
  if (!fetched) {
    order->nobody = fetched.error();  // the tracker may come back before the time is over
    return read_piece_list(order);
  }
  order->piece_list = std::move(fetched->piece_list);
  accept(order, std::move(fetched->metainfo));
}

void Fetcher::judge(const OrderPointer& order) {
  scope_.run(
      around_.hash, [order] { return judge_piece_list(facts_of(order->row), order->piece_list); },
      [this, order](const Result<std::shared_ptr<const meta::Metainfo>>& metainfo) {
        if (!is_open(order)) return;
        if (!metainfo) finish(order, fail(metainfo.error()));
        else accept(order, *metainfo);
      });
}

// --- acceptance --------------------------------------------------------------------------------------

void Fetcher::accept(const OrderPointer& order, std::shared_ptr<const meta::Metainfo> shared) {
  const auto& row = order->row;
  const auto account = around_.transfers.account();
  if (auto status = check_new({row.group, row.info_hash}); !status) {
    finish(order, fail(status.error()));
    return;
  }
  starting_.insert({row.group, row.info_hash});
  scope_.run(
      around_.disk, [row]() -> Status { return make_part_file(row); },
      [this, order, shared, account](const Status& made) {
        if (!made) return give_up(order, made.error());
        if (!is_open(order)) return give_up(order, {});
        around_.store.run(
            scope_,
            [order, account](storage::StateDb& db) -> Status {
              return db.put_transfer_and_list(account, order->row, order->piece_list);
            },
            [this, order, shared, account](const Status& stored) {
              if (!stored) return give_up(order, stored.error());
              starting_.erase({order->row.group, order->row.info_hash});
              // What is durable goes on, whether or not its command could still be answered.
              if (account != around_.transfers.account())
                return finish(order, fail(logged_out_meanwhile("the download")));
              around_.transfers.add(order->row, shared);
              if (order->without_tracker)
                around_.memory.find_devices(order->row.group, [this, order](const auto& devices) {
                  around_.transfers.add_known(order->row.group, devices);
                });
              finish(order, order->row.id);
            });
      });
}

// Nothing of it stays.
void Fetcher::give_up(const OrderPointer& order, const Error& error) {
  starting_.erase({order->row.group, order->row.info_hash});
  around_.disk.submit([row = order->row] { remove_part_file(row); }, [] {});
  finish(order, fail(error));
}

}  // namespace p2p::peer
