# SPDX-License-Identifier: MIT
"""Both ends around p2pctl: a daemon that answers what a test wants, and a terminal to run it in.

    with FakeDaemon({DOCTOR: {21: message(f1=...)}}) as daemon:
        daemon.ok('daemon', 'doctor')
        expect_equal(daemon.asked(DOCTOR), [...])

Messages are written by hand (proto/control.proto has the field numbers).
"""
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import tempfile
import termios
import threading
import time
from fcntl import ioctl

from harness import REPORTS, Control, Failed, Skip, environment, expect, program
from outsider import fields, frame, message, read_frame

# Numbers of Request's fields.
PARAMETERS, ENTER, WHOAMI = 2, 3, 5
LIST, SHOW = 18, 19
STATUS = 23
PASSWORD_PARAMETERS, PASSWORD_CHANGE, SESSIONS, REVOKE, SET_ROLE, REMOVE, TRANSFER = range(26, 33)
UNSHARE, WITHDRAW, CHANGE, DOCTOR = range(33, 37)
USERS, USER_SET, RESET_PARAMETERS, RESET, GROUPS, BACKUP, INVITE, GROUP_INVITE = range(37, 45)


def error(code, text='it is refused', hint='do something else'):
    """A Response that is an error."""
    return {1: message(f1=code, f2=text, f3=hint)}


class FakeDaemon(Control):
    """Answers each kind of request with a Response's fields, or with what a function makes of the request."""

    def __init__(self, answers):
        self.folder = tempfile.mkdtemp(prefix='p2pf-', dir=os.environ.get('P2P_TEST_SCRATCH'))
        super().__init__(os.path.join(self.folder, 'ctl.sock'))
        self.answers = answers
        self.requests = []
        self.raw = b''
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def serve(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.converse, args=[stream], daemon=True).start()

    def converse(self, stream):
        with stream:
            try:
                read_frame(stream)
                stream.sendall(frame(message(f2=message(f1=1, f2=1, f3='fake'))))
                while True:
                    self.answer(stream, read_frame(stream))
            except (Failed, OSError):
                pass  # it went away

    def answer(self, stream, body):
        self.raw += body
        asked = fields(body)
        request = fields(asked[3][0])
        kind = next(number for number in request if number != 1)
        self.requests.append((kind, fields(request[kind][0])))
        answer = self.answers.get(kind, error('unsupported'))
        response = answer(fields(request[kind][0])) if callable(answer) else answer
        body = message(**{f'f{number}': value for number, value in response.items()})
        stream.sendall(frame(message(f1=asked[1][0], f4=body)))

    def asked(self, kind):
        """The bodies of all requests of a kind so far."""
        return [body for number, body in self.requests if number == kind]


class Terminal:
    """p2pctl in a terminal of its own, with this many columns and lines."""

    def __init__(self, socket_path, *words, columns=80, lines=24, **variables):
        command = [program('p2pctl'), '--socket', socket_path, *words]
        self.text = ''
        try:
            self.pid, self.master = pty.fork()
        except OSError as error:
            raise Skip(f'no pseudo terminal: {error} (is /dev/pts mounted?)') from error
        if self.pid == 0:
            ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', lines, columns, 0, 0))
            os.execve(command[0], command, {**environment(), 'TERM': 'xterm', **variables})

    def read(self, seconds):
        """What comes within this time; empty at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return None
        try:
            return os.read(self.master, 65536).decode(errors='replace')
        except OSError:
            return ''

    def expect(self, pattern, seconds=30):
        """Reads until the pattern has come; the match."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.text)
            if match:
                return match
            left = deadline - time.monotonic()
            chunk = self.read(max(left, 0))
            if not chunk:
                raise Failed(f'{pattern!r} did not come: {self.text!r}')
            self.text += chunk

    def send(self, text):
        os.write(self.master, text.encode())

    def end(self, seconds=30):
        """Reads to the end; the exit status."""
        deadline = time.monotonic() + seconds
        while True:
            chunk = self.read(max(deadline - time.monotonic(), 0))
            if chunk is None:
                os.kill(self.pid, signal.SIGKILL)
                raise Failed(f'it does not end: {self.text!r}')
            if not chunk:
                break
            self.text += chunk
        _, status = os.waitpid(self.pid, 0)
        os.close(self.master)
        expect(not any(report in self.text for report in REPORTS), f'a sanitizer reports: {self.text}')
        return os.waitstatus_to_exitcode(status)
