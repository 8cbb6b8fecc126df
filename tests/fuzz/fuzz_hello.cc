// SPDX-License-Identifier: MIT
// What a stranger sends first: the hello, and the handshake of BEP 3. Both are looked at again with every
// byte that comes; the answer may only change from "more" to one that stays.
#include <algorithm>

#include "daemon/base/check.h"
#include "daemon/base/limits.h"
#include "daemon/wire/handshake.h"
#include "daemon/wire/hello.h"

namespace {

using namespace p2p;
using namespace p2p::wire;

void check_hello(ByteSpan input) {
  std::size_t used = 0;
  const auto whole = decode_hello(input, used);
  if (whole && *whole) {
    CHECK(used <= input.size() && used <= limits::kFirstFrameBytes);
    CHECK(encode_hello(**whole) == to_bytes(input.first(used)));
  } else {
    CHECK(used == 0);
  }
  const std::size_t enough = whole && *whole ? used : input.size();
  for (std::size_t length = 0; length < enough; ++length) {
    std::size_t used_early = 0;
    const auto early = decode_hello(input.first(length), used_early);
    CHECK(used_early == 0);
    if (early) CHECK(!*early);
    else CHECK(!whole && whole.error() == early.error());
  }
}

void check_handshake(ByteSpan input) {
  std::size_t used = 0;
  const auto whole = decode_handshake(input, used);
  CHECK(used == (whole && *whole ? kHandshakeBytes : 0));
  for (std::size_t length = 0; length < std::min(input.size(), kHandshakeBytes); ++length) {
    std::size_t used_early = 0;
    const auto early = decode_handshake(input.first(length), used_early);
    CHECK(used_early == 0);
    if (early) CHECK(!*early);
    else CHECK(!whole);
  }
  if (!whole || !*whole) return;
  const auto again = encode_handshake(**whole);
  const auto decoded = decode_handshake(again, used);
  CHECK(decoded && *decoded && **decoded == **whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_hello(ByteSpan(data, size));
  check_handshake(ByteSpan(data, size));
  return 0;
}
