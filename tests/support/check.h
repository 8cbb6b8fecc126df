// SPDX-License-Identifier: MIT
// The only way to cmocka. Include it last.
//
// cmocka leaves a failed test by longjmp, which skips destructors, and an exception would end the whole
// program. Here a test body fails by throwing; the throw is caught, everything is destroyed, and only
// then does cmocka hear of it, with no C++ object alive.
#pragma once

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <string>
#include <type_traits>

extern "C" {
#include <cmocka.h>
}
#undef fail
#undef skip

namespace p2p::test {

struct Failure {
  std::string what;
  const char* file;
  int line;
};

// Trivial on purpose: it is alive when cmocka jumps.
struct Outcome {
  bool failed = false;
  char what[1024] = "";
  const char* file = "";
  int line = 0;
};

inline Outcome run(void (*body)()) noexcept {
  Outcome outcome;
  const auto note = [&outcome](const char* what) {
    outcome.failed = true;
    std::snprintf(outcome.what, sizeof outcome.what, "%s", what);
  };
  try {
    body();
  } catch (const Failure& failure) {
    note(failure.what.c_str());
    outcome.file = failure.file;
    outcome.line = failure.line;
  } catch (const std::exception& exception) {
    note(exception.what());
  } catch (...) {
    note("unknown exception");
  }
  return outcome;
}

inline void report(const Outcome& outcome) {
  if (!outcome.failed) return;
  print_error("%s\n", outcome.what);
  _fail(outcome.file, outcome.line);
}

template <class R>
std::string complaint(const R& result) {
  return result ? std::string() : "failed: " + result.error().message;
}

template <class T>
std::string show(const T& value) {
  if constexpr (std::is_enum_v<T>) return fmt::format("{}", static_cast<long long>(value));
  else if constexpr (fmt::is_formattable<T>::value) return fmt::format("{}", value);
  else if constexpr (requires { value.hex(); }) return value.hex();
  else return "(value)";
}

}  // namespace p2p::test

#define EXPECT(condition) \
  do { \
    if (!(condition)) throw ::p2p::test::Failure{"EXPECT(" #condition ")", __FILE__, __LINE__}; \
  } while (false)

#define EXPECT_EQ(actual, expected) \
  do { \
    const auto actual_value = (actual); \
    const auto expected_value = (expected); \
    if (!(actual_value == expected_value)) \
      throw ::p2p::test::Failure{ \
          fmt::format("{}: {} is not {}", "EXPECT_EQ(" #actual ", " #expected ")", \
                      ::p2p::test::show(actual_value), ::p2p::test::show(expected_value)), \
          __FILE__, __LINE__}; \
  } while (false)

// The value of a Result that must hold one.
#define EXPECT_OK(result) \
  do { \
    const auto complaint = ::p2p::test::complaint(result); \
    if (!complaint.empty()) \
      throw ::p2p::test::Failure{"EXPECT_OK(" #result "): " + complaint, __FILE__, __LINE__}; \
  } while (false)

#define TEST(name) \
  static void name##_body(); \
  static void name(void**) { ::p2p::test::report(::p2p::test::run(name##_body)); } \
  static void name##_body()
