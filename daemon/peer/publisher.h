// SPDX-License-Identifier: MIT
// Turns a file of this machine into a share: hashes it on all cores, signs its catalogue entry, gives both
// to the tracker, and has it served.
//
//   accepted (row Hashing is durable) → hashing, with checkpoints → row Publishing is durable → piece list
//   uploaded, entry listed by the tracker → row Complete is durable → served
//
// Each arrow is taken again after a restart or when the tracker comes back; hashing goes on at the last
// checkpoint while the file is what it was then. A refusal by the tracker makes
// the share Failed with that cause. How the file is hashed is in file_hasher.h.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "daemon/peer/file_hasher.h"
#include "daemon/peer/transfers.h"

namespace p2p::peer {

// Why an unfinished download cannot be shared: it is served, as far as it has come, by itself.
Error being_downloaded(const Transfer& download);

class Publisher {
 public:
  static constexpr std::size_t kFilesAtOnce = 2;  // hashed; the others wait
  static constexpr std::uint64_t kSmallBytes =
      8 * limits::kMiB;  // of larger ones only one is hashed at a time
  static constexpr int kRetriesMax = 5;

  struct Surroundings {
    io::Loop& loop;
    io::WorkPool& hash;
    StateStore& store;
    TrackerClient& tracker;
    Transfers& transfers;
    const trust::KeyPair& identity;
    const TrackerClock& clock;
  };
  explicit Publisher(Surroundings around);
  ~Publisher();

  void set_user(const UserId& user) { user_ = user; }
  // Takes up every share of the account that is not yet served.
  void resume();
  // A new row in state Hashing, already durable.
  void begin(const DownloadId& id);
  void drop(const DownloadId& id);  // this share is given up
  void clear();                     // logged out
  std::size_t hashing() const { return hashing_.size(); }
  // One large file keeps all processors busy, and its memory is what two of them may not take.
  static bool may_begin_beside_large(std::uint64_t size) { return size <= kSmallBytes; }
  // What the tracker refused for the `failures`-th time: is it worth another try?
  static bool may_retry(Code refusal, int failures);

 private:
  struct Hashing;
  bool may_begin(std::uint64_t size) const;
  void look_for_checkpoint(const std::shared_ptr<Hashing>& hashing);
  void hash(const std::shared_ptr<Hashing>& hashing, meta::HashCheckpoint from);
  void keep(const std::shared_ptr<Hashing>& hashing, meta::HashCheckpoint checkpoint);
  void describe(const std::shared_ptr<Hashing>& hashing, FileHashes hashes);
  bool make_way(const storage::TransferRow& row);
  void on_described(const std::shared_ptr<Hashing>& hashing, std::shared_ptr<const meta::Metainfo> metainfo);
  bool is_current(const std::shared_ptr<Hashing>& hashing) const;
  void end_hashing(const DownloadId& id);
  void fail_share(const DownloadId& id, const Error& error);
  void publish(const DownloadId& id);
  void upload_metadata(const DownloadId& id, const std::string& upload_id, std::shared_ptr<const Bytes> list,
                       std::size_t offset);
  void list(const DownloadId& id, const std::string& upload_id);
  void on_listed(const DownloadId& id, const Result<pb::tracker::Response>& response);

  Surroundings around_;
  UserId user_;
  std::map<DownloadId, std::shared_ptr<Hashing>> hashing_;
  std::set<DownloadId> publishing_;
  std::map<DownloadId, int> retries_;  // of uploads that a session did not survive
  io::Timer retry_timer_;
  io::WorkScope scope_;
};

}  // namespace p2p::peer
