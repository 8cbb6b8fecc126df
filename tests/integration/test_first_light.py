# SPDX-License-Identifier: MIT
"""The main job: accounts, a group, approved members, a share, and two members who download it."""
import os
import re

from harness import (KIB, MIB, Peer, World, expect, expect_equal, pieces_sha1_of, program, sha1_of, test,
                     wait_until)

HEX40 = re.compile(r'[0-9a-f]{40}\Z')
HEX64 = re.compile(r'[0-9a-f]{64}\Z')
STATES = {'queued', 'downloading', 'verifying', 'complete', 'paused', 'stalled', 'failed'}


def has_fields(row, fields):
    for name, kind in fields.items():
        expect(name in row, f'{name} is missing in {row}')
        expect(isinstance(row[name], kind) and not (kind is not bool and isinstance(row[name], bool)),
               f'{name} is no {kind} in {row}')


NUMBER = (int, float)
FILE_FIELDS = {'group': str, 'name': str, 'size': NUMBER, 'sha1': str, 'pieces': NUMBER,
               'piece_length': NUMBER, 'seeders': NUMBER, 'leechers': NUMBER, 'shared_by': str,
               'sharing': bool}
DOWNLOAD_FIELDS = {'id': str, 'group': str, 'name': str, 'state': str, 'size': NUMBER, 'done': NUMBER,
                   'rate': NUMBER, 'peers': NUMBER, 'path': str, 'cause': str}


@test()
def two_members_download_what_a_third_shares():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        path = world.file('film.bin', 5 * MIB + 12345)
        alice.ok('file', 'share', path, 'lab', '--wait')

        ids = [peer.ok('download', 'start', 'lab/film.bin')['id'] for peer in (bob, carol)]

        for peer, download in zip((bob, carol), ids):
            row = peer.wait_for(download)
            expect_equal(row['path'], os.path.join(peer.downloads, 'film.bin'))
            expect_equal(sha1_of(row['path']), sha1_of(path))
            expect_equal(sum(source['bytes'] for source in row['sources']), row['size'])
            wait_until(lambda: peer.show(download)['file_sha1'] == 'ok', 30, 'the whole file was checked')
        wait_until(lambda: bob.ok('file', 'show', 'lab/film.bin')['seeders'] == 3, 20,
                   'all three are seeders')


@test()
def file_show_agrees_with_other_programs():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        path = world.file('film.bin', 3 * MIB + 1)

        alice.ok('file', 'share', path, 'lab', '--wait')

        for peer in (alice, bob):
            row = peer.ok('file', 'show', 'lab/film.bin')
            has_fields(row, {**FILE_FIELDS, 'info_hash_v1': str, 'info_hash_v2': str, 'pieces_sha1': list})
            expect_equal(row['size'], 3 * MIB + 1)
            expect_equal(row['sha1'], sha1_of(path))
            expect_equal(row['pieces_sha1'], pieces_sha1_of(path, int(row['piece_length'])))
            expect_equal(row['pieces'], len(row['pieces_sha1']))
            expect(HEX40.match(row['info_hash_v1']) and HEX64.match(row['info_hash_v2']),
                   f'info-hashes of {row}')
            expect_equal(row['shared_by'], 'alice')
            expect_equal(row['sharing'], peer is alice)


def arrives(alice, bob, world, name, size):
    path = world.file(name, size)
    row = alice.ok('file', 'share', path, 'lab', '--wait')
    expect_equal(row['size'], size, name)
    expect_equal(row['sha1'], sha1_of(path), name)

    download = bob.ok('download', 'start', f'lab/{name}', '--wait')

    expect_equal(download['state'], 'complete', name)
    expect_equal(os.path.getsize(download['path']), size, name)
    expect_equal(sha1_of(download['path']), sha1_of(path), name)
    shown = bob.ok('file', 'show', f'lab/{name}')
    expect_equal(shown['pieces_sha1'], pieces_sha1_of(path, int(shown['piece_length'])), name)
    wait_until(lambda: bob.show(download['id'])['file_sha1'] == 'ok', 30, f'{name} was checked as a whole')
    return download


@test()
def sizes_around_blocks_and_pieces_arrive_identical():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        for size in (0, 1, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 256 * KIB - 1, 256 * KIB, 512 * KIB,
                     3 * MIB + 1):
            arrives(alice, bob, world, f'size-{size}', size)


@test()
def an_empty_file_completes_without_a_peer():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        row = alice.ok('file', 'share', world.file('empty', 0), 'lab', '--wait')
        expect_equal(row['sha1'], 'da39a3ee5e6b4b0d3255bfef95601890afd80709')
        expect_equal((row['pieces'], row['info_hash_v1']), (0, ''))
        alice.stop()

        download = bob.ok('download', 'start', 'lab/empty', '--wait')

        expect_equal(os.path.getsize(download['path']), 0)


@test()
def names_with_spaces_and_foreign_letters_arrive():
    names = ['with some spaces.bin', 'Grüße aus Köln.mkv', 'фильм о войне.avi', '映画・東京.mp4', 'ملف.bin',
             '-leading-dash', "quote's \"and\" $more;.txt", '🎬.mov', 'ß' * 127]
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        for number, name in enumerate(names):
            download = arrives(alice, bob, world, name, 20 * KIB + number)
            expect_equal(os.path.basename(download['path']), name)
        listed = {row['name'] for row in bob.ok('file', 'list', 'lab')['files']}
        expect_equal(listed, set(names))


@test()
def documents_have_the_promised_fields():
    with World() as world:
        alice, bob, carol = [world.peer(name) for name in ('alice', 'bob', 'carol')]
        has_fields(alice.ok('account', 'whoami'),
                   {'user': str, 'device': str, 'tracker': str, 'connected': bool})
        group = alice.ok('group', 'create', 'lab', '--description', 'for films')
        has_fields(group, {'group': str, 'role': str, 'members': NUMBER, 'requests': NUMBER})
        expect_equal((group['role'], group['members']), ('owner', 1))

        bob.ok('group', 'join', 'lab', '--message', 'it is me')
        carol.ok('group', 'join', 'lab')
        requests = alice.ok('group', 'requests', 'lab')['requests']
        expect_equal({(r['group'], r['user'], r['message']) for r in requests},
                     {('lab', 'bob', 'it is me'), ('lab', 'carol', '')})
        expect_equal([g['role'] for g in bob.ok('group', 'list')['groups']], ['pending'])
        alice.ok('group', 'accept', 'lab', 'bob')
        alice.ok('group', 'reject', 'lab', 'carol')

        roles = {m.name: m.ok('group', 'list')['groups'][0]['role'] for m in (alice, bob, carol)}
        expect_equal(roles, {'alice': 'owner', 'bob': 'member', 'carol': 'none'})
        expect_equal(carol.ok('group', 'list', '--mine')['groups'], [])
        members = alice.ok('group', 'members', 'lab')
        expect_equal(members['group'], 'lab')
        expect_equal({(m['user'], m['role'], m['online']) for m in members['members']},
                     {('alice', 'owner', True), ('bob', 'member', True)})

        has_fields(alice.ok('file', 'share', world.file('a', MIB), 'lab', '--wait'), FILE_FIELDS)
        for row in bob.ok('file', 'list')['files']:
            has_fields(row, FILE_FIELDS)
        download = bob.ok('download', 'start', 'lab/a', '--wait')
        has_fields(download, DOWNLOAD_FIELDS)
        rows = bob.ok('download', 'list')['downloads']
        expect_equal([row['id'] for row in rows], [download['id']])
        has_fields(rows[0], DOWNLOAD_FIELDS)
        expect(rows[0]['state'] in STATES, str(rows))
        row = bob.show(download['id'])
        has_fields(row, {**DOWNLOAD_FIELDS, 'sources': list, 'uploaded': NUMBER, 'duplicate': NUMBER,
                         'wasted': NUMBER, 'file_sha1': str})
        expect_equal([(s['user'], s['bytes']) for s in row['sources']], [('alice', MIB)])
        has_fields(row['sources'][0], {'user': str, 'device': str, 'bytes': NUMBER})
        expect_equal(row['sources'][0]['device'], alice.ok('account', 'whoami')['device'])
        waited = bob.ok('download', 'wait', download['id'])['downloads']
        expect_equal([row['state'] for row in waited], ['complete'])

        limits = bob.ok('limits', 'set', '--upload', '20MiB', '--download', '3M')
        expect_equal((limits['upload'], limits['download']), (20 * MIB, 3 * MIB))
        expect_equal(bob.ok('limits', 'show')['upload'], 20 * MIB)
        expect_equal(bob.ok('limits', 'set', '--upload', 'unlimited')['upload'], 0)
        status = bob.ok('status')
        has_fields(status, {'account': str, 'tracker': dict, 'uploads': NUMBER, 'downloads': NUMBER,
                            'rates': dict, 'warnings': list})
        expect_equal((status['account'], status['tracker']['connected']), ('bob', True))
        address = world.tracker.ok('tracker', 'address')
        expect_equal(address['address'], world.tracker.url)
        expect_equal(world.tracker.ok('tracker', 'address', as_json=False).strip(), world.tracker.url)


@test()
def output_and_existing_targets_follow_the_options():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        path = world.file('a.bin', 300 * KIB)
        alice.ok('file', 'share', path, 'lab', '--name', 'other.bin', '--wait')
        folder = world.path('target', 'x')[:-2]

        into_folder = bob.ok('download', 'start', 'lab/other.bin', '-o', folder, '--wait')
        expect_equal(into_folder['path'], os.path.join(folder, 'other.bin'))
        expect_equal(sorted(os.listdir(folder)), ['other.bin'])
        # A device takes part in a share once: asking again names where the file is.
        error = bob.refused(7, 'download', 'start', 'lab/other.bin', '-o', folder)
        expect_equal(error['code'], 'exists')
        expect(into_folder['path'] in error['message'], f'the path is named: {error}')

        second = world.file('b.bin', 200 * KIB)
        alice.ok('file', 'share', second, 'lab', '--wait')
        target = os.path.join(folder, 'mine.bin')
        as_file = bob.ok('download', 'start', 'lab/b.bin', '-o', target, '--wait')
        expect_equal(as_file['path'], target)
        expect_equal(sha1_of(target), sha1_of(second))

        third = world.file('c.bin', 100 * KIB)
        alice.ok('file', 'share', third, 'lab', '--wait')
        taken = os.path.join(folder, 'c.bin')
        with open(taken, 'wb') as file:
            file.write(b'mine')
        expect_equal(bob.refused(7, 'download', 'start', 'lab/c.bin', '-o', folder)['code'], 'exists')
        renamed = bob.ok('download', 'start', 'lab/c.bin', '-o', folder, '--on-exist', 'rename', '--wait')
        expect(renamed['path'] != taken, 'a new name was found')
        expect_equal(sha1_of(renamed['path']), sha1_of(third))
        with open(taken, 'rb') as file:
            expect_equal(file.read(), b'mine')


@test()
def two_downloads_never_end_under_one_name():
    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')
        alice.ok('group', 'create', 'den')
        world.join('den', alice, bob)
        paths = {group: world.file(f'{group}.bin', 2 * MIB) for group in ('lab', 'den')}
        for group, path in paths.items():
            alice.ok('file', 'share', path, group, '--name', 'same.bin', '--wait')
        alice.ok('limits', 'set', '--upload', '64KiB')

        first = bob.ok('download', 'start', 'lab/same.bin')
        error = bob.refused(7, 'download', 'start', 'den/same.bin')
        expect(first['path'] in error['message'], f'the path is named: {error}')
        second = bob.ok('download', 'start', 'den/same.bin', '--on-exist', 'rename')
        alice.ok('limits', 'set', '--upload', '0')

        expect(second['path'] != first['path'], 'another name was found')
        for group, download in (('lab', first), ('den', second)):
            row = bob.wait_for(download['id'])
            expect_equal(row['path'], download['path'])
            expect_equal(sha1_of(row['path']), sha1_of(paths[group]), group)


@test()
def a_member_serves_what_it_has_when_the_publisher_is_gone():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        path = world.file('a.bin', 2 * MIB)
        alice.ok('file', 'share', path, 'lab', '--wait')
        bob.ok('download', 'start', 'lab/a.bin', '--wait')
        alice.stop()

        row = carol.ok('download', 'start', 'lab/a.bin', '--wait')

        expect_equal(sha1_of(row['path']), sha1_of(path))
        expect_equal({source['user'] for source in carol.show(row['id'])['sources']}, {'bob'})


@test(timeout=60)
def relative_paths_begin_where_the_daemon_was_started():
    with World() as world:
        alice = world.peer('alice')
        alice.ok('group', 'create', 'lab')
        path = world.file('film.bin', MIB)
        alice.ok('file', 'share', path, 'lab', '--wait')
        bob = Peer(world, 'bob')
        bob.command = lambda: [program('p2pd'), '--data-dir', 'data', '--listen', '127.0.0.1:0',
                               '--control', 'ctl.sock', '--download-dir', 'downloads']
        bob.start().enrol()
        world.join('lab', alice, bob)

        row = bob.ok('download', 'start', 'lab/film.bin', '--wait')

        expect_equal(row['path'], os.path.join(bob.downloads, 'film.bin'))
        expect_equal(sha1_of(row['path']), sha1_of(path))
