"""control.py - asks alertd's control socket (common/control.h has the words)."""

import json
import socket


class Refused(Exception):
    """alertd's answer was no; .code says why."""

    def __init__(self, error):
        super().__init__(error.get('en', '?'))
        self.code = error.get('code')
        self.error = error


def ask(path, command, timeout=5, **args):
    """One request; its data.  OSError if nobody answers, Refused if the answer is no."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(path)
        s.sendall(json.dumps({'id': 1, 'cmd': command, 'args': args}).encode() + b'\n')
        line = s.makefile('rb').readline()
    if not line:
        raise ConnectionError(f'{path}: no answer to {command}')
    answer = json.loads(line)
    if not answer.get('ok'):
        raise Refused(answer.get('error', {}))
    return answer['data']


def status(path):
    """The data of "status", or None while alertd does not answer."""
    try:
        return ask(path, 'status', timeout=2)
    except (OSError, Refused, ValueError):
        return None
