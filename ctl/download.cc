// SPDX-License-Identifier: MIT
// download start, list, show, wait, and the original system's words for them.
#include <chrono>
#include <cmath>
#include <fmt/format.h>

#include "ctl/commands.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;
using ctlpb::Response;

std::string title(const ctlpb::Download& download) { return download.group() + "/" + download.name(); }

std::string share_of(double part, double whole) {
  return whole > 0 ? fmt::format("{:.0f}%", std::floor(std::min(part / whole, 1.0) * 100)) : "100%";
}

std::string progress_of(const ctlpb::Download& download) {
  return download.state() == ctlpb::complete ? "100%" : share_of(download.done(), download.size());
}

// The path is the data; how it came about is talk.
void print_complete(const Output& output, const ctlpb::Download& download) {
  output.line(download.path());
  const double seconds = download.seconds();
  if (seconds > 0)
    output.say(fmt::format("{}: {} in {:.1f} s, {}/s", title(download), format_size(download.size()), seconds,
                           format_size(download.size() / seconds)));
  for (const auto& source : download.sources())
    output.say(fmt::format("  {} from {} ({})", format_size(source.bytes()), source.user(),
                           source.device().substr(0, 8)));
}

Status start(Session& session, const Arguments& arguments, const FileAddress& address) {
  const auto path = absolute_path(arguments.output);
  if (!path) return fail(path.error());
  ctlpb::Request request;
  auto& body = *request.mutable_download_start();
  body.set_group(address.group);
  body.set_name(address.name);
  body.set_output(*path);
  body.set_wait(arguments.wait);
  auto on_exist = ctlpb::OnExist::fail;
  ctlpb::OnExist_Parse(arguments.on_exist, &on_exist);
  body.set_on_exist(on_exist);

  Session::Question question{.expected = Response::kDownload};
  question.wait = arguments.wait ? Wait::Work : Wait::Answer;
  question.label = address.group + "/" + address.name;
  question.background = "the download goes on in the daemon";
  question.background_hint = "see 'p2pctl download list'";
  const auto response = session.ask(std::move(request), question);
  if (!response) return fail(response.error());
  const auto& download = response->download();
  const auto& output = session.output();
  if (output.is_json()) return output.json(download);
  if (arguments.wait) {
    print_complete(output, download);
    return {};
  }
  output.line(download.id());
  output.say(
      fmt::format("downloading {} to {}; see 'p2pctl download list'", title(download), download.path()));
  return {};
}

Result<Response> ask_list(Session& session) {
  ctlpb::Request request;
  request.mutable_download_list();
  return session.ask(std::move(request), {.expected = Response::kDownloads});
}

void print_rows(const Output& output, const ctlpb::Downloads& downloads) {
  Table table({{"ID"},
               {"FILE"},
               {"STATE"},
               {"DONE", Align::Right},
               {"SIZE", Align::Right},
               {"RATE", Align::Right},
               {"PEERS", Align::Right},
               {"PATH"},
               {"CAUSE"}});
  for (const auto& row : downloads.downloads())
    table.add({row.id(), title(row), ctlpb::DownloadState_Name(row.state()), progress_of(row),
               output.size(row.size()), output.rate(row.rate()), count_text(row.peers()), row.path(),
               row.cause()});
  output.table(table);
}

}  // namespace

Status download_start(Session& session, const Arguments& arguments) {
  const auto address = split_file_address(arguments.file);
  if (!address) return fail(address.error());
  return start(session, arguments, *address);
}

Status download_list(Session& session, const Arguments&) {
  const auto response = ask_list(session);
  if (!response) return fail(response.error());
  if (session.output().is_json()) return session.output().json(response->downloads());
  print_rows(session.output(), response->downloads());
  return {};
}

Status download_show(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  request.mutable_download_show()->set_id(arguments.id);
  const auto response = session.ask(std::move(request), {.expected = Response::kDownload});
  if (!response) return fail(response.error());
  const auto& download = response->download();
  const auto& output = session.output();
  if (output.is_json()) return output.json(download);
  output.pairs({{"id", download.id()},
                {"group", download.group()},
                {"name", download.name()},
                {"state", ctlpb::DownloadState_Name(download.state())},
                {"cause", download.cause()},
                {"size", output.size(download.size())},
                {"done", output.size(download.done())},
                {"rate", output.rate(download.rate())},
                {"peers", count_text(download.peers())},
                {"path", download.path()},
                {"uploaded", output.size(download.uploaded())},
                {"duplicate", output.size(download.duplicate())},
                {"wasted", output.size(download.wasted())},
                {"sha1", download.sha1()},
                {"file sha1", ctlpb::FileSha1State_Name(download.file_sha1())}});
  for (const auto& source : download.sources())
    output.pairs(
        {{"source", fmt::format("{} {} {}", source.user(), source.device(), output.size(source.bytes()))}});
  return {};
}

Status download_wait(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  for (const auto& id : arguments.ids) request.mutable_download_wait()->add_ids(id);
  Session::Question question{.expected = Response::kDownloads};
  question.wait = Wait::Work;
  question.goes_on_unseen = true;
  question.background = "downloads go on in the daemon";
  question.background_hint = "see 'p2pctl download list'";
  const auto response = session.ask(std::move(request), question);
  if (!response) return fail(response.error());
  if (session.output().is_json()) return session.output().json(response->downloads());
  print_rows(session.output(), response->downloads());
  return {};
}

Status original_download_file(Session& session, const Arguments& arguments) {
  return start(session, arguments, {arguments.group, arguments.name});
}

Status original_show_downloads(Session& session, const Arguments&) {
  const auto response = ask_list(session);
  if (!response) return fail(response.error());
  const auto& output = session.output();
  if (output.is_json()) return output.json(response->downloads());
  for (const auto& row : response->downloads().downloads())
    output.line(fmt::format("[{}] [{}] {}  {} {}", row.state() == ctlpb::complete ? 'C' : 'D', row.group(),
                            row.name(), ctlpb::DownloadState_Name(row.state()), progress_of(row)));
  return {};
}

}  // namespace p2p::ctl
