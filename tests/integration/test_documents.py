# SPDX-License-Identifier: MIT
"""Every JSON document of p2pctl against schemas.py, from real daemons."""
import os

import schemas
from harness import MIB, PASSWORD, Failed, Skip, World, expect, expect_equal, test, wait_until

OTHER = 'another password of mine'


def document(control, command, *arguments, **options):
    """Runs the command; its document, which must be the one that is promised."""
    outcome = control.ctl(*command.split(), *arguments, **options)
    if outcome.code == 2 and outcome.error['code'] == 'unsupported':
        raise Skip(f'{control.name} does not know "{command}" yet')
    if outcome.code != 0:
        raise Failed(str(outcome))
    return schemas.check(command, outcome.json)


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
        expect_equal(document(alice, 'group invite', 'lab', 'bob')['invited'], ['bob'])
        expect_equal(document(alice, 'group show', 'lab')['invitations'], ['bob'])
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
def roles_and_removals_print_the_documents_that_are_promised():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        expect_equal(document(alice, 'group promote', 'lab', 'bob')['role'], 'admin')
        expect_equal(document(alice, 'group demote', 'lab', 'bob')['role'], 'member')
        removal = document(alice, 'group remove', 'lab', 'bob')
        expect_equal((removal['group'], removal['user']), ('lab', 'bob'))
        expect(removal['applied'] <= removal['online'] <= 2, str(removal))
        expect_equal(document(alice, 'group transfer', 'lab', 'carol')['owner'], 'carol')
        expect_equal({row['user']: row['role'] for row in document(carol, 'group members', 'lab')['members']},
                     {'alice': 'admin', 'carol': 'owner'})


@test()
def shares_and_downloads_print_the_documents_that_are_promised():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        for name in ('a.bin', 'b.bin'):
            document(alice, 'file share', world.file(name, 4 * MIB), 'lab', '--wait')
        document(alice, 'limits set', '--upload', '64K')
        first, second = [document(bob, 'download start', f'lab/{name}')['id'] for name in ('a.bin', 'b.bin')]
        expect_equal(document(bob, 'download pause', first)['state'], 'paused')
        both = bob.ok('download', 'pause', first, second)['downloads']
        expect_equal([(row['id'], row['state']) for row in both], [(first, 'paused'), (second, 'paused')])
        expect(document(bob, 'download resume', first)['state'] != 'paused', 'it goes on')
        expect_equal(document(bob, 'download cancel', second)['id'], second)
        document(alice, 'limits set', '--upload', '0')
        bob.wait_for(first)
        expect_equal(document(bob, 'file unshare', 'lab/a.bin')['sharing'], False)
        bob.refused(6, 'file', 'unshare', 'lab/a.bin')
        expect_equal(document(bob, 'download forget', first)['id'], first)
        expect_equal(document(alice, 'file withdraw', 'lab/b.bin')['name'], 'b.bin')
        document(bob, 'daemon doctor')


@test()
def passwords_and_sessions_print_the_documents_that_are_promised():
    with World() as world:
        alice = world.peer('alice')
        second = world.stranger('second')
        second.ok('login', 'alice', '--tracker', world.tracker.url, '--password-stdin', stdin=PASSWORD + '\n')
        rows = document(alice, 'account sessions list')['sessions']
        other = [row['id'] for row in rows if not row['current']]
        expect_equal((len(rows), len(other)), (2, 1))
        expect_equal(document(alice, 'account sessions revoke', other[0][:16])['id'], other[0])
        document(alice, 'account passwd', '--password-stdin', stdin=f'{PASSWORD}\n{OTHER}\n')
        alice.ok('logout')
        alice.refused(4, 'login', 'alice', '--password-stdin', stdin=PASSWORD + '\n')
        alice.ok('login', 'alice', '--password-stdin', stdin=OTHER + '\n')


@test()
def an_operator_gets_the_documents_that_are_promised():
    with World() as world:
        alice, tracker = world.peer('alice'), world.tracker
        alice.ok('group', 'create', 'lab', '--unlisted')
        expect_equal([row['user'] for row in document(tracker, 'tracker user list')['users']], ['alice'])
        expect_equal([row['group'] for row in document(tracker, 'tracker group list')['groups']], ['lab'])
        expect(document(tracker, 'tracker user disable', 'alice')['disabled'], 'alice is disabled')
        expect(not document(tracker, 'tracker user enable', 'alice')['disabled'], 'alice is enabled')
        word = document(tracker, 'tracker user reset-password', 'alice')['password']
        again = world.stranger('again')
        again.ok('login', 'alice', '--tracker', tracker.url, '--password-stdin', stdin=word + '\n')
        backup = document(tracker, 'tracker backup', world.path('t.backup'))
        expect_equal(os.path.getsize(backup['path']), backup['bytes'])
        invite = document(tracker, 'tracker invite', '--uses', '2', '--expires', '1h')
        expect_equal(invite['uses'], 2)


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
        alice.ok('stop_share', 'lab', 'with space.bin')
        alice.refused(6, 'stop_share', 'lab', 'with space.bin')
        alice.ok('logout')
        alice.refused(4, 'list_groups')
