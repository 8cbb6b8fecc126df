// SPDX-License-Identifier: MIT
#include "daemon/config/settings.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <toml++/toml.h>

#include "daemon/base/names.h"

namespace p2p::config {
namespace {

constexpr std::size_t kFileBytes = 256 * 1024;

// A value and where it was written, for the message when it is wrong.
struct Given {
  std::string value;
  std::string place;
};
using Values = std::map<std::string, Given>;

std::string option_name(const Setting& setting) {
  std::string name = "--" + setting.key;
  for (auto& c : name)
    if (c == '_') c = '-';
  return name;
}

std::string environment_name(const Program& program, const Setting& setting) {
  std::string name = setting.key;
  for (auto& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return program.environment_prefix + name;
}

const Setting* find(const Program& program, std::string_view key) {
  for (const auto& setting : program.settings)
    if (setting.key == key && !setting.command_line_only) return &setting;
  return nullptr;
}

tl::unexpected<Error> unknown_key(const Program& program, std::string_view place, std::string_view key) {
  return fail(Code::InvalidArgument, fmt::format("{}: unknown setting '{}'", place, printable(key, 64)),
              fmt::format("{}.conf(5) lists the settings", program.name));
}

Status read_file(const Program& program, const std::string& path, bool required, bool& found,
                 Values& values) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    if (required || errno != ENOENT) return fail(system_error(errno != 0 ? errno : EIO, path));
    return {};
  }
  found = true;
  std::string content(kFileBytes + 1, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(file.gcount()));
  if (content.size() > kFileBytes) return fail(Code::InvalidArgument, path + ": the file is too large");
  const auto place_of = [&](const toml::source_region& source) {
    return fmt::format("{}:{}:{}", path, source.begin.line, source.begin.column);
  };
  try {
    const auto table = toml::parse(content, path);
    for (const auto& [key, node] : table) {
      const auto place = place_of(node.source());
      if (find(program, key.str()) == nullptr) return unknown_key(program, place, key.str());
      if (const auto* text = node.as_string()) values[std::string(key.str())] = {text->get(), place};
      else if (const auto* number = node.as_integer())
        values[std::string(key.str())] = {std::to_string(number->get()), place};
      else if (const auto* flag = node.as_boolean())
        values[std::string(key.str())] = {flag->get() ? "true" : "false", place};
      else
        return fail(Code::InvalidArgument,
                    fmt::format("{}: '{}' must be a string, a number or a boolean", place, key.str()));
    }
  } catch (const toml::parse_error& error) {
    return fail(Code::InvalidArgument, fmt::format("{}: {}", place_of(error.source()), error.description()),
                "the file is TOML: one 'key = value' a line, texts in quotes");
  }
  return {};
}

}  // namespace

Result<Outcome> load(const Program& program, int argc, const char* const* argv) {
  CLI::App app(program.purpose, program.name);
  app.set_help_flag("-h,--help", "print this and exit");
  app.set_version_flag("-V,--version", program.name + " " P2P_VERSION);
  std::string config_file;
  std::vector<std::string> pairs;
  std::map<std::string, std::string> options;
  app.add_option("--config", config_file, "read this configuration file instead of the default ones")
      ->type_name("FILE");
  for (const auto& setting : program.settings)
    if (setting.option)
      app.add_option(option_name(setting), options[setting.key], setting.help)->type_name(setting.value_name);
  std::string footer =
      "Settings for --set, the environment (" + program.environment_prefix + "KEY) and the file:\n";
  for (const auto& setting : program.settings)
    if (!setting.command_line_only)
      footer += fmt::format("  {:<28} {}\n", setting.key + "=" + setting.value_name, setting.help);
  app.add_option("--set", pairs, "give any setting a value")->type_name("KEY=VALUE")->allow_extra_args(false);
  app.footer(footer);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return Outcome::Exit;
  } catch (const CLI::CallForVersion&) {
    std::cout << program.name << " " P2P_VERSION << "\n";
    return Outcome::Exit;
  } catch (const CLI::ParseError& error) {
    return fail(Code::InvalidArgument, error.what(), "see " + program.name + " --help");
  }

  Values values;
  bool found = false;
  if (!config_file.empty()) {
    if (auto status = read_file(program, config_file, true, found, values); !status)
      return fail(status.error());
  } else {
    for (const auto& path : program.files) {
      if (found) break;
      if (auto status = read_file(program, path, false, found, values); !status) return fail(status.error());
    }
  }
  for (const auto& setting : program.settings) {
    if (setting.command_line_only) continue;
    const auto name = environment_name(program, setting);
    if (const char* value = std::getenv(name.c_str())) values[setting.key] = {value, "environment " + name};
  }
  for (const auto& pair : pairs) {
    const auto equals = pair.find('=');
    const auto key = pair.substr(0, equals);
    if (equals == std::string::npos || find(program, key) == nullptr)
      return unknown_key(program, "--set", key);
    values[key] = {pair.substr(equals + 1), "--set " + key};
  }
  for (const auto& setting : program.settings)
    if (setting.option && app.count(option_name(setting)) > 0)
      values[setting.key] = {options[setting.key], option_name(setting)};

  for (const auto& setting : program.settings) {
    const auto given = values.find(setting.key);
    if (given == values.end()) continue;
    if (auto status = setting.take(given->second.value); !status)
      return fail(Error{Code::InvalidArgument,
                        fmt::format("{}: {}: {}", given->second.place, setting.key, status.error().message),
                        status.error().hint});
  }
  return Outcome::Run;
}

}  // namespace p2p::config
