// SPDX-License-Identifier: MIT
// tracker address, tracker status: an operator's questions to a tracker's control socket.
#include <chrono>

#include "ctl/commands.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;
using ctlpb::Response;

}  // namespace

Status tracker_address(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_tracker_address();
  const auto response =
      session.ask(std::move(request), {.expected = Response::kAddress, .trust = Trust::SocketOwner});
  if (!response) return fail(response.error());
  if (session.output().is_json()) return session.output().json(response->address());
  session.output().line(response->address().address());
  return {};
}

Status tracker_status(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_tracker_status();
  const auto response =
      session.ask(std::move(request), {.expected = Response::kOperatorStatus, .trust = Trust::SocketOwner});
  if (!response) return fail(response.error());
  const auto& status = response->operator_status();
  const auto& output = session.output();
  if (output.is_json()) return output.json(status);
  const auto uptime = std::chrono::seconds(static_cast<std::int64_t>(status.uptime_seconds()));
  output.pairs({{"address", status.address()},
                {"listening", status.listen()},
                {"users", count_text(status.users())},
                {"groups", count_text(status.groups())},
                {"shares", count_text(status.shares())},
                {"sessions", count_text(status.sessions())},
                {"registration", status.registration()},
                {"uptime", format_duration(uptime)},
                {"version", status.version()}});
  return {};
}

}  // namespace p2p::ctl
