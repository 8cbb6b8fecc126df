#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every limit has a test at it and a test one above, marked as tests/support/limit.h says, and a use."""
import re

import tree

LIMITS = 'daemon/base/limits.h'
UNITS = {'limits::kKiB', 'limits::kMiB'}
# Constants in other headers of these folders are limits too, but for those that only say how something
# looks, how often it is looked at, or what is taken for usual.
FOLDERS = ('daemon/swarm/', 'daemon/wire/', 'daemon/peer/', 'daemon/tracker/')
NO_LIMITS = {
    'Fetcher::kPatience', 'FileHasher::kCheckpointBytes', 'FileHasher::kWindowBytes',
    'GroupMemory::kBusyPause', 'GroupMemory::kDevicesAgain', 'GroupMemory::kPause',
    'Keys::kFiles', 'Origin::kAheadLeast', 'Origin::kAheadTime',
    'Origin::kFreeSoonerTimes', 'Origin::kLookInterval',
    'Origin::kPatienceLeast', 'Origin::kPatienceTimes', 'Origin::kPatienceUnknown', 'Origin::kSoonerTimes',
    'Origin::kKeptMost', 'Origin::kKeptTimes',
    'Origin::kUsualLeast', 'Passwords::kBlockSize',
    'Passwords::kParallelization', 'Passwords::kProofBytes', 'Passwords::kSaltBytes', 'Passwords::kVersion',
    'PeerBook::kFirstWait', 'PeerSession::kDefaultRequestQueue', 'PiecePicker::kNobody',
    'PiecePicker::kNotReceived', 'PiecePicker::kRandomPieces',
    'RarityOrder::kFewPart', 'RequestMemory::kBlocks', 'Rate::kSlot', 'Rate::kSlots',
    'Rate::kWindow', 'TrackerClient::kSlowest', 'Transfer::kSpaceRetry',
    'Transfer::kCompanyTime', 'Transfer::kOpenParts',
    'tracker::kProtocolVersionMax', 'tracker::kProtocolVersionMin', 'wire::kExtensionHandshakeId',
    'wire::kHandshakeBytes', 'wire::kHelloVersion', 'wire::kMetadataId', 'wire::kMetadataName',
}

CONSTANT = re.compile(r'^ *(?:inline|static) constexpr [\w:<>, *]+? \*?(k[A-Z]\w*)\b', re.MULTILINE)
CLASS = re.compile(r'^(?:class|struct) (\w+)[^;{]*\{', re.MULTILINE)
MARK = re.compile(r'\bLIMIT_(AT|ABOVE)\(([\w:]+)\)')
TEST = re.compile(r'^TEST\(\w+\) \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)


def line_of(text, place):
    return text.count('\n', 0, place) + 1


def constants():
    """Qualified name (limits::kName, Class::kName, folder::kName) and where it stands."""
    found = {}
    for path in tree.files('.h'):
        if path != LIMITS and not path.startswith(FOLDERS):
            continue
        text = tree.bare_cpp(tree.read(path))
        folder = 'limits' if path == LIMITS else path.split('/')[1]
        for match in CONSTANT.finditer(text):
            indented = match.group(0).startswith(' ')
            classes = [one.group(1) for one in CLASS.finditer(text, 0, match.start())] if indented else []
            name = f'{classes[-1] if classes else folder}::{match.group(1)}'
            found[name] = (path, line_of(text, match.start(1)))
    return found


def marks(verdict, known):
    """The limits that are marked, by kind."""
    found = {'AT': set(), 'ABOVE': set()}
    for path in tree.files('.cc'):
        if not path.startswith('tests/'):
            continue
        verdict.looked_at += 1
        text = tree.bare_cpp(tree.read(path))
        bodies = [match.span(1) for match in TEST.finditer(text)]
        all_marks = list(MARK.finditer(text))
        for mark in all_marks:
            kind, name = mark.group(1), '::'.join(mark.group(2).split('::')[-2:])
            line = line_of(text, mark.start())
            end = next((body[1] for body in bodies if body[0] <= mark.start() < body[1]), None)
            if name not in known:
                verdict.complain(path, line, f'{name} is no limit: name it with its class or namespace')
            if end is None:
                verdict.complain(path, line, 'a mark stands in a test')
                continue
            others = [one.start() for one in all_marks if one.start() > mark.start() and one.group(1) != kind]
            if 'EXPECT' not in text[mark.end():min(others + [end])]:
                verdict.complain(path, line, f'nothing is expected {kind.lower()} {name}')
            found[kind].add(name)
    return found


def main():
    verdict = tree.Verdict()
    known = constants()
    for name in sorted((UNITS | NO_LIMITS) - set(known)):
        verdict.complain('tests/lint/limits.py', 1, f'there is no {name}')
    known = {name: place for name, place in known.items() if name not in UNITS | NO_LIMITS}
    product = '\n'.join(tree.bare_cpp(tree.read(path)) for path in tree.files(*tree.CPP)
                        if path.startswith(('daemon/', 'proto/', 'ctl/')) and path != LIMITS)
    used = set(re.findall(r'\blimits::(k\w+)', product))
    found = marks(verdict, known)
    for name, (path, line) in known.items():
        if path == LIMITS and name.split('::')[1] not in used:
            verdict.complain(path, line, f'{name} is used by nothing')
        missing = ' nor '.join(kind.lower() for kind in found if name not in found[kind])
        if missing:
            verdict.complain(path, line, f'{name} has no test {missing} (tests/support/limit.h)')
    print(f'{len(known)} limits')
    verdict.finish()


main()
