// SPDX-License-Identifier: MIT
#include "daemon/peer/tracker_client.h"

#include <algorithm>
#include <fmt/format.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"

namespace p2p::peer {
namespace {

constexpr Duration kRetryMin = 100ms;

Error unreachable(const std::optional<trust::TrackerAddress>& target, const Error& why) {
  if (why.code == Code::TrackerChanged || why.code == Code::Integrity) return why;
  return {Code::TrackerUnreachable,
          fmt::format("the tracker {} cannot be reached: {}", target ? target->host_port.text() : "",
                      why.message),
          "transfers under way go on; try again when it is back, or see 'p2pctl status'"};
}

}  // namespace

TrackerClient::TrackerClient(io::Loop& loop, const tls::Context& context, const DeviceId& self,
                             std::optional<io::SocketAddress> from, Random& random, Listener& listener,
                             Duration answer_time)
    : loop_(loop),
      context_(context),
      self_(self),
      from_(std::move(from)),
      random_(random),
      listener_(listener),
      answer_time_(answer_time),
      retry_timer_(loop, bind<&TrackerClient::connect>(this)),
      deadline_timer_(loop, bind<&TrackerClient::on_deadline>(this)),
      heartbeat_timer_(loop, bind<&TrackerClient::on_heartbeat>(this)),
      silence_timer_(loop, bind<&TrackerClient::on_silence>(this)) {}

TrackerClient::~TrackerClient() {
  if (session_ != nullptr) session_->shutdown();
}

Duration TrackerClient::next_retry(Duration last) {
  return std::clamp<Duration>(last * 2, kRetryMin, kRetryMax);
}

void TrackerClient::set_target(std::optional<trust::TrackerAddress> target, std::vector<HostPort> others) {
  if (target == target_ && (session_ != nullptr || retry_timer_.is_set() || !target)) return;
  drop_session();
  target_ = std::move(target);
  others_ = std::move(others);
  next_address_ = 0;
  auto abandoned = std::move(waiting_);
  waiting_.clear();
  deadline_timer_.cancel();
  for (auto& [id, waiting] : abandoned)
    if (!waiting.once)
      loop_.defer([reply = std::move(waiting.reply)] { reply(fail(Code::Cancelled, "logged out")); });
  retry_ = Duration{};
  if (target_) connect();
}

void TrackerClient::connect() {
  retry_timer_.cancel();
  TrackerSession::Listener& listener = *this;
  const auto& address = next_address_ == 0 ? target_->host_port : others_[next_address_ - 1];
  session_ =
      std::make_unique<TrackerSession>(loop_, context_, self_, address, target_->tracker, from_, listener);
}

void TrackerClient::drop_session() {
  retry_timer_.cancel();
  heartbeat_timer_.cancel();
  silence_timer_.cancel();
  asked_at_.reset();
  if (session_ == nullptr) return;
  session_->shutdown();
  // It may be on the stack below us.
  loop_.defer([old = std::shared_ptr<TrackerSession>(std::move(session_))] {});
}

void TrackerClient::request(pb::tracker::Request request, Kind kind, Duration timeout, Reply reply) {
  if (!target_ || waiting_.size() >= kWaitingMax) {
    const auto code = target_ ? Code::Limit : Code::LoginRequired;
    loop_.defer([reply = std::move(reply), code] {
      reply(fail(code, code == Code::Limit ? "too many requests wait for the tracker"
                                           : "nobody is logged in on this device"));
    });
    return;
  }
  if (kind == Kind::Mutating) request.set_idempotency_key(trust::random_id<IdempotencyKey>().raw());
  const auto id = next_id_++;
  auto& waiting = waiting_[id];
  waiting = {std::move(request), loop_.now() + timeout, std::move(reply), is_attached(), false};
  if (waiting.sent) send(id, waiting.request);
  arm_deadline();
}

void TrackerClient::tell(pb::tracker::Request request, Reply reply) {
  if (!is_attached()) return;
  const auto id = next_id_++;
  send(id, request);
  if (reply == nullptr || waiting_.size() >= kWaitingMax) return;
  waiting_[id] = {{}, TimePoint::max(), std::move(reply), true, true};
}

void TrackerClient::finish(std::uint64_t id, Result<pb::tracker::Response> result) {
  const auto at = waiting_.find(id);
  if (at == waiting_.end()) return;
  const auto reply = std::move(at->second.reply);
  waiting_.erase(at);
  reply(std::move(result));
}

void TrackerClient::arm_deadline() {
  auto first = TimePoint::max();
  for (const auto& [id, waiting] : waiting_) first = std::min(first, waiting.deadline);
  deadline_timer_.set_at(first);
}

void TrackerClient::on_deadline() {
  std::vector<std::uint64_t> due;
  for (const auto& [id, waiting] : waiting_)
    if (waiting.deadline <= loop_.now()) due.push_back(id);
  const auto error = is_attached() ? Error{Code::TimedOut, "the tracker did not answer in time",
                                           "try again with a longer --timeout"}
                                   : unreachable(target_, last_error_);
  for (const auto id : due) finish(id, fail(error));
  arm_deadline();
}

void TrackerClient::on_heartbeat() {
  if (!is_attached()) return;
  pb::tracker::Request request;
  request.mutable_heartbeat();
  tell(std::move(request));
  heartbeat_timer_.set(heartbeat_);
}

// Every request is answered: what counts is the first one that nothing has come after.
void TrackerClient::send(std::uint64_t id, const pb::tracker::Request& request) {
  session_->send(id, request);
  const auto extra = std::chrono::seconds(request.ByteSizeLong() / kSlowest);
  if (asked_at_ == session_->heard()) {
    due_ += extra;
  } else {
    asked_at_ = session_->heard();
    due_ = loop_.now() + answer_time_ + extra;
  }
  silence_timer_.set_at(due_);
}

void TrackerClient::on_silence() {
  if (is_attached() && asked_at_ == session_->heard())
    on_session_ended(Error{Code::TimedOut, "it has fallen silent", {}});
}

void TrackerClient::on_session_hello(const TrackerSession::Hello& hello) {
  listener_.on_tracker_hello(hello);
}

pb::tracker::Attach TrackerClient::make_attach() { return listener_.make_tracker_attach(); }

void TrackerClient::on_session_attached(const pb::tracker::Attached& attached) {
  retry_ = Duration{};
  heartbeat_ = std::chrono::milliseconds(std::clamp(attached.heartbeat_ms(), 100u, 3'600'000u));
  heartbeat_timer_.set(heartbeat_);
  listener_.on_tracker_attached(attached);
  for (auto& [id, waiting] : waiting_) {
    if (!is_attached()) return;
    if (waiting.sent) continue;
    waiting.sent = true;
    send(id, waiting.request);
  }
}

void TrackerClient::on_session_response(std::uint64_t id, const pb::tracker::Response& response) {
  if (response.has_error()) {
    const auto& error = response.error();
    finish(id, fail(code_from_name(error.code()), printable(error.message()), printable(error.hint())));
  } else {
    finish(id, response);
  }
}

void TrackerClient::on_session_event(const pb::tracker::Event& event) { listener_.on_tracker_event(event); }

void TrackerClient::on_session_ended(const Error& reason) {
  const bool was_attached = heartbeat_timer_.is_set();
  last_error_ = reason;
  drop_session();
  std::erase_if(waiting_, [](const auto& entry) { return entry.second.once; });
  for (auto& [id, waiting] : waiting_) waiting.sent = false;
  if (was_attached) {
    log::warn("tracker session ended", {{"cause", reason.message}});
    listener_.on_tracker_lost(reason);
  }
  if (!target_) return;
  next_address_ = (next_address_ + 1) % (others_.size() + 1);
  const bool is_wrong = reason.code == Code::TrackerChanged || reason.code == Code::Integrity ||
                        reason.code == Code::Unsupported;
  if (is_wrong && others_.empty()) {
    // Waiting longer does not make it the right tracker.
    auto abandoned = std::move(waiting_);
    waiting_.clear();
    for (auto& [id, waiting] : abandoned)
      loop_.defer([reply = std::move(waiting.reply), reason] { reply(fail(reason)); });
  }
  retry_ = next_retry(retry_);
  retry_timer_.set(
      Duration(static_cast<Duration::rep>(static_cast<double>(retry_.count()) * (0.5 + random_.unit() / 2))));
  log::debug("tracker not reached", {{"cause", reason.message}, {"retry_ms", retry_ / 1ms}});
}

}  // namespace p2p::peer
