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

std::string_view default_hint(Code code) {
  switch (code) {
    case Code::InvalidArgument:
    case Code::InvalidName:
    case Code::Unsupported: return "see 'p2pctl --help'";
    case Code::NotRegularFile:
      return "only regular files can be shared; share the files of a folder one by one";
    case Code::DaemonUnreachable: return "start p2pd: systemctl --user start p2pd";
    case Code::LoginRequired: return "p2pctl account login NAME";
    case Code::LoginRefused: return "check the name and the password; the operator can reset a lost one";
    case Code::TrackerChanged:
    case Code::TrackerUnpinned: return "ask the tracker's operator for its address: p2pctl tracker address";
    case Code::NotMember: return "ask to join the group: p2pctl group join GROUP";
    case Code::NotAdmin: return "ask an admin of the group: p2pctl group members GROUP";
    case Code::NotAllowed: return "ask an admin of the group, or the tracker's operator";
    case Code::NotFound: return "check the name: p2pctl group list, p2pctl file list, p2pctl download list";
    case Code::Exists: return "choose another name";
    case Code::Conflict: return "look at the present state and try again";
    case Code::TrackerUnreachable:
    case Code::TimedOut: return "see 'p2pctl status', and try again with a longer --timeout";
    case Code::Integrity: return "do not trust this data; tell who published it";
    case Code::Unfinished: return "see 'p2pctl download list'";
    case Code::PermissionDenied: return "check who owns it and who may enter its folder";
    case Code::NoSpace: return "make room on that disk, or choose another folder";
    case Code::Limit:
    case Code::Busy: return "try again later";
    case Code::AddressInUse: return "stop the other program, or choose another address or folder";
    case Code::Io:
    case Code::Corrupt: return "check the disk; the daemon's log has more";
    case Code::Closed:
    case Code::Cancelled: return "try again";
    case Code::Internal: return "the daemon's log has more";
  }
  return "the daemon's log has more";
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
