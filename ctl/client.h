// SPDX-License-Identifier: MIT
// The blocking end of a control socket: one request at a time over protobuf frames.
//
// connect() checks who is behind the socket before anything is sent, then both sides say hello. An
// error answered by the daemon comes back as this process's Error, code and hint included. After any
// error but such an answer the connection is of no more use. PROTOCOL.md, "Frames"; proto/control.proto.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "proto/control.pb.h"
#include "proto/frame.h"

namespace p2p::ctl {

// Whose process may answer on the socket, beside root's and this user's own.
enum class Trust : std::uint8_t {
  OwnDaemon,    // nobody's: passwords' proofs are sent to it
  SocketOwner,  // the socket file's owner: an operator asks a tracker that runs as another user
};

class ProgressListener {
 public:
  virtual void on_progress(const pb::control::Progress& progress, TimePoint now) = 0;
  virtual void on_silence() = 0;  // nothing was heard for a second

 protected:
  ~ProgressListener() = default;
};

// How long an answer is waited for, from the request on; nothing: as long as it takes.
struct Patience {
  std::optional<Duration> answer;  // until the daemon has told of progress
  std::optional<Duration> work;    // from then on
};

// How a request ended when it did not end in an answer; the caller knows what that means for the work.
enum class Ending : std::uint8_t { Answered, Failed, Interrupted, TimedOut };

class Client {
 public:
  static Result<Client> connect(const std::string& path, Trust trust);

  Client(Client&& other) noexcept;
  Client& operator=(Client&&) = delete;
  ~Client();

  // Sends the request and waits for its response. SIGINT ends the wait in order instead of the process.
  Result<pb::control::Response> ask(const pb::control::Request& request, const Patience& patience,
                                    ProgressListener& listener);

  // Of the last ask().
  Ending ending() const { return ending_; }

 private:
  explicit Client(int socket);
  Status exchange_hellos();
  Status send(const pb::control::Frame& frame);
  Result<pb::control::Frame> receive(std::optional<TimePoint> deadline, int signals,
                                     ProgressListener& listener);
  Status wait_readable(std::optional<TimePoint> deadline, int signals, ProgressListener& listener);
  Status read_some();

  int socket_ = -1;
  std::uint64_t last_id_ = 0;
  Ending ending_ = Ending::Answered;
  proto::FrameDecoder decoder_;
};

// Overwrites what was made of passwords.
void wipe_proofs(pb::control::Request& request);

// The error a daemon answered, in our words for its code.
Error error_of(const pb::Error& error);

// The socket that is used when none is given: of the user's p2pd, else of the system's.
std::string default_socket(Trust trust);

// The monotonic clock of this process.
TimePoint monotonic_now();

}  // namespace p2p::ctl
