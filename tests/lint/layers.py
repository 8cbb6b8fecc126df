#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include what: the table of ARCHITECTURE.md, "Layers", as data. Arrows only go down."""
import os
import re

import tree

# Folder: project folders that it may include besides itself.
MAY_INCLUDE = {
    'proto': ['daemon/base'],
    'daemon/base': [],
    'daemon/trust': ['daemon/base'],
    'daemon/wire': ['daemon/base'],
    'daemon/meta': ['daemon/base', 'daemon/wire'],
    'daemon/swarm': ['daemon/base', 'daemon/meta', 'daemon/wire'],
    'daemon/tls': ['daemon/base', 'daemon/trust'],
    'daemon/storage': ['daemon/base', 'daemon/meta'],
    'daemon/io': ['daemon/base', 'daemon/trust', 'daemon/tls', 'proto'],
    'daemon/config': ['daemon/base'],
    'daemon/control': ['daemon/base', 'daemon/io', 'proto'],
    'daemon/peer': ['daemon/base', 'daemon/trust', 'daemon/meta', 'daemon/wire', 'daemon/swarm',
                    'daemon/tls', 'daemon/storage', 'daemon/io', 'daemon/config', 'daemon/control', 'proto'],
    'daemon/tracker': ['daemon/base', 'daemon/trust', 'daemon/meta', 'daemon/tls', 'daemon/storage',
                       'daemon/io', 'daemon/config', 'daemon/control', 'proto'],
    'ctl': ['daemon/base', 'proto'],
    'tests': ['daemon', 'proto', 'ctl'],
}

# Foreign header: folders or files that may include it.
MAY_USE = [
    (r'uv\.h', ['daemon/io']),
    (r'intel-ipsec-mb\.h', ['daemon/base/digest_batch.cc', 'daemon/tls/aes_gcm.cc']),
    (r'openssl/.*', ['daemon/base/digest.cc', 'daemon/base/sha1_lanes.cc', 'daemon/trust', 'daemon/tls',
                     'ctl', 'tests']),
    (r'sqlite3\.h', ['daemon/storage', 'tests']),
    (r'spdlog/.*', ['daemon/base/log.cc']),
    (r'cmocka\.h', ['tests/support/check.h']),
    (r'CLI/.*', ['daemon/config', 'ctl']),
    (r'toml\+\+/.*', ['daemon/config']),
    (r'systemd/.*', ['daemon/io']),
    (r'utf8proc\.h', ['daemon/base', 'ctl']),
    (r'google/protobuf/.*', ['proto', 'daemon/io', 'daemon/peer', 'daemon/tracker', 'ctl', 'tests']),
    (r'thread|mutex|shared_mutex|condition_variable|future|stop_token|semaphore|latch|barrier',
     ['daemon/io', 'tests']),
    (r'random', []),
    (r'cassert|assert\.h', []),
]

# What decides is pure: no clock, no files, no sockets, no threads, no log.
REGISTRY = ['daemon/tracker/registry.h', 'daemon/tracker/registry.cc']
PURE = ['daemon/meta', 'daemon/wire', 'daemon/swarm'] + REGISTRY
IMPURE_HEADER = re.compile(r'daemon/base/log\.h|fstream|filesystem|iostream|ctime|time\.h|unistd\.h|fcntl\.h'
                           r'|sys/.*|netinet/.*|arpa/.*|netdb\.h|linux/.*')

# Clocks are read in one folder of the daemons, and by the control tool.
READS_CLOCK = re.compile(r'_clock::now\s*\(|\bclock_gettime\s*\(|\bgettimeofday\s*\(|\buv_hrtime\s*\('
                         r'|\btime\s*\(\s*(?:nullptr|NULL|0)\s*\)')
MAY_READ_CLOCK = ['daemon/io', 'ctl', 'tests']

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def is_under(path, places):
    return any(path == place or path.startswith(place + '/') for place in places)


def folder_of(path):
    """The longest folder of the table that holds `path`."""
    matches = [folder for folder in MAY_INCLUDE if path.startswith(folder + '/')]
    return max(matches, key=len) if matches else None


def check_include(verdict, path, number, quote, header):
    here = folder_of(path)
    if is_under(header, ['daemon', 'proto', 'ctl', 'tests']):
        if quote == '<':
            verdict.complain(path, number, f'<{header}>: write project headers in quotes')
        if not is_under(header, [here] + MAY_INCLUDE[here]):
            verdict.complain(path, number, f'{here} may not include "{header}"')
        if is_under(path, REGISTRY) and not is_under(header, [
                'daemon/base', 'daemon/trust', 'daemon/meta', 'daemon/tracker', 'proto']):
            verdict.complain(path, number, f'the registry is pure and may not include "{header}"')
    else:
        if quote == '"':
            verdict.complain(path, number, f'"{header}": project headers are named from the root of the '
                             'tree, others stand in angle brackets')
        for pattern, places in MAY_USE:
            if re.fullmatch(pattern, header) and not is_under(path, places):
                only = ', '.join(places) or 'no file'
                verdict.complain(path, number, f'<{header}> may be included by {only} only')
    if is_under(path, PURE) and IMPURE_HEADER.fullmatch(header):
        verdict.complain(path, number, f'pure code may not include {header}')


def main():
    verdict = tree.Verdict()
    for path in tree.files(*tree.CPP):
        verdict.looked_at += 1
        if folder_of(path) is None:
            folder = os.path.dirname(path) or '.'
            verdict.complain(path, 1, f'{folder} is not in the table of tests/lint/layers.py')
            continue
        text = tree.read(path)
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                check_include(verdict, path, number, *match.groups())
        if not is_under(path, MAY_READ_CLOCK):
            for number, line in enumerate(tree.bare_cpp(text).splitlines(), 1):
                if READS_CLOCK.search(line):
                    verdict.complain(path, number,
                                     'only daemon/io and ctl read a clock; take `now` as an argument')
    verdict.finish()


main()
