#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a member notices from a cold start: how long `p2pctl file list` takes, from `get` to the first
verified piece, and to the last byte of a small file, over loopback. Prints the median and the worst of
several runs; it judges nothing.

    tests/bench/latency.py --bin build-release [--runs 20]
"""
import argparse
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))


def timed(action):
    begin = time.monotonic()
    action()
    return (time.monotonic() - begin) * 1000


def first_piece(peer, name):
    """Milliseconds from the start of `get` to the first verified bytes, looked at every few milliseconds. The
    download is let end, so that the next one is alone too."""
    begin = time.monotonic()
    download = peer.ok('download', 'start', f'lab/{name}')['id']
    while not peer.ok('download', 'show', download)['done']:
        pass
    took = (time.monotonic() - begin) * 1000
    peer.wait_for(download)
    return took


def report(what, values):
    print(f'{what}: median {statistics.median(values):.0f} ms, worst {max(values):.0f} ms of {len(values)}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--bin', default='build-release', help='the folder of the programs')
    parser.add_argument('--runs', type=int, default=20)
    options = parser.parse_args()
    os.environ['P2P_TEST_BIN'] = os.path.abspath(options.bin)
    from harness import MIB, World
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        for number in range(options.runs):
            alice.ok('file', 'share', world.file(f'{number}.bin', 64 * MIB), 'lab', '--wait')
            alice.ok('file', 'share', world.file(f'small-{number}.bin', MIB), 'lab', '--wait')
        report('file list', [timed(lambda: bob.ok('file', 'list')) for _ in range(options.runs)])
        report('get to the first verified piece',
               [first_piece(bob, f'{number}.bin') for number in range(options.runs)])
        report('get of 1 MiB, to the last byte',
               [timed(lambda name=f'lab/small-{number}.bin': bob.ok('download', 'start', name, '--wait'))
                for number in range(options.runs)])


if __name__ == '__main__':
    main()
