# SPDX-License-Identifier: MIT
"""Members that come and go: removal in the middle of a download, roles, devices of one user, passwords."""
import re

from harness import MIB, PASSWORD, World, expect, expect_equal, sha1_of, test, wait_until

SIZE = 24 * MIB
NEW_PASSWORD = 'another battery staple'


def login(world, peer, user, password=PASSWORD):
    return peer.ok('account', 'login', user, '--tracker', world.tracker.url, '--password-stdin',
                   stdin=password + '\n')


def read_by(peer):
    """Bytes that the process has read so far, from files and sockets."""
    with open(f'/proc/{peer.process.pid}/io', encoding='ascii') as file:
        return int(re.search(r'rchar: (\d+)', file.read()).group(1))


def roles(peer, group='lab'):
    return {row['user']: row['role'] for row in peer.ok('group', 'members', group)['members']}


@test(timeout=180)
def a_removed_member_gets_nothing_more_and_goes_on_when_it_is_back():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        path = world.file('film.bin', SIZE)
        alice.ok('file', 'share', path, 'lab', '--wait')
        alice.ok('limits', 'set', '--upload', '3MiB')
        download = bob.ok('download', 'start', 'lab/film.bin')['id']
        own = world.file('own.bin', MIB)
        bob.ok('file', 'share', own, 'lab', '--wait')
        bob.wait_part(download, 0.2)

        removal = alice.ok('group', 'remove', 'lab', 'bob')

        expect_equal((removal['group'], removal['user']), ('lab', 'bob'))
        expect_equal((removal['online'], removal['applied']), (1, 1), 'carol has closed its links')
        row = wait_until(lambda: (r := bob.show(download))['state'] == 'stalled' and r['peers'] == 0 and r, 2,
                         'bob has stopped')
        expect_equal(row['cause'], "alice removed you from 'lab'")
        done = row['done']
        expect(done >= 0.2 * SIZE, 'what was verified stays')
        bob.refused(10, 'download', 'wait', download)
        bob.refused(5, 'file', 'list', 'lab')
        wait_until(lambda: alice.ok('file', 'show', 'lab/own.bin')['seeders'] == 0, 10, 'bob serves no more')
        bob.restart()
        bob.wait_connected()
        row = bob.show(download)
        expect_equal((row['state'], row['done'], row['peers']), ('stalled', done, 0))
        expect('not a member' in row['cause'], row['cause'])

        alice.ok('limits', 'set', '--upload', 'unlimited')
        world.join('lab', alice, bob)

        row = bob.wait_for(download)
        expect_equal(sha1_of(row['path']), sha1_of(path))
        fetched = sum(source['bytes'] for source in row['sources'])
        expect(fetched <= SIZE + 4 * MIB, f'{fetched} bytes were fetched for {SIZE}')
        expect_equal(sha1_of(carol.ok('download', 'start', 'lab/own.bin', '--wait')['path']), sha1_of(own))


@test(timeout=60)
def a_removal_does_not_wait_for_a_daemon_that_is_away():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        carol.stop()
        members = lambda: alice.ok('group', 'members', 'lab')['members']
        wait_until(lambda: not {m['user']: m['online'] for m in members()}['carol'], 20, 'carol is away')
        removal = alice.ok('group', 'remove', 'lab', 'bob')
        expect_equal((removal['online'], removal['applied']), (0, 0))
        alice.refused(6, 'group', 'remove', 'lab', 'bob')
        carol.start()
        carol.wait_connected()
        expect_equal(roles(carol), {'alice': 'owner', 'carol': 'member'})


@test(timeout=60)
def roles_are_given_and_taken():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        bob.refused(5, 'group', 'promote', 'lab', 'carol')
        expect_equal(alice.ok('group', 'promote', 'lab', 'bob')['role'], 'admin')
        expect_equal(roles(carol), {'alice': 'owner', 'bob': 'admin', 'carol': 'member'})
        expect_equal(alice.ok('group', 'demote', 'lab', 'bob')['role'], 'member')
        bob.refused(5, 'group', 'remove', 'lab', 'carol')
        expect_equal(alice.ok('group', 'transfer', 'lab', 'carol')['owner'], 'carol')
        expect_equal(roles(bob), {'alice': 'admin', 'bob': 'member', 'carol': 'owner'})
        alice.refused(5, 'group', 'transfer', 'lab', 'bob')


@test(timeout=120)
def a_revoked_device_is_cut_and_the_others_go_on():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        laptop = world.stranger('laptop')
        login(world, laptop, 'alice')
        path = world.file('film.bin', SIZE)
        laptop.ok('file', 'share', path, 'lab', '--wait')
        laptop.ok('limits', 'set', '--upload', '2MiB')
        download = bob.ok('download', 'start', 'lab/film.bin')['id']
        bob.wait_part(download, 0.1)
        device = laptop.ok('account', 'whoami')['device']
        sessions = alice.ok('account', 'sessions', 'list')['sessions']
        expect_equal(len(sessions), 2)
        expect_equal([s['id'] for s in sessions if s['current']], [alice.ok('account', 'whoami')['device']])
        expect(all(s['online'] for s in sessions), str(sessions))
        alice.refused(6, 'account', 'sessions', 'revoke', 'zz')
        alice.refused(7, 'account', 'sessions', 'revoke', alice.ok('account', 'whoami')['device'])

        expect_equal(alice.ok('account', 'sessions', 'revoke', device[:16])['id'], device)

        wait_until(lambda: bob.show(download)['peers'] == 0, 2, 'the link with the device is closed')
        wait_until(lambda: laptop.ctl('account', 'whoami').code == 4, 5, 'the device is logged out')
        expect_equal(len(alice.ok('account', 'sessions', 'list')['sessions']), 1)
        bob.restart()
        bob.wait_connected()
        expect_equal(bob.show(download)['peers'], 0)
        # A new login makes new grants, and these hold.
        login(world, laptop, 'alice')
        laptop.ok('limits', 'set', '--upload', 'unlimited')
        expect_equal(sha1_of(bob.wait_for(download)['path']), sha1_of(path))


@test(timeout=60)
def a_new_password_is_asked_for_from_then_on():
    with World() as world:
        alice = world.peer('alice')
        passwords = f'{PASSWORD}\n{NEW_PASSWORD}\n'
        alice.refused(4, 'account', 'passwd', '--password-stdin', stdin=f'wrong\n{NEW_PASSWORD}\n')
        expect_equal(alice.ok('account', 'passwd', '--password-stdin', stdin=passwords)['user'], 'alice')
        laptop = world.stranger('laptop')
        laptop.refused(4, 'account', 'login', 'alice', '--tracker', world.tracker.url, '--password-stdin',
                       stdin=PASSWORD + '\n')
        login(world, laptop, 'alice', NEW_PASSWORD)
        expect(alice.ok('account', 'whoami')['connected'], 'the device that was logged in stays so')


@test(timeout=120)
def another_user_of_the_device_serves_nothing_of_the_first():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        path = world.file('film.bin', 3 * MIB)
        alice.ok('file', 'share', path, 'lab', '--wait')
        alice.ok('account', 'logout')
        alice.enrol('mallory')
        expect_equal(bob.ok('file', 'show', 'lab/film.bin')['seeders'], 0)
        expect_equal(alice.ok('status')['shares'], 0)
        alice.refused(6, 'file', 'unshare', 'lab/film.bin')
        alice.ok('account', 'logout')
        login(world, alice, 'alice')
        wait_until(lambda: bob.ok('file', 'show', 'lab/film.bin')['seeders'] == 1, 10, 'alice serves again')
        expect('verifying again' not in alice.log(), 'nothing was hashed again')


@test(timeout=120)
def a_logout_stops_serving_and_a_login_resumes_it_without_hashing():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        path = world.file('film.bin', SIZE)
        alice.ok('file', 'share', path, 'lab', '--wait')
        alice.ok('limits', 'set', '--upload', '3MiB')
        download = bob.ok('download', 'start', 'lab/film.bin')['id']
        bob.wait_part(download, 0.2)

        alice.ok('account', 'logout')

        row = wait_until(lambda: (r := bob.show(download))['peers'] == 0 and r, 2, 'the link is closed')
        expect_equal(bob.ok('file', 'show', 'lab/film.bin')['seeders'], 0)
        expect_equal(alice.ok('status')['shares'], 0)
        bob.ok('download', 'pause', download)
        expect_equal(bob.show(download)['done'], row['done'])
        before = read_by(alice)

        login(world, alice, 'alice')

        wait_until(lambda: bob.ok('file', 'show', 'lab/film.bin')['seeders'] == 1, 10, 'alice serves again')
        expect(read_by(alice) - before < MIB, f'{read_by(alice) - before} bytes were read for it')
        expect('verifying again' not in alice.log(), 'nothing was hashed again')
        alice.ok('limits', 'set', '--upload', 'unlimited')
        bob.ok('download', 'resume', download)
        expect_equal(sha1_of(bob.wait_for(download)['path']), sha1_of(path))
