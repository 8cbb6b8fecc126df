// SPDX-License-Identifier: MIT
// Every limit of the system that is not a setting, in one place, with its unit in the name.
//
// Each is compared before memory is taken or work is done for a stranger. ARCHITECTURE.md, "Limits",
// has the worst-case memory that follows from them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "daemon/base/time.h"

namespace p2p::limits {

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;

// --- Connections -------------------------------------------------------------------------------
inline constexpr auto kTlsHandshakeTime = std::chrono::seconds(5);
inline constexpr std::uint64_t kTlsRecordsPerKey = 1 << 22;     // 64 GiB; AES-GCM: 2^24.5 (RFC 8446, 5.5)
inline constexpr std::uint32_t kTlsKeyUpdates = 1024;           // from the other side of one connection
inline constexpr auto kHelloTime = std::chrono::seconds(10);    // from accept to an accepted hello
inline constexpr auto kConnectTime = std::chrono::seconds(10);  // outgoing TCP and TLS
inline constexpr std::size_t kUnauthenticatedTotal = 512;       // accepted, hello not yet accepted
inline constexpr auto kIdlePing = std::chrono::seconds(60);     // peer link: keep-alive
inline constexpr auto kIdleDrop = std::chrono::seconds(180);
inline constexpr std::size_t kControlClients = 64;
inline constexpr std::size_t kControlRequestsPerClient = 32;

// --- Frames ------------------------------------------------------------------------------------
inline constexpr std::size_t kFirstFrameBytes = 4 * kKiB;       // hello of every conversation
inline constexpr std::size_t kClientFrameBytes = 256 * kKiB;    // to the tracker once logged in
inline constexpr std::size_t kServerFrameBytes = 1 * kMiB;      // from the tracker, paged
inline constexpr std::size_t kControlFrameBytes = 4 * kMiB;     // our own user only
inline constexpr std::size_t kOperatorFrameBytes = 16 * kKiB;   // to the tracker's control socket
inline constexpr std::size_t kMetadataChunkBytes = 192 * kKiB;  // one page of a piece list
inline constexpr std::size_t kListPageRows = 500;
inline constexpr int kProtobufDepth = 16;

// --- BitTorrent wire ---------------------------------------------------------------------------
inline constexpr std::uint32_t kBlockBytes = 16 * 1024;
inline constexpr std::uint32_t kRequestBytes = 256 * 1024;  // of one message, in blocks
inline constexpr std::size_t kBitfieldBytes = 256 * kKiB;
inline constexpr std::size_t kExtensionBytes = 64 * kKiB;
inline constexpr std::size_t kRequestsFromPeer = 256;            // then reject (BEP 6)
inline constexpr std::size_t kRejectsPerMinute = 1024;           // then close
inline constexpr std::size_t kRepeatsPerMinute = 128;            // of blocks, beyond a piece; then close
inline constexpr auto kOffenderPause = std::chrono::minutes(1);  // who was closed for a fault is not let in
inline constexpr std::size_t kSuggestionsFromPeer = 64;          // not yet begun; more are dropped
inline constexpr std::size_t kControlMessagesPerSecond = 200;    // have, interested, choke ...
inline constexpr std::size_t kControlMessagesBurst = 4096;       // haves of a fast peer come in bursts
inline constexpr std::size_t kSendBufferBytes = 1 * kMiB;        // queued per link; twice that: cut
inline constexpr std::size_t kSendLowWaterBytes = 256 * kKiB;    // disk reads only below it
inline constexpr std::size_t kClientNameBytes = 64;
inline constexpr std::uint32_t kHashesPerMessage = 512;  // BEP 52
inline constexpr std::uint32_t kHashProofLayers = 32;    // a tree over 16 TiB has 30 layers above its leaves
inline constexpr std::uint32_t kMetadataBlockBytes = 16 * 1024;  // BEP 9
inline constexpr std::size_t kLeafJobsPerLink = 2;   // pieces being read for their leaves (BEP 52)
inline constexpr std::size_t kLeafJobsPerShare = 8;  // the same, of all links
inline constexpr double kLeafAnswersPerMinute = 30;  // on one link
inline constexpr double kLeafAnswersBurst = 64;

// --- Bencode -----------------------------------------------------------------------------------
inline constexpr std::size_t kBencodeDepthWire = 16;
inline constexpr std::size_t kBencodeDepthFile = 32;
inline constexpr std::size_t kBencodeTokensWire = 10'000;

// --- Metadata ----------------------------------------------------------------------------------
inline constexpr std::uint64_t kFileBytes = std::uint64_t{16} << 40;  // 16 TiB
inline constexpr std::uint32_t kPieceBytesMin = 256 * 1024;
inline constexpr std::uint32_t kPieceBytesMax = 16 * 1024 * 1024;
inline constexpr std::uint32_t kPieces = 1u << 21;
inline constexpr std::size_t kMetadataBytes = 64 * kMiB;
inline constexpr std::size_t kNameBytes = 255;
inline constexpr std::size_t kMessageBytes = 500;  // join message, group description

// --- Swarm -------------------------------------------------------------------------------------
inline constexpr std::size_t kLinksPerShare = 50;
inline constexpr std::size_t kLinksWanted = 10;  // no more are dialled
inline constexpr std::size_t kPeersPerShare = 3000;
inline constexpr std::size_t kUnverifiedBytes = 48 * kMiB;  // piece buffers, whole daemon
inline constexpr std::size_t kKnownFiles = 20'000;          // of a group, kept for times without the tracker
inline constexpr std::size_t kDialsPerSecond = 20;          // that reach nobody
inline constexpr std::size_t kHalfOpenDials = 16;

// --- Tracker, per user -------------------------------------------------------------------------
inline constexpr double kRequestsPerSecond = 50;
inline constexpr double kRequestBurst = 200;
inline constexpr std::size_t kDevicesPerUser = 16;
inline constexpr std::size_t kRevocationsPerUser = 64;  // in force at a time
inline constexpr std::size_t kGroupsPerUser = 1000;
inline constexpr std::size_t kSharesPerUser = 100'000;
inline constexpr std::size_t kUploadsPerSession = 2;            // metadata uploads in progress
inline constexpr std::size_t kUploadBytesTotal = 256 * kMiB;    // of all sessions together
inline constexpr std::size_t kJoinRequestsPerGroup = 1000;      // undecided
inline constexpr std::size_t kInvitationsPerGroup = 1000;       // not taken up
inline constexpr std::size_t kInvitationsPerUser = 1000;        // the same, of one who is invited
inline constexpr std::size_t kEventBytesPerSession = 8 * kMiB;  // unread by a session, then it ends
inline constexpr std::size_t kQueuedPerScope = 256;             // mutations waiting on one group
inline constexpr std::size_t kIdempotencyKeys = 100'000;        // remembered, oldest forgotten
inline constexpr std::size_t kAddressesPerDevice = 8;
inline constexpr std::size_t kDevicesPerGroup = 256;  // that a daemon is told of, and keeps, to find members

// --- Tracker, its operator ---------------------------------------------------------------------
inline constexpr std::size_t kInvites = 10'000;  // not used up, not run out
inline constexpr std::uint32_t kInviteUses = 10'000;
inline constexpr auto kInviteLife = std::chrono::hours(24 * 366);
inline constexpr std::size_t kPasswordChallenges = 64;  // of password resets begun; the oldest goes

// --- Grants and time ---------------------------------------------------------------------------
inline constexpr auto kGrantBackdate = std::chrono::seconds(300);
inline constexpr auto kGrantGrace = std::chrono::seconds(120);  // a live link after its grant's end
// A revocation is kept for so much longer than the grants that it voids: clocks are corrected.
inline constexpr auto kRevocationMargin = std::chrono::seconds(600);
inline constexpr std::size_t kGrantBytes = 512;
inline constexpr std::size_t kRosterMembers = 20'000;
inline constexpr std::size_t kRevocations = 20'000;  // held by a peer at a time

// --- Shutdown ----------------------------------------------------------------------------------
inline constexpr auto kStopTime = std::chrono::seconds(4);  // then connections are cut

}  // namespace p2p::limits
