// SPDX-License-Identifier: MIT
#include "ctl/session.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "ctl/progress.h"

namespace p2p::ctl {
namespace {

namespace ctlpb = pb::control;

constexpr Duration kTimeoutDefault = std::chrono::seconds(30);
constexpr Duration kTimeoutSlack = std::chrono::seconds(5);  // for the daemon's own "timed out" to arrive

std::uint32_t milliseconds_of(Duration timeout) {
  const auto count = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  // 0 would stand for the default.
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(count, 1, std::numeric_limits<std::uint32_t>::max()));
}

// Shows what a request's Progress frames tell.
class Display final : public ProgressListener {
 public:
  Display(ProgressStyle style, std::size_t width, std::string label)
      : progress_(style, width), label_(std::move(label)) {}

  void on_progress(const ctlpb::Progress& progress, TimePoint now) override {
    was_accepted_ = true;
    WorkState state;
    if (progress.has_hashing()) {
      state.label = label_;
      state.done = progress.hashing().done();
      state.size = progress.hashing().size();
      progress_.update(label_, std::move(state), now);
    } else if (progress.has_download()) {
      const auto& download = progress.download();
      state.label = download.group() + "/" + download.name();
      state.done = download.done();
      state.size = download.size();
      state.rate = download.rate();
      state.peers = download.peers();
      if (download.state() != ctlpb::downloading) {
        state.note = ctlpb::DownloadState_Name(download.state());
        if (!download.cause().empty()) state.note += ": " + download.cause();
      }
      progress_.update(download.id(), std::move(state), now);
    }
  }
  void on_silence() override { progress_.show_waiting(); }

  bool was_accepted() const { return was_accepted_; }

 private:
  Progress progress_;
  std::string label_;
  bool was_accepted_ = false;
};

ProgressStyle style_of(const Output& output) {
  if (output.is_json() || output.is_quiet()) return ProgressStyle::None;
  return output.terminal().moves_cursor ? ProgressStyle::Bar : ProgressStyle::Lines;
}

}  // namespace

Status Session::confirm(const std::string& question) const {
  if (!may_ask()) return {};
  auto answer = ask_on_terminal(safe_text(question) + " [y/N] ");
  if (!answer) return fail(std::move(answer.error()));
  if (*answer == "y" || *answer == "Y" || *answer == "yes") return {};
  return fail(Code::Cancelled, "nothing was changed: the answer was not yes", "-y answers without asking");
}

std::string Session::socket_path(Trust trust) const {
  return globals_.socket.empty() ? default_socket(trust) : globals_.socket;
}

Error Session::ended_early(const Error& error, Ending ending, const Question& question,
                           bool was_accepted) const {
  if (question.wait != Wait::Work || (ending != Ending::Interrupted && ending != Ending::TimedOut))
    return error;
  Error told = error;
  if (ending == Ending::TimedOut) told = {Code::Unfinished, "the wait ended with unfinished work"};
  // New work goes on only once the daemon has taken it on, which its first progress tells.
  const bool goes_on = was_accepted || question.goes_on_unseen;
  told.message += goes_on ? "; " + question.background : " before the daemon reported a start";
  told.hint = question.background_hint;
  return told;
}

Result<ctlpb::Response> Session::ask(ctlpb::Request request, const Question& question) {
  if (!client_) {
    auto client = Client::connect(socket_path(question.trust), question.trust);
    if (!client) return fail(std::move(client.error()));
    client_.emplace(std::move(*client));
  }
  const Duration timeout = globals_.timeout.value_or(kTimeoutDefault);
  request.set_timeout_ms(milliseconds_of(timeout));
  // Work that is under way is left at --timeout itself: the daemon has no word of its own to say then.
  Patience patience{timeout + kTimeoutSlack, timeout + kTimeoutSlack};
  if (question.wait == Wait::Work) {
    patience.work = globals_.timeout;
    if (!globals_.timeout) patience.answer.reset();
  }

  Display display(style_of(output_), output_.terminal().width, question.label);
  auto response = client_->ask(request, patience, display);
  wipe_proofs(request);
  if (!response) {
    if (client_->ending() == Ending::Interrupted) was_interrupted_ = true;
    return fail(ended_early(response.error(), client_->ending(), question, display.was_accepted()));
  }
  if (response->body_case() != question.expected)
    return fail(Code::Internal, "the daemon's answer does not fit the question",
                "install p2pctl and the daemon from the same release");
  return response;
}

}  // namespace p2p::ctl
