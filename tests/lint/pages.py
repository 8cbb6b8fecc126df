#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Manual pages: mandoc has nothing to say about them, they are installed, and what they refer to exists."""
import os
import re
import shutil
import subprocess
import sys

import tree

SKIPPED = 77
PAGE = re.compile(r'man/([\w.-]+)\.([1-8])$')
OURS = re.compile(r'p2p')


def main():
    if shutil.which('mandoc') is None:
        print('skipped: mandoc is not installed (Debian: mandoc)')
        sys.exit(SKIPPED)
    verdict = tree.Verdict()
    pages = {path: match.groups() for path in tree.files() if (match := PAGE.match(path))}
    build = tree.read('man/meson.build')
    for path, (name, section) in pages.items():
        verdict.looked_at += 1
        text = tree.read(path)
        if not text.startswith('.\\" SPDX-License-Identifier: MIT\n'):
            verdict.complain(path, 1, 'the first line is not the SPDX line')
        if f"'{name}.{section}'" not in build:
            verdict.complain(path, 1, 'is not installed: name it in man/meson.build')
        if f'\n.Dt {name.upper()} {section}\n' not in text:
            verdict.complain(path, 1, f'.Dt is not {name.upper()} {section}')
        for number, line in enumerate(text.splitlines(), 1):
            for target in re.findall(r'^\.Xr (\S+) (\d)', line):
                if OURS.match(target[0]) and target not in pages.values():
                    verdict.complain(path, number, f'there is no {target[0]}({target[1]})')
    done = subprocess.run(['mandoc', '-Tlint', '-Wwarning'] + sorted(pages), cwd=tree.root(),
                          capture_output=True, text=True)
    for line in (done.stdout + done.stderr).splitlines():
        place = re.match(r'mandoc: ([^:]+):(\d+):\d+: (.*)', line)
        if place:
            verdict.complain(os.path.normpath(place.group(1)), place.group(2), place.group(3))
        else:
            verdict.complain('man', 1, line)
    if done.returncode != 0 and not verdict.complaints:
        verdict.complain('man', 1, f'mandoc ends with {done.returncode}')
    verdict.finish()


main()
