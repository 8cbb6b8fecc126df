#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long a daemon with many complete shares takes from its start until it has told the tracker of all of
them, what it reads for that, and what memory a share costs. It judges nothing.

    tests/bench/startup.py --bin build-release [--shares 1000] [--rounds 3]
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))
from harness import KIB, World, wait_until  # noqa: E402

FILE_BYTES = 64 * 1024
PATIENCE = 300  # seconds


def share(peer, path):
    """The tracker takes so many requests a second from one user, and no more."""
    wait_until(lambda: peer.ctl('file', 'share', path, 'lab').code == 0, PATIENCE, 'a share is taken on')


def wait_announced(watcher, shares):
    """By the tracker's word, as another member hears it."""
    wait_until(lambda: sum(file['seeders'] > 0 for file in watcher.ok('file', 'list')['files']) >= shares,
               PATIENCE, 'all shares are announced')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--bin', default='build-release', help='the folder of the programs')
    parser.add_argument('--shares', type=int, default=1000)
    parser.add_argument('--rounds', type=int, default=3)
    options = parser.parse_args()
    os.environ['P2P_TEST_BIN'] = os.path.abspath(options.bin)
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        alice.restart()
        alice.wait_connected()
        empty = alice.memory()['RssAnon']
        for number in range(options.shares):
            share(alice, world.file(f'{number}.bin', FILE_BYTES + number))
        wait_announced(bob, options.shares)
        for _ in range(options.rounds):
            alice.stop()
            begin = time.monotonic()
            alice.start()
            wait_announced(bob, options.shares)
            seconds = time.monotonic() - begin
            grown = alice.memory()['RssAnon'] - empty
            print(f'{options.shares} shares: announced after {seconds:.2f} s, '
                  f'{alice.bytes_read() / KIB:.0f} KiB read, '
                  f'{grown / options.shares / KIB:.1f} KiB of memory a share')


if __name__ == '__main__':
    main()
