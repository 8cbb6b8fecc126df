# SPDX-License-Identifier: MIT
"""Who may do what: every command of p2pctl, typed by everybody there can be, as one table.

A cell says how the command ends for that role:

    .  done, exit 0                          L  login needed                         (4)
    M  members only                    (5)   A  admins only, or the owner only       (5)
    F  not found                       (6)   X  exists already, or a conflict        (7)
    U  this socket does not know it    (2)   -  not asked
    m  M or F: whoever is outside may not tell which

The roles are those of the group 'lab'. 'demoted' was an admin and is a member; 'removed' was an admin and is
out; 'foreign' is an admin of another group. 'hidden' is an unlisted group of the owner alone.
"""
import os

from harness import KIB, PASSWORD, Failed, World, expect, expect_equal, test, wait_until
from outsider import Identity, TrackerClient

ROLES = ('stranger', 'registered', 'pending', 'member', 'admin', 'owner', 'demoted', 'removed', 'foreign')

CELLS = {
    'L': (4, {'login_required'}),
    'M': (5, {'not_member'}),
    'A': (5, {'not_admin', 'not_allowed'}),
    'F': (6, {'not_found'}),
    'X': (7, {'exists', 'conflict'}),
    'U': (2, {'unsupported'}),
}

# Words in braces are made by the method of Cast of that name: new for each cell that is to succeed.
#                                                       stranger
#                                                       | registered
#                                                       | | pending
#                                                       | | | member
#                                                       | | | | admin
#                                                       | | | | | owner
#                                                       | | | | | | demoted
#                                                       | | | | | | | removed
#                                                       | | | | | | | | foreign
TABLE = '''
    account whoami                                      L . . . . . . . .
    account passwd --password-stdin                     L . . . . . . . .
    account sessions list                               L . . . . . . . .
    account sessions revoke ffffffff                    L F F F F F F F F
    group create {new_group}                            L . . . . . . . .
    group create lab                                    L X X X X X X X X
    group list                                          L . . . . . . . .
    group list --mine                                   L . . . . . . . .
    group show lab                                      L . . . . . . . .
    group join lab                                      L . . X X X X . .
    group requests                                      L . . . . . . . .
    group requests lab                                  L M M A . . A M M
    group accept lab {applicant}                        L M M A . . A M M
    group reject lab {applicant}                        L M M A . . A M M
    group accept lab nobody                             L M M A F F A M M
    group invite lab {user}                             L M M A . . A M M
    group invite lab source                             L M M A X X A M M
    group invite lab nobody                             L M M A F F A M M
    group members lab                                   L M M . . . . M M
    group promote lab {fellow}                          L M M A A . A M M
    group promote lab source                            L M M A A - A M M
    group demote lab {second_admin}                     L M M A A . A M M
    group remove lab {fellow}                           L M M A . . A M M
    group remove lab {second_admin}                     L M M A A . A M M
    group remove lab nobody                             L M M A F F A M M
    group transfer lab source                           L M M A A - A M M
    file share {path} lab                               L M M . . . . M M
    file list                                           L . . . . . . . .
    file list lab                                       L M M . . . . M M
    file show lab/base                                  L M M . . . . M M
    file show lab/nosuch                                L M M F F F F M M
    download start lab/base -o {folder}                 L M M . . . . M M
    download start lab/nosuch                           L M M F F F F M M
    file unshare lab/{own_file}                         L m m . . . . m m
    file unshare lab/theirs                             L m m F F F F m m
    file withdraw lab/{file_of_another}                 L M M A . . A M M
    file withdraw lab/{own_file}                        L - - . . . . - -
    file withdraw lab/nosuch                            L M M F F F F M M
    download list                                       - . . . . . . . .
    download show ffffffff                              - F F F F F F F F
    download pause ffffffff                             - F F F F F F F F
    download resume ffffffff                            - F F F F F F F F
    download cancel ffffffff                            - F F F F F F F F
    download forget ffffffff                            - F F F F F F F F
    download wait ffffffff                              - F F F F F F F F
    limits show                                         . . . . . . . . .
    limits set --upload 0                               . . . . . . . . .
    status                                              . . . . . . . . .
    daemon doctor                                       - . . . . . . . .

    group show hidden                                   L F F F F . F F F
    group join hidden                                   L F F F F X F F F
    group leave hidden                                  L F F F F - F F F
    group requests hidden                               L F F F F . F F F
    group accept hidden pending                         L F F F F F F F F
    group reject hidden pending                         L F F F F F F F F
    group invite hidden pending                         L F F F F - F F F
    group members hidden                                L F F F F . F F F
    group promote hidden member                         L F F F F F F F F
    group demote hidden owner                           L F F F F X F F F
    group remove hidden owner                           L F F F F X F F F
    group transfer hidden member                        L F F F F F F F F
    file share {path} hidden                            L F F F F . F F F
    file list hidden                                    L F F F F . F F F
    file show hidden/base                               L F F F F F F F F
    file unshare hidden/base                            L F F F F F F F F
    file withdraw hidden/base                           L F F F F F F F F
    download start hidden/base                          L F F F F F F F F

    tracker address                                     U U U U U U U U U
    tracker status                                      U U U U U U U U U
    tracker user list                                   U U U U U U U U U
    tracker user disable owner                          U U U U U U U U U
    tracker user enable owner                           U U U U U U U U U
    tracker user reset-password owner --password-stdin  U U U U U U U U U
    tracker group list                                  U U U U U U U U U
    tracker backup {folder}/backup                      U U U U U U U U U
    tracker invite                                      U U U U U U U U U

    group leave lab                                     L M . . . X . M M
    account logout                                      L . . . . . . . .
'''

# What gives the tracker back as it was, after a command that succeeded: (command, role that succeeded).
UNDO = {
    ('group join lab', 'registered'): ('group', 'leave', 'lab'),
    ('group join lab', 'removed'): ('group', 'leave', 'lab'),
    ('group join lab', 'foreign'): ('group', 'leave', 'lab'),
}
STDIN = {
    'account passwd': f'{PASSWORD}\n{PASSWORD} two\n',
    'tracker user': f'{PASSWORD}\n',
}


class Cast:
    """Everybody, and what a command needs to succeed."""

    def __init__(self, world):
        self.world = world
        self.count = 0
        self.peers = {role: world.peer(role) for role in ROLES if role != 'stranger'}
        self.peers['stranger'] = world.stranger('stranger')
        self.source = world.peer('source')
        owner = self.peers['owner']
        owner.ok('group', 'create', 'lab')
        owner.ok('group', 'create', 'hidden', '--unlisted')
        world.join('lab', owner, self.source,
                   *[self.peers[role] for role in ('member', 'admin', 'demoted', 'removed')])
        for role in ('admin', 'demoted', 'removed'):
            owner.ok('group', 'promote', 'lab', role)
        owner.ok('group', 'demote', 'lab', 'demoted')
        owner.ok('group', 'remove', 'lab', 'removed')
        self.peers['pending'].ok('group', 'join', 'lab')
        self.source.ok('group', 'create', 'elsewhere')
        world.join('elsewhere', self.source, self.peers['foreign'])
        self.source.ok('group', 'promote', 'elsewhere', 'foreign')
        for name in ('base', 'theirs'):
            self.source.ok('file', 'share', world.file(name, 20 * KIB), 'lab', '--wait')
        self.check()

    def check(self):
        """The roles are what their names say."""
        roles = {m['user']: m['role'] for m in self.source.ok('group', 'members', 'lab')['members']
                 if m['user'] in self.peers}
        expect_equal(roles, {'owner': 'owner', 'admin': 'admin', 'member': 'member', 'demoted': 'member'})
        rows = {role: peer.ok('group', 'show', 'lab')['role'] for role, peer in self.peers.items()
                if role in ('registered', 'pending', 'removed', 'foreign')}
        expect_equal(rows, {'registered': 'none', 'pending': 'pending', 'removed': 'none', 'foreign': 'none'})

    def name(self, kind):
        self.count += 1
        return f'{kind}{self.count}'

    # --- the words in braces: of the one who types, or anything of the kind where it is refused ---------

    def new_group(self, _role, _succeeds):
        return self.name('group')

    def user(self, _role, succeeds, joins=()):
        """A user without a daemon."""
        if not succeeds:
            return 'registered'
        name = self.name('user')
        client = TrackerClient(Identity(self.world.folder, name), self.world.tracker.address)
        client.create_account(name)
        for group in joins:
            client.join(group)
        client.close()
        return name

    def applicant(self, role, succeeds):
        """Who has asked to join."""
        return self.user(role, True, ('lab',)) if succeeds else 'pending'

    def fellow(self, _role, succeeds):
        if not succeeds:
            return 'source'
        name = self.applicant(None, True)
        self.peers['owner'].ok('group', 'accept', 'lab', name)
        return name

    def second_admin(self, role, succeeds):
        if not succeeds:
            return 'owner' if role == 'admin' else 'admin'
        name = self.fellow(None, True)
        self.peers['owner'].ok('group', 'promote', 'lab', name)
        return name

    def path(self, _role, _succeeds):
        return self.world.file(self.name('file'), 20 * KIB)

    def folder(self, _role, _succeeds):
        return os.path.dirname(self.world.path(self.name('folder'), 'x'))

    def share(self, peer):
        path = self.path(None, True)
        name = os.path.basename(path)
        peer.ok('file', 'share', path, 'lab', '--wait')
        return name

    def own_file(self, role, succeeds):
        return self.share(self.peers[role]) if succeeds else 'theirs'

    def file_of_another(self, role, succeeds):
        if not succeeds:
            return 'theirs'
        name = self.share(self.source)
        peer = self.peers[role]
        wait_until(lambda: peer.ctl('file', 'show', f'lab/{name}').code == 0, 20, f'{role} sees {name}')
        return name


def rows():
    """(command, {role: cell}) of the table."""
    for line in TABLE.strip().splitlines():
        if not line.strip():
            continue
        words = line.split()
        cells = words[-len(ROLES):]
        expect(all(len(cell) == 1 for cell in cells), f'a row of the table is short: {line}')
        yield ' '.join(words[:-len(ROLES)]), dict(zip(ROLES, cells))


def words_of(cast, command, role, succeeds):
    out = []
    for word in command.split():
        before, brace, rest = word.partition('{')
        if brace:
            made, _, after = rest.partition('}')
            word = before + getattr(cast, made)(role, succeeds) + after
        out.append(word)
    return out


def stdin_of(command):
    return next((text for begin, text in STDIN.items() if command.startswith(begin)), '')


def wrong(cast, command, role, cell):
    """What is wrong with this cell; nothing when it is as the table says."""
    peer = cast.peers[role]
    words = words_of(cast, command, role, cell == '.')
    options = {'stdin': stdin_of(command)}
    if cell == '.':
        outcome = peer.ctl(*words, **options)
        if outcome.code != 0:
            return str(outcome)
        if undo := UNDO.get((command, role)):
            peer.ok(*undo)
        return ''
    exits = [CELLS[kind] for kind in ('MF' if cell == 'm' else cell)]
    outcome = peer.ctl(*words, **options)
    if any(outcome.code == code and outcome.error['code'] in names for code, names in exits):
        return '' if outcome.error['hint'] else f'no hint: {outcome}'
    return f'{cell} was expected: {outcome}'


@test(timeout=420)
def every_command_for_every_role():
    with World() as world:
        cast = Cast(world)
        complaints = []
        count = 0
        for command, cells in rows():
            for role, cell in cells.items():
                if cell == '-':
                    continue
                count += 1
                try:
                    complaint = wrong(cast, command, role, cell)
                except Failed as failure:
                    complaint = str(failure)
                if complaint:
                    complaints.append(f'{role}: {command}\n{complaint}')
        print(f'{count} cells')
        if complaints:
            raise Failed(f'{len(complaints)} of {count} cells differ:\n' + '\n'.join(complaints))


@test()
def the_table_has_every_command():
    """Of --help, but for the password's way in, which has rows of its own in test_errors.py."""
    from test_manual import commands
    known = set(commands()) - {'account create', 'account login'}
    typed = {command for command, _ in rows()}
    missing = [name for name in known if not any(row == name or row.startswith(name + ' ') for row in typed)]
    expect_equal(sorted(missing), [])


@test()
def the_owner_and_an_admin_change_places():
    """What the table leaves out because it changes who is who."""
    with World() as world:
        owner, admin, member = world.group('lab', 'owner', 'admin', 'member')
        owner.ok('group', 'promote', 'lab', 'admin')

        row = owner.ok('group', 'transfer', 'lab', 'admin')

        expect_equal((row['role'], row['owner']), ('admin', 'admin'))
        roles = {m['user']: m['role'] for m in member.ok('group', 'members', 'lab')['members']}
        expect_equal(roles, {'admin': 'owner', 'owner': 'admin', 'member': 'member'})
        expect(owner.refused(5, 'group', 'promote', 'lab', 'member')['code'] in CELLS['A'][1],
               'the former owner promotes nobody')
        admin.ok('group', 'promote', 'lab', 'member')
        admin.ok('group', 'demote', 'lab', 'owner')
        owner.refused(5, 'group', 'requests', 'lab')
        owner.ok('group', 'leave', 'lab')
        owner.refused(5, 'file', 'list', 'lab')


@test()
def operator_commands_are_for_the_trackers_own_socket_only():
    with World() as world:
        alice = world.peer('alice')
        for words in (('account', 'whoami'), ('group', 'list'), ('file', 'list'), ('download', 'list'),
                      ('limits', 'show'), ('status',), ('daemon', 'doctor')):
            expect_equal(world.tracker.refused(2, *words)['code'], 'unsupported', ' '.join(words))
        world.tracker.ok('tracker', 'user', 'disable', 'alice')
        users = world.tracker.ok('tracker', 'user', 'list')['users']
        expect_equal([(row['user'], row['disabled']) for row in users], [('alice', True)])
        wait_until(lambda: not alice.ok('status')['tracker']['connected'] or
                   alice.ctl('group', 'list').code == 4, 10, 'the session has ended')
        outcome = alice.ctl('group', 'create', 'lab', '--timeout', '1s')
        expect(outcome.code in (4, 8), f'nothing is done for her: {outcome}')
        world.tracker.ok('tracker', 'user', 'enable', 'alice')
