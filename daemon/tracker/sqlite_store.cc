// SPDX-License-Identifier: MIT
#include "daemon/tracker/sqlite_store.h"

namespace p2p::tracker {

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(io::Loop& loop, const std::string& path) {
  auto rows = SqliteRows::open(path);
  if (!rows) return fail(rows.error());
  return std::make_unique<SqliteStore>(loop, std::move(*rows));
}

SqliteStore::SqliteStore(io::Loop& loop, SqliteRows rows)
    : rows_(std::make_shared<SqliteRows>(std::move(rows))), pool_(loop, "store", 1) {}

SqliteStore::~SqliteStore() = default;

Result<Snapshot> SqliteStore::load() { return rows_->load(); }

void SqliteStore::commit(ChangeSet change, CommitDone done) {
  waiting_.push_back(std::move(change));
  waiting_done_.push_back(std::move(done));
  if (!writing_) write_batch();
}

void SqliteStore::write_batch() {
  writing_ = true;
  auto batch = std::make_shared<const std::vector<ChangeSet>>(std::move(waiting_));
  auto callbacks = std::make_shared<const std::vector<CommitDone>>(std::move(waiting_done_));
  waiting_.clear();
  waiting_done_.clear();
  scope_.run(
      pool_, [rows = rows_, batch] { return rows->write(*batch); },
      [this, callbacks](std::vector<CommitResult> results) {
        // The next batch starts before the callbacks, so that the disk does not wait for them.
        writing_ = false;
        if (!waiting_.empty()) write_batch();
        for (std::size_t i = 0; i < results.size(); ++i) (*callbacks)[i](results[i]);
      });
}

void SqliteStore::reload(Scope scope, std::optional<Remembered> request, ScopeDone done) {
  scope_.run(
      pool_,
      [rows = rows_, scope = std::move(scope), request = std::move(request)] {
        return rows->load_scope(scope, request);
      },
      [done = std::move(done)](Result<ScopeState> state) { done(std::move(state)); });
}

void SqliteStore::copy_to(std::string path, CopyDone done) {
  scope_.run(
      pool_, [rows = rows_, path = std::move(path)] { return rows->copy_to(path); },
      [this, done = std::move(done)](Result<std::shared_ptr<storage::DatabaseCopy>> copy) {
        if (copy) copy_more(std::move(*copy), done);
        else done(fail(copy.error()));
      });
}

void SqliteStore::copy_more(std::shared_ptr<storage::DatabaseCopy> copy, CopyDone done) {
  scope_.run(
      pool_, [rows = rows_, copy] { return copy->step(); },
      [this, copy, done = std::move(done)](Result<bool> complete) {
        if (!complete) done(fail(complete.error()));
        else if (*complete) done(copy);
        else copy_more(copy, done);
      });
}

void SqliteStore::read_piece_list(ShareKey share, std::uint64_t offset, BytesDone done) {
  scope_.run(
      pool_, [rows = rows_, share, offset] { return rows->read_piece_list(share, offset); },
      [done = std::move(done)](Result<Bytes> chunk) { done(std::move(chunk)); });
}

}  // namespace p2p::tracker
