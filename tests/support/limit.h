// SPDX-License-Identifier: MIT
// Marks where a test stands at a limit, and where one above it: each limit needs both (tests/lint/limits.py).
// The mark stands directly before what is expected there, and the limit is named with its class or namespace:
//
//   LIMIT_AT(limits::kDevicesPerUser);
//   EXPECT_EQ(world.login("the last", "alice"), "");
//   LIMIT_ABOVE(limits::kDevicesPerUser);
//   EXPECT_EQ(world.login("one too many", "alice"), "limit");
//
// Of a time, "at" is where nothing has happened yet, "above" where it has.
#pragma once

#define LIMIT_AT(limit) static_cast<void>(limit)
#define LIMIT_ABOVE(limit) static_cast<void>(limit)
