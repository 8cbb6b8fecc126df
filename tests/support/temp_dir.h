// SPDX-License-Identifier: MIT
// A folder of a test's own, removed with everything in it when the test ends.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>

#include "daemon/base/check.h"

namespace p2p::test {

class TempDir {
 public:
  TempDir() : path_((std::filesystem::temp_directory_path() / "p2p-test-XXXXXX").string()) {
    CHECK(::mkdtemp(path_.data()) != nullptr);
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string path_of(const std::string& name) const { return path_ + "/" + name; }

  std::string put(const std::string& name, const std::string& content, unsigned mode = 0600) const {
    std::ofstream(path_of(name), std::ios::binary) << content;
    CHECK(::chmod(path_of(name).c_str(), mode) == 0);
    return path_of(name);
  }
  std::string content(const std::string& name) const {
    std::string text(std::filesystem::file_size(path_of(name)), 0);
    std::ifstream(path_of(name), std::ios::binary)
        .read(text.data(), static_cast<std::streamsize>(text.size()));
    return text;
  }
  unsigned mode(const std::string& name) const {
    struct stat status {};
    CHECK(::lstat(path_of(name).c_str(), &status) == 0);
    return status.st_mode & 07777;
  }

 private:
  std::string path_;
};

}  // namespace p2p::test
