#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shell and Python scripts parse, and are executable where they begin with #!."""
import ast
import os
import subprocess

import tree


def main():
    verdict = tree.Verdict()
    for path in tree.files():
        full = os.path.join(tree.root(), path)
        with open(full, 'rb') as file:
            first = file.readline(200)
        runs_shell = first.startswith(b'#!') and first.split()[-1].endswith((b'bash', b'/sh'))
        is_shell = path.endswith('.sh') or runs_shell
        is_python = path.endswith('.py')
        if not is_shell and not is_python:
            continue
        verdict.looked_at += 1
        if first.startswith(b'#!') and not os.access(full, os.X_OK):
            verdict.complain(path, 1, 'not executable')
        if is_shell:
            process = subprocess.run(['bash', '-n', full], capture_output=True, text=True)
            if process.returncode != 0:
                verdict.complain(path, 1, process.stderr.strip())
        if is_python:
            try:
                ast.parse(tree.read(path), path)
            except SyntaxError as error:
                verdict.complain(path, error.lineno or 1, str(error))
    verdict.finish()


main()
