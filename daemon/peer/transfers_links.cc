// SPDX-License-Identifier: MIT
// Links: who is let in, who is dialled, which of two stays, and what closes them.
#include <algorithm>

#include "daemon/base/log.h"
#include "daemon/peer/transfers.h"

namespace p2p::peer {

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
  if (around_.memberships.is_void(link.grant())) return false;
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
  if (link.is_dialled()) dials_.on_reached();
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
  on_changed_();
}

void Transfers::on_link_message(PeerLink& link, const wire::Message& message) {
  if (auto* transfer = transfer_of(link)) transfer->on_message(link, message);
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
      dials_.on_failed();
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
    if (link.is_dialled()) dials_.on_failed();
    else --greeting_;
  }
  link.close();
  around_.loop.defer([old = std::shared_ptr<PeerLink>(std::move(at->second))] {});
  links_.erase(at);
  if (!stopping_) dial_timer_.set(Duration(0));
}

void Transfers::dial_due() {
  if (stopping_) return;
  const auto now = around_.loop.now();
  auto next = TimePoint::max();
  for (auto& [id, transfer] : transfers_) {
    if (!transfer->is_serving()) continue;
    while (dials_.may_dial(now)) {
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
  if (membership == nullptr || membership->grant_bytes.empty()) {
    transfer.book().on_dial_failed(candidate.device, around_.loop.now());
    return;
  }
  PeerLinkOwner& owner = *this;
  auto link = std::make_unique<PeerLink>(around_.loop, around_.context, owner, candidate.device,
                                         transfer.greeting(membership->grant_bytes));
  std::optional<io::SocketAddress> from;
  if (!listening_.is_unspecified()) from = listening_;
  const auto now = around_.loop.now();
  dials_.on_dial(now);
  if (!link->start(address, from)) {
    dials_.on_failed();
    transfer.book().on_dial_failed(candidate.device, now);
    return;
  }
  links_.emplace(link.get(), std::move(link));
}

}  // namespace p2p::peer
