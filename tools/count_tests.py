#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds up the results that ./check collected in a folder; its last line is the closing line of ./check.

meson.json            a JSON line per test program of meson; cmocka's cases inside are counted one by one
*.integration         results of tests/integration/run.py
broken                a line for each thing that stopped the run; each counts as a failure
"""
import glob
import json
import os
import re
import sys

SLOWEST = 8
BAD = {'FAIL', 'TIMEOUT', 'ERROR', 'INTERRUPT', 'UNEXPECTEDPASS'}


class Sum:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.skips = []
        self.seconds = []

    def add_meson(self, row):
        name = row['name'].rpartition(' / ')[2] or row['name']
        out = (row.get('stdout') or '') + '\n' + (row.get('stderr') or '')
        self.seconds.append((row.get('duration') or 0, name))
        if row['result'] == 'SKIP':
            self.skipped += 1
            self.skips.append(f'{name}: ' + next((line for line in out.splitlines() if 'skip' in line), ''))
            return
        ran = sum(int(count) for count in re.findall(r'^\[=+\] Running (\d+) test', out, re.M))
        passed = len(re.findall(r'^\[ +OK \]', out, re.M))
        skipped = sum(int(count) for count in re.findall(r'^\[  SKIPPED \] (\d+) test', out, re.M))
        if row['result'] not in BAD:
            self.passed += max(ran - skipped, passed) if ran else 1
            self.skipped += skipped
            return
        self.passed += passed
        self.skipped += skipped
        self.failed += max(ran - passed - skipped, 1)
        cases = sorted(set(re.findall(r'^\[  FAILED  \] ([a-z]\w+)', out, re.M)))
        self.failures.append(f'{name} ({row["result"].lower()})' + (': ' if cases else '') + ', '.join(cases))

    def add_integration(self, row, suite):
        self.seconds.append((row['seconds'], f'{suite} {row["name"]}'))
        if row['result'] == 'ok':
            self.passed += 1
        elif row['result'] == 'skip':
            self.skipped += 1
            self.skips.append(f'{row["name"]}: {row["reason"]}')
        else:
            self.failed += 1
            self.failures.append(f'{suite} {row["name"]}')


def main():
    folder = sys.argv[1]
    total = Sum()
    for path in glob.glob(os.path.join(folder, 'meson.json')):
        with open(path, encoding='utf-8') as file:
            for line in file:
                total.add_meson(json.loads(line))
    for path in sorted(glob.glob(os.path.join(folder, '*.integration'))):
        with open(path, encoding='utf-8') as file:
            for row in json.load(file):
                total.add_integration(row, os.path.basename(path).split('.')[0])
    broken = os.path.join(folder, 'broken')
    if os.path.exists(broken):
        with open(broken, encoding='utf-8') as file:
            for line in file:
                total.failed += 1
                total.failures.append(line.strip())
    slow = sorted(total.seconds, reverse=True)[:SLOWEST]
    if slow:
        print('slowest: ' + ', '.join(f'{name} {seconds:.1f}s' for seconds, name in slow))
    for text in total.skips:
        print(f'skipped: {text}')
    for text in total.failures:
        print(f'failed: {text}')
    print(f'{total.passed} passed, {total.failed} failed, {total.skipped} skipped')
    return 1 if total.failed or not total.passed else 0


sys.exit(main())
