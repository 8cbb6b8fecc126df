// SPDX-License-Identifier: MIT
// Signed statements of every kind, from bytes of a stranger. No stranger can sign, so the input is taken
// as a body too: with our key in its place and our signature behind it, all that is left to refuse it is
// its form, and what is accepted must come out byte by byte when it is written again.
#include <algorithm>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/trust/statements.h"

namespace {

using namespace p2p;
using namespace p2p::trust;

struct Signer {
  KeyPair key = KeyPair::generate();
  KeySet keys;

  Signer() {
    keys.root = key.public_key();
    keys.tls_keys = {fingerprint(key.public_key())};
    keys.grant_keys = {key.public_key()};
    keys.not_after = {1'900'000'000};
  }
};

const Signer& signer() {
  static const Signer kSigner;
  return kSigner;
}

constexpr std::size_t kVersionAndZero = 2;

// The input as a statement of `domain`: with `value` where the kind has a field that must be ours.
Bytes signed_body(ByteSpan input, std::string_view domain, std::size_t field, ByteSpan value) {
  Bytes body = to_bytes(input);
  const auto at = domain.size() + kVersionAndZero + field;
  if (body.size() >= at + value.size())
    std::copy(value.begin(), value.end(), body.begin() + static_cast<std::ptrdiff_t>(at));
  const auto signature = signer().key.sign(body);
  body.insert(body.end(), signature.bytes.begin(), signature.bytes.end());
  return body;
}

template <class Statement>
void check_same(const Result<Statement>& opened, const Bytes& statement) {
  if (opened) CHECK(opened->sign(signer().key) == statement);
}

template <class Statement>
void check_by_tracker(ByteSpan input, std::string_view domain) {
  const auto& keys = signer().keys;
  CHECK(!Statement::open(input, keys));  // signed by nobody
  const auto statement = signed_body(input, domain, 0, keys.tracker().bytes);
  check_same(Statement::open(statement, keys), statement);
}

template <class Statement>
void check_by_device(ByteSpan input, std::string_view domain, std::size_t key_field) {
  check_same(Statement::open(signed_body(input, domain, key_field, signer().key.public_key().bytes)),
             signed_body(input, domain, key_field, signer().key.public_key().bytes));
  if (const auto opened = Statement::open(input)) CHECK(opened->name.size() <= limits::kNameBytes);
}

void check_key_set(ByteSpan input) {
  (void)KeySet::open_unpinned(input);
  CHECK(!KeySet::open(input, signer().keys.tracker()));
  const auto statement = signed_body(input, "p2p key set", 0, signer().key.public_key().bytes);
  check_same(KeySet::open(statement, signer().keys.tracker()), statement);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input(data, size);
  check_key_set(input);
  check_by_tracker<Grant>(input, "p2p grant");
  check_by_tracker<Roster>(input, "p2p roster");
  check_by_tracker<Revocation>(input, "p2p revocation");
  check_by_tracker<TimeStatement>(input, "p2p time");
  check_by_device<GroupCreation>(input, "p2p group", TrackerId::kSize + UserId::kSize);
  check_by_device<CatalogueEntry>(input, "p2p catalogue entry",
                                  TrackerId::kSize + GroupId::kSize + UserId::kSize);
  return 0;
}
