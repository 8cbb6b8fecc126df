// SPDX-License-Identifier: MIT
#include "daemon/peer/metadata_fetch.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/io/clock.h"

namespace p2p::peer {
namespace {

Error no_member() {
  return {Code::TrackerUnreachable, "the tracker is away, and no member who has this file can be reached",
          "try again when the tracker or one of them is back"};
}

}  // namespace

Result<std::shared_ptr<const meta::Metainfo>> judge_piece_list(const ShareFacts& share, ByteSpan piece_list) {
  auto metainfo = meta::Metainfo::from_piece_list(share.name, share.size, share.piece_length, piece_list);
  if (!metainfo || metainfo->info_hash() != share.key.info_hash)
    return fail(Code::Integrity, "the piece list does not fit what the publisher signed",
                "tell the publisher; do not trust this share");
  return std::make_shared<const meta::Metainfo>(std::move(*metainfo));
}

MetadataFetch::MetadataFetch(Surroundings around, ShareFacts share, const meta::Geometry& geometry,
                             std::vector<swarm::Candidate> candidates, Duration timeout, Done done,
                             Duration silence)
    : around_(std::move(around)),
      share_(std::move(share)),
      geometry_(geometry),
      candidates_(std::move(candidates)),
      done_(std::move(done)),
      silence_(silence),
      deadline_(around_.loop.now() + timeout),
      silence_timer_(around_.loop, bind<&MetadataFetch::on_silence>(this)),
      deadline_timer_(around_.loop, bind<&MetadataFetch::on_deadline>(this)) {
  std::reverse(candidates_.begin(), candidates_.end());
  deadline_timer_.set_at(deadline_);
  silence_timer_.set(Duration(0));  // begins to dial, on a clean stack
}

MetadataFetch::~MetadataFetch() {
  // One of them may be what calls us.
  for (auto& [link, owned] : links_) {
    link->close();
    around_.loop.defer([old = std::shared_ptr<PeerLink>(std::move(owned))] {});
  }
}

// --- dialling ----------------------------------------------------------------------------------------

void MetadataFetch::dial_next() {
  while (asked_ == nullptr && links_.size() < kDialsAtOnce && !candidates_.empty()) {
    const auto candidate = std::move(candidates_.back());
    candidates_.pop_back();
    dial(candidate);
  }
  if (links_.empty() && candidates_.empty() && !judging_) finish(fail(no_member()));
}

void MetadataFetch::dial(const swarm::Candidate& candidate) {
  const auto* membership = around_.memberships.find(share_.key.group);
  if (membership == nullptr || membership->grant_bytes.empty() || candidate.device == around_.self) return;
  PeerLinkOwner& owner = *this;
  auto link = std::make_unique<PeerLink>(around_.loop, around_.context, owner, candidate.device,
                                         Greeting{share_.key, membership->grant_bytes, std::nullopt});
  if (!link->start({candidate.address.host, candidate.address.port}, around_.from)) return;
  links_.emplace(link.get(), std::move(link));
}

std::optional<PeerLinkOwner::Admission> MetadataFetch::admit(PeerLink& link, const wire::Hello& hello) {
  auto grant = around_.memberships.check_grant(hello.grant, hello.share.group, link.device(),
                                               around_.clock.now(io::boot_now(), io::wall_now()));
  if (!grant) return std::nullopt;
  return Admission{std::move(*grant), {share_.key, {}, std::nullopt}};
}

void MetadataFetch::on_link_open(PeerLink& link, bool, bool extended) {
  if (!extended) return give_up(link, "it speaks no extensions");
  if (asked_ == nullptr) ask(link);
}

// Those that are open beside it wait for their turn.
void MetadataFetch::ask(PeerLink& link) {
  asked_ = &link;
  reader_.emplace(geometry_, share_.key.info_hash);
  for (const auto& message : reader_->opening()) link.send(message);
  turn_end_ = around_.loop.now() + (deadline_ - around_.loop.now()) / 3;
  await_answer();
}

// One that is open and not asked.
PeerLink* MetadataFetch::waiting() const {
  for (const auto& [link, owned] : links_)
    if (link != asked_ && link->is_open()) return link;
  return nullptr;
}

void MetadataFetch::await_answer() {
  const auto silent = around_.loop.now() + silence_;
  const bool alone = waiting() == nullptr && candidates_.empty();
  silence_timer_.set_at(alone ? silent : std::min(silent, turn_end_));
}

void MetadataFetch::on_link_message(PeerLink& link, const wire::Message& message) {
  if (&link != asked_ || !reader_) return;
  const auto answers = reader_->on_message(message);
  if (reader_->state() == swarm::MetadataReader::State::Failed) return give_up(link, reader_->failure());
  if (!answers.empty()) await_answer();
  for (const auto& answer : answers) link.send(answer);
  if (reader_->state() == swarm::MetadataReader::State::Complete) on_piece_list(link);
}

// --- the end of a link -------------------------------------------------------------------------------

void MetadataFetch::on_link_closed(PeerLink& link, const Error& reason) { give_up(link, reason.message); }

void MetadataFetch::give_up(PeerLink& link, std::string_view why) {
  log::debug("no metadata from a member",
             {{"device", link.device().hex()}, {"name", share_.name}, {"cause", std::string(why)}});
  const bool was_asked = &link == asked_;
  drop(link);
  if (was_asked) {
    asked_ = nullptr;
    reader_.reset();
    silence_timer_.cancel();
    if (auto* next = waiting()) return ask(*next);
  }
  dial_next();
}

void MetadataFetch::drop(PeerLink& link) {
  const auto at = links_.find(&link);
  if (at == links_.end()) return;
  link.close();
  around_.loop.defer([old = std::shared_ptr<PeerLink>(std::move(at->second))] {});
  links_.erase(at);
}

// Also the first call after the constructor.
void MetadataFetch::on_silence() {
  if (asked_ != nullptr) give_up(*asked_, "it does not answer");
  else dial_next();
}

void MetadataFetch::on_deadline() { finish(fail(no_member())); }

// --- the end of all ----------------------------------------------------------------------------------

void MetadataFetch::on_piece_list(PeerLink& link) {
  silence_timer_.cancel();
  auto list = std::make_shared<Bytes>(reader_->take_piece_list());
  reader_.reset();
  judging_ = true;
  scope_.run(
      around_.hash, [share = share_, list] { return judge_piece_list(share, *list); },
      [this, list, device = link.device()](const Result<std::shared_ptr<const meta::Metainfo>>& metainfo) {
        judging_ = false;
        if (metainfo) return finish(Fetched{*metainfo, std::move(*list)});
        log::warn("wrong metadata from a member", {{"device", device.hex()}, {"name", share_.name}});
        // It may have gone meanwhile, and another one be asked.
        if (asked_ != nullptr && asked_->device() == device) give_up(*asked_, "it gave a wrong piece list");
        else if (asked_ == nullptr) dial_next();
      });
}

void MetadataFetch::finish(Result<Fetched> result) {
  silence_timer_.cancel();
  deadline_timer_.cancel();
  if (const auto done = std::exchange(done_, nullptr)) done(std::move(result));
}

}  // namespace p2p::peer
