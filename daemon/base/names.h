// SPDX-License-Identifier: MIT
// The rules for names (CLI.md, "Names") and the one way in which foreign text may reach a terminal or a
// log. Tracker, sharer and receiver each check a file name for themselves.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/result.h"

namespace p2p {

// User and group names: [a-z0-9][a-z0-9._-]{1,31} after case folding. Gives the folded name.
Result<std::string> user_name(std::string_view text);
Result<std::string> group_name(std::string_view text);

// A file name is accepted as it stands or refused with the rule it breaks: valid UTF-8 in NFC, 1 to 255
// bytes, no '/', not "." or "..", no control, bidirectional, zero-width or separator characters.
Status check_file_name(std::string_view name);

// Valid UTF-8 without control characters, at most `max_bytes`: join messages and descriptions.
Status check_text(std::string_view text, std::size_t max_bytes, std::string_view what);

// Text from others made safe to print: what is not plain printable becomes \xNN or \u{NNNN}; longer
// texts are cut at `max_bytes` with "...".
std::string printable(std::string_view foreign, std::size_t max_bytes = 1024);

}  // namespace p2p
