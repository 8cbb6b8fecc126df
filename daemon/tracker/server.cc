// SPDX-License-Identifier: MIT
#include "daemon/tracker/server.h"

#include <array>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/io/clock.h"
#include "daemon/trust/address.h"

namespace p2p::tracker {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(io::Loop& loop, const Options& options, Bound<> on_reload) {
  auto directory = DataDirectory::open(options.data_dir);
  if (!directory) return fail(directory.error());
  auto keys = Keys::load_or_make(directory->path());
  if (!keys) return fail(keys.error());
  auto store = SqliteStore::open(loop, directory->file("tracker.db"));
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
      control_(loop, *this),
      lifecycle_(loop, bind<&Server::on_stop>(this), on_reload),
      started_(loop.now()) {}

Server::~Server() = default;

Status Server::open() {
  auto snapshot = store_->load();
  if (!snapshot) return fail(snapshot.error().in("cannot read the database"));
  registry_.load(std::move(*snapshot), io::wall_now());

  const auto wanted = io::SocketAddress::parse(options_.listen);
  if (!wanted) return fail(wanted.error().in("--listen"));
  const auto listening = service_.listen(*wanted);
  if (!listening) return fail(listening.error());
  listening_ = listening->text();
  if (auto folder = prepare_control_folder(options_.control); !folder) return folder;
  if (auto status = control_.listen(options_.control); !status)
    return fail(status.error().in("control socket"));

  auto address = advertised(*listening);
  if (!address) return fail(address.error());
  address_ = std::move(*address);
  if (auto status = directory_.write_file("address", address_ + "\n"); !status) return status;
  log::info(
      "registry loaded",
      {{"users", registry_.accounts()}, {"groups", registry_.groups()}, {"shares", registry_.shares()}});
  log::info("listening", {{"address", listening_}, {"control", options_.control}, {"tracker", address_}});
  lifecycle_.notify_ready();
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
  control_.stop();
  service_.stop();
  loop_.stop();
}

void Server::on_store_failed(const Error& error) {
  if (!outcome_) return;
  outcome_ = fail(error.in("the store failed"));
  on_stop();
}

pb::control::OperatorStatus Server::operator_status() {
  pb::control::OperatorStatus status;
  status.set_version(P2P_VERSION);
  status.set_address(address_);
  status.set_listen(listening_);
  status.set_users(static_cast<double>(registry_.accounts()));
  status.set_groups(static_cast<double>(registry_.groups()));
  status.set_shares(static_cast<double>(registry_.shares()));
  status.set_sessions(static_cast<double>(service_.sessions()));
  status.set_uptime_seconds(seconds_of(loop_.now() - started_));
  status.set_registration(std::string(registration_name(options_.registration)));
  return status;
}

}  // namespace p2p::tracker
