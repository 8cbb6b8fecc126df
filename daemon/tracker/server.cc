// SPDX-License-Identifier: MIT
#include "daemon/tracker/server.h"

#include <array>
#include <fmt/format.h>
#include <unistd.h>

#include "daemon/base/limits.h"
#include "daemon/base/log.h"
#include "daemon/io/clock.h"
#include "daemon/tracker/restore.h"
#include "daemon/tracker/version.h"
#include "daemon/trust/address.h"

namespace p2p::tracker {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

std::string database_path(const Options& options, const DataDirectory& directory) {
  return options.database.empty() ? directory.file("tracker.db") : options.database;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(io::Loop& loop, const Options& options, Bound<> on_reload) {
  auto directory = DataDirectory::open(options.data_dir);
  if (!directory) return fail(directory.error());
  if (auto complete = check_restored(directory->path()); !complete) return fail(complete.error());
  auto keys = Keys::load_or_make(directory->path());
  if (!keys) return fail(keys.error());
  auto store = SqliteStore::open(loop, database_path(options, *directory));
  if (!store) return fail(store.error().in("cannot open the database"));
  std::unique_ptr<Server> server(
      new Server(loop, options, std::move(*directory), std::move(*keys), std::move(*store), on_reload));
  if (auto status = server->open(); !status) return fail(status.error());
  return server;
}

Server::Server(io::Loop& loop, const Options& options, DataDirectory directory, Keys keys,
               std::unique_ptr<SqliteStore> store, Bound<> on_reload)
    : loop_(loop),
      options_(options),
      directory_(std::move(directory)),
      keys_(std::move(keys)),
      store_(std::move(store)),
      context_(keys_.tls, tls::kTrackerProtocol),
      registry_(keys_.tracker()),
      service_(loop, options, keys_, context_, registry_, *store_, bind<&Server::on_store_failed>(this)),
      operator_(loop, options_, registry_, service_, *store_, directory_.path()),
      control_(loop,
               {our_hello().software(), limits::kOperatorFrameBytes,
                "look into a backup of the tracker, which is an SQLite database"},
               operator_),
      lifecycle_(loop, bind<&Server::on_stop>(this), on_reload) {}

Server::~Server() = default;

Status Server::open() {
  auto snapshot = store_->load();
  if (!snapshot) return fail(snapshot.error().in("cannot read the database"));
  registry_.load(std::move(*snapshot), io::wall_now());

  const auto wanted = io::SocketAddress::parse(options_.listen);
  if (!wanted) return fail(wanted.error().in("--listen"));
  const auto listening = service_.listen(*wanted);
  if (!listening) return fail(listening.error());
  if (auto folder = prepare_control_folder(options_.control); !folder) return folder;
  if (auto status = control_.listen(options_.control); !status)
    return fail(status.error().in("control socket"));

  auto address = advertised(*listening);
  if (!address) return fail(address.error());
  if (auto status = directory_.write_file("address", *address + "\n"); !status) return status;
  operator_.start(listening->text(), *address);
  log::info(
      "registry loaded",
      {{"users", registry_.accounts()}, {"groups", registry_.groups()}, {"shares", registry_.shares()}});
  log::info("listening",
            {{"address", listening->text()}, {"control", options_.control}, {"tracker", *address}});
  lifecycle_.notify_ready([this] { return status_line(); });
  return {};
}

Result<std::string> Server::advertised(const io::SocketAddress& listening) const {
  trust::TrackerAddress address;
  address.tracker = keys_.tracker();
  const auto specific = io::SocketAddress::parse(options_.listen);
  address.host_port = {specific && !specific->is_unspecified() ? options_.listen.host : host_name(),
                       listening.port};
  if (!options_.advertise.empty()) {
    const auto with_port = parse_host_port(options_.advertise);
    const auto full =
        with_port ? with_port : parse_host_port(HostPort{options_.advertise, listening.port}.text());
    if (!full) return fail(full.error().in("--advertise"));
    address.host_port = *full;
  }
  return address.text();
}

void Server::reconfigure(const Options& options) {
  log::set_level(options.log_level);
  options_.registration = options.registration;
  service_.reconfigure(options);
  log::info("settings read again");
}

void Server::on_stop() {
  control_.close();
  service_.stop();
  loop_.stop();
}

void Server::on_store_failed(const Error& error) {
  if (!outcome_) return;
  outcome_ = fail(error.in("the store failed"));
  lifecycle_.notify_stopping();
  on_stop();
}

std::string Server::status_line() const {
  const auto status = operator_.status();
  return fmt::format("{} users, {} groups, {} shares, {} sessions", status.users(), status.groups(),
                     status.shares(), status.sessions());
}

}  // namespace p2p::tracker
