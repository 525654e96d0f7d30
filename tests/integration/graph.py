#!/usr/bin/python3
"""graph.py RUN LINK - waits until the page of a `make run` draws that link.

Logs in as a browser does; the graph counts when the PNG comes and its series holds
figures of the last minutes.
"""

import http.client
import json
import os
import ssl
import sys
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'conf', 'run'))

from process import wait_for                                            # noqa: E402
from sites import AGENT, USER                                           # noqa: E402


class Page:
    """A logged-in browser without eyes."""

    def __init__(self, port, ca, user, password):
        self.port, self.cookie = port, None
        self.context = ssl.create_default_context(cafile=ca)
        status, headers, _ = self.request('POST', '/login', {'user': user, 'password': password})
        if status != 303 or 'Set-Cookie' not in headers:
            raise ConnectionError(f'log-in: status {status}')
        self.cookie = headers['Set-Cookie'].split(';')[0]

    def request(self, method, path, form=None):
        connection = http.client.HTTPSConnection('127.0.0.1', self.port, timeout=10, context=self.context)
        headers = {'Cookie': self.cookie} if self.cookie else {}
        body = None
        if form is not None:
            body = urllib.parse.urlencode(form)
            headers['Content-Type'] = 'application/x-www-form-urlencoded'
            headers['Origin'] = f'https://127.0.0.1:{self.port}'
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, answer.headers, data


def figures(series):
    """How many rows hold a figure (a null is none)."""
    return sum(1 for row in series['rows'] if any(v is not None for v in row[1:]))


def first_graph(run, link):
    """The PNG once it shows something, else None."""
    with open(os.path.join(run, 'ports'), encoding='ascii') as f:
        ports = dict(line.strip().split('=') for line in f)
    with open(os.path.join(run, 'password'), encoding='ascii') as f:
        password = f.read().strip()
    page = Page(int(ports['web']), os.path.join(run, 'pki', 'ca.pem'), USER, password)
    status, _, data = page.request('GET', f'/api/series/{AGENT}/{link}')
    if status != 200 or figures(json.loads(data)) == 0:
        return None
    status, _, data = page.request('GET', f'/graph/{AGENT}/{link}')
    return data if status == 200 and data.startswith(b'\x89PNG') else None


if __name__ == '__main__':
    wait_for(lambda: first_graph(sys.argv[1], sys.argv[2]), 60, 'the first graph', step=1)
