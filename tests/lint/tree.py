# SPDX-License-Identifier: MIT
"""What every lint test needs: the files of the tree, C++ without comments and strings, and a verdict."""
import os
import re
import sys

CPP = ('.h', '.cc')
SKIPPED_FOLDERS = {'.git', '__pycache__', 'subprojects', '.cache', '.vscode', '.idea'}


def root():
    return os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.abspath(
        os.path.join(os.path.dirname(__file__), '..', '..'))


def files(*suffixes):
    """Relative paths in a stable order; build folders are left out."""
    top = root()
    for folder, folders, names in os.walk(top):
        inside = os.path.relpath(folder, top)
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS and
                            not (inside == '.' and (f == 'build' or f.startswith('build-'))))
        for name in sorted(names):
            path = os.path.normpath(os.path.join(inside, name))
            if not suffixes or path.endswith(suffixes):
                yield path


def read(path):
    with open(os.path.join(root(), path), encoding='utf-8') as file:
        return file.read()


_TOKEN = re.compile(r'''//[^\n]*|/\*.*?\*/|(?<![A-Za-z0-9_])(?:u8|[uUL])?R"([^()\\ ]{0,16})\(.*?\)\1"'''
                    r'''|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+\'''', re.DOTALL)


def bare_cpp(text):
    """The text with comments blank and literals empty; every line keeps its number."""
    def blank(match):
        token = match.group(0)
        lines = '\n' * token.count('\n')
        if token.startswith('/'):
            return ' ' + lines
        return ("''" if token.endswith("'") else '""') + lines
    return _TOKEN.sub(blank, text)


class Verdict:
    def __init__(self):
        self.complaints = []
        self.looked_at = 0

    def complain(self, path, line, what):
        self.complaints.append(f'{path}:{line}: {what}')

    def finish(self):
        for complaint in self.complaints:
            print(complaint)
        print(f'{self.looked_at} files looked at, {len(self.complaints)} complaints')
        sys.exit(1 if self.complaints or self.looked_at == 0 else 0)
