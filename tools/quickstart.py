#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The second half of ./quickstart: a tracker, three members, a group, a share and two downloads."""
import argparse
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

GIB = 1 << 30
TERMINAL = sys.stdout.isatty() and os.environ.get('TERM', 'dumb') != 'dumb'
COLOUR = TERMINAL and not os.environ.get('NO_COLOR')
START_SECONDS = 20
STOP_SECONDS = 8
LOG_LINES = 15


class Trouble(Exception):
    """What failed, what to do about it, and whose log shows why."""

    def __init__(self, what, hint, daemons=()):
        super().__init__(what)
        self.hint = hint
        self.daemons = daemons


def step(text):
    print(f'\n\033[1m{text}\033[0m' if COLOUR else f'\n{text}', flush=True)


def say(text):
    print(f'   {text}', flush=True)


def size_text(count):
    for unit in ('B', 'KiB', 'MiB', 'GiB', 'TiB'):
        if count < 1024 or unit == 'TiB':
            return f'{count:.0f} {unit}' if unit == 'B' else f'{count:.1f} {unit}'
        count /= 1024


def program(folder, name):
    for inside in ('.', 'daemon/peer', 'daemon/tracker', 'daemon', 'ctl', 'bin'):
        path = os.path.join(folder, inside, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise Trouble(f'there is no {name} in {folder}', 'remove that folder and run ./quickstart again')


class Daemon:
    """A tracker or a member's daemon, with its own folder, control socket and log."""

    def __init__(self, show, name, binary, extra=()):
        self.show = show
        self.name = name
        self.folder = os.path.join(show.scratch, name)
        os.mkdir(self.folder, 0o700)
        self.socket = os.path.join(self.folder, 'control.sock')
        self.log = os.path.join(self.folder, 'log')
        self.data = os.path.join(self.folder, 'data')
        command = [program(show.bin, binary), '--data-dir', self.data, '--listen', '127.0.0.1:0',
                   '--control', self.socket, *extra]
        with open(self.log, 'wb') as log:
            # A session of its own: Ctrl-C reaches this script only, which then stops the daemons in order.
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        show.daemons.append(self)
        self.address = self.wait_for_address()

    def wait_for_address(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with open(self.log, encoding='utf-8', errors='replace') as log:
                match = re.search(r'listening address=(\S+)', log.read())
            if match:
                return match.group(1)
            if self.process.poll() is not None:
                raise Trouble(f'the daemon of {self.name} ended as soon as it was started',
                              'its last words are above; please report them', [self])
            time.sleep(0.02)
        raise Trouble(f'the daemon of {self.name} did not start to listen within {START_SECONDS} s',
                      'is the machine very busy? Try again', [self])

    def last_words(self):
        with open(self.log, encoding='utf-8', errors='replace') as log:
            return log.read().splitlines()[-LOG_LINES:]


class Member(Daemon):
    def __init__(self, show, name):
        self.downloads = os.path.join(show.scratch, name, 'downloads')
        super().__init__(show, name, 'p2pd', ['--download-dir', self.downloads])

    def ctl(self, *arguments, password=None, quiet=False):
        """Runs p2pctl against this member's daemon; its JSON document."""
        if not quiet:
            say(f'{self.name:>6}$ p2pctl {" ".join(shlex.quote(a) for a in arguments)}')
        command = [program(self.show.bin, 'p2pctl'), '--socket', self.socket, '--json', '--no-input',
                   *arguments]
        done = subprocess.run(command, input=(password + '\n') if password else '', capture_output=True,
                              text=True, encoding='utf-8', errors='replace', start_new_session=True)
        if done.returncode != 0:
            words = done.stderr.strip()
            hint = 'the daemons\' last words are above; please report them'
            try:
                error = json.loads(words.splitlines()[-1])['error']
                words, hint = error['message'], error.get('hint') or hint
            except (ValueError, KeyError, IndexError, TypeError):
                pass
            daemons = [self] + ([self.show.tracker] if done.returncode == 8 else [])
            what = f'p2pctl {" ".join(arguments[:2])} of {self.name} failed'
            raise Trouble(f'{what} (exit {done.returncode}): {words}', hint, daemons)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return {}


class Show:
    def __init__(self, folder, files, keep):
        self.bin = folder
        self.files = files
        self.keep = keep
        self.daemons = []
        self.scratch = None
        self.tracker = None
        self.kept = False

    # --- the scratch folder -----------------------------------------------------------------------

    def make_scratch(self):
        """Where the downloads fit: two copies, and the random file itself."""
        need = sum(2 * os.path.getsize(path) for path in self.files) if self.files else 3 * GIB
        need += 64 << 20
        places = [os.environ.get('TMPDIR'), '/tmp', '/var/tmp', os.path.abspath(self.bin)]
        free = {}
        for place in places:
            if place and os.path.isdir(place) and os.access(place, os.W_OK) and len(place) < 60:
                free[place] = shutil.disk_usage(place).free
                if free[place] >= need:
                    self.scratch = tempfile.mkdtemp(prefix='p2p-quickstart-', dir=place)
                    say(f'scratch folder: {self.scratch}')
                    return
        seen = ', '.join(f'{place} has {size_text(count)}' for place, count in free.items())
        raise Trouble(f'{size_text(need)} of free disk are needed; {seen}',
                      'make room, set TMPDIR to a folder with room, or name a smaller FILE')

    def make_random_file(self):
        path = os.path.join(self.scratch, 'random-1GiB.bin')
        say('making a random file of 1 GiB')
        with open(path, 'wb') as file:
            for _ in range(GIB >> 22):
                file.write(os.urandom(1 << 22))
        return path

    # --- the story --------------------------------------------------------------------------------

    def run(self):
        step('3/6  A tracker and three members\' daemons')
        self.make_scratch()
        self.tracker = Daemon(self, 'tracker', 'p2p-trackerd')
        say(f'{"tracker":>7}  listens at {self.tracker.address}')
        members = []
        for name in ('alice', 'bob', 'carol'):
            members.append(Member(self, name))
            say(f'{name:>7}  listens at {members[-1].address}')
        alice, bob, carol = members
        if not self.files:
            self.files = [self.make_random_file()]

        step('4/6  Accounts and a group')
        with open(os.path.join(self.tracker.data, 'address'), encoding='utf-8') as file:
            address = file.read().strip()
        for member in members:
            member.ctl('account', 'create', member.name, '--tracker', address, '--password-stdin',
                       password=secrets.token_urlsafe(18))
        alice.ctl('group', 'create', 'friends')
        for member in (bob, carol):
            member.ctl('group', 'join', 'friends', '--message', f'this is {member.name}')
        requests = alice.ctl('group', 'requests', 'friends').get('requests', [])
        say(f'        alice sees requests of {", ".join(r["user"] for r in requests)}')
        alice.ctl('group', 'accept', 'friends', 'bob', 'carol')

        step(f'5/6  Alice shares {"a file" if len(self.files) == 1 else f"{len(self.files)} files"}')
        names = []
        for path in self.files:
            names.append(self.unused(os.path.basename(path), names))
            begin = time.monotonic()
            row = alice.ctl('file', 'share', path, 'friends', '--name', names[-1], '--wait')
            seconds = time.monotonic() - begin
            say(f'        hashed {size_text(row["size"])} in {seconds:.1f} s: {row["pieces"]:.0f} pieces of '
                f'{size_text(row["piece_length"])}')

        step('6/6  Bob and Carol download at the same time')
        for path, name in zip(self.files, names):
            self.download(path, name, [bob, carol])
        print('\nDone: every byte arrived, encrypted, from approved members only, and was checked twice.')
        if self.keep:
            self.leave_running(members)

    @staticmethod
    def unused(name, taken):
        number = 1
        candidate = name
        while candidate in taken:
            number += 1
            candidate = f'{number}-{name}'
        return candidate

    def download(self, path, name, members):
        rows = {}
        for member in members:
            rows[member] = member.ctl('download', 'start', f'friends/{name}')
        rows = self.watch(rows)
        shown = members[0].ctl('file', 'show', f'friends/{name}', quiet=True)
        wanted = self.sha1sum(path)
        if shown['sha1'] != wanted:
            raise Trouble(f'`file show` gives SHA-1 {shown["sha1"]}, sha1sum says {wanted}',
                          'this must not happen; please report it', self.daemons)
        print()
        for member, row in rows.items():
            seconds = max(row.get('seconds') or 0, 0.001)
            rate = size_text(row['size'] / seconds)
            say(f'{member.name}: {size_text(row["size"])} in {seconds:.1f} s, {rate}/s')
            for source in sorted(row['sources'], key=lambda s: -s['bytes']):
                say(f'   from {source["user"]:<8} {size_text(source["bytes"]):>10}')
            got = self.sha1sum(row['path'])
            if got != wanted:
                raise Trouble(f'{row["path"]} has SHA-1 {got} instead of {wanted}',
                              'this must not happen; please report it', [member])
            say(f'   SHA-1 {got} agrees with sha1sum and with `file show`')

    @staticmethod
    def sha1sum(path):
        if shutil.which('sha1sum'):
            done = subprocess.run(['sha1sum', '--', path], capture_output=True, text=True, encoding='utf-8',
                                  errors='replace', check=True)
            return done.stdout.lstrip('\\')[:40]
        digest = hashlib.sha1()
        with open(path, 'rb') as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()

    def watch(self, rows):
        """Shows all downloads until they are complete; the last row of each."""
        told = dict.fromkeys(rows, -1)
        drawn = False
        silent_since = time.monotonic()
        total = -1
        while True:
            for member in rows:
                rows[member] = member.ctl('download', 'show', rows[member]['id'], quiet=True)
                row = rows[member]
                if row['state'] in ('failed', 'paused'):
                    raise Trouble(f'the download of {member.name} is {row["state"]}: {row["cause"]}',
                                  'its daemon\'s last words are above', [member])
            if TERMINAL:
                if drawn:
                    print(f'\033[{len(rows)}A', end='')
                for member, row in rows.items():
                    print('\033[K   ' + self.bar(member, row))
                sys.stdout.flush()
                drawn = True
            else:
                for member, row in rows.items():
                    tenth = int(10 * self.part(row))
                    if tenth > told[member]:
                        told[member] = tenth
                        say(self.bar(member, row))
            if all(row['state'] == 'complete' for row in rows.values()):
                return rows
            if sum(row['done'] for row in rows.values()) != total:
                total = sum(row['done'] for row in rows.values())
                silent_since = time.monotonic()
            if time.monotonic() - silent_since > 60:
                causes = ', '.join(f'{m.name} {r["state"]} {r["cause"]}' for m, r in rows.items())
                raise Trouble(f'nothing has moved for a minute: {causes}',
                              'the daemons\' last words are above', self.daemons)
            time.sleep(0.2)

    @staticmethod
    def part(row):
        return row['done'] / row['size'] if row['size'] else float(row['state'] == 'complete')

    def bar(self, member, row):
        part = self.part(row)
        bar = ('#' * round(part * 20)).ljust(20, '-')
        rate = f'  {size_text(row["rate"])}/s  {row["peers"]:.0f} peers'
        rate = '' if row['state'] == 'complete' else rate
        return f'{member.name:>6}  [{bar}] {part:4.0%}  {size_text(row["done"])}{rate}'

    # --- the end ----------------------------------------------------------------------------------

    def leave_running(self, members):
        self.kept = True
        tool = program(self.bin, 'p2pctl')
        alice, bob = members[0], members[1]
        pids = ' '.join(str(daemon.process.pid) for daemon in self.daemons)
        print('\nEverything goes on running. Go on by hand:\n')
        for member in members:
            print(f'   {member.name}() {{ {shlex.quote(tool)} --socket {member.socket} "$@"; }}')
        print(f'   operator() {{ {shlex.quote(tool)} --socket {self.tracker.socket} "$@"; }}\n')
        print('   alice share /some/file friends        # then: bob ls friends')
        print('   bob get friends/file --wait           # then: bob download list')
        print('   bob status                            # and: operator tracker status\n')
        print(f'Without the functions: {tool} --socket {alice.socket} file list')
        print(f'{bob.name}\'s downloads are in {bob.downloads}, the logs in {self.scratch}/*/log.')
        print(f'Stop it all:\n\n   kill {pids}; sleep 2; rm -r {self.scratch}\n')

    def end(self):
        if self.kept:
            return
        for daemon in reversed(self.daemons):
            if daemon.process.poll() is None:
                daemon.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for daemon in self.daemons:
            try:
                daemon.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                daemon.process.kill()
                daemon.process.wait()
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def keep_logs(self):
        """Copies the logs beside the build before the scratch folder goes."""
        target = os.path.join(self.bin, 'quickstart-logs')
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target, exist_ok=True)
        for daemon in self.daemons:
            shutil.copyfile(daemon.log, os.path.join(target, f'{daemon.name}.log'))
        return target


def on_signal(number, _frame):
    raise KeyboardInterrupt(number)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--bin', required=True)
    parser.add_argument('--keep', action='store_true')
    parser.add_argument('files', nargs='*')
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    show = Show(options.bin, options.files, options.keep)
    try:
        show.run()
        return 0
    except Trouble as trouble:
        sys.stdout.flush()
        for daemon in trouble.daemons:
            print(f'\nlast lines of the log of {daemon.name}:', file=sys.stderr)
            for line in daemon.last_words():
                print(f'   {line}', file=sys.stderr)
        print(f'\nquickstart: {trouble}\nhint: {trouble.hint}', file=sys.stderr)
        if show.daemons:
            print(f'All logs are kept in {show.keep_logs()}.', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nquickstart: interrupted; stopping what it started', file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        show.end()


if __name__ == '__main__':
    sys.exit(main())
