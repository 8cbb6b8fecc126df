// SPDX-License-Identifier: MIT
#include "daemon/base/result.h"

#include <array>
#include <cerrno>
#include <system_error>

namespace p2p {
namespace {

struct CodeRow {
  Code code;
  std::string_view name;
  int exit_status;
};

constexpr std::array kCodes{
    CodeRow{Code::Internal, "internal", 1},
    CodeRow{Code::InvalidArgument, "invalid_argument", 2},
    CodeRow{Code::InvalidName, "invalid_name", 2},
    CodeRow{Code::Unsupported, "unsupported", 2},
    CodeRow{Code::NotRegularFile, "not_regular_file", 2},
    CodeRow{Code::DaemonUnreachable, "daemon_unreachable", 3},
    CodeRow{Code::LoginRequired, "login_required", 4},
    CodeRow{Code::LoginRefused, "login_refused", 4},
    CodeRow{Code::TrackerChanged, "tracker_changed", 4},
    CodeRow{Code::TrackerUnpinned, "tracker_unpinned", 4},
    CodeRow{Code::NotMember, "not_member", 5},
    CodeRow{Code::NotAdmin, "not_admin", 5},
    CodeRow{Code::NotAllowed, "not_allowed", 5},
    CodeRow{Code::NotFound, "not_found", 6},
    CodeRow{Code::Exists, "exists", 7},
    CodeRow{Code::Conflict, "conflict", 7},
    CodeRow{Code::TrackerUnreachable, "tracker_unreachable", 8},
    CodeRow{Code::TimedOut, "timed_out", 8},
    CodeRow{Code::Integrity, "integrity", 9},
    CodeRow{Code::Unfinished, "unfinished", 10},
    CodeRow{Code::PermissionDenied, "permission_denied", 1},
    CodeRow{Code::NoSpace, "no_space", 1},
    CodeRow{Code::Io, "io", 1},
    CodeRow{Code::Corrupt, "corrupt", 1},
    CodeRow{Code::Limit, "limit", 1},
    CodeRow{Code::Busy, "busy", 1},
    CodeRow{Code::AddressInUse, "address_in_use", 1},
    CodeRow{Code::Cancelled, "cancelled", 1},
    CodeRow{Code::Closed, "closed", 1},
};

Code code_from_errno(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR: return Code::NotFound;
    case EACCES:
    case EPERM:
    case EROFS: return Code::PermissionDenied;
    case ENOSPC:
    case EDQUOT: return Code::NoSpace;
    case EEXIST: return Code::Exists;
    case EADDRINUSE: return Code::AddressInUse;
    case ETIMEDOUT: return Code::TimedOut;
    case ECANCELED: return Code::Cancelled;
    case EMFILE:
    case ENFILE: return Code::Limit;
    case ECONNRESET:
    case EPIPE: return Code::Closed;
    default: return Code::Io;
  }
}

}  // namespace

std::string_view code_name(Code code) {
  for (const auto& row : kCodes)
    if (row.code == code) return row.name;
  return "internal";
}

Code code_from_name(std::string_view name) {
  for (const auto& row : kCodes)
    if (row.name == name) return row.code;
  return Code::Internal;
}

int exit_status(Code code) {
  for (const auto& row : kCodes)
    if (row.code == code) return row.exit_status;
  return 1;
}

Error Error::in(std::string_view what) const { return Error{code, std::string(what) + ": " + message, hint}; }

Error system_error(int error_number, std::string_view what) {
  return Error{code_from_errno(error_number),
               std::string(what) + ": " + std::generic_category().message(error_number),
               {}};
}

}  // namespace p2p
