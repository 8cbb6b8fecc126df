# SPDX-License-Identifier: MIT
"""The manual says what the programs take, and the programs take what the manual says.

Options, commands and settings come from the programs' own --help, the pages from man/. What a page mentions
counts, not how it is laid out: an option is `.Fl`, a command `.It Ic`, a setting `.It Cm`.
"""
import os
import re

from harness import expect, expect_equal, program, run, test

PAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'man')
HELP = {'-h', '--help'}
ORIGINAL_WORDS = {'create_user', 'login', 'logout', 'create_group', 'join_group', 'leave_group',
                  'list_groups', 'list_requests', 'requests list_requests', 'accept_request',
                  'reject_request', 'list_files', 'upload_file', 'download_file', 'show_downloads',
                  'stop_share'}


def page(name):
    with open(os.path.join(PAGES, name), encoding='utf-8') as file:
        return file.read()


def section(text, title, macro='Sh'):
    """From this heading to the next of its kind."""
    match = re.search(rf'^\.{macro} {title}\n(.*?)(?=^\.Sh |^\.{macro} |\Z)', text, re.M | re.S)
    expect(match, f'there is no section {title}')
    return match.group(1)


def flags(text):
    """Every option that mdoc text mentions: {'-o', '--output'}."""
    return {'-' + flag for line in text.splitlines() if line.startswith('.')
            for flag in re.findall(r'\bFl (-?[A-Za-z][\w-]*)', line)}


def described_flags(text):
    """The options that have an entry of their own in DESCRIPTION."""
    return {flag for line in re.findall(r'^\.It (Fl .*)$', section(text, 'DESCRIPTION'), re.M)
            for flag in flags('.' + line)}


def help_of(name, *words):
    done = run([program(name), *words, '--help'])
    expect_equal((done.code, done.err), (0, ''), str(done))
    return done.out


def listed(text, heading):
    """What stands under a heading of --help, by the first word of each line."""
    match = re.search(rf'^{heading}:\n((?:  .*\n)+)', text, re.M)
    return re.findall(r'^  (\S+)', match.group(1), re.M) if match else []


def options(text):
    return {name for names in listed(text, 'Options') for name in names.split(',') if name.startswith('-')}


def same(page_has, program_has, what):
    expect_equal((sorted(page_has - program_has), sorted(program_has - page_has)), ([], []),
                 f'{what}: (only in the page, only in the program)')


# --- the daemons --------------------------------------------------------------------------------------

def daemon_agrees(name):
    text = help_of(name)
    manual = page(f'{name}.8')
    same(described_flags(manual), options(text), f'options of {name}(8)')
    same(flags(section(manual, 'SYNOPSIS')) | {'-h', '--help', '-V', '--version'}, options(text),
         f'synopsis of {name}(8)')

    settings = set(re.findall(r'^  (\w+)=', text, re.M))
    expect(len(settings) > 5, f'--help lists the settings: {text}')
    explained = re.findall(r'^\.It Cm (\w+)$', section(page(f'{name}.conf.5'), 'SETTINGS'), re.M)
    same(set(explained), settings, f'settings of {name}.conf(5)')
    expect_equal(len(explained), len(set(explained)), f'{name}.conf(5) explains each once')
    # The prefix of the environment's names is the same in both.
    prefix = re.search(r'\((\w+_)KEY\)', text).group(1)
    expect(f'Ev {prefix}KEY' in page(f'{name}.conf.5'), f'{name}.conf(5) names {prefix}KEY')


@test()
def the_pages_of_p2pd_name_its_options_and_settings():
    daemon_agrees('p2pd')


@test()
def the_pages_of_p2p_trackerd_name_its_options_and_settings():
    daemon_agrees('p2p-trackerd')


# --- p2pctl -------------------------------------------------------------------------------------------

def commands(*words):
    """{'group join': its options} of everything that --help leads to."""
    text = help_of('p2pctl', *words)
    below = listed(text, 'Commands')
    if not below:
        return {' '.join(words): options(text) - HELP}
    found = {}
    for word in below:
        found.update(commands(*words, word))
    return found


def command_of(line):
    """The words of `.It Ic account create Ar name ...`, up to the first argument or option."""
    words = []
    for word in line.split()[2:]:
        if word[0].isupper() and len(word) == 2:
            break
        words.append(word)
    return ' '.join(words)


@test()
def p2pctl_1_has_every_command_with_its_options():
    has = commands()
    blocks = re.split(r'^(?=\.It Ic )', section(page('p2pctl.1'), 'COMMANDS').split('\n.Ss Shortcuts\n')[0],
                      flags=re.M)[1:]
    shown = {command_of(block.splitlines()[0]): block for block in blocks}
    expect_equal(len(shown), len(blocks), 'each command stands there once')
    same(set(shown), set(has), 'commands of p2pctl(1)')
    everywhere = options(help_of('p2pctl'))
    for name, block in shown.items():
        block = re.split(r'^\.Ss ', block, flags=re.M)[0]
        same(flags(block) - everywhere, has[name], f'p2pctl {name}')
        missing = has[name] - flags(block.splitlines()[0])
        expect(not missing, f'p2pctl {name}: the heading lacks {missing}')


@test()
def p2pctl_1_has_every_option_for_all_commands():
    described = described_flags(page('p2pctl.1'))
    same(described, options(help_of('p2pctl')), 'options of p2pctl(1)')


@test()
def p2pctl_1_has_every_shortcut():
    rows = re.findall(r'^\.It Ic (\w+) Ta (.*)$', section(page('p2pctl.1'), 'Shortcuts', 'Ss'), re.M)
    table = re.search(r'Shortcuts:\n((?:  .*\n)+)', help_of('p2pctl')).group(1)
    shortcuts = dict(re.findall(r'^  (\w+) +(.*)$', table, re.M))
    expect_equal(dict(rows), shortcuts)


@test()
def the_words_of_the_original_system_are_taken_and_listed():
    lines = re.findall(r'^\.It (Ic .*?) Ta (.*)$', section(page('p2pctl.1'), 'COMPATIBILITY'), re.M)
    words = {command_of('.It ' + line): meaning for line, meaning in lines}
    same(set(words), ORIGINAL_WORDS, 'COMPATIBILITY of p2pctl(1)')
    known = commands()
    for word, meaning in words.items():
        help_of('p2pctl', *word.split())
        expect(any(meaning.startswith(name) for name in known), f'{word}: there is no command {meaning}')
    help_text = help_of('p2pctl')
    shown = [word for word in words if re.search(rf'^  {word} ', help_text, re.M)]
    expect_equal(sorted(shown), ['login', 'logout'], 'the others are hidden from --help')


@test()
def every_exit_status_and_no_other_is_in_the_page():
    text = section(page('p2pctl.1'), 'EXIT STATUS')
    expect_equal([int(number) for number in re.findall(r'^\.It (\d+)$', text, re.M)],
                 [*range(11), 130])


@test()
def the_versions_of_the_programs_agree():
    names = ('p2pctl', 'p2pd', 'p2p-trackerd')
    said = {name: run([program(name), '--version']).out.strip() for name in names}
    versions = {text.removeprefix(name + ' ') for name, text in said.items()}
    expect_equal(len(versions), 1, str(said))
