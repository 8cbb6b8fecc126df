// SPDX-License-Identifier: MIT
// Plays scenarios and prints their figures:
//
//   simulate                          names of the scenarios
//   simulate SCENARIO [SEED [COUNT]]  COUNT seeds from SEED on (1, 1); 0: until it is told to stop
//   simulate SCENARIO SEED timeline   one seed, with what the uplinks do
//
// A scenario with hostile members is followed by its ratio to its clean twin.
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

// What several seeds gave.
class Summary {
 public:
  void add(const sim::Figures& figures) {
    last_.push_back(figures.last);
    copies_.push_back(figures.copies);
  }
  void add_twin(const sim::Figures& hostile, const sim::Figures& clean) {
    ratios_.push_back(hostile.last / clean.last);
    wasted_.push_back(static_cast<double>(hostile.wasted_bytes) / (1024 * 1024));
    bad_blocks_.push_back(hostile.bad_blocks_most);
    honest_bans_ += hostile.honest_bans;
  }
  void print() const {
    if (last_.size() < 2) return;
    std::printf("median: last %.3f copies %.3f\n", median(last_), median(copies_));
    if (ratios_.empty()) return;
    std::printf(
        "of clean: median %.3f worst %.3f; wasted MiB: median %.2f worst %.2f; bad blocks to one: "
        "median %.0f worst %.0f; honest bans: %zu\n",
        median(ratios_), most(ratios_), median(wasted_), most(wasted_), median(bad_blocks_),
        most(bad_blocks_), honest_bans_);
  }

 private:
  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }
  static double most(const std::vector<double>& values) {
    return *std::max_element(values.begin(), values.end());
  }
  std::vector<double> last_;
  std::vector<double> copies_;
  std::vector<double> ratios_;
  std::vector<double> wasted_;
  std::vector<double> bad_blocks_;
  std::size_t honest_bans_ = 0;
};

bool is_good(const sim::Figures& figures) { return figures.complete && figures.violations.empty(); }

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
  Summary summary;
  bool good = true;
  for (std::uint64_t i = 0; stop == 0 && (seeds == 0 || i < seeds); ++i) {
    const auto figures = sim::play(*found, seed + i);
    auto line = sim::describe(*found, seed + i, figures);
    bool went_well = is_good(figures);
    if (found->hostile > 0) {
      const auto clean = sim::play(sim::clean_twin(*found), seed + i);
      line = sim::describe(*found, seed + i, figures, &clean);
      went_well = went_well && is_good(clean);
      summary.add_twin(figures, clean);
    }
    std::printf("%s\n", line.c_str());
    if (!went_well) {
      good = false;
      std::printf("FAILED; again: %s %s %llu\n", words[0], words[1], seed + i);
    }
    std::fflush(stdout);
    summary.add(figures);
  }
  summary.print();
  return good ? 0 : 1;
}
