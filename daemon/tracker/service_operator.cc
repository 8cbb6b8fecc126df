// SPDX-License-Identifier: MIT
// Operations of the operator, and what members' sessions see of them.
#include "daemon/io/clock.h"
#include "daemon/tracker/service.h"

namespace p2p::tracker {

void Service::operate(Operation operation, Operated done) {
  Asked asked;
  asked.frame = next_operation_++;
  asked.now = io::wall_now();
  asked.grant_lifetime = std::chrono::duration_cast<std::chrono::seconds>(longest_grant_);
  asked.operation = std::move(operation);
  operations_[asked.frame] = std::move(done);
  mutations_.submit(std::move(asked));
}

void Service::on_operated(const Asked& asked, const Decision& decision) {
  for (const auto& notice : decision.notices) std::visit([this](const auto& one) { tell(one); }, notice);
  auto operation = operations_.extract(asked.frame);
  if (!operation.empty()) operation.mapped()(decision);
}

void Service::tell(const EndNotice& notice) {
  if (auto* session = sessions_.find(notice.device)) session->end(notice.reason);
}

}  // namespace p2p::tracker
