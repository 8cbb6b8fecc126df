# SPDX-License-Identifier: MIT
"""Two network namespaces and one line between them, with a rate, a delay and a queue, for the tests.

The line carries IP packets between two tun devices. So the kernel's own TCP runs over it from end to end, and
a window that is too small for the delay shows. What would wait longer than the queue allows is dropped. As a
program of its own (run by SlowLine below) it carries packets until it is killed.
"""
import collections
import ctypes
import fcntl
import os
import select
import shutil
import struct
import subprocess
import sys
import time

from harness import Skip, pause

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454ca
IFF_TUN, IFF_NO_PI = 1, 0x1000
PACKETS_AT_ONCE = 64
GRAIN = 0.001  # seconds

NEAR, FAR = '10.177.0.1', '10.177.0.2'


class Way:
    """One direction."""

    def __init__(self, source, target, rate, delay, queue):
        self.source, self.target = source, target
        self.rate, self.delay, self.queue = rate, delay, queue  # bytes a second, seconds, bytes
        self.free_at = 0.0
        self.packets = collections.deque()  # (when it arrives, packet)

    def take(self, now):
        for _ in range(PACKETS_AT_ONCE):
            try:
                packet = os.read(self.source, 65536)
            except BlockingIOError:
                return
            begin = max(now, self.free_at)
            if (begin - now) * self.rate > self.queue:
                continue
            self.free_at = begin + len(packet) / self.rate
            self.packets.append((self.free_at + self.delay, packet))

    def give(self, now):
        while self.packets and self.packets[0][0] <= now:
            try:
                os.write(self.target, self.packets.popleft()[1])
            except OSError:  # no room: lost, as on any line
                pass


def new_end(address, other):
    """(a new namespace, the tun device in it) with this address."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), 'no network namespace')
    device = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack('16sH14x', b'line', IFF_TUN | IFF_NO_PI))
    for words in ('link set lo up', f'addr add {address} peer {other} dev line',
                  'link set line txqueuelen 10000 up'):
        subprocess.run(['ip'] + words.split(), check=True)
    with open('/proc/sys/net/ipv4/tcp_congestion_control', 'w', encoding='ascii') as control:
        control.write('cubic')  # Linux's own choice, whatever this machine's is
    return os.open('/proc/self/ns/net', os.O_RDONLY), device


def carry(rate, delay, queue):
    near, near_device = new_end(NEAR, FAR)
    far, far_device = new_end(FAR, NEAR)
    ways = [Way(source, target, rate, delay, queue)
            for source, target in ((near_device, far_device), (far_device, near_device))]
    print(near, far, flush=True)
    while True:
        if any(way.packets for way in ways):
            pause(GRAIN)
        else:
            select.select([way.source for way in ways], [], [])
        now = time.monotonic()
        for way in ways:
            way.take(now)
            way.give(now)


class SlowLine:
    """`near` and `far`: options for a Daemon that lives at that end. Rate in bytes a second, the delay of one
    direction in seconds, the queue in bytes."""

    def __init__(self, rate, delay, queue):
        if os.geteuid() != 0:
            raise Skip('only root can make network namespaces')
        for tool in ('ip', 'nsenter'):
            if shutil.which(tool) is None:
                raise Skip(f'there is no program {tool}')
        command = [sys.executable, '-B', __file__, str(rate), str(delay), str(queue)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ends = self.process.stdout.readline().split()
        if len(ends) != 2:
            self.close()
            raise Skip(f'no line between namespaces: {self.process.stderr.read()[-300:]}')
        self.near, self.far = (
            {'prefix': ['nsenter', f'--net=/proc/{self.process.pid}/fd/{end}'], 'host': host}
            for end, host in zip(ends, (NEAR, FAR)))

    def close(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


if __name__ == '__main__':
    carry(*(float(word) for word in sys.argv[1:]))
