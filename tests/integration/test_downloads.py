# SPDX-License-Identifier: MIT
"""Downloads and shares while they live: pause, resume, cancel, forget, the queue; a shared file that
changes, vanishes and comes back; unshare and withdraw; what the doctor says."""
import os
import signal

from harness import MIB, Peer, World, expect, expect_equal, pause, sha1_of, test, wait_until

SIZE = 24 * MIB
RATE = '4MiB'
FAST_CHECKS = ('checkpoint_interval=1s', 'file_check_interval=200ms')


def slow_download(world, *names, **options):
    """The first shares a file slowly, the others download it; the path, the peers, their downloads."""
    peers = [world.peer(name, **options) for name in names]
    peers[0].ok('group', 'create', 'lab')
    world.join('lab', peers[0], *peers[1:])
    path = world.file('film.bin', SIZE)
    peers[0].ok('file', 'share', path, 'lab', '--wait')
    peers[0].ok('limits', 'set', '--upload', RATE)
    return path, peers, [peer.ok('download', 'start', 'lab/film.bin')['id'] for peer in peers[1:]]


def litter(peer):
    return [name for name in os.listdir(peer.downloads) if name.startswith('.p2p-')]


def wait_state(peer, download, state, seconds=30):
    return wait_until(lambda: (row := peer.show(download))['state'] == state and row, seconds,
                      f'{peer.name}: the download is {state}')


def wait_file(peer, state, sharing, seconds=30):
    def reached():
        row = peer.ok('file', 'show', 'lab/film.bin')
        return row if (row['state'], row['sharing']) == (state, sharing) else None
    return wait_until(reached, seconds, f'{peer.name}: its share is {state}')


@test(timeout=180)
def a_paused_download_stands_still_and_goes_on_where_it_was():
    with World() as world:
        path, (alice, bob), (download,) = slow_download(world, 'alice', 'bob')
        bob.wait_part(download, 0.3)

        row = bob.ok('download', 'pause', download[:6])

        expect_equal(row['state'], 'paused')
        expect(row['cause'], 'a pause names its cause')
        done = row['done']
        expect(done >= 0.3 * SIZE, f'what was verified stays: {row}')
        wait_until(lambda: alice.ok('file', 'show', 'lab/film.bin')['leechers'] == 0, 10, 'bob has left')
        expect_equal(bob.show(download)['peers'], 0)
        expect_equal(bob.ok('download', 'pause', download)['state'], 'paused')
        bob.restart()
        bob.wait_connected()
        pause(1)
        row = bob.show(download)
        expect_equal((row['state'], row['done'], row['peers']), ('paused', done, 0))

        expect(bob.ok('download', 'resume', download)['state'] != 'paused', 'it goes on')
        row = bob.wait_for(download)
        expect_equal(sha1_of(row['path']), sha1_of(path))
        fetched = sum(source['bytes'] for source in row['sources'])
        expect(fetched <= SIZE + 4 * MIB, f'{fetched} bytes were fetched for {SIZE}')
        expect_equal(bob.refused(7, 'download', 'pause', download)['code'], 'conflict')
        expect_equal(bob.refused(7, 'download', 'resume', download)['code'], 'conflict')
        expect_equal(litter(bob), [])


@test(timeout=120)
def a_wait_ends_when_the_download_is_paused():
    with World() as world:
        _, (alice, bob), (download,) = slow_download(world, 'alice', 'bob')
        bob.ok('download', 'pause', download)
        bob.refused(10, 'download', 'wait', download)


@test(timeout=120)
def a_cancelled_download_leaves_nothing():
    with World() as world:
        path, (alice, bob), (download,) = slow_download(world, 'alice', 'bob')
        bob.wait_part(download, 0.1)
        expect_equal(len(litter(bob)), 1)

        bob.ok('download', 'cancel', download)

        expect_equal(litter(bob), [])
        expect_equal(bob.ok('download', 'list')['downloads'], [])
        bob.refused(6, 'download', 'show', download)
        bob.restart()
        expect_equal(bob.ok('download', 'list')['downloads'], [])
        bob.wait_connected()
        # Paused, then cancelled; and a new start is a new download.
        again = bob.ok('download', 'start', 'lab/film.bin')['id']
        expect_equal(bob.refused(7, 'download', 'forget', again)['code'], 'conflict')
        bob.ok('download', 'pause', again)
        bob.ok('download', 'cancel', again)
        expect_equal(litter(bob), [])
        alice.ok('limits', 'set', '--upload', 'unlimited')
        row = bob.ok('download', 'start', 'lab/film.bin', '--wait')
        expect_equal(sha1_of(row['path']), sha1_of(path))
        expect_equal(bob.refused(7, 'download', 'cancel', row['id'])['code'], 'conflict')


@test(timeout=120)
def an_unfinished_download_is_not_shared_a_second_time():
    with World() as world:
        path, (alice, bob), (download,) = slow_download(world, 'alice', 'bob')
        bob.wait_part(download, 0.1)

        for _ in ('downloading', 'paused'):
            error = bob.refused(7, 'file', 'share', path, 'lab')
            expect(error['code'] == 'conflict' and download in error['hint'], str(error))
            bob.ok('download', 'pause', download)
        target = world.path('bob', 'film.bin')
        with open(target, 'wb') as file:
            file.write(b'what stands where the download will')
        bob.ok('download', 'cancel', download)
        again = bob.ok('download', 'start', 'lab/film.bin', '-o', target, '--on-exist', 'overwrite')['id']
        bob.refused(7, 'file', 'share', target, 'lab', '--name', 'other.bin')
        expect_equal(bob.show(again)['id'], again, 'the download is as it was')

        bob.ok('download', 'cancel', again)
        expect_equal(bob.ok('file', 'share', path, 'lab', '--wait')['state'], 'sharing')
        wait_until(lambda: alice.ok('file', 'show', 'lab/film.bin')['seeders'] == 2, 10, 'bob is a source')


@test(timeout=120)
def a_forgotten_download_keeps_its_file_and_serves_it_no_longer():
    with World() as world:
        path, (alice, bob), (download,) = slow_download(world, 'alice', 'bob')
        alice.ok('limits', 'set', '--upload', 'unlimited')
        row = bob.wait_for(download)
        wait_until(lambda: alice.ok('file', 'show', 'lab/film.bin')['seeders'] == 2, 10, 'bob seeds')

        bob.ok('download', 'forget', download)

        expect_equal(sha1_of(row['path']), sha1_of(path))
        bob.refused(6, 'download', 'show', download)
        wait_until(lambda: alice.ok('file', 'show', 'lab/film.bin')['seeders'] == 1, 10, 'bob has left')
        expect(not bob.ok('file', 'show', 'lab/film.bin')['sharing'], 'bob shares it no longer')


@test(timeout=120)
def a_failed_download_is_resumed_with_what_it_has():
    with World() as world:
        path, (alice, bob), (download,) = slow_download(world, 'alice', 'bob')
        target = bob.show(download)['path']
        with open(target, 'w', encoding='ascii') as file:
            file.write('in the way')
        alice.ok('limits', 'set', '--upload', 'unlimited')
        row = bob.wait_for(download, 'failed')
        expect(row['cause'], 'a failure names its cause')
        bob.restart()
        bob.wait_connected()
        expect_equal(bob.show(download)['cause'], row['cause'])
        os.remove(target)

        bob.ok('download', 'resume', download)

        row = bob.wait_for(download)
        expect_equal(sha1_of(row['path']), sha1_of(path))
        fetched = sum(source['bytes'] for source in row['sources'])
        expect(fetched <= SIZE + 2 * MIB, f'nothing is fetched twice: {fetched}')
        expect_equal(litter(bob), [])


@test(timeout=120)
def a_forgotten_failure_leaves_no_part_file():
    with World() as world:
        _, (alice, bob), (download,) = slow_download(world, 'alice', 'bob')
        with open(bob.show(download)['path'], 'w', encoding='ascii') as file:
            file.write('in the way')
        alice.ok('limits', 'set', '--upload', 'unlimited')
        bob.wait_for(download, 'failed')
        bob.ok('download', 'forget', download)
        expect_equal(litter(bob), [])
        expect_equal(bob.ok('download', 'list')['downloads'], [])


@test(timeout=180)
def a_paused_download_gives_its_turn_to_the_next():
    with World() as world:
        alice, = world.group('lab', 'alice')
        bob = world.peer('bob', settings=('checkpoint_interval=1s', 'max_active_downloads=1'))
        world.join('lab', alice, bob)
        for name in ('first.bin', 'second.bin'):
            alice.ok('file', 'share', world.file(name, 8 * MIB), 'lab', '--wait')
        alice.ok('limits', 'set', '--upload', '256KiB')
        first = bob.ok('download', 'start', 'lab/first.bin')['id']
        second = bob.ok('download', 'start', 'lab/second.bin')['id']
        wait_state(bob, first, 'downloading')
        expect_equal(wait_state(bob, second, 'queued')['done'], 0)

        bob.ok('download', 'pause', first)
        wait_state(bob, second, 'downloading')
        bob.ok('download', 'resume', first)
        wait_state(bob, first, 'queued')
        expect_equal(bob.show(second)['state'], 'downloading', 'the one that runs is not driven out')

        alice.ok('limits', 'set', '--upload', 'unlimited')
        bob.wait_for(first)
        bob.wait_for(second)


@test(timeout=120)
def a_file_that_is_gone_is_served_again_when_it_is_back():
    with World() as world:
        alice, bob = [world.peer(name, settings=FAST_CHECKS) for name in ('alice', 'bob')]
        alice.ok('group', 'create', 'lab')
        world.join('lab', alice, bob)
        path = world.file('film.bin', 3 * MIB)
        alice.ok('file', 'share', path, 'lab', '--wait')

        os.rename(path, path + '.away')
        row = wait_file(alice, 'missing', False)
        expect(path in row['cause'], f'the cause names the file: {row["cause"]}')
        wait_until(lambda: bob.ok('file', 'show', 'lab/film.bin')['seeders'] == 0, 10, 'nobody is sent to it')
        expect(alice.ok('status')['warnings'], 'the status warns')
        doctor = {check['name']: check for check in alice.ok('daemon', 'doctor')['checks']}
        expect_equal(doctor['shares']['state'], 'warning')
        alice.restart()
        alice.wait_connected()
        wait_file(alice, 'missing', False)

        os.rename(path + '.away', path)
        wait_file(alice, 'sharing', True)
        expect_equal(sha1_of(bob.ok('download', 'start', 'lab/film.bin', '--wait')['path']), sha1_of(path))


@test(timeout=120)
def a_file_that_changed_is_served_again_when_its_content_is_back():
    with World() as world:
        alice = world.peer('alice', settings=FAST_CHECKS)
        alice.ok('group', 'create', 'lab')
        path = world.file('film.bin', 3 * MIB)
        with open(path, 'rb') as file:
            content = file.read()
        alice.ok('file', 'share', path, 'lab', '--wait')

        for other in (content[:-1] + bytes([content[-1] ^ 1]), content + b'more', b''):
            with open(path, 'wb') as file:
                file.write(other)
            row = wait_file(alice, 'changed', False)
            expect(path in row['cause'], f'the cause names the file: {row["cause"]}')
            with open(path, 'wb') as file:
                file.write(content)
            wait_file(alice, 'sharing', True)
        # Touched only: verified and served.
        os.utime(path)
        wait_until(lambda: 'verifying again' in alice.log_since_start(), 10, 'it is verified')
        wait_file(alice, 'sharing', True)


@test(timeout=120)
def a_file_that_moved_is_shared_from_its_new_place():
    with World() as world:
        alice = world.peer('alice', settings=FAST_CHECKS)
        alice.ok('group', 'create', 'lab')
        path = world.file('film.bin', 3 * MIB)
        alice.ok('file', 'share', path, 'lab', '--wait')
        moved = world.path('elsewhere', 'film.bin')
        os.rename(path, moved)
        wait_file(alice, 'missing', False)

        expect_equal(alice.ok('file', 'share', moved, 'lab', '--wait')['path'], moved)

        expect_equal(wait_file(alice, 'sharing', True)['path'], moved)


@test(timeout=120)
def an_unshared_file_is_served_by_others_only():
    with World() as world:
        path, (alice, bob), (download,) = slow_download(world, 'alice', 'bob')
        expect_equal(bob.refused(7, 'file', 'unshare', 'lab/film.bin')['code'], 'conflict')
        alice.ok('limits', 'set', '--upload', 'unlimited')
        bob.wait_for(download)

        expect(not alice.ok('file', 'unshare', 'lab/film.bin')['sharing'], 'alice shares it no longer')

        wait_until(lambda: bob.ok('file', 'show', 'lab/film.bin')['seeders'] == 1, 10, 'bob alone seeds')
        expect_equal(alice.refused(6, 'file', 'unshare', 'lab/film.bin')['code'], 'not_found')
        expect(os.path.exists(path), 'the file stays')
        bob.ok('file', 'unshare', 'lab/film.bin')
        row = bob.show(download)
        expect_equal(row['state'], 'complete')
        for peer in (alice, bob):
            peer.restart()
            peer.wait_connected()
        pause(1)
        expect_equal(alice.ok('file', 'show', 'lab/film.bin')['seeders'], 0)
        # Both may share it again.
        alice.ok('file', 'share', path, 'lab', '--wait')
        bob.ok('file', 'share', row['path'], 'lab', '--wait')
        wait_until(lambda: alice.ok('file', 'show', 'lab/film.bin')['seeders'] == 2, 10, 'both seed')


@test(timeout=180)
def a_withdrawn_file_is_served_by_nobody():
    with World() as world:
        path, (alice, bob, carol), downloads = slow_download(world, 'alice', 'bob', 'carol')
        alice.ok('limits', 'set', '--upload', 'unlimited')
        complete = carol.wait_for(downloads[1])
        bob.wait_for(downloads[0])
        bob.ok('download', 'forget', downloads[0])
        for peer in (alice, carol):
            peer.ok('limits', 'set', '--upload', '2MiB')
        slow = bob.ok('download', 'start', 'lab/film.bin', '-o', world.path('again.bin'))['id']
        bob.wait_part(slow, 0.1)

        expect(not alice.ok('file', 'withdraw', 'lab/film.bin')['sharing'], 'alice shares it no longer')

        row = wait_state(bob, slow, 'failed', 5)
        expect_equal(row['cause'], 'withdrawn by alice')
        expect_equal(row['peers'], 0)
        row = wait_until(lambda: (r := carol.show(downloads[1]))['cause'] and r, 5, 'carol knows')
        expect_equal((row['state'], row['cause']), ('complete', 'withdrawn by alice'))
        expect_equal(alice.ok('file', 'list', 'lab')['files'], [])
        for peer in (alice, bob, carol):
            peer.refused(6, 'file', 'show', 'lab/film.bin')
        expect_equal(sha1_of(complete['path']), sha1_of(path))
        carol.restart()
        carol.wait_connected()
        expect_equal(carol.show(downloads[1])['cause'], 'withdrawn by alice')
        bob.ok('download', 'cancel', slow)
        # Shared anew, it is there again.
        carol.ok('file', 'share', complete['path'], 'lab', '--wait')
        expect_equal(alice.ok('file', 'show', 'lab/film.bin')['seeders'], 1)


@test(timeout=120)
def a_withdrawal_that_was_missed_is_learnt_at_the_next_attach():
    with World() as world:
        path, (alice, bob), (download,) = slow_download(world, 'alice', 'bob')
        alice.ok('limits', 'set', '--upload', 'unlimited')
        bob.wait_for(download)
        bob.stop()
        alice.ok('file', 'withdraw', 'lab/film.bin')
        bob.start()
        row = wait_until(lambda: (r := bob.show(download))['cause'] and r, 30, 'bob knows')
        expect_equal(row['state'], 'complete')
        expect('catalogue' in row['cause'], row['cause'])
        expect(os.path.exists(row['path']), 'the file stays')


@test(timeout=60)
def the_doctor_looks_at_everything():
    with World() as world:
        alice, = world.group('lab', 'alice')
        names = {'account', 'tracker', 'clock', 'reachable', 'download folder', 'disk space', 'shares',
                 'descriptors', 'control socket'}
        alice.wait_connected()

        def healthy():
            checks = alice.ok('daemon', 'doctor')['checks']
            return all(check['state'] == 'good' for check in checks) and checks
        checks = wait_until(healthy, 20, 'everything is good')
        expect_equal({check['name'] for check in checks}, names)

        world.tracker.stop()
        wait_until(lambda: not alice.ok('account', 'whoami')['connected'], 20, 'the tracker is away')
        os.rmdir(alice.downloads)
        os.chmod(alice.socket, 0o666)
        states = {check['name']: check for check in alice.ctl('daemon', 'doctor').json['checks']}
        for name in ('tracker', 'download folder', 'control socket'):
            expect_equal(states[name]['state'], 'bad', name)
            expect(states[name]['hint'], f'{name} has a hint')
        os.chmod(alice.socket, 0o600)
        world.tracker.start()
        alice.ok('account', 'logout')
        states = {check['name']: check for check in alice.ctl('daemon', 'doctor').json['checks']}
        expect_equal(states['account']['state'], 'warning')


class Configured(Peer):
    def command(self):
        return super().command() + ['--config', os.path.join(self.folder, 'p2pd.conf')]

    def configure(self, text):
        with open(os.path.join(self.folder, 'p2pd.conf'), 'w', encoding='ascii') as file:
            file.write(text)


@test(timeout=60)
def a_hangup_reads_the_settings_again():
    with World() as world:
        alice = Configured(world, 'alice')
        alice.configure('upload = "3MiB"\n')
        alice.start()
        expect_equal(alice.ok('limits', 'show'), {'upload': 3 * MIB, 'download': 0})

        alice.configure('upload = "5MiB"\ndownload = "7MiB"\n')
        alice.signal(signal.SIGHUP)
        wait_until(lambda: alice.ok('limits', 'show') == {'upload': 5 * MIB, 'download': 7 * MIB}, 10,
                   'the limits are the new ones')

        alice.ok('limits', 'set', '--upload', '9MiB')
        alice.configure('upload = "5MiB"\ndownload = "1MiB"\n')
        alice.signal(signal.SIGHUP)
        wait_until(lambda: alice.ok('limits', 'show') == {'upload': 9 * MIB, 'download': MIB}, 10,
                   'what was set by command stays where the file says nothing new')

        alice.configure('upload = "nonsense"\n')
        alice.signal(signal.SIGHUP)
        wait_until(lambda: 'settings are wrong' in alice.log(), 10, 'the error is in the log')
        expect_equal(alice.ok('limits', 'show'), {'upload': 9 * MIB, 'download': MIB})
