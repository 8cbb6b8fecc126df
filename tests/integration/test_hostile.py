# SPDX-License-Identifier: MIT
"""Members with a valid membership that do harm (tests/hostile), against the real programs."""
import re
import time

from harness import KIB, MIB, World, expect, expect_equal, sha1_of, test

SIZE = 32 * MIB
# Of the two who have the file, a second: the one of five has a fifth of what there is to be had.
ALICE_UPLOAD = '16MiB'
MALLORY_UPLOAD = '4MiB'
WASTED_MAX = 1 * MIB


def banned_by(peer):
    """The devices that this member has banned, once for each line of its log."""
    return re.findall(r'device banned .*?device=([0-9a-f]+)', peer.log())


def fetched_from(row, user):
    return sum(source['bytes'] for source in row['sources'] if source['user'] == user)


def one_of_five(attack):
    """Alice and mallory have a file, three others fetch it: (seconds until the last has it, the downloads'
    rows, whom each of the three has banned, mallory's device)."""
    with World() as world:
        alice = world.peer('alice')
        mallory = world.peer('mallory', attack=attack)
        members = [world.peer(name) for name in ('bob', 'carol', 'dave')]
        alice.ok('group', 'create', 'lab')
        world.join('lab', alice, mallory, *members)
        path = world.file('film.bin', SIZE)
        alice.ok('file', 'share', path, 'lab', '--wait')
        alice.ok('limits', 'set', '--upload', ALICE_UPLOAD)
        mallory.ok('limits', 'set', '--upload', MALLORY_UPLOAD)
        mallory.ok('download', 'start', 'lab/film.bin', '--wait')

        begin = time.monotonic()
        started = [(member, member.ok('download', 'start', 'lab/film.bin')['id']) for member in members]
        rows = [member.wait_for(identity) for member, identity in started]
        seconds = time.monotonic() - begin

        for member, row in zip(members, rows):
            expect_equal(sha1_of(f'{member.downloads}/film.bin'), sha1_of(path), f'what {member.name} has')
            print(f'{attack or "honest"}: {seconds:.2f} s, {member.name} wasted {row["wasted"] // KIB} KiB, '
                  f'got {fetched_from(row, "mallory") // KIB} KiB of mallory, banned {banned_by(member)}',
                  flush=True)
        expect_equal(banned_by(alice) + banned_by(mallory), [], 'who only gives bans nobody')
        culprit = mallory.ok('account', 'whoami')['device']
        return seconds, rows, [banned_by(member) for member in members], culprit


def expect_found_out(attack):
    clean, rows, bans, _ = one_of_five(None)
    expect_equal(bans, [[], [], []], 'nobody is banned where all are honest')
    expect_equal([row['wasted'] for row in rows], [0, 0, 0])

    seconds, rows, bans, culprit = one_of_five(attack)

    for banned, row in zip(bans, rows):
        expect(banned in ([], [culprit]), f'only mallory is banned, and once: {banned}')
        expect(row['wasted'] <= WASTED_MAX, f'wasted: {row["wasted"]}')
        expect(bool(banned) == (row['wasted'] > 0), f'what is wasted has a name: {banned}, {row["wasted"]}')
    expect([culprit] in bans, 'mallory is found out')
    expect(seconds <= 1.1 * clean + 1, f'{seconds:.2f} s beside {clean:.2f} s')


@test(timeout=240, alone=True)
def member_that_corrupts_every_block_is_banned_and_costs_little():
    expect_found_out('corrupt')


@test(timeout=240, alone=True)
def member_that_lies_about_leaves_as_well_is_banned_and_nobody_else():
    expect_found_out('accuse')
