# SPDX-License-Identifier: MIT
"""Every JSON document of p2pctl against schemas.py, from real daemons."""
import schemas
from harness import MIB, PASSWORD, World, expect, expect_equal, test, wait_until


def document(control, command, *arguments, **options):
    """Runs the command; its document, which must be the one that is promised."""
    return schemas.check(command, control.ok(*command.split(), *arguments, **options))


@test()
def every_command_prints_the_document_that_is_promised():
    with World() as world:
        alice, bob = [world.stranger(name) for name in ('alice', 'bob')]
        word = {'stdin': PASSWORD + '\n'}
        document(alice, 'account create', 'alice', '--tracker', world.tracker.url, '--password-stdin', **word)
        document(bob, 'account create', 'bob', '--tracker', world.tracker.url, '--password-stdin', **word)
        document(bob, 'account logout')
        document(bob, 'account login', 'bob', '--password-stdin', **word)
        document(bob, 'account whoami')

        document(alice, 'group create', 'lab', '--description', 'films')
        document(bob, 'group join', 'lab', '--message', 'it is me')
        expect_equal(len(document(alice, 'group requests', 'lab')['requests']), 1)
        document(alice, 'group reject', 'lab', 'bob')
        document(bob, 'group join', 'lab')
        document(alice, 'group accept', 'lab', 'bob')
        expect_equal(len(document(alice, 'group members', 'lab')['members']), 2)
        document(bob, 'group show', 'lab')
        expect_equal(len(document(bob, 'group list')['groups']), 1)

        document(alice, 'file share', world.file('a.bin', MIB), 'lab', '--wait')
        expect_equal(len(document(bob, 'file list', 'lab')['files']), 1)
        expect(document(bob, 'file show', 'lab/a.bin')['pieces_sha1'], 'the pieces are listed')
        download = document(bob, 'download start', 'lab/a.bin')['id']
        document(bob, 'download wait', download)
        expect(document(bob, 'download show', download)['sources'], 'the source is named')
        expect_equal(len(document(bob, 'download list')['downloads']), 1)

        document(bob, 'limits set', '--upload', '20M')
        document(bob, 'limits show')
        document(bob, 'status')
        document(bob, 'group leave', 'lab')
        document(world.tracker, 'tracker address')
        document(world.tracker, 'tracker status')


@test()
def every_error_is_the_object_that_is_promised():
    with World() as world:
        alice = world.peer('alice')
        for words, code in ((['group', 'show', 'nosuch'], 'not_found'), (['groop'], 'invalid_argument'),
                            (['group', 'create', 'Not A Name'], 'invalid_name'),
                            (['account', 'create', 'alice', 's3cret', '--tracker', 'x:1'],
                             'invalid_argument')):
            outcome = alice.ctl(*words)
            error = schemas.check_error({'error': outcome.error})
            expect_equal((error['code'], error['exit']), (code, outcome.code))


@test()
def the_original_words_need_no_tracker_once_one_was_used():
    with World() as world:
        alice = world.stranger('alice')
        word = {'stdin': PASSWORD + '\n'}
        error = alice.refused(2, 'create_user', 'alice', '--password-stdin', **word)
        expect('P2P_TRACKER' in error['hint'], str(error))
        alice.ok('create_user', 'alice', '--tracker', world.tracker.url, '--password-stdin', **word)
        alice.ok('logout')
        alice.ok('create_user', 'second', '--password-stdin', **word)
        alice.ok('logout')
        alice.ok('login', 'alice', '--password-stdin', **word)
        expect_equal(alice.ok('account', 'whoami')['user'], 'alice')


@test()
def the_original_words_print_their_own_lines():
    with World() as world:
        alice, bob = [world.peer(name) for name in ('alice', 'bob')]
        path = world.file('with space.bin', MIB)
        alice.ok('create_group', 'lab')
        bob.ok('join_group', 'lab')
        for words in (['list_requests'], ['requests', 'list_requests']):
            expect_equal([row['user'] for row in alice.ok(*words, 'lab')['requests']], ['bob'])
        alice.ok('accept_request', 'lab', 'bob')
        alice.ok('upload_file', path, 'lab')
        wait_until(lambda: [row['seeders'] for row in bob.ok('list_files', 'lab')['files']] == [1], 30,
                   'the file is listed')
        folder = world.path('out', 'x')[:-1]
        bob.ok('download_file', 'lab', 'with space.bin', folder, '--timeout', '30s')

        def line():
            return bob.ok('show_downloads', as_json=False).splitlines()[0]
        expect(line().startswith(('[D] [lab] with space.bin', '[C] [lab] with space.bin')), line())
        wait_until(lambda: line().startswith('[C] [lab] with space.bin'), 60, 'the download is complete')
        expect_equal([row['group'] for row in bob.ok('list_groups')['groups']], ['lab'])
        alice.ok('logout')
        alice.refused(4, 'list_groups')
