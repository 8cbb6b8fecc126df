// SPDX-License-Identifier: MIT
#include "daemon/tracker/mutations.h"

#include "daemon/base/check.h"
#include "daemon/base/limits.h"

namespace p2p::tracker {
namespace {

// Each conflict means that another writer made progress, so a few tries are enough.
constexpr int kConflictsPerRequest = 8;

Decision refusal(const Error& error) {
  Decision decision;
  decision.answer = error_response(error);
  return decision;
}

}  // namespace

void Mutations::submit(Asked asked) {
  const auto scope = registry_.scope_of(asked);
  if (!scope) {
    listener_.on_decided(asked, refusal(scope.error()));
    return;
  }
  auto& lane = lanes_[*scope];
  // The first request is under way and not part of the queue.
  if (lane.requests.size() > limits::kQueuedPerScope) {
    listener_.on_decided(asked,
                         refusal({Code::Busy, "too many changes are waiting", "try again in a moment"}));
    return;
  }
  lane.requests.push_back(std::move(asked));
  if (lane.requests.size() == 1) advance(*scope);
}

void Mutations::advance(const Scope& scope) {
  while (true) {
    auto& lane = lanes_.at(scope);
    if (lane.requests.empty()) {
      lanes_.erase(scope);
      return;
    }
    lane.decision = registry_.decide(lane.requests.front());
    if (lane.decision.change) {
      CHECK(lane.decision.change->scope == scope);
      store_.commit(*lane.decision.change,
                    [this, scope](const CommitResult& result) { on_committed(scope, result); });
      return;
    }
    finish_first(scope, lane.decision);
  }
}

void Mutations::finish_first(const Scope& scope, const Decision& decision) {
  auto& lane = lanes_.at(scope);
  const auto asked = std::move(lane.requests.front());
  const auto done = decision;  // a copy: it may be the lane's own
  lane.requests.pop_front();
  lane.conflicts = 0;
  listener_.on_decided(asked, done);
}

void Mutations::refuse_first(const Scope& scope, const Error& error) {
  finish_first(scope, refusal(error));
  advance(scope);
}

void Mutations::on_committed(const Scope& scope, const CommitResult& result) {
  auto& lane = lanes_.at(scope);
  switch (result.outcome) {
    case CommitResult::Outcome::Ok:
      registry_.apply(*lane.decision.change);
      finish_first(scope, lane.decision);
      advance(scope);
      return;
    case CommitResult::Outcome::Conflict:
      if (++lane.conflicts > kConflictsPerRequest) {
        refuse_first(scope, {Code::Busy, "the state changes too fast", "try again in a moment"});
        return;
      }
      store_.reload(scope, lane.decision.change->remembered,
                    [this, scope](Result<ScopeState> state) { on_reloaded(scope, std::move(state)); });
      return;
    case CommitResult::Outcome::Failed:
      refuse_first(scope, result.error.in("the tracker cannot store the change"));
      listener_.on_store_failed(result.error);
      return;
  }
}

void Mutations::on_reloaded(const Scope& scope, Result<ScopeState> state) {
  if (!state) {
    refuse_first(scope, state.error().in("the tracker cannot read its store"));
    listener_.on_store_failed(state.error());
    return;
  }
  registry_.replace(std::move(*state));
  advance(scope);
}

}  // namespace p2p::tracker
