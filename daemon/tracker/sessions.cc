// SPDX-License-Identifier: MIT
#include "daemon/tracker/sessions.h"

#include "daemon/base/limits.h"
#include "daemon/base/log.h"

namespace p2p::tracker {

Sessions::Sessions(io::Loop& loop, const tls::Context& context, const Limits& limits, Listener& listener)
    : loop_(loop),
      context_(context),
      limits_(limits),
      listener_(listener),
      upload_budget_(std::make_shared<std::atomic<std::size_t>>(0)),
      reaper_(loop, bind<&Sessions::reap>(this)) {}

Result<io::SocketAddress> Sessions::listen(const io::SocketAddress& address) {
  io::Acceptor::Listener& self = *this;  // the base is ours alone to convert to
  acceptor_ = std::make_unique<io::Acceptor>(loop_, self);
  return acceptor_->listen(address);
}

void Sessions::stop() {
  acceptor_.reset();
  std::vector<Session*> all;
  for (const auto& [number, session] : sessions_) all.push_back(session.get());
  for (auto* session : all)
    session->end({Code::Closed, "the tracker stops", "the daemon connects again by itself"});
}

Session* Sessions::find(std::uint64_t number) {
  const auto found = sessions_.find(number);
  return found == sessions_.end() ? nullptr : found->second.get();
}

Session* Sessions::find(const DeviceId& device) {
  const auto found = by_device_.find(device);
  return found == by_device_.end() ? nullptr : found->second;
}

void Sessions::on_accept(std::unique_ptr<io::Stream> stream) {
  const auto remote = stream->remote();
  if (!remote) return;  // gone already
  make_room(source_of(*remote));
  const auto number = next_number_++;
  Session::Listener& self = *this;
  auto session = std::make_unique<Session>(loop_, number, std::move(stream), context_,
                                           Session::Times{limits_.offline_after}, upload_budget_, self);
  strangers_[number] = session.get();
  sessions_[number] = std::move(session);
}

void Sessions::make_room(const std::string& source) {
  std::size_t same_source = 0;
  Session* oldest = nullptr;
  Session* oldest_of_source = nullptr;
  const auto older = [](const Session* a, const Session* b) {
    return b == nullptr || a->last_heard() < b->last_heard();
  };
  for (const auto& [number, session] : strangers_) {
    if (older(session, oldest)) oldest = session;
    if (session->source() != source) continue;
    ++same_source;
    if (older(session, oldest_of_source)) oldest_of_source = session;
  }
  auto* victim = same_source >= limits_.unauthenticated_per_source    ? oldest_of_source
                 : strangers_.size() >= limits::kUnauthenticatedTotal ? oldest
                                                                      : nullptr;
  if (victim != nullptr) victim->end({Code::Busy, "too many connections that are not logged in"});
}

void Sessions::set_logged_in(Session& session, bool logged_in) {
  session.set_logged_in(logged_in);
  if (logged_in) strangers_.erase(session.number());
  else strangers_[session.number()] = &session;
}

void Sessions::on_session_open(Session& session) {
  if (auto* former = find(session.device()))
    former->end(
        {Code::Conflict, "this device has opened another session", "only one daemon may use a device's key"});
  by_device_[session.device()] = &session;
}

void Sessions::on_request(Session& session, std::uint64_t frame, const msg::Request& request) {
  listener_.on_request(session, frame, request);
}

void Sessions::on_session_ended(Session& session, const Error& reason) {
  if (reason.code == Code::Closed) {
    log::debug("session ended", {{"session", session.number()}, {"reason", reason.message}});
  } else if (const auto left_out = refused_.take(loop_.now())) {
    log::info("session cut", {{"address", session.remote().text()},
                              {"session", session.number()},
                              {"reason", reason.message},
                              {"left_out", *left_out}});
  }
  const auto found = sessions_.find(session.number());
  dead_.push_back(std::move(found->second));
  sessions_.erase(found);
  strangers_.erase(session.number());
  reaper_.set(Duration::zero());
  const auto current = by_device_.find(session.device());
  if (current == by_device_.end() || current->second != &session) return;
  by_device_.erase(current);
  listener_.on_session_ended(session);
}

void Sessions::reap() {
  std::vector<std::unique_ptr<Session>> dead;
  dead.swap(dead_);
}

}  // namespace p2p::tracker
