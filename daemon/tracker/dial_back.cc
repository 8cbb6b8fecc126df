// SPDX-License-Identifier: MIT
#include "daemon/tracker/dial_back.h"

#include <algorithm>

namespace p2p::tracker {

// One connection attempt. The TLS stream's own timer bounds it.
class DialBack::Probe final : private io::Transport::Listener {
 public:
  Probe(DialBack& owner, Waiting target) : owner_(owner), target_(std::move(target)) {}

  Status start() {
    auto stream = std::make_unique<io::Stream>(owner_.loop_);
    if (auto status = stream->connect(target_.address, owner_.from_); !status) return status;
    tls_ =
        std::make_unique<io::TlsStream>(owner_.loop_, std::move(stream), owner_.context_, tls::Side::Client);
    tls_->set_listener(this);
    return {};
  }
  const Waiting& target() const { return target_; }

 private:
  void on_open() override {
    const bool same = tls_->peer_fingerprint().bytes == target_.device.bytes;
    tls_->close();
    owner_.finish(*this, same ? Status{} : fail(Code::Integrity, "another device answers there"));
  }
  void on_bytes(ByteSpan) override {}
  void on_closed(const Error& reason) override { owner_.finish(*this, fail(reason)); }

  DialBack& owner_;
  const Waiting target_;
  std::unique_ptr<io::TlsStream> tls_;
};

DialBack::DialBack(io::Loop& loop, const trust::KeyPair& identity, std::optional<io::SocketAddress> from,
                   Listener& listener)
    : loop_(loop),
      context_(identity, tls::kPeerProtocol),
      from_(std::move(from)),
      listener_(listener),
      reaper_(loop, bind<&DialBack::reap>(this)) {}

DialBack::~DialBack() = default;

void DialBack::probe(const DeviceId& device, const io::SocketAddress& address) {
  forget(device);
  if (waiting_.size() >= kWaiting) take_first();  // its device asks again with its next heartbeat
  waiting_.push_back({device, address});
  is_waiting_.insert(device);
  reaper_.set(Duration::zero());
}

void DialBack::forget(const DeviceId& device) {
  if (is_waiting_.erase(device) > 0)
    std::erase_if(waiting_, [&](const Waiting& one) { return one.device == device; });
  if (const auto found = running_.find(device); found != running_.end()) {
    dead_.push_back(std::move(found->second));
    running_.erase(found);
    reaper_.set(Duration::zero());
  }
}

DialBack::Waiting DialBack::take_first() {
  auto first = std::move(waiting_.front());
  waiting_.pop_front();
  is_waiting_.erase(first.device);
  return first;
}

void DialBack::start_next() {
  while (!waiting_.empty() && running_.size() < kParallel) {
    auto target = take_first();
    const auto device = target.device;
    const auto address = target.address;
    auto probe = std::make_unique<Probe>(*this, std::move(target));
    const auto status = probe->start();
    if (status) running_[device] = std::move(probe);
    else listener_.on_probed(device, address, status);
  }
}

void DialBack::finish(Probe& probe, const Status& result) {
  const auto target = probe.target();
  const auto found = running_.find(target.device);
  if (found == running_.end() || found->second.get() != &probe) return;  // given up meanwhile
  dead_.push_back(std::move(found->second));
  running_.erase(found);
  reaper_.set(Duration::zero());
  listener_.on_probed(target.device, target.address, result);
}

// Probes die, and the next ones start, on a clean stack.
void DialBack::reap() {
  std::vector<std::unique_ptr<Probe>> dead;
  dead.swap(dead_);
  dead.clear();
  start_next();
}

}  // namespace p2p::tracker
