// SPDX-License-Identifier: MIT
// Phases, links and the swarm's actions. Pieces are in transfer_pieces.cc, files in transfer_storage.cc and
// transfer_finish.cc, pausing and the like in transfer_rest.cc, serving in transfer_upload.cc, what people
// see in transfer_view.cc.
#include "daemon/peer/transfer.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/check.h"
#include "daemon/base/log.h"

namespace p2p::peer {

using storage::TransferState;

Transfer::Transfer(TransferServices services, TransferOwner& owner, std::int64_t account,
                   storage::TransferRow row, std::shared_ptr<const meta::Metainfo> metainfo)
    : services_(services),
      owner_(owner),
      account_(account),
      row_(std::move(row)),
      metainfo_(std::move(metainfo)),
      phase_(row_.state == TransferState::Failed ? Phase::Failed : Phase::Hashing),
      book_(services.self, limits::kLinksWanted, services.random),
      started_(services.loop.now()),
      timer_(services.loop, bind<&Transfer::on_timer>(this)),
      checkpoint_timer_(services.loop, bind<&Transfer::on_checkpoint_timer>(this)),
      space_timer_(services.loop, bind<&Transfer::on_space_timer>(this)),
      company_timer_(services.loop, bind<&Transfer::check_arrived>(this)) {
  for (const auto& source : row_.sources) earlier_sources_[source.device] = source;
  if (row_.kind == storage::TransferKind::Share) book_.set_source();
}

Transfer::~Transfer() = default;

Greeting Transfer::greeting(Bytes grant) const {
  return {key(), std::move(grant), metainfo_->info_hash_v1()};
}

void Transfer::enter(Phase phase, std::string cause) {
  phase_ = phase;
  row_.cause = std::move(cause);
  owner_.on_transfer_changed(*this);
}

// Silent from here on, in every direction.
void Transfer::halt() {
  ++attempt_;
  scope_.emplace();
  timer_.cancel();
  space_timer_.cancel();
  checkpoint_timer_.cancel();
  company_timer_.cancel();
  close_links();
  services_.upload.forget(row_.id);
  services_.download.forget(row_.id);
  upload_allowance_ = 0;
  if (swarm_ != nullptr) {
    row_.sources = all_sources();
    for (const auto& source : row_.sources) earlier_sources_[source.device] = source;
    if (!is_complete()) {
      unsynced_have_ = swarm_->have().to_wire();
      row_.seconds += seconds_of(services_.loop.now() - started_);
    }
  }
  swarm_.reset();
  leaves_.reset();
  buffers_.clear();
  arrived_.clear();
  spare_buffers_.clear();
  verifier_.reset();
  verify_all_ = false;
  verify_failed_ = false;
  writes_in_flight_ = 0;
  dirty_bytes_ = 0;
  dirty_ = false;
  checkpointing_ = false;
}

void Transfer::fail_with(const Error& error) {
  log::warn("transfer failed", {{"name", row_.name}, {"group", row_.group_name}, {"cause", error.message}});
  halt();
  row_.code = code_name(error.code);
  row_.state = TransferState::Failed;
  enter(Phase::Failed, error.message);
  put_row();
}

void Transfer::set_published(storage::TransferRow row, std::shared_ptr<const meta::Metainfo> metainfo) {
  row_ = std::move(row);
  metainfo_ = std::move(metainfo);
}

void Transfer::set_state(TransferState state, std::string cause) {
  row_.state = state;
  if (state == TransferState::Failed) phase_ = Phase::Failed;
  row_.cause = std::move(cause);
  put_row();
  owner_.on_transfer_changed(*this);
}

void Transfer::set_queued(bool queued) {
  queued_ = queued;
  if (swarm_ == nullptr) return;
  swarm_->set_fetching(!queued_ && phase_ == Phase::Active, services_.loop.now());
  drain_actions();
}

void Transfer::set_open_pieces_max(std::uint32_t count) {
  open_pieces_max_ = std::max(count, 1u);
  spare_buffers_.clear();
  if (swarm_ == nullptr) return;
  swarm_->set_open_pieces_max(open_pieces_max_, services_.loop.now());
  drain_actions();
}

// --- links -------------------------------------------------------------------------------------------

void Transfer::add_link(PeerLink& link, bool fast, bool extended) {
  CHECK(swarm_ != nullptr && !has_link(link.device()));
  const auto session = swarm_->open_session(link.device(), {fast, extended}, services_.loop.now());
  links_[session] = {&link};
  sessions_by_device_[link.device()] = session;
  sessions_by_link_[&link] = session;
  book_.on_connected(link.device());
  measure(session, link);
  drain_actions();
}

void Transfer::measure(swarm::SessionId session, const PeerLink& link) {
  if (const auto trip = link.round_trip()) swarm_->on_round_trip(session, *trip);
}

void Transfer::remove_link(PeerLink& link) {
  const auto at = sessions_by_link_.find(&link);
  if (at == sessions_by_link_.end()) return;
  const auto session = at->second;
  detach(link);
  if (swarm_ == nullptr) return;
  swarm_->close_session(session, services_.loop.now());
  drain_actions();
}

void Transfer::detach(PeerLink& link) {
  links_.erase(sessions_by_link_.at(&link));
  sessions_by_link_.erase(&link);
  sessions_by_device_.erase(link.device());
  book_.on_disconnected(link.device(), services_.loop.now());
  if (links_.empty()) metadata_.reset();
}

PeerLink* Transfer::link_of(const DeviceId& device) const {
  const auto at = sessions_by_device_.find(device);
  return at != sessions_by_device_.end() ? links_.at(at->second).link : nullptr;
}

void Transfer::close_links() {
  std::vector<PeerLink*> links;
  for (const auto& [session, state] : links_) links.push_back(state.link);
  for (auto* link : links) {
    remove_link(*link);
    owner_.drop_link(*link);
  }
}

void Transfer::on_message(PeerLink& link, const wire::Message& message) {
  const auto at = sessions_by_link_.find(&link);
  if (at == sessions_by_link_.end() || swarm_ == nullptr) return;
  const auto session = at->second;
  if (const auto* piece = std::get_if<wire::Piece>(&message)) on_piece(session, *piece);
  else swarm_->on_message(session, message, services_.loop.now());
  drain_actions();
  const auto* request = std::get_if<wire::HashRequest>(&message);
  if (request != nullptr && swarm::LeafServer::concerns(request->range))
    answer_leaves(session, request->range);
  else if (swarm::MetadataServer::concerns(message)) answer_metadata(link, message);
}

// For members who have only the catalogue entry. The swarm has counted the message; what it closed is gone.
void Transfer::answer_metadata(PeerLink& link, const wire::Message& message) {
  const auto at = sessions_by_link_.find(&link);
  if (at == sessions_by_link_.end() || metainfo_->geometry().pieces() == 0) return;
  if (metadata_ == nullptr) metadata_ = std::make_unique<swarm::MetadataServer>(metainfo_);
  if (const auto answer = metadata_->answer(links_.at(at->second).asker, message)) link.send(*answer);
}

void Transfer::on_piece(swarm::SessionId session, const wire::Piece& piece) {
  const auto& block = piece.block;
  const auto verdict = swarm_->on_block(session, block, services_.loop.now());
  if (verdict == swarm::BlockVerdict::Compare) {
    compare_with_ours(links_.at(session).link->device(), piece);
    return;
  }
  if (verdict != swarm::BlockVerdict::Keep) return;
  CHECK(metainfo_->geometry().spans(block.piece, block.begin, block.length) &&
        piece.data.size() == block.length);
  auto& buffer = buffers_[block.piece];
  if (buffer == nullptr) buffer = piece_buffer(block.piece);
  std::copy(piece.data.begin(), piece.data.end(), buffer->data() + block.begin);
}

// --- the swarm's actions -----------------------------------------------------------------------------

void Transfer::drain_actions() {
  while (swarm_ != nullptr) {
    const auto action = swarm_->next_action();
    if (!action) break;
    act(*action);
  }
  arm_timer();
}

void Transfer::act(const swarm::Action& action) {
  if (const auto* send = std::get_if<swarm::Send>(&action)) {
    if (const auto at = links_.find(send->session); at != links_.end()) at->second.link->send(send->message);
  } else if (const auto* filled = std::get_if<swarm::PieceFilled>(&action)) {
    check_piece(filled->piece);
  } else if (const auto* discarded = std::get_if<swarm::PieceDiscarded>(&action)) {
    buffers_.erase(discarded->piece);
  } else if (const auto* compared = std::get_if<swarm::CompareBlock>(&action)) {
    compare_with_leaf(*compared);
  } else if (const auto* convicted = std::get_if<swarm::DeviceConvicted>(&action)) {
    ban(*convicted);
  } else if (const auto* ready = std::get_if<swarm::UploadReady>(&action)) {
    if (const auto at = links_.find(ready->session); at != links_.end()) pump_upload(*at->second.link);
  } else if (const auto* close = std::get_if<swarm::CloseSession>(&action)) {
    const auto at = links_.find(close->session);
    if (at == links_.end()) return;
    auto* link = at->second.link;
    log::debug("link closed by the swarm",
               {{"name", row_.name}, {"device", link->device().hex()}, {"cause", describe(close->reason)}});
    detach(*link);
    if (close->reason == swarm::CloseReason::NothingToExchange) book_.on_complete(link->device());
    else book_.on_fault(link->device(), services_.loop.now());
    owner_.drop_link(*link);
  } else if (std::holds_alternative<swarm::Completed>(action)) {
    finish();
  } else if (std::holds_alternative<swarm::AllowanceSpent>(action)) {
    services_.download.wait(row_.id);
    owner_.on_turn_wanted();
  }
}

// Blocks that it sent before it was found out may convict it again; who is only not let in for a while may be
// convicted still.
void Transfer::ban(const swarm::DeviceConvicted& convicted) {
  const auto now = services_.loop.now();
  if (book_.is_banned(convicted.device, now + limits::kOffenderPause)) return;
  log::warn("device banned", {{"name", row_.name},
                              {"group", row_.group_name},
                              {"device", convicted.device.hex()},
                              {"user", book_.user_of(convicted.device)},
                              {"cause", describe(convicted.reason)}});
  book_.ban(convicted.device, now + kBanTime);
}

void Transfer::arm_timer() { timer_.set_at(swarm_ != nullptr ? swarm_->next_deadline() : TimePoint::max()); }

void Transfer::on_timer() {
  if (swarm_ != nullptr) {
    if (!swarm_->complete())
      for (const auto& [session, one] : links_) measure(session, *one.link);
    swarm_->on_timer(services_.loop.now());
  }
  drain_actions();
}

void Transfer::stop(std::function<void()> done) {
  stop_done_ = std::move(done);
  timer_.cancel();
  space_timer_.cancel();
  checkpoint_timer_.cancel();
  close_links();
  if (swarm_ != nullptr) swarm_->set_fetching(false, services_.loop.now());
  if (phase_ == Phase::Finishing) return;  // on_finished() goes on
  stop_if_idle();
}

std::uint32_t Transfer::pieces_have() const {
  if (swarm_ != nullptr) return swarm_->have().count();
  return is_complete() && metainfo_ != nullptr ? metainfo_->geometry().pieces() : 0;
}

double Transfer::upload_rate() const {
  return swarm_ != nullptr ? swarm_->upload_rate(services_.loop.now()) : 0;
}
double Transfer::download_rate() const {
  return swarm_ != nullptr ? swarm_->download_rate(services_.loop.now()) : 0;
}

std::uint32_t Transfer::peers_served() const {
  if (swarm_ == nullptr) return 0;
  std::uint32_t count = 0;
  for (const auto& view : swarm_->sessions(services_.loop.now()))
    if (view.upload_rate > 0) ++count;
  return count;
}

}  // namespace p2p::peer
