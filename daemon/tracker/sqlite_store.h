// SPDX-License-Identifier: MIT
// The default store: SQLite on one thread of its own, with group commit. While one batch is being
// written, the change sets that arrive wait and become the next batch: one fsync for all of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/io/work_pool.h"
#include "daemon/tracker/sqlite_rows.h"
#include "daemon/tracker/store.h"

namespace p2p::tracker {

class SqliteStore final : public Store {
 public:
  static Result<std::unique_ptr<SqliteStore>> open(io::Loop& loop, const std::string& path);
  SqliteStore(io::Loop& loop, SqliteRows rows);
  ~SqliteStore() override;  // finishes the batch that is being written; drops what waits

  Result<Snapshot> load() override;
  void commit(ChangeSet change, CommitDone done) override;
  void reload(Scope scope, std::optional<Remembered> request, ScopeDone done) override;
  void read_piece_list(ShareKey share, std::uint64_t offset, BytesDone done) override;

  // Copies the database into a new file: all that was acknowledged before, and perhaps what is while it
  // lasts. Steps of it and batches of changes take turns. What it gives is a file that has all of it and is
  // not synced.
  using CopyDone = std::function<void(Result<std::shared_ptr<storage::DatabaseCopy>>)>;
  void copy_to(std::string path, CopyDone done);

 private:
  void write_batch();
  void copy_more(std::shared_ptr<storage::DatabaseCopy> copy, CopyDone done);

  std::shared_ptr<SqliteRows> rows_;  // jobs own what they touch
  std::vector<ChangeSet> waiting_;
  std::vector<CommitDone> waiting_done_;
  bool writing_ = false;
  io::WorkPool pool_;
  io::WorkScope scope_;  // dies first: no callback after that
};

}  // namespace p2p::tracker
