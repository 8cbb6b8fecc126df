#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One daemon gives a file to another, or to several at once, over loopback and in memory: payload a
second, processor seconds per GiB, anonymous memory of the seeder. Prints each round; it judges nothing.

    tests/bench/pair.py --bin build-release [--mib 2048] [--leechers 1] [--rounds 3]

Each leecher fetches a file of its own, so that every byte comes from the seeder. Several leechers and a pair
have turns, and what the several move is also said as a part of what the pair moves. A clock begins with the
commands that start the downloads and ends when the file has its name. P2P_TEST_SCRATCH names another folder
than /dev/shm.
"""
import argparse
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'integration'))
from harness import MIB, World, pause  # noqa: E402

TICKS = os.sysconf('SC_CLK_TCK')
GLANCE = 0.002


def cpu_seconds(peers):
    total = 0
    for peer in peers:
        with open(f'/proc/{peer.process.pid}/stat', encoding='ascii') as file:
            total += sum(map(int, file.read().rsplit(')', 1)[1].split()[11:13]))
    return total / TICKS


def one_round(mib, leechers):
    """MiB a second in all, of the slowest and the fastest leecher, CPU seconds per GiB, MiB of the seeder."""
    names = [f'leecher-{number}' for number in range(leechers)]
    with World() as world:
        seeder, *peers = world.group('lab', 'seeder', *names)
        for name in names:
            path = world.big_file(name, mib * MIB // leechers)
            seeder.ok('file', 'share', path, 'lab', '--wait', seconds=120)
        # Memory that was never used a virtual machine has to get from its host page by page.
        os.unlink(world.big_file('touched', mib * MIB))
        cpu = -cpu_seconds([seeder, *peers])
        begin = time.monotonic()
        downloads = [peer.ok('download', 'start', f'lab/{peer.name}')['id'] for peer in peers]
        waiting = {peer.show(download)['path'] for peer, download in zip(peers, downloads)}
        seconds = []
        memory = 0
        while waiting:
            pause(GLANCE)
            memory = max(memory, seeder.memory()['RssAnon'])
            there = {path for path in waiting if os.path.exists(path)}
            seconds += [time.monotonic() - begin] * len(there)
            waiting -= there
        cpu += cpu_seconds([seeder, *peers])
        each = mib / leechers
        return mib / max(seconds), each / max(seconds), each / min(seconds), cpu * 1024 / mib, memory / MIB


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--bin', default='build-release', help='the folder of the programs')
    parser.add_argument('--mib', type=int, default=2048, help='of all leechers together')
    parser.add_argument('--leechers', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=3)
    options = parser.parse_args()
    os.environ['P2P_TEST_BIN'] = os.path.abspath(options.bin)
    os.environ.setdefault('P2P_TEST_SCRATCH', '/dev/shm')
    sums = {leechers: [] for leechers in (1, options.leechers)}
    for _ in range(options.rounds):
        for leechers, of_rounds in sums.items():
            row = one_round(options.mib, leechers)
            of_rounds.append(row[0])
            print('{} leecher{}: {:.0f} MiB/s in all, slowest {:.0f}, fastest {:.0f}; CPU {:.2f} s/GiB; '
                  'the seeder has {:.0f} MiB'.format(leechers, 's' if leechers > 1 else '', *row))
    pair = statistics.median(sums[1])
    several = statistics.median(sums[options.leechers])
    print(f'median of the pair {pair:.0f} MiB/s')
    if options.leechers > 1:
        print(f'median of {options.leechers} leechers {several:.0f} MiB/s, {several / pair:.2f} of it')


if __name__ == '__main__':
    main()
