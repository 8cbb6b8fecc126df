// SPDX-License-Identifier: MIT
// The commands of p2pctl, one function each; one file a noun. CLI.md says what each means.
//
// A command builds its request, asks, and prints the answer. What it returns is what failed.
#pragma once

#include "ctl/arguments.h"
#include "ctl/session.h"
#include "daemon/base/result.h"

namespace p2p::ctl {

using Command = Status (*)(Session&, const Arguments&);

Status account_create(Session&, const Arguments&);
Status account_login(Session&, const Arguments&);
Status account_logout(Session&, const Arguments&);
Status account_whoami(Session&, const Arguments&);
Status account_passwd(Session&, const Arguments&);
Status account_sessions_list(Session&, const Arguments&);
Status account_sessions_revoke(Session&, const Arguments&);

Status group_create(Session&, const Arguments&);
Status group_list(Session&, const Arguments&);
Status group_show(Session&, const Arguments&);
Status group_join(Session&, const Arguments&);
Status group_leave(Session&, const Arguments&);
Status group_requests(Session&, const Arguments&);
Status group_accept(Session&, const Arguments&);
Status group_reject(Session&, const Arguments&);
Status group_invite(Session&, const Arguments&);
Status group_members(Session&, const Arguments&);
Status group_promote(Session&, const Arguments&);
Status group_demote(Session&, const Arguments&);
Status group_remove(Session&, const Arguments&);
Status group_transfer(Session&, const Arguments&);

Status file_share(Session&, const Arguments&);
Status file_list(Session&, const Arguments&);
Status file_show(Session&, const Arguments&);
Status file_unshare(Session&, const Arguments&);
Status file_withdraw(Session&, const Arguments&);

Status download_start(Session&, const Arguments&);
Status download_list(Session&, const Arguments&);
Status download_show(Session&, const Arguments&);
Status download_wait(Session&, const Arguments&);
Status download_pause(Session&, const Arguments&);
Status download_resume(Session&, const Arguments&);
Status download_cancel(Session&, const Arguments&);
Status download_forget(Session&, const Arguments&);

Status limits_show(Session&, const Arguments&);
Status limits_set(Session&, const Arguments&);
Status daemon_status(Session&, const Arguments&);
Status daemon_doctor(Session&, const Arguments&);

// For a tracker's operator, over its control socket.
Status tracker_address(Session&, const Arguments&);
Status tracker_status(Session&, const Arguments&);
Status tracker_user_list(Session&, const Arguments&);
Status tracker_user_disable(Session&, const Arguments&);
Status tracker_user_enable(Session&, const Arguments&);
Status tracker_user_reset_password(Session&, const Arguments&);
Status tracker_group_list(Session&, const Arguments&);
Status tracker_backup(Session&, const Arguments&);
Status tracker_invite(Session&, const Arguments&);

// The original system's words, where they differ by more than their name.
Status original_create_user(Session&, const Arguments&);     // the tracker may come from the last time
Status original_download_file(Session&, const Arguments&);   // GROUP and NAME as two words
Status original_stop_share(Session&, const Arguments&);      // GROUP and NAME as two words
Status original_show_downloads(Session&, const Arguments&);  // [C] [group] name

}  // namespace p2p::ctl
