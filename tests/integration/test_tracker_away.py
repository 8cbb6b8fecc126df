# SPDX-License-Identifier: MIT
"""The tracker stops, hangs, moves or comes back, and members go on sharing."""
import os
import signal
import time

from harness import KIB, MIB, World, expect, expect_equal, sha1_of, test, wait_until

AWAY_SECONDS = 120 if os.environ.get('P2P_TEST_LONG') == '1' else 4
SIZE = 24 * MIB
BACK_SECONDS = 10


def knows_devices(peer, count, seconds=30):
    wait_until(lambda: f'count={count}' in peer.log_since_start(), seconds,
               f'{peer.name} knows {count} devices of members')


def share(peer, path, **options):
    return peer.ok('file', 'share', path, 'lab', '--wait', **options)


def get(peer, name):
    begin = time.monotonic()
    row = peer.ok('download', 'start', f'lab/{name}', '--wait')
    print(f'{peer.name} got {name} in {time.monotonic() - begin:.2f} s')
    return row


@test(timeout=180 + AWAY_SECONDS)
def a_tracker_that_is_away_stops_no_transfer():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        path, own = world.file('film.bin', SIZE), world.file('own.bin', MIB)
        share(alice, path)
        share(bob, own)
        knows_devices(carol, 2)
        alice.ok('limits', 'set', '--upload', f'{max(SIZE // (2 * AWAY_SECONDS), 64 * KIB)}')
        download = bob.ok('download', 'start', 'lab/film.bin')['id']
        bob.wait_part(download, 0.02)

        world.tracker.kill()
        gone = time.monotonic()

        known = get(carol, 'own.bin')
        expect_equal(sha1_of(known['path']), sha1_of(own))
        polls, done = 0, 0
        while time.monotonic() - gone < AWAY_SECONDS:
            row = bob.show(download)
            expect_equal(row['state'], 'downloading', str(row))
            expect(row['peers'] > 0 and row['done'] >= done, str(row))
            polls, done = polls + 1, row['done']
            error = carol.refused(8, 'file', 'list', 'lab', '--timeout', '100ms')
            expect('cannot be reached' in error['message'], str(error))
        expect(done > 0.1 * SIZE, f'{done} bytes have come')
        world.tracker.start()
        back = time.monotonic()
        for peer in (alice, bob, carol):
            peer.wait_connected(BACK_SECONDS)
        print(f'{polls} polls in {AWAY_SECONDS} s; all are back after {time.monotonic() - back:.1f} s')
        expect(time.monotonic() - back < BACK_SECONDS, 'all are back in time')
        alice.ok('limits', 'set', '--upload', 'unlimited')
        expect_equal(sha1_of(bob.wait_for(download)['path']), sha1_of(path))
        expect_equal(len(carol.ok('file', 'list', 'lab')['files']), 2)


@test(timeout=120)
def a_known_file_is_fetched_from_members_alone():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        files = {name: world.file(name, size)
                 for name, size in (('none.bin', 0), ('one.bin', 1), ('many.bin', 9 * MIB + 1))}
        for path in files.values():
            share(alice, path)
        knows_devices(bob, 2)
        knows_devices(carol, 2)
        world.tracker.kill()

        for name, path in files.items():
            expect_equal(sha1_of(get(bob, name)['path']), sha1_of(path), name)
        error = bob.refused(8, 'download', 'start', 'lab/other.bin', '--timeout', '1s')
        expect('cannot be reached' in error['message'], str(error))
        # The publisher is gone as well: what bob has is enough.
        alice.kill()
        expect_equal(sha1_of(get(carol, 'many.bin')['path']), sha1_of(files['many.bin']))
        # And nobody is left who has it.
        bob.kill()
        error = carol.refused(8, 'download', 'start', 'lab/one.bin', '--timeout', '5s')
        expect('no member who has this file' in error['message'], str(error))


@test(timeout=120)
def members_find_each_other_after_restarts_without_the_tracker():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        path = world.file('film.bin', SIZE)
        share(alice, path)
        knows_devices(bob, 1)
        alice.ok('limits', 'set', '--upload', '4MiB')
        download = bob.ok('download', 'start', 'lab/film.bin')['id']
        bob.wait_part(download, 0.2)
        world.tracker.kill()
        bob.kill()
        alice.restart()
        alice.ok('limits', 'set', '--upload', 'unlimited')

        bob.start()

        row = bob.wait_for(download)
        expect_equal(sha1_of(row['path']), sha1_of(path))
        expect(not bob.ok('account', 'whoami')['connected'], 'the tracker is away')


@test(timeout=120)
def a_tracker_that_hangs_is_noticed_and_done_without():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        path = world.file('film.bin', 3 * MIB)
        share(alice, path)
        knows_devices(bob, 1)
        world.tracker.signal(signal.SIGSTOP)
        try:
            expect_equal(sha1_of(get(bob, 'film.bin')['path']), sha1_of(path))
            bob.refused(8, 'file', 'list', 'lab', '--timeout', '1s')
            wait_until(lambda: not bob.ok('account', 'whoami')['connected'], 30, 'bob sees that it is lost')
        finally:
            world.tracker.signal(signal.SIGCONT)
        bob.wait_connected(BACK_SECONDS)
        expect_equal(bob.ok('file', 'list', 'lab')['files'][0]['seeders'], 2)


@test(timeout=120)
def what_changed_while_a_member_was_away_is_known_when_it_is_back():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        old, new = world.file('old.bin', MIB), world.file('new.bin', MIB)
        share(alice, old)
        knows_devices(bob, 1)
        bob.stop()
        alice.ok('file', 'withdraw', 'lab/old.bin')
        share(alice, new)
        bob.start()
        wait_until(lambda: 'catalogue listed' in bob.log_since_start(), 20, 'bob has listed the catalogue')
        knows_devices(bob, 1)
        world.tracker.kill()

        expect_equal(sha1_of(get(bob, 'new.bin')['path']), sha1_of(new))
        error = bob.refused(8, 'download', 'start', 'lab/old.bin', '--timeout', '1s')
        expect('no member' not in error['message'], f'it is still known: {error}')


@test(timeout=60)
def a_tracker_that_moved_is_found_at_a_further_address():
    with World() as world:
        bob = world.peer('bob')
        first = world.tracker.url
        world.tracker.stop()
        world.tracker.listen = '127.0.0.1:0'
        world.tracker.start()
        expect(world.tracker.url != first, 'it has another address')
        bob.stop()
        # One of a tracker that bob has no account at is left out.
        other = first.replace('#', '#' + '0' * 8, 1)[:len(first)]
        bob.settings.append(f'trackers={other} {world.tracker.url}')
        bob.start()
        bob.wait_connected(BACK_SECONDS)


@test(timeout=60)
def a_wrong_further_address_is_refused_at_the_start():
    with World() as world:
        bob = world.peer('bob')
        bob.stop()
        bob.settings.append('trackers=tracker.example:7733')
        try:
            bob.start()
        except AssertionError as failure:
            expect('trackers' in str(failure) and 'p2p://' in str(failure), str(failure))
        else:
            expect(False, 'it was taken')
