// SPDX-License-Identifier: MIT
// This device's copy of one share: the file on disk, the swarm that decides, and the links that move its
// bytes. Publishing, fetching and serving are the same object in different phases.
//
//   Hashing     a new share is being read; no info-hash yet (Publisher does it)
//   Opening     the file is opened, compared with what is remembered, and where it differs verified
//   Active      the swarm runs: serves what it has, fetches what it lacks
//   NoSpace     Active, but fetching waits for disk space; tried again every kSpaceRetry
//   Finishing   all pieces are stored: sync, final name, durable row
//   Resting     neither serves nor fetches, and may again: paused, held (its file changed or is gone, it
//               was unshared or withdrawn), or barred (its user is not in the group)
//   Failed      see cause(); nothing is served; an unfinished download may be resumed
//
// Whatever ends the Active phase goes through halt(): links close in the same turn, jobs under way are
// forgotten, and what was stored is kept for the next open(). A job that was forgotten may still write a
// verified piece into the part file; that is why discard() waits for an open() under way only: a write
// to a removed file harms nobody.
//
// How a block gets from a link to the disk: on_link_message → swarm says Keep → copied into the piece's
// buffer → PieceFilled → hash pool: SHA-1 and SHA-256 root → disk pool: one job → the swarm announces
// it. A piece whose root is wrong stays in its buffer until the swarm knows which blocks to fetch again, or
// wants none of it (PieceDiscarded). The other way: the swarm hands out requests while the link is not full
// and the rate limit allows → disk pool: blocks read straight behind their message heads → one write to TLS.
//
// Durability: `row()` is in the database before a command reports success; verified pieces are committed
// after the data they speak of was synced, at most checkpoint_interval or kCheckpointBytes apart.
// Loop thread only; jobs on the pools own what they touch.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/io/timer.h"
#include "daemon/io/work_pool.h"
#include "daemon/meta/metainfo.h"
#include "daemon/peer/peer_link.h"
#include "daemon/peer/piece_verifier.h"
#include "daemon/peer/state_store.h"
#include "daemon/storage/payload_file.h"
#include "daemon/storage/state_db.h"
#include "daemon/swarm/leaf_exchange.h"
#include "daemon/swarm/metadata_exchange.h"
#include "daemon/swarm/peer_book.h"
#include "daemon/swarm/shared_limit.h"
#include "daemon/swarm/swarm.h"
#include "proto/control.pb.h"

namespace p2p::peer {

// What all transfers of the daemon share. Everything outlives them.
struct TransferServices {
  io::Loop& loop;
  io::WorkPool& disk;
  io::WorkPool& hash;
  io::WorkPool& background;  // what nobody waits for
  StateStore& store;
  Random& random;
  swarm::SharedLimit& upload;
  swarm::SharedLimit& download;
  DeviceId self;
  Duration checkpoint_interval;
};

class Transfer;

class TransferOwner {
 public:
  // Phase, completeness or cause changed: the tracker and waiting commands want to know.
  virtual void on_transfer_changed(Transfer& transfer) = 0;
  // The swarm closed this link, or its transfer did.
  virtual void drop_link(PeerLink& link) = 0;
  // The transfer has lined up at a rate limit: it is to get its turns.
  virtual void on_turn_wanted() = 0;
  // Its book may give somebody to dial.
  virtual void on_dial_wanted() = 0;

 protected:
  ~TransferOwner() = default;
};

class Transfer {
 public:
  enum class Phase : std::uint8_t { Hashing, Opening, Active, NoSpace, Finishing, Resting, Failed };
  using Done = std::function<void(const Status&)>;

  static constexpr std::size_t kCheckpointBytes = 64 * limits::kMiB;
  static constexpr Duration kSpaceRetry = 2s;
  // SHA-1 of several pieces side by side costs a third. So a piece waits so long at most for others that come
  // in that time, if it is worthwhile, while it and they are no more than a part of all open pieces.
  static constexpr Duration kCompanyTime = 75ms;
  static constexpr std::size_t kCompanyLeast = 4;
  static constexpr std::size_t kOpenParts = 3;
  // How many are hashed together at this rate; 1: each at once.
  static std::size_t pieces_together(double bytes_per_second, std::uint32_t piece_length,
                                     std::uint32_t open_pieces);
  static constexpr Duration kBanTime = 24h;  // of a device that was convicted, in this share

  // `metainfo` is null while hashing.
  Transfer(TransferServices services, TransferOwner& owner, std::int64_t account, storage::TransferRow row,
           std::shared_ptr<const meta::Metainfo> metainfo);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  const storage::TransferRow& row() const { return row_; }
  ShareKey key() const { return {row_.group, row_.info_hash}; }
  Phase phase() const { return phase_; }
  const std::string& cause() const { return barred_.empty() ? row_.cause : barred_; }
  bool is_complete() const { return row_.state == storage::TransferState::Complete; }
  bool is_serving() const { return swarm_ != nullptr; }
  bool is_barred() const { return !barred_.empty(); }
  // Its file is not there now as it was shared; served again when it is.
  bool is_waiting_for_file() const {
    return row_.hold == storage::Hold::Changed || row_.hold == storage::Hold::Missing;
  }
  bool is_discarded() const { return discard_done_ != nullptr; }
  // Does this row speak for its share? Not one that failed, was unshared or withdrawn.
  bool takes_part() const {
    return phase_ != Phase::Failed && (row_.hold == storage::Hold::None || is_waiting_for_file());
  }
  const std::shared_ptr<const meta::Metainfo>& metainfo() const { return metainfo_; }
  swarm::PeerBook& book() { return book_; }
  Greeting greeting(Bytes grant) const;

  // Opens the file where the row says that it is served or fetched; Active follows by itself.
  void start();
  // Publisher: hashing is done; the row is to become `row`.
  void set_published(storage::TransferRow row, std::shared_ptr<const meta::Metainfo> metainfo);
  void set_hashing_progress(std::uint64_t bytes) { hashed_bytes_ = bytes; }
  std::uint64_t hashed_bytes() const { return hashed_bytes_; }
  void set_state(storage::TransferState state, std::string cause);  // and store it
  void fail_with(const Error& error);                               // Failed, and stored

  // What it fetches or serves ends in this turn; `done` when the row says so.
  void pause(Done done);
  void hold(storage::Hold why, const Error& cause, Done done);
  // Goes on after a pause or a failure, or looks for its file again; needs metainfo() to move.
  void resume(Done done);
  // Not empty: its user is not in the group, and why. Empty: is again.
  void set_barred(std::string cause);
  // What is at the path of a complete file now.
  void look(const Result<storage::FileIdentity>& found);
  // Silent, and its row is written no more: it is being removed.
  void end();
  // Ends all, for good; `done` when its part file is gone from the disk.
  void discard(Done done);
  // Only some downloads fetch at a time; the others are queued.
  void set_queued(bool queued);
  void set_open_pieces_max(std::uint32_t count);

  void add_link(PeerLink& link, bool fast, bool extended);
  void remove_link(PeerLink& link);
  std::size_t links() const { return links_.size(); }
  bool has_link(const DeviceId& device) const { return sessions_by_device_.contains(device); }
  PeerLink* link_of(const DeviceId& device) const;
  void on_message(PeerLink& link, const wire::Message& message);
  void pump_upload(PeerLink& link);
  // Its turn at a rate limit: what it may send, or ask for.
  void upload_turn(std::uint64_t bytes);
  void download_turn(std::uint64_t bytes);
  void on_limits_changed();
  void close_links();

  // The last checkpoint of an orderly stop; `done` once everything is on disk.
  void stop(std::function<void()> done);

  void fill(pb::control::Download& view) const;
  void fill(pb::control::File& view) const;
  std::uint32_t pieces_have() const;
  double upload_rate() const;
  double download_rate() const;
  std::uint32_t peers_served() const;
  const std::string& error_code() const { return row_.code; }

 private:
  struct LinkState {
    PeerLink* link;
    std::size_t reading_bytes = 0;  // asked of the disk, not yet sent
    swarm::MetadataServer::Asker asker = {};
    swarm::LeafServer::Asker leaf_asker = {};
  };
  struct OpenResult {
    Result<std::shared_ptr<storage::PayloadFile>> file = fail(Code::Internal, "not opened");
    storage::FileIdentity identity;
    std::vector<PieceIndex> to_verify;  // pieces with data in a part file
    bool cut = false;                   // the part file is not as long as it was made
    bool renamed = false;               // complete under its final name, but not known as such
  };
  // A piece whose blocks are all there.
  struct Arrived {
    PieceIndex piece;
    std::shared_ptr<Buffer> data;
  };
  // What a pool thread found out about it.
  struct CheckedPiece {
    bool sha1_good = false;
    bool root_good = false;
    swarm::Evidence evidence = {};  // when the root is wrong
  };
  struct ReadBatch;
  struct ReadLeaves;

  // transfer.cc
  void enter(Phase phase, std::string cause);
  void halt();
  void drain_actions();
  void act(const swarm::Action& action);
  void ban(const swarm::DeviceConvicted& convicted);
  void arm_timer();
  void on_timer();
  void on_piece(swarm::SessionId session, const wire::Piece& piece);
  void detach(PeerLink& link);
  void measure(swarm::SessionId session, const PeerLink& link);
  void answer_metadata(PeerLink& link, const wire::Message& message);
  // transfer_rest.cc
  void store_rest(Done done);
  void remove_part_file();
  swarm::Bitfield stored_pieces() const;
  // transfer_storage.cc
  void open();
  void on_opened(OpenResult result);
  void on_open_failed(const Error& error);
  void verify(std::vector<PieceIndex> pieces);
  void on_verified();
  void activate();
  void wait_for_space(const std::string& cause);
  void on_space_timer();
  void on_checkpoint_timer();
  void checkpoint(std::function<void()> done);
  void put_row(Done done = nullptr);
  // transfer_pieces.cc
  std::shared_ptr<Buffer> piece_buffer(PieceIndex piece);
  void check_piece(PieceIndex piece);
  void check_arrived();
  bool judge(const Arrived& arrived, CheckedPiece checked);
  void write(const std::shared_ptr<std::vector<Arrived>>& pieces);
  void on_piece_written(const Arrived& arrived, const Status& status);
  void stop_if_idle();
  // One slow disk must not take all disk threads.
  io::WorkPool::Lane disk_lane() const { return opened_identity_.device; }
  // transfer_finish.cc
  void finish();
  void on_finished(Result<storage::FileIdentity> identity);
  void hash_whole_file();
  void on_whole_file_hashed(const Status& status, const Sha1& sha1);
  void on_file_changed(const Status& read);
  // transfer_leaves.cc
  void read_leaves(PieceIndex piece, std::function<void(const ReadLeaves&)> done);
  void judge_stored_piece(PieceIndex piece, const ReadLeaves& read);
  void compare_with_leaf(const swarm::CompareBlock& action);
  void compare_with_ours(const DeviceId& device, const wire::Piece& sent);
  void answer_leaves(swarm::SessionId session, const wire::HashRange& range);
  void on_leaves_read(swarm::SessionId session, const wire::HashRange& range, const ReadLeaves& read);
  // transfer_view.cc
  pb::control::DownloadState shown_state(std::string& cause) const;
  std::vector<storage::SourceBytes> all_sources() const;
  // transfer_upload.cc
  bool may_upload();
  void pump_uploads();
  void read_batch(LinkState& state, std::shared_ptr<ReadBatch> batch);
  void on_batch_read(swarm::SessionId session, const std::shared_ptr<ReadBatch>& batch, const Status& status);

  TransferServices services_;
  TransferOwner& owner_;
  std::int64_t account_;
  storage::TransferRow row_;
  std::shared_ptr<const meta::Metainfo> metainfo_;
  Phase phase_;
  std::shared_ptr<storage::PayloadFile> file_;
  std::unique_ptr<swarm::Swarm> swarm_;
  std::unique_ptr<swarm::MetadataServer> metadata_;  // while somebody asks
  std::unique_ptr<swarm::LeafServer> leaves_;        // since somebody has asked
  swarm::PeerBook book_;
  std::map<swarm::SessionId, LinkState> links_;
  std::map<DeviceId, swarm::SessionId> sessions_by_device_;
  std::map<PeerLink*, swarm::SessionId> sessions_by_link_;
  std::map<DeviceId, storage::SourceBytes> earlier_sources_;  // of earlier runs
  std::int64_t upload_allowance_ = 0;  // bytes it may send; without a limit not looked at
  swarm::SessionId last_upload_turn_{};
  bool queued_ = false;
  std::string barred_;
  std::uint32_t open_pieces_max_ = 8;
  std::uint64_t hashed_bytes_ = 0;

  std::map<PieceIndex, std::shared_ptr<Buffer>> buffers_;  // of pieces that have a block
  std::vector<Arrived> arrived_;                           // wait for others, to be hashed beside them
  std::vector<std::shared_ptr<Buffer>> spare_buffers_;     // never more in all than pieces that were open
  std::optional<Bytes> unsynced_have_;  // stored when it was halted; open() syncs before it is believed
  swarm::Bitfield verified_;            // while opening
  std::unique_ptr<PieceVerifier> verifier_;
  bool verify_all_ = false;
  bool verify_failed_ = false;
  storage::FileIdentity opened_identity_;
  std::size_t writes_in_flight_ = 0;
  std::size_t dirty_bytes_ = 0;
  bool dirty_ = false;
  bool checkpointing_ = false;
  TimePoint started_{};
  int reopened_ = 0;              // in a row, without the file having changed
  std::uint32_t attempt_ = 0;     // of open(); a halt makes it stale
  std::size_t opening_ = 0;       // open() jobs under way, stale ones too
  storage::FileIdentity judged_;  // the last one found not to be what was shared
  std::function<void()> stop_done_;
  Done discard_done_;
  bool removing_part_ = false;
  bool ended_ = false;

  io::Timer timer_;
  io::Timer checkpoint_timer_;
  io::Timer space_timer_;
  io::Timer company_timer_;
  std::optional<io::WorkScope> scope_{std::in_place};  // ends with each halt
  io::WorkScope lasting_;                              // of what must be heard nevertheless
};

}  // namespace p2p::peer
