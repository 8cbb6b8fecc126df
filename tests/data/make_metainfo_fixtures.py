#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes metainfo_fixtures.txt: what libtorrent makes of single files as private hybrid torrents.

Needs libtorrent's Python binding (Debian: python3-libtorrent). Run it from any folder; the text file is
written beside this script. The unit test reads that file only, so the binding is not needed to test.
"""

import hashlib
import pathlib
import tempfile

import libtorrent as lt

KIB = 1024
MIB = 1024 * KIB

HEAD = """\
# Made by make_metainfo_fixtures.py; do not edit.
#
# The content of a file is the beginning of SHA-256(seed, 0) SHA-256(seed, 1) SHA-256(seed, 2) ..., where
# seed and counter are hashed as two 64-bit big-endian numbers. The rest of each line after the pieces
# root is the name.
#
# size piece-length seed info-hash-v1 info-hash-v2 pieces-root name
"""

CASES = [
    (1, 256 * KIB, "one byte"),
    (16383, 256 * KIB, "a.bin"),
    (16384, 256 * KIB, "one block"),
    (16385, 256 * KIB, "block and a byte"),
    (49152, 256 * KIB, "three blocks.bin"),
    (262143, 256 * KIB, "nearly a piece"),
    (262144, 256 * KIB, "a piece"),
    (262145, 256 * KIB, "piece and a byte"),
    (524288, 256 * KIB, "two pieces"),
    (786432, 256 * KIB, "three pieces"),
    (3 * MIB, 256 * KIB, "twelve pieces"),
    (3 * MIB + 1, 256 * KIB, "thirteen pieces.tar.xz"),
    (1, MIB, "x"),
    (16385, MIB, "block and a byte"),
    (262145, MIB, "less than a piece"),
    (MIB, MIB, "a larger piece"),
    (MIB + 1, MIB, "a larger piece and a byte"),
    (3 * MIB + 1, MIB, "Größe – 大きさ.iso"),
    (4 * MIB, MIB, "four larger pieces"),
    (5 * MIB + 40000, MIB, "a name with: colons, 12:34 and  blanks"),
    (2 * MIB + 5, 2 * MIB, "two MiB pieces"),
]


def content(size: int, seed: int) -> bytes:
    count = (size + 31) // 32
    prefix = seed.to_bytes(8, "big")
    blocks = (hashlib.sha256(prefix + i.to_bytes(8, "big")).digest() for i in range(count))
    return b"".join(blocks)[:size]


def fixture(folder: pathlib.Path, size: int, piece_length: int, seed: int, name: str) -> str:
    path = folder / name
    path.write_bytes(content(size, seed))
    files = lt.file_storage()
    lt.add_files(files, str(path))
    torrent = lt.create_torrent(files, piece_length)
    torrent.set_priv(True)
    lt.set_piece_hashes(torrent, str(folder))
    info = torrent.generate()[b"info"]
    raw = lt.bencode(info)
    root = info[b"file tree"][name.encode()][b""][b"pieces root"]
    v1 = hashlib.sha1(raw).hexdigest()
    v2 = hashlib.sha256(raw).hexdigest()
    hashes = lt.torrent_info({b"info": info, b"piece layers": torrent.generate()[b"piece layers"]}).info_hashes()
    assert (str(hashes.v1), str(hashes.v2)) == (v1, v2)
    return f"{size} {piece_length} {seed} {v1} {v2} {root.hex()} {name}\n"


def main() -> None:
    lines = [HEAD]
    with tempfile.TemporaryDirectory() as folder:
        for seed, (size, piece_length, name) in enumerate(CASES, start=1):
            lines.append(fixture(pathlib.Path(folder), size, piece_length, seed, name))
    target = pathlib.Path(__file__).with_name("metainfo_fixtures.txt")
    target.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
