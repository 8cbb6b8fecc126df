// SPDX-License-Identifier: MIT
// Requests of the control socket about the account's password and its devices.
#include <fmt/format.h>

#include "daemon/base/names.h"
#include "daemon/base/units.h"
#include "daemon/peer/node.h"

namespace p2p::peer {
namespace {

using Kind = TrackerClient::Kind;

constexpr std::size_t kSessionsMax = 1000;  // more than a user may have; a tracker that sends on is cut

void fill(pb::control::Session& view, const pb::tracker::SessionRow& row) {
  view.set_id(to_hex(as_bytes(row.device_id())));
  view.set_current(row.current());
  view.set_online(row.online());
  view.set_since(format_wall_time({row.since()}));
  for (const auto& address : row.addresses())
    if (address.port() <= 65535 && (address.host().size() == 4 || address.host().size() == 16))
      view.add_addresses(
          io::SocketAddress{to_bytes(as_bytes(address.host())), static_cast<std::uint16_t>(address.port())}
              .text());
}

}  // namespace

void fill_challenge(pb::control::PasswordChallenge& challenge, const trust::TrackerAddress& tracker,
                    const pb::tracker::PasswordParametersAnswer& parameters) {
  challenge.set_tracker(tracker.text());
  challenge.set_fingerprint(tracker.tracker.hex());
  challenge.set_pinned(true);
  challenge.set_version(parameters.version());
  challenge.set_salt(parameters.salt());
  challenge.set_log_n(parameters.log_n());
  challenge.set_r(parameters.r());
  challenge.set_p(parameters.p());
}

void Node::call_password_parameters(const CallPointer& call) {
  const auto target = tracker_.target();
  if (!target) return call->refuse(Error{Code::LoginRequired, "no tracker is known", "log in again"});
  pb::tracker::Request request;
  request.mutable_password_parameters()->set_user(account_->user);
  ask(call, std::move(request), Kind::Query, [call, address = *target](const pb::tracker::Response& answer) {
    pb::control::Response response;
    fill_challenge(*response.mutable_challenge(), address, answer.password_parameters());
    call->answer(response);
  });
}

void Node::call_password(const CallPointer& call) {
  const auto& wanted = call->request().account_password();
  pb::tracker::Request request;
  request.mutable_change_password()->set_proof(wanted.proof());
  request.mutable_change_password()->set_new_salt(wanted.new_salt());
  request.mutable_change_password()->set_new_proof(wanted.new_proof());
  ask(call, std::move(request), Kind::Mutating, [this, call](const pb::tracker::Response&) {
    if (!check_logged_in(call)) return;
    pb::control::Response response;
    *response.mutable_account() = account_view();
    call->answer(response);
  });
}

void Node::list_sessions(const CallPointer& call, std::shared_ptr<Sessions> rows, const std::string& cursor,
                         std::function<void(const Sessions&)> then) {
  pb::tracker::Request request;
  request.mutable_list_sessions()->set_cursor(cursor);
  ask(call, std::move(request), Kind::Query,
      [this, call, rows, then = std::move(then)](const pb::tracker::Response& answer) {
        for (const auto& row : answer.sessions().rows()) rows->push_back(row);
        const auto& next = answer.sessions().next_cursor();
        if (next.empty() || rows->size() > kSessionsMax) then(*rows);
        else list_sessions(call, rows, next, then);
      });
}

void Node::call_sessions(const CallPointer& call) {
  list_sessions(call, std::make_shared<Sessions>(), "", [call](const Sessions& rows) {
    pb::control::Response response;
    response.mutable_sessions();
    for (const auto& row : rows) fill(*response.mutable_sessions()->add_sessions(), row);
    call->answer(response);
  });
}

void Node::call_revoke(const CallPointer& call) {
  list_sessions(call, std::make_shared<Sessions>(), "", [this, call](const Sessions& rows) {
    const auto& prefix = call->request().account_revoke().id();
    const pb::tracker::SessionRow* found = nullptr;
    for (const auto& row : rows) {
      if (prefix.empty() || !to_hex(as_bytes(row.device_id())).starts_with(prefix)) continue;
      if (found != nullptr)
        return call->refuse(Error{Code::InvalidArgument,
                                  fmt::format("several sessions begin with '{}'", printable(prefix, 64)),
                                  "write more of the id"});
      found = &row;
    }
    if (found == nullptr)
      return call->refuse(Error{Code::NotFound,
                                fmt::format("there is no session '{}'", printable(prefix, 64)),
                                "p2pctl account sessions list shows them"});
    if (found->device_id() == self_.raw())
      return call->refuse(
          Error{Code::Conflict, "this is the session of this device", "p2pctl account logout ends it"});
    pb::tracker::Request request;
    request.mutable_revoke_session()->set_device_id(found->device_id());
    ask(call, std::move(request), Kind::Mutating, [call](const pb::tracker::Response& answer) {
      pb::control::Response response;
      fill(*response.mutable_session(), answer.session());
      call->answer(response);
    });
  });
}

}  // namespace p2p::peer
