# SPDX-License-Identifier: MIT
"""Many downloads between many daemons at once: what every one of them ends with, and who it came from."""
import os
from concurrent.futures import ThreadPoolExecutor

from harness import KIB, MIB, PASSWORD, Peer, World, expect, expect_equal, sha1_of, test, wait_until

NAMES = [f'film {number}.bin' for number in range(10)]
SIZE = 4 * MIB
PAIR_SIZE = 16 * MIB


def part_of(download):
    return f'.p2p-{download}.part'


def fetched(row):
    return sum(source['bytes'] for source in row['sources'])


def start_all(peers):
    """Every file for every member, all commands at once: {(member, file): id}."""
    wanted = [(peer, name) for name in NAMES for peer in peers]
    with ThreadPoolExecutor(len(wanted)) as pool:
        rows = pool.map(lambda w: w[0].ok('download', 'start', f'lab/{w[1]}'), wanted)
        return {(peer.name, name): row['id'] for (peer, name), row in zip(wanted, rows)}


def in_the_middle(peer):
    """The row of a download that has begun and is far from its end."""
    def found():
        rows = peer.ok('download', 'list')['downloads']
        return next((r for r in rows if r['state'] == 'downloading' and 0 < r['done'] <= SIZE / 2), None)
    return wait_until(found, 30, f'{peer.name} is in the middle of a download')


@test(timeout=240)
def thirty_downloads_at_once_complete_and_leave_no_litter():
    with World() as world:
        alice, *members = world.group('lab', 'alice', 'bob', 'carol', 'dave')
        bob, carol, dave = members
        sums = {}
        for name in NAMES:
            path = world.file(name, SIZE)
            sums[name] = sha1_of(path)
            alice.ok('file', 'share', path, 'lab', '--wait')
        alice.ok('limits', 'set', '--upload', '2MiB')

        started = start_all(members)

        expect_equal(len(set(started.values())), 30)
        states = [row['state'] for row in bob.ok('download', 'list')['downloads']]
        expect_equal(len(states), 10)
        expect('queued' in states, f'no more than five at a time: {states}')

        held = bob.ok('download', 'pause', in_the_middle(bob)['id'])
        expect_equal((held['state'], held['peers'], held['rate']), ('paused', 0, 0))
        expect(0 < held['done'] < SIZE, f'what has arrived stays: {held}')
        given_up = carol.ok('download', 'cancel', in_the_middle(carol)['id'])
        expect(part_of(given_up['id']) not in os.listdir(carol.downloads), 'what had arrived is removed')
        left = [row['id'] for row in carol.ok('download', 'list')['downloads']]
        expect(given_up['id'] not in left, 'and the row')
        rested = dave.ok('download', 'pause', in_the_middle(dave)['id'])
        expect(dave.ok('download', 'resume', rested['id'])['state'] in ('queued', 'downloading', 'verifying'),
               'it goes on')

        alice.ok('limits', 'set', '--upload', '0')
        for peer in members:
            mine = [identity for (name, _), identity in started.items()
                    if name == peer.name and identity not in (held['id'], given_up['id'])]
            peer.ok('download', 'wait', *mine, '--timeout', '90s', seconds=100)

        expect_equal(sorted(os.listdir(bob.downloads)),
                     sorted([part_of(held['id'])] + [name for name in NAMES if name != held['name']]))
        expect_equal(sorted(os.listdir(carol.downloads)), sorted(set(NAMES) - {given_up['name']}))
        row = bob.show(held['id'])
        expect_equal((row['state'], row['done']), ('paused', held['done']), 'nothing came meanwhile')
        bob.ok('download', 'resume', held['id'])
        before, row = row, bob.wait_for(held['id'])
        again = fetched(row) - fetched(before)
        expect(again <= SIZE - held['done'] + row['wasted'] + row['duplicate'],
               f'what was there is kept: {row}')
        carol.ok('download', 'start', f'lab/{given_up["name"]}', '--wait')
        for peer in members:
            expect_equal(sorted(os.listdir(peer.downloads)), NAMES, peer.name)
            got = {name: sha1_of(os.path.join(peer.downloads, name)) for name in NAMES}
            expect_equal(got, sums, peer.name)
        expect_equal(sorted(os.listdir(world.path('x')[:-2])), NAMES, "the publisher's folder")


@test(timeout=120)
def one_user_shares_from_two_daemons_at_two_addresses():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        laptop = Peer(world, 'laptop')
        laptop.listen = '127.0.0.2:0'
        laptop.start()
        laptop.ok('account', 'login', 'alice', '--tracker', world.tracker.url, '--password-stdin',
                  stdin=PASSWORD + '\n')
        devices = {peer.ok('account', 'whoami')['device']: peer for peer in (alice, laptop)}

        def addresses():
            rows = alice.ok('account', 'sessions', 'list')['sessions']
            found = {row['id']: row['addresses'] for row in rows if row['online']}
            return all(found.get(device) == [peer.address] for device, peer in devices.items())
        wait_until(addresses, 20, 'both are listed with their own address')
        path = world.file('film.bin', PAIR_SIZE)
        for peer in devices.values():
            peer.ok('file', 'share', path, 'lab', '--wait')
            peer.ok('limits', 'set', '--upload', '2MiB')

        download = bob.ok('download', 'start', 'lab/film.bin')['id']
        row = bob.wait_part(download, 0.5)

        got = {source['device']: source['bytes'] for source in row['sources']}
        expect_equal(set(got), set(devices))
        expect(min(got.values()) >= PAIR_SIZE / 8, f'one of them serves next to nothing: {got}')
        expect_equal({source['user'] for source in row['sources']}, {'alice'})
        for peer in devices.values():
            peer.ok('limits', 'set', '--upload', '0')
        row = bob.wait_for(download)
        expect_equal(sha1_of(row['path']), sha1_of(path))
        expect(fetched(row) <= PAIR_SIZE + 512 * KIB, f'fetched once: {row}')
