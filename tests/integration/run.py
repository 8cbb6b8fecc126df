#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the integration tests: every function marked with @test in test_*.py, each in a process of its own.

    tests/integration/run.py --bin build                       all that fit these programs
    tests/integration/run.py --bin build --filter kill -v      those with "kill" in their name, with output
    tests/integration/run.py --bin build-release --tag release only those that need the optimised programs
"""
import argparse
import concurrent.futures
import glob
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77
SLOWEST = 5


def discover():
    """(file.function, function) of every test, in the order of files and lines."""
    sys.path.insert(0, HERE)
    for path in sorted(glob.glob(os.path.join(HERE, 'test_*.py'))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, value in vars(module).items():
            if getattr(value, 'is_test', False):
                yield f'{module.__name__[len("test_"):]}.{name}', value


def run_one(name):
    """In the child: one test; the exit code says how it ended, and a skipped one's last line why."""
    import harness
    function = dict(discover())[name]
    try:
        function()
    except harness.Skip as skip:
        print(skip)
        return SKIPPED
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        return 1
    return 0


class Runner:
    def __init__(self, options):
        self.options = options
        self.results = []
        self.children = set()
        self.lock = threading.Lock()
        self.stopped = False

    def run(self, name, function):
        """Starts a child in a process group of its own, so that nothing of it outlives it."""
        if self.stopped:
            return
        begin = time.monotonic()
        child = subprocess.Popen([sys.executable, '-B', __file__, '--one', name], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                                 env={**os.environ, 'P2P_TEST_BIN': self.options.bin})
        with self.lock:
            self.children.add(child.pid)
        try:
            output, _ = child.communicate(timeout=function.timeout * self.options.patience)
            timed_out = False
        except subprocess.TimeoutExpired:
            timed_out = True
        with self.lock:
            self.children.discard(child.pid)
        self.kill_group(child.pid)
        if timed_out:
            output, _ = child.communicate()
        text = output.decode(errors='replace')
        if timed_out:
            text += f'\nended after {function.timeout * self.options.patience:.0f} s\n'
        result = {0: 'ok', SKIPPED: 'skip'}.get(child.returncode, 'FAIL') if not timed_out else 'FAIL'
        self.report(name, result, time.monotonic() - begin, text)

    @staticmethod
    def kill_group(pid):
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def report(self, name, result, seconds, text):
        reason = text.strip().splitlines()[-1] if result == 'skip' and text.strip() else ''
        with self.lock:
            self.results.append({'name': name, 'result': result, 'seconds': round(seconds, 2),
                                 'reason': reason})
            print(f'{result:4} {name} {seconds:.1f}s' + (f' ({reason})' if reason else ''), flush=True)
            if result == 'FAIL' or self.options.verbose:
                print('\n'.join('     ' + line for line in text.rstrip().splitlines()), flush=True)

    def run_all(self, tests):
        together = [test for test in tests if not test[1].alone]
        alone = [test for test in tests if test[1].alone]
        together.sort(key=lambda test: -test[1].timeout)  # long ones first, so that none is left at the end
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            try:
                for future in [pool.submit(self.run, *test) for test in together]:
                    future.result()
                for test in alone:
                    self.run(*test)
            except KeyboardInterrupt:
                self.stopped = True
                with self.lock:
                    for pid in self.children:
                        self.kill_group(pid)
                raise

    def finish(self):
        slow = sorted(self.results, key=lambda row: -row['seconds'])[:SLOWEST]
        print('slowest: ' + ', '.join(f'{row["name"]} {row["seconds"]:.1f}s' for row in slow))
        count = {kind: sum(row['result'] == kind for row in self.results) for kind in ('ok', 'FAIL', 'skip')}
        if self.options.summary:
            with open(self.options.summary, 'w', encoding='utf-8') as file:
                json.dump(self.results, file, indent=1)
        print(f'{count["ok"]} passed, {count["FAIL"]} failed, {count["skip"]} skipped')
        return 1 if count['FAIL'] or not self.results else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--bin', default='build', help='a build folder, or one that holds the programs')
    parser.add_argument('--filter', default='', help='only tests with this in their name')
    parser.add_argument('--tag', help='only tests with this tag; without it those that have none')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--patience', type=float, default=1.0, help='factor on every test\'s time limit')
    parser.add_argument('--summary', help='write the results here as JSON')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('-v', '--verbose', action='store_true')
    parser.add_argument('--one', help=argparse.SUPPRESS)
    options = parser.parse_args()
    # A shell's background job ignores Ctrl-C, and so would what it starts; some tests send one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if options.one:
        sys.exit(run_one(options.one))
    options.bin = os.path.abspath(options.bin)
    tests = [(name, function) for name, function in discover() if options.filter in name and
             (options.tag in function.tags if options.tag else not function.tags)]
    if options.list:
        print('\n'.join(name for name, _ in tests))
        return
    runner = Runner(options)
    try:
        runner.run_all(tests)
    except KeyboardInterrupt:
        print('interrupted')
        sys.exit(130)
    sys.exit(runner.finish())


if __name__ == '__main__':
    main()
