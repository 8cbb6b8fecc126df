// SPDX-License-Identifier: MIT
#include "daemon/peer/piece_verifier.h"

#include <algorithm>
#include <utility>

#include "daemon/base/check.h"
#include "daemon/storage/piece_check.h"

namespace p2p::peer {

PieceVerifier::PieceVerifier(io::WorkPool& pool, std::shared_ptr<const storage::PayloadFile> file,
                             std::shared_ptr<const meta::Metainfo> metainfo, std::vector<PieceIndex> pieces,
                             Found found, Done done)
    : pool_(pool),
      file_(std::move(file)),
      metainfo_(std::move(metainfo)),
      pieces_(std::move(pieces)),
      found_(std::move(found)),
      done_(std::move(done)) {
  CHECK(!pieces_.empty());
  advance();
}

// Few pieces are shared out among the threads, many fill a batch each.
void PieceVerifier::advance() {
  const std::size_t threads = pool_.threads();
  while (next_ < pieces_.size() && jobs_ < threads)
    begin_job(std::min(meta::PieceBatch::kPiecesMax, (pieces_.size() - next_ + threads - 1) / threads));
}

void PieceVerifier::begin_job(std::size_t count) {
  const auto first = pieces_.begin() + static_cast<std::ptrdiff_t>(next_);
  std::vector<PieceIndex> batch(first, first + static_cast<std::ptrdiff_t>(count));
  next_ += count;
  ++jobs_;
  scope_.run(
      pool_, [file = file_, metainfo = metainfo_, batch] { return check_pieces(*file, *metainfo, batch); },
      [this, batch](const std::vector<bool>& good) {
        --jobs_;
        for (std::size_t i = 0; i < batch.size(); ++i) found_(batch[i], good[i]);
        advance();
        if (jobs_ == 0) std::exchange(done_, nullptr)();
      });
}

}  // namespace p2p::peer
