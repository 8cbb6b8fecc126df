// SPDX-License-Identifier: MIT
// p2pd: reads its options, opens its state, runs until it is told to stop.
#include <cstdio>
#include <fcntl.h>
#include <functional>
#include <google/protobuf/stubs/logging.h>
#include <malloc.h>
#include <optional>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/io/lifecycle.h"
#include "daemon/io/orderly_stop.h"
#include "daemon/peer/node.h"

namespace p2p::peer {
namespace {

int refuse(const Error& error) {
  std::fprintf(stderr, "p2pd: %s\n", error.message.c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
  return exit_status(error.code);
}

// Held as long as the process lives: one daemon on one data directory.
Result<storage::Descriptor> lock_data(const std::string& data_dir) {
  const auto path = data_dir + "/lock";
  storage::Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return fail(system_error(errno, path));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Code::AddressInUse, "another p2pd runs on " + data_dir,
                "stop it, or choose another --data-dir");
  return lock;
}

// A default folder is made for us alone; a given one must be ours and closed to others' writing.
Status prepare_control_folder(const Options& options) {
  const auto split = storage::split_path(options.control_path);
  if (!split) return fail(split.error());
  if (options.control_is_default)
    if (auto status = storage::make_folder(split->folder); !status) return status;
  struct stat status {};
  if (::stat(split->folder.c_str(), &status) != 0) return fail(system_error(errno, split->folder));
  const bool sticky = (status.st_mode & S_ISVTX) != 0;
  if ((status.st_uid != ::geteuid() && status.st_uid != 0) || ((status.st_mode & 022) != 0 && !sticky))
    return fail(Code::PermissionDenied, split->folder + " belongs to or can be changed by others",
                "choose another --control path, in a folder of your own");
  return {};
}

// The lifecycle of the process around the node.
class Daemon {
 public:
  // `reread` gives the options as they are written now.
  Daemon(io::Loop& loop, std::function<Result<Options>()> reread)
      : loop_(loop),
        reread_(std::move(reread)),
        lifecycle_(loop, bind<&Daemon::on_stop>(this), bind<&Daemon::on_reload>(this)),
        stop_(loop, bind<&Daemon::on_late>(this)) {}

  Status run(Options options, trust::KeyPair identity, storage::StateDb db, storage::State state) {
    node_.emplace(loop_, std::move(options), std::move(identity), std::move(db), std::move(state));
    auto address = node_->start();
    if (!address) return fail(address.error());
    log::info("listening", {{"address", address->text()}});
    lifecycle_.notify_ready([this] { return node_->status_line(); });
    loop_.run();
    return {};
  }

 private:
  void on_stop() {
    stop_.begin([this](io::OrderlyStop::Done done) { node_->stop(std::move(done)); });
  }
  void on_reload() {
    auto fresh = reread_();
    if (!fresh) {
      log::error("settings are wrong; the ones in use stay",
                 {{"cause", fresh.error().message}, {"hint", fresh.error().hint}});
      return;
    }
    log::set_level(fresh->log_level);
    node_->reload(*fresh);
    log::info("settings reloaded");
  }
  void on_late() {
    log::error("not everything could be written in time; it will be verified again at the next start");
  }

  io::Loop& loop_;
  std::function<Result<Options>()> reread_;
  io::Lifecycle lifecycle_;
  io::OrderlyStop stop_;
  std::optional<Node> node_;
};

// Buffers of a few hundred KiB come and go with what is sent. Left to itself the C library gives their memory
// back each time, and new memory costs a page fault each 4 KiB. Longer ones, which are few, go back at once.
void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, int{limits::kMiB});
  ::mallopt(M_TRIM_THRESHOLD, 8 * int{limits::kMiB});
}

Status run(Options options, std::function<Result<Options>()> reread) {
  keep_freed_memory();
  // Every served file holds a descriptor.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &files);
  }
  if (auto status = storage::make_folder(options.data_dir); !status)
    return fail(status.error().in("cannot make the data directory"));
  if (auto status = storage::make_folder(options.download_dir); !status)
    return fail(status.error().in("cannot make the download directory"));
  if (auto status = prepare_control_folder(options); !status) return status;
  const auto lock = lock_data(options.data_dir);
  if (!lock) return fail(lock.error());
  auto identity = trust::KeyPair::load_or_make(options.data_dir + "/device.key");
  if (!identity) return fail(identity.error());
  auto db = storage::StateDb::open(options.data_dir + "/state.db");
  if (!db) return fail(db.error());
  auto state = db->load();
  if (!state) return fail(state.error());
  io::Loop loop;
  Daemon daemon(loop, std::move(reread));
  return daemon.run(std::move(options), std::move(*identity), std::move(*db), std::move(*state));
}

}  // namespace
}  // namespace p2p::peer

int main(int argc, char** argv) {
  using namespace p2p;
  auto loaded = peer::load_options(argc, argv);
  if (!loaded) return peer::refuse(loaded.error());
  if (loaded->outcome == config::Outcome::Exit) return 0;
  log::start("p2pd", loaded->options.log_level);
  // Protobuf would print a line for every badly encoded text that a stranger sends.
  google::protobuf::SetLogHandler(nullptr);
  const auto reread = [argc, argv]() -> Result<peer::Options> {
    auto again = peer::load_options(argc, argv);
    if (!again) return fail(again.error());
    return std::move(again->options);
  };
  if (auto status = peer::run(std::move(loaded->options), reread); !status)
    return peer::refuse(status.error());
  return 0;
}
