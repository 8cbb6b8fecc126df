// SPDX-License-Identifier: MIT
// Where the registry is kept for good. Asynchronous and batched, so that a database on another machine
// and several trackers on one database need no other contract.
//
// A commit is conditional: it holds only if the scope still has the change number that the decision was
// made from. Several change sets may become durable together; each succeeds or conflicts by itself, and
// their callbacks come in the order of submission. A callback comes on the loop thread, never from
// inside the call, and not at all once the store is destroyed.
#pragma once

#include <functional>
#include <optional>

#include "daemon/base/result.h"
#include "daemon/tracker/model.h"

namespace p2p::tracker {

struct CommitResult {
  enum class Outcome : std::uint8_t {
    Ok,        // durable
    Conflict,  // the scope has another change number now; nothing was written
    Failed,    // the store could not write; nothing was written
  };
  Outcome outcome = Outcome::Ok;
  Error error = {};  // when failed
};

class Store {
 public:
  using CommitDone = std::function<void(const CommitResult&)>;
  using ScopeDone = std::function<void(Result<ScopeState>)>;
  using BytesDone = std::function<void(Result<Bytes>)>;

  virtual ~Store() = default;

  // Blocking; at start, before anything else.
  virtual Result<Snapshot> load() = 0;

  virtual void commit(ChangeSet change, CommitDone done) = 0;
  // The present state of one scope, and the answer remembered for a request if there is one.
  virtual void reload(Scope scope, std::optional<Remembered> request, ScopeDone done) = 0;
  // Up to limits::kMetadataChunkBytes of a share's piece list, from the offset. Empty at its end.
  virtual void read_piece_list(ShareKey share, std::uint64_t offset, BytesDone done) = 0;
};

}  // namespace p2p::tracker
