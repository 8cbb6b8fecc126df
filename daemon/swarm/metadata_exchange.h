// SPDX-License-Identifier: MIT
// How a member who holds a share's signed catalogue entry, and nothing else, gets its piece list from
// another member: the info dictionary in blocks (BEP 9, ut_metadata), then the SHA-256 layer of pieces in
// ranges (BEP 52, hash requests without proofs). Nothing that comes is believed: the dictionary must have
// the info-hash that the entry names, and whoever takes the piece list compares it with that as well.
//
// Pure; loop thread only.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/meta/metainfo.h"
#include "daemon/wire/extension.h"
#include "daemon/wire/message.h"

namespace p2p::swarm {

// One attempt with one member.
//
//   Greeting   ──its extension handshake says ut_metadata──▶ Dictionary ──all blocks, info-hash──▶ Layer
//              ──all hashes──▶ Complete              any of them ──▶ Failed, see failure()
//
// A share of one piece has no layer to ask for: its root is in the dictionary. At most kAhead requests are
// unanswered; what was not asked for is ignored.
class MetadataReader {
 public:
  enum class State : std::uint8_t { Greeting, Dictionary, Layer, Complete, Failed };
  static constexpr std::uint32_t kAhead = 8;

  MetadataReader(const meta::Geometry& geometry, const InfoHash& info_hash);

  State state() const { return state_; }
  std::string_view failure() const { return failure_; }
  // What to send when the link is open.
  std::vector<wire::Message> opening() const;
  // Gives what to send next.
  std::vector<wire::Message> on_message(const wire::Message& message);
  // Complete: SHA-1 of every piece, then the layer. Taken out once.
  Bytes take_piece_list();

 private:
  // Parts of equal size that are asked for in order and may come in any.
  struct Parts {
    std::uint32_t count = 0;
    std::uint32_t asked = 0;
    std::uint32_t received = 0;
    std::vector<bool> have;
    void reset(std::uint32_t parts);
    bool take(std::uint32_t part);  // false: not asked for, or here already
    bool done() const { return received == count; }
  };
  using Out = std::vector<wire::Message>;
  void on_handshake(ByteSpan payload);
  void on_block(ByteSpan payload);
  void on_dictionary();
  void on_hashes(const wire::Hashes& message);
  void ask(Out& out);
  void fail(std::string_view why);
  std::uint32_t layer_hashes_per_part() const;
  wire::HashRange range(std::uint32_t part) const;

  meta::Geometry geometry_;
  InfoHash info_hash_;
  State state_ = State::Greeting;
  std::string_view failure_;
  std::uint8_t metadata_id_ = 0;  // under which the other side wants it
  Parts parts_;
  Bytes dictionary_;
  Sha256 root_;
  Bytes sha1s_;
  Bytes layer_;
};

// Answers such questions about one share, of any number of members. Each may fetch all of it
// kServings times; after that it gets rejects.
class MetadataServer {
 public:
  static constexpr std::uint64_t kServings = 2;
  struct Asker {
    std::uint8_t metadata_id = 0;  // of its extension handshake; 0: it has not said
    std::uint64_t bytes = 0;       // given to it
  };

  // `metainfo` is kept; it has a piece at least.
  explicit MetadataServer(std::shared_ptr<const meta::Metainfo> metainfo);

  // Is this a message for a server?
  static bool concerns(const wire::Message& message);
  // Nothing: there is nothing to answer.
  std::optional<wire::Message> answer(Asker& asker, const wire::Message& message);

 private:
  std::optional<wire::Message> answer_block(Asker& asker, ByteSpan payload);
  wire::Message answer_hashes(Asker& asker, const wire::HashRange& range);
  bool within(Asker& asker, std::size_t bytes) const;

  std::shared_ptr<const meta::Metainfo> metainfo_;
  Bytes dictionary_;            // made with the first question for it
  std::optional<Sha256> root_;  // the same
};

}  // namespace p2p::swarm
