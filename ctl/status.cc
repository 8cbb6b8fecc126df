// SPDX-License-Identifier: MIT
// limits show, limits set, status.
#include <fmt/format.h>

#include "ctl/commands.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;
using ctlpb::Response;

Status ask_limits(Session& session, ctlpb::Request request) {
  const auto response = session.ask(std::move(request), {.expected = Response::kLimits});
  if (!response) return fail(response.error());
  const auto& limits = response->limits();
  const auto& output = session.output();
  if (output.is_json()) return output.json(limits);
  output.pairs({{"upload", output.limit(limits.upload())}, {"download", output.limit(limits.download())}});
  return {};
}

}  // namespace

Status limits_show(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_limits_show();
  return ask_limits(session, std::move(request));
}

Status limits_set(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  auto& body = *request.mutable_limits_set();
  if (!arguments.upload.empty()) {
    const auto rate = parse_rate(arguments.upload);
    if (!rate) return fail(rate.error());
    body.set_upload(static_cast<double>(*rate));
  }
  if (!arguments.download.empty()) {
    const auto rate = parse_rate(arguments.download);
    if (!rate) return fail(rate.error());
    body.set_download(static_cast<double>(*rate));
  }
  if (!body.has_upload() && !body.has_download())
    return fail(Code::InvalidArgument, "there is nothing to set",
                "give --upload RATE, --download RATE or both");
  return ask_limits(session, std::move(request));
}

Status daemon_status(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_daemon_status();
  const auto response = session.ask(std::move(request), {.expected = Response::kStatus});
  if (!response) return fail(response.error());
  const auto& status = response->status();
  const auto& output = session.output();
  if (output.is_json()) return output.json(status);
  const auto& tracker = status.tracker();
  std::string link = tracker.connected() ? "connected" : "not connected";
  if (!tracker.connected() && !tracker.cause().empty()) link += ": " + tracker.cause();
  output.pairs(
      {{"account", status.account().empty() ? "nobody is logged in" : status.account()},
       {"tracker", tracker.address().empty() ? "none" : fmt::format("{} ({})", tracker.address(), link)},
       {"shares", count_text(status.shares())},
       {"uploads", count_text(status.uploads())},
       {"upload rate", output.rate(status.rates().upload())},
       {"downloads", count_text(status.downloads())},
       {"download rate", output.rate(status.rates().download())},
       {"listening", status.listen()},
       {"device", status.device()},
       {"version", status.version()}});
  for (const auto& warning : status.warnings())
    output.pairs({{"warning", fmt::format("{} ({})", warning.message(), warning.code())}});
  return {};
}

}  // namespace p2p::ctl
