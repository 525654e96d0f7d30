#!/usr/bin/python3
"""power.py - kills a real collector, and cuts its power, while agents send; then counts.

  tests/power/power.py --build build --kills 200 --cuts 50 [--seed N]

Everything is real but the disk: supervisor, ingest and store run as they are, loaders speak
to them over mutual TLS on the loopback and remember what was acknowledged.  powercut.so
(which opens with the model) holds what a disk would hold.  At instants that the seed draws
all processes of the collector get SIGKILL; at a power cut the state directory is then what
the disk holds:
  strict   nothing that was not synced
  mixed    of what was not synced, each sector of 512 bytes and each name as the dice fall
The collector starts again on that, and the loaders go on by what it tells them, as agents do.
In the end the journal is read (tests/tools/journal_read.py) and compared with what
was acknowledged: every batch once, with the bytes that were sent.

The seed decides instants, kinds and what survives; how far the processes have come at an
instant is the machine's.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, 'conf', 'run'), os.path.join(TOP, 'tests', 'integration'),
                os.path.join(TOP, 'tests', 'tools')]

import journal_read                                                     # noqa: E402
import net                                                              # noqa: E402
import wire                                                             # noqa: E402
from process import Program, session_members, tail, wait_for            # noqa: E402

SECTOR = 512
LINKS = 4
STEP_NS = 1_000_000_000
PAST_S = 7 * 86400                      # samples begin so long ago: time enough for all that is sent
REFUSE_BUSY = 11


# ---------------------------------------------------------------------- the disk


class Disk:
    """What a disk holds of a directory; see powercut.c."""

    def __init__(self, state, mirror, delay_us=2000):
        self.state, self.mirror = state, mirror
        self.env = {'POWERCUT_STATE': state, 'POWERCUT_MIRROR': mirror, 'POWERCUT_DELAY_US': str(delay_us)}
        os.makedirs(state, 0o700)
        self.settle()

    def settle(self):
        """All that is there now has been synced."""
        shutil.rmtree(self.mirror, ignore_errors=True)
        os.makedirs(os.path.join(self.mirror, 'ino'))
        os.makedirs(os.path.join(self.mirror, 'tree'))
        for base, dirs, files in os.walk(self.state):
            tree = os.path.join(self.mirror, 'tree', os.path.relpath(base, self.state))
            for d in dirs:
                os.makedirs(os.path.join(tree, d))
            for name in files:
                real = os.path.join(base, name)
                ino = os.path.join(self.mirror, 'ino', str(os.stat(real).st_ino))
                shutil.copyfile(real, ino)
                os.link(ino, os.path.join(tree, name))

    def _bytes(self, tree, real, dice):
        """The content of a file after the cut.  dice None: what was synced."""
        durable = b''
        if os.path.exists(tree):
            with open(tree, 'rb') as f:
                durable = f.read()
        if dice is None or not os.path.exists(real):
            return durable
        with open(real, 'rb') as f:
            cached = f.read()
        if cached == durable:
            return durable
        share = dice.choice((0.1, 0.5, 0.9))
        size = dice.choice((len(durable), len(cached), dice.randint(*sorted((len(durable), len(cached))))))
        out = bytearray()
        for at in range(0, size, SECTOR):
            part = (cached if dice.random() < share else durable)[at:at + SECTOR]
            out += part.ljust(min(SECTOR, size - at), b'\0')
        return bytes(out[:size])

    def _survivors(self, rel, dice):
        """Files of one directory after the cut: (name, content)."""
        tree, real = os.path.join(self.mirror, 'tree', rel), os.path.join(self.state, rel)

        def files(directory):
            return {e.name: e for e in os.scandir(directory) if e.is_file(follow_symlinks=False)} \
                if os.path.isdir(directory) else {}
        was, now = files(tree), files(real)
        for name in sorted(was.keys() | now.keys()):
            ino = os.path.join(self.mirror, 'ino', str(now[name].inode())) if name in now else None
            same = name in was and ino is not None and os.path.exists(ino) and os.path.samefile(ino, was[name].path)
            if same:
                yield name, self._bytes(was[name].path, now[name].path, dice)
            elif ino is not None and dice is not None and dice.random() < 0.5:
                yield name, self._bytes(ino, now[name].path, dice)      # the new name got there
            elif name in was and (dice is None or name in now or dice.random() < 0.5):
                yield name, self._bytes(was[name].path, '', None)       # its change or end did not

    def cut(self, dice=None):
        """The power is gone and back: the directory is what the disk holds.  dice: mixed."""
        after = self.state + '.after'
        os.makedirs(after, 0o700)
        for base, _, _ in os.walk(os.path.join(self.mirror, 'tree')):
            rel = os.path.relpath(base, os.path.join(self.mirror, 'tree'))
            os.makedirs(os.path.join(after, rel), 0o700, exist_ok=True)
            # RRD files are a cache without checksums: what of them was not synced is lost whole.
            mixed = dice if rel.split('/')[0] == 'journal' else None
            for name, content in self._survivors(rel, mixed):
                with open(os.path.join(after, rel, name), 'wb') as f:
                    f.write(content)
        shutil.rmtree(self.state)
        os.rename(after, self.state)
        self.settle()


# ------------------------------------------------------------------- the loaders


class Connection(wire.Client):
    """As wire.Client, with a context that is made once: reading certificates takes longer than a handshake."""

    def __init__(self, address, context):           # pylint: disable=super-init-not-called
        self.sock = context.wrap_socket(socket.create_connection(address, 2))


class Loader(threading.Thread):
    """One agent that never forgets: sends batch after batch, and remembers what was acknowledged."""

    def __init__(self, name, port, pki, window=8):
        super().__init__(name=name, daemon=True)
        self.agent, self.port, self.window = name, port, window
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.load_verify_locations(os.path.join(pki, 'ca.pem'))
        self.context.load_cert_chain(os.path.join(pki, f'agent-{name}.pem'), os.path.join(pki, f'agent-{name}.key'))
        self.boot = hashlib.sha256(name.encode()).digest()[:16]
        self.t0 = (int(time.time()) - PAST_S) * STEP_NS
        self.digest = [None]            # of batch n, by n
        self.acked = 0                  # the highest that was acknowledged
        self.forgotten = []             # (acknowledged, what a later WELCOME said)
        self.refused = []
        self.sessions = 0
        self.done = threading.Event()   # no new batches: only what was sent is to be acknowledged
        self.quit = threading.Event()

    def batch(self, seq):
        """Batch n: one step of each link.  Its bytes follow from its number."""
        count = [2] * LINKS
        rtt = [rtt_100ns(seq, l, k) for l in range(LINKS) for k in range(2)]
        return wire.batch(self.t0 + seq * STEP_NS, self.boot, seq, tuple(f'l{l + 1}' for l in range(LINKS)), LINKS,
                          f5=list(range(LINKS)), f6=[0] * LINKS, f8=count, f9=count, f11=rtt)

    def run(self):
        while not self.quit.is_set():
            try:
                with Connection(('127.0.0.1', self.port), self.context) as c:
                    self._session(c)
            except (OSError, ssl.SSLError, TypeError):       # TypeError: the frame was cut by the end
                self.quit.wait(0.02)

    def _session(self, c):
        c.sock.settimeout(5)
        # What was acknowledged is gone here: nobody can send it again.
        c.send(wire.frame(wire.HELLO, wire.message(f1=1, f2=1, f3='0.1.0', f4=self.boot, f5=self.acked + 1,
                                                   f6=len(self.digest))))
        welcome = c.until(wire.WELCOME)
        if welcome is None:
            return
        self.sessions += 1
        said = wire.parse(welcome).get(3, 0)
        if said < self.acked:
            self.forgotten.append((self.acked, said))
        sent = self.acked = max(self.acked, said)
        while not self.quit.is_set():
            more = []
            while sent - self.acked < self.window and (not self.done.is_set() or sent + 1 < len(self.digest)):
                sent += 1
                payload = self.batch(sent)
                if sent == len(self.digest):
                    self.digest.append(hashlib.sha256(payload).digest())
                more.append(wire.frame(wire.BATCH, payload))
            if more:
                c.send(b''.join(more))
            elif sent == self.acked:
                return                  # done: all that was ever sent is acknowledged
            got = c.receive()
            if got is None:
                return
            if got[0] == wire.ACK:
                self.acked = max(self.acked, wire.parse(got[1]).get(2, 0))
            elif got[0] == wire.REFUSAL:
                answer = wire.parse(got[1])
                if answer.get(3) != REFUSE_BUSY:
                    self.refused.append(answer)
                return

    def all_acked(self):
        return self.acked == len(self.digest) - 1


def rtt_100ns(seq, link, k):
    """Round trips that tell their batch and link."""
    return 10_000 + seq % 50_000 * 10 + link * 2 + k


# ----------------------------------------------------------------- the collector


class Site:
    """A collector, its disk and its loaders."""

    def __init__(self, build, directory, agents=3, segment='256K', extra=None):
        self.build, self.dir = os.path.abspath(build), directory
        self.state = self.path('state')
        self.disk = Disk(self.state, self.path('mirror'))
        self.port = net.free_port()
        names = [f'a{i + 1}' for i in range(agents)]
        for args in (('collector', 'main', '127.0.0.1'), *(('agent', n) for n in names)):
            subprocess.run([os.path.join(TOP, 'conf', 'pki.sh'), self.path('pki'), *args], check=True,
                           capture_output=True)
        self._write('links.yaml', {
            'vendors': [{'id': 'v', 'code': 'V', 'name': 'V'}],
            'agents': [{'id': n, 'vendor': 'v', 'zone': 'z'} for n in names],
            'links': [{'id': f'l{l + 1}', 'agent': n, 'probe': 'icmp', 'target': '127.0.0.1', 'class': 'C',
                       'step': '1s', 'count': 2, 'timeout': '400ms'} for n in names for l in range(LINKS)]})
        self._write('collector.yaml', {
            'id': 'main', 'state': self.state, 'links': self.path('links.yaml'),
            'listen': {'address': '127.0.0.1', 'port': self.port, 'ca': self.path('pki', 'ca.pem'),
                       'cert': self.path('pki', 'collector-main.pem'), 'key': self.path('pki', 'collector-main.key')},
            'journal': {'segment': segment, 'max_bytes': '4G'}, 'store': {'class_c': {'detail': '1h'}, 'age': '1s'},
            'web': {'enabled': False}, **(extra or {})})
        self.collector = Program('collector', [self.program('linkwatch-collector'), '-c', self.path('collector.yaml')],
                                 self.path('collector.log'),
                                 env={**self.disk.env, 'LD_PRELOAD': self.program('tests/power/powercut.so')})
        self.loaders = [Loader(n, self.port, self.path('pki')) for n in names]

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def program(self, name):
        return os.path.join(self.build, name)

    def _write(self, name, content):
        with open(self.path(name), 'w', encoding='utf-8') as f:
            json.dump(content, f)

    def kill(self):
        """kill -9 of all its processes at once; none is left."""
        pid = self.collector.pid
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.collector.process.wait()
        wait_for(lambda: not session_members(pid), 60, 'all processes of the collector are gone', step=0.01)

    def acked(self):
        return sum(l.acked for l in self.loaders)

    def tool(self, *args):
        """`linkwatch-collector journal ...`: status and what it said."""
        r = subprocess.run([self.program('linkwatch-collector'), '-c', self.path('collector.yaml'), 'journal', *args],
                           check=False, capture_output=True, text=True)
        return r.returncode, r.stdout + r.stderr

    def ask_store(self, wish):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(os.path.join(self.state, 'store.sock'))
            s.sendall(wish.encode() + b'\n')
            return s.recv(4096).decode()


def one_fall(site, dice, power):
    """Lets it run for a while, kills it, and if it is a power cut takes away what was not synced."""
    early = dice.random() < 0.15        # perhaps while it is still starting
    longest = dice.uniform(0.01, 0.3)
    before = site.acked()
    site.collector.start()
    if not early:
        try:
            wait_for(lambda: site.acked() > before or not site.collector.running(), 60, 'something is acknowledged',
                     step=0.005)
        except TimeoutError as e:
            raise AssertionError(f'{e}\n{tail(site.collector.log, 30)}') from e
        assert site.collector.running(), tail(site.collector.log, 30)
    time.sleep(longest)                 # the instant: this is the test, not a wait for something
    site.kill()
    if power:
        site.disk.cut(dice if dice.random() < 0.67 else None)
        if os.path.isdir(os.path.join(site.state, 'journal')):
            for _ in journal_read.records(os.path.join(site.state, 'journal'), crc=False, published=False):
                pass                    # Damage if it is anything but a torn tail


def drain(site):
    """Starts it for good: everything that was sent is acknowledged, and in the RRD files."""
    site.collector.start()
    for l in site.loaders:
        l.done.set()
    wait_for(lambda: all(l.all_acked() for l in site.loaders), 120, 'all that was sent is acknowledged')
    for l in site.loaders:
        l.quit.set()
        l.join(10)

    def stored():
        for l in site.loaders:
            for n in range(LINKS):
                if site.ask_store(f'flush {l.agent}/l{n + 1}') != 'ok\n':
                    return False
        return True
    wait_for(lambda: os.path.exists(os.path.join(site.state, 'store.sock')) and stored(), 60, 'rows are written')


def count(site):
    """What the journal says beside what was acknowledged: a dict of figures, faults in words."""
    faults, seen, samples, size = [], {}, 0, 0
    for r in journal_read.records(os.path.join(site.state, 'journal'), crc=False):
        size += journal_read.RECORD_HEADER + len(r.data)
        if r.kind == journal_read.BATCH:
            b = journal_read.Stored(r)
            seen.setdefault((b.agent, b.boot), []).append((b.seq, hashlib.sha256(b.bytes).digest()))
    lost = twice = other = batches = 0
    for l in site.loaders:
        stored = seen.pop((l.agent, l.boot), [])
        numbers = [n for n, _ in stored]
        batches += len(numbers)
        samples += LINKS * len(numbers)
        twice += len(numbers) - len(set(numbers))
        lost += len(set(range(1, l.acked + 1)) - set(numbers))
        other += sum(d != l.digest[n] for n, d in stored)
        if numbers != sorted(numbers):
            faults.append(f'{l.agent}: batches out of order')
        faults += [f'{l.agent}: {a} was acknowledged, then {s}' for a, s in l.forgotten]
        faults += [f'{l.agent}: refused: {r}' for r in l.refused[:3]]
    faults += [f'a batch of nobody: {k}' for k in seen]
    if other:
        faults.append(f'{other} batches with other bytes')
    # What a WELCOME no longer knew of is lost, whatever came after it.
    lost += sum(a - s for l in site.loaders for a, s in l.forgotten)
    return {'batches': batches, 'samples': samples, 'lost': LINKS * lost, 'twice': LINKS * twice,
            'journal_bytes': size, 'sessions': sum(l.sessions for l in site.loaders)}, faults


def rows_differ(site, last_s=600):
    """Rows of the RRD files' last minutes that are not what the samples say; None without rrdtool."""
    if shutil.which('rrdtool') is None:
        return None
    wrong = rows = 0
    for l in site.loaders:
        end = l.t0 // STEP_NS + l.acked
        for n in range(LINKS):
            path = os.path.join(site.state, 'rrd', l.agent, f'l{n + 1}.rrd')
            out = subprocess.run(['rrdtool', 'fetch', path, 'AVERAGE', '-r', '1', '-s', str(end - last_s), '-e', str(end)],
                                 check=True, capture_output=True, text=True).stdout.splitlines()
            column = out[0].split().index('rtt_min')
            for line in out[2:]:
                when, values = line.split(':')
                # A row is stamped with the end of its step.
                seq = int(when) - l.t0 // STEP_NS - 1
                if not 1 <= seq <= l.acked:
                    continue
                rows += 1
                want = rtt_100ns(seq, n, 0) / 1e7
                wrong += not abs(float(values.split()[column]) - want) < 1e-9
    return rows, wrong


def campaign(build, directory, seed, kills, cuts, say=lambda text: None, until=float('inf'), **options):
    """The whole: figures and faults.  No fall begins after the monotonic time `until`."""
    dice = random.Random(seed)
    falls = [False] * kills + [True] * cuts
    dice.shuffle(falls)
    site = Site(build, directory, **options)
    begin = time.monotonic()
    try:
        for l in site.loaders:
            l.start()
        for i, power in enumerate(falls):
            if time.monotonic() > until:
                falls = falls[:i]
                break
            one_fall(site, dice, power)
            if (i + 1) % 25 == 0:
                say(f'{i + 1} of {len(falls)}, {time.monotonic() - begin:.0f} s, batches acknowledged: {site.acked()}')
        drain(site)
        site.collector.stop()
        figures, faults = count(site)
        rows = rows_differ(site)
        if rows is not None:
            figures['rrd_rows'], figures['rrd_wrong'] = rows
        status, said = site.tool('verify')
        if status != 0:
            faults.append(f'verify: {said}')
    finally:
        for l in site.loaders:
            l.quit.set()
        if site.collector.process is not None:
            site.kill()
    figures.update(kills=falls.count(False), cuts=falls.count(True), seconds=round(time.monotonic() - begin, 1), seed=seed)
    return figures, faults


def scratch():
    """A directory where a sync costs little: the model has its own delays."""
    return tempfile.mkdtemp(prefix='linkwatch-power.', dir='/dev/shm' if os.access('/dev/shm', os.W_OK) else None)


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    p.add_argument('-b', '--build', default=os.path.join(TOP, 'build'))
    p.add_argument('--seed', type=int, default=random.SystemRandom().randrange(1 << 32))
    p.add_argument('--kills', type=int, default=200)
    p.add_argument('--cuts', type=int, default=50)
    p.add_argument('--keep', action='store_true', help='leave the directory')
    args = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f'SEED={args.seed}', flush=True)
    directory = scratch()
    try:
        figures, faults = campaign(args.build, directory, args.seed, args.kills, args.cuts,
                                   say=lambda text: print(text, flush=True))
    finally:
        if args.keep:
            print(f'kept: {directory}')
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(figures))
    for f in faults:
        print(f'FAIL {f}')
    return 1 if faults or figures['lost'] or figures['twice'] else 0


if __name__ == '__main__':
    sys.exit(main())
