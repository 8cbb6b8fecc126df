// SPDX-License-Identifier: MIT
// The whole daemon: everything it is made of, in the order of construction, and its life from start to
// stop. Destroyed in the reverse order, before the loop.
#pragma once

#include <memory>
#include <string>

#include "daemon/control/control_server.h"
#include "daemon/io/lifecycle.h"
#include "daemon/io/loop.h"
#include "daemon/tracker/keys.h"
#include "daemon/tracker/operator.h"
#include "daemon/tracker/options.h"
#include "daemon/tracker/registry.h"
#include "daemon/tracker/service.h"
#include "daemon/tracker/sqlite_store.h"

namespace p2p::tracker {

class Server final {
 public:
  // Everything that can fail at a start happens here: directory and lock, keys, database, sockets.
  // `on_reload` is called at SIGHUP.
  static Result<std::unique_ptr<Server>> start(io::Loop& loop, const Options& options, Bound<> on_reload);

  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void reconfigure(const Options& options);
  // Why the daemon stopped by itself; nothing after an orderly stop.
  const Status& outcome() const { return outcome_; }

 private:
  Server(io::Loop& loop, const Options& options, DataDirectory directory, Keys keys,
         std::unique_ptr<SqliteStore> store, Bound<> on_reload);
  Status open();
  Result<std::string> advertised(const io::SocketAddress& listening) const;
  void on_stop();
  void on_store_failed(const Error& error);
  std::string status_line() const;

  io::Loop& loop_;
  Options options_;
  const DataDirectory directory_;
  const Keys keys_;
  const std::unique_ptr<SqliteStore> store_;
  const tls::Context context_;
  Registry registry_;
  Service service_;
  Operator operator_;
  control::ControlServer control_;
  io::Lifecycle lifecycle_;
  Status outcome_;
};

}  // namespace p2p::tracker
