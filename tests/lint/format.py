#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every C++ file is as clang-format of Debian 12 leaves it (.clang-format). Skipped without clang-format."""
import os
import shutil
import subprocess
import sys

import tree

SKIPPED = 77


def main():
    tool = shutil.which('clang-format-14') or shutil.which('clang-format')
    if tool is None:
        print('skipped: clang-format is not installed (Debian: clang-format)')
        sys.exit(SKIPPED)
    version = subprocess.run([tool, '--version'], capture_output=True, text=True).stdout.strip()
    print(version)
    if ' 14.' not in version:
        print('skipped: versions format differently; the tree is formatted with 14, of Debian 12')
        sys.exit(SKIPPED)
    verdict = tree.Verdict()
    paths = list(tree.files(*tree.CPP))
    verdict.looked_at = len(paths)
    process = subprocess.run([tool, '--dry-run', '-Werror', '--style=file'] + paths, cwd=tree.root(),
                             capture_output=True, text=True)
    for line in process.stderr.splitlines():
        if ': error: ' in line:
            path, number = line.split(':')[:2]
            verdict.complain(os.path.normpath(path), number, f'clang-format -i {path}')
    if process.returncode != 0 and not verdict.complaints:
        verdict.complain('.clang-format', 1, process.stderr.strip()[:400])
    verdict.finish()


main()
