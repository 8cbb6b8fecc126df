# SPDX-License-Identifier: MIT
"""Invitations: how somebody gets into an unlisted group, from the first word to the first file."""
import os

from harness import MIB, World, expect, expect_equal, program, run, sha1_of, test, wait_until


def groups(peer, *options):
    return {row['group']: row for row in peer.ok('group', 'list', *options)['groups']}


@test(timeout=120)
def who_is_invited_finds_an_unlisted_group_and_joins_it():
    with World() as world:
        alice, bob, carol = [world.peer(name) for name in ('alice', 'bob', 'carol')]
        alice.ok('group', 'create', 'den', '--unlisted')
        path = world.file('film.bin', 2 * MIB)
        alice.ok('file', 'share', path, 'den', '--wait')
        bob.refused(6, 'group', 'join', 'den')
        alice.refused(6, 'group', 'invite', 'den', 'bob', 'nobody')
        expect_equal(groups(bob), {}, 'all are invited or none')

        expect_equal(alice.ok('group', 'invite', 'den', 'bob'),
                     {'group': 'den', 'invited': ['bob'], 'accepted': []})

        wait_until(lambda: 'invited to a group' in bob.log(), 10, 'bob hears of it')
        expect('group=den by=alice' in bob.log(), bob.log()[-400:])
        for listed in (groups(bob), groups(bob, '--mine')):
            expect_equal((listed['den']['role'], listed['den']['invited']), ('none', True))
        expect_equal(bob.ok('group', 'show', 'den')['invitations'], [], 'bob does not see whom else')
        expect_equal(alice.ok('group', 'show', 'den')['invitations'], ['bob'])
        bob.refused(5, 'file', 'list', 'den')
        bob.refused(5, 'group', 'invite', 'den', 'carol')
        for words in (('group', 'show', 'den'), ('group', 'join', 'den'), ('group', 'invite', 'den', 'bob')):
            carol.refused(6, *words)
        alice.ok('group', 'invite', 'den', 'bob')

        row = bob.ok('group', 'join', 'den', '--wait')

        expect_equal((row['role'], row['members'], row['invited']), ('member', 2, False))
        got = bob.ok('download', 'start', 'den/film.bin', '--wait')['path']
        expect_equal(sha1_of(got), sha1_of(path))
        alice.refused(7, 'group', 'invite', 'den', 'bob')
        bob.ok('group', 'leave', 'den')
        bob.refused(6, 'group', 'join', 'den')
        alice.ok('group', 'invite', 'den', 'bob')
        bob.ok('group', 'leave', 'den')
        bob.refused(6, 'group', 'show', 'den')


@test(timeout=120)
def an_invitation_outlives_the_tracker_and_ends_when_it_is_taken_back():
    with World() as world:
        alice, bob, carol = [world.peer(name) for name in ('alice', 'bob', 'carol')]
        tracker = world.tracker
        alice.ok('group', 'create', 'den', '--unlisted')
        alice.ok('group', 'invite', 'den', 'bob', 'carol')
        tracker.restart()
        bob.wait_connected()
        expect(groups(bob)['den']['invited'], 'it is in the store')
        backup = tracker.ok('tracker', 'backup', world.path('t.backup'))['path']
        alice.wait_connected()
        alice.ok('group', 'reject', 'den', 'bob')
        bob.refused(6, 'group', 'join', 'den')
        alice.refused(6, 'group', 'reject', 'den', 'bob')

        tracker.stop()
        restored = os.path.join(tracker.folder, 'restored')
        outcome = run([program('p2p-trackerd'), '--restore', backup, '--data-dir', restored])
        expect_equal(outcome.code, 0, str(outcome))
        tracker.data = restored
        tracker.start()
        for peer in (alice, bob, carol):
            peer.wait_connected()

        expect_equal(alice.ok('group', 'show', 'den')['invitations'], ['bob', 'carol'], 'as it was then')
        for peer in (bob, carol):
            expect_equal(peer.ok('group', 'join', 'den')['role'], 'member')


@test(timeout=60)
def an_invitation_accepts_whoever_has_asked():
    with World() as world:
        alice, bob = [world.peer(name) for name in ('alice', 'bob')]
        alice.ok('group', 'create', 'lab')
        bob.ok('group', 'join', 'lab')

        expect_equal(alice.ok('group', 'invite', 'lab', 'bob')['accepted'], ['bob'])

        wait_until(lambda: bob.ok('group', 'show', 'lab')['role'] == 'member', 10, 'bob is a member')
        expect_equal(alice.ok('group', 'requests', 'lab')['requests'], [])
