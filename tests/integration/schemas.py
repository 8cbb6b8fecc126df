# SPDX-License-Identifier: MIT
"""What every JSON document of p2pctl has to look like: CLI.md, "Output", as a table.

    schemas.check('group members', document)

More fields than these are welcome. A schema is a type, a pattern, a list with the schema of its rows, or a
dict of fields.
"""
import re

from harness import expect

NUMBER = (int, float)
HEX = re.compile(r'[0-9a-f]+')
HEX40 = re.compile(r'[0-9a-f]{40}')
HEX64 = re.compile(r'[0-9a-f]{64}')
TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)')
ADDRESS = re.compile(r'p2p://[^/]+:\d+/#[0-9a-f]{64}')
HOST_PORT = re.compile(r'(\[[0-9a-f:.]+\]|[^\[\]:]+):\d+')


def words(*choices):
    return re.compile('|'.join(re.escape(word) for word in choices))


def maybe(pattern):
    """Empty where it is not known."""
    return re.compile(f'(?:{pattern.pattern})?')


ROLE = words('none', 'pending', 'member', 'admin', 'owner')
ACCOUNT = {'user': str, 'device': HEX64, 'tracker': ADDRESS, 'connected': bool}
SESSION = {'id': HEX64, 'current': bool, 'online': bool, 'addresses': [HOST_PORT], 'since': TIME}
GROUP = {'group': str, 'role': ROLE, 'members': NUMBER, 'requests': NUMBER, 'description': str,
         'unlisted': bool, 'owner': str, 'id': HEX64, 'invited': bool, 'invitations': [str]}
MEMBER = {'user': str, 'role': ROLE, 'online': bool}
DECISION = {'group': str, 'users': [str], 'accepted': bool}
FILE = {'group': str, 'name': str, 'size': NUMBER, 'sha1': maybe(HEX40), 'pieces': NUMBER,
        'piece_length': NUMBER, 'seeders': NUMBER, 'leechers': NUMBER, 'shared_by': str, 'sharing': bool,
        'state': words('listed', 'hashing', 'publishing', 'sharing', 'changed', 'missing', 'refused')}
FILE_SHOWN = {**FILE, 'sha1': HEX40, 'info_hash_v1': maybe(HEX40), 'info_hash_v2': HEX64,
              'pieces_sha1': [HEX40]}
DOWNLOAD = {'id': HEX, 'group': str, 'name': str,
            'state': words('queued', 'downloading', 'verifying', 'complete', 'paused', 'stalled', 'failed'),
            'size': NUMBER, 'done': NUMBER, 'rate': NUMBER, 'peers': NUMBER, 'path': str, 'cause': str}
DOWNLOAD_SHOWN = {**DOWNLOAD, 'sources': [{'user': str, 'device': HEX64, 'bytes': NUMBER}],
                  'uploaded': NUMBER, 'duplicate': NUMBER, 'wasted': NUMBER,
                  'file_sha1': words('pending', 'ok', 'mismatch')}
DOWNLOADS = {'downloads': [DOWNLOAD]}
LIMITS = {'upload': NUMBER, 'download': NUMBER}
OPERATOR_USER = {'user': str, 'disabled': bool, 'devices': NUMBER, 'online': NUMBER, 'groups': NUMBER,
                 'created': TIME}

DOCUMENTS = {
    'account create': ACCOUNT,
    'account login': ACCOUNT,
    'account logout': {'user': str, 'device': HEX64, 'connected': bool},
    'account whoami': ACCOUNT,
    'account passwd': ACCOUNT,
    'account sessions list': {'sessions': [SESSION]},
    'account sessions revoke': SESSION,
    'group create': GROUP,
    'group list': {'groups': [GROUP]},
    'group show': GROUP,
    'group join': GROUP,
    'group leave': {'group': str, 'role': words('none')},
    'group requests': {'requests': [{'group': str, 'user': str, 'message': str, 'since': TIME}]},
    'group accept': DECISION,
    'group reject': DECISION,
    'group invite': {'group': str, 'invited': [str], 'accepted': [str]},
    'group members': {'group': str, 'members': [MEMBER]},
    'group promote': MEMBER,
    'group demote': MEMBER,
    'group remove': {'group': str, 'user': str, 'online': NUMBER, 'applied': NUMBER},
    'group transfer': GROUP,
    'file share': FILE,
    'file list': {'files': [FILE]},
    'file show': FILE_SHOWN,
    'file unshare': FILE,
    'file withdraw': FILE,
    'download start': DOWNLOAD,
    'download list': DOWNLOADS,
    'download show': DOWNLOAD_SHOWN,
    'download wait': DOWNLOADS,
    'download pause': DOWNLOAD,
    'download resume': DOWNLOAD,
    'download cancel': DOWNLOAD,
    'download forget': DOWNLOAD,
    'limits show': LIMITS,
    'limits set': LIMITS,
    'status': {'account': str, 'tracker': {'address': maybe(ADDRESS), 'connected': bool, 'cause': str},
               'uploads': NUMBER, 'downloads': NUMBER, 'rates': LIMITS,
               'warnings': [{'code': str, 'message': str}], 'version': str},
    'daemon doctor': {'checks': [{'name': str, 'state': words('good', 'warning', 'bad'), 'message': str,
                                  'hint': str}]},
    'tracker address': {'address': ADDRESS},
    'tracker status': {'version': str, 'address': ADDRESS, 'listen': HOST_PORT, 'users': NUMBER,
                       'groups': NUMBER, 'shares': NUMBER, 'sessions': NUMBER, 'uptime_seconds': NUMBER,
                       'registration': words('open', 'invite', 'closed')},
    'tracker user list': {'users': [OPERATOR_USER]},
    'tracker user disable': OPERATOR_USER,
    'tracker user enable': OPERATOR_USER,
    'tracker user reset-password': OPERATOR_USER,  # and "password" if p2pctl made it up
    'tracker group list': {'groups': [{'group': str, 'owner': str, 'members': NUMBER, 'shares': NUMBER,
                                       'unlisted': bool, 'created': TIME}]},
    'tracker backup': {'path': re.compile(r'/.+'), 'bytes': NUMBER},
    'tracker invite': {'token': re.compile(r'\S{16,}'), 'uses': NUMBER, 'expires': TIME},
}
ERROR = {'error': {'code': re.compile(r'[a-z_]+'), 'message': re.compile(r'.+'), 'hint': re.compile(r'.+'),
                   'exit': int}}


def conforms(value, schema, where):
    if isinstance(schema, dict):
        expect(isinstance(value, dict), f'{where} is no object: {value!r}')
        for name, inner in schema.items():
            expect(name in value, f'{where} has no {name}: {value!r}')
            conforms(value[name], inner, f'{where}.{name}')
    elif isinstance(schema, list):
        expect(isinstance(value, list), f'{where} is no list: {value!r}')
        for number, row in enumerate(value):
            conforms(row, schema[0], f'{where}[{number}]')
    elif isinstance(schema, re.Pattern):
        expect(isinstance(value, str) and schema.fullmatch(value),
               f'{where} is {value!r}, not {schema.pattern}')
    else:
        is_kind = isinstance(value, schema) and (schema is bool or not isinstance(value, bool))
        expect(is_kind, f'{where} is {value!r}, not {schema}')


def check(command, document):
    """The document itself, if it is what this command promises."""
    conforms(document, DOCUMENTS[command], command)
    return document


def check_error(document):
    conforms(document, ERROR, 'error')
    return document['error']
