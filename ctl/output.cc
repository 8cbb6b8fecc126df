// SPDX-License-Identifier: MIT
#include "ctl/output.h"

#include <cstdio>
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>
#include <utf8proc.h>

#include "daemon/base/names.h"

namespace p2p::ctl {
namespace {

// Every error says what to do next.
std::string hint_of(const Error& error) {
  return error.hint.empty() ? std::string(default_hint(error.code)) : error.hint;
}

bool needs_escape(utf8proc_int32_t c) {
  const auto category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
         category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

std::string json_escape(utf8proc_int32_t c) {
  constexpr utf8proc_int32_t kAstral = 0x10000;
  if (c < kAstral) return fmt::format("\\u{:04x}", c);
  const auto offset = c - kAstral;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (offset >> 10), 0xdc00 + (offset & 0x3ff));
}

void put(std::FILE* stream, std::string_view text) {
  // Where both streams end in one place, what was written first stands first.
  if (stream == stderr) std::fflush(stdout);
  std::fwrite(text.data(), 1, text.size(), stream);
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    utf8proc_int32_t c = 0;
    const auto used = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &c);
    const std::size_t bytes = used > 0 ? static_cast<std::size_t>(used) : 1;
    if (used <= 0) out += "\\ufffd";
    else if (c == '"' || c == '\\') out += {'\\', static_cast<char>(c)};
    else if (needs_escape(c)) out += json_escape(c);
    else out += text.substr(0, bytes);
    text.remove_prefix(bytes);
  }
  return out + "\"";
}

std::string error_json(const Error& error, int exit) {
  return fmt::format(R"({{"error":{{"code":{},"message":{},"hint":{},"exit":{}}}}})",
                     json_string(code_name(error.code)), json_string(error.message),
                     json_string(hint_of(error)), exit);
}

std::string error_text(const Error& error, bool color) {
  std::string out = color ? "\x1b[1;31mp2pctl:\x1b[0m " : "p2pctl: ";
  out += safe_text(error.message) + "\n";
  out += "hint: " + safe_text(hint_of(error)) + "\n";
  return out;
}

Result<std::string> message_json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return fail(Code::Internal, "the answer cannot be written as JSON: " + status.ToString());
  return text;
}

Status Output::json(const google::protobuf::Message& message) const {
  auto text = message_json(message);
  if (!text) return fail(std::move(text.error()));
  put(stdout, *text + "\n");
  return {};
}

Page Output::page() const {
  TableStyle style;
  style.laid_out = terminal_.shows_output;
  style.width = terminal_.width;
  style.heading = !options_.quiet;
  style.color = terminal_.colors_output;
  return Page(style);
}

void Output::write(std::string_view text) const { put(stdout, text); }

void Output::line(std::string_view text) const { put(stdout, safe_text(text) + "\n"); }

void Output::say(std::string_view sentence) const {
  if (!options_.json && !options_.quiet) put(stderr, safe_text(sentence) + "\n");
}

void Output::error(const Error& error, int exit) const {
  put(stderr, options_.json ? error_json(error, exit) + "\n" : error_text(error, terminal_.colors_errors));
}

}  // namespace p2p::ctl
