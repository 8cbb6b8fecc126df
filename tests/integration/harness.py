# SPDX-License-Identifier: MIT
"""A world of real programs for one test: a tracker, members' daemons, commands, files and waiting.

    with World() as world:
        alice, bob = world.group('lab', 'alice', 'bob')     # accounts, group, both members
        path = world.file('film.bin', 3 * MIB)
        alice.ok('file', 'share', path, 'lab', '--wait')
        bob.ok('download', 'start', 'lab/film.bin', '--wait')

Everything lives in one scratch folder and listens on free loopback ports. At the end every daemon that
still runs is stopped in order and must exit with 0 within 5 s, and no log may hold a sanitizer's report.
A test waits only for conditions, always with a deadline.
"""
import contextlib
import hashlib
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

PASSWORD = 'correct horse battery staple'
STOP_SECONDS = 5.0
COMMAND_SECONDS = 120
REPORTS = ('ERROR: AddressSanitizer', 'ERROR: LeakSanitizer', 'runtime error:', 'check failed:',
           'WARNING: ThreadSanitizer', 'terminate called')

SANITIZER_ENVIRONMENT = {
    'ASAN_OPTIONS': 'detect_leaks=1:handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_abort=2'
                    ':detect_stack_use_after_return=1:strict_string_checks=1',
    'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
}

FOLDERS = ('.', 'daemon/peer', 'daemon/tracker', 'daemon', 'ctl', 'bin', 'tests/hostile',
           'tests/slow_disk')


class Skip(Exception):
    """The test cannot be run here; the text says why."""


class Failed(AssertionError):
    pass


def test(tags=(), timeout=120, alone=False):
    """Marks a test. Tags: 'release' runs with the optimised programs only. Alone: with no other beside it."""
    def mark(function):
        function.is_test = True
        function.tags = frozenset(tags)
        function.timeout = timeout
        function.alone = alone
        return function
    return mark


def expect(condition, what='expectation not met'):
    if not condition:
        raise Failed(what)


def expect_equal(actual, expected, what=''):
    if actual != expected:
        raise Failed(f'{what}: ' * bool(what) + f'{actual!r} is not {expected!r}')


def pause(seconds):
    """The grain of polling; tests themselves use wait_until."""
    select.select([], [], [], seconds)


def wait_until(predicate, seconds, what):
    """Polls until the predicate is true; its value. Fails after the deadline."""
    deadline = time.monotonic() + seconds
    grain = 0.01
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failed(f'not within {seconds} s: {what}')
        pause(grain)
        grain = min(grain * 1.5, 0.2)


def sha1_of(path):
    digest = hashlib.sha1()
    with open(path, 'rb') as file:
        while chunk := file.read(4 * MIB):
            digest.update(chunk)
    return digest.hexdigest()


def pieces_sha1_of(path, piece_length):
    with open(path, 'rb') as file:
        return [hashlib.sha1(piece).hexdigest() for piece in iter(lambda: file.read(piece_length), b'')]


def environment():
    """Of every program: no locale or home of the one who runs the tests, and strict sanitizers."""
    base = {key: os.environ[key] for key in ('PATH', 'LD_LIBRARY_PATH', 'TMPDIR') if key in os.environ}
    return {**base, 'LC_ALL': 'C.UTF-8', 'HOME': '/nonexistent', **SANITIZER_ENVIRONMENT}


def program(name):
    folder = os.environ['P2P_TEST_BIN']
    for inside in FOLDERS:
        path = os.path.abspath(os.path.join(folder, inside, name))
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise Failed(f'there is no {name} in {folder}')


def host_port(address):
    host, _, port = address.rpartition(':')
    return host.strip('[]'), int(port)


class Outcome:
    """How a command ended."""

    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise Failed(f'not one JSON document: {self}') from None

    @property
    def error(self):
        """The error object of a command with --json."""
        try:
            return json.loads(self.err)['error']
        except (ValueError, KeyError):
            raise Failed(f'not one JSON error object: {self}') from None

    def __str__(self):
        words = ' '.join(self.command)
        return f'{words}\n  exit {self.code}\n  stdout: {self.out[-2000:]}\n  stderr: {self.err[-2000:]}'


def run(command, stdin='', seconds=COMMAND_SECONDS, extra_environment=None, cwd=None):
    try:
        done = subprocess.run(command, input=stdin.encode(), capture_output=True, timeout=seconds, cwd=cwd,
                              env={**environment(), **(extra_environment or {})})
    except subprocess.TimeoutExpired:
        raise Failed(f'no answer within {seconds} s: {" ".join(command)}') from None
    return Outcome([os.path.basename(command[0])] + command[1:], done.returncode,
                   done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace'))


class Control:
    """Commands over one control socket."""

    def __init__(self, socket_path):
        self.socket = socket_path

    def ctl(self, *arguments, stdin='', as_json=True, seconds=COMMAND_SECONDS):
        command = [program('p2pctl'), '--socket', self.socket, '--no-input']
        outcome = run(command + (['--json'] if as_json else []) + [str(a) for a in arguments], stdin, seconds)
        for report in REPORTS:
            if report in outcome.err:
                raise Failed(f'a sanitizer reports:\n{outcome}')
        return outcome

    def ok(self, *arguments, **options):
        """A command that must succeed; its JSON document."""
        outcome = self.ctl(*arguments, **options)
        if outcome.code != 0:
            raise Failed(str(outcome))
        return outcome.json if options.get('as_json', True) else outcome.out

    def refused(self, exit_code, *arguments, **options):
        """A command that must fail with this code: as JSON, and as two lines; the error object."""
        outcome = self.ctl(*arguments, **options)
        if outcome.code != exit_code:
            raise Failed(f'exit {exit_code} was expected: {outcome}')
        error = outcome.error
        for field in ('code', 'message', 'hint', 'exit'):
            expect(field in error, f'the error has no {field}: {outcome}')
        expect_equal(error['exit'], exit_code, str(outcome))
        expect(error['message'] and error['hint'], f'message or hint is empty: {outcome}')
        expect_equal(outcome.out, '', f'a failed command prints nothing on standard output: {outcome}')

        plain = self.ctl(*arguments, **{**options, 'as_json': False})
        expect_equal(plain.code, exit_code, str(plain))
        lines = plain.err.rstrip('\n').split('\n')
        expect(len(lines) == 2 and lines[0].startswith('p2pctl: ') and lines[1].startswith('hint: '),
               f'not two lines: {plain}')
        return error


class Daemon(Control):
    """A process of ours with its own folder. It can be stopped, killed and started again."""

    def __init__(self, world, name, binary, settings=(), prefix=(), host='127.0.0.1'):
        self.world = world
        self.name = name
        self.binary = binary
        self.settings = list(settings)
        self.prefix = list(prefix)
        self.folder = os.path.join(world.folder, name)
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        super().__init__(os.path.join(self.folder, 'ctl.sock'))
        self.data = os.path.join(self.folder, 'data')
        self.log_path = os.path.join(self.folder, 'log')
        self.listen = f'{host}:0'
        self.address = None
        self.process = None
        self.log_begin = 0
        world.daemons.append(self)

    def command(self):
        command = self.prefix + [program(self.binary), '--data-dir', self.data, '--listen', self.listen,
                                 '--control', self.socket, '--log-level', 'debug']
        for setting in self.settings:
            command += ['--set', setting]
        return command

    def launch(self):
        """Starts the process without waiting for it."""
        expect(self.process is None, f'{self.name} runs already')
        with open(self.log_path, 'ab') as log:
            self.log_begin = log.tell()
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment(), cwd=self.folder)

    def start(self):
        self.launch()

        def listening():
            match = re.search(r'listening address=(\S+)', self.log_since_start())
            if not match and self.process.poll() is not None:
                code = self.process.returncode
                self.process = None
                raise Failed(f'{self.name} ended with {code} as it was started:\n{self.log_since_start()}')
            return match
        self.address = wait_until(listening, 30, f'{self.name} listens').group(1)
        self.listen = self.address  # a restart keeps the port
        return self

    def log(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def log_since_start(self):
        with open(self.log_path, 'rb') as file:
            file.seek(self.log_begin)
            return file.read().decode(errors='replace')

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds):
        """Waits for the end of the process; its exit code."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f'{self.name} still runs after {seconds} s') from None
        self.process = None
        return code

    def stop(self):
        """An orderly end: exit 0 within 5 s. The seconds that it took."""
        begin = time.monotonic()
        self.signal(signal.SIGTERM)
        code = self.wait(STOP_SECONDS)
        expect_equal(code, 0, f'exit of {self.name}')
        return time.monotonic() - begin

    def kill(self):
        """What a power cut does to a process."""
        self.signal(signal.SIGKILL)
        self.wait(STOP_SECONDS)

    def restart(self):
        if self.process is not None:
            self.stop()
        return self.start()

    def memory(self):
        """Bytes: the highest resident size so far, the present one, and its anonymous part."""
        with open(f'/proc/{self.process.pid}/status', encoding='ascii', errors='replace') as file:
            rows = dict(line.split(':', 1) for line in file)
        return {key: int(rows[key].split()[0]) * KIB for key in ('VmHWM', 'VmRSS', 'RssAnon')}

    def bytes_read(self):
        """By the process that runs now, from whatever it reads."""
        with open(f'/proc/{self.process.pid}/io', encoding='ascii') as file:
            return int(dict(line.split(':') for line in file)['rchar'])


class Tracker(Daemon):
    def __init__(self, world, settings=('kdf_log_n=16',), **options):
        super().__init__(world, 'tracker', 'p2p-trackerd', settings, **options)

    @property
    def url(self):
        """The p2p:// address that members enrol with."""
        with open(os.path.join(self.data, 'address'), encoding='ascii') as file:
            return file.read().strip()


class Peer(Daemon):
    """A member's daemon. With an attack, one that does harm: tests/hostile/attack.h."""

    def __init__(self, world, name, settings=('checkpoint_interval=1s',), attack=None, **options):
        super().__init__(world, name, 'p2pd', settings, **options)
        if attack:
            self.attack_with(attack)
        self.downloads = os.path.join(self.folder, 'downloads')

    def attack_with(self, attack):
        """From its next start on it does harm."""
        self.binary = 'p2pd-hostile'
        self.prefix += ['env', f'P2P_ATTACK={attack}']

    def use_slow_disk(self, path):
        """From its next start on every call takes 50 ms on the disk that this is on."""
        self.binary = 'p2pd-slow-disk'
        self.prefix += ['env', f'P2P_SLOW_DISK={path}']

    def command(self):
        return super().command() + ['--download-dir', self.downloads]

    def enrol(self, user=None):
        return self.ok('account', 'create', user or self.name, '--tracker', self.world.tracker.url,
                       '--password-stdin', stdin=PASSWORD + '\n')

    def show(self, download_id):
        return self.ok('download', 'show', download_id)

    def wait_for(self, download_id, state='complete', seconds=90):
        """Waits until a download is in this state; its row."""
        def reached():
            row = self.show(download_id)
            if row['state'] == 'failed' and state != 'failed':
                raise Failed(f'the download of {self.name} failed: {row}')
            return row if row['state'] == state else None
        return wait_until(reached, seconds, f'{self.name}: download is {state}')

    def wait_part(self, download_id, part, seconds=60):
        """Waits until this part of a download has arrived; its row."""
        def reached():
            row = self.show(download_id)
            return row if row['done'] >= part * row['size'] else None
        return wait_until(reached, seconds, f'{self.name}: {part:.0%} have arrived')

    def wait_connected(self, seconds=30):
        return wait_until(lambda: self.ok('account', 'whoami')['connected'], seconds,
                          f'{self.name} is connected to the tracker')


class World:
    def __init__(self, tracker_settings=('kdf_log_n=16',), tracker_options=None):
        self.seed = int(os.environ.get('P2P_TEST_SEED', '0')) or random.SystemRandom().getrandbits(32)
        self.random = random.Random(self.seed)
        self.folder = tempfile.mkdtemp(prefix='p2pt-', dir=os.environ.get('P2P_TEST_SCRATCH'))
        self.daemons = []
        self.mounts = []
        self.tracker = None
        self.tracker_settings = tracker_settings
        self.tracker_options = tracker_options or {}
        print(f'seed {self.seed} (P2P_TEST_SEED), folder {self.folder}', flush=True)

    def __enter__(self):
        try:
            self.tracker = Tracker(self, self.tracker_settings, **self.tracker_options).start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, value, trace):
        complaints = []
        for daemon in reversed(self.daemons):
            if daemon.process is None:
                continue
            try:
                daemon.stop()
            except Failed as failure:
                complaints.append(str(failure))
                daemon.process and daemon.kill()
        for daemon in self.daemons:
            if os.path.exists(daemon.log_path):
                log = daemon.log()
                complaints += [f'{daemon.name}: {report}' for report in REPORTS if report in log]
        for mount in self.mounts:
            subprocess.run(['umount', '-l', mount], check=False)
        if (kind or complaints) and kind is not Skip:
            self.print_logs()
        if os.environ.get('P2P_TEST_KEEP') != '1':
            shutil.rmtree(self.folder, ignore_errors=True)
        if complaints and kind is None:
            raise Failed('; '.join(complaints))
        for complaint in complaints:
            print(complaint)

    def print_logs(self):
        for daemon in self.daemons:
            with contextlib.suppress(OSError):
                lines = daemon.log().splitlines()
                print(f'--- log of {daemon.name}, the last of {len(lines)} lines')
                print('\n'.join(lines[-40:]))

    # --- members ----------------------------------------------------------------------------------

    def stranger(self, name, **options):
        """A daemon with a device key and no account."""
        return Peer(self, name, **options).start()

    def peer(self, name, **options):
        """A daemon whose user has an account."""
        peer = self.stranger(name, **options)
        peer.enrol()
        return peer

    def join(self, group, admin, *members):
        for member in members:
            member.ok('group', 'join', group)
        admin.ok('group', 'accept', group, *[member.name for member in members])

    def group(self, group, *names):
        """The first makes the group, the others ask and are accepted."""
        peers = [self.peer(name) for name in names]
        peers[0].ok('group', 'create', group)
        if len(peers) > 1:
            self.join(group, peers[0], *peers[1:])
        return peers

    # --- files ------------------------------------------------------------------------------------

    def path(self, *parts):
        path = os.path.join(self.folder, 'files', *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def file(self, name, size):
        """A file of noise from the seed."""
        path = self.path(name)
        with open(path, 'wb') as file:
            while size > 0:
                size -= file.write(self.random.randbytes(min(size, MIB)))
        return path

    def big_file(self, name, size):
        """A file in which every KiB-sized piece of every MiB differs, made as fast as the disk takes it."""
        path = self.path(name)
        block = bytearray(self.random.randbytes(MIB))
        with open(path, 'wb') as file:
            for number in range(size // MIB):
                block[0:8] = number.to_bytes(8, 'big')
                block[512 * KIB:512 * KIB + 8] = number.to_bytes(8, 'little')
                file.write(block)
            file.write(self.random.randbytes(size % MIB))
        return path

    def need_disk(self, size):
        free = shutil.disk_usage(self.folder).free
        if free < size:
            raise Skip(f'{size / GIB:.0f} GiB of free disk are needed, there are {free / GIB:.0f}')

    def small_disk(self, name, size):
        """A folder with a file system of its own."""
        if os.geteuid() != 0:
            raise Skip('only root can mount a small file system')
        path = os.path.join(self.folder, name)
        os.makedirs(path)
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size},mode=0700', 'tmpfs', path],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f'no small file system can be mounted here: {done.stderr.strip()}')
        self.mounts.append(path)
        return path


def connect(address, seconds=10):
    return socket.create_connection(host_port(address), timeout=seconds)


def read_to_end(stream, seconds=15):
    """Reads until the other side closes or resets; what came. Fails when it stays open."""
    stream.settimeout(seconds)
    got = b''
    try:
        while chunk := stream.recv(65536):
            got += chunk
    except (TimeoutError, socket.timeout):
        raise Failed(f'the connection is still open after {seconds} s') from None
    except OSError:
        pass
    return got
