# SPDX-License-Identifier: MIT
"""What goes wrong gives one clear error with its code and a hint, and everything else keeps working."""
import os
import re
import socket
import subprocess

from harness import (KIB, MIB, PASSWORD, Control, Peer, Skip, World, expect, expect_equal, program, run,
                     sha1_of, test, wait_until)


# --- commands ---------------------------------------------------------------------------------------

@test()
def accounts_refuse_what_is_wrong():
    with World() as world:
        alice = world.peer('alice')
        bob = world.stranger('bob')
        url = world.tracker.url

        def enter(verb, user, password):
            return ('account', verb, user, '--tracker', url, '--password-stdin'), {'stdin': password + '\n'}

        arguments, options = enter('login', 'alice', 'wrong password')
        wrong = bob.refused(4, *arguments, **options)
        arguments, options = enter('login', 'nobody', 'wrong password')
        unknown = bob.refused(4, *arguments, **options)
        expect_equal(wrong['code'], 'login_refused')
        expect_equal({**wrong, 'message': wrong['message'].replace('alice', 'X')},
                     {**unknown, 'message': unknown['message'].replace('nobody', 'X')}, 'unknown users')
        arguments, options = enter('create', 'alice', PASSWORD)
        expect_equal(bob.refused(7, *arguments, **options)['code'], 'exists')
        for name in ('a', 'with space', 'x' * 33, '-dash', 'ümlaut'):
            outcome = bob.ctl('account', 'create', '--tracker', url, '--password-stdin', '--', name,
                              stdin=PASSWORD + '\n')
            expect_equal(outcome.code, 2, str(outcome))
        bob.refused(4, 'account', 'whoami')
        expect_equal(alice.ok('account', 'whoami')['user'], 'alice')
        arguments, options = enter('login', 'alice', PASSWORD)
        expect_equal(bob.ok(*arguments, **options)['user'], 'alice')


@test()
def a_password_on_the_command_line_is_refused():
    with World() as world:
        bob = world.stranger('bob')
        for verb in (('account', 'create'), ('account', 'login')):
            error = bob.refused(2, *verb, 'bob', 'secret-word', '--tracker', world.tracker.url)
            expect('secret-word' not in error['message'], f'the password is repeated: {error}')
            expect('--password-stdin' in error['hint'], f'the way to pass it: {error}')


@test()
def an_unpinned_tracker_is_refused_without_a_terminal():
    with World() as world:
        bob = world.stranger('bob')
        error = bob.refused(4, 'account', 'create', 'bob', '--tracker', world.tracker.address,
                            '--password-stdin', stdin=PASSWORD + '\n')
        expect(world.tracker.url in error['message'] + error['hint'], f'the address to use: {error}')
        fingerprint = '0' * 64
        wrong = f'p2p://{world.tracker.address}/#{fingerprint}'
        bob.refused(4, 'account', 'create', 'bob', '--tracker', wrong, '--password-stdin',
                    stdin=PASSWORD + '\n')
        bob.refused(2, 'account', 'create', 'bob', '--tracker', 'p2p://nonsense', '--password-stdin',
                    stdin=PASSWORD + '\n')
        bob.refused(4, 'account', 'whoami')


@test()
def what_is_not_there_is_not_found():
    with World() as world:
        alice = world.peer('alice')
        alice.ok('group', 'create', 'lab')
        alice.refused(6, 'group', 'show', 'nosuch')
        alice.refused(6, 'group', 'join', 'nosuch')
        alice.refused(6, 'group', 'members', 'nosuch')
        alice.refused(6, 'group', 'accept', 'lab', 'nobody')
        alice.refused(6, 'file', 'list', 'nosuch')
        alice.refused(6, 'file', 'show', 'lab/nosuch')
        alice.refused(6, 'download', 'start', 'lab/nosuch')
        alice.refused(6, 'download', 'show', 'ffffffff')
        missing = os.path.join(world.folder, 'nowhere')
        for path in (missing, os.path.join(missing, 'film.bin')):
            error = alice.refused(6, 'file', 'share', path, 'lab')
            expect(missing in error['message'], str(error))
            expect('path' in error['hint'], str(error))
        expect_equal(alice.ok('file', 'list')['files'], [])


@test()
def what_is_there_already_is_a_conflict():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        alice.refused(7, 'group', 'create', 'lab')
        alice.ok('file', 'share', world.file('a.bin', 300 * KIB), 'lab', '--wait')
        bob.refused(7, 'file', 'share', world.file('other/a.bin', 300 * KIB), 'lab', '--wait')
        outcome = bob.ctl('group', 'join', 'lab')
        expect(outcome.code in (0, 7), str(outcome))
        expect_equal(bob.ok('group', 'show', 'lab')['role'], 'member')


@test()
def the_same_content_again_makes_another_source():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        path = world.file('a.bin', 300 * KIB)
        alice.ok('file', 'share', path, 'lab', '--wait')
        bob.ok('file', 'share', path, 'lab', '--wait')
        wait_until(lambda: carol.ok('file', 'show', 'lab/a.bin')['seeders'] == 2, 20, 'two sources')
        alice.stop()
        expect_equal(sha1_of(carol.ok('download', 'start', 'lab/a.bin', '--wait')['path']), sha1_of(path))


@test()
def folders_and_odd_files_are_not_shared():
    with World() as world:
        alice = world.peer('alice')
        alice.ok('group', 'create', 'lab')
        folder = os.path.dirname(world.file('folder/a.bin', 10))
        fifo = world.path('fifo')
        os.mkfifo(fifo)

        for path in (folder, fifo, '/dev/null'):
            error = alice.refused(2, 'file', 'share', path, 'lab')
            expect_equal(error['code'], 'not_regular_file', path)
        outcome = alice.ctl('file', 'share', world.file('a.bin', 10), 'lab', '--name', 'with/slash')
        expect_equal(outcome.code, 2, str(outcome))
        expect_equal(alice.ctl('file', 'share', world.file('a.bin', 10), 'lab', '--name', 'e\u0301').code, 2)
        expect_equal(alice.ctl('file', 'share', world.file('a.bin', 10), 'lab', '--name', 'a\u202eb').code, 2)
        expect_equal(alice.ok('file', 'list')['files'], [])


def without_root_powers():
    """A prefix under which even root is refused what the permissions of a file refuse."""
    if os.geteuid() != 0:
        return []
    prefix = ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-all']
    try:
        done = subprocess.run(prefix + ['true'], capture_output=True, text=True)
    except FileNotFoundError:
        raise Skip('this is root, and setpriv is not installed') from None
    if done.returncode != 0:
        raise Skip(f'this is root, and its powers cannot be dropped: {done.stderr.strip()}')
    return prefix


@test()
def a_folder_without_permission_is_one_clear_error():
    prefix = without_root_powers()
    with World() as world:
        alice = world.peer('alice')
        bob = world.peer('bob', prefix=prefix)
        alice.ok('group', 'create', 'lab')
        world.join('lab', alice, bob)
        alice.ok('file', 'share', world.file('a.bin', MIB), 'lab', '--wait')
        secret = world.file('secret/b.bin', 100)
        closed = os.path.dirname(secret)
        os.chmod(closed, 0)
        read_only = os.path.dirname(world.path('read-only', 'x'))
        os.chmod(read_only, 0o500)

        error = bob.refused(1, 'file', 'share', secret, 'lab')
        expect_equal(error['code'], 'permission_denied')
        error = bob.refused(1, 'download', 'start', 'lab/a.bin', '-o', read_only)
        expect_equal(error['code'], 'permission_denied')
        expect(read_only in error['message'], str(error))

        os.chmod(closed, 0o700)
        bob.ok('download', 'start', 'lab/a.bin', '--wait')


@test()
def commands_without_login_daemon_or_tracker_say_so():
    with World() as world:
        stranger = world.stranger('stranger')
        expect_equal(stranger.refused(4, 'group', 'list')['code'], 'login_required')
        stranger.refused(4, 'account', 'whoami')
        expect_equal(stranger.ok('status')['account'], '')

        nobody = Control(os.path.join(world.folder, 'no.sock'))
        expect_equal(nobody.refused(3, 'status')['code'], 'daemon_unreachable')

        alice = world.peer('alice')
        alice.ok('group', 'create', 'lab')
        world.tracker.stop()
        wait_until(lambda: not alice.ok('account', 'whoami')['connected'], 30, 'the loss is noticed')
        expect_equal(alice.refused(8, 'group', 'list', '--timeout', '1s')['code'], 'tracker_unreachable')
        status = alice.ok('status', seconds=5)
        link = status['tracker']
        expect(not link['connected'] and link['cause'], f'a cause is named: {status}')
        alice.ok('download', 'list', seconds=5)
        alice.ok('limits', 'show', seconds=5)
        world.tracker.start()
        alice.wait_connected(60)
        expect_equal(alice.ok('group', 'show', 'lab')['role'], 'owner')


@test()
def usage_errors_exit_2_with_a_hint():
    with World() as world:
        alice = world.peer('alice')
        for words in (['groop'], ['group', 'lst'], ['group', 'create'], ['status', '--nonsense'],
                      ['limits', 'set', '--upload', 'much'], ['group', 'list', '--timeout', 'soon'],
                      ['file', 'show', 'no-slash'], ['download', 'start', 'lab/a', '--on-exist', 'explode'],
                      ['group', 'create', 'Not A Name']):
            alice.refused(2, *words)
        outcome = run([program('p2pctl'), '--version'])
        expect(outcome.code == 0 and re.match(r'p2pctl \d+\.\d+', outcome.out), str(outcome))
        for name in ('p2pctl', 'p2pd', 'p2p-trackerd'):
            outcome = run([program(name), '--help'])
            expect(outcome.code == 0 and '--help' in outcome.out and outcome.err == '', str(outcome))


# --- start-up ---------------------------------------------------------------------------------------

def refuses_to_start(command, *words):
    """Ends by itself with an exit code that is not 0, and says why."""
    outcome = run(command, seconds=20)
    expect(outcome.code not in (0, None) and outcome.code > 0, str(outcome))
    for word in words:
        expect(re.search(word, outcome.err), f'{word!r} is not in: {outcome}')
    expect('terminate called' not in outcome.err and 'Sanitizer' not in outcome.err, str(outcome))
    return outcome


def spare(daemon, name, **changes):
    """The command of another instance beside `daemon`."""
    folder = os.path.join(daemon.world.folder, name)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    options = {'--data-dir': os.path.join(folder, 'data'), '--listen': '127.0.0.1:0',
               '--control': os.path.join(folder, 'ctl.sock'), **changes}
    return [program(daemon.binary)] + [word for pair in options.items() for word in pair]


@test()
def a_port_in_use_is_named():
    with World() as world:
        alice = world.peer('alice')
        with socket.create_server(('127.0.0.1', 0)) as foreign:
            port = foreign.getsockname()[1]
            for daemon in (alice, world.tracker):
                refuses_to_start(spare(daemon, f'second-{daemon.name}', **{'--listen': f'127.0.0.1:{port}'}),
                                 f'127\\.0\\.0\\.1:{port}', 'in use')
        alice.ok('group', 'list')


@test()
def a_second_daemon_on_the_same_data_or_socket_refuses():
    with World() as world:
        alice = world.peer('alice')
        for daemon in (alice, world.tracker):
            refuses_to_start(spare(daemon, f'second-{daemon.name}', **{'--data-dir': daemon.data}),
                             re.escape(daemon.data))
            refuses_to_start(spare(daemon, f'third-{daemon.name}', **{'--control': daemon.socket}),
                             re.escape(daemon.socket))
        alice.ok('group', 'list')
        expect_equal(world.tracker.ok('tracker', 'address')['address'], world.tracker.url)


@test()
def a_broken_configuration_file_is_refused_with_its_place():
    with World() as world:
        alice = world.peer('alice')
        for number, (text, place) in enumerate([('upload = "20M"\nnonsense = = 3\n', ':2:'),
                                                ('unknown_key = 3\n', ':1:'),
                                                ('\nupload = "much"\n', ':2:'),
                                                ('upload = "20M"\nupload = "30M"\n', ':2:')]):
            path = world.path(f'broken-{number}.conf')
            with open(path, 'w', encoding='utf-8') as file:
                file.write(text)
            refuses_to_start(spare(alice, f'second-{number}') + ['--config', path],
                             re.escape(path) + place + r'\d+')
        refuses_to_start(spare(alice, 'missing') + ['--config', '/nonexistent.conf'], '/nonexistent.conf')
        refuses_to_start(spare(alice, 'key') + ['--set', 'nonsense=1'], 'nonsense')
        refuses_to_start(spare(alice, 'value') + ['--set', 'upload=much'], 'much')
        refuses_to_start(spare(alice, 'interval') + ['--set', 'file_check_interval=99ms'], '100ms')
        good = world.path('good.conf')
        with open(good, 'w', encoding='utf-8') as file:
            file.write('upload = "20M"\n')
        bob = Peer(world, 'bob')
        plain = bob.command
        bob.command = lambda: plain() + ['--config', good]
        bob.start()
        expect_equal(bob.ok('limits', 'show')['upload'], 20 * MIB)


# --- a full disk ------------------------------------------------------------------------------------

@test(timeout=150)
def a_full_disk_is_named_others_go_on_and_it_resumes():
    with World() as world:
        disk = world.small_disk('small', 24 * MIB)
        alice, bob = world.group('lab', 'alice', 'bob')
        big, other = world.file('big.bin', 16 * MIB), world.file('other.bin', 4 * MIB)
        alice.ok('file', 'share', big, 'lab', '--wait')
        alice.ok('file', 'share', other, 'lab', '--wait')
        filler = os.path.join(disk, 'filler')
        with open(filler, 'wb') as file:
            file.write(bytes(16 * MIB))

        download = bob.ok('download', 'start', 'lab/big.bin', '-o', disk)['id']

        row = bob.wait_for(download, 'stalled', 60)
        expect('space' in row['cause'].lower(), f'the cause: {row}')
        expect_equal(sha1_of(bob.ok('download', 'start', 'lab/other.bin', '--wait')['path']), sha1_of(other))
        os.remove(filler)
        row = bob.wait_for(download, 'complete', 60)
        expect_equal(sha1_of(row['path']), sha1_of(big))
        bob.stop()


@test()
def a_wait_that_times_out_says_what_is_unfinished():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        alice.ok('file', 'share', world.file('a.bin', 8 * MIB), 'lab', '--wait')
        alice.stop()
        download = bob.ok('download', 'start', 'lab/a.bin')['id']
        row = wait_until(lambda: (lambda r: r if r['state'] == 'stalled' else None)(bob.show(download)), 30,
                         'stalled without a source')
        expect(row['cause'], f'a download that does not move names its cause: {row}')
        alice.start()
        bob.wait_for(download, 'complete', 60)
