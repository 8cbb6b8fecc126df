// SPDX-License-Identifier: MIT
#include "daemon/peer/transfers.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/io/clock.h"

namespace p2p::peer {

using storage::TransferState;

namespace {

constexpr auto kGrantCheck = std::chrono::seconds(1);
constexpr Duration kAnnounceTogether = 10ms;
constexpr int kAnnouncedTogether = 1000;
constexpr double kBurstBytes = 64 * 1024;
constexpr double kBurstSeconds = 0.05;

pb::tracker::Activity activity_of(const Transfer& transfer) {
  if (!transfer.is_serving()) return pb::tracker::stopped;
  return transfer.is_complete() ? pb::tracker::seeding : pb::tracker::leeching;
}

}  // namespace

Transfers::Transfers(Surroundings around, Bound<> on_changed, Bound<> on_loaded)
    : around_(around),
      on_changed_(on_changed),
      on_loaded_(on_loaded),
      acceptor_(around.loop, *this),
      announce_timer_(around.loop, bind<&Transfers::on_announce_due>(this)),
      dial_timer_(around.loop, bind<&Transfers::dial_due>(this)),
      upload_timer_(around.loop, bind<&Transfers::on_upload_refilled>(this)),
      download_timer_(around.loop, bind<&Transfers::on_download_refilled>(this)),
      grant_timer_(around.loop, bind<&Transfers::on_grant_timer>(this)) {
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
    auto& transfer = add(std::move(row), nullptr);
    if (!has_pieces || transfer.row().state == TransferState::Failed) continue;
    around_.store.run(
        scope_, [id](storage::StateDb& db) { return db.piece_list(id); },
        [this, id](Result<Bytes> list) {
          auto* loaded = find(id);
          if (loaded == nullptr) return;
          const auto& stored = loaded->row();
          auto metainfo =
              list ? meta::Metainfo::from_piece_list(stored.name, stored.size, stored.piece_length, *list)
                   : Result<meta::Metainfo>(fail(list.error()));
          if (!metainfo || metainfo->info_hash() != stored.info_hash) {
            loaded->set_state(TransferState::Failed,
                              "its stored metadata is damaged; share or fetch it again");
            return;
          }
          loaded->set_published(stored, std::make_shared<const meta::Metainfo>(std::move(*metainfo)));
          if (stored.state != TransferState::Publishing) loaded->open();
          else on_loaded_();
          on_changed_();
        });
  }
}

void Transfers::unload() {
  std::vector<PeerLink*> links;
  for (auto& [link, owned] : links_) links.push_back(link);
  for (auto& [id, transfer] : transfers_) transfer->close_links();
  for (auto* link : links)
    if (links_.contains(link)) drop_link(*link);
  // A transfer may be what calls us.
  auto old = std::make_shared<std::map<DownloadId, std::unique_ptr<Transfer>>>(std::move(transfers_));
  transfers_.clear();
  announced_.clear();
  announce_due_.clear();
  queued_.clear();
  around_.loop.defer([old] {});
  account_ = 0;
}

Transfer& Transfers::add(storage::TransferRow row, std::shared_ptr<const meta::Metainfo> metainfo) {
  const auto id = row.id;
  const TransferServices services{around_.loop,  around_.disk,   around_.hash,
                                  around_.store, around_.random, upload_,
                                  download_,     around_.self,   around_.options.checkpoint_interval};
  const bool ready = metainfo != nullptr;
  auto& transfer = transfers_[id];
  TransferOwner& owner = *this;
  transfer = std::make_unique<Transfer>(services, owner, account_, std::move(row), std::move(metainfo));
  schedule();
  if (ready) transfer->open();
  return *transfer;
}

void Transfers::remove(const DownloadId& id) {
  const auto at = transfers_.find(id);
  if (at == transfers_.end()) return;
  at->second->close_links();
  around_.loop.defer([old = std::shared_ptr<Transfer>(std::move(at->second))] {});
  transfers_.erase(at);
  announced_.erase(id);
  around_.store.run(
      scope_, [id](storage::StateDb& db) { return db.remove_transfer(id); }, [](const Status&) {});
  schedule();
  on_changed_();
}

Transfer* Transfers::find(const DownloadId& id) const {
  const auto at = transfers_.find(id);
  return at != transfers_.end() ? at->second.get() : nullptr;
}

Transfer* Transfers::find(const ShareKey& share) const {
  for (const auto& [id, transfer] : transfers_)
    if (transfer->key() == share && transfer->phase() != Transfer::Phase::Failed) return transfer.get();
  return nullptr;
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

void Transfers::schedule() {
  if (scheduling_) return;
  scheduling_ = true;
  std::vector<Transfer*> fetching;
  for (const auto& [id, transfer] : transfers_)
    if (transfer->row().state == TransferState::Downloading) fetching.push_back(transfer.get());
  std::sort(fetching.begin(), fetching.end(), [](const Transfer* a, const Transfer* b) {
    return std::pair(a->row().added, a->row().id) < std::pair(b->row().added, b->row().id);
  });
  const auto active = std::min(fetching.size(), around_.options.max_active_downloads);
  for (std::size_t i = 0; i < fetching.size(); ++i) {
    const bool queue = i >= active;
    if (queued_.contains(fetching[i]->row().id) != queue) {
      if (queue) queued_.insert(fetching[i]->row().id);
      else queued_.erase(fetching[i]->row().id);
      fetching[i]->set_queued(queue);
    }
    const auto budget =
        limits::kUnverifiedBytes / std::max<std::size_t>(active, 1) / fetching[i]->row().piece_length;
    fetching[i]->set_open_pieces_max(static_cast<std::uint32_t>(budget));
  }
  scheduling_ = false;
}

// --- links -------------------------------------------------------------------------------------------

void Transfers::on_accept(std::unique_ptr<io::Stream> stream) {
  if (stopping_ || greeting_ >= limits::kUnauthenticatedTotal) return;
  PeerLinkOwner& owner = *this;
  auto link = std::make_unique<PeerLink>(around_.loop, around_.context, owner, std::move(stream));
  ++greeting_;
  links_.emplace(link.get(), std::move(link));
}

// Does the roster still know the user behind the link? A grant that is newer than the roster does.
bool Transfers::is_welcome(const PeerLink& link) const {
  const auto* membership = around_.memberships.find(link.share().group);
  if (membership == nullptr || membership->grant_bytes.empty()) return false;
  return !membership->roster || membership->roster->contains(link.grant().user) ||
         link.grant().epoch > membership->roster->epoch;
}

Transfer* Transfers::transfer_of(const PeerLink& link) const { return find(link.share()); }

// One silent refusal for everything: a share that is not there, not yours, or not served.
std::optional<PeerLinkOwner::Admission> Transfers::admit(PeerLink& link, const wire::Hello& hello) {
  auto grant = around_.memberships.check_grant(hello.grant, hello.share.group, link.device(), now_wall());
  auto* transfer = find(hello.share);
  const auto* membership = around_.memberships.find(hello.share.group);
  const char* refusal = nullptr;
  if (!grant) refusal = "grant";
  else if (transfer == nullptr || !transfer->is_serving()) refusal = "share not served";
  else if (transfer->book().is_banned(link.device(), around_.loop.now())) refusal = "banned";
  else if (membership->grant_bytes.empty()) refusal = "no grant of our own";
  else if (link.device() == around_.self) refusal = "ourselves";
  else if (transfer->links() >= limits::kLinksPerShare && !transfer->has_link(link.device()))
    refusal = "links of the share at their limit";
  if (refusal != nullptr) {
    log::info("peer refused", {{"remote", link.remote_text()},
                               {"device", link.device().hex()},
                               {"cause", grant ? refusal : grant.error().message}});
    return std::nullopt;
  }
  return Admission{std::move(*grant), transfer->greeting(membership->grant_bytes)};
}

void Transfers::on_link_open(PeerLink& link, bool fast, bool extended) {
  if (link.is_dialled()) --dialling_;
  else --greeting_;
  auto* transfer = transfer_of(link);
  // Membership may have ended between the hello and now.
  if (transfer == nullptr || !transfer->is_serving() || stopping_ || !is_welcome(link)) {
    if (transfer != nullptr && link.is_dialled())
      transfer->book().on_dial_failed(link.device(), around_.loop.now());
    drop_link(link);
    return;
  }
  if (auto* other = transfer->link_of(link.device())) {
    // Of two that crossed, the one dialled by the lower device id survives, on both sides.
    const auto& lower = std::min(around_.self, link.device());
    const auto dialler = [&](const PeerLink& l) { return l.is_dialled() ? around_.self : l.device(); };
    if (dialler(*other) == lower && dialler(link) != lower) {
      drop_link(link);
      transfer->book().on_connected(link.device());
      return;
    }
    transfer->remove_link(*other);
    drop_link(*other);
  }
  log::debug(
      "link open",
      {{"remote", link.remote_text()}, {"device", link.device().hex()}, {"name", transfer->row().name}});
  transfer->add_link(link, fast, extended);
  if (reading_paused_) link.pause_reading();
  on_changed_();
}

void Transfers::on_link_message(PeerLink& link, const wire::Message& message) {
  if (auto* transfer = transfer_of(link)) transfer->on_message(link, message);
  if (!download_.unlimited() && !reading_paused_ && download_.available(around_.loop.now()) <= 0) {
    reading_paused_ = true;
    for (auto& [other, owned] : links_) other->pause_reading();
    download_timer_.set_at(download_.when(1, around_.loop.now()));
  }
}

void Transfers::on_link_drained(PeerLink& link) {
  if (auto* transfer = transfer_of(link)) transfer->pump_upload(link);
}

void Transfers::on_link_closed(PeerLink& link, const Error& reason) {
  if (link.is_dialled() || reason.code == Code::Closed) {
    log::debug("link closed",
               {{"remote", link.remote_text()}, {"device", link.device().hex()}, {"cause", reason.message}});
  } else if (const auto left_out = refused_.take(around_.loop.now())) {
    log::info("link cut", {{"remote", link.remote_text()},
                           {"device", link.device().hex()},
                           {"cause", reason.message},
                           {"left_out", *left_out}});
  }
  const auto at = links_.find(&link);
  if (at == links_.end()) return;
  auto* transfer = transfer_of(link);
  const bool was_attached = transfer != nullptr && transfer->link_of(link.device()) == &link;
  if (was_attached) {
    transfer->remove_link(link);
  } else if (!link.was_open()) {
    if (link.is_dialled()) {
      --dialling_;
      if (transfer != nullptr) transfer->book().on_dial_failed(link.device(), around_.loop.now());
    } else {
      --greeting_;
    }
  }
  around_.loop.defer([old = std::shared_ptr<PeerLink>(std::move(at->second))] {});
  links_.erase(at);
  dial_timer_.set(Duration(0));
  on_changed_();
}

void Transfers::drop_link(PeerLink& link) {
  const auto at = links_.find(&link);
  if (at == links_.end()) return;
  if (!link.is_open() && !link.is_closed()) {
    if (link.is_dialled()) --dialling_;
    else --greeting_;
  }
  link.close();
  around_.loop.defer([old = std::shared_ptr<PeerLink>(std::move(at->second))] {});
  links_.erase(at);
  if (!stopping_) dial_timer_.set(Duration(0));
}

bool Transfers::may_dial(const io::SocketAddress& address) const {
  if (address.port == 0 || address.host.empty() || address.is_unspecified()) return false;
  if (address.is_loopback()) return around_.tracker.is_local();
  const bool multicast = address.host.size() == 4 ? address.host[0] >= 224 : address.host[0] == 0xff;
  const bool link_local = address.host.size() == 4
                              ? address.host[0] == 169 && address.host[1] == 254
                              : address.host[0] == 0xfe && (address.host[1] & 0xc0) == 0x80;
  return !multicast && !link_local;
}

void Transfers::dial_due() {
  if (stopping_) return;
  const auto now = around_.loop.now();
  auto next = TimePoint::max();
  for (auto& [id, transfer] : transfers_) {
    if (!transfer->is_serving()) continue;
    while (dialling_ < limits::kHalfOpenDials) {
      const auto candidate = transfer->book().next_dial(transfer->is_complete(), now);
      if (!candidate) break;
      dial(*transfer, *candidate);
    }
    next = std::min(next, transfer->book().next_deadline());
  }
  if (next != TimePoint::max()) dial_timer_.set(std::max(next - now, Duration(50ms)));
}

void Transfers::dial(Transfer& transfer, const swarm::Candidate& candidate) {
  const auto* membership = around_.memberships.find(transfer.row().group);
  const io::SocketAddress address{candidate.address.host, candidate.address.port};
  if (membership == nullptr || membership->grant_bytes.empty() || !may_dial(address)) {
    transfer.book().on_dial_failed(candidate.device, around_.loop.now());
    return;
  }
  PeerLinkOwner& owner = *this;
  auto link = std::make_unique<PeerLink>(around_.loop, around_.context, owner, candidate.device,
                                         transfer.greeting(membership->grant_bytes));
  std::optional<io::SocketAddress> from;
  if (!listening_.is_unspecified()) from = listening_;
  if (!link->start(address, from)) {
    transfer.book().on_dial_failed(candidate.device, around_.loop.now());
    return;
  }
  ++dialling_;
  links_.emplace(link.get(), std::move(link));
}

// --- limits ------------------------------------------------------------------------------------------

void Transfers::set_limits(std::uint64_t upload, std::uint64_t download) {
  upload_limit_ = upload;
  download_limit_ = download;
  const auto now = around_.loop.now();
  const auto up = static_cast<double>(upload);
  const auto down = static_cast<double>(download);
  upload_.set_limit(up, std::max(up * kBurstSeconds, kBurstBytes), now);
  download_.set_limit(down, std::max(down * kBurstSeconds, kBurstBytes), now);
  on_upload_refilled();
  on_download_refilled();
}

void Transfers::on_upload_limited() {
  if (!upload_timer_.is_set()) upload_timer_.set_at(upload_.when(1, around_.loop.now()));
}

void Transfers::on_upload_refilled() {
  upload_timer_.cancel();
  for (auto& [id, transfer] : transfers_) transfer->pump_uploads();
}

void Transfers::on_download_refilled() {
  download_timer_.cancel();
  if (!reading_paused_) return;
  reading_paused_ = false;
  for (auto& [link, owned] : links_) link->resume_reading();
}

void Transfers::on_grant_timer() {
  grant_timer_.set(kGrantCheck);
  const auto now = now_wall();
  std::vector<PeerLink*> ended;
  for (auto& [link, owned] : links_)
    if (link->is_open() && now > link->grant().not_after + limits::kGrantGrace) ended.push_back(link);
  for (auto* link : ended) {
    log::info("link closed: its grant has ended", {{"device", link->device().hex()}});
    if (auto* transfer = transfer_of(*link)) transfer->remove_link(*link);
    drop_link(*link);
  }
}

// --- the tracker -------------------------------------------------------------------------------------

void Transfers::announce(Transfer& transfer) {
  if (transfer.row().info_hash.is_zero() || !around_.tracker.is_attached()) return;
  const auto activity = activity_of(transfer);
  const auto known = announced_.find(transfer.row().id);
  if (known != announced_.end() ? known->second == activity : activity == pb::tracker::stopped) return;
  announced_[transfer.row().id] = activity;
  announce_due_.insert(transfer.row().id);
  if (!announce_timer_.is_set()) announce_timer_.set(kAnnounceTogether);
}

// What changed within a moment goes out in one request: a daemon may have thousands of shares.
void Transfers::on_announce_due() {
  if (!around_.tracker.is_attached()) return announce_due_.clear();
  pb::tracker::Request request;
  std::vector<Transfer*> leeching;
  while (!announce_due_.empty() && request.announce().shares_size() < kAnnouncedTogether) {
    auto* transfer = find(*announce_due_.begin());
    announce_due_.erase(announce_due_.begin());
    if (transfer == nullptr) continue;
    auto* share = request.mutable_announce()->add_shares();
    share->set_group_id(transfer->row().group.raw());
    share->set_info_hash(transfer->row().info_hash.raw());
    share->set_activity(activity_of(*transfer));
    share->set_pieces_have(transfer->pieces_have());
    if (share->activity() == pb::tracker::leeching) leeching.push_back(transfer);
  }
  around_.tracker.tell(std::move(request));
  for (auto* transfer : leeching) ask_peers(*transfer);
  if (!announce_due_.empty()) announce_timer_.set(kAnnounceTogether);
}

void Transfers::ask_peers(Transfer& transfer) {
  pb::tracker::Request request;
  request.mutable_get_peers()->set_group_id(transfer.row().group.raw());
  request.mutable_get_peers()->set_info_hash(transfer.row().info_hash.raw());
  around_.tracker.request(std::move(request), TrackerClient::Kind::Query, 30s,
                          [this](Result<pb::tracker::Response> response) {
                            if (response && response->has_peers()) on_peers(response->peers());
                          });
}

void Transfers::on_attached() {
  announced_.clear();
  announce_due_.clear();
  for (auto& [id, transfer] : transfers_) announce(*transfer);
}

void Transfers::on_peers(const pb::tracker::Peers& message) {
  const auto group = GroupId::from(message.group_id());
  const auto info_hash = InfoHash::from(message.info_hash());
  auto* transfer = group && info_hash ? find(ShareKey{*group, *info_hash}) : nullptr;
  if (transfer == nullptr) return;
  for (const auto& peer : message.peers()) {
    const auto device = DeviceId::from(peer.device_id());
    if (!device || *device == around_.self) continue;
    if (peer.activity() == pb::tracker::stopped) {
      transfer->book().remove(*device);
      continue;
    }
    std::vector<swarm::PeerAddress> addresses;
    for (const auto& address : peer.addresses())
      if (address.port() <= 65535 && (address.host().size() == 4 || address.host().size() == 16))
        addresses.push_back({to_bytes(as_bytes(address.host())), static_cast<std::uint16_t>(address.port())});
    const auto user = user_name(peer.user());
    transfer->book().add(*device, user ? *user : std::string(), std::move(addresses),
                         peer.activity() == pb::tracker::seeding, around_.loop.now());
  }
  dial_timer_.set(Duration(0));
}

void Transfers::on_roster_changed(const GroupId& group) {
  std::vector<PeerLink*> gone;
  for (auto& [link, owned] : links_)
    if (link->is_open() && link->share().group == group && !is_welcome(*link)) gone.push_back(link);
  for (auto* link : gone) {
    log::info("link closed: no longer a member", {{"device", link->device().hex()}});
    if (auto* transfer = transfer_of(*link)) transfer->remove_link(*link);
    drop_link(*link);
  }
}

void Transfers::on_membership_lost(const GroupId& group) {
  for (auto& [id, transfer] : transfers_)
    if (transfer->row().group == group) transfer->close_links();
}

void Transfers::on_transfer_changed(Transfer& transfer) {
  announce(transfer);
  schedule();
  if (!stopping_) dial_timer_.set(Duration(0));
  on_changed_();
}

void Transfers::stop(std::function<void()> done) {
  stopping_ = true;
  announce_timer_.cancel();
  dial_timer_.cancel();
  upload_timer_.cancel();
  download_timer_.cancel();
  grant_timer_.cancel();
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
