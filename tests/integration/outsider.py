# SPDX-License-Identifier: MIT
"""A program that is not ours: its own device key, TLS by Python, and just enough of the tracker's protocol.

Protobuf is written by hand here (proto/tracker.proto has the field numbers), so that these tests do not
believe what our own code believes.
"""
import hashlib
import os
import re
import ssl
import struct
import subprocess

from harness import PASSWORD, Failed, Skip, connect, environment, expect

TRACKER_ALPN = 'p2p-tracker/1'
PEER_ALPN = 'p2p-peer/1'


class Identity:
    """A fresh Ed25519 key with a self-signed certificate without a name."""

    def __init__(self, folder, name='outsider'):
        self.certificate = os.path.join(folder, name + '.crt')
        self.key = os.path.join(folder, name + '.key')
        self.run('req', '-x509', '-newkey', 'ed25519', '-nodes', '-keyout', self.key,
                 '-out', self.certificate, '-subj', '/', '-days', '2')

    @staticmethod
    def run(*arguments, stdin=b''):
        try:
            done = subprocess.run(['openssl', *arguments], input=stdin, capture_output=True,
                                  env=environment(), timeout=30)
        except FileNotFoundError:
            raise Skip('the openssl program is not installed') from None
        if done.returncode != 0:
            raise Failed(f'openssl {arguments[0]}: {done.stderr.decode(errors="replace")}')
        return done.stdout.decode(errors='replace')

    def context(self, alpn, highest=ssl.TLSVersion.TLSv1_3, lowest=ssl.TLSVersion.TLSv1_2, with_key=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version, context.maximum_version = lowest, highest
        if alpn:
            context.set_alpn_protocols([alpn])
        if with_key:
            context.load_cert_chain(self.certificate, self.key)
        return context

    def open(self, address, alpn, **options):
        """A TLS connection; without a verdict on our key, which TLS 1.3 gives with the first read only."""
        stream = connect(address)
        try:
            return self.context(alpn, **options).wrap_socket(stream, suppress_ragged_eofs=True)
        except BaseException:
            stream.close()
            raise


# --- protobuf ---------------------------------------------------------------------------------------

def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(**fields):
    """message(f2=b'...', f1=7): length-delimited for bytes and str, varints for int, 8 bytes for float."""
    out = b''
    for name, value in fields.items():
        number = int(name[1:])
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int):
                out += varint(number << 3) + varint(item)
            elif isinstance(item, float):
                out += varint(number << 3 | 1) + struct.pack('<d', item)
            else:
                item = item.encode() if isinstance(item, str) else item
                out += varint(number << 3 | 2) + varint(len(item)) + item
    return out


def fields(data):
    """{number: [values]} of one message."""
    out = {}
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(data):
        tag = number()
        kind = tag & 7
        if kind == 0:
            value = number()
        elif kind == 2:
            length = number()
            value = data[at:at + length]
            at += length
        else:
            value = data[at:at + (8 if kind == 1 else 4)]
            at += 8 if kind == 1 else 4
        out.setdefault(tag >> 3, []).append(value)
    return out


def first(table, number, default=b''):
    return table.get(number, [default])[0]


def frame(body):
    return len(body).to_bytes(4, 'big') + body


def read_exactly(stream, count):
    out = b''
    while len(out) < count:
        chunk = stream.recv(count - len(out))
        if not chunk:
            raise Failed(f'closed after {len(out)} of {count} bytes')
        out += chunk
    return out


def read_frame(stream):
    return read_exactly(stream, int.from_bytes(read_exactly(stream, 4), 'big'))


class TrackerClient:
    """One session with the tracker. Errors of the tracker come out as Failed with the code."""

    def __init__(self, identity, address, listen_port=0):
        self.stream = identity.open(address, TRACKER_ALPN)
        self.stream.settimeout(20)
        self.next_id = 1
        self.events = []
        hello = fields(read_frame(self.stream))
        expect(2 in hello, f'the tracker speaks first: {hello}')
        # Frame.client_hello = 3: Hello{version_min = 1, version_max = 2}
        self.stream.sendall(frame(message(f3=message(f1=1, f2=1, f3='outsider'))))
        self.attached = self.request(2, message(f1=listen_port))

    def request(self, kind, body, mutating=False):
        """Request.<kind> = body; the response's fields."""
        number, self.next_id = self.next_id, self.next_id + 1
        key = {'f1': os.urandom(16)} if mutating else {}
        request = message(**key, **{f'f{kind}': body})
        self.stream.sendall(frame(message(f1=number, f4=request)))
        while True:
            got = fields(read_frame(self.stream))
            if 6 in got:
                self.events.append(fields(got[6][0]))
            elif first(got, 1, 0) == number and 5 in got:
                response = fields(got[5][0])
                if 1 in response:
                    error = fields(response[1][0])
                    raise Failed('tracker: ' + first(error, 1).decode())
                return response

    def create_account(self, user):
        challenge = fields(first(self.request(3, message(f1=user)), 4))
        log_n, r, p = first(challenge, 3, 0), first(challenge, 4, 0), first(challenge, 5, 0)
        proof = hashlib.scrypt(PASSWORD.encode(), salt=first(challenge, 2), n=1 << log_n, r=r, p=p,
                               maxmem=512 << 20, dklen=32)
        return self.request(4, message(f1=user, f2=proof), mutating=True)

    def join(self, group):
        return self.request(11 + 1, message(f1=group), mutating=True)

    def announce(self, group_id, info_hash, activity, pieces):
        share = message(f1=group_id, f2=info_hash, f3=activity, f4=pieces)
        return self.request(22, message(f1=share))

    def peers(self, group_id, info_hash):
        return fields(first(self.request(23, message(f1=group_id, f2=info_hash)), 15))

    def wait_event(self, kind):
        """The next event of this kind: Event.<kind>."""
        while True:
            for event in self.events:
                if kind in event:
                    self.events.remove(event)
                    return fields(event[kind][0])
            got = fields(read_frame(self.stream))
            if 6 in got:
                self.events.append(fields(got[6][0]))

    def close(self):
        self.stream.close()


def peer_hello(group_id, info_hash, grant):
    """The first frame on a peer link (daemon/wire/hello.h)."""
    body = b'p2ph' + (1).to_bytes(2, 'big') + group_id + info_hash + len(grant).to_bytes(2, 'big') + grant
    return frame(body)


def blank_name(text, name):
    return re.sub(re.escape(name), 'NAME', text)
