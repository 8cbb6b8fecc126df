# SPDX-License-Identifier: MIT
"""The words of the original system, typed as its users typed them, and what refuses whoever may not."""
import os
import re

from harness import KIB, MIB, PASSWORD, World, expect, expect_equal, program, run, sha1_of, test, wait_until

LOGIN, NOT_ALLOWED, NOT_FOUND, CONFLICT, TRACKER_AWAY = 4, 5, 6, 7, 8


def typed(peer, *words, stdin='', cwd=None):
    """What a person types: no --json; the options that only a test needs stand before the words."""
    command = [program('p2pctl'), '--socket', peer.socket, '--no-input', *words]
    return run(command, stdin, cwd=cwd)


def done(peer, *words, **options):
    outcome = typed(peer, *words, **options)
    expect_equal(outcome.code, 0, str(outcome))
    return outcome.out


def secret(word):
    return {'stdin': word + '\n'}


def create_user(peer, name=None):
    done(peer, 'create_user', name or peer.name, '--tracker', peer.world.tracker.url, '--password-stdin',
         **secret(PASSWORD))


def cast(world, *names):
    """Daemons whose users were made with the original word."""
    peers = [world.stranger(name) for name in names]
    for peer in peers:
        create_user(peer)
    return peers


def lines_of(peer):
    return done(peer, 'show_downloads').splitlines()


def shows(peer, mark, group, name):
    """The line of `show_downloads` for this download begins with the mark, group and name."""
    return any(line.startswith(f'[{mark}] [{group}] {name}') for line in lines_of(peer))


# --- accounts -----------------------------------------------------------------------------------------

@test()
def create_user_login_and_logout():
    with World() as world:
        alice, = cast(world, 'alice')
        expect_equal(alice.ok('account', 'whoami')['user'], 'alice')
        done(alice, 'logout')
        alice.refused(LOGIN, 'account', 'whoami')
        done(alice, 'login', 'alice', '--password-stdin', **secret(PASSWORD))
        expect_equal(alice.ok('account', 'whoami')['user'], 'alice')

        other = world.stranger('other')
        error = other.refused(CONFLICT, 'create_user', 'alice', '--tracker', world.tracker.url,
                              '--password-stdin', **secret(PASSWORD))
        expect_equal(error['code'], 'exists')
        error = other.refused(LOGIN, 'login', 'alice', '--tracker', world.tracker.url, '--password-stdin',
                              **secret('not the password'))
        expect_equal(error['code'], 'login_refused')


@test()
def a_password_as_a_further_word_is_refused_and_not_repeated():
    with World() as world:
        alice = world.stranger('alice')
        for word in ('create_user', 'login'):
            error = alice.refused(2, word, 'alice', 'sesame-open', '--tracker', world.tracker.url)
            expect('sesame-open' not in str(error), f'the password is repeated: {error}')
            expect('--password-stdin' in error['hint'], f'the way to pass it: {error}')
        alice.refused(LOGIN, 'account', 'whoami')


# --- groups -------------------------------------------------------------------------------------------

@test()
def create_group_and_list_groups():
    with World() as world:
        alice, bob = cast(world, 'alice', 'bob')
        done(alice, 'create_group', 'lab')
        for peer in (alice, bob):
            expect(re.search(r'^lab\b', done(peer, 'list_groups'), re.M), f'{peer.name} sees the group')
        expect_equal(bob.refused(CONFLICT, 'create_group', 'lab')['code'], 'exists')
        expect_equal(bob.refused(2, 'create_group', 'x')['code'], 'invalid_name')


@test()
def join_group_and_the_decision_in_both_ways_to_list_requests():
    with World() as world:
        alice, bob, carol = cast(world, 'alice', 'bob', 'carol')
        done(alice, 'create_group', 'lab')
        done(bob, 'join_group', 'lab')
        done(carol, 'join_group', 'lab')

        for words in (('list_requests', 'lab'), ('requests', 'list_requests', 'lab')):
            rows = alice.ok(*words)['requests']
            expect_equal(sorted(row['user'] for row in rows), ['bob', 'carol'], ' '.join(words))
            shown = done(alice, *words)
            expect('bob' in shown and 'carol' in shown, shown)
        done(alice, 'accept_request', 'lab', 'bob')
        done(alice, 'reject_request', 'lab', 'carol')

        expect_equal(alice.ok('list_requests', 'lab')['requests'], [])
        expect_equal(bob.ok('group', 'show', 'lab')['role'], 'member')
        expect_equal(carol.ok('group', 'show', 'lab')['role'], 'none')
        expect_equal(bob.refused(CONFLICT, 'join_group', 'lab')['code'], 'exists')
        bob.refused(NOT_FOUND, 'join_group', 'nosuch')
        alice.refused(NOT_FOUND, 'accept_request', 'lab', 'carol')


@test()
def leave_group_ends_membership_and_the_last_one_ends_the_group():
    with World() as world:
        alice, bob = cast(world, 'alice', 'bob')
        done(alice, 'create_group', 'lab')
        done(bob, 'join_group', 'lab')
        done(alice, 'accept_request', 'lab', 'bob')

        error = alice.refused(CONFLICT, 'leave_group', 'lab')
        expect('transfer' in error['hint'], f'the owner is told what to do first: {error}')
        done(bob, 'leave_group', 'lab')
        bob.refused(NOT_ALLOWED, 'list_files', 'lab')
        bob.refused(NOT_ALLOWED, 'leave_group', 'lab')
        done(alice, 'leave_group', 'lab')
        alice.refused(NOT_FOUND, 'list_files', 'lab')
        expect_equal(alice.ok('list_groups')['groups'], [])


# --- files --------------------------------------------------------------------------------------------

def two_members(world):
    alice, bob = cast(world, 'alice', 'bob')
    done(alice, 'create_group', 'lab')
    done(bob, 'join_group', 'lab')
    done(alice, 'accept_request', 'lab', 'bob')
    return alice, bob


def wait_listed(peer, name):
    wait_until(lambda: name in [row['name'] for row in peer.ok('list_files', 'lab')['files']], 30,
               f'{peer.name} sees {name}')


@test()
def upload_file_takes_absolute_and_relative_paths():
    with World() as world:
        alice, bob = two_members(world)
        absolute, relative = world.file('films/one.bin', 300 * KIB), world.file('films/two.bin', 300 * KIB)
        done(alice, 'upload_file', absolute, 'lab')
        done(alice, 'upload_file', 'films/two.bin', 'lab', cwd=os.path.dirname(os.path.dirname(relative)))
        wait_listed(bob, 'one.bin')
        wait_listed(bob, 'two.bin')
        shown = done(bob, 'list_files', 'lab')
        expect('one.bin' in shown and 'two.bin' in shown, shown)
        bob.refused(NOT_FOUND, 'upload_file', '/nonexistent/film.bin', 'lab')
        bob.refused(2, 'upload_file', os.path.dirname(absolute), 'lab')
        bob.refused(CONFLICT, 'upload_file', world.file('other/one.bin', 300 * KIB), 'lab', '--wait')


@test()
def download_file_and_show_downloads():
    with World() as world:
        alice, bob = two_members(world)
        path = world.file('film.bin', 6 * MIB)
        done(alice, 'upload_file', path, 'lab')
        wait_listed(bob, 'film.bin')
        alice.ok('limits', 'set', '--upload', '256KiB')
        folder = os.path.dirname(world.path('target', 'x'))

        done(bob, 'download_file', 'lab', 'film.bin', folder)
        wait_until(lambda: shows(bob, 'D', 'lab', 'film.bin'), 20, 'a [D] line')
        expect(not shows(bob, 'C', 'lab', 'film.bin'), 'no [C] line yet')
        alice.ok('limits', 'set', '--upload', 'unlimited')
        wait_until(lambda: shows(bob, 'C', 'lab', 'film.bin'), 60, 'a [C] line')

        expect_equal(len(lines_of(bob)), 1)
        expect(not shows(bob, 'D', 'lab', 'film.bin'), 'the [D] line has become a [C] line')
        expect_equal(sha1_of(os.path.join(folder, 'film.bin')), sha1_of(path))
        expect_equal(lines_of(alice), [], 'what is shared is no download')
        bob.refused(NOT_FOUND, 'download_file', 'lab', 'nosuch.bin', folder)


@test()
def download_file_takes_a_file_as_destination():
    with World() as world:
        alice, bob = two_members(world)
        path = world.file('film.bin', MIB)
        done(alice, 'upload_file', path, 'lab')
        wait_listed(bob, 'film.bin')
        target = world.path('mine.bin')
        done(bob, 'download_file', 'lab', 'film.bin', 'mine.bin', cwd=os.path.dirname(target))
        wait_until(lambda: shows(bob, 'C', 'lab', 'film.bin'), 60, 'complete')
        expect_equal(sha1_of(target), sha1_of(path))


@test()
def stop_share_stops_this_device_and_no_other():
    with World() as world:
        alice, bob = two_members(world)
        carol, = cast(world, 'carol')
        done(carol, 'join_group', 'lab')
        done(alice, 'accept_request', 'lab', 'carol')
        path = world.file('film.bin', MIB)
        done(alice, 'upload_file', path, 'lab')
        wait_listed(bob, 'film.bin')
        done(bob, 'download_file', 'lab', 'film.bin', os.path.dirname(world.path('bob', 'x')))
        wait_until(lambda: shows(bob, 'C', 'lab', 'film.bin'), 60, 'bob has it')
        carol.refused(NOT_FOUND, 'stop_share', 'lab', 'film.bin')

        done(alice, 'stop_share', 'lab', 'film.bin')

        alice.refused(NOT_FOUND, 'stop_share', 'lab', 'film.bin')
        expect(os.path.exists(path), 'the file itself is left alone')
        folder = os.path.dirname(world.path('carol', 'x'))
        done(carol, 'download_file', 'lab', 'film.bin', folder)
        wait_until(lambda: shows(carol, 'C', 'lab', 'film.bin'), 60, 'carol has it from bob')
        expect_equal(sha1_of(os.path.join(folder, 'film.bin')), sha1_of(path))
        rows = carol.ok('download', 'list')['downloads']
        expect_equal({source['user'] for source in carol.show(rows[0]['id'])['sources']}, {'bob'})


# --- who may not --------------------------------------------------------------------------------------

@test()
def each_word_is_refused_with_its_code():
    with World() as world:
        alice, bob = two_members(world)
        stranger = world.stranger('stranger')
        pending, outside = cast(world, 'pending', 'outside')
        done(pending, 'join_group', 'lab')
        path = world.file('film.bin', 300 * KIB)
        done(alice, 'upload_file', path, 'lab')
        wait_listed(bob, 'film.bin')
        target = os.path.dirname(world.path('target', 'x'))
        mine = world.file('mine.bin', 10)
        decide = [('list_requests', 'lab'), ('requests', 'list_requests', 'lab'),
                  ('accept_request', 'lab', 'pending'), ('reject_request', 'lab', 'pending')]
        use = [('upload_file', mine, 'lab'), ('list_files', 'lab'),
               ('download_file', 'lab', 'film.bin', target)]
        plain = [('create_group', 'other'), ('list_groups',), ('join_group', 'lab'), ('leave_group', 'lab'),
                 ('stop_share', 'lab', 'film.bin')]

        for words in decide + use + plain:
            expect_equal(stranger.refused(LOGIN, *words)['code'], 'login_required', ' '.join(words))
        for words in decide + use:
            for peer in (pending, outside):
                error = peer.refused(NOT_ALLOWED, *words)
                expect(error['code'] in ('not_member', 'not_admin'), f'{peer.name} {words}: {error}')
        for words in decide:
            expect_equal(bob.refused(NOT_ALLOWED, *words)['code'], 'not_admin', ' '.join(words))
        outside.refused(NOT_ALLOWED, 'leave_group', 'lab')
        expect_equal(os.listdir(target), [], 'nobody got anything')
        expect_equal([row['user'] for row in alice.ok('list_requests', 'lab')['requests']], ['pending'])


@test()
def words_without_their_arguments_are_wrong_use():
    with World() as world:
        alice = world.stranger('alice')
        for words in (('create_user',), ('login',), ('create_group',), ('join_group',), ('leave_group',),
                      ('list_requests',), ('requests',), ('requests', 'list_requests'), ('list_files',),
                      ('accept_request', 'lab'), ('reject_request', 'lab'), ('upload_file', 'a'),
                      ('download_file', 'lab', 'a'), ('stop_share', 'lab')):
            alice.refused(2, *words)


@test()
def words_that_need_the_tracker_say_when_it_is_away():
    with World() as world:
        alice, bob = two_members(world)
        path = world.file('film.bin', 300 * KIB)
        done(alice, 'upload_file', path, 'lab')
        wait_listed(bob, 'film.bin')
        world.tracker.stop()
        for words in (('create_group', 'other'), ('join_group', 'lab'), ('list_requests', 'lab'),
                      ('accept_request', 'lab', 'bob'), ('list_groups',)):
            bob.refused(TRACKER_AWAY, *words, '--timeout', '500ms')
        lines_of(bob)
        done(bob, 'logout')
