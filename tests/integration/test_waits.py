# SPDX-License-Identifier: MIT
"""Commands that wait: when they end, and with which answer."""
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from harness import MIB, World, expect, expect_equal, test, wait_until

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


def connections(peer):
    """How many clients the control socket has."""
    with open('/proc/net/unix', encoding='ascii', errors='replace') as file:
        rows = [line.split() for line in file if line.rstrip().endswith(peer.socket)]
    return sum(row[5] == '03' for row in rows)


@test(timeout=90)
def a_logout_answers_every_command_that_it_overtakes():
    """Those that wait for a transfer, for other people, and for a tracker that says nothing."""
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        alice.ok('file', 'share', world.file('film.bin', 8 * MIB), 'lab', '--wait')
        alice.ok('limits', 'set', '--upload', '64K')
        alice.ok('group', 'create', 'den')
        download = bob.ok('download', 'start', 'lab/film.bin')['id']
        own = world.file('own.bin', MIB)
        waiting = [['download', 'wait', download], ['group', 'join', 'den', '--wait']]
        unheard = [['file', 'list'], ['group', 'members', 'lab'], ['file', 'show', 'lab/film.bin'],
                   ['file', 'share', own, 'lab', '--wait'], ['group', 'remove', 'lab', 'alice'],
                   ['download', 'start', 'lab/other.bin'], ['account', 'sessions', 'list']]
        with ThreadPoolExecutor(len(waiting + unheard) + 1) as pool:
            commands = [pool.submit(bob.ctl, *words) for words in waiting]
            wait_until(lambda: bob.ok('group', 'show', 'den')['role'] == 'pending', 10, 'bob has asked')
            world.tracker.signal(signal.SIGSTOP)  # what is sent to it is neither answered nor refused
            try:
                commands += [pool.submit(bob.ctl, *words) for words in unheard]
                wait_until(lambda: connections(bob) == len(commands), 10, 'all are under way')
                begin = time.monotonic()
                logout = pool.submit(bob.ok, 'account', 'logout')
                outcomes = [command.result() for command in commands]
                took = time.monotonic() - begin
                logout.result()
            finally:
                world.tracker.signal(signal.SIGCONT)
        for outcome in outcomes:
            expect_equal((outcome.code, outcome.error['code']), (4, 'login_required'), str(outcome))
            expect(outcome.error['hint'], str(outcome))
        for outcome in outcomes[:len(waiting)]:
            expect('logged out while' in outcome.error['message'], str(outcome))
        expect(took < 2, f'they ended {took:.1f} s after the logout')


@test(timeout=120)
def more_shares_at_once_than_the_tracker_takes_are_all_listed_in_the_end():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        paths = [world.file(f'{number}.bin', 1000 + number) for number in range(100)]

        def share(path):
            wait_until(lambda: alice.ctl('file', 'share', path, 'lab').code == 0, 60, f'{path} is taken on')

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(share, paths))
        wait_until(lambda: len(bob.ok('file', 'list', 'lab')['files']) == len(paths), 60, 'all are listed')
