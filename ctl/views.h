// SPDX-License-Identifier: MIT
// What every answer looks like to people and to scripts that read lines: one function a kind of message,
// pure. With --json the message itself is printed instead, whole.
//
// What a script reads stays: columns and keys are only added, at the end.
#pragma once

#include <string>

#include "ctl/output.h"
#include "ctl/page.h"
#include "daemon/base/result.h"
#include "proto/control.pb.h"

namespace p2p::ctl {

void render(Page& page, const pb::control::Account& account);
void render(Page& page, const pb::control::Sessions& sessions);
void render(Page& page, const pb::control::Group& group);
void render(Page& page, const pb::control::GroupRows& groups);
void render(Page& page, const pb::control::JoinRequests& requests);
void render(Page& page, const pb::control::Members& members);
void render(Page& page, const pb::control::File& file);
void render(Page& page, const pb::control::FileRows& files);
void render(Page& page, const pb::control::Download& download);
void render(Page& page, const pb::control::Downloads& downloads);
void render(Page& page, const pb::control::Limits& limits);
void render(Page& page, const pb::control::Status& status);
void render(Page& page, const pb::control::Doctor& doctor);
void render(Page& page, const pb::control::OperatorStatus& status);
void render(Page& page, const pb::control::OperatorUsers& users);
void render(Page& page, const pb::control::OperatorGroups& groups);

// The lines of the original system: "[D] [group] name" while downloading, "[C] ..." when complete.
void render_original(Page& page, const pb::control::Downloads& downloads);

// "56%", rounded down; 100% only when it is complete.
std::string progress_of(const pb::control::Download& download);

// "lab/film.mkv"
std::string title_of(const pb::control::Download& download);

// The answer as standard output is to get it: JSON on one line, or a page.
template <class Message>
Result<std::string> text_of(const Output& output, const Message& message) {
  if (output.is_json()) {
    auto text = message_json(message);
    return text ? *text + "\n" : text;
  }
  Page page = output.page();
  render(page, message);
  return page.text();
}

template <class Message>
Status show(const Output& output, const Message& message) {
  const auto text = text_of(output, message);
  if (!text) return fail(text.error());
  output.write(*text);
  return {};
}

}  // namespace p2p::ctl
