#!/usr/bin/python3
"""page.py - what the wall of 2,000 links costs the server, and how long a browser waits for it.

The collector's own web process stands on a state that the fixture of tests/web made (40 agents, 20 vendors,
a journal of ten minutes).  Server: CPU seconds of the process while a log-in loads everything that the wall
asks for, over one TLS connection, by rusage of /proc.  Browser: a real Chromium with a cold and then a warm
cache, from the navigation to the mark that wall.js sets once every link stands there; and its own CPU, all of its
processes, for one load and for ten seconds of live figures.  The peer is SmokePing's overview, in CPU a page;
it draws 200 targets.
"""
import http.client
import os
import re
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

import bench

sys.path.insert(0, os.path.join(bench.TOP, 'tests', 'web'))

import stack as web                                                      # noqa: E402

LINKS, AGENTS, VENDORS = 2000, 40, 20
ZONES = ('pudong', 'xuhui', 'minhang', 'extranet')
MOST_CPU_S, MOST_WAIT_S = 0.5, 1.0
PEER_TARGETS = 200


def plan():
    """links.yaml of LINKS links."""
    out = ['vendors:']
    out += [f'  - {{id: cloud-{v}, code: C{v}, code_en: C{v}, name: 第{v}云计算有限公司, name_en: Cloud {v} Ltd.}}'
            for v in range(VENDORS)]
    out += ['agents:']
    out += [f'  - {{id: agent-{a}, vendor: cloud-{a % VENDORS}, zone: {ZONES[a % 4]}, name: {a}号探针, name_en: Probe {a}}}'
            for a in range(AGENTS)]
    out += ['links:']
    out += [f'  - {{id: l{k}, agent: agent-{k % AGENTS}, probe: icmp, target: 10.{k % AGENTS}.{k // AGENTS}.1, step: 10s, '
            f'count: 5, class: {"ABC"[k % 3]}, zone: {ZONES[k // AGENTS % 4]}, name: 第{k}条政务外网链路, name_en: Link {k}}}'
            for k in range(LINKS)]
    return '\n'.join(out) + '\n'


def cpu_of(*pids):
    """User and system seconds of processes so far."""
    total = 0
    for pid in pids:
        try:
            with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as f:
                fields = f.read().rsplit(')', 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / os.sysconf('SC_CLK_TCK')


def session_of(leader):
    """All processes of a session."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if os.getsid(int(pid)) == leader:
                found.append(int(pid))
        except OSError:
            pass
    return found


class Reader:
    """A log-in that loads what the wall loads."""

    def __init__(self, url):
        at = urllib.parse.urlsplit(url)
        self.c = http.client.HTTPSConnection(at.hostname, at.port, timeout=60,
                                             context=ssl._create_unverified_context())   # noqa: SLF001
        self.headers = {'Host': at.netloc}
        form = urllib.parse.urlencode({'user': web.USER, 'password': web.PASSWORD, 'next': '/'})
        r, _ = self.ask('POST', '/login', form, {'Content-Type': 'application/x-www-form-urlencoded', 'Origin': url})
        assert r.status == 303, f'log-in: {r.status}'
        self.headers['Cookie'] = r.getheader('Set-Cookie').split(';')[0]
        _, page = self.ask('GET', '/assets/app.js')
        names = set(re.findall(rb"'\./(\w+\.js)'", page))
        self.paths = ['/', '/assets/app.css', '/assets/app.js', '/assets/favicon.svg',
                      *('/assets/' + n.decode() for n in names), '/api/status', '/api/links', '/api/incidents']

    def ask(self, method, path, body=None, more=None):
        self.c.request(method, path, body, {**self.headers, **(more or {})})
        r = self.c.getresponse()
        return r, r.read()

    def load(self):
        """The bytes of one wall."""
        return sum(len(self.ask('GET', p)[1]) for p in self.paths)


def server_row(s, loads):
    reader = Reader(s.url)
    size, idle, used = reader.load(), [], []
    for _ in range(3):                      # what it does anyway, to be taken off
        begin, at = cpu_of(s.web.pid), time.monotonic()
        time.sleep(1)
        idle.append((cpu_of(s.web.pid) - begin) / (time.monotonic() - at))
    for _ in range(5):
        begin, at = cpu_of(s.web.pid), time.monotonic()
        for _ in range(loads):
            reader.load()
        used.append((cpu_of(s.web.pid) - begin - statistics.median(idle) * (time.monotonic() - at)) / loads)
    ours = statistics.median(used)
    name, peer, note = 'SmokePing', None, ''
    try:
        peer = smokeping()
    except bench.NotInstalled as e:
        note = str(e)
    bench.row(f'wall of {LINKS:,} links: CPU of the server', 's', f'<= {MOST_CPU_S}', ours=ours, peer=peer,
              peer_name=f'{name}, {PEER_TARGETS} targets', ratio=ours / peer if peer else None,
              reached=ours <= MOST_CPU_S, note=f'{size / 1e6:.1f} MB; {note}'.rstrip('; '))


def smokeping():
    """CPU seconds of SmokePing's overview of PEER_TARGETS targets, median of three, its image cache empty each time."""
    cgi = next((p for p in ('/usr/share/smokeping/smokeping.cgi', '/usr/lib/cgi-bin/smokeping.cgi') if os.path.exists(p)), None)
    if cgi is None:
        raise bench.NotInstalled('SmokePing is not installed')
    d = tempfile.mkdtemp(prefix='lw-smokeping-')
    try:
        for sub in ('img', 'data/All', 'cache'):
            os.makedirs(os.path.join(d, sub))
        conf = smokeping_conf(d)
        made = os.path.join(d, 'data', 'All', 't0.rrd')
        ds = [f'DS:{n}:GAUGE:600:0:180' for n in ('uptime', 'loss', 'median', *(f'ping{k}' for k in range(1, 21)))]
        begin = int(time.time()) - 86400
        subprocess.run(['rrdtool', 'create', made, '-b', str(begin), '--step', '300', *ds, 'RRA:AVERAGE:0.5:1:1008',
                        'RRA:AVERAGE:0.5:12:4320', 'RRA:MIN:0.5:12:4320', 'RRA:MAX:0.5:12:4320'], check=True)
        rows = [f'{begin + 300 * k}:U:0:' + ':'.join(['0.0051', *(f'{0.004 + 0.0001 * p:.4f}' for p in range(20))])
                for k in range(1, 286)]
        subprocess.run(['rrdtool', 'update', made, *rows], check=True)
        for k in range(1, PEER_TARGETS):
            shutil.copy(made, os.path.join(d, 'data', 'All', f't{k}.rrd'))
        used = []
        for _ in range(3):
            shutil.rmtree(os.path.join(d, 'img'))
            os.mkdir(os.path.join(d, 'img'))
            before = os.times()
            r = subprocess.run(['perl', '-MSmokeping', '-e', 'Smokeping::cgi(shift, CGI->new)', '-MCGI', conf], check=False,
                               capture_output=True, env={**os.environ, 'REQUEST_METHOD': 'GET', 'QUERY_STRING': 'target=All',
                                                         'SCRIPT_NAME': '/smokeping.cgi', 'SERVER_NAME': 'localhost'})
            after = os.times()
            pictures = sum(len([f for f in files if f.endswith('.png')]) for _, _, files in os.walk(os.path.join(d, 'img')))
            if r.returncode != 0 or pictures < PEER_TARGETS:
                raise bench.Unmeasured(f'SmokePing drew {pictures} pictures: {r.stderr.decode(errors="replace")[-300:]}')
            used.append(after.children_user + after.children_system - before.children_user - before.children_system)
        return statistics.median(used)
    finally:
        shutil.rmtree(d)


def smokeping_conf(d):
    """Writes its configuration; the path."""
    path = os.path.join(d, 'config')
    base = '/etc/smokeping/basepage.html'
    with open(path, 'w', encoding='ascii') as f:
        f.write(f'''*** General ***
owner = x
contact = x@localhost
mailhost = localhost
imgcache = {d}/img
imgurl = img
datadir = {d}/data
piddir = {d}/cache
cgiurl = http://localhost/smokeping.cgi
smokemail = /etc/smokeping/smokemail
tmail = /etc/smokeping/tmail
*** Database ***
step = 300
pings = 20
AVERAGE 0.5 1 1008
AVERAGE 0.5 12 4320
MIN 0.5 12 4320
MAX 0.5 12 4320
*** Presentation ***
template = {base}
+ overview
width = 600
height = 50
range = 10h
+ detail
width = 600
height = 200
"Last 3 Hours" 3h
*** Probes ***
+ FPing
binary = /usr/bin/fping
*** Targets ***
probe = FPing
menu = Top
title = Top
+ All
menu = All
title = All
''')
        for k in range(PEER_TARGETS):
            f.write(f'++ t{k}\nmenu = t{k}\ntitle = t{k}\nhost = 127.0.0.1\n')
    return path


def browser_rows(s, loads):
    try:
        from webdriver import Browser, WebDriverError
        b = Browser()
    except (ImportError, OSError) as e:
        raise bench.NotInstalled(f'Chromium: {e}') from None
    try:
        b.go(s.url + '/')
        b.type('#user', web.USER)
        b.type('#password', web.PASSWORD)
        b.click('button[type=submit]')
        stands = f"return document.querySelectorAll('.cell').length === {LINKS} && performance.getEntriesByName('wall')[0].startTime"
        waits = [b.wait(stands, 'the wall', 60) / 1000]
        cpu = []
        for _ in range(loads):
            begin = cpu_of(*session_of(b.driver.pid))
            b.go(s.url + '/')
            waits.append(b.wait(stands, 'the wall', 60) / 1000)
            cpu.append(cpu_of(*session_of(b.driver.pid)) - begin)
        nodes = b.run("return document.querySelectorAll('*').length")
        begin, at = cpu_of(*session_of(b.driver.pid)), time.monotonic()
        time.sleep(10)
        live = (cpu_of(*session_of(b.driver.pid)) - begin) / (time.monotonic() - at)
    except WebDriverError as e:
        raise bench.Unmeasured(str(e)) from None
    finally:
        b.close()
    wait = statistics.median(waits[1:])
    bench.row(f'wall of {LINKS:,} links: navigation to all links shown', 's', f'< {MOST_WAIT_S:.0f}', ours=wait,
              reached=wait < MOST_WAIT_S, note=f'cold {waits[0]:.2f} s, then {", ".join(f"{w:.2f}" for w in waits[1:])}; {nodes} elements')
    bench.row(f'wall of {LINKS:,} links: CPU of Chromium', 's', '', ours=statistics.median(cpu), reached=True,
              note=f'all its processes, one load; live, {live * 100:.0f} % of a core at 200 samples/s')


def main():
    args = bench.arguments(__doc__.split('\n', 1)[0])
    loads = 3 if args.quick else 10
    d = tempfile.mkdtemp(prefix='lw-bench-page-')
    try:
        path = os.path.join(d, 'links.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(plan())
        s = web.Stack(args.build, days=0.0005, live=True, links=path)
        try:
            bench.measure(args, [('wall server', lambda: server_row(s, loads)), ('wall browser', lambda: browser_rows(s, loads))])
        finally:
            s.stop()
    finally:
        shutil.rmtree(d)
    return 0


if __name__ == '__main__':
    sys.exit(main())
