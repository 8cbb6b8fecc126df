# SPDX-License-Identifier: MIT
"""Commands that wait: when they end, and with which answer."""
import time

from harness import MIB, World, expect, expect_equal, test

PATIENCE = 1  # second, given with --timeout
LATE = 3


@test(timeout=90)
def a_wait_ends_when_its_time_is_over():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        alice.ok('file', 'share', world.file('film.bin', 8 * MIB), 'lab', '--wait')
        alice.ok('limits', 'set', '--upload', '64K')
        alice.ok('group', 'create', 'den')
        download = bob.ok('download', 'start', 'lab/film.bin')['id']
        for peer, words in ((bob, ['download', 'wait', download]), (carol, ['get', 'lab/film.bin', '--wait']),
                            (carol, ['join', 'den', '--wait'])):
            begin = time.monotonic()
            outcome = peer.ctl(*words, '--timeout', f'{PATIENCE}s')
            took = time.monotonic() - begin
            expect_equal((outcome.code, outcome.error['code']), (10, 'unfinished'), str(outcome))
            expect(outcome.error['hint'], str(outcome))
            expect(PATIENCE <= took < LATE, f'{took:.1f} s for a wait of {PATIENCE} s: {outcome}')
        states = [row['state'] for row in carol.ok('download', 'list')['downloads']]
        expect(states == ['downloading'], f'the work goes on: {states}')
