// SPDX-License-Identifier: MIT
// The way of every mutating request: decided by the registry, made durable by the store, applied, and
// only then answered.
//
// One request of a scope (a group, an account) is under way at a time; further ones wait in the order of
// arrival, at most limits::kQueuedPerScope of them. States of a scope's first request:
//
//   deciding ──no change──▶ answered
//      │ ▲
//      │ └──────── reloading (the store had a newer state) ◀─┐
//      ▼                                                     │ conflict
//   committing ──ok──▶ applied, answered                     │
//      ├──────────────────────────────────────────────────────┘
//      └──failed──▶ answered with the store's error
#pragma once

#include <deque>
#include <map>

#include "daemon/tracker/registry.h"
#include "daemon/tracker/store.h"

namespace p2p::tracker {

class Mutations {
 public:
  class Listener {
   public:
    // The request is done: its change, if any, is durable and applied. May come from inside submit().
    virtual void on_decided(const Asked& asked, const Decision& decision) = 0;
    virtual void on_store_failed(const Error& error) = 0;

   protected:
    ~Listener() = default;
  };

  // All three must outlive this; the store must not call back later than that.
  Mutations(Registry& registry, Store& store, Listener& listener)
      : registry_(registry), store_(store), listener_(listener) {}

  void submit(Asked asked);
  bool idle() const { return lanes_.empty(); }

 private:
  struct Lane {
    std::deque<Asked> requests;  // the first is under way
    Decision decision;           // of the first
    int conflicts = 0;           // of the first
  };
  void advance(const Scope& scope);
  void on_committed(const Scope& scope, const CommitResult& result);
  void on_reloaded(const Scope& scope, Result<ScopeState> state);
  void finish_first(const Scope& scope, const Decision& decision);
  void refuse_first(const Scope& scope, const Error& error);

  Registry& registry_;
  Store& store_;
  Listener& listener_;
  std::map<Scope, Lane> lanes_;
};

}  // namespace p2p::tracker
