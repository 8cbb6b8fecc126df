// SPDX-License-Identifier: MIT
#include "daemon/base/names.h"

#include <cstdlib>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <utf8proc.h>

#include "daemon/base/bytes.h"
#include "daemon/base/limits.h"

namespace p2p {
namespace {

constexpr std::size_t kLabelMin = 2;
constexpr std::size_t kLabelMax = 32;

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

Result<std::string> label(std::string_view text, std::string_view kind) {
  const std::string rule = fmt::format(
      "a {} name is 2 to 32 letters a-z, digits, '.', '_' or '-', and begins with a letter or digit", kind);
  std::string folded(text);
  for (auto& c : folded)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto refuse = [&] {
    return fail(Code::InvalidName, fmt::format("'{}' is not a {} name", printable(text, 64), kind), rule);
  };
  if (folded.size() < kLabelMin || folded.size() > kLabelMax || !is_letter_or_digit(folded[0]))
    return refuse();
  for (char c : folded)
    if (!is_letter_or_digit(c) && c != '.' && c != '_' && c != '-') return refuse();
  return folded;
}

// The next code point of valid UTF-8, or nothing. Advances `text` past it.
std::optional<utf8proc_int32_t> next_code_point(std::string_view& text) {
  utf8proc_int32_t code_point = 0;
  const auto used = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                     static_cast<utf8proc_ssize_t>(text.size()), &code_point);
  if (used <= 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(used));
  return code_point;
}

// Characters that show nothing, change the direction of what follows, or move a terminal's cursor.
bool is_hazardous(utf8proc_int32_t c) {
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:  // control
    case UTF8PROC_CATEGORY_CF:  // format: bidirectional controls, zero-width characters
    case UTF8PROC_CATEGORY_CS:  // surrogates
    case UTF8PROC_CATEGORY_ZL:  // line separator
    case UTF8PROC_CATEGORY_ZP:  // paragraph separator
    case UTF8PROC_CATEGORY_CN:  // unassigned
      return true;
    default: return false;
  }
}

}  // namespace

Result<std::string> user_name(std::string_view text) { return label(text, "user"); }
Result<std::string> group_name(std::string_view text) { return label(text, "group"); }

Status check_file_name(std::string_view name) {
  const auto refuse = [&](std::string_view rule) {
    return fail(Code::InvalidName, fmt::format("file name '{}' is refused: {}", printable(name, 300), rule),
                "choose another name with --name");
  };
  if (name.empty()) return refuse("it is empty");
  if (name.size() > limits::kNameBytes) return refuse("it is longer than 255 bytes");
  if (name == "." || name == "..") return refuse("it names a folder");
  for (auto rest = name; !rest.empty();) {
    const auto c = next_code_point(rest);
    if (!c) return refuse("it is not valid UTF-8");
    if (*c == '/') return refuse("it contains '/'");
    if (is_hazardous(*c))
      return refuse("it contains a control, bidirectional, zero-width or separator character");
  }
  utf8proc_uint8_t* composed = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(name.data()),
                                   static_cast<utf8proc_ssize_t>(name.size()), &composed,
                                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  if (length < 0) return refuse("it is not valid UTF-8");
  if (as_text(ByteSpan(composed, static_cast<std::size_t>(length))) != name)
    return refuse("it is not in Unicode normalization form C");
  return {};
}

Status check_text(std::string_view text, std::size_t max_bytes, std::string_view what) {
  if (text.size() > max_bytes)
    return fail(Code::InvalidArgument, fmt::format("the {} is longer than {} bytes", what, max_bytes));
  for (auto rest = text; !rest.empty();) {
    const auto c = next_code_point(rest);
    if (!c) return fail(Code::InvalidArgument, fmt::format("the {} is not valid UTF-8", what));
    if (is_hazardous(*c))
      return fail(Code::InvalidArgument, fmt::format("the {} contains a control character", what));
  }
  return {};
}

std::string printable(std::string_view foreign, std::size_t max_bytes) {
  std::string safe;
  while (!foreign.empty()) {
    if (safe.size() >= max_bytes) return safe + "...";
    const auto before = foreign;
    const auto c = next_code_point(foreign);
    if (!c) {
      safe += fmt::format("\\x{:02x}", static_cast<unsigned char>(foreign[0]));
      foreign.remove_prefix(1);
    } else if (is_hazardous(*c)) {
      safe += *c < 0x80 ? fmt::format("\\x{:02x}", *c) : fmt::format("\\u{{{:04x}}}", *c);
    } else {
      safe += before.substr(0, before.size() - foreign.size());
    }
  }
  return safe;
}

}  // namespace p2p
