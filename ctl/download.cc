// SPDX-License-Identifier: MIT
// download start, list, show, wait, pause, resume, cancel, forget, and the original system's words.
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

// The path is the data; how it came about is talk.
void print_complete(const Output& output, const ctlpb::Download& download) {
  output.line(download.path());
  const double seconds = download.seconds();
  if (seconds > 0)
    output.say(fmt::format("{}: {} in {:.1f} s, {}/s", title_of(download), format_size(download.size()),
                           seconds, format_size(download.size() / seconds)));
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
      fmt::format("downloading {} to {}; see 'p2pctl download list'", title_of(download), download.path()));
  return {};
}

Result<Response> ask_list(Session& session) {
  ctlpb::Request request;
  request.mutable_download_list();
  return session.ask(std::move(request), {.expected = Response::kDownloads});
}

Result<ctlpb::Download> ask_row(Session& session, const std::string& id) {
  ctlpb::Request request;
  request.mutable_download_show()->set_id(id);
  auto response = session.ask(std::move(request), {.expected = Response::kDownload});
  if (!response) return fail(std::move(response.error()));
  return std::move(*response->mutable_download());
}

// The named downloads, each once. One that does not exist fails all, before anything is changed.
Result<ctlpb::Downloads> named(Session& session, const std::vector<std::string>& ids) {
  ctlpb::Downloads rows;
  for (const auto& id : ids) {
    auto row = ask_row(session, id);
    if (!row) return fail(std::move(row.error()));
    const bool is_new = std::none_of(rows.downloads().begin(), rows.downloads().end(),
                                     [&row](const auto& other) { return other.id() == row->id(); });
    if (is_new) *rows.add_downloads() = std::move(*row);
  }
  return rows;
}

// What giving up would throw away. A complete download is refused by the daemon, without a question.
Status confirm_cancel(const Session& session, const ctlpb::Downloads& rows) {
  double lost = 0;
  for (const auto& row : rows.downloads())
    if (row.state() != ctlpb::complete) lost += row.done();
  if (lost <= 0) return {};
  const auto what = rows.downloads_size() == 1 ? title_of(rows.downloads(0))
                                               : fmt::format("{} downloads", rows.downloads_size());
  return session.confirm(
      fmt::format("Cancel {}? {} that have arrived are removed.", what, format_size(lost)));
}

std::string sentence_of(const ctlpb::Download& row, ctlpb::DownloadAction action) {
  switch (action) {
    case ctlpb::pause: return fmt::format("paused {} at {}", title_of(row), progress_of(row));
    case ctlpb::resume:
      return fmt::format("resumed {} ({})", title_of(row), ctlpb::DownloadState_Name(row.state()));
    case ctlpb::cancel: return fmt::format("cancelled {}", title_of(row));
    default: break;
  }
  const auto forgotten = fmt::format("forgot {}", title_of(row));
  if (row.state() != ctlpb::complete) return forgotten;
  return fmt::format("{}; {} stays and is shared no longer", forgotten, row.path());
}

// All are tried; of several failures the first is told.
Status change(Session& session, const Arguments& arguments, ctlpb::DownloadAction action) {
  const auto rows = named(session, arguments.ids);
  if (!rows) return fail(rows.error());
  if (action == ctlpb::cancel)
    if (auto answer = confirm_cancel(session, *rows); !answer) return answer;
  ctlpb::Downloads changed;
  Status status;
  for (const auto& row : rows->downloads()) {
    ctlpb::Request request;
    request.mutable_download_change()->set_id(row.id());
    request.mutable_download_change()->set_action(action);
    auto response = session.ask(std::move(request), {.expected = Response::kDownload});
    if (response) {
      session.output().say(sentence_of(response->download(), action));
      *changed.add_downloads() = std::move(*response->mutable_download());
    } else if (status) {
      status = fail(std::move(response.error()));
    }
    if (session.was_interrupted()) break;
  }
  if (!status || !session.output().is_json()) return status;
  return arguments.ids.size() == 1 ? session.output().json(changed.downloads(0))
                                   : session.output().json(changed);
}

}  // namespace

Status download_start(Session& session, const Arguments& arguments) {
  const auto address = split_file_address(arguments.file);
  if (!address) return fail(address.error());
  return start(session, arguments, *address);
}

Status download_list(Session& session, const Arguments& arguments) {
  return look_or_watch(session, arguments.watch, [&session](const Output& output) -> Result<std::string> {
    const auto response = ask_list(session);
    if (!response) return fail(response.error());
    return text_of(output, response->downloads());
  });
}

Status download_show(Session& session, const Arguments& arguments) {
  const auto row = ask_row(session, arguments.id);
  if (!row) return fail(row.error());
  return show(session.output(), *row);
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
  return show(session.output(), response->downloads());
}

Status download_pause(Session& session, const Arguments& arguments) {
  return change(session, arguments, ctlpb::pause);
}

Status download_resume(Session& session, const Arguments& arguments) {
  return change(session, arguments, ctlpb::resume);
}

Status download_cancel(Session& session, const Arguments& arguments) {
  return change(session, arguments, ctlpb::cancel);
}

Status download_forget(Session& session, const Arguments& arguments) {
  return change(session, arguments, ctlpb::forget);
}

Status original_download_file(Session& session, const Arguments& arguments) {
  return start(session, arguments, {arguments.group, arguments.name});
}

Status original_show_downloads(Session& session, const Arguments&) {
  const auto response = ask_list(session);
  if (!response) return fail(response.error());
  const auto& output = session.output();
  if (output.is_json()) return output.json(response->downloads());
  Page page = output.page();
  render_original(page, response->downloads());
  output.write(page.text());
  return {};
}

}  // namespace p2p::ctl
