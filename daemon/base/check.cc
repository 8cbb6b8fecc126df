// SPDX-License-Identifier: MIT
#include "daemon/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace p2p {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace p2p
