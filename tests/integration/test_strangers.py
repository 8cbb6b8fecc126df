# SPDX-License-Identifier: MIT
"""What those get who may not: no byte, no hint, no other protocol than TLS 1.3, no name."""
import os
import re
import select
import socket
import ssl
import subprocess
import threading
import time

from harness import (MIB, Failed, World, connect, environment, expect, expect_equal, read_to_end, sha1_of,
                     test, wait_until)
from outsider import (PEER_ALPN, TRACKER_ALPN, Identity, TrackerClient, blank_name, fields, first, frame,
                      peer_hello, read_frame)


def shared(world):
    alice, bob = world.group('lab', 'alice', 'bob')
    path = world.file('real.bin', MIB)
    alice.ok('file', 'share', path, 'lab', '--wait')
    return alice, bob, path


# --- refusals over the command line ---------------------------------------------------------------

def same_refusal(peer, exit_code, *verb):
    """The share that exists and the one that does not: same exit code, same words, about the same time."""
    outcomes = []
    for name in ('real.bin', 'none.bin'):
        for as_json in (True, False):
            outcome = peer.ctl(*verb, f'lab/{name}', as_json=as_json)
            expect_equal(outcome.code, exit_code, str(outcome))
            outcomes.append((as_json, outcome.out, blank_name(outcome.err, name)))
    expect_equal(outcomes[:2], outcomes[2:], f'{peer.name} can tell what exists')


@test()
def nobody_outside_learns_whether_a_share_exists():
    with World() as world:
        shared(world)
        stranger = world.stranger('stranger')
        pending = world.peer('pending')
        pending.ok('group', 'join', 'lab')
        other = world.peer('other')
        other.ok('group', 'create', 'elsewhere')

        for verb in (('file', 'show'), ('download', 'start')):
            same_refusal(stranger, 4, *verb)
            same_refusal(pending, 5, *verb)
            same_refusal(other, 5, *verb)
        for peer in (pending, other):
            peer.refused(5, 'file', 'list', 'lab')
            peer.refused(5, 'file', 'share', world.file('x.bin', 10), 'lab')
            peer.refused(5, 'group', 'requests', 'lab')
            peer.refused(5, 'group', 'accept', 'lab', 'pending')
            expect_equal(peer.ok('file', 'list')['files'], [])


@test()
def an_unlisted_group_is_not_found_like_none():
    with World() as world:
        alice, other = world.peer('alice'), world.peer('other')
        alice.ok('group', 'create', 'hidden', '--unlisted')

        for verb in (('group', 'show'), ('group', 'members'), ('file', 'list')):
            outcomes = []
            for name in ('hidden', 'absent'):
                outcome = other.ctl(*verb, name)
                outcomes.append((outcome.code, outcome.out, blank_name(outcome.err, name)))
            expect_equal(outcomes[0], outcomes[1])
            expect_equal(outcomes[0][0], 6)
        expect_equal(other.ok('group', 'list')['groups'], [])


# --- no byte from a peer ----------------------------------------------------------------------------

def refused_in_silence(stream):
    """Nothing but the end of the connection comes."""
    got = read_to_end(stream)
    expect_equal(got, b'', 'a stranger was answered')


@test()
def a_device_without_a_grant_gets_no_byte_from_a_peer():
    with World() as world:
        alice, bob, path = shared(world)
        row = bob.ok('file', 'show', 'lab/real.bin')
        group_id = bytes.fromhex(bob.ok('group', 'show', 'lab')['id'])
        info_hash = bytes.fromhex(row['info_hash_v2'])
        identity = Identity(world.folder)
        hellos = {
            'no grant': peer_hello(group_id, info_hash, b''),
            'noise for a grant': peer_hello(group_id, info_hash, world.random.randbytes(300)),
            'a share that is not there': peer_hello(group_id, bytes(32), world.random.randbytes(300)),
            'a group that is not there': peer_hello(bytes(32), info_hash, world.random.randbytes(300)),
            'bittorrent': b'\x13BitTorrent protocol' + bytes(8) + info_hash[:20] + b'-XX0000-123456789012',
            'a frame over the limit': (1 << 20).to_bytes(4, 'big') + bytes(8192),
            'the largest length': b'\xff' * 4,
            'an empty frame': bytes(4),
        }
        for what, hello in hellos.items():
            print(what)
            with identity.open(alice.address, PEER_ALPN) as stream:
                stream.sendall(hello)
                refused_in_silence(stream)

        expect_equal(sha1_of(bob.ok('download', 'start', 'lab/real.bin', '--wait')['path']), sha1_of(path))


@test()
def an_outsiders_account_in_another_group_gets_no_grant_and_no_peers():
    with World() as world:
        alice, bob, _ = shared(world)
        group_id = bytes.fromhex(bob.ok('group', 'show', 'lab')['id'])
        info_hash = bytes.fromhex(bob.ok('file', 'show', 'lab/real.bin')['info_hash_v2'])
        client = TrackerClient(Identity(world.folder), world.tracker.address)
        client.create_account('mallory')
        client.join('lab')

        answers = []
        for asked in (info_hash, bytes(32)):
            try:
                client.peers(group_id, asked)
                raise AssertionError('an applicant got peers')
            except Failed as refusal:
                answers.append(str(refusal))

        expect_equal(answers[0], answers[1])
        client.close()


# --- what is spoken on the ports --------------------------------------------------------------------

@test()
def plain_text_is_closed_without_an_answer():
    with World() as world:
        alice, bob, _ = shared(world)
        for daemon in (alice, world.tracker):
            for words in (b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', b'\x13BitTorrent protocol' + bytes(48),
                          b'\0' * 64, b'\x16\x03\x01\xff\xff' + b'\xff' * 600):
                with connect(daemon.address) as stream:
                    stream.sendall(words)
                    got = read_to_end(stream)
                    # A TLS alert (7 bytes) is all that may come: it says nothing about us.
                    expect(got == b'' or (got[:1] == b'\x15' and len(got) <= 7), f'{words[:20]}: {got}')
            wait_until(lambda: re.search(r'info (session|link) cut .*127\.0\.0\.1', daemon.log()), 10,
                       f'a line in the log of {daemon.name}')
        bob.ok('file', 'list', 'lab')


@test()
def a_silent_connection_is_closed():
    with World() as world:
        alice = world.peer('alice')
        for daemon in (alice, world.tracker):
            with connect(daemon.address) as stream:
                begin = time.monotonic()
                expect_equal(read_to_end(stream, 30), b'')
                print(f'{daemon.name} closed after {time.monotonic() - begin:.1f} s')


@test()
def only_tls_13_is_spoken():
    with World() as world:
        alice = world.peer('alice')
        identity = Identity(world.folder)
        for daemon, alpn in ((alice, PEER_ALPN), (world.tracker, TRACKER_ALPN)):
            try:
                identity.open(daemon.address, alpn, highest=ssl.TLSVersion.TLSv1_2).close()
                raise AssertionError(f'{daemon.name} speaks TLS 1.2')
            except OSError as refusal:  # ssl.SSLError is one
                print(f'{daemon.name}: {refusal}')
            with identity.open(daemon.address, alpn) as stream:
                expect_equal((stream.version(), stream.selected_alpn_protocol()), ('TLSv1.3', alpn))


@test()
def another_protocol_or_no_certificate_is_refused():
    with World() as world:
        alice = world.peer('alice')
        identity = Identity(world.folder)
        for daemon, alpn in ((alice, PEER_ALPN), (world.tracker, TRACKER_ALPN)):
            for options in ({'alpn': 'h2'}, {'alpn': None}, {'alpn': alpn, 'with_key': False}):
                try:
                    with identity.open(daemon.address, **options) as stream:
                        got = read_to_end(stream)
                        expect_equal(got, b'', f'{daemon.name} answers {options}')
                except OSError as refusal:
                    print(f'{daemon.name} {options}: {refusal}')


def s_client(identity, address, alpn):
    """What openssl s_client sees, with its handshake messages and whatever follows within a second."""
    command = ['openssl', 's_client', '-connect', address, '-alpn', alpn, '-cert', identity.certificate,
               '-key', identity.key, '-showcerts', '-msg', '-noservername']
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, env=environment())
    output = b''
    end = time.monotonic() + 10
    while time.monotonic() < end:
        ready, _, _ = select.select([process.stdout], [], [], 0.1)
        if ready:
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            output += chunk
            if b'Verify return code' in output and end > time.monotonic() + 1:
                end = time.monotonic() + 1
    process.kill()
    process.communicate()
    return output.decode(errors='replace')


@test()
def s_client_sees_tls_13_without_ticket_and_without_name():
    with World() as world:
        alice = world.peer('alice')
        identity = Identity(world.folder)
        for daemon, alpn in ((alice, PEER_ALPN), (world.tracker, TRACKER_ALPN)):
            seen = s_client(identity, daemon.address, alpn)
            expect(re.search(r'TLSv1\.3', seen), seen)
            expect(f'ALPN protocol: {alpn}' in seen, seen)
            expect(not re.search('New ?Session ?Ticket', seen), f'{daemon.name} issues tickets:\n{seen}')
            pem = re.findall('-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----', seen, re.DOTALL)
            expect_equal(len(set(pem)), 1, f'certificates of {daemon.name}')
            text = Identity.run('x509', '-noout', '-text', '-subject', '-issuer', stdin=pem[0].encode())
            expect(re.search(r'^subject=\s*$', text, re.M), text)
            expect(re.search(r'^issuer=\s*$', text, re.M), text)
            expect('Alternative Name' not in text and 'DNS:' not in text and 'IP Address' not in text, text)
            expect(daemon.name not in text and socket.gethostname() not in text, text)


# --- frames to the tracker --------------------------------------------------------------------------

@test()
def broken_frames_end_their_connection_and_nothing_else():
    with World() as world:
        alice = world.peer('alice')
        identity = Identity(world.folder)
        broken = {
            'a length over the limit': (0x7fffffff).to_bytes(4, 'big') + bytes(100),
            'one byte over the first frame\'s limit': (4097).to_bytes(4, 'big') + bytes(4097),
            'noise for a message': frame(b'\x0a\xff\xff\xff\xff\xff'),
            'a request before the hello': frame(b'\x08\x01\x22\x02\x12\x00'),
        }
        for what, data in broken.items():
            print(what)
            before = len(world.tracker.log())
            with identity.open(world.tracker.address, TRACKER_ALPN) as stream:
                stream.settimeout(10)
                expect(2 in fields(read_frame(stream)), 'the tracker speaks first')
                stream.sendall(data)
                read_to_end(stream)
            wait_until(lambda: len(world.tracker.log()) > before, 10, f'the log tells of {what}')
            alice.ok('group', 'list')

        with identity.open(world.tracker.address, TRACKER_ALPN) as stream:  # half a frame, then gone
            read_frame(stream)
            stream.sendall((100).to_bytes(4, 'big') + b'half')
        alice.ok('group', 'create', 'lab')


@test()
def requests_without_login_are_refused():
    with World() as world:
        world.peer('alice')
        client = TrackerClient(Identity(world.folder), world.tracker.address)
        for kind in (10, 14, 17, 20):  # lists of groups and requests, metadata, files
            try:
                client.request(kind, b'')
                raise AssertionError(f'request {kind} was answered')
            except Failed as refusal:
                expect('login_required' in str(refusal) or 'closed' in str(refusal), str(refusal))
                if 'closed' in str(refusal):
                    client = TrackerClient(Identity(world.folder), world.tracker.address)
        client.close()


# --- addresses that are not what they claim ---------------------------------------------------------

class Acceptor:
    """A listener that takes every connection and says nothing, or speaks TLS with another key."""

    def __init__(self, identity=None):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.context = None
        if identity:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(identity.certificate, identity.key)
            self.context.set_alpn_protocols([PEER_ALPN])
        self.accepted = 0
        self.streams = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                stream, _ = self.listener.accept()
                self.accepted += 1
                if self.context:
                    stream = self.context.wrap_socket(stream, server_side=True)
                self.streams.append(stream)
            except ssl.SSLError:
                continue
            except OSError:
                return

    def close(self):
        self.listener.close()
        for stream in self.streams:
            stream.close()


def is_listed_with(world, listener_identity, device_identity, expected):
    """A member whose device claims the port of a listener: is that address given to others?"""
    alice, bob, _ = shared(world)
    group_id = bytes.fromhex(bob.ok('group', 'show', 'lab')['id'])
    info_hash = bytes.fromhex(bob.ok('file', 'show', 'lab/real.bin')['info_hash_v2'])
    user = f'mallory{len(world.daemons)}'
    listener = Acceptor(listener_identity)
    client = TrackerClient(device_identity, world.tracker.address, listen_port=listener.port)
    client.create_account(user)
    client.join('lab')
    alice.ok('group', 'accept', 'lab', user)
    client.close()
    client = TrackerClient(device_identity, world.tracker.address, listen_port=listener.port)
    client.announce(group_id, info_hash, 2, 4)
    reachability = client.wait_event(6)
    print({number: values for number, values in reachability.items()})
    expect_equal(bool(first(reachability, 2, 0)), expected, 'reachable')
    expect(listener.accepted > 0, 'the tracker dialled back')

    watcher = TrackerClient(Identity(world.folder, 'watcher'), world.tracker.address)
    watcher.create_account('watcher')
    watcher.join('lab')
    alice.ok('group', 'accept', 'lab', 'watcher')
    ports = set()
    for peer in watcher.peers(group_id, info_hash).get(3, []):
        for address in fields(peer).get(4, []):
            ports.add(first(fields(address), 2, 0))
    expect_equal(listener.port in ports, expected, f'port {listener.port} in the list of ports {ports}')
    expect(int(alice.address.rpartition(':')[2]) in ports, 'the true address is listed')
    for one in (client, watcher, listener):
        one.close()
    row = bob.ok('download', 'start', 'lab/real.bin', '--wait')
    expect_equal({source['user'] for source in row['sources']}, {'alice'})


@test()
def an_open_port_that_says_nothing_is_not_listed():
    with World() as world:
        is_listed_with(world, None, Identity(world.folder), expected=False)


@test()
def a_port_that_proves_another_key_is_not_listed():
    with World() as world:
        is_listed_with(world, Identity(world.folder, 'other'), Identity(world.folder), expected=False)


@test()
def a_port_that_proves_the_devices_key_is_listed():
    with World() as world:
        identity = Identity(world.folder)
        is_listed_with(world, identity, identity, expected=True)
