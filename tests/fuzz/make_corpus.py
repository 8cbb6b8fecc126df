#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of corpus/frame, bencode, message, metadata, hello, grant and picker, and of
corpus/tracker_request those of requests 22 and later. What a fuzzer found is kept beside them under other
names and is not touched."""
import pathlib
import random
import struct

HERE = pathlib.Path(__file__).resolve().parent


def write(name: str, inputs: dict[str, bytes]) -> None:
    folder = HERE / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    for key, data in inputs.items():
        (folder / key).write_bytes(data)


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def nested(field: int, payload: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def frame(payload: bytes) -> bytes:
    return u32(len(payload)) + payload


def deep(levels: int) -> bytes:
    payload = b""
    for _ in range(levels):
        payload = nested(2, payload)
    return payload


# In "frame" and "message" the first byte seeds the sizes in which the stream is fed.
FRAMES = {
    "nothing": b"\x00",
    "empty-frame": b"\x01" + frame(b""),
    "three-empty-frames": b"\x02" + 3 * frame(b""),
    "an-id": b"\x03" + frame(b"\x08\x2a"),
    "an-id-and-a-body": b"\x04" + frame(b"\x08\x01" + nested(2, nested(1, b"text"))),
    "every-body": b"\x05" + b"".join(frame(b"\x08\x07" + nested(field, b"")) for field in range(2, 40)),
    "body-with-bytes": b"\x06" + b"".join(frame(nested(field, nested(1, b"\x01" * 32)))
                                          for field in range(2, 12)),
    "truncated": b"\x07" + u32(100) + b"\x08",
    "length-at-limit": b"\x08" + u32(4096) + nested(99, b"\x00" * 4092)[:4096],
    "length-over-limit": b"\x09" + u32(4097) + b"\x00" * 16,
    "largest-length": b"\x0a" + b"\xff" * 4 + b"\x08\x01",
    "not-protobuf": b"\x0b" + frame(b"\xff" * 20),
    "length-inside-too-long": b"\x0c" + frame(b"\x12\xff\xff\xff\xff\x0f"),
    "deep": b"\x0d" + frame(deep(40)),
    "groups": b"\x0e" + frame(b"\x0b" * 60 + b"\x0c" * 60),
    "good-then-bad": b"\x0f" + frame(b"\x08\x01") + b"\x7f" + frame(b"\x08\x02"),
}

BENCODE = {
    "integer": b"i42e",
    "smallest-integer": b"i-9223372036854775808e",
    "integer-too-large": b"i9223372036854775808e",
    "minus-zero": b"i-0e",
    "leading-zero": b"i007e",
    "string": b"4:spam",
    "empty-string": b"0:",
    "length-leading-zero": b"04:spam",
    "length-wraps": b"18446744073709551615:a",
    "length-too-long": b"99999999999999999999999999:a",
    "list": b"l4:spami7eledee",
    "dictionary": b"d0:le3:barl3:fooe3:food1:xi-1eee",
    "keys-unsorted": b"d1:bi1e1:ai2ee",
    "keys-twice": b"d1:ai1e1:ai2ee",
    "key-without-value": b"d1:ae",
    "trailing": b"lee",
    "truncated": b"d3:bar",
    "depth-16": b"l" * 16 + b"e" * 16,
    "depth-17": b"l" * 17 + b"e" * 17,
    "open-lists": b"l" * 5000,
    "dictionaries-in-dictionaries": b"d1:a" * 15 + b"de" + b"e" * 15,
    "extension-handshake": b"d1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei31235e"
                           b"4:reqqi250e1:v9:p2p 0.1.0e",
    "client-not-printable": b"d1:v12:\x1b[2J\xff\x00\xe2\x80\xaeabce",
    "client-cut": b"d1:v200:" + b"\xe2\x80\xae" * 66 + b"xxe",
    "ids-out-of-range": b"d1:md1:ai0e1:bi256e1:ci-1e1:d0:1:ei9ee4:reqqi4294967296ee",
}


def message(identifier: int, payload: bytes = b"") -> bytes:
    return u32(1 + len(payload)) + bytes([identifier]) + payload


def block(piece: int, begin: int, length: int) -> bytes:
    return struct.pack(">III", piece, begin, length)


PIECE = message(7, struct.pack(">II", 1, 16384) + bytes(range(100)))
MESSAGES = {
    "keep-alives": b"\x00" + 5 * u32(0),
    "flags": b"\x01" + b"".join(message(i) for i in (0, 1, 2, 3, 14, 15)),
    "have": b"\x02" + message(4, u32(7)) + message(13, u32(8)) + message(17, u32(0xFFFFFFFF)),
    "bitfield": b"\x03" + message(5, b"\xff\x80"),
    "requests": b"\x04" + b"".join(message(i, block(1, 16384, 16384)) for i in (6, 8, 16)),
    "piece": b"\x05" + PIECE,
    "pieces": b"\x06" + 3 * PIECE + u32(0) + PIECE,
    "piece-of-a-block": b"\x07" + message(7, bytes(8) + b"\xaa" * 16384),
    "extended": b"\x08" + message(20, b"\x00d1:v3:p2pe") + message(20, b"\x03"),
    "unknown": b"\x09" + message(9, b"\x1a\xe1") + message(19, bytes(48)) + message(0),
    "hashes": b"\x12" + message(21, bytes(48)) + message(22, bytes(48 + 64)) + message(23, bytes(48)),
    "everything": b"\x0a" + u32(0) + message(15) + message(20, b"\x00de") + message(2) + message(1) + PIECE
    + message(4, u32(3)) + u32(0) + u32(0) + message(0),
    "length-too-long": b"\x0b" + u32(9 + 256 * 1024 + 1) + b"\x07" + bytes(20),
    "largest-length": b"\x0c" + message(0) + b"\xff" * 5,
    "choke-too-long": b"\x0d" + message(0, b"\x00"),
    "have-too-short": b"\x0e" + message(4, b"\x00\x00\x00"),
    "empty-bitfield": b"\x0f" + message(5),
    "empty-piece": b"\x10" + message(7, bytes(8)),
    "empty-extended": b"\x11" + message(20),
    "truncated": b"\x12" + PIECE[:-1],
}

# The beginning of what a member sends who has the share of fuzz_metadata.cc, and questions to one.
METADATA_HANDSHAKE = message(20, b"\x00d1:md11:ut_metadatai1ee13:metadata_sizei238ee")
METADATA_BLOCK = b"\x01d8:msg_typei1e5:piecei0e10:total_sizei238ee"
METADATA = {
    "block": METADATA_HANDSHAKE + message(20, METADATA_BLOCK + bytes(238)),
    "short-block": METADATA_HANDSHAKE + message(20, METADATA_BLOCK + bytes(9)),
    "reject": METADATA_HANDSHAKE + message(20, b"\x01d8:msg_typei2e5:piecei0ee"),
    "too-large": message(20, b"\x00d1:md11:ut_metadatai1ee13:metadata_sizei9999ee"),
    "questions": METADATA_HANDSHAKE + message(20, b"\x01d8:msg_typei0e5:piecei0ee") + message(21, bytes(48)),
    "hashes": METADATA_HANDSHAKE + message(22, bytes(48 + 128)) + message(23, bytes(48)),
}


def hello(grant: bytes, version: int = 1, magic: bytes = b"p2ph") -> bytes:
    return frame(magic + struct.pack(">H", version) + b"\x01" * 32 + b"\x02" * 32 +
                 struct.pack(">H", len(grant)) + grant)


def handshake(reserved: bytes, protocol: bytes = b"\x13BitTorrent protocol") -> bytes:
    return protocol + reserved + b"\xaa" * 20 + b"\xbb" * 20


GOOD = hello(b"grant")
HELLOS = {
    "no-grant": hello(b""),
    "grant": GOOD,
    "grant-at-limit": hello(b"g" * 512),
    "grant-over-limit": hello(b"g" * 513),
    "other-version": hello(b"grant", version=2),
    "other-magic": hello(b"grant", magic=b"p2pt"),
    "version-only": frame(b"p2ph\x00\x02"),
    "too-short": frame(b"p2ph\x00"),
    "trailing": frame(GOOD[4:] + b"x"),
    "grant-length-too-large": GOOD[:75] + b"\xff" + GOOD[76:],
    "frame-at-limit": u32(4092) + GOOD[4:],
    "frame-over-limit": u32(4093) + GOOD[4:],
    "largest-length": b"\xff" * 80,
    "truncated": GOOD[:-1],
    "hello-and-handshake": GOOD + handshake(bytes([0, 0, 0, 0, 0, 0x10, 0, 0x14])),
    "handshake": handshake(bytes([0, 0, 0, 0, 0, 0x10, 0, 0x14])),
    "handshake-all-bits": handshake(b"\xff" * 8) + u32(0),
    "handshake-truncated": handshake(bytes(8))[:-1],
    "handshake-other-protocol": handshake(bytes(8), b"\x13BitTorrent protocoL"),
    "http": b"GET / HTTP/1.1\r\n\r\n",
}


# Bodies without a signature: the target signs them.
def body(domain: bytes, fields: bytes, version: int = 1) -> bytes:
    return domain + bytes([0, version]) + fields


def i64(value: int) -> bytes:
    return struct.pack(">q", value)


def text(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


TIMES = i64(1_700_000_000) + i64(1_800_000_000)


def key_set(tls: int, grant: int) -> bytes:
    return body(b"p2p key set", bytes(32) + bytes([tls]) + b"\x01" * 32 * tls + bytes([grant])
                + b"\x02" * 32 * grant + TIMES)


def grant(role: int, admin: bytes = b"") -> bytes:
    return body(b"p2p grant", bytes(32) + b"\x01" * 32 + b"\x02" * 16 + b"\x03" * 32 + bytes([role])
                + i64(7) + TIMES + text(admin))


def roster(users: list[int], count: int | None = None) -> bytes:
    members = b"".join(bytes([user]) * 16 + b"\x02" for user in users)
    return body(b"p2p roster", bytes(32) + b"\x01" * 32 + i64(7)
                + u32(len(users) if count is None else count) + members)


def group(name: bytes) -> bytes:
    return body(b"p2p group", bytes(32) + b"\x02" * 16 + bytes(32) + text(name) + b"\x04" * 16 + i64(1))


def entry(name: bytes) -> bytes:
    return body(b"p2p catalogue entry", bytes(32) + b"\x01" * 32 + b"\x02" * 16 + bytes(32) + text(name)
                + i64(1 << 40) + u32(1 << 20) + b"\x05" * 20 + b"\x06" * 32 + i64(1))


STATEMENTS = {
    "key-set": key_set(1, 1),
    "key-set-eight": key_set(8, 8),
    "key-set-nine": key_set(9, 1),
    "key-set-none": key_set(1, 0),
    "grant": grant(2),
    "grant-admin-statement": grant(4, b"a" * 200),
    "grant-admin-statement-too-long": grant(4, b"a" * 201),
    "grant-pending": grant(1),
    "grant-role-unknown": grant(5),
    "grant-truncated": grant(2)[:-1],
    "grant-trailing": grant(2) + b"\x00",
    "grant-other-version": body(b"p2p grant", grant(2)[11:], 2),
    "grant-with-signature": grant(2) + b"\x09" * 64,
    "roster": roster([1, 2, 3]),
    "roster-empty": roster([]),
    "roster-unsorted": roster([2, 1]),
    "roster-double": roster([1, 1]),
    "roster-largest-count": roster([1], 0xFFFFFFFF),
    "time": body(b"p2p time", bytes(32) + b"\x03" * 32 + i64(-1)),
    "group": group(b"lab"),
    "group-upper-case": group(b"LAB"),
    "group-name-too-long": group(b"a" * 300),
    "entry": entry(b"film.mkv"),
    "entry-name-with-folder": entry(b"../film.mkv"),
    "entry-not-utf8": entry(b"\xff\xfe"),
    "domain-only": b"p2p roster\x00\x01",
    "empty": b"",
}


# Requests of a session by their field: see fuzz_tracker_request.cc for who is in the group "lab".
def request(field: int, payload: bytes) -> bytes:
    return b"\x08\x01" + nested(4, nested(1, b"0123456789abcdef") + nested(field, payload))


def in_lab(*fields: bytes) -> bytes:
    return nested(1, b"lab") + b"".join(fields)


def role(user: bytes, value: int) -> bytes:
    return in_lab(nested(2, user), b"\x18" + varint(value))


SHARE_NAME = nested(1, bytes(32)) + nested(2, bytes(32))
REQUESTS = {
    "announce": request(22, nested(1, SHARE_NAME + b"\x18\x02") + nested(1, nested(1, b"short"))),
    "change_password": request(24, nested(1, b"p" * 32) + nested(2, b"s" * 16) + nested(3, b"n" * 32)),
    "list_sessions": request(25, nested(1, b"ff")),
    "revoke_session": request(26, nested(1, b"laptop")),
    "revoke_session_none": request(26, nested(1, bytes(32))),
    "promote": request(27, role(b"mia", 3)),
    "demote": request(27, role(b"adam", 2)),
    "demote_owner": request(27, role(b"alice", 2)),
    "role_unknown": request(27, role(b"mia", 0x7FFFFFFF)),
    "remove": request(28, in_lab(nested(2, b"mia"))),
    "remove_applicant": request(28, in_lab(nested(2, b"bob"))),
    "transfer": request(29, in_lab(nested(2, b"adam"))),
    "transfer_not_utf8": request(29, in_lab(nested(2, b"\xff"))),
    "roster_applied": request(30, nested(1, bytes(32)) + b"\x10" + varint(2**64 - 1)),
    "show_roster_progress": request(31, nested(1, b"short") + b"\x10\x01"),
    "invite": request(33, in_lab(nested(2, b"bob"), nested(2, b"mia"))),
    "invite_not_a_name": request(33, in_lab(nested(2, b"\xff"), nested(2, b""))),
    "withdraw": request(32, in_lab(nested(2, b"film.mkv"))),
    "withdraw_none": request(32, in_lab(nested(2, b"../film.mkv"))),
}


# Any bytes are operations: see fuzz_picker.cc. The first chooses one of seven numbers of pieces.
PICKER = {f"{size}-{seed}": bytes([size]) + random.Random(f"{size} {seed}").randbytes(4000)
          for size in range(7) for seed in range(2)}


def main() -> None:
    write("frame", FRAMES)
    write("bencode", BENCODE)
    write("message", MESSAGES)
    write("metadata", METADATA)
    write("hello", HELLOS)
    write("grant", STATEMENTS)
    write("tracker_request", REQUESTS)
    write("picker", PICKER)


if __name__ == "__main__":
    main()
