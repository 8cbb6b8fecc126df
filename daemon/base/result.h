// SPDX-License-Identifier: MIT
// What a function that can fail returns.
//
// `Result<T>` is tl::expected<T, Error>. `Code` is a closed set on which callers branch; its name
// (code_name) is stable: it crosses both protobuf conversations and appears in `p2pctl --json`. The
// message is for people and is built outwards: what we were doing: what failed. The hint says what to
// do next and may be empty. A misbehaving peer is not an Error of ours: it is an outcome.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace p2p {

enum class Code : std::uint8_t {
  Internal,            // a bug or an answer that makes no sense; exit 1
  InvalidArgument,     // the request itself is wrong; exit 2
  InvalidName,         // a user, group or file name breaks a rule; exit 2
  Unsupported,         // the other side does not know this request; exit 2
  NotRegularFile,      // only regular files can be shared; exit 2
  DaemonUnreachable,   // no daemon behind the control socket; exit 3
  LoginRequired,       // nobody is logged in on this device; exit 4
  LoginRefused,        // wrong name or password, or the account is disabled; exit 4
  TrackerChanged,      // the tracker's root key is not the pinned one; exit 4
  TrackerUnpinned,     // an address without fingerprint and nobody to ask; exit 4
  NotMember,           // exit 5
  NotAdmin,            // exit 5
  NotAllowed,          // any other refusal by policy; exit 5
  NotFound,            // exit 6
  Exists,              // exit 7
  Conflict,            // a request that the present state does not allow; exit 7
  TrackerUnreachable,  // exit 8
  TimedOut,            // exit 8
  Integrity,           // a hash or signature does not fit; exit 9
  Unfinished,          // a wait ended with unfinished work; exit 10
  PermissionDenied,    // the operating system refuses; exit 1
  NoSpace,             // disk full or quota reached; exit 1
  Io,                  // any other failure of a disk or socket; exit 1
  Corrupt,             // stored state cannot be read; exit 1
  Limit,               // a limit of limits.h is reached; exit 1
  Busy,                // rate limited: try again later; exit 1
  AddressInUse,        // a port or a data directory belongs to somebody else; exit 1
  Cancelled,           // the operation was given up on request; exit 1
  Closed,              // the connection ended; exit 1
};

std::string_view code_name(Code code);
Code code_from_name(std::string_view name);  // unknown names become Internal
// What to try next when an error has no hint of its own.
std::string_view default_hint(Code code);
int exit_status(Code code);  // the exit status CLI.md promises for it

struct Error {
  Code code = Code::Internal;
  std::string message;
  std::string hint = {};

  // The same error seen from one step further out: "what: message".
  Error in(std::string_view what) const;
};

template <class T>
using Result = tl::expected<T, Error>;

using Status = Result<void>;

inline tl::unexpected<Error> fail(Code code, std::string message, std::string hint = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(hint)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

// The error that errno describes: "what: No such file or directory", with the code that fits.
Error system_error(int error_number, std::string_view what);

}  // namespace p2p
