#!/usr/bin/python3
"""durable.py - what is lost of what was acknowledged, and what a sample takes in the journal.

tests/power/power.py kills the collector, and cuts its power, at random instants while agents
send over TLS; rrdcached with its journal (-j) gets the same from the same disk: it is told
values one by one, counts as accepted what it answers "0 errors", dies, starts again on
what the disk holds, and in the end its files are read.
"""

import concurrent.futures
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'power'))

from bench import NotInstalled, Unmeasured, arguments, installed, measure, row  # noqa: E402
import power                                                            # noqa: E402
from process import Program, wait_for                                   # noqa: E402

SEED = 20261128
KILLS, CUTS = 200, 50
SITES = 3                               # at the same time: they mostly wait
OURS_S, QUICK_S = 330, 30               # no fall begins later
PEER_S = 40
RTTS, BATCH = 10, 20
PEER_FILES = 4


# ------------------------------------------------------------------ rrdcached


class Rrdcached:
    """rrdcached with a journal, and one client that never sends a value twice."""

    def __init__(self, directory):
        self.dir = directory
        self.state = os.path.join(directory, 'state')
        self.disk = power.Disk(self.state, os.path.join(directory, 'mirror'))
        for part in ('rrd', 'journal'):
            os.makedirs(os.path.join(self.state, part))
        self.t0 = int(time.time()) - 30 * 86400
        self.accepted = [0] * PEER_FILES    # values of each file; value n belongs to second t0 + n
        self.missing = set()                # sent, but never answered
        rrdtool = installed('rrdtool')
        for i in range(PEER_FILES):
            subprocess.run([rrdtool, 'create', self.rrd(i), '-s', '1', '-b', str(self.t0), 'DS:v:GAUGE:1000000:U:U',
                            'RRA:LAST:0:1:400000'], check=True)
        self.disk.settle()
        self.sock = os.path.join(directory, 's')
        self.program = None

    def rrd(self, i):
        return os.path.join(self.state, 'rrd', f'f{i}.rrd')

    def start(self, build):
        if os.path.exists(self.sock):
            os.unlink(self.sock)
        self.program = Program('rrdcached', [
            installed('rrdcached'), '-g', '-l', f'unix:{self.sock}', '-j', os.path.join(self.state, 'journal'),
            '-b', os.path.join(self.state, 'rrd'), '-w', '3600', '-f', '7200', '-p', os.path.join(self.dir, 'pid')],
            os.path.join(self.dir, 'log'),
            env={**self.disk.env, 'LD_PRELOAD': os.path.join(build, 'tests/power/powercut.so')}).start()
        wait_for(lambda: self._connect() or not self.program.running(), 30, 'rrdcached answers')

    def _connect(self):
        self.client = socket.socket(socket.AF_UNIX)
        self.client.settimeout(5)
        try:
            self.client.connect(self.sock)
            self.lines = self.client.makefile('rb')
            return True
        except OSError:
            self.client.close()
            return False

    def update(self, until):
        """Tells it value after value until then, and is killed; counts what it accepted."""
        n = sum(self.accepted)
        while time.monotonic() < until:
            i = n % PEER_FILES
            v = self.accepted[i] + 1
            self.client.sendall(f'UPDATE {self.rrd(i)} {self.t0 + v}:{v}\n'.encode())
            answer = self.lines.readline()
            if not answer.startswith(b'0 errors'):
                raise Unmeasured(f'rrdcached: {answer!r}')
            self.accepted[i] = v
            n += 1

    def kill(self):
        self.program.process.send_signal(signal.SIGKILL)
        self.program.process.wait()
        self.client.close()

    def kept(self):
        """Values that its files hold in the end."""
        for i in range(PEER_FILES):
            self.client.sendall(f'FLUSH {self.rrd(i)}\n'.encode())
            self.lines.readline()
        kept = 0
        for i in range(PEER_FILES):
            out = subprocess.run([installed('rrdtool'), 'fetch', self.rrd(i), 'LAST', '-r', '1', '-s', str(self.t0),
                                  '-e', str(self.t0 + self.accepted[i])], check=True, capture_output=True, text=True)
            for line in out.stdout.splitlines()[2:]:
                when, value = line.split(':')
                v = int(when) - self.t0
                # A second that was lost shows the value of a later one, or none.
                kept += 1 <= v <= self.accepted[i] and value.strip() == f'{v:.10e}'
        return kept


def peer_falls(args, falls, power_cut):
    """Accepted and lost."""
    directory = power.scratch()
    dice = random.Random(SEED)
    peer = None
    try:
        peer = Rrdcached(directory)
        end = time.monotonic() + PEER_S
        done = 0
        for _ in range(falls):
            if time.monotonic() > end:
                break
            peer.start(args.build)
            peer.update(time.monotonic() + dice.uniform(0.05, 0.4))
            peer.kill()
            if power_cut:
                peer.disk.cut(None)
            done += 1
        peer.start(args.build)
        accepted = sum(peer.accepted)
        return {'falls': done, 'accepted': accepted, 'lost': accepted - peer.kept()}
    finally:
        if peer is not None and peer.program is not None:
            peer.kill()
        shutil.rmtree(directory, ignore_errors=True)


# ----------------------------------------------------------------------- ours


def share(total, n):
    """total in n nearly equal parts."""
    return [total // n + (i < total % n) for i in range(n)]


def our_falls(args, kills, cuts):
    """The figures of all sites together; faults."""
    until = time.monotonic() + (QUICK_S if args.quick else OURS_S)
    directories = [power.scratch() for _ in range(SITES)]

    def site(i):
        return power.campaign(args.build, directories[i], SEED + i, share(kills, SITES)[i], share(cuts, SITES)[i],
                              until=until)
    try:
        with concurrent.futures.ThreadPoolExecutor(SITES) as pool:
            results = list(pool.map(site, range(SITES)))
    finally:
        for d in directories:
            shutil.rmtree(d, ignore_errors=True)
    total = {k: sum(r[0][k] for r in results) for k in ('samples', 'lost', 'twice', 'kills', 'cuts')}
    return total, [f for r in results for f in r[1]]


def falls(args):
    kills, cuts = (12, 6) if args.quick else (KILLS, CUTS)
    ours, faults = our_falls(args, kills, cuts)
    peers, why = {}, ''
    try:
        peers = {'kill': peer_falls(args, 5 if args.quick else 20, False),
                 'cut': peer_falls(args, 3 if args.quick else 10, True)}
    except NotInstalled as e:
        why = f'{e} is not installed'
    said = f'seed {SEED}; {ours["kills"]} kills and {ours["cuts"]} cuts of {kills} and {cuts} in one campaign, ' \
           f'{ours["samples"]} samples acknowledged'
    if faults:
        said += f'; FAULTS: {faults[:3]}'
    whole = not faults and ours['kills'] >= kills and ours['cuts'] >= cuts
    for name, key in (('acked samples lost, kill -9', 'kill'), ('acked samples lost, power cut', 'cut')):
        p = peers.get(key)
        row(name, 'samples', '0', ours=ours['lost'], peer=p and p['lost'], peer_name='rrdcached -j',
            reached=whole and ours['lost'] == 0,
            note=said + (f'; rrdcached lost {p["lost"]} of {p["accepted"]} in {p["falls"]}' if p else f'; {why}'))
    row('acked samples written twice', 'samples', '0', ours=ours['twice'], reached=whole and ours['twice'] == 0,
        note=said)


# --------------------------------------------------------------------- bytes


def journal_bytes(args):
    """Bytes of the journal for each sample of RTTS round trips, batches of BATCH, as they stand on the disk."""
    directory = power.scratch()
    build = args.build
    loadgen = os.path.join(build, 'linkwatch-loadgen')
    port = power.net.free_port()
    collector = None
    try:
        subprocess.run([loadgen, 'prepare', directory, '--agents', '4', '--links', '20', '--rtts', str(RTTS),
                        '--batch', str(BATCH), '--port', str(port)], check=True, capture_output=True)
        collector = Program('collector', [os.path.join(build, 'linkwatch-collector'), '-c',
                                          os.path.join(directory, 'collector.yaml')],
                            os.path.join(directory, 'log')).start()
        wait_for(lambda: power.net.tcp_answers(port), 30, 'the collector listens')
        subprocess.run([loadgen, 'run', directory, '--backlog', '20m'], check=True, capture_output=True, timeout=100)
        collector.stop()
        journal = os.path.join(directory, 'collector', 'journal')
        size = sum(os.path.getsize(os.path.join(journal, n)) for n in os.listdir(journal) if n.endswith('.seg'))
        samples = batches = 0
        for r in power.journal_read.records(journal, crc=False):
            if r.kind == power.journal_read.BATCH:
                batches += 1
                samples += len(power.journal_read.Stored(r).samples()) if batches <= 20 else BATCH
    finally:
        if collector is not None:
            collector.stop()
        shutil.rmtree(directory, ignore_errors=True)
    if samples < 10000:
        raise Unmeasured(f'only {samples} samples')
    ours, limit = size / samples, 12 + 3 * RTTS
    row(f'journal bytes per sample of {RTTS} RTTs', 'bytes', f'<= {limit}', ours=ours, limit=limit,
        limit_name='12 + 3 an RTT', peer=peer_line(build), peer_name="rrdcached's journal, one value", ratio=ours / limit,
        reached=ours <= limit, note=f'{samples} samples in batches of {BATCH}, whole segments with all other records')


def peer_line(build):
    """Bytes that rrdcached's journal takes for one value."""
    try:
        directory = power.scratch()
        peer = Rrdcached(directory)
        try:
            peer.start(build)
            peer.update(time.monotonic() + 0.3)
            peer.client.close()
            peer.program.process.terminate()
            peer.program.process.wait()
            n = sum(peer.accepted)
            journal = os.path.join(peer.state, 'journal')
            size = sum(os.path.getsize(os.path.join(journal, f)) for f in os.listdir(journal))
            path = len(peer.rrd(0)) - len('/var/lib/rrd/f0.rrd')    # as long as a name would be in use
            return size / n - path if n else None
        finally:
            if peer.program.running():
                peer.kill()
            shutil.rmtree(directory, ignore_errors=True)
    except NotInstalled:
        return None


def main():
    args = arguments(__doc__.split('\n', 1)[0])
    measure(args, (('journal bytes per sample', lambda: journal_bytes(args)), ('acked samples', lambda: falls(args))))
    return 0


if __name__ == '__main__':
    sys.exit(main())
