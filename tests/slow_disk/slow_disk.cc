// SPDX-License-Identifier: MIT
// A disk on which every call takes 50 ms, in place of the one that the environment variable P2P_SLOW_DISK
// names by a path on it: the calls through which storage::PayloadFile moves bytes (the linker's --wrap).
// Files on other disks are as they are. A call on the thread of the event loop is written to standard error,
// slow disk or not: nothing may wait for a disk there.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

constexpr timespec kCallTime{0, 50'000'000};

dev_t slow_device() {
  const char* path = std::getenv("P2P_SLOW_DISK");
  struct stat found {};
  if (path != nullptr && ::stat(path, &found) == 0) return found.st_dev;
  std::fputs("slow disk: P2P_SLOW_DISK names none\n", stderr);
  std::exit(2);
}

void take_time(int file, const char* call) {
  static const dev_t slow = slow_device();
  if (::gettid() == ::getpid()) std::fprintf(stderr, "slow disk: %s on the loop's thread\n", call);
  struct stat found {};
  if (::fstat(file, &found) != 0 || found.st_dev != slow) return;
  auto left = kCallTime;
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

}  // namespace

extern "C" {

ssize_t __real_preadv64(int file, const iovec* parts, int count, off64_t offset);
ssize_t __real_pwrite64(int file, const void* bytes, size_t size, off64_t offset);
int __real_fdatasync(int file);

ssize_t __wrap_preadv64(int file, const iovec* parts, int count, off64_t offset) {
  take_time(file, "preadv");
  return __real_preadv64(file, parts, count, offset);
}

ssize_t __wrap_pwrite64(int file, const void* bytes, size_t size, off64_t offset) {
  take_time(file, "pwrite");
  return __real_pwrite64(file, bytes, size, offset);
}

int __wrap_fdatasync(int file) {
  take_time(file, "fdatasync");
  return __real_fdatasync(file);
}
}
