// SPDX-License-Identifier: MIT
// Makes a tracker of a backup. Blocking.
#pragma once

#include <string>

#include "daemon/base/result.h"

namespace p2p::tracker {

// Puts keys and database into the data directory, which is made when it is missing. Code::Exists when there
// is a tracker in it; Code::Corrupt when the file is no backup or is damaged. A restore that fails leaves no
// tracker behind; one that is cut short leaves a mark, with which no tracker starts and with which it can be
// repeated.
Status restore_backup(const std::string& file, const std::string& data_dir);
// Refuses a data directory in which a restore was cut short.
Status check_restored(const std::string& data_dir);

}  // namespace p2p::tracker
