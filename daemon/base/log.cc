// SPDX-License-Identifier: MIT
#include "daemon/base/log.h"

#include <array>
#include <cstdlib>
#include <memory>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "daemon/base/names.h"

namespace p2p::log {
namespace {

constexpr std::size_t kFieldBytes = 512;

struct LevelRow {
  std::string_view name;
  spdlog::level::level_enum level;
};

constexpr std::array kLevels{
    LevelRow{"trace", spdlog::level::trace}, LevelRow{"debug", spdlog::level::debug},
    LevelRow{"info", spdlog::level::info},   LevelRow{"warn", spdlog::level::warn},
    LevelRow{"error", spdlog::level::err},
};

spdlog::level::level_enum to_spdlog(Level level) { return kLevels[static_cast<std::size_t>(level)].level; }

// "<6>" and the like: how a line on standard error tells the journal its priority (sd-daemon(3)).
int journal_priority(Level level) {
  switch (level) {
    case Level::Error: return 3;
    case Level::Warn: return 4;
    case Level::Info: return 6;
    default: return 7;
  }
}

bool under_systemd() {
  static const bool kUnderSystemd = std::getenv("JOURNAL_STREAM") != nullptr;
  return kUnderSystemd;
}

}  // namespace

Result<Level> parse_level(std::string_view name) {
  for (std::size_t i = 0; i < kLevels.size(); ++i)
    if (kLevels[i].name == name) return static_cast<Level>(i);
  return fail(Code::InvalidArgument, fmt::format("'{}' is not a log level", printable(name, 32)),
              "levels are trace, debug, info, warn and error");
}

void start(std::string_view program, Level level) {
  auto logger = std::make_shared<spdlog::logger>(std::string(program),
                                                 std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern(under_systemd() ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %n %^%l%$ %v");
  logger->set_level(to_spdlog(level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void set_level(Level level) { spdlog::default_logger_raw()->set_level(to_spdlog(level)); }

bool enabled(Level level) { return spdlog::default_logger_raw()->should_log(to_spdlog(level)); }

void write(Level level, std::string_view phrase, Fields fields) {
  if (!enabled(level)) return;
  std::string line = under_systemd() ? fmt::format("<{}>", journal_priority(level)) : std::string();
  line += phrase;
  for (const auto& field : fields) {
    const auto value = printable(field.value, kFieldBytes);
    const bool quoted = value.empty() || value.find_first_of(" =\"") != std::string::npos;
    line += quoted ? fmt::format(" {}=\"{}\"", field.key, value) : fmt::format(" {}={}", field.key, value);
  }
  spdlog::default_logger_raw()->log(to_spdlog(level), line);
}

}  // namespace p2p::log
