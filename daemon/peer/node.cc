// SPDX-License-Identifier: MIT
#include "daemon/peer/node.h"

#include <fmt/format.h>
#include <set>

#include "daemon/base/limits.h"
#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/io/clock.h"
#include "daemon/peer/tracker_probe.h"

namespace p2p::peer {
namespace {

constexpr unsigned kDiskThreads = 8;  // of which the files of one disk get half
// Hashing comes after what feeds it: a loop that has to wait for a thread that hashes leaves the line idle,
// and what is hashed later is a piece announced later. So it takes what the loops of all daemons leave.
constexpr int kHashNice = 10;
constexpr int kBackgroundNice = 19;
constexpr auto kWaitPoll = std::chrono::milliseconds(250);
constexpr auto kGrantRenewMin = std::chrono::seconds(1);
// The tracker is away for so long, and then every so often: members are looked for where they were last.
constexpr auto kAwayFirst = std::chrono::seconds(1);
constexpr auto kAwayAgain = std::chrono::seconds(60);

std::uint64_t random_seed() {
  const auto id = trust::random_id<DownloadId>();
  return ByteReader(id.bytes).u64();
}

std::optional<io::SocketAddress> specific(const io::SocketAddress& listen) {
  if (listen.is_unspecified()) return std::nullopt;
  return listen;
}

}  // namespace

Node::Node(io::Loop& loop, Options options, trust::KeyPair identity, storage::StateDb db,
           storage::State state)
    : loop_(loop),
      options_(std::move(options)),
      identity_(std::move(identity)),
      self_{trust::fingerprint(identity_.public_key()).bytes},
      random_(random_seed()),
      tracker_context_(identity_, tls::kTrackerProtocol),
      peer_context_(identity_, tls::kPeerProtocol),
      store_(loop, std::move(db)),
      disk_(loop, "p2pd-disk", kDiskThreads),
      hash_(loop, "p2pd-hash", std::max(1u, io::processors()), kHashNice),
      background_(loop, "p2pd-background", 1, kBackgroundNice),
      tracker_(loop, tracker_context_, self_, specific(options_.listen), random_, *this),
      group_memory_(loop, store_, tracker_, memberships_, random_),
      transfers_({loop, disk_, hash_, background_, store_, random_, memberships_, tracker_, clock_,
                  peer_context_, options_, self_},
                 bind<&Node::on_changed>(this), bind<&Node::on_loaded>(this)),
      publisher_({loop, hash_, store_, tracker_, transfers_, identity_, clock_}),
      fetcher_({loop, store_, disk_, hash_, tracker_, transfers_, memberships_, group_memory_, clock_,
                peer_context_, options_, self_}),
      control_(loop, {"p2pd " P2P_VERSION, limits::kControlFrameBytes, "ask for one group, or one file"},
               *this),
      wait_timer_(loop, bind<&Node::poll_waits>(this)),
      removal_timer_(loop, bind<&Node::poll_removals>(this)),
      grant_timer_(loop, bind<&Node::renew_grants>(this)),
      away_timer_(loop, bind<&Node::look_for_members>(this)) {
  transfers_.set_limits(options_.upload.value_or(state.upload_limit),
                        options_.download.value_or(state.download_limit));
  if (state.account) {
    account_ = state.account;
    account_->logged_in = false;
    if (state.account->logged_in) adopt(std::move(state));
  }
}

Node::~Node() { transfers_.unload(); }

Result<io::SocketAddress> Node::start() {
  auto address = transfers_.listen();
  if (!address) return address;
  if (auto status = control_.listen(options_.control_path); !status) return fail(status.error());
  if (is_logged_in()) {
    const auto target = trust::TrackerAddress::parse(account_->tracker);
    if (target) follow_tracker(*target);
    away_timer_.set(kAwayFirst);
  }
  return address;
}

std::string Node::status_line() const {
  std::size_t shares = 0;
  std::size_t downloads = 0;
  for (const auto& [id, transfer] : transfers_.all()) {
    if (transfer->is_complete()) ++shares;
    else if (transfer->row().kind == storage::TransferKind::Download) ++downloads;
  }
  const auto* connected = tracker_.is_attached() ? "connected" : "not connected";
  const auto who = is_logged_in() ? account_->user + ", " + connected : std::string("nobody is logged in");
  return fmt::format("{}; {} shares, {} downloads", who, shares, downloads);
}

void Node::reload(const Options& fresh) {
  // What was set by command meanwhile stays, unless the configuration itself says something new.
  const auto upload =
      fresh.upload != options_.upload && fresh.upload ? *fresh.upload : transfers_.upload_limit();
  const auto download =
      fresh.download != options_.download && fresh.download ? *fresh.download : transfers_.download_limit();
  options_.upload = fresh.upload;
  options_.download = fresh.download;
  options_.max_active_downloads = fresh.max_active_downloads;
  options_.file_check_interval = fresh.file_check_interval;
  transfers_.set_limits(upload, download);
  transfers_.on_settings_changed();
}

void Node::stop(std::function<void()> done) {
  for (const auto& wait : waits_)
    wait.call->refuse(
        Error{Code::Unfinished, "p2pd is stopping", "the work goes on when p2pd is started again"});
  waits_.clear();
  removals_.clear();
  removal_timer_.cancel();
  wait_timer_.cancel();
  grant_timer_.cancel();
  away_timer_.cancel();
  probe_.reset();
  control_.close();
  tracker_.set_target(std::nullopt);
  transfers_.stop(std::move(done));
}

// Makes the stored account the one in use.
void Node::adopt(storage::State state) {
  // Two logins at a time: the later one finds the first one's work and begins anew.
  end_users_calls();
  fetcher_.clear();
  publisher_.clear();
  transfers_.unload();
  account_ = std::move(state.account);
  group_memory_.set_account(account_->id);
  clock_.set_floor({account_->highest_time});
  memberships_.clear();
  if (const auto target = trust::TrackerAddress::parse(account_->tracker))
    if (auto keys = trust::KeySet::open(account_->key_set, target->tracker))
      memberships_.set_key_set(std::move(*keys));
  memberships_.load(state.memberships);
  memberships_.load(state.revocations);
  publisher_.set_user(account_->user_id);
  transfers_.load(account_->id, std::move(state.transfers));
  publisher_.resume();
}

void Node::leave_account(std::function<void(const Status&)> done) {
  end_users_calls();
  publisher_.clear();
  transfers_.unload();
  memberships_.clear();
  grant_timer_.cancel();
  away_timer_.cancel();
  group_memory_.set_account(0);
  fetcher_.clear();
  reachable_.reset();
  account_->logged_in = false;
  store_.run(
      scope_, [id = account_->id](storage::StateDb& db) { return db.leave(id); }, std::move(done));
}

// --- the tracker -------------------------------------------------------------------------------------

void Node::on_tracker_hello(const TrackerSession::Hello& hello) {
  clock_.set(hello.now, io::boot_now());
  memberships_.forget_revocations(hello.now);
  memberships_.set_key_set(hello.keys);
  pending_key_set_ = hello.key_set_bytes;
  if (!is_logged_in()) return;
  account_->highest_time = std::max(account_->highest_time, hello.now.seconds);
  store_.run(
      scope_,
      [id = account_->id, keys = hello.key_set_bytes, now = hello.now](storage::StateDb& db) {
        if (auto status = db.forget_revocations(id, now.seconds); !status) return status;
        return db.put_tracker_facts(id, keys, now.seconds);
      },
      [](const Status&) {});
}

pb::tracker::Attach Node::make_tracker_attach() {
  pb::tracker::Attach attach;
  attach.set_listen_port(transfers_.listening().port);
  for (const auto& [id, membership] : memberships_.all()) {
    auto* position = attach.add_positions();
    position->set_group_id(id.raw());
    position->set_epoch(membership.roster ? membership.roster->epoch : 0);
  }
  return attach;
}

void Node::on_tracker_attached(const pb::tracker::Attached& attached) {
  log::info("tracker attached", {{"account", attached.known() ? attached.account().user() : "-"}});
  away_timer_.cancel();
  if (attached.known() && is_logged_in() && attached.account().user_id() == account_->user_id.raw()) {
    group_memory_.on_attached();
    take_memberships(attached.memberships());
    for (const auto& revocation : attached.revocations()) take_revocation(as_bytes(revocation));
    transfers_.on_attached();
    publisher_.resume();
  } else if (is_logged_in()) {
    log::warn("the tracker no longer knows this device; log in again");
    leave_account([](const Status& status) {
      if (!status) log::error("cannot store the logout", {{"cause", status.error().message}});
    });
  }
  on_changed();
}

void Node::on_tracker_lost(const Error&) {
  reachable_.reset();
  group_memory_.on_lost();
  if (is_logged_in()) away_timer_.set(kAwayFirst);
  on_changed();
}

// All the addresses that are configured for the same tracker are tried.
void Node::follow_tracker(const trust::TrackerAddress& target) {
  std::vector<HostPort> others;
  for (const auto& other : options_.trackers)
    if (other.tracker == target.tracker && other.host_port != target.host_port)
      others.push_back(other.host_port);
  tracker_.set_target(target, std::move(others));
}

// Without the tracker, unfinished downloads try every device of their groups that is known.
void Node::look_for_members() {
  away_timer_.set(kAwayAgain);
  std::set<GroupId> groups;
  for (const auto& [id, transfer] : transfers_.all())
    if (!transfer->is_complete()) groups.insert(transfer->row().group);
  for (const auto& group : groups)
    group_memory_.find_devices(group, [this, group](const std::vector<storage::KnownDevice>& devices) {
      if (!tracker_.is_attached()) transfers_.add_known(group, devices);
    });
}

// At half the life of the grant that ends first.
void Node::renew_grants() {
  if (!is_logged_in()) return;
  const auto now = clock_.now(io::boot_now(), io::wall_now());
  auto first = std::chrono::seconds::max();
  for (const auto& [id, membership] : memberships_.all())
    if (membership.grant) {
      const auto begin = membership.grant->not_before.seconds + limits::kGrantBackdate.count();
      const auto half = begin + (membership.grant->not_after.seconds - begin) / 2;
      first = std::min(first, std::chrono::seconds(half - now.seconds));
    }
  if (first == std::chrono::seconds::max()) return;
  if (first.count() > 0) {
    grant_timer_.set(first);
    return;
  }
  grant_timer_.set(kGrantRenewMin);
  if (!tracker_.is_attached() || renewing_) return;
  renewing_ = true;
  pb::tracker::Request request;
  request.mutable_renew_grants();
  tracker_.request(std::move(request), TrackerClient::Kind::Query, 10s,
                   [this](Result<pb::tracker::Response> response) {
                     renewing_ = false;
                     if (response && response->has_memberships()) take_memberships(response->memberships());
                   });
}

// --- waiting commands --------------------------------------------------------------------------------

void Node::on_changed() {
  if (!waits_.empty()) wait_timer_.set(Duration(0));
}

void Node::add_wait(const CallPointer& call, std::function<bool(Call&)> poll) {
  if (poll(*call)) return;
  waits_.push_back({call, loop_.now(), std::move(poll)});
  if (!wait_timer_.is_set()) wait_timer_.set(kWaitPoll);
}

void Node::on_loaded() {
  if (tracker_.is_attached()) publisher_.resume();
}

void Node::poll_waits() {
  const auto now = loop_.now();
  for (auto wait = waits_.begin(); wait != waits_.end();) {
    const bool show = now - wait->shown >= kWaitPoll;
    if (show) wait->shown = now;
    wait->call->show_progress(show);
    wait = !wait->call->is_open() || wait->poll(*wait->call) ? waits_.erase(wait) : std::next(wait);
  }
  if (!waits_.empty()) wait_timer_.set(kWaitPoll);
}

}  // namespace p2p::peer
