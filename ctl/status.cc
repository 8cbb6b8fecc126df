// SPDX-License-Identifier: MIT
// limits show, limits set, status, daemon doctor.
#include <algorithm>
#include <fmt/format.h>

#include "ctl/commands.h"
#include "ctl/views.h"
#include "ctl/watch.h"
#include "daemon/base/units.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;
using ctlpb::Response;

Status ask_limits(Session& session, ctlpb::Request request) {
  const auto response = session.ask(std::move(request), {.expected = Response::kLimits});
  if (!response) return fail(response.error());
  return show(session.output(), response->limits());
}

// A state of a newer daemon counts as bad: it is neither good nor a warning.
bool is_bad(const ctlpb::Check& check) {
  return check.state() != ctlpb::good && check.state() != ctlpb::warning;
}

// "1 bad, 2 warnings, of 9 checks"
std::string findings(const ctlpb::Doctor& doctor) {
  std::size_t bad = 0;
  std::size_t warnings = 0;
  for (const auto& check : doctor.checks()) {
    if (is_bad(check)) ++bad;
    if (check.state() == ctlpb::warning) ++warnings;
  }
  if (bad == 0 && warnings == 0) return "all checks are good";
  return fmt::format("{} bad, {} {}, of {} checks", bad, warnings, warnings == 1 ? "warning" : "warnings",
                     doctor.checks_size());
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

Status daemon_status(Session& session, const Arguments& arguments) {
  return look_or_watch(session, arguments.watch, [&session](const Output& output) -> Result<std::string> {
    ctlpb::Request request;
    request.mutable_daemon_status();
    const auto response = session.ask(std::move(request), {.expected = Response::kStatus});
    if (!response) return fail(response.error());
    return text_of(output, response->status());
  });
}

Status daemon_doctor(Session& session, const Arguments&) {
  ctlpb::Request request;
  request.mutable_daemon_doctor();
  const auto response = session.ask(std::move(request), {.expected = Response::kDoctor});
  if (!response) return fail(response.error());
  const auto& doctor = response->doctor();
  if (auto shown = show(session.output(), doctor); !shown) return shown;
  session.output().say(findings(doctor));
  if (std::any_of(doctor.checks().begin(), doctor.checks().end(), is_bad)) session.set_found_bad();
  return {};
}

}  // namespace p2p::ctl
