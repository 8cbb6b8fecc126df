# SPDX-License-Identifier: MIT
"""The operator: users, invites, backup and restore over the tracker's control socket; what systemd hears."""
import hashlib
import os
import re
import signal
import socket
import sqlite3
import stat
import threading

from harness import (PASSWORD, Failed, Tracker, World, expect, expect_equal, program, read_to_end, run, test,
                     wait_until)
from outsider import Identity, TrackerClient, fields, first, frame, message, read_frame

NEW_PASSWORD = 'another horse altogether'

# Request and Response of control.proto: number of the field.
USER_LIST, USER_SET, PASSWORD_PARAMETERS, PASSWORD_RESET, GROUP_LIST, BACKUP, INVITE = range(37, 44)
CHALLENGE, STATUS, USERS, USER, GROUPS, BACKUP_DONE, INVITED = 2, 15, 22, 23, 24, 25, 26


class Operator:
    """A connection to a tracker's control socket. Errors come out as Failed with the code."""

    def __init__(self, tracker):
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(60)
        self.stream.connect(tracker.socket)
        self.stream.sendall(frame(message(f2=message(f1=1, f2=1, f3='outsider'))))
        expect(2 in fields(read_frame(self.stream)), 'the tracker greets')
        self.next_id = 1

    def ask(self, kind, body=b''):
        number, self.next_id = self.next_id, self.next_id + 1
        self.stream.sendall(frame(message(f1=number, f3=message(**{f'f{kind}': body}))))
        got = fields(read_frame(self.stream))
        expect_equal(first(got, 1, 0), number, 'id of the answer')
        response = fields(got[4][0])
        if 1 in response:
            raise Failed('tracker: ' + first(fields(response[1][0]), 1).decode())
        return response

    def user(self, name):
        rows = [fields(row) for row in fields(self.ask(USER_LIST)[USERS][0]).get(1, [])]
        return next(row for row in rows if first(row, 1).decode() == name)

    def set_disabled(self, name, disabled):
        return fields(self.ask(USER_SET, message(f1=name, f2=int(disabled)))[USER][0])

    def reset_password(self, name, password):
        challenge = fields(self.ask(PASSWORD_PARAMETERS, message(f1=name))[CHALLENGE][0])
        salt = first(challenge, 5)
        self.ask(PASSWORD_RESET, message(f1=name, f2=salt, f3=proof_of(password, challenge, 5, 6)))
        return salt

    def invite(self, uses=0, seconds=0):
        return first(fields(self.ask(INVITE, message(f1=uses, f2=seconds))[INVITED][0]), 1).decode()

    def refused(self, code, kind, body):
        try:
            self.ask(kind, body)
        except Failed as failure:
            expect_equal(str(failure), f'tracker: {code}')
            return
        raise Failed(f'{code} was expected')


def proof_of(password, challenge, salt, log_n):
    return hashlib.scrypt(password.encode(), salt=first(challenge, salt), n=1 << first(challenge, log_n, 0),
                          r=first(challenge, log_n + 1, 0), p=first(challenge, log_n + 2, 0),
                          maxmem=512 << 20, dklen=32)


def client(world, name):
    return TrackerClient(Identity(world.folder, name), world.tracker.address)


def login(session, user, password=PASSWORD):
    challenge = fields(first(session.request(3, message(f1=user)), 4))
    return session.request(5, message(f1=user, f2=proof_of(password, challenge, 2, 3)), mutating=True)


def expect_refused(code, action):
    try:
        action()
    except Failed as failure:
        expect_equal(str(failure), f'tracker: {code}')
        return
    raise Failed(f'{code} was expected')


def create_with_proof(session, user, invite=''):
    """An account whose proof is not derived from any password: for many of them."""
    return session.request(4, message(f1=user, f2=b'p' * 32, f3=invite), mutating=True)


@test()
def disabled_user_is_out_at_once_and_comes_back_by_a_login():
    with World() as world:
        operator = Operator(world.tracker)
        alice = client(world, 'alice')
        alice.create_account('alice')
        expect_equal(first(operator.user('alice'), 3, 0) != 0, True, 'a device')

        row = operator.set_disabled('alice', True)

        expect_equal(first(row, 2, 0), 1, 'disabled')
        expect(3 not in row and 4 not in row, f'no device and none online: {row}')
        ended = fields(alice.wait_event(7)[1][0])
        expect_equal(first(ended, 1).decode(), 'login_refused')
        expect_equal(read_to_end(alice.stream), b'', 'and nothing after it')
        again = TrackerClient(Identity(world.folder, 'other'), world.tracker.address)
        wrong = refusal_of(lambda: login(again, 'alice', 'wrong'))
        expect_equal(refusal_of(lambda: login(again, 'alice')), wrong, 'as a wrong password')

        world.tracker.restart()
        operator = Operator(world.tracker)
        again = TrackerClient(Identity(world.folder, 'third'), world.tracker.address)
        expect_refused('login_refused', lambda: login(again, 'alice'))
        operator.set_disabled('alice', False)
        expect(5 in login(again, 'alice'), 'logged in')
        operator.refused('not_found', USER_SET, message(f1='nobody', f2=1))


def refusal_of(action):
    try:
        action()
    except Failed as failure:
        return str(failure)
    raise Failed('a refusal was expected')


@test()
def reset_password_is_the_only_one_and_every_device_logs_in_again():
    with World() as world:
        operator = Operator(world.tracker)
        alice = client(world, 'alice')
        alice.create_account('alice')

        salt = operator.reset_password('alice', NEW_PASSWORD)

        ended = fields(alice.wait_event(7)[1][0])
        expect_equal(first(ended, 1).decode(), 'login_required')
        session = client(world, 'laptop')
        expect_refused('login_refused', lambda: login(session, 'alice'))
        expect(5 in login(session, 'alice', NEW_PASSWORD), 'logged in')
        # A challenge is good for one reset, and of its own user.
        operator.refused('conflict', PASSWORD_RESET, message(f1='alice', f2=salt, f3=b'p' * 32))
        operator.refused('conflict', PASSWORD_RESET, message(f1='alice', f2=b's' * 16, f3=b'p' * 32))
        operator.refused('not_found', PASSWORD_PARAMETERS, message(f1='nobody'))


@test()
def invite_is_needed_and_used_up_by_one_of_two_at_a_time():
    with World(tracker_settings=('kdf_log_n=16', 'registration=invite')) as world:
        operator = Operator(world.tracker)
        token = operator.invite()
        expect(re.fullmatch('[0-9a-z]{26,}', token), token)
        sessions = [client(world, f'device{i}') for i in range(4)]
        for bad in ('', 'nonsense', token[:-1]):
            expect_refused('not_allowed', lambda: create_with_proof(sessions[0], 'early', bad))

        results = []

        def create(number):
            try:
                create_with_proof(sessions[number], f'user{number}', token)
                results.append('made')
            except Failed as failure:
                results.append(str(failure))
        threads = [threading.Thread(target=create, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        expect_equal(sorted(results), ['made'] + ['tracker: not_allowed'] * 3)
        twice = operator.invite(uses=2)
        world.tracker.kill()
        world.tracker.start()
        late = client(world, 'late')
        expect(5 in create_with_proof(late, 'late', twice.upper()), 'an invite survives, in either case')
        with open(os.path.join(world.tracker.data, 'tracker.db'), 'rb') as file:
            expect(bytes.fromhex(twice) not in file.read(), 'the token is not kept')


@test()
def reload_closes_registration_and_systemd_hears_of_it():
    with World() as world:
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(world.folder, 'notify')
        notify.bind(path)
        notify.settimeout(20)
        config = os.path.join(world.folder, 'tracker.conf')
        with open(config, 'w', encoding='ascii') as file:
            file.write('registration = "open"\n')
        tracker = Tracker(world, settings=(), prefix=('env', f'NOTIFY_SOCKET={path}', 'WATCHDOG_USEC=400000'))
        tracker.folder = os.path.join(world.folder, 'second')
        os.makedirs(tracker.folder)
        tracker.data, tracker.socket = tracker.folder + '/data', tracker.folder + '/ctl.sock'
        tracker.log_path = tracker.folder + '/log'
        plain = tracker.command
        tracker.command = lambda: plain() + ['--config', config]

        def wait_for(wanted):
            while True:
                text = notify.recv(4096).decode()
                if wanted in text:
                    return text
        tracker.start()
        ready = wait_for('READY=1')
        expect('STATUS=0 users, 0 groups' in ready, ready)
        wait_for('WATCHDOG=1')
        wait_for('WATCHDOG=1')
        with open(config, 'w', encoding='ascii') as file:
            file.write('registration = "closed"\n')
        tracker.signal(signal.SIGHUP)
        expect(re.search(r'RELOADING=1\nMONOTONIC_USEC=\d+', wait_for('RELOADING=1')), 'the time is told')
        wait_for('READY=1')

        stranger = TrackerClient(Identity(world.folder), tracker.address)
        expect_refused('not_allowed', lambda: create_with_proof(stranger, 'alice'))
        status = fields(Operator(tracker).ask(25)[STATUS][0])
        expect_equal(first(status, 9).decode(), 'closed')
        expect_equal(first(status, 2).decode(), tracker.url)
        tracker.stop()
        wait_for('STOPPING=1')


@test()
def peer_daemon_tells_systemd_too():
    with World() as world:
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(world.folder, 'notify')
        notify.bind(path)
        notify.settimeout(20)
        peer = world.stranger('alice', prefix=('env', f'NOTIFY_SOCKET={path}', 'WATCHDOG_USEC=400000'))
        heard = [notify.recv(4096).decode()]
        expect(heard[0].startswith('READY=1\nSTATUS=nobody is logged in'), heard[0])
        peer.signal(signal.SIGHUP)

        def hear(wanted):
            while not heard[-1].startswith(wanted):
                heard.append(notify.recv(4096).decode())
        hear('RELOADING=1\nMONOTONIC_USEC=')
        hear('READY=1')
        hear('WATCHDOG=1')
        peer.stop()
        hear('STOPPING=1')


@test()
def backup_under_load_has_everything_that_was_acknowledged():
    with World(tracker_settings=('kdf_log_n=16', 'registration_rate=100000/100000')) as world:
        tracker = world.tracker
        operator = Operator(tracker)
        session = client(world, 'alice')
        acknowledged = []
        lock = threading.Lock()
        stop = threading.Event()
        problems = []

        def work(number):
            try:
                mine = client(world, f'load{number}')
                count = 0
                while not stop.is_set():
                    name = f'user{number}-{count}'
                    create_with_proof(mine, name)
                    with lock:
                        acknowledged.append(name)
                    count += 1
                mine.close()
            except BaseException as problem:
                problems.append(problem)
        threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(acknowledged) > 60, 60, 'some accounts')
            backup = os.path.join(world.folder, 'tracker.backup')
            with lock:
                before = list(acknowledged)
            done = fields(operator.ask(BACKUP, message(f1=backup))[BACKUP_DONE][0])
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        expect(not problems, problems)
        expect_equal(first(done, 1).decode(), backup)
        expect_equal(stat.S_IMODE(os.stat(backup).st_mode), 0o600, 'mode')
        operator.refused('exists', BACKUP, message(f1=backup))
        operator.refused('not_found', BACKUP, message(f1=os.path.join(world.folder, 'none', 'file')))
        operator.refused('invalid_argument', BACKUP, message(f1='relative'))
        session.close()

        url, listen = tracker.url, tracker.address
        tracker.kill()
        restored = os.path.join(tracker.folder, 'restored')
        command = [program('p2p-trackerd'), '--restore', backup, '--data-dir', restored]
        outcome = run(command)
        expect_equal(outcome.code, 0, str(outcome))
        expect_equal(len(outcome.out.strip().split('\n')), 1, str(outcome))
        expect_equal(run(command).code, 7, 'there is a tracker now')
        tracker.data, tracker.listen = restored, listen
        tracker.start()
        expect_equal(tracker.url, url, 'the address')
        operator = Operator(tracker)
        names = {first(fields(row), 1).decode() for row in fields(operator.ask(USER_LIST)[USERS][0])[1]}
        expect(set(before) <= names, f'{len(set(before) - names)} are missing')

        with open(backup, 'r+b') as file:
            file.seek(os.path.getsize(backup) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        outcome = run([program('p2p-trackerd'), '--restore', backup, '--data-dir', restored + '2'])
        expect_equal(outcome.code, 1, str(outcome))
        expect('damaged' in outcome.err and 'hint: ' in outcome.err, str(outcome))


@test()
def backup_is_a_database_that_other_programs_read():
    with World() as world:
        client(world, 'alice').create_account('alice')
        backup = os.path.join(world.folder, 'tracker.backup')
        Operator(world.tracker).ask(BACKUP, message(f1=backup))

        with sqlite3.connect(f'file:{backup}?mode=ro', uri=True) as database:
            expect_equal(database.execute('PRAGMA integrity_check').fetchall(), [('ok',)])
            expect_equal(database.execute('SELECT name FROM accounts').fetchall(), [('alice',)])
            names = {name for name, in database.execute('SELECT name FROM backup_keys')}
        expect_equal(names, {'root.key', 'tls.key', 'grant.key', 'pepper', 'salt'})


@test()
def store_is_a_path_of_sqlite_or_refused():
    with World() as world:
        for value in ('postgres://host/name', 'sqlite', 'sqlite:', '/path'):
            outcome = run([program('p2p-trackerd'), '--data-dir', world.folder + '/x', '--store', value])
            expect_equal(outcome.code, 2, str(outcome))
            expect('--store' in outcome.err and 'hint: say sqlite:PATH' in outcome.err, str(outcome))
        expect(not os.path.exists(world.folder + '/x'), 'nothing is made')
        plain = world.tracker.command
        path = os.path.join(world.folder, 'elsewhere.db')
        world.tracker.stop()
        world.tracker.command = lambda: plain() + ['--store', 'sqlite:' + path]
        world.tracker.start()
        client(world, 'alice').create_account('alice')
        expect(os.path.exists(path), 'the database is where it was to be')
