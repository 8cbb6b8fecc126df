// SPDX-License-Identifier: MIT
#include "ctl/arguments.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <numeric>

#include "ctl/table.h"
#include "daemon/base/names.h"

namespace p2p::ctl {
namespace {

// Edits that turn one word into the other (insert, delete, replace, swap of neighbours). Words are short.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> before_last(to.size() + 1);
  std::vector<std::size_t> last(to.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::vector<std::size_t> row(to.size() + 1, i);
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = std::exchange(last, std::move(row));
  }
  return last.back();
}

}  // namespace

Result<FileAddress> split_file_address(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == text.size())
    return fail(Code::InvalidArgument, fmt::format("'{}' is not GROUP/NAME", printable(text, 300)),
                "write the group, a slash and the file's name: lab/film.mkv");
  return FileAddress{std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

std::string path_from(std::string_view folder, std::string_view path) {
  if (path.starts_with('/')) return std::string(path);
  while (path.starts_with("./")) {
    path.remove_prefix(1);
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  }
  std::string out(folder);
  if (!out.ends_with('/')) out += '/';
  return path == "." ? out : out.append(path);
}

Result<std::string> absolute_path(std::string_view path) {
  if (path.empty() || path.starts_with('/')) return std::string(path);
  std::error_code error;
  const auto folder = std::filesystem::current_path(error);
  if (error) return fail(system_error(error.value(), "cannot tell the current folder"));
  auto absolute = path_from(folder.native(), path);
  if (!is_utf8(absolute))
    return fail(Code::InvalidArgument, fmt::format("the path '{}' is not valid UTF-8", printable(absolute)),
                "rename the folder or work from another one");
  return absolute;
}

std::optional<std::string> suggestion(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr std::size_t kWordMax = 32;  // nobody mistypes a word of more
  if (word.empty() || word.size() > kWordMax) return std::nullopt;
  std::optional<std::string> best;
  // A third of the word may be wrong; of a short one, one letter.
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const std::size_t edits = distance(word, candidate);
    if (edits >= best_distance || edits >= candidate.size()) continue;
    best = candidate;
    best_distance = edits;
  }
  return best;
}

}  // namespace p2p::ctl
