#!/usr/bin/python3
"""ingest.py - what a collector pays to take samples in, beside collectd and bare libevent.

linkwatch-loadgen is all agents, on one core; what is measured has the other, and both come
before what else runs here.  Rows:
CPU from TLS to the synced journal, 10,000 links sustained, memory of an idle agent, a storm
of reconnects, and the backlog of 72 hours of 50 agents beside live ones.

The bare sink (baresink.c) takes the same bytes from the same load generator: it decrypts
them, finds the frames and acknowledges, and does nothing else.
"""

import ctypes
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from bench import (NotInstalled, Program, Unmeasured, arguments, cpu_seconds, favour, in_turn, installed, measure,
                   median, peak_rss_kb, pin, row, tail, usable, wait_for, why_not)

ADDRESS = '127.0.0.1'
SERVER_CORE, LOAD_CORE = 0, 1
MIB = 1 << 20


def free_port():
    with socket.socket() as s:
        s.bind((ADDRESS, 0))
        return s.getsockname()[1]


def rss_kb(pid):
    with open(f'/proc/{pid}/status', encoding='utf-8') as f:
        return next(int(l.split()[1]) for l in f if l.startswith('VmRSS'))


def tree_bytes(directory):
    return sum(os.lstat(os.path.join(base, n)).st_size for base, _, names in os.walk(directory) for n in names)


class Site:
    """A directory of linkwatch-loadgen, and who listens at its address: a collector or the sink."""

    def __init__(self, args, **shape):
        self.build, self.port = args.build, free_port()
        self.dir = tempfile.mkdtemp(prefix='linkwatch-bench.')
        self.server = None
        self.tool = os.path.join(self.build, 'linkwatch-loadgen')
        argv = [self.tool, 'prepare', self.dir, '--port', str(self.port)]
        for key, value in shape.items():
            argv += [f'--{key}', str(value)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def pki(self, name):
        return [self.path('pki', f'{name}.pem'), self.path('pki', f'{name}.key')]

    def configure(self, **parts):
        """Sets keys of collector.yaml, by part."""
        with open(self.path('collector.yaml'), encoding='utf-8') as f:
            conf = json.load(f)
        for part, keys in parts.items():
            conf.setdefault(part, {}).update(keys)
        with open(self.path('collector.yaml'), 'w', encoding='utf-8') as f:
            json.dump(conf, f)

    def _start(self, name, argv, said):
        self.server = Program(name, argv, self.path(f'{name}.log')).start()
        favour(self.server.pid, SERVER_CORE)
        try:
            wait_for(lambda: said in self.server.said() or not self.server.running(), 60, name)
        except TimeoutError as e:
            raise Unmeasured(str(e)) from e
        if not self.server.running():
            raise Unmeasured(f'{name}: {tail(self.server.log, 3)}')
        return self.server.pid

    def ingest(self):
        """Ingest alone; its pid."""
        os.makedirs(self.path('collector', 'journal'), exist_ok=True)
        return self._start('ingest', [os.path.join(self.build, 'linkwatch-collector'), '-c',
                                      self.path('collector.yaml'), '--role', 'ingest'], 'listening')

    def collector(self):
        """All of it; the pids of ingest and of store."""
        pid = self._start('collector', ['taskset', '-c', str(SERVER_CORE),
                                        os.path.join(self.build, 'linkwatch-collector'), '-c',
                                        self.path('collector.yaml')], 'listening')
        pids = [role_pid(pid, role) for role in ('ingest', 'store')]
        for each in pids:
            favour(each, SERVER_CORE)
        return pids

    def sink(self, *more):
        return self._start('baresink', [os.path.join(self.build, 'tests/bench/baresink'), ADDRESS, str(self.port),
                                        self.path('pki', 'ca.pem'), *self.pki('collector-main'), *more], 'listening')

    def stop(self):
        if self.server is not None:
            self.server.stop()
        self.server = None

    def store(self):
        """What the store says of itself; it may be busy for long."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(120)
            s.connect(self.path('collector', 'store.sock'))
            s.sendall(b'stat\n')
            said = s.recv(1000).decode()
        return {k: int(v) for k, v in (f.split('=') for f in said.split() if '=' in f)}


def role_pid(supervisor, role):
    """The child of a collector that plays a role."""
    for entry in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{entry}/cmdline', encoding='utf-8') as f:
                argv = f.read().split('\0')
            with open(f'/proc/{entry}/stat', encoding='utf-8') as f:
                parent = int(f.read().rpartition(')')[2].split()[1])
        except OSError:
            continue
        if parent == supervisor and '--role' in argv and role in argv:
            return int(entry)
    raise Unmeasured(f'no {role} under {supervisor}')


class Fleet:
    """linkwatch-loadgen at work, asked and told by lines."""

    def __init__(self, site, *options):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([site.tool, 'run', site.dir, '--control', *map(str, options)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        favour(self.process.pid, LOAD_CORE)
        self.rest = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    def say(self, word):
        self.process.stdin.write(word.encode() + b'\n')
        self.process.stdin.flush()

    def line(self, timeout):
        """The next line of its output, as JSON."""
        end = time.monotonic() + timeout
        while b'\n' not in self.rest:
            left = end - time.monotonic()
            ready = select.select([self.process.stdout], [], [], max(0, left))[0]
            got = os.read(self.process.stdout.fileno(), 65536) if ready else b''
            if not got:
                self.log.seek(0)
                raise Unmeasured('load generator: ' + (self.log.read().decode('utf-8', 'replace')[-200:]
                                                       or f'nothing within {timeout} s'))
            self.rest += got
        text, self.rest = self.rest.split(b'\n', 1)
        return json.loads(text)

    def until(self, event, timeout=60):
        """The figures when it says that event."""
        while True:
            said = self.line(timeout)
            if said.get('event') == event:
                return said

    def stat(self):
        self.say('stat')
        return self.until('stat')

    def stop(self, timeout=60):
        """Ends it when all is acknowledged: its last figures."""
        self.say('stop')
        while True:
            said = self.line(timeout)
            if 'event' not in said:
                self.process.wait(10)
                return said


# ------------------------------------------------------------ CPU from TLS to journal


def steady(pid, fleet, seconds):
    """CPU of a server for each sample that it acknowledged meanwhile, in microseconds."""
    fleet.until('up')
    time.sleep(0.5)                     # the plans are out, buffers have their size
    before, spent = fleet.stat(), cpu_seconds(pid)
    time.sleep(seconds)
    after, spent = fleet.stat(), cpu_seconds(pid) - spent
    samples = after['samples_acked'] - before['samples_acked']
    if samples < 1000:
        raise Unmeasured(f'{samples} samples in {seconds} s')
    return spent / samples * 1e6


class Collectd:
    """The network plugin of collectd, encrypted, with nothing behind it: no disk, no acknowledgement."""

    SERIES, VALUES = 2000, 25           # of them in a packet

    def __init__(self, directory):
        self.dir = os.path.join(directory, 'collectd')
        os.makedirs(self.dir, exist_ok=True)
        self.port = free_port()
        self.crypto = ctypes.CDLL('libcrypto.so.3')
        for name in ('EVP_CIPHER_CTX_new', 'EVP_aes_256_ofb'):
            getattr(self.crypto, name).restype = ctypes.c_void_p
        self.key = hashlib.sha256(b'bench').digest()

    def _seal(self, packet):
        """Part "encrypted AES256" of its network protocol."""
        iv, plain, n = os.urandom(16), hashlib.sha1(packet).digest() + packet, ctypes.c_int()
        out = ctypes.create_string_buffer(len(plain) + 32)
        c, ctx = self.crypto, ctypes.c_void_p(self.crypto.EVP_CIPHER_CTX_new())
        c.EVP_EncryptInit_ex(ctx, ctypes.c_void_p(c.EVP_aes_256_ofb()), None, self.key, iv)
        c.EVP_EncryptUpdate(ctx, out, ctypes.byref(n), plain, len(plain))
        c.EVP_CIPHER_CTX_free(ctx)
        body = struct.pack('>H', 5) + b'bench' + iv + out.raw[:n.value]
        return struct.pack('>HH', 0x210, 4 + len(body)) + body

    def packets(self, rounds):
        def part(kind, data):
            return struct.pack('>HH', kind, 4 + len(data)) + data
        now = int(time.time()) - 10 * rounds
        for r in range(rounds):
            for i in range(0, self.SERIES, self.VALUES):
                packet = part(0, b'h%d\0' % (i // 250)) + part(8, struct.pack('>Q', (now + 10 * r) << 30)) + \
                    part(9, struct.pack('>Q', 10 << 30)) + part(2, b'ping\0') + part(4, b'ping\0')
                for k in range(self.VALUES):
                    packet += part(5, b't%d\0' % (i + k)) + \
                        part(6, struct.pack('>HB', 1, 1) + struct.pack('<d', (k * 7 + r) % 97))
                yield self._seal(packet)

    def run(self, rounds):
        """Microseconds of its CPU for each value; one process, ended after it."""
        program = installed('collectd')
        conf, sock = os.path.join(self.dir, 'conf'), os.path.join(self.dir, 'sock')
        with open(os.path.join(self.dir, 'auth'), 'w', encoding='utf-8') as f:
            f.write('bench: bench\n')
        with open(conf, 'w', encoding='utf-8') as f:
            f.write(f'Hostname "bench"\nFQDNLookup false\nBaseDir "{self.dir}"\nPIDFile "{self.dir}/pid"\n'
                    f'Interval 10\nLoadPlugin network\n<Plugin network>\n<Listen "{ADDRESS}" "{self.port}">\n'
                    f'SecurityLevel "Encrypt"\nAuthFile "{self.dir}/auth"\n</Listen>\n</Plugin>\n'
                    f'LoadPlugin unixsock\n<Plugin unixsock>\nSocketFile "{sock}"\n</Plugin>\n')
        p = Program('collectd', [program, '-f', '-C', conf], os.path.join(self.dir, 'log')).start()
        try:
            favour(p.pid, SERVER_CORE)
            wait_for(lambda: os.path.exists(sock) or not p.running(), 15, 'collectd')
            return self._feed(p, sock, rounds)
        finally:
            p.stop()

    def _feed(self, p, sock, rounds):
        packets = list(self.packets(rounds))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect((ADDRESS, self.port))
            spent = cpu_seconds(p.pid)
            for n, packet in enumerate(packets):
                s.send(packet)
                if n % 8 == 7:
                    time.sleep(0.002)   # UDP: what comes too fast is dropped
        last = f'{(self.SERIES - 1) // 250}/ping/ping-t{self.SERIES - 1}'
        wait_for(lambda: self._values(sock) >= self.SERIES or not p.running(), 30, f'collectd has {last}')
        time.sleep(0.3)
        return (cpu_seconds(p.pid) - spent) / (rounds * self.SERIES) * 1e6

    @staticmethod
    def _values(sock):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(sock)
            s.sendall(b'LISTVAL\n')
            with s.makefile('rb') as f:
                return int(f.readline().split()[0])


def cpu_row(args):
    name = 'collector: CPU a sample, TLS to synced journal'
    seconds, rounds = (2, 2) if args.quick else (5, 3)
    with Site(args, agents=50, links=200, batch=20) as ours, Site(args, agents=50, links=200, batch=20) as bare, \
            Site(args, agents=50, links=200, batch=20, rtts=1) as one:
        pid = {'ours': ours.ingest(), 'sink': bare.sink(), 'one': one.ingest()}

        def of(site, key):
            with Fleet(site, '--backlog', '24h') as fleet:
                return steady(pid[key], fleet, seconds)
        collectd = Collectd(ours.dir)
        found = in_turn(rounds, ours=lambda: of(ours, 'ours'), sink=lambda: of(bare, 'sink'),
                        one=lambda: of(one, 'one'), collectd=lambda: collectd.run(40))
    us = {k: median(usable(v)) for k, v in found.items()}
    if us['ours'] is None:
        raise Unmeasured(why_not(found['ours']))
    ratio = us['ours'] / us['collectd'] if us['collectd'] else None
    note = f'batches of 20 samples with 10 RTTs each; with 1 RTT {us["one"] or 0:.2f} us; ' \
        'collectd: encrypted UDP, one value a sample, nothing written, nothing acknowledged'
    row(name, 'us', '<= 3 us and <= 1/4 x collectd', ours=us['ours'], peer=us['collectd'], peer_name='collectd',
        limit=us['sink'], limit_name='the same bytes into a bare libevent sink', ratio=ratio,
        reached=us['ours'] <= 3 and ratio is not None and ratio <= 0.25,
        note='; '.join(filter(None, [note, why_not(found['collectd'])])))


# ------------------------------------------------------------------------- sustained


def made(site, fleet, agents, links, limit_s):
    """Has every file made: by the store's own pace that takes long, by a reader's wish it is at once.  The seconds."""
    begin = time.monotonic()
    wait_for(lambda: fleet.stat()['batches_acked'] * 20 >= 3 * agents * links, 60, 'three steps of each link', step=0.5)
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(120)
        s.connect(site.path('collector', 'store.sock'))
        with s.makefile('rb') as answers:
            for a in range(agents):
                for l in range(links):
                    s.sendall(f'flush load-{a}/l{l}\n'.encode())
                    said = answers.readline()
                    if said != b'ok\n':
                        raise Unmeasured(f'flush load-{a}/l{l}: {said.decode()}')
                if time.monotonic() - begin > limit_s:
                    raise Unmeasured(f'{a + 1} of {agents} times {links} files made in {limit_s} s')
    return time.monotonic() - begin


def sustained_row(args):
    """All on one core: ingest and store, as much as is offered, without falling behind."""
    links, seconds, rate = (2000, 15, 120000) if args.quick else (10000, 40, 120000)
    with Site(args, agents=50, links=links // 50, batch=20) as site:
        pids = site.collector()
        # Ten steps or more pass in a second, as after an outage; the files are made at a step a second.
        with Fleet(site, '--backlog', '6h', '--rate', links) as fleet:
            fleet.until('up')
            made_s = made(site, fleet, 50, links // 50, 60 if args.quick else 240)
            fleet.stop()
        subprocess.run(['sync'], check=False)
        with Fleet(site, '--resume', '--backlog', '6h', '--rate', rate) as fleet:
            fleet.until('up')
            time.sleep(5)
            before, rows = fleet.stat(), site.store()
            spent, begin = [cpu_seconds(p) for p in pids], time.monotonic()
            time.sleep(seconds)
            after, rows_after = fleet.stat(), site.store()
            took = time.monotonic() - begin
            spent = [cpu_seconds(p) - s for p, s in zip(pids, spent)]
        journal = tree_bytes(site.path('collector', 'journal'))
    samples = after['samples_acked'] - before['samples_acked']
    read = (rows_after['next'] - rows['next']) * 20
    written = rows_after['rows'] - rows['rows']
    if samples == 0 or read == 0:
        raise Unmeasured(f'{samples} samples acknowledged, {read} read by the store')
    cpu_us = [spent[0] / samples * 1e6, spent[1] / read * 1e6]
    per_s = min(samples, read) / took
    row(f'collector: {links:,} links sustained on one core', 'samples/s', '>= 100,000', ours=per_s, peer=31000,
        peer_name='collectd to rrdtool (then)', limit=1e6 / sum(cpu_us), limit_name='what this CPU a sample gives a core',
        ratio=per_s / 100000, reached=per_s >= 100000,
        note=f'offered {rate:,}/s; ingest acknowledged {samples / took:,.0f}/s, store read {read / took:,.0f}/s and wrote '
             f'{written / took:,.0f} rows/s; CPU {cpu_us[0]:.2f} + {cpu_us[1]:.2f} us, {sum(spent) / took:.0%} of the '
             f'core; all files made in {made_s:.0f} s; journal {journal / MIB:.0f} MiB; late {rows_after["late"]}')


# ------------------------------------------------------------------ idle, and storms


def idle_kb(site, pid, agents, connected):
    """KiB that each of so many idle connections adds."""
    before = rss_kb(pid)
    with Fleet(site, '--idle', '--connects', 400):
        wait_for(connected, 60, f'{agents} connections', step=0.2)
        time.sleep(1)
        return (rss_kb(pid) - before) / agents


def counted(site, agents):
    """Does the sink say that all are there?"""
    site.server.send(signal.SIGUSR1)
    lines = [l for l in site.server.said().splitlines() if l.startswith('{')]
    return bool(lines) and json.loads(lines[-1])['conns'] >= agents


def idle_row(args):
    agents = 300 if args.quick else 1000
    with Site(args, agents=agents, links=1) as site:
        def ours():
            pid = site.ingest()
            try:
                return idle_kb(site, pid, agents, lambda: site.server.said().count(': session from') >= agents)
            finally:
                site.stop()
                shutil.rmtree(site.path('collector'))

        def bare():
            pid = site.sink('silent')
            try:
                return idle_kb(site, pid, agents, lambda: counted(site, agents))
            finally:
                site.stop()
        found = in_turn(1 if args.quick else 2, ours=ours, bare=bare)
    us, peer = median(usable(found['ours'])), median(usable(found['bare']))
    if us is None or peer is None:
        raise Unmeasured(why_not(found['ours']) or why_not(found['bare']))
    row('collector: memory of an idle agent', 'KiB', '<= 1.2 x bare libevent TLS', ours=us, peer=peer,
        peer_name='bare libevent', ratio=us / peer, reached=us <= 1.2 * peer,
        note=f'growth of RSS by {agents} connections')


def storms(site, pid, rounds):
    """Milliseconds of CPU for one agent that leaves and comes back with its ticket."""
    with Fleet(site, '--idle') as fleet:
        agents = fleet.until('up')['agents']
        time.sleep(0.5)
        found = []
        for _ in range(rounds):
            before, spent = fleet.stat(), cpu_seconds(pid)
            fleet.say('storm')
            after = fleet.until('storm')
            time.sleep(0.5)             # goodbyes, the last commit
            if after['resumed'] - before['resumed'] < agents:
                raise Unmeasured(f'{after["resumed"] - before["resumed"]} of {agents} were resumed')
            found.append(((cpu_seconds(pid) - spent) * 1e3 / agents, after['event_s']))
        fleet.stop()
    return median([f[0] for f in found]), max(f[1] for f in found)


def storm_row(args):
    agents, rounds = (300, 2) if args.quick else (1000, 3)
    with Site(args, agents=agents, links=10) as site:
        hands = [os.path.join(site.build, 'tests/bench/barehands'), '1000', site.path('pki', 'ca.pem'),
                 *site.pki('collector-main'), *site.pki('load-0')]

        def ours():
            try:
                return storms(site, site.ingest(), rounds)
            finally:
                site.stop()

        def sink():
            try:
                return storms(site, site.sink(), rounds)
            finally:
                site.stop()

        def bare():
            p = subprocess.run(['taskset', '-c', str(SERVER_CORE), *hands], capture_output=True, check=True, text=True)
            return json.loads(p.stdout)
        found = in_turn(1 if args.quick else 2, bare=bare, ours=ours, sink=sink)
    if not usable(found['ours']) or not usable(found['bare']):
        raise Unmeasured(why_not(found['ours']) or why_not(found['bare']))
    us, longest = median([f[0] for f in usable(found['ours'])]), max(f[1] for f in usable(found['ours']))
    limit = median([f['resumed_us'] / 1e3 for f in found['bare']])
    full = median([f['full_us'] / 1e3 for f in found['bare']])
    peer = median([f[0] for f in usable(found['sink'])])
    if peer is None:
        raise Unmeasured(why_not(found['sink']))
    row(f'collector: CPU for one of {agents:,} agents that reconnect', 'ms', '<= 1.2 x bare libevent TLS, all resumed',
        ours=us, peer=peer, peer_name='bare libevent', limit=limit, limit_name='resumed handshakes without sockets',
        ratio=us / peer, reached=us <= 1.2 * peer,
        note=f'all at once, all resumed, the last one back after {longest:.1f} s; {us / limit:.2f} x of the limit, of '
             f'which a full handshake takes {full:.2f} ms; ours journals each session besides')


# ------------------------------------------------------------------------ a backlog


def backlog_row(args):
    """50 agents come back after an outage; ten others go on as if nothing were."""
    hours = 24 if args.quick else 72
    with Site(args, agents=60, links=20, step='10s', batch=20) as site:
        pid = site.ingest()
        before = rss_kb(pid)
        begin = time.monotonic()
        with Fleet(site, '--backlog', f'{hours}h', '--backlog-agents', 50, '--live') as fleet:
            fleet.until('up')
            total = 50 * 20 * hours * 360
            spent = cpu_seconds(pid)
            wait_for(lambda: fleet.stat()['samples_acked'] >= total, 280, 'the backlog is through', step=1)
            took, spent = time.monotonic() - begin, cpu_seconds(pid) - spent
            end = fleet.stop()
        peak = peak_rss_kb(pid)
        check = subprocess.run([site.tool, 'check', site.dir], capture_output=True, text=True, check=False)
    lag_s = (end['live_lag_ms'] or {'max': None})['max']
    if lag_s is None:
        raise Unmeasured('no live sample was acknowledged')
    grown = (peak - before) / 1024
    whole = check.returncode == 0
    row(f'collector: {hours} h backlog of 50 agents at once', 's', 'live lag <= 2 s, memory bounded (<= 128 MiB)',
        ours=lag_s / 1e3, peer=None, limit=None, ratio=None, reached=lag_s <= 2000 and grown <= 128 and whole,
        note=f'the longest that a live sample waited for its ack (p99 {end["live_lag_ms"]["p99"] / 1e3:.2f} s); '
             f'{total / 1e6:.1f} M samples in {took:.0f} s, {spent / total * 1e6:.2f} us CPU each, {grown:.1f} MiB '
             f'more memory; journal {"holds all, once" if whole else "LACKS: " + check.stdout.strip()}')


def main():
    args = arguments(__doc__.split('\n', 1)[0])
    pin(0, LOAD_CORE)
    measure(args, (('cpu', lambda: cpu_row(args)), ('idle', lambda: idle_row(args)),
                   ('storm', lambda: storm_row(args)), ('backlog', lambda: backlog_row(args)),
                   ('sustained', lambda: sustained_row(args))))
    return 0


if __name__ == '__main__':
    sys.exit(main())
