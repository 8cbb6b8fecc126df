# SPDX-License-Identifier: MIT
"""A disk on which every call takes 50 ms: others go on as ever, and nothing waits on the loop."""
import re
import time

from harness import MIB, World, expect, expect_equal, sha1_of, test

SLOW = 24 * MIB
FAST = 128 * MIB


def fetch(peer, name):
    """Seconds that a download took."""
    begin = time.monotonic()
    peer.wait_for(peer.ok('download', 'start', f'lab/{name}')['id'])
    return time.monotonic() - begin


def longest_turn(peer):
    """Milliseconds, from its log; it is stopped."""
    peer.stop()
    return int(re.search(r'longest_turn_ms=(\d+)', peer.log_since_start()).group(1))


@test(tags=['release'], timeout=240, alone=True)
def a_slow_disk_holds_up_nothing_else():
    with World() as world:
        alice, bob, carol = world.group('lab', 'alice', 'bob', 'carol')
        disks = {peer: world.small_disk(f'disk-of-{peer.name}', 2 * SLOW) for peer in (alice, bob)}
        for peer, disk in disks.items():
            peer.use_slow_disk(disk)
            peer.restart()
            peer.wait_connected()
        slow = world.big_file('slow.bin', SLOW)
        slow_there = f'{disks[alice]}/slow.bin'
        with open(slow, 'rb') as source, open(slow_there, 'wb') as target:
            target.write(source.read())
        alice.ok('file', 'share', slow_there, 'lab', '--wait', seconds=120)
        for name in ('before.bin', 'beside.bin'):
            alice.ok('file', 'share', world.file(name, FAST), 'lab', '--wait')

        alone = fetch(carol, 'before.bin')
        to_slow = bob.ok('download', 'start', 'lab/slow.bin', '-o', disks[bob])['id']
        from_slow = carol.ok('download', 'start', 'lab/slow.bin')['id']
        bob.wait_part(to_slow, 0.05)
        carol.wait_part(from_slow, 0.05)
        beside = fetch(carol, 'beside.bin')
        states = [peer.show(one)['state'] for peer, one in ((bob, to_slow), (carol, from_slow))]
        memory = {peer.name: peer.memory()['RssAnon'] // MIB for peer in (alice, bob)}

        print(f'128 MiB in {alone:.2f} s alone, {beside:.2f} s beside a slow disk; MiB of memory: {memory}')
        expect(beside < 3 * alone + 1, 'the other share keeps its rate')
        expect_equal(states, ['downloading'] * 2, 'the slow ones were not done before')
        for peer, one in ((bob, to_slow), (carol, from_slow)):
            expect_equal(sha1_of(peer.wait_for(one)['path']), sha1_of(slow))
        for peer in disks:
            expect('slow disk:' not in peer.log(), 'no call to a disk on the loop')
            print(f'longest turn of the loop of {peer.name}: {longest_turn(peer)} ms')
