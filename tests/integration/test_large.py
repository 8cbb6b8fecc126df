# SPDX-License-Identifier: MIT
"""Large files arrive identical, and the daemons stay small while they do."""
import filecmp
import os
import time

from harness import GIB, MIB, World, expect, expect_equal, sha1_of, test, wait_until

RESIDENT_MAX = 128 * MIB


def arrives_small(size):
    with World() as world:
        world.need_disk(2 * size + GIB)
        alice, bob = world.group('lab', 'alice', 'bob')
        path = world.big_file('film.bin', size)
        begin = time.monotonic()
        shared = alice.ok('file', 'share', path, 'lab', '--wait', seconds=300)
        print(f'shared in {time.monotonic() - begin:.1f} s')
        anonymous = 0

        download = bob.ok('download', 'start', 'lab/film.bin')['id']

        def complete():
            nonlocal anonymous
            anonymous = max(anonymous, *(peer.memory()['RssAnon'] for peer in (alice, bob)))
            row = bob.show(download)
            expect(row['state'] != 'failed', str(row))
            return row if row['state'] == 'complete' else None
        row = wait_until(complete, 240, 'the download is complete')
        print(f'{size / MIB / row["seconds"]:.0f} MiB/s, anonymous memory at most {anonymous / MIB:.1f} MiB')
        wait_until(lambda: bob.show(download)['file_sha1'] == 'ok', 120, 'the whole file was checked')
        for peer in (alice, bob):
            memory = peer.memory()
            print(peer.name, ', '.join(f'{key} {value / MIB:.1f} MiB' for key, value in memory.items()))
            expect(memory['VmHWM'] < RESIDENT_MAX, f'{peer.name} took {memory["VmHWM"] / MIB:.1f} MiB')
        expect(filecmp.cmp(path, row['path'], shallow=False), 'other content')
        if size <= GIB:
            expect_equal(shared['sha1'], sha1_of(path))
        expect_equal(sorted(os.listdir(bob.downloads)), ['film.bin'])


@test(tags=['release'], timeout=300, alone=True)
def one_gibibyte_arrives_identical_in_little_memory():
    arrives_small(GIB)


@test(tags=['release'], timeout=600, alone=True)
def five_gibibytes_arrive_identical_in_little_memory():
    arrives_small(5 * GIB)
