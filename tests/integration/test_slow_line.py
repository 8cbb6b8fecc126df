# SPDX-License-Identifier: MIT
"""Two members with a long and slow line between them."""
import time

from harness import MIB, World, expect, expect_equal, sha1_of, test, wait_until
from slow_line import SlowLine

RATE = 100e6 / 8  # bytes a second
ONE_WAY = 0.050
QUEUE = RATE * 2 * ONE_WAY  # what is on the way in one round trip
SIZE = 256 * MIB
AIM = 0.9
LEAST = 0.75  # the processors that carry the packets have other work too


@test(tags=['release'], timeout=240, alone=True)
def line_of_100_ms_and_100_mbit_is_filled():
    with SlowLine(RATE, ONE_WAY, QUEUE) as line, World(tracker_options=line.near) as world:
        alice = world.peer('alice', **line.near)
        bob = world.peer('bob', **line.far)
        alice.ok('group', 'create', 'lab')
        world.join('lab', alice, bob)
        path = world.big_file('film.bin', SIZE)
        alice.ok('file', 'share', path, 'lab', '--wait')

        identity = bob.ok('download', 'start', 'lab/film.bin')['id']
        wait_until(lambda: bob.show(identity)['sources'], 30, 'the first bytes have come')
        begin = time.monotonic()
        bob.ok('download', 'wait', identity, '--timeout', '120s')
        seconds = time.monotonic() - begin

        filled = SIZE / seconds / RATE
        print(f'{SIZE // MIB} MiB in {seconds:.2f} s, {filled:.1%} of the line (aim {AIM:.0%})', flush=True)
        expect_equal(sha1_of(f'{bob.downloads}/film.bin'), sha1_of(path))
        expect(filled >= LEAST, f'{filled:.1%} of the line is filled')
