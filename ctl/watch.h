// SPDX-License-Identifier: MIT
// --watch: the same question every second, until Ctrl-C.
//
// On a terminal each answer is drawn over the last one, in one write and without clearing first, so that
// nothing flickers. Elsewhere the answers follow each other, each flushed as a whole; with --json every one
// is a line.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "ctl/output.h"
#include "ctl/session.h"
#include "daemon/base/result.h"

namespace p2p::ctl {

// What has to be written to draw one text over the last one. Lines are cut to the window, which may have
// been resized between two frames. Pure.
class Redraw {
 public:
  std::string frame(std::string_view text, std::size_t width, std::size_t height);

 private:
  std::size_t lines_ = 0;  // of the last frame; the cursor stands below them
};

// `line` in `width` columns. It may hold colours, which take none.
std::string cut_colored(std::string_view line, std::size_t width);

// An answer as text_of() gives it, for this output.
using Look = std::function<Result<std::string>(const Output&)>;

// Looks once, or again and again until Ctrl-C, which is then no error.
Status look_or_watch(Session& session, bool is_watched, const Look& look);

}  // namespace p2p::ctl
