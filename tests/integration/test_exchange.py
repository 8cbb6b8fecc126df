# SPDX-License-Identifier: MIT
"""Two members who download at once give each other what the other lacks: one copy leaves the publisher."""
import time

from harness import MIB, World, expect, sha1_of, test


def exchange(size, rate, seconds_max):
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        path = world.big_file('film.bin', size)
        alice.ok('file', 'share', path, 'lab', '--wait')
        alice.ok('limits', 'set', '--upload', f'{rate // MIB}MiB')

        begin = time.monotonic()
        ids = {peer: peer.ok('download', 'start', 'lab/film.bin')['id'] for peer in (bob, carol)}
        rows = {peer: peer.wait_for(download, seconds=seconds_max * 3) for peer, download in ids.items()}
        seconds = time.monotonic() - begin

        for peer, other in ((bob, 'carol'), (carol, 'bob')):
            row = rows[peer]
            got = {source['user']: source['bytes'] for source in row['sources']}
            print(f'{peer.name}: {row["seconds"]:.2f} s, {got}, duplicate {row["duplicate"]:.0f}')
            expect(got.get(other, 0) >= size / 3, f'{peer.name} has less than a third from {other}: {got}')
            expect(row['seconds'] < seconds_max,
                   f'{peer.name} took {row["seconds"]} s, not under {seconds_max}')
            expect(sha1_of(row['path']) == sha1_of(path), f'{peer.name} has other content')
        copies = sum(source['bytes'] for row in rows.values() for source in row['sources']
                     if source['user'] == 'alice') / size
        print(f'{copies:.3f} copies left alice')
        expect(copies <= 1.1, f'{copies:.3f} copies left the publisher')
        print(f'both complete after {seconds:.2f} s; one upload takes {size / rate:.2f} s')


@test(timeout=120, alone=True)
def each_of_two_members_gets_a_third_from_the_other():
    exchange(32 * MIB, 8 * MIB, seconds_max=1.5 * 4)


@test(tags=['release'], timeout=300, alone=True)
def half_a_gigabyte_at_20_mib_takes_hardly_longer_than_one_upload():
    exchange(512 * MIB, 20 * MIB, seconds_max=1.4 * 25.6)


@test(timeout=120, alone=True)
def under_a_download_limit_two_downloads_progress_alike_and_serving_goes_on():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        for name in ('one.bin', 'two.bin'):
            alice.ok('file', 'share', world.big_file(name, 16 * MIB), 'lab', '--wait')
        own = world.big_file('own.bin', 16 * MIB)
        bob.ok('file', 'share', own, 'lab', '--wait')
        bob.ok('limits', 'set', '--download', '1MiB')

        ids = [bob.ok('download', 'start', f'lab/{name}')['id'] for name in ('one.bin', 'two.bin')]
        for download in ids:
            bob.wait_part(download, 0.1)
        # What others fetch from bob does not wait for his limit.
        row = carol.wait_for(carol.ok('download', 'start', 'lab/own.bin')['id'], seconds=20)

        parts = [bob.show(download)['done'] / (16 * MIB) for download in ids]
        print(f'carol: {row["seconds"]:.2f} s; bob has {parts[0]:.2f} and {parts[1]:.2f}')
        expect(sha1_of(row['path']) == sha1_of(own), 'carol has other content')
        expect(row['seconds'] < 5, 'bob serves at his own pace while he fetches slowly')
        expect(max(parts) < 1, 'bob is still fetching')
        expect(max(parts) - min(parts) < 0.15, f'both progress alike: {parts}')
        bob.ok('limits', 'set', '--download', 'unlimited')
        for download in ids:
            bob.wait_for(download)


@test(timeout=60)
def a_low_upload_limit_does_not_hold_up_what_is_fetched():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        alice.ok('file', 'share', world.big_file('film.bin', 16 * MIB), 'lab', '--wait')
        bob.ok('file', 'share', world.big_file('own.bin', 4 * MIB), 'lab', '--wait')
        bob.ok('limits', 'set', '--upload', '10KiB', '--download', '4MiB')
        slow = carol.ok('download', 'start', 'lab/own.bin')['id']
        carol.wait_part(slow, 0.01)

        row = bob.wait_for(bob.ok('download', 'start', 'lab/film.bin')['id'], seconds=30)

        print(f'{row["seconds"]:.2f} s for 16 MiB at 4 MiB a second')
        expect(row['seconds'] < 8, 'it comes at the rate of its own limit')


@test(timeout=60)
def a_single_member_on_a_fast_link_gets_all_of_many_pieces():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        path = world.big_file('film.bin', 96 * MIB)
        alice.ok('file', 'share', path, 'lab', '--wait')

        row = bob.wait_for(bob.ok('download', 'start', 'lab/film.bin')['id'], seconds=40)

        print(f'{row["seconds"]:.2f} s for 96 MiB')
        expect(sha1_of(row['path']) == sha1_of(path), 'it has other content')
        for peer in (alice, bob):
            expect('fallen silent' not in peer.log(), f'{peer.name} has lost its tracker')
