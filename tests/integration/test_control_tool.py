# SPDX-License-Identifier: MIT
"""p2pctl against a daemon made of answers: what it sends, asks, shows and returns."""
import hashlib
import json
import os
import re
import signal
import subprocess
import termios

import schemas
from fake_daemon import (BACKUP, CHANGE, DOCTOR, ENTER, GROUP_INVITE, GROUPS, INVITE, LIST, PARAMETERS,
                         PASSWORD_CHANGE, PASSWORD_PARAMETERS, REMOVE, RESET, RESET_PARAMETERS, REVOKE,
                         SESSIONS, SET_ROLE, SHOW, STATUS, TRANSFER, UNSHARE, USER_SET, USERS, WHOAMI,
                         WITHDRAW, FakeDaemon, Terminal, error)
from harness import environment, expect, expect_equal, program, run, test, wait_until
from outsider import message

DEVICE = '5f0c9a7b3d1e8842c6b0a4f19e7d335c21f8be90aa64d7e2195b3c8f07d6e4a1'
TRACKER = f'p2p://tracker.example:7733/#{DEVICE}'
SHA1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709'
TIME = '2026-05-04T03:02:01Z'
SALT = b'0123456789abcdef'
OLD, NEW = 'correct horse battery', 'staple of another kind'
PAUSED, COMPLETE, DOWNLOADING = 4, 3, 1

ACCOUNT = {3: message(f1='alice', f2=DEVICE, f3=TRACKER, f4=1)}
CHALLENGE = {2: message(f1=TRACKER, f2=DEVICE, f3=1, f4=1, f5=SALT, f6=16, f7=8, f8=1)}
GROUP = {4: message(f1='lab', f2=3, f3=3.0, f4=0.0, f7='bob', f8=DEVICE, f9=TIME)}
MEMBER = {19: message(f1='bob', f2=3, f3=1)}
FILE = {8: message(f1='lab', f2='film.mkv', f3=1024.0, f4=SHA1, f5=1.0, f6=1024.0, f9='alice')}
SESSION = message(f1=DEVICE, f3=1, f4='192.0.2.7:7734', f5=TIME)
USER = message(f1='bob', f2=1, f3=2.0, f4=1.0, f5=3.0, f6=TIME)


def download(number, state=DOWNLOADING, done=512.0):
    return message(f1=number, f2='lab', f3='film.mkv', f4=state, f5=1024.0, f6=done, f7=10.0, f8=1.0,
                   f9='/tmp/film.mkv')


def shown(request):
    """DownloadShow: the whole id is the prefix and zeros."""
    return {10: download(request[1][0].decode().ljust(32, '0'))}


def changed(request):
    """DownloadChange: the row, paused."""
    return {10: download(request[1][0].decode(), PAUSED)}


def doctor(*states):
    return {21: message(f1=[message(f1=f'check {state}', f2=state, f3='what it found', f4='what to do')
                            for state in states])}


def status(number):
    return {13: message(f1='alice', f2=message(f1=TRACKER, f2=1), f3=float(number), f5=message(), f7='0.1.0')}


ANSWERS = {
    WHOAMI: ACCOUNT, PASSWORD_PARAMETERS: CHALLENGE, PASSWORD_CHANGE: ACCOUNT,
    SESSIONS: {17: message(f1=[SESSION, message(f1=DEVICE, f2=1, f5=TIME)])}, REVOKE: {18: SESSION},
    SET_ROLE: MEMBER, REMOVE: {20: message(f1='lab', f2='bob', f3=3.0, f4=2.0)}, TRANSFER: GROUP,
    UNSHARE: FILE, WITHDRAW: FILE, SHOW: shown, CHANGE: changed, DOCTOR: doctor(0, 1),
    LIST: {11: message(f1=[download('1' * 32), download('2' * 32, COMPLETE)])}, STATUS: status(1),
    USERS: {22: message(f1=USER)}, USER_SET: {23: USER}, RESET_PARAMETERS: CHALLENGE, RESET: {23: USER},
    GROUPS: {24: message(f1=message(f1='lab', f2='alice', f3=3.0, f4=2.0, f5=1, f6=TIME))},
    BACKUP: {25: message(f1='/var/backup', f2=4096.0)},
    INVITE: {26: message(f1='k7fm3xqpk7fm3xqp', f2=5.0, f3=TIME)},
    GROUP_INVITE: {27: message(f1='lab', f2=['bob', 'dave'], f3='carol')},
}


def proof(password, salt=SALT):
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << 16, r=8, p=1, maxmem=256 << 20, dklen=32)


# --- documents and requests -------------------------------------------------------------------------

@test()
def every_command_sends_its_request_and_prints_the_document():
    passwords = {'stdin': f'{OLD}\n{NEW}\n'}
    rows = [
        ('account passwd', ['--password-stdin'], PASSWORD_CHANGE, None, passwords),
        ('account sessions list', [], SESSIONS, {}, {}),
        ('account sessions revoke', ['5f0c'], REVOKE, {1: [b'5f0c']}, {}),
        ('group invite', ['lab', 'bob', 'carol'], GROUP_INVITE, {1: [b'lab'], 2: [b'bob', b'carol']}, {}),
        ('group promote', ['lab', 'bob'], SET_ROLE, {1: [b'lab'], 2: [b'bob'], 3: [1]}, {}),
        ('group demote', ['lab', 'bob'], SET_ROLE, {1: [b'lab'], 2: [b'bob']}, {}),
        ('group remove', ['lab', 'bob'], REMOVE, {1: [b'lab'], 2: [b'bob']}, {}),
        ('group transfer', ['lab', 'bob'], TRANSFER, {1: [b'lab'], 2: [b'bob']}, {}),
        ('file unshare', ['lab/a b.mkv'], UNSHARE, {1: [b'lab'], 2: [b'a b.mkv']}, {}),
        ('file withdraw', ['lab/film.mkv'], WITHDRAW, {1: [b'lab'], 2: [b'film.mkv']}, {}),
        ('download list', [], LIST, {}, {}),
        ('download pause', ['1f'], CHANGE, {1: [b'1f'.ljust(32, b'0')]}, {}),
        ('download resume', ['1f'], CHANGE, {1: [b'1f'.ljust(32, b'0')], 2: [1]}, {}),
        ('download cancel', ['1f'], CHANGE, {1: [b'1f'.ljust(32, b'0')], 2: [2]}, {}),
        ('download forget', ['1f'], CHANGE, {1: [b'1f'.ljust(32, b'0')], 2: [3]}, {}),
        ('daemon doctor', [], DOCTOR, {}, {}),
        ('tracker user list', [], USERS, {}, {}),
        ('tracker user disable', ['bob'], USER_SET, {1: [b'bob'], 2: [1]}, {}),
        ('tracker user enable', ['bob'], USER_SET, {1: [b'bob']}, {}),
        ('tracker user reset-password', ['bob', '--password-stdin'], RESET, None, passwords),
        ('tracker group list', [], GROUPS, {}, {}),
        ('tracker backup', ['/var/backup'], BACKUP, {1: [b'/var/backup']}, {}),
        ('tracker invite', ['--uses', '5', '--expires', '12h'], INVITE, {1: [5], 2: [43200]}, {}),
    ]
    for command, words, kind, sent, options in rows:
        with FakeDaemon(ANSWERS) as daemon:
            schemas.check(command, daemon.ok(*command.split(), *words, **options))
            expect_equal(len(daemon.asked(kind)), 1, command)
            if sent is not None:
                expect_equal(daemon.asked(kind)[0], sent, command)
            plain = daemon.ctl(*command.split(), *words, as_json=False, **options)
            expect(plain.code == 0 and plain.out + plain.err, f'something is said: {plain}')


@test()
def a_removal_says_how_many_have_closed_the_links():
    with FakeDaemon(ANSWERS) as daemon:
        outcome = daemon.ctl('group', 'remove', 'lab', 'bob', as_json=False)
        expect('2 of 3' in outcome.err, str(outcome))


@test()
def an_invitation_says_who_was_accepted_instead():
    with FakeDaemon(ANSWERS) as daemon:
        outcome = daemon.ctl('group', 'invite', 'lab', 'bob', as_json=False)
        expect_equal(outcome.err, 'invited to lab: bob, dave\naccepted into lab, having asked: carol\n')


@test()
def several_downloads_change_or_none_is_known():
    with FakeDaemon(ANSWERS) as daemon:
        rows = daemon.ok('download', 'pause', '1', '2', '1')['downloads']
        expect_equal([row['id'][0] for row in rows], ['1', '2'])
        expect_equal(len(daemon.asked(CHANGE)), 2)
    with FakeDaemon({**ANSWERS, SHOW: lambda request: shown(request) if request[1] != [b'9'] else
                     error('not_found')}) as daemon:
        daemon.refused(6, 'download', 'pause', '1', '9')
        expect_equal(daemon.asked(CHANGE), [])
    with FakeDaemon({**ANSWERS, CHANGE: lambda request: changed(request) if request[1][0][:1] != b'1' else
                     error('conflict')}) as daemon:
        outcome = daemon.ctl('download', 'pause', '1', '2')
        expect_equal((outcome.code, outcome.error['code'], outcome.out), (7, 'conflict', ''))
        expect_equal(len(daemon.asked(CHANGE)), 2, 'the others are tried too')


@test()
def a_relative_backup_is_resolved_where_the_operator_stands():
    with FakeDaemon(ANSWERS) as daemon:
        command = [program('p2pctl'), '--socket', daemon.socket, 'tracker', 'backup', 'sub/t.backup']
        expect_equal(run(command, cwd=daemon.folder).code, 0)
        expect_equal(daemon.asked(BACKUP)[0][1], [os.path.join(daemon.folder, 'sub/t.backup').encode()])
        daemon.refused(2, 'tracker', 'invite', '--expires', '0')
        daemon.refused(2, 'tracker', 'invite', '--expires', 'soon')


@test()
def a_bad_check_is_exit_status_1_and_a_warning_is_not():
    with FakeDaemon({DOCTOR: doctor(0, 1, 0)}) as daemon:
        expect_equal(daemon.ctl('daemon', 'doctor').code, 0)
    with FakeDaemon({DOCTOR: doctor(0, 2, 1)}) as daemon:
        outcome = daemon.ctl('daemon', 'doctor')
        expect_equal((outcome.code, outcome.err), (1, ''))
        expect_equal([row['state'] for row in outcome.json['checks']], ['good', 'bad', 'warning'])
        plain = daemon.ctl('daemon', 'doctor', as_json=False)
        expect(plain.code == 1 and 'bad\tcheck 2\twhat it found\twhat to do' in plain.out, str(plain))
        expect('1 bad, 1 warning, of 3' in plain.err, str(plain))


# --- passwords --------------------------------------------------------------------------------------

@test()
def passwd_sends_proofs_of_both_passwords_and_no_password():
    with FakeDaemon(ANSWERS) as daemon:
        daemon.ok('account', 'passwd', '--password-stdin', stdin=f'{OLD}\n{NEW}\n')
        sent = daemon.asked(PASSWORD_CHANGE)[0]
        new_salt = sent[2][0]
        expect_equal(sent[1], [proof(OLD)])
        expect(len(new_salt) == 16 and new_salt != SALT, 'the new salt is new')
        expect_equal(sent[3], [proof(NEW, new_salt)])
        expect(OLD.encode() not in daemon.raw and NEW.encode() not in daemon.raw, 'no password is sent')

        for stdin in (f'{OLD}\n', f'{OLD}\nshort\n', f'{OLD}\n{OLD}\n', ''):
            daemon.refused(2, 'account', 'passwd', '--password-stdin', stdin=stdin)
        daemon.refused(2, 'account', 'passwd')
        expect_equal(len(daemon.asked(PASSWORD_CHANGE)), 1)
    with FakeDaemon({**ANSWERS, WHOAMI: error('login_required')}) as daemon:
        daemon.refused(4, 'account', 'passwd', '--password-stdin', stdin=f'{OLD}\n{NEW}\n')


@test()
def passwd_asks_on_a_terminal_without_showing_what_is_typed():
    with FakeDaemon(ANSWERS) as daemon:
        terminal = Terminal(daemon.socket, 'account', 'passwd')
        for prompt, word in (('Password for alice: ', OLD), ('New password for alice: ', NEW),
                             ('Verifying.*: ', NEW)):
            terminal.expect(prompt)
            wait_until(lambda: not echoes(terminal), 10, 'the terminal shows nothing that is typed')
            terminal.text = ''
            terminal.send(word + '\n')
        expect_equal(terminal.end(), 0)
        expect(OLD not in terminal.text and NEW not in terminal.text, terminal.text)
        expect_equal(daemon.asked(PASSWORD_CHANGE)[0][1], [proof(OLD)])


def echoes(terminal):
    return termios.tcgetattr(terminal.master)[3] & termios.ECHO


@test()
def a_new_password_typed_differently_changes_nothing():
    with FakeDaemon(ANSWERS) as daemon:
        terminal = Terminal(daemon.socket, 'account', 'passwd')
        for prompt, word in (('Password for alice: ', OLD), ('New password for alice: ', NEW),
                             ('Verifying.*: ', NEW + 'x')):
            terminal.expect(prompt)
            wait_until(lambda: not echoes(terminal), 10, 'the terminal shows nothing that is typed')
            terminal.text = ''
            terminal.send(word + '\n')
        expect_equal(terminal.end(), 2)
        expect_equal(daemon.asked(PASSWORD_CHANGE), [])


@test()
def a_reset_password_is_made_up_when_nobody_can_be_asked():
    with FakeDaemon(ANSWERS) as daemon:
        words = []
        for options in ([], ['--generate']):
            row = schemas.check('tracker user reset-password',
                                daemon.ok('tracker', 'user', 'reset-password', 'bob', *options))
            words.append(row['password'])
        words.append(daemon.ok('tracker', 'user', 'reset-password', 'bob', as_json=False).strip())
        expect_equal(len(set(words)), 3)
        for word, sent in zip(words, daemon.asked(RESET)):
            expect(re.fullmatch('[0-9a-hjkmnp-tv-z]{5}(-[0-9a-hjkmnp-tv-z]{5}){3}', word), word)
            expect_equal((sent[2], sent[3]), ([SALT], [proof(word)]))
        given = daemon.ok('tracker', 'user', 'reset-password', 'bob', '--password-stdin', stdin=NEW + '\n')
        expect('password' not in given, 'a password that was given is not repeated')
        expect_equal(daemon.asked(RESET)[-1][3], [proof(NEW)])
        daemon.refused(2, 'tracker', 'user', 'reset-password', 'bob', '--password-stdin', stdin='short\n')


@test()
def create_user_says_how_to_name_the_tracker():
    unnamed = error('invalid_argument', 'no tracker was used before', 'name it: --tracker X')
    with FakeDaemon({PARAMETERS: unnamed, ENTER: ACCOUNT}) as daemon:
        outcome = daemon.refused(2, 'create_user', 'alice', '--password-stdin', stdin=OLD + '\n')
        expect('P2P_TRACKER' in outcome['hint'], str(outcome))
        daemon.answers[PARAMETERS] = CHALLENGE
        command = [program('p2pctl'), '--socket', daemon.socket, 'create_user', 'alice', '--password-stdin']
        done = run(command, OLD + '\n', extra_environment={'P2P_TRACKER': TRACKER})
        expect_equal(done.code, 0, str(done))
        expect_equal(daemon.asked(PARAMETERS)[-1], {1: [b'alice'], 2: [TRACKER.encode()]})
        expect_equal(daemon.asked(ENTER)[0][3], [proof(OLD)])


# --- questions --------------------------------------------------------------------------------------

QUESTIONS = [(['group', 'remove', 'lab', 'bob'], REMOVE), (['group', 'transfer', 'lab', 'bob'], TRANSFER),
             (['file', 'withdraw', 'lab/film.mkv'], WITHDRAW), (['download', 'cancel', '1'], CHANGE)]


@test()
def what_cannot_be_taken_back_is_asked_on_a_terminal():
    for words, kind in QUESTIONS:
        with FakeDaemon(ANSWERS) as daemon:
            for answer in ('n', ''):
                terminal = Terminal(daemon.socket, *words)
                terminal.expect(r'\?.*\[y/N\] ')
                terminal.send(answer + '\n')
                expect_equal(terminal.end(), 1, terminal.text)
                expect('nothing was changed' in terminal.text and 'hint: ' in terminal.text, terminal.text)
            expect_equal(daemon.asked(kind), [], words)
            terminal = Terminal(daemon.socket, *words)
            terminal.expect(r'\[y/N\] ')
            terminal.send('y\n')
            expect_equal(terminal.end(), 0, terminal.text)
            expect_equal(len(daemon.asked(kind)), 1, words)


@test()
def nothing_is_asked_with_yes_or_no_input_or_when_nothing_is_lost():
    for words, kind in QUESTIONS:
        for option in ('-y', '--no-input'):
            with FakeDaemon(ANSWERS) as daemon:
                terminal = Terminal(daemon.socket, *words, option)
                expect_equal(terminal.end(), 0, terminal.text)
                expect('[y/N]' not in terminal.text, terminal.text)
                expect_equal(len(daemon.asked(kind)), 1, words)
    with FakeDaemon({**ANSWERS, SHOW: {10: download('1' * 32, done=0.0)}}) as daemon:
        terminal = Terminal(daemon.socket, 'download', 'cancel', '1')
        expect_equal(terminal.end(), 0, terminal.text)
        expect('[y/N]' not in terminal.text, terminal.text)


# --- --watch ----------------------------------------------------------------------------------------

def counting(make):
    calls = []

    def answer(_request):
        calls.append(1)
        return make(len(calls))
    return answer


@test()
def watch_redraws_in_place_until_ctrl_c():
    with FakeDaemon({STATUS: counting(status)}) as daemon:
        terminal = Terminal(daemon.socket, 'status', '--watch')
        terminal.expect(r'uploads: +3\b')
        drawn = terminal.text
        terminal.send('\x03')
        expect_equal(terminal.end(), 130, terminal.text)
        expect('p2pctl:' not in terminal.text, f'Ctrl-C is no error: {terminal.text!r}')
        expect('\x1b[2J' not in drawn and '\x1b[H' not in drawn, f'nothing is cleared first: {drawn!r}')
        height = len(drawn.split('\x1b[J')[0].split('\n')) - 1
        expect_equal(drawn.count(f'\x1b[{height}A'), 2, repr(drawn))


@test()
def watch_without_a_terminal_gives_a_document_a_line():
    with FakeDaemon({**ANSWERS, STATUS: counting(status)}) as daemon:
        for words, command in ((['status'], 'status'), (['download', 'list'], 'download list')):
            arguments = [program('p2pctl'), '--socket', daemon.socket, '--json', *words, '--watch']
            with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env=environment()) as process:
                for _ in range(2):
                    schemas.check(command, json.loads(process.stdout.readline()))
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=20)
                expect_equal((process.returncode, err), (130, ''))
                expect('\x1b' not in out, out)


@test()
def a_daemon_that_goes_away_ends_the_watch_with_its_error():
    with FakeDaemon({STATUS: counting(lambda n: status(n) if n < 2 else error('limit'))}) as daemon:
        outcome = daemon.ctl('status', '--watch')
        expect_equal((outcome.code, outcome.error['code']), (1, 'limit'))
        expect_equal(len(outcome.out.splitlines()), 1, outcome.out)


# --- terminals --------------------------------------------------------------------------------------

def shown_in(daemon, *words, **options):
    terminal = Terminal(daemon.socket, *words, **options)
    terminal.end()
    return terminal.text


@test()
def colours_follow_no_color_term_and_the_option():
    with FakeDaemon(ANSWERS) as daemon:
        words = ['download', 'list']
        expect('\x1b[' in shown_in(daemon, *words), 'a terminal gets colours')
        expect('\x1b' not in shown_in(daemon, *words, NO_COLOR='1'), 'not with NO_COLOR')
        expect('\x1b' not in shown_in(daemon, *words, TERM='dumb'), 'not where TERM is dumb')
        expect('\x1b' not in shown_in(daemon, *words, '--color', 'never'), 'not with --color never')
        expect('\x1b[' in shown_in(daemon, *words, '--color=always', NO_COLOR='1'), 'always is always')
        expect('\x1b' not in daemon.ok(*words, as_json=False), 'no colours without a terminal')
        expect('\x1b[' in daemon.ok(*words, '--color', 'always', as_json=False), 'but if it is said')


@test()
def a_terminal_without_a_size_has_80_columns():
    with FakeDaemon({LIST: {11: message(f1=message(f1='1' * 32, f2='lab', f3='x' * 200, f5=1.0))}}) as daemon:
        for columns, width in ((0, 80), (100, 100)):
            text = shown_in(daemon, 'download', 'list', columns=columns, NO_COLOR='1')
            expect_equal(max(len(line) for line in text.splitlines()), width, text)


@test()
def hostile_names_reach_a_terminal_as_text_only():
    name = 'a\x1b[2J\x1b]0;owned\x07\u202egpj.exe'
    with FakeDaemon({LIST: {11: message(f1=message(f1='1' * 32, f2='lab', f3=name, f10=name))},
                     SHOW: {10: message(f1='1' * 32, f2='lab', f3=name, f9=name)},
                     DOCTOR: {21: message(f1=message(f1=name, f3=name, f4=name))}}) as daemon:
        for words in (['download', 'list'], ['download', 'show', '1'], ['show_downloads'],
                      ['daemon', 'doctor']):
            text = shown_in(daemon, *words, columns=200, NO_COLOR='1')
            expect('\x1b' not in text and '\x07' not in text and '\u202e' not in text, repr(text))
            expect('\\x1b[2J' in text, repr(text))
