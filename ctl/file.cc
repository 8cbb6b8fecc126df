// SPDX-License-Identifier: MIT
// file share, list, show.
#include <filesystem>
#include <fmt/format.h>

#include "ctl/commands.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;
using ctlpb::Response;

std::string shared_by_us(const ctlpb::File& file) {
  return file.state() == ctlpb::listed ? "no" : std::string(ctlpb::FileState_Name(file.state()));
}

}  // namespace

Status file_share(Session& session, const Arguments& arguments) {
  const auto path = absolute_path(arguments.path);
  if (!path) return fail(path.error());
  if (path->empty()) return fail(Code::InvalidArgument, "the path of the file to share is empty");
  ctlpb::Request request;
  auto& body = *request.mutable_file_share();
  body.set_path(*path);
  body.set_group(arguments.group);
  body.set_name(arguments.name);
  body.set_wait(arguments.wait);

  Session::Question question{.expected = Response::kFile};
  question.wait = arguments.wait ? Wait::Work : Wait::Answer;
  question.label =
      arguments.group + "/" +
      (arguments.name.empty() ? std::filesystem::path(*path).filename().string() : arguments.name);
  question.background = "sharing goes on in the daemon";
  question.background_hint = fmt::format("see 'p2pctl file list {}'", arguments.group);
  const auto response = session.ask(std::move(request), question);
  if (!response) return fail(response.error());
  const auto& file = response->file();
  if (session.output().is_json()) return session.output().json(file);
  session.output().say(file.state() == ctlpb::sharing
                           ? fmt::format("sharing {}/{}", file.group(), file.name())
                           : fmt::format("sharing {}/{} is under way ({})", file.group(), file.name(),
                                         ctlpb::FileState_Name(file.state())));
  return {};
}

Status file_list(Session& session, const Arguments& arguments) {
  ctlpb::Request request;
  request.mutable_file_list()->set_group(arguments.group);
  const auto response = session.ask(std::move(request), {.expected = Response::kFiles});
  if (!response) return fail(response.error());
  const auto& output = session.output();
  if (output.is_json()) return output.json(response->files());
  Table table({{"GROUP"},
               {"NAME"},
               {"SIZE", Align::Right},
               {"SEEDERS", Align::Right},
               {"LEECHERS", Align::Right},
               {"SHARED BY"},
               {"SHARING"}});
  for (const auto& file : response->files().files())
    table.add({file.group(), file.name(), output.size(file.size()), count_text(file.seeders()),
               count_text(file.leechers()), file.shared_by(), shared_by_us(file)});
  output.table(table);
  return {};
}

Status file_show(Session& session, const Arguments& arguments) {
  const auto address = split_file_address(arguments.file);
  if (!address) return fail(address.error());
  ctlpb::Request request;
  request.mutable_file_show()->set_group(address->group);
  request.mutable_file_show()->set_name(address->name);
  const auto response = session.ask(std::move(request), {.expected = Response::kFile});
  if (!response) return fail(response.error());
  const auto& file = response->file();
  const auto& output = session.output();
  if (output.is_json()) return output.json(file);
  // The hashes of the pieces are for programs; people would scroll through thousands of lines.
  output.pairs({{"group", file.group()},
                {"name", file.name()},
                {"size", output.size(file.size())},
                {"sha1", file.sha1()},
                {"pieces", count_text(file.pieces())},
                {"piece length", output.size(file.piece_length())},
                {"seeders", count_text(file.seeders())},
                {"leechers", count_text(file.leechers())},
                {"shared by", file.shared_by()},
                {"since", file.since()},
                {"sharing", shared_by_us(file)},
                {"path", file.path()},
                {"cause", file.cause()},
                {"info hash v1", file.info_hash_v1()},
                {"info hash v2", file.info_hash_v2()}});
  return {};
}

}  // namespace p2p::ctl
