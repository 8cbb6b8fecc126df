// SPDX-License-Identifier: MIT
#include "ctl/views.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>

#include "daemon/base/units.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;

constexpr std::size_t kIdShown = 8;       // of a download, to people; the beginning is enough everywhere
constexpr std::size_t kDeviceShown = 16;  // of a device
constexpr std::size_t kMessageWidthMin = 20;
constexpr std::size_t kGap = 2;

std::string yes_no(bool value) { return value ? "yes" : "no"; }

std::string joined(const google::protobuf::RepeatedPtrField<std::string>& words, std::string_view between) {
  return fmt::format("{}", fmt::join(words.begin(), words.end(), between));
}

// An id as people see it: its beginning, which every command takes for the whole.
std::string id_text(const Page& page, const std::string& id, std::size_t shown) {
  return page.is_laid_out() ? id.substr(0, shown) : id;
}

Cell state_cell(const ctlpb::Download& download) {
  const auto& name = ctlpb::DownloadState_Name(download.state());
  switch (download.state()) {
    case ctlpb::complete: return {name, Tone::Good};
    case ctlpb::paused:
    case ctlpb::stalled: return {name, Tone::Warning};
    case ctlpb::failed: return {name, Tone::Bad};
    default: return name;
  }
}

Cell sharing_cell(const ctlpb::File& file) {
  if (file.state() == ctlpb::listed) return "no";
  const auto& name = ctlpb::FileState_Name(file.state());
  switch (file.state()) {
    case ctlpb::sharing: return {name, Tone::Good};
    case ctlpb::changed:
    case ctlpb::missing:
    case ctlpb::refused: return {name, Tone::Bad};
    default: return name;
  }
}

Cell online_cell(bool online) { return {yes_no(online), online ? Tone::Good : Tone::Plain}; }

Tone tone_of(ctlpb::CheckState state) {
  switch (state) {
    case ctlpb::good: return Tone::Good;
    case ctlpb::warning: return Tone::Warning;
    default: return Tone::Bad;
  }
}

}  // namespace

std::string title_of(const ctlpb::Download& download) { return download.group() + "/" + download.name(); }

std::string progress_of(const ctlpb::Download& download) {
  if (download.state() == ctlpb::complete) return "100%";
  if (!(download.size() > 0)) return "0%";
  const double percent = std::floor(download.done() / download.size() * 100);
  // All may have arrived although it is not complete: it still has to be verified and named.
  return fmt::format("{:.0f}%", std::clamp(percent, 0.0, 99.0));
}

// --- account -----------------------------------------------------------------------------------------

void render(Page& page, const ctlpb::Account& account) {
  page.pairs({{"user", account.user()},
              {"device", account.device()},
              {"tracker", account.tracker()},
              {"connected", yes_no(account.connected()), account.connected() ? Tone::Good : Tone::Warning}});
}

void render(Page& page, const ctlpb::Sessions& sessions) {
  Table table({{"ID"}, {"CURRENT"}, {"ONLINE"}, {"SINCE"}, {"ADDRESSES"}});
  for (const auto& row : sessions.sessions())
    table.add({id_text(page, row.id(), kDeviceShown), yes_no(row.current()), online_cell(row.online()),
               row.since(), joined(row.addresses(), " ")});
  page.table(table);
}

// --- groups ------------------------------------------------------------------------------------------

void render(Page& page, const ctlpb::Group& group) {
  page.pairs({{"group", group.group()},
              {"role", pb::Role_Name(group.role())},
              {"members", count_text(group.members())},
              {"requests", count_text(group.requests())},
              {"description", group.description()},
              {"unlisted", yes_no(group.unlisted())},
              {"owner", group.owner()},
              {"id", group.id()},
              {"created", group.created()},
              {"invited", group.invited() ? "yes: you may join" : ""},
              {"invitations", joined(group.invitations(), ", ")}});
}

void render(Page& page, const ctlpb::GroupRows& groups) {
  Table table({{"GROUP"}, {"ROLE"}, {"MEMBERS", Align::Right}, {"REQUESTS", Align::Right}, {"DESCRIPTION"}});
  for (const auto& group : groups.groups())
    table.add({group.group(), group.invited() ? "invited" : pb::Role_Name(group.role()),
               count_text(group.members()), count_text(group.requests()), group.description()});
  page.table(table);
}

void render(Page& page, const ctlpb::JoinRequests& requests) {
  Table table({{"GROUP"}, {"USER"}, {"SINCE"}, {"MESSAGE"}});
  for (const auto& row : requests.requests())
    table.add({row.group(), row.user(), row.since(), row.message()});
  page.table(table);
}

void render(Page& page, const ctlpb::Members& members) {
  Table table({{"USER"}, {"ROLE"}, {"ONLINE"}});
  for (const auto& member : members.members())
    table.add({member.user(), pb::Role_Name(member.role()), online_cell(member.online())});
  page.table(table);
}

// --- files -------------------------------------------------------------------------------------------

void render(Page& page, const ctlpb::File& file) {
  const auto sharing = sharing_cell(file);
  // The hashes of the pieces are for programs; people would scroll through thousands of lines.
  page.pairs({{"group", file.group()},
              {"name", file.name()},
              {"size", page.size(file.size())},
              {"sha1", file.sha1()},
              {"pieces", count_text(file.pieces())},
              {"piece length", page.size(file.piece_length())},
              {"seeders", count_text(file.seeders())},
              {"leechers", count_text(file.leechers())},
              {"shared by", file.shared_by()},
              {"since", file.since()},
              {"sharing", sharing.text, sharing.tone},
              {"path", file.path()},
              {"cause", file.cause()},
              {"info hash v1", file.info_hash_v1()},
              {"info hash v2", file.info_hash_v2()}});
}

void render(Page& page, const ctlpb::FileRows& files) {
  Table table({{"GROUP"},
               {"NAME"},
               {"SIZE", Align::Right},
               {"SEEDERS", Align::Right},
               {"LEECHERS", Align::Right},
               {"SHARED BY"},
               {"SHARING"}});
  for (const auto& file : files.files())
    table.add({file.group(), file.name(), page.size(file.size()), count_text(file.seeders()),
               count_text(file.leechers()), file.shared_by(), sharing_cell(file)});
  page.table(table);
}

// --- downloads ---------------------------------------------------------------------------------------

void render(Page& page, const ctlpb::Download& download) {
  const auto state = state_cell(download);
  std::vector<Pair> pairs{{"id", download.id()},
                          {"group", download.group()},
                          {"name", download.name()},
                          {"state", state.text, state.tone},
                          {"cause", download.cause()},
                          {"size", page.size(download.size())},
                          {"done", page.size(download.done())},
                          {"rate", page.rate(download.rate())},
                          {"peers", count_text(download.peers())},
                          {"path", download.path()},
                          {"uploaded", page.size(download.uploaded())},
                          {"duplicate", page.size(download.duplicate())},
                          {"wasted", page.size(download.wasted())},
                          {"sha1", download.sha1()},
                          {"file sha1", ctlpb::FileSha1State_Name(download.file_sha1()),
                           download.file_sha1() == ctlpb::mismatch ? Tone::Bad : Tone::Plain}};
  for (const auto& source : download.sources())
    pairs.push_back(
        {"source", fmt::format("{} {} {}", source.user(), source.device(), page.size(source.bytes()))});
  page.pairs(pairs);
}

void render(Page& page, const ctlpb::Downloads& downloads) {
  std::vector<Column> columns{{"ID"},
                              {"FILE"},
                              {"STATE"},
                              {"DONE", Align::Right},
                              {"SIZE", Align::Right},
                              {"RATE", Align::Right},
                              {"PEERS", Align::Right}};
  // A path takes the room of everything else on a terminal; `download show` has it. A cause stands below.
  if (!page.is_laid_out()) columns.insert(columns.end(), {{"PATH"}, {"CAUSE"}});
  Table table(std::move(columns));
  for (const auto& row : downloads.downloads()) {
    const bool is_still = page.is_laid_out() && !(row.rate() > 0);
    std::vector<Cell> cells{id_text(page, row.id(), kIdShown),
                            title_of(row),
                            state_cell(row),
                            progress_of(row),
                            page.size(row.size()),
                            is_still ? "" : page.rate(row.rate()),
                            count_text(row.peers())};
    if (!page.is_laid_out()) cells.insert(cells.end(), {row.path(), row.cause()});
    table.add(std::move(cells));
    if (!row.cause().empty()) table.note(row.cause());
  }
  page.table(table);
}

void render_original(Page& page, const ctlpb::Downloads& downloads) {
  for (const auto& row : downloads.downloads())
    page.parts(
        {fmt::format("[{}] [{}] {}  ", row.state() == ctlpb::complete ? 'C' : 'D', row.group(), row.name()),
         state_cell(row), " " + progress_of(row)});
}

// --- this daemon -------------------------------------------------------------------------------------

void render(Page& page, const ctlpb::Limits& limits) {
  page.pairs({{"upload", page.limit(limits.upload())}, {"download", page.limit(limits.download())}});
}

void render(Page& page, const ctlpb::Status& status) {
  const auto& tracker = status.tracker();
  std::string link = tracker.connected() ? "yes" : "no";
  if (!tracker.connected() && !tracker.cause().empty()) link += ": " + tracker.cause();
  if (tracker.address().empty()) link.clear();
  std::vector<Pair> pairs{{"account", status.account().empty() ? "nobody is logged in" : status.account()},
                          {"tracker", tracker.address().empty() ? "none" : tracker.address()},
                          {"connected", link, tracker.connected() ? Tone::Good : Tone::Warning},
                          {"shares", count_text(status.shares())},
                          {"uploads", count_text(status.uploads())},
                          {"upload rate", page.rate(status.rates().upload())},
                          {"downloads", count_text(status.downloads())},
                          {"download rate", page.rate(status.rates().download())},
                          {"listening", status.listen()},
                          {"device", status.device()},
                          {"version", status.version()}};
  for (const auto& warning : status.warnings())
    pairs.push_back({"warning", fmt::format("{} ({})", warning.message(), warning.code()), Tone::Warning});
  page.pairs(pairs);
}

void render(Page& page, const ctlpb::Doctor& doctor) {
  if (!page.is_laid_out()) {
    Table table({{"STATE"}, {"CHECK"}, {"MESSAGE"}, {"HINT"}});
    for (const auto& check : doctor.checks())
      table.add({Cell(ctlpb::CheckState_Name(check.state()), tone_of(check.state())), check.name(),
                 check.message(), check.hint()});
    return page.table(table);
  }
  const std::size_t state_width = ctlpb::CheckState_Name(ctlpb::warning).size() + kGap;
  std::size_t name_width = 0;
  for (const auto& check : doctor.checks())
    name_width = std::max(name_width, display_width(safe_text(check.name())) + kGap);
  const std::size_t indent = state_width + name_width;
  const std::size_t room =
      page.width() > indent + kMessageWidthMin ? page.width() - indent : kMessageWidthMin;
  for (const auto& check : doctor.checks()) {
    const auto& state = ctlpb::CheckState_Name(check.state());
    const auto name = safe_text(check.name());
    std::vector<Cell> begin{{state, tone_of(check.state())},
                            std::string(state_width - state.size(), ' ') + name +
                                std::string(name_width - display_width(name), ' ')};
    for (const auto& line : wrapped(safe_text(check.message()), room)) {
      begin.emplace_back(line);
      page.parts(begin);
      begin.assign(1, std::string(indent, ' '));
    }
    if (check.state() == ctlpb::good || check.hint().empty()) continue;
    for (const auto& line : wrapped("hint: " + safe_text(check.hint()), room))
      page.parts({std::string(indent, ' '), line});
  }
}

// --- operator ----------------------------------------------------------------------------------------

void render(Page& page, const ctlpb::OperatorStatus& status) {
  const auto uptime = std::chrono::seconds(static_cast<std::int64_t>(status.uptime_seconds()));
  page.pairs({{"address", status.address()},
              {"listening", status.listen()},
              {"users", count_text(status.users())},
              {"groups", count_text(status.groups())},
              {"shares", count_text(status.shares())},
              {"sessions", count_text(status.sessions())},
              {"registration", status.registration()},
              {"uptime", format_duration(uptime)},
              {"version", status.version()}});
}

void render(Page& page, const ctlpb::OperatorUsers& users) {
  Table table({{"USER"},
               {"STATE"},
               {"DEVICES", Align::Right},
               {"ONLINE", Align::Right},
               {"GROUPS", Align::Right},
               {"CREATED"}});
  for (const auto& user : users.users())
    table.add({user.user(), user.disabled() ? Cell("disabled", Tone::Warning) : Cell("active"),
               count_text(user.devices()), count_text(user.online()), count_text(user.groups()),
               user.created()});
  page.table(table);
}

void render(Page& page, const ctlpb::OperatorGroups& groups) {
  Table table(
      {{"GROUP"}, {"OWNER"}, {"MEMBERS", Align::Right}, {"SHARES", Align::Right}, {"UNLISTED"}, {"CREATED"}});
  for (const auto& group : groups.groups())
    table.add({group.group(), group.owner(), count_text(group.members()), count_text(group.shares()),
               yes_no(group.unlisted()), group.created()});
  page.table(table);
}

}  // namespace p2p::ctl
