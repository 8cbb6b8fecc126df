#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules of CONTRIBUTING.md, "Style", that a script can check."""
import os
import re

import tree

LINE_MAX = 110
FILE_MAX = 600
FUNCTION_MAX = 70

# File: why it may be longer than FILE_MAX.
LONG_FILES = {
}
# (file, function): why it may be longer than FUNCTION_MAX.
LONG_FUNCTIONS = {
}
# (file, type): why its name may hold a banned word.
ODD_TYPE_NAMES = {
    ('daemon/tls/context.h', 'Context'): 'it is OpenSSL\'s word for exactly this',
    ('daemon/tracker/keys.h', 'DataDirectory'): 'the command line calls it so',
    ('daemon/tracker/service.h', 'Service'): 'to be renamed: it routes requests',
}

# (file, variable): why it may be static or thread_local and change.
ODD_STATICS = {
    ('daemon/base/digest.cc', 'stream'): 'a digest context that every call leaves as it found it',
    ('tests/hostile/peer_link_out.cc', 'all'): 'what an attack knows of a link has no place in the link',
}

# (file, what the line holds): why a banned call stands there.
ODD_CALLS = {
    ('daemon/io/lifecycle.cc', 'signal(SIGPIPE, SIG_IGN)'): 'this is the one place for it',
    ('daemon/io/stream.cc', 'delete this'): 'a handle that was never opened has no close callback to free it',
    ('tests/slow_disk/slow_disk.cc', '::nanosleep(&left'): 'to take time is what it is for',
}

BANNED_WORDS = {'Manager', 'Helper', 'Helpers', 'Util', 'Utils', 'Utility', 'Processor', 'Data', 'Info',
                'Impl', 'Base', 'Common', 'Misc', 'Context', 'Service', 'Controller'}
RANDOM = 'randomness comes from daemon/base/random.h or OpenSSL'

BANNED_IN_CPP = [
    (r'(?<![\w.>])s?rand\s*\(|\brand_r\s*\(|\brandom_shuffle\b', RANDOM),
    (r'\bmt19937|\brandom_device\b|\bdefault_random_engine\b', RANDOM),
    (r'\b(?:v?sprintf|strcpy|strcat|strtok|gets|alloca|tmpnam|mktemp)\s*\(', 'banned call'),
    (r'(?<![\w.:>])(?:std::)?(?:system|popen)\s*\(', 'no shell is started'),
    (r'\bassert\s*\(', 'use CHECK (daemon/base/check.h), which is always compiled in'),
    (r'\bshared_from_this\b', 'ownership is plain: see CONTRIBUTING.md'),
    (r'\bdelete\s+this\b', 'an object does not delete itself'),
    (r'\bco_await\b|\bco_yield\b|\bco_return\b', 'no coroutines'),
    (r'\b(?:usleep|nanosleep|sleep_for|sleep_until|clock_nanosleep)\s*\(', 'nothing sleeps'),
    (r'(?<![\w.:>])sleep\s*\(', 'nothing sleeps'),
    (r'\bsignal\s*\(\s*SIG', 'signals belong to daemon/io/lifecycle'),
]
BANNED_IN_TESTS = [(r'\btime\.sleep\s*\(|\basyncio\.sleep\s*\(|from time import[^\n]*\bsleep\b',
                    'tests wait for a condition, with a deadline')]
UNFINISHED = re.compile(r'\b(?:TO' r'DO|FIX' r'ME|X' r'XX|HA' r'CK)\b')

STATIC = re.compile(r'^\s*(?:inline\s+)?(?:static|thread_local)\s+(?:static\s+|thread_local\s+|inline\s+)*'
                    r'(?!constexpr\b|const\b|constinit const\b)(?!.*\boperator\b)[^()]*?(?:=(?!=)|;|\{)')
TYPE = re.compile(r'\b(?:class|struct|union|enum)\s+(?:class\s+)?(?:\[\[\w+\]\]\s*)?([A-Z]\w*)\b')
SOURCE_SUFFIXES = ('.h', '.cc', '.proto', '.py', '.sh', 'meson.build', 'meson_options.txt')


def is_script(path, text):
    return text.startswith('#!') or path.endswith(('.py', '.sh'))


def check_text(verdict, path, text):
    lines = text.split('\n')
    if text and not text.endswith('\n'):
        verdict.complain(path, len(lines), 'the last line does not end')
    for number, line in enumerate(lines, 1):
        if '\t' in line:
            verdict.complain(path, number, 'a tab')
        if '\r' in line:
            verdict.complain(path, number, 'a carriage return')
        if line != line.rstrip():
            verdict.complain(path, number, 'space at the end of the line')
        if path.endswith(SOURCE_SUFFIXES) and len(line) > LINE_MAX:
            verdict.complain(path, number, f'{len(line)} columns, {LINE_MAX} are allowed')
        if UNFINISHED.search(line):
            verdict.complain(path, number, 'unfinished work is a limit in the README, not a comment')
    if path.endswith(('.h', '.cc', '.proto')) and not lines[0].startswith('// SPDX-License-Identifier: MIT'):
        verdict.complain(path, 1, 'the first line is not the SPDX line')
    if is_script(path, text) and not any(line == '# SPDX-License-Identifier: MIT' for line in lines[:2]):
        verdict.complain(path, 1, 'no SPDX line at the top')
    if path.endswith(SOURCE_SUFFIXES) and len(lines) - 1 > FILE_MAX and path not in LONG_FILES:
        verdict.complain(path, FILE_MAX, f'{len(lines) - 1} lines, {FILE_MAX} are allowed')


def check_words(verdict, path, bare):
    for number, line in enumerate(bare.splitlines(), 1):
        for pattern, reason in BANNED_IN_CPP:
            odd = any(path == file and text in line for file, text in ODD_CALLS)
            if re.search(pattern, line) and not odd:
                verdict.complain(path, number, f'{line.strip()[:60]}: {reason}')
        if path.endswith('.h') and re.search(r'\busing\s+namespace\b(?!.*_literals;)', line):
            verdict.complain(path, number, 'no `using namespace` in a header')
        variable = re.search(r'(\w+)\s*(?:=|;|\{)', line)
        if STATIC.match(line) and (path, variable and variable.group(1)) not in ODD_STATICS:
            verdict.complain(path, number, f'{line.strip()[:60]}: no static mutable state')
        for name in TYPE.findall(line):
            words = re.findall(r'[A-Z][a-z0-9]*', name.replace('InfoHash', ''))
            bad = BANNED_WORDS.intersection(words)
            if bad and (path, name) not in ODD_TYPE_NAMES:
                verdict.complain(path, number, f'type name {name}: {", ".join(sorted(bad))} says nothing')


def functions(bare):
    """Yields (name, first line, last line) of every function body; lambdas count with their function."""
    stack = []
    line = 1
    head = ''
    head_line = 1
    for char in bare:
        if char == '\n':
            line += 1
        if char == '{':
            inside = any(kind == 'function' for kind, _, _ in stack)
            kind, name = 'other', ''
            is_type = re.search(r'\b(?:namespace|class|struct|enum|union)\b[^()]*$', head)
            if not inside and ')' in head and not is_type:
                calls = re.findall(r'([~\w:]+)\s*\(', head)
                if calls and not head.rstrip().endswith(('=', ',', '(')):
                    kind, name = 'function', calls[0]
            stack.append((kind, name, head_line if head.strip() else line))
            head = ''
        elif char == '}':
            if stack:
                kind, name, first = stack.pop()
                if kind == 'function':
                    yield name, first, line
            head = ''
        elif char == ';':
            head = ''
        else:
            if not head.strip():
                head_line = line
            head += char


def check_functions(verdict, path, bare):
    code = re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', lambda m: '\n' * m.group(0).count('\n'), bare, flags=re.M)
    for name, first, last in functions(code):
        if path.startswith('tests/unit/') and name == 'main':
            continue  # a list of the tests
        if last - first + 1 > FUNCTION_MAX and (path, name) not in LONG_FUNCTIONS:
            verdict.complain(path, first, f'{name}: {last - first + 1} lines, {FUNCTION_MAX} are allowed')


def check_tests_run(verdict, path, bare):
    for number, line in enumerate(bare.splitlines(), 1):
        case = re.match(r'TEST\((\w+)\)', line)
        if case and not re.search(rf'\bcmocka_unit_test\w*\({case.group(1)}\b', bare):
            verdict.complain(path, number, f'{case.group(1)} is in no list of tests: it never runs')


def check_is_built(verdict, path):
    folder, name = os.path.split(path)
    stem = name[:-len('.cc')]
    names = [f"'{name}'"]
    for prefix in ('test_', 'fuzz_', 'bench_', 'sim_'):
        if stem.startswith(prefix):
            names.append(f"'{stem[len(prefix):]}'")
    while True:
        build_file = os.path.join(folder, 'meson.build')
        if os.path.exists(os.path.join(tree.root(), build_file)):
            text = tree.read(build_file)
            if any(name in text for name in names):
                return
        if not folder:
            break
        folder, last = os.path.split(folder)
        names = [f"'{last}/{name[1:]}" for name in names]
    verdict.complain(path, 1, 'no meson.build names this file')


def main():
    verdict = tree.Verdict()
    for path in tree.files():
        if path.startswith(('tests/data/', 'tests/fuzz/corpus/')) or path == 'LICENSE':
            continue
        try:
            text = tree.read(path)
        except UnicodeDecodeError:
            verdict.complain(path, 1, 'not UTF-8 text; binary files go to tests/data or a corpus')
            continue
        verdict.looked_at += 1
        check_text(verdict, path, text)
        if path.endswith('.py') and path.startswith('tests/') and not path.startswith('tests/lint/'):
            for number, line in enumerate(text.splitlines(), 1):
                for pattern, reason in BANNED_IN_TESTS:
                    if re.search(pattern, line):
                        verdict.complain(path, number, reason)
        if path.endswith(tree.CPP):
            bare = tree.bare_cpp(text)
            check_words(verdict, path, bare)
            check_functions(verdict, path, bare)
            check_tests_run(verdict, path, bare)
            if path.endswith('.h') and '\n#pragma once\n' not in text:
                verdict.complain(path, 1, 'no #pragma once')
        if path.endswith('.cc'):
            check_is_built(verdict, path)
    verdict.finish()


main()
