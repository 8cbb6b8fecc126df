#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `meson install` gives systemd: units that it reads without a word, as closed as promised, and a user.

    units.py SOURCE-ROOT BUILD-FOLDER

Installs into a scratch folder. Skipped only without systemd-analyze.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tree

SKIPPED = 77
# Unit: its folder below lib/systemd, and the highest exposure in tenths (systemd-analyze security).
UNITS = {
    'p2p-trackerd.service': ('system', 12),
    'p2pd@.service': ('system', 16),
    'p2pd.service': ('user', 23),
}
USER_FILE = 'p2p-tracker.conf'  # in sysusers.d and tmpfiles.d
INSTANCE = 'root'  # a user that every machine has: %i of a template


def run(*command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors='replace', **options)
    return done.returncode, done.stdout.strip()


class Installed:
    """The tree that `meson install` makes, below a scratch folder."""

    def __init__(self, scratch, verdict):
        self.scratch = scratch
        self.top = os.path.join(scratch, 'installed')
        self.verdict = verdict
        self.environment = {**os.environ, 'LC_ALL': 'C.UTF-8', 'SYSTEMD_COLORS': '0', 'SYSTEMD_PAGER': '',
                            'XDG_RUNTIME_DIR': scratch, 'HOME': scratch}

    def install(self, build):
        meson = shutil.which('meson')
        code, said = run(meson or 'meson', 'install', '-C', build, '--no-rebuild', '--quiet', '--destdir',
                         self.top)
        if code != 0:
            self.verdict.complain('systemd/meson.build', 1, f'meson install ends with {code}: {said[-800:]}')
        pages = self.find('share/man')
        self.environment['MANPATH'] = pages[0] if pages else ''
        return code == 0

    def find(self, inside):
        return sorted(glob.glob(os.path.join(self.top, '**', inside), recursive=True))

    def copy_with_programs(self, path, text):
        """A copy of a unit that names the programs where they are now; its path."""
        folder = os.path.join(self.scratch, os.path.basename(os.path.dirname(path)))
        os.makedirs(folder, exist_ok=True)
        copy = os.path.join(folder, os.path.basename(path))
        with open(copy, 'w', encoding='utf-8') as file:
            file.write(re.sub(r'^(Exec\w+=)(?=/\S*/p2p)', rf'\1{self.top}', text, flags=re.M))
        return copy

    def analyze(self, kind, verb, *arguments, path=''):
        # The units of this machine's administrator are not ours to judge.
        scope = ['--user'] if kind == 'user' else []
        folders = [os.path.dirname(path)] if path else []
        folders += [f'/usr/lib/systemd/{kind}', f'/lib/systemd/{kind}']
        return run('systemd-analyze', *scope, verb, '--no-pager', *arguments,
                   env={**self.environment, 'SYSTEMD_UNIT_PATH': ':'.join(folders)})

    def check_unit(self, name, kind, most):
        found = self.find(f'lib/systemd/{kind}/{name}')
        source = f'systemd/{name}.in'
        if len(found) != 1:
            self.verdict.complain(source, 1, f'installed {len(found)} times below lib/systemd/{kind}')
            return
        with open(found[0], encoding='utf-8') as file:
            text = file.read()
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r'@\w+@', line) and not line.startswith('#'):
                self.verdict.complain(source, number, f'not filled in: {line}')
        programs = re.findall(r'^ExecStart=(\S+)', text, re.M)
        if len(programs) != 1 or not os.access(self.top + programs[0], os.X_OK):
            self.verdict.complain(source, 1, f'ExecStart= names {programs}, which is not installed')
            return
        copy = self.copy_with_programs(found[0], text)
        code, said = self.analyze(kind, 'verify', copy.replace('@.', f'@{INSTANCE}.'), path=copy)
        if code != 0 or said:
            self.verdict.complain(source, 1, f'systemd-analyze verify ends with {code}: {said}')
        code, said = self.analyze(kind, 'security', '--offline=true', f'--threshold={most}', copy, path=copy)
        level = said.splitlines()[-1] if said else 'nothing was said'
        print(f'{name}: {level}')
        if code != 0 or not re.search(r'exposure level for \S+: \d', level):
            self.verdict.complain(source, 1, f'more exposed than {most / 10}: {level}')

    def check_users(self):
        """Whom the units run as is made by sysusers.d, and their configuration folder by tmpfiles.d."""
        found = self.find(f'lib/tmpfiles.d/{USER_FILE}')
        if len(found) != 1:
            self.verdict.complain('systemd/p2p-tracker.tmpfiles', 1, f'installed {len(found)} times')
        found = self.find(f'lib/sysusers.d/{USER_FILE}')
        source = 'systemd/p2p-tracker.sysusers'
        if len(found) != 1:
            self.verdict.complain(source, 1, f'installed {len(found)} times below lib/sysusers.d')
            return
        with open(found[0], encoding='utf-8') as file:
            made = set(re.findall(r'^u\s+(\S+)', file.read(), re.M))
        used = set()
        for path in self.find('systemd/system/*.service'):
            with open(path, encoding='utf-8') as file:
                used |= set(re.findall(r'^User=([^%\s]+)', file.read(), re.M))
        if made != used:
            self.verdict.complain(source, 1, f'makes {sorted(made)}, the units run as {sorted(used)}')
        if shutil.which('systemd-sysusers'):
            root = os.path.join(self.scratch, 'empty')
            os.makedirs(os.path.join(root, 'etc'))
            code, said = run('systemd-sysusers', f'--root={root}', '--dry-run', found[0],
                             env=self.environment)
            if code != 0 or 'p2p-tracker' not in said:
                self.verdict.complain(source, 1, f'systemd-sysusers ends with {code}: {said}')


def main():
    if shutil.which('systemd-analyze') is None:
        print('skipped: systemd-analyze is not installed (Debian: systemd)')
        sys.exit(SKIPPED)
    verdict = tree.Verdict()
    with tempfile.TemporaryDirectory(prefix='p2p-units-') as scratch:
        installed = Installed(scratch, verdict)
        if installed.install(sys.argv[2]):
            for name, (kind, most) in UNITS.items():
                verdict.looked_at += 1
                installed.check_unit(name, kind, most)
            for path in installed.find('*.service'):
                if os.path.basename(path) not in UNITS:
                    verdict.complain(os.path.basename(path), 1, 'is not in the table of tests/lint/units.py')
            installed.check_users()
    verdict.finish()


main()
