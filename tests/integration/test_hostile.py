# SPDX-License-Identifier: MIT
"""Members with a valid membership that do harm (tests/hostile), against the real programs."""
import re
import time

from harness import KIB, MIB, World, expect, expect_equal, sha1_of, test, wait_until

BLOCK = 16 * KIB

# One of five: of the two who have the file, a second. The one has a fifth of what there is to be had.
FIVE_SIZE = 32 * MIB
ALICE_UPLOAD = '16MiB'
MALLORY_UPLOAD = '4MiB'
WASTED_MAX = 1 * MIB
BAD_BLOCKS_MAX = 3

# Three of eight: the publisher's upload takes eight seconds.
EIGHT_SIZE = 64 * MIB
EIGHT_UPLOAD = '8MiB'
EIGHT_TIMES = 1.2
EIGHT_SECONDS = 0.5  # more, for what does not grow with the file

SMALL_SIZE = 16 * MIB
SMALL_UPLOAD = '8MiB'


def banned_by(peer):
    """The devices that this member has banned, once for each line of its log."""
    return re.findall(r'device banned .*?device=([0-9a-f]+)', peer.log())


def causes_of_closing(peer, device):
    """Why the swarm of this member has closed links of a device."""
    pattern = rf'link closed by the swarm .*?device={device} cause="?(.*?)"?$'
    return set(re.findall(pattern, peer.log(), re.MULTILINE))


def device_of(peer):
    return peer.ok('account', 'whoami')['device']


def fetched_from(row, user):
    return sum(source['bytes'] for source in row['sources'] if source['user'] == user)


def published(world, size, upload, *members):
    """Alice shares a file with a group of these: (alice, the file's path)."""
    alice = world.peer('alice')
    alice.ok('group', 'create', 'lab')
    world.join('lab', alice, *members)
    path = world.file('film.bin', size)
    alice.ok('file', 'share', path, 'lab', '--wait')
    alice.ok('limits', 'set', '--upload', upload)
    return alice, path


def start_all(members):
    return [(member, member.ok('download', 'start', 'lab/film.bin')['id']) for member in members]


# --- who sends bad blocks ------------------------------------------------------------------------------

def one_of_five(attack):
    """Alice and mallory have a file, three others fetch it: (seconds until the last has it, the downloads'
    rows, whom each of the three has banned, mallory's device)."""
    with World() as world:
        mallory = world.peer('mallory')
        members = [world.peer(name) for name in ('bob', 'carol', 'dave')]
        alice, path = published(world, FIVE_SIZE, ALICE_UPLOAD, mallory, *members)
        mallory.ok('limits', 'set', '--upload', MALLORY_UPLOAD)
        mallory.ok('download', 'start', 'lab/film.bin', '--wait')
        if attack:
            mallory.attack_with(attack)
            mallory.restart()
            mallory.wait_connected()

        begin = time.monotonic()
        rows = [member.wait_for(identity) for member, identity in start_all(members)]
        seconds = time.monotonic() - begin

        for member, row in zip(members, rows):
            expect_equal(sha1_of(f'{member.downloads}/film.bin'), sha1_of(path), f'what {member.name} has')
            print(f'{attack or "honest"}: {seconds:.2f} s, {member.name} wasted {row["wasted"] // KIB} KiB, '
                  f'got {fetched_from(row, "mallory") // KIB} KiB of mallory, banned {banned_by(member)}',
                  flush=True)
        expect_equal(banned_by(alice) + banned_by(mallory), [], 'who only gives bans nobody')
        return seconds, rows, [banned_by(member) for member in members], device_of(mallory)


def expect_found_out(attack):
    """The rows of those who found out."""
    clean, rows, bans, _ = one_of_five(None)
    expect_equal(bans, [[], [], []], 'nobody is banned where all are honest')
    expect_equal([row['wasted'] for row in rows], [0, 0, 0])

    seconds, rows, bans, culprit = one_of_five(attack)

    for banned, row in zip(bans, rows):
        expect(banned in ([], [culprit]), f'only mallory is banned, and once: {banned}')
        expect(row['wasted'] <= WASTED_MAX, f'wasted: {row["wasted"]}')
        expect(banned or row['wasted'] == 0, f'what is wasted has a name: {banned}, {row["wasted"]}')
    expect([culprit] in bans, 'mallory is found out')
    expect(seconds <= 1.1 * clean + 1, f'{seconds:.2f} s beside {clean:.2f} s')
    return [row for banned, row in zip(bans, rows) if banned]


@test(timeout=240, alone=True)
def member_that_corrupts_every_block_is_banned_and_costs_little():
    expect_found_out('corrupt')


@test(timeout=240, alone=True)
def member_that_lies_about_leaves_as_well_is_banned_and_nobody_else():
    expect_found_out('accuse')


@test(tags=['release'], timeout=120, alone=True)
def member_that_corrupts_every_block_is_banned_after_three_at_most():
    for row in expect_found_out('corrupt'):
        expect(fetched_from(row, 'mallory') <= BAD_BLOCKS_MAX * BLOCK, f'bad blocks: {row["sources"]}')


# --- who delays ----------------------------------------------------------------------------------------

def three_of_eight(attack):
    """Eight fetch what alice shares, three of them do harm: the seconds until the last honest one has it."""
    with World() as world:
        honest = [world.peer(f'member-{i}') for i in range(5)]
        others = [world.peer(f'mallory-{i}', attack=attack) for i in range(3)]
        alice, path = published(world, EIGHT_SIZE, EIGHT_UPLOAD, *honest, *others)

        start_all(others)
        begin = time.monotonic()
        for member, identity in start_all(honest):
            member.wait_for(identity)
        seconds = time.monotonic() - begin

        for member in honest:
            expect_equal(sha1_of(f'{member.downloads}/film.bin'), sha1_of(path), f'what {member.name} has')
        expect_equal([banned_by(member) for member in (alice, *honest)], [[]] * 6, 'nobody is banned')
        return seconds


@test(tags=['release'], timeout=240, alone=True)
def three_liars_or_stallers_of_eight_delay_the_others_little():
    clean = three_of_eight(None)
    for attack in ('lie', 'stall'):
        seconds = three_of_eight(attack)
        figures = f'{attack}: {seconds:.2f} s, clean {clean:.2f} s: {seconds / clean:.2f} times'
        print(figures, flush=True)
        expect(seconds <= EIGHT_TIMES * clean + EIGHT_SECONDS, figures)


# --- who breaks rules, or only bothers -----------------------------------------------------------------

def expect_others_complete(attack, cause=None):
    """Two members fetch what alice shares while mallory attacks all three. With a cause: somebody must have
    closed a link with mallory for it."""
    with World() as world:
        honest = [world.peer(name) for name in ('bob', 'carol')]
        mallory = world.peer('mallory', attack=attack)
        alice, path = published(world, SMALL_SIZE, SMALL_UPLOAD, mallory, *honest)

        start_all([mallory])
        for member, identity in start_all(honest):
            member.wait_for(identity)
            expect_equal(sha1_of(f'{member.downloads}/film.bin'), sha1_of(path), f'what {member.name} has')

        culprit = device_of(mallory)
        if cause:
            wait_until(lambda: any(cause in causes_of_closing(one, culprit) for one in (alice, *honest)), 30,
                       f'a link with mallory is closed: {cause}')
        for member in (alice, *honest):
            expect_equal(banned_by(member), [], f'{member.name} bans nobody: nothing is proved')
            expect(member.ok('account', 'whoami')['connected'], f'{member.name} answers')
            for other in (alice, *honest):
                expect_equal(causes_of_closing(member, device_of(other)) - {'both sides are complete'}, set(),
                             f'{member.name} has nothing against {other.name}')


@test(timeout=120)
def liar_does_not_keep_others_from_completing():
    expect_others_complete('lie')


@test(timeout=120)
def staller_does_not_keep_others_from_completing():
    expect_others_complete('stall')


@test(timeout=120)
def quitter_does_not_keep_others_from_completing():
    expect_others_complete('quit')


@test(timeout=120)
def dripper_does_not_keep_others_from_completing():
    expect_others_complete('drip')


@test(timeout=120)
def trickler_does_not_keep_others_from_completing():
    expect_others_complete('trickle')


@test(timeout=120)
def flutterer_does_not_keep_others_from_completing():
    expect_others_complete('flutter')


@test(timeout=120)
def churner_does_not_keep_others_from_completing():
    expect_others_complete('churn')


@test(timeout=120)
def flooder_is_cut_for_its_requests():
    expect_others_complete('flood', 'too many requests')


@test(timeout=120)
def flapper_is_cut_for_its_messages():
    expect_others_complete('flap', 'too many messages')


@test(timeout=120)
def overreacher_is_cut_for_a_piece_that_is_not_there():
    expect_others_complete('overreach', 'message that this share cannot have')
