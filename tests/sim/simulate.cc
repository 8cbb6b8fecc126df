// SPDX-License-Identifier: MIT
// Plays scenarios and prints their figures:
//
//   simulate                          names of the scenarios
//   simulate SCENARIO [SEED [COUNT]]  COUNT seeds from SEED on (1, 1); 0: until it is told to stop
//   simulate SCENARIO SEED timeline   one seed, with what the uplinks do
//
// Told to stop (SIGINT, SIGTERM) it ends the run under way, prints the medians and says how it went: exit
// status 1 when somebody did not complete or a check failed in any run; the command to play that one again
// follows its line.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/sim/scenario.h"

using namespace p2p;

namespace {

volatile std::sig_atomic_t stop = 0;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) {
    for (const auto& one : sim::scenarios()) std::printf("%s\n", std::string(one.name).c_str());
    return 0;
  }
  const auto& all = sim::scenarios();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == words[1]; });
  if (found == all.end()) {
    std::fprintf(stderr, "there is no scenario '%s'\n", words[1]);
    return 2;
  }
  const auto seed = count > 2 ? std::strtoull(words[2], nullptr, 10) : 1;
  if (count > 3 && std::string_view(words[3]) == "timeline") {
    std::printf("%s\n", sim::describe(*found, seed, sim::play(*found, seed, stdout)).c_str());
    return 0;
  }
  const auto seeds = count > 3 ? std::strtoull(words[3], nullptr, 10) : 1;
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { stop = 1; });
  std::vector<double> last;
  std::vector<double> copies;
  bool good = true;
  for (std::uint64_t i = 0; stop == 0 && (seeds == 0 || i < seeds); ++i) {
    const auto figures = sim::play(*found, seed + i);
    std::printf("%s\n", sim::describe(*found, seed + i, figures).c_str());
    if (!figures.complete || !figures.violations.empty()) {
      good = false;
      std::printf("FAILED; again: %s %s %llu\n", words[0], words[1], seed + i);
    }
    std::fflush(stdout);
    last.push_back(figures.last);
    copies.push_back(figures.copies);
  }
  if (last.size() > 1) std::printf("median: last %.3f copies %.3f\n", median(last), median(copies));
  return good ? 0 : 1;
}
