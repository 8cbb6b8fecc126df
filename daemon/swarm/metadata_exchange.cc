// SPDX-License-Identifier: MIT
#include "daemon/swarm/metadata_exchange.h"

#include <algorithm>
#include <bit>

#include "daemon/base/check.h"
#include "daemon/base/digest.h"
#include "daemon/base/limits.h"
#include "daemon/meta/merkle.h"
#include "daemon/wire/bencode.h"

namespace p2p::swarm {
namespace {

// A dictionary has, besides the SHA-1 of its pieces, the name twice and little else.
constexpr std::uint64_t kDictionaryOverhead = 2 * limits::kNameBytes + 512;

std::uint32_t layer_of_pieces(const meta::Geometry& geometry) {
  return static_cast<std::uint32_t>(std::countr_zero(geometry.piece_length() / limits::kBlockBytes));
}

std::uint32_t blocks_of(std::uint64_t dictionary_bytes) {
  return static_cast<std::uint32_t>((dictionary_bytes + limits::kMetadataBlockBytes - 1) /
                                    limits::kMetadataBlockBytes);
}

// The pieces root of the one file of a dictionary.
std::optional<ByteSpan> root_in(const wire::BencodeValue& dictionary) {
  const auto tree = dictionary.find("file tree");
  const auto name = tree ? tree->first() : std::nullopt;
  const auto file = name ? tree->after(*name) : std::nullopt;
  const auto entry = file ? file->find("") : std::nullopt;
  const auto root = entry ? entry->find("pieces root") : std::nullopt;
  return root ? root->string() : std::nullopt;
}

}  // namespace

// --- asking ------------------------------------------------------------------------------------------

void MetadataReader::Parts::reset(std::uint32_t parts) {
  count = parts;
  asked = 0;
  received = 0;
  have.assign(parts, false);
}

bool MetadataReader::Parts::take(std::uint32_t part) {
  if (part >= asked || have[part]) return false;
  have[part] = true;
  ++received;
  return true;
}

MetadataReader::MetadataReader(const meta::Geometry& geometry, const InfoHash& info_hash)
    : geometry_(geometry), info_hash_(info_hash) {
  CHECK(geometry.pieces() > 0);
}

std::vector<wire::Message> MetadataReader::opening() const {
  wire::ExtensionHandshake handshake;
  handshake.client = "p2p";
  handshake.messages.emplace(wire::kMetadataName, wire::kMetadataId);
  return {wire::HaveNone{},
          wire::Extended{wire::kExtensionHandshakeId, wire::encode_extension_handshake(handshake)}};
}

std::vector<wire::Message> MetadataReader::on_message(const wire::Message& message) {
  Out out;
  if (const auto* extended = std::get_if<wire::Extended>(&message)) {
    if (extended->id == wire::kExtensionHandshakeId) on_handshake(extended->payload);
    else if (extended->id == wire::kMetadataId) on_block(extended->payload);
  } else if (const auto* hashes = std::get_if<wire::Hashes>(&message)) {
    on_hashes(*hashes);
  } else if (const auto* reject = std::get_if<wire::HashReject>(&message)) {
    if (state_ == State::Layer && reject->range.root == root_) fail("it does not give the layer of pieces");
  }
  ask(out);
  return out;
}

void MetadataReader::on_handshake(ByteSpan payload) {
  if (state_ != State::Greeting) return;
  const auto handshake = wire::decode_extension_handshake(payload);
  const auto id = handshake ? handshake->messages.find(std::string(wire::kMetadataName))
                            : std::map<std::string, std::uint8_t>::const_iterator();
  if (!handshake || id == handshake->messages.end() || !handshake->metadata_bytes)
    return fail("it does not give metadata");
  if (*handshake->metadata_bytes > std::uint64_t{geometry_.pieces()} * Sha1::kSize + kDictionaryOverhead)
    return fail("its metadata has another size than the share's");
  metadata_id_ = id->second;
  dictionary_.resize(*handshake->metadata_bytes);
  parts_.reset(blocks_of(dictionary_.size()));
  state_ = State::Dictionary;
}

void MetadataReader::on_block(ByteSpan payload) {
  if (state_ != State::Dictionary) return;
  const auto message = wire::decode_metadata_message(payload);
  if (!message || message->kind == wire::MetadataMessage::Kind::Request) return;
  if (message->kind == wire::MetadataMessage::Kind::Reject) return fail("it does not give its metadata");
  const auto at = std::size_t{message->block} * limits::kMetadataBlockBytes;
  if (at >= dictionary_.size() || message->total != dictionary_.size() ||
      message->data.size() != std::min<std::size_t>(limits::kMetadataBlockBytes, dictionary_.size() - at))
    return fail("a block of its metadata has the wrong size");
  if (!parts_.take(message->block)) return;
  std::copy(message->data.begin(), message->data.end(),
            dictionary_.begin() + static_cast<std::ptrdiff_t>(at));
  if (parts_.done()) on_dictionary();
}

void MetadataReader::on_dictionary() {
  if (sha256(dictionary_).bytes != info_hash_.bytes) return fail("its metadata has another info-hash");
  // From here on it is what the publisher made; that may still be nonsense.
  const auto text =
      wire::Bencode::parse(dictionary_, {limits::kBencodeDepthFile, limits::kBencodeTokensWire});
  const auto pieces = text ? text->root().find("pieces") : std::nullopt;
  const auto sha1s = pieces ? pieces->string() : std::nullopt;
  const auto root = text ? root_in(text->root()) : std::nullopt;
  if (!sha1s || sha1s->size() != std::size_t{geometry_.pieces()} * Sha1::kSize || !root ||
      root->size() != Sha256::kSize)
    return fail("the metadata is not that of this share");
  sha1s_ = to_bytes(*sha1s);
  root_ = *Sha256::from(*root);
  dictionary_ = Bytes();
  if (geometry_.pieces() == 1) {
    layer_ = to_bytes(root_.view());
    state_ = State::Complete;
    return;
  }
  layer_.resize(std::size_t{geometry_.pieces()} * Sha256::kSize);
  const auto per_part = layer_hashes_per_part();
  parts_.reset((geometry_.pieces() + per_part - 1) / per_part);
  state_ = State::Layer;
}

std::uint32_t MetadataReader::layer_hashes_per_part() const {
  return std::min(limits::kHashesPerMessage, std::bit_ceil(geometry_.pieces()));
}

wire::HashRange MetadataReader::range(std::uint32_t part) const {
  const auto length = layer_hashes_per_part();
  return {root_, layer_of_pieces(geometry_), part * length, length, 0};
}

void MetadataReader::on_hashes(const wire::Hashes& message) {
  if (state_ != State::Layer) return;
  const auto length = layer_hashes_per_part();
  const auto part = message.range.index / length;
  if (part >= parts_.count || message.range != range(part)) return;
  if (message.hashes.size() != std::size_t{length} * Sha256::kSize)
    return fail("its layer of pieces has the wrong size");
  if (!parts_.take(part)) return;
  const auto at = std::size_t{part} * length * Sha256::kSize;
  const auto wanted = std::min(message.hashes.size(), layer_.size() - at);  // the rest is padding
  std::copy_n(message.hashes.begin(), wanted, layer_.begin() + static_cast<std::ptrdiff_t>(at));
  if (parts_.done()) state_ = State::Complete;
}

void MetadataReader::ask(Out& out) {
  if (state_ != State::Dictionary && state_ != State::Layer) return;
  for (; parts_.asked < parts_.count && parts_.asked - parts_.received < kAhead; ++parts_.asked) {
    if (state_ == State::Layer) {
      out.emplace_back(wire::HashRequest{range(parts_.asked)});
      continue;
    }
    wire::MetadataMessage request;
    request.block = parts_.asked;
    out.emplace_back(wire::Extended{metadata_id_, wire::encode_metadata_message(request)});
  }
}

void MetadataReader::fail(std::string_view why) {
  state_ = State::Failed;
  failure_ = why;
}

Bytes MetadataReader::take_piece_list() {
  CHECK(state_ == State::Complete);
  auto list = std::move(sha1s_);
  list.insert(list.end(), layer_.begin(), layer_.end());
  layer_ = Bytes();
  return list;
}

// --- answering ---------------------------------------------------------------------------------------

MetadataServer::MetadataServer(std::shared_ptr<const meta::Metainfo> metainfo)
    : metainfo_(std::move(metainfo)) {}

bool MetadataServer::concerns(const wire::Message& message) {
  if (const auto* extended = std::get_if<wire::Extended>(&message))
    return extended->id == wire::kExtensionHandshakeId || extended->id == wire::kMetadataId;
  return std::holds_alternative<wire::HashRequest>(message);
}

std::optional<wire::Message> MetadataServer::answer(Asker& asker, const wire::Message& message) {
  if (const auto* request = std::get_if<wire::HashRequest>(&message))
    return answer_hashes(asker, request->range);
  const auto* extended = std::get_if<wire::Extended>(&message);
  if (extended == nullptr) return std::nullopt;
  if (extended->id == wire::kMetadataId) return answer_block(asker, extended->payload);
  if (extended->id == wire::kExtensionHandshakeId)
    if (const auto handshake = wire::decode_extension_handshake(extended->payload))
      if (const auto id = handshake->messages.find(std::string(wire::kMetadataName));
          id != handshake->messages.end())
        asker.metadata_id = id->second;
  return std::nullopt;
}

bool MetadataServer::within(Asker& asker, std::size_t bytes) const {
  const auto all = metainfo_->info_dictionary_bytes() + metainfo_->piece_layer().size() * Sha256::kSize;
  // The last range of the layer is padded to its full length.
  const auto most = kServings * (all + limits::kHashesPerMessage * Sha256::kSize);
  if (asker.bytes + bytes > most) return false;
  asker.bytes += bytes;
  return true;
}

std::optional<wire::Message> MetadataServer::answer_block(Asker& asker, ByteSpan payload) {
  const auto request = wire::decode_metadata_message(payload);
  if (!request || request->kind != wire::MetadataMessage::Kind::Request || asker.metadata_id == 0)
    return std::nullopt;
  if (dictionary_.empty()) dictionary_ = metainfo_->info_dictionary();
  wire::MetadataMessage answer;
  answer.kind = wire::MetadataMessage::Kind::Reject;
  answer.block = request->block;
  if (request->block < blocks_of(dictionary_.size())) {
    const auto rest =
        ByteSpan(dictionary_).subspan(std::size_t{request->block} * limits::kMetadataBlockBytes);
    const auto data = rest.first(std::min<std::size_t>(rest.size(), limits::kMetadataBlockBytes));
    if (within(asker, data.size())) {
      answer.kind = wire::MetadataMessage::Kind::Block;
      answer.total = dictionary_.size();
      answer.data = data;
    }
  }
  return wire::Extended{asker.metadata_id, wire::encode_metadata_message(answer)};
}

wire::Message MetadataServer::answer_hashes(Asker& asker, const wire::HashRange& range) {
  if (!root_) root_ = metainfo_->pieces_root();
  const auto& layer = metainfo_->piece_layer();
  const bool servable = range.root == root_ && layer.size() > 1 &&
                        range.base_layer == layer_of_pieces(metainfo_->geometry()) &&
                        range.proof_layers == 0 && std::has_single_bit(range.length) &&
                        range.length <= limits::kHashesPerMessage && range.index % range.length == 0 &&
                        range.index < layer.size();
  const auto bytes = std::size_t{range.length} * Sha256::kSize;
  if (!servable || !within(asker, bytes)) return wire::HashReject{range};
  const auto padding = meta::zero_root(metainfo_->geometry().piece_length() / limits::kBlockBytes);
  wire::Hashes answer{range, {}};
  answer.hashes.reserve(bytes);
  for (std::size_t i = range.index; i < std::size_t{range.index} + range.length; ++i) {
    const auto& hash = i < layer.size() ? layer[i] : padding;
    answer.hashes.insert(answer.hashes.end(), hash.bytes.begin(), hash.bytes.end());
  }
  return answer;
}

}  // namespace p2p::swarm
