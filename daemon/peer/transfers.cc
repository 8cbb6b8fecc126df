// SPDX-License-Identifier: MIT
#include "daemon/peer/transfers.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/check.h"
#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/io/clock.h"

namespace p2p::peer {

using storage::TransferState;

namespace {

constexpr auto kGrantCheck = std::chrono::seconds(1);

}  // namespace

Transfers::Transfers(Surroundings around, Bound<> on_changed, Bound<> on_loaded)
    : around_(around),
      on_changed_(on_changed),
      on_loaded_(on_loaded),
      acceptor_(around.loop, *this),
      announce_timer_(around.loop, bind<&Transfers::on_announce_due>(this)),
      dial_timer_(around.loop, bind<&Transfers::dial_due>(this)),
      turn_timer_(around.loop, bind<&Transfers::give_turns>(this)),
      grant_timer_(around.loop, bind<&Transfers::on_grant_timer>(this)),
      check_timer_(around.loop, bind<&Transfers::check_files>(this)) {
  grant_timer_.set(kGrantCheck);
}

Transfers::~Transfers() = default;

Result<io::SocketAddress> Transfers::listen() {
  auto address = acceptor_.listen(around_.options.listen);
  if (address) listening_ = *address;
  return address;
}

WallTime Transfers::now_wall() const { return around_.clock.now(io::boot_now(), io::wall_now()); }

// --- the set -----------------------------------------------------------------------------------------

void Transfers::load(std::int64_t account, std::vector<storage::TransferRow> rows) {
  account_ = account;
  for (auto& row : rows) {
    const auto id = row.id;
    const bool has_pieces = !row.info_hash.is_zero();
    if (add(std::move(row), nullptr).takes_part() && has_pieces) load_metainfo(id);
  }
  check_timer_.set(around_.options.file_check_interval);
}

void Transfers::load_metainfo(const DownloadId& id) {
  around_.store.run(
      scope_, [id](storage::StateDb& db) { return db.piece_list(id); },
      [this, id](Result<Bytes> list) {
        auto* loaded = find(id);
        if (loaded == nullptr || loaded->metainfo() != nullptr) return;
        const auto stored = loaded->row();
        auto metainfo =
            list ? meta::Metainfo::from_piece_list(stored.name, stored.size, stored.piece_length, *list)
                 : Result<meta::Metainfo>(fail(list.error()));
        if (!metainfo || metainfo->info_hash() != stored.info_hash) {
          loaded->fail_with(
              Error{Code::Corrupt, "its stored metadata is damaged; share or fetch it again", {}});
          return;
        }
        set_published(*loaded, stored, std::make_shared<const meta::Metainfo>(std::move(*metainfo)));
        if (stored.state != TransferState::Publishing) loaded->start();
        else on_loaded_();
        on_changed_();
      });
}

void Transfers::unload() {
  std::vector<PeerLink*> links;
  // One that is being greeted finds nothing here; cutting it would tell the tracker, which may just be
  // trying whether this device can be reached, that it cannot.
  for (auto& [link, owned] : links_)
    if (link->is_open() || link->is_dialled()) links.push_back(link);
  for (auto& [id, transfer] : transfers_) transfer->close_links();
  for (auto* link : links)
    if (links_.contains(link)) drop_link(*link);
  // A transfer may be what calls us.
  auto old = std::make_shared<std::map<DownloadId, std::unique_ptr<Transfer>>>(std::move(transfers_));
  transfers_.clear();
  by_share_.clear();
  fetching_.clear();
  announced_.clear();
  announce_due_.clear();
  queued_.clear();
  turns_.clear();
  check_timer_.cancel();
  around_.loop.defer([old] {});
  account_ = 0;
}

Transfer& Transfers::add(storage::TransferRow row, std::shared_ptr<const meta::Metainfo> metainfo) {
  const auto id = row.id;
  const TransferServices services{
      around_.loop,   around_.disk, around_.hash, around_.background, around_.store,
      around_.random, upload_,      download_,    around_.self,       around_.options.checkpoint_interval};
  const bool ready = metainfo != nullptr;
  turns_[id] = next_turn_++;
  CHECK(!transfers_.contains(id));
  auto& transfer = transfers_[id];
  TransferOwner& owner = *this;
  transfer = std::make_unique<Transfer>(services, owner, account_, std::move(row), std::move(metainfo));
  by_share_.emplace(transfer->key(), transfer.get());
  if (!around_.memberships.is_in(transfer->row().group))
    transfer->set_barred(not_a_member(transfer->row().group_name));
  if (count_in(*transfer)) schedule();
  if (ready) transfer->start();
  return *transfer;
}

void Transfers::remove(const DownloadId& id, Done done) {
  const auto at = transfers_.find(id);
  if (at == transfers_.end()) {
    if (done) around_.loop.defer([done = std::move(done)] { done({}); });
    return;
  }
  at->second->end();
  announce_end(*at->second);
  forget_share(*at->second);
  if (fetching_.erase(id) > 0) schedule();
  around_.loop.defer([old = std::shared_ptr<Transfer>(std::move(at->second))] {});
  transfers_.erase(at);
  queued_.erase(id);
  turns_.erase(id);
  around_.store.run(
      scope_, [id](storage::StateDb& db) { return db.remove_transfer(id); },
      [done = std::move(done)](const Status& status) {
        if (!status) log::error("cannot remove a transfer", {{"cause", status.error().message}});
        if (done) done(status);
      });
  on_changed_();
}

Transfer* Transfers::find(const DownloadId& id) const {
  const auto at = transfers_.find(id);
  return at != transfers_.end() ? at->second.get() : nullptr;
}

Transfer* Transfers::find(const ShareKey& share) const {
  const auto [begin, end] = by_share_.equal_range(share);
  for (auto one = begin; one != end; ++one)
    if (one->second->takes_part()) return one->second;
  return nullptr;
}

void Transfers::forget_share(Transfer& transfer) {
  const auto [begin, end] = by_share_.equal_range(transfer.key());
  const auto at = std::find_if(begin, end, [&](const auto& one) { return one.second == &transfer; });
  CHECK(at != end);
  by_share_.erase(at);
}

void Transfers::set_published(Transfer& transfer, storage::TransferRow row,
                              std::shared_ptr<const meta::Metainfo> metainfo) {
  forget_share(transfer);
  transfer.set_published(std::move(row), std::move(metainfo));
  by_share_.emplace(transfer.key(), &transfer);
}

Result<Transfer*> Transfers::find_download(const std::string& id_prefix) const {
  Transfer* found = nullptr;
  for (const auto& [id, transfer] : transfers_) {
    if (transfer->row().kind != storage::TransferKind::Download || !id.hex().starts_with(id_prefix)) continue;
    if (found != nullptr)
      return fail(Code::InvalidArgument,
                  fmt::format("several downloads begin with '{}'", printable(id_prefix, 32)),
                  "write more of the id");
    found = transfer.get();
  }
  if (found == nullptr || id_prefix.empty())
    return fail(Code::NotFound, fmt::format("there is no download '{}'", printable(id_prefix, 32)),
                "p2pctl download list shows them");
  return found;
}

std::size_t Transfers::links_open() const {
  return static_cast<std::size_t>(
      std::count_if(links_.begin(), links_.end(), [](const auto& entry) { return entry.first->is_open(); }));
}

// Keeps fetching_; true when the order of those that fetch is concerned.
bool Transfers::count_in(const Transfer& transfer) {
  const auto& id = transfer.row().id;
  if (find(id) != &transfer) return false;  // it is going
  if (transfer.row().state != TransferState::Downloading || transfer.is_barred())
    return fetching_.erase(id) > 0;
  fetching_.insert(id);
  return true;
}

void Transfers::schedule() {
  if (scheduling_) return;
  scheduling_ = true;
  std::vector<Transfer*> fetching;
  for (const auto& id : fetching_) fetching.push_back(transfers_.at(id).get());
  std::sort(fetching.begin(), fetching.end(), [this](const Transfer* a, const Transfer* b) {
    return turns_.at(a->row().id) < turns_.at(b->row().id);
  });
  const auto active = std::min(fetching.size(), around_.options.max_active_downloads);
  for (std::size_t i = 0; i < fetching.size(); ++i) {
    const bool queue = i >= active;
    if (queued_.contains(fetching[i]->row().id) != queue) {
      if (queue) queued_.insert(fetching[i]->row().id);
      else queued_.erase(fetching[i]->row().id);
      fetching[i]->set_queued(queue);
    }
    fetching[i]->set_open_pieces_max(open_pieces(active, fetching[i]->row().piece_length));
  }
  scheduling_ = false;
}

std::uint32_t Transfers::open_pieces(std::size_t active, std::uint32_t piece_length) {
  const auto budget = limits::kUnverifiedBytes / std::max<std::size_t>(active, 1) / piece_length;
  return std::max(static_cast<std::uint32_t>(budget), 1u);
}

// --- commands and files ------------------------------------------------------------------------------

// Its turn is the last: the one that took its place is not driven out.
void Transfers::resume(Transfer& transfer, Done done) {
  turns_[transfer.row().id] = next_turn_++;
  transfer.resume(std::move(done));
  if (transfer.metainfo() == nullptr) load_metainfo(transfer.row().id);
  count_in(transfer);
  schedule();
}

void Transfers::discard(Transfer& transfer, Done done) {
  const auto id = transfer.row().id;
  transfer.discard([this, id, done = std::move(done)](const Status& removed) {
    if (!removed) return done(removed);  // the row stays, failed: its part file can still be given up
    remove(id, done);
  });
}

// One job for all: whether the files are still there, by their paths, as they were when they were verified.
void Transfers::check_files() {
  check_timer_.set(around_.options.file_check_interval);
  if (checking_) return;
  struct Looked {
    DownloadId id;
    std::string path;
    Result<storage::FileIdentity> found = fail(Code::Limit, "not looked at");
  };
  auto files = std::make_shared<std::vector<Looked>>();
  for (const auto& [id, transfer] : transfers_)
    if (transfer->is_complete() && transfer->takes_part()) files->push_back({id, transfer->row().path});
  if (files->empty()) return;
  checking_ = true;
  scope_.run(
      around_.disk,
      [files] {
        for (auto& file : *files) file.found = storage::identify_path(file.path);
        return true;
      },
      [this, files](bool) {
        checking_ = false;
        if (stopping_) return;
        for (const auto& file : *files)
          if (auto* transfer = find(file.id); transfer != nullptr && transfer->row().path == file.path)
            transfer->look(file.found);
      });
}

void Transfers::on_settings_changed() {
  if (check_timer_.is_set()) check_timer_.set(around_.options.file_check_interval);
  schedule();
}

// --- limits ------------------------------------------------------------------------------------------

void Transfers::set_limits(std::uint64_t upload, std::uint64_t download) {
  const auto now = around_.loop.now();
  upload_.set_rate(upload, now);
  download_.set_rate(download, now);
  for (auto& [id, transfer] : transfers_) transfer->on_limits_changed();
  arm_turn_timer();
}

// One line may have to wait longer than the other.
void Transfers::on_turn_wanted() { arm_turn_timer(); }

void Transfers::on_dial_wanted() {
  if (!stopping_) dial_timer_.set(Duration(0));
}

void Transfers::give_turns() {
  const auto now = around_.loop.now();
  while (const auto turn = upload_.next(now))
    if (auto* transfer = find(turn->who)) transfer->upload_turn(turn->bytes);
  while (const auto turn = download_.next(now))
    if (auto* transfer = find(turn->who)) transfer->download_turn(turn->bytes);
  arm_turn_timer();
}

void Transfers::arm_turn_timer() {
  const auto now = around_.loop.now();
  turn_timer_.set_at(std::min(upload_.next_deadline(now), download_.next_deadline(now)));
}

bool Transfers::is_over(const trust::Grant& grant, WallTime now) {
  return now > grant.not_after + limits::kGrantGrace;
}

void Transfers::on_grant_timer() {
  grant_timer_.set(kGrantCheck);
  const auto now = now_wall();
  std::vector<PeerLink*> ended;
  for (auto& [link, owned] : links_)
    if (link->is_open() && is_over(link->grant(), now)) ended.push_back(link);
  for (auto* link : ended) {
    log::info("link closed: its grant has ended", {{"device", link->device().hex()}});
    if (auto* transfer = transfer_of(*link)) transfer->remove_link(*link);
    drop_link(*link);
  }
}

void Transfers::on_transfer_changed(Transfer& transfer) {
  announce(transfer);
  if (count_in(transfer)) schedule();
  on_dial_wanted();
  on_changed_();
}

void Transfers::stop(std::function<void()> done) {
  stopping_ = true;
  announce_timer_.cancel();
  dial_timer_.cancel();
  turn_timer_.cancel();
  grant_timer_.cancel();
  check_timer_.cancel();
  stops_waiting_ = transfers_.size() + 1;
  const auto one_done = [this, done = std::move(done)] {
    if (--stops_waiting_ == 0) done();
  };
  for (auto& [id, transfer] : transfers_) transfer->stop(one_done);
  std::vector<PeerLink*> links;
  for (auto& [link, owned] : links_) links.push_back(link);
  for (auto* link : links) drop_link(*link);
  around_.loop.defer(one_done);
}

}  // namespace p2p::peer
