// SPDX-License-Identifier: MIT
// What p2pctl is talking to: whether each stream is a terminal, how wide it is, and whether to colour it.
//
// Looked at once at the start and passed by value from then on; only ask_on_terminal() does I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "daemon/base/result.h"

namespace p2p::ctl {

enum class ColorMode : std::uint8_t { Auto, Always, Never };

struct Terminal {
  bool can_ask = false;       // standard input is a terminal: there is somebody to ask
  bool shows_output = false;  // standard output is a terminal: tables are laid out and cut to width
  bool moves_cursor = false;  // ... and it understands being redrawn (TERM is not "dumb")
  bool colors_output = false;
  bool colors_errors = false;
  std::size_t width = 80;   // of standard output, in columns
  std::size_t height = 24;  // in lines
};

// NO_COLOR and TERM=dumb turn automatic colours off; Always wins over both.
Terminal look_at_terminal(ColorMode mode);

// Looks at width and height again: a window may have been resized. 80 by 24 where there is no telling.
void measure_terminal(Terminal& terminal);

// Writes `question` to the controlling terminal and reads one line from it, shown as it is typed. Not
// standard output, which may belong to a script. Bounded; the line comes without its line end.
Result<std::string> ask_on_terminal(const std::string& question);

}  // namespace p2p::ctl
