# SPDX-License-Identifier: MIT
"""A daemon that is asked to stop is gone within 5 s, in order, whatever it is doing."""
import signal
import subprocess

from harness import MIB, World, environment, expect, expect_equal, program, sha1_of, test, wait_until


@test(timeout=180)
def daemons_stop_in_the_middle_of_transfers():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        path = world.big_file('film.bin', 96 * MIB)
        alice.ok('file', 'share', path, 'lab', '--wait')
        alice.ok('limits', 'set', '--upload', '24MiB')
        downloads = [peer.ok('download', 'start', 'lab/film.bin')['id'] for peer in (bob, carol)]
        bob.wait_part(downloads[0], 0.1)

        for daemon in (bob, alice, world.tracker, carol):
            seconds = daemon.stop()  # checks the exit code and the 5 s
            print(f'{daemon.name} stopped in {seconds:.2f} s')

        for daemon in (world.tracker, alice, bob, carol):
            daemon.start()
        alice.ok('limits', 'set', '--upload', 'unlimited')
        for peer, download in zip((bob, carol), downloads):
            expect_equal(sha1_of(peer.wait_for(download)['path']), sha1_of(path))


@test(timeout=120)
def a_daemon_stops_while_it_hashes_and_goes_on_after():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        path = world.big_file('film.bin', 256 * MIB)
        alice.ok('file', 'share', path, 'lab')

        print(f'stopped in {alice.stop():.2f} s')
        alice.start()

        wait_until(lambda: bob.ok('file', 'list', 'lab')['files'], 60, 'the share is listed')


@test()
def interrupt_stops_as_terminate_does_and_reload_goes_on():
    with World() as world:
        alice = world.peer('alice')
        for daemon in (alice, world.tracker):
            daemon.signal(signal.SIGHUP)
        expect(alice.ok('account', 'whoami')['connected'], 'alive after SIGHUP')

        for daemon in (alice, world.tracker):
            daemon.signal(signal.SIGINT)
            expect_equal(daemon.wait(5), 0)


@test()
def a_waiting_command_does_not_hold_up_the_stop():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        alice.ok('file', 'share', world.file('film.bin', 8 * MIB), 'lab', '--wait')
        alice.ok('limits', 'set', '--upload', '1MiB')
        command = [program('p2pctl'), '--socket', bob.socket, 'get', 'lab/film.bin', '--wait']
        waiting = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, env=environment())
        wait_until(lambda: bob.ok('download', 'list')['downloads'], 20, 'the download began')

        bob.stop()

        _, err = waiting.communicate(timeout=10)
        expect(waiting.returncode in (3, 10), f'exit {waiting.returncode}: {err.decode()}')
