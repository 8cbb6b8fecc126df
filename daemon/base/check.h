// SPDX-License-Identifier: MIT
// CHECK is for our own mistakes, never for input: it is always compiled in, prints where, and aborts.
// DCHECK costs too much for release code; it is on in builds without NDEBUG.
#pragma once

namespace p2p {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace p2p

#define CHECK(condition) ((condition) ? void(0) : ::p2p::check_failed(#condition, __FILE__, __LINE__))
#ifdef NDEBUG
#define DCHECK(condition) void(0)
#else
#define DCHECK(condition) CHECK(condition)
#endif
