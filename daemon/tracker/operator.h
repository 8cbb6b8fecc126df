// SPDX-License-Identifier: MIT
// What the operator asks over the control socket, and the answers. The rules are the registry's; what
// changes something is answered when it is durable. Invites that have run out are forgotten here, now and
// then.
#pragma once

#include <deque>
#include <string>

#include "daemon/control/control_server.h"
#include "daemon/tracker/backup.h"
#include "daemon/tracker/options.h"
#include "daemon/tracker/service.h"

namespace p2p::tracker {

using control::CallPointer;

class Operator final : public control::ControlServer::Listener {
 public:
  // All must outlive this. `options` are the daemon's present ones.
  Operator(io::Loop& loop, const Options& options, const Registry& registry, Service& service,
           SqliteStore& store, const std::string& data_dir);

  // The daemon listens: from now on its addresses can be told.
  void start(std::string listening, std::string address);
  pb::control::OperatorStatus status() const;

 private:
  // A password reset that was begun: the second step must use its salt and its parameters.
  struct Challenge {
    UserId user;
    Bytes salt;
    std::uint32_t log_n = 0;
  };

  void on_call(CallPointer call) override;
  void call_address(const CallPointer& call);
  void call_user_list(const CallPointer& call);
  void call_user_set(const CallPointer& call);
  void call_password_parameters(const CallPointer& call);
  void call_password_reset(const CallPointer& call);
  void call_group_list(const CallPointer& call);
  void call_backup(const CallPointer& call);
  void call_invite(const CallPointer& call);
  // Answers with the user's row when the operation is done.
  void change_user(const CallPointer& call, Operation operation, const UserId& user);
  pb::control::OperatorUser user_row(const Account& account) const;
  void drop_expired();

  io::Loop& loop_;
  const Options& options_;
  const Registry& registry_;
  Service& service_;
  Backup backup_;
  std::deque<Challenge> challenges_;  // oldest first, at most limits::kPasswordChallenges
  std::string listening_;
  std::string address_;
  TimePoint started_;
  io::Timer sweep_;
};

}  // namespace p2p::tracker
