#!/usr/bin/python3
"""rrd.py - samples into RRD files: the store's CPU and device bytes beside librrd and rrdcached.

The real store reads a journal of the links (ten RTTs a sample, batches as agents send them) and
writes its files; bare librrd and rrdcached are handed the finished rows of the same nine data sources and
thirteen archives.  So our figure has in it what theirs has not: reading and proving the journal,
unpacking, order statistics.  All gather 60 rows a file.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from bench import Unmeasured, arguments, compared, cpu_seconds, installed, measure, median, row, wait_for

STEP, ROWS = 10, 60
# As many archives as ever, short ones: how long a ring is does not enter what a row costs.
KEEP = 'detail: 1h, minutes: 2h, ten_minutes: 1d, hours: 4d, six_hours: 10d'
CONF = f"""id: main
links: links.yaml
state: state
listen: {{ca: x, cert: x, key: x}}
web: {{enabled: false}}
store:
  rows: {ROWS}
  class_c: {{{KEEP}}}
"""


class Room:
    """A directory on the disk, the program, and the figures once they are there."""

    def __init__(self, args):
        self.program = os.path.join(args.build, 'tests/bench/store')
        self.links = 1000 if args.quick else 10000
        self.peer_links = 200 if args.quick else 1000
        self.rounds = 2
        self.turns = 6 if args.quick else 3     # of ROWS rows that the store reads in one go
        self.dir = tempfile.mkdtemp(prefix='linkwatch-bench.', dir=args.build)
        self.env = dict(os.environ, STORE_BENCH_BEGIN=str(int(time.time()) - 86400))
        self.figures = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def run(self, *argv, timeout=180):
        """What the program printed of itself."""
        said = subprocess.run([self.program, *map(str, argv)], env=self.env, cwd=self.dir, timeout=timeout,
                              capture_output=True, text=True)
        if said.returncode != 0:
            raise Unmeasured(f'store {argv[0]}: {(said.stderr.strip().splitlines() or ["?"])[-1]}')
        return json.loads(said.stdout)


class Cached:
    """rrdcached as it keeps what it is given: with its journal, 60 rows a file."""

    def __init__(self, room):
        self.room = room
        self.sock = room.path('rc.sock')
        os.mkdir(room.path('rcj'))
        self.process = subprocess.Popen(
            [installed('rrdcached'), '-g', '-l', f'unix:{self.sock}', '-j', room.path('rcj'), '-w', '7200',
             '-f', '14400', '-p', room.path('rc.pid')], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(self.sock), 10, 'rrdcached')

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.room.path('rcj'))

    def flush(self):
        """Everything goes to the files; waits until the queue is empty."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.sock)
            f = s.makefile('rw')

            def ask(line):
                print(line, file=f, flush=True)
                n = int(f.readline().split()[0])
                return [f.readline().strip() for _ in range(n)]

            ask('FLUSHALL')
            written = -1
            while True:
                stats = dict(line.split(': ') for line in ask('STATS'))
                if stats['QueueLength'] == '0' and stats['UpdatesWritten'] == written:
                    return
                written = stats['UpdatesWritten']
                time.sleep(0.2)


def store_round(room, k):
    """CPU us and device bytes a sample of the store."""
    span = room.turns * ROWS * STEP
    room.run('journal', 'state', room.links, STEP, k * span, (k + 1) * span)
    used = room.run('drain', 'c.yaml')
    return used['cpu_s'] * 1e6 / used['samples'], used['write_bytes'] / used['samples']


def librrd_round(room, k):
    used = room.run('librrd', 'bare', room.peer_links, STEP, k * ROWS * STEP, (k + 1) * ROWS * STEP, ROWS)
    return used['cpu_s'] * 1e6 / used['samples'], used['write_bytes'] / used['samples']


def cached_round(room, k):
    """CPU of rrdcached alone, from the first row until all are in the files."""
    cached = Cached(room)
    try:
        before = cpu_seconds(cached.process.pid)
        used = room.run('rrdcached', cached.sock, room.path('cached'), room.peer_links, STEP,
                        k * ROWS * STEP, (k + 1) * ROWS * STEP)
        cached.flush()
        return (cpu_seconds(cached.process.pid) - before) * 1e6 / used['samples'], None
    finally:
        cached.stop()


def figures(room):
    """All rounds of all three, in turn."""
    if room.figures is not None:
        return room.figures
    with open(room.path('c.yaml'), 'w', encoding='utf-8') as f:
        f.write(CONF)
    for name in ('x', 'links.yaml'):
        with open(room.path(name), 'w', encoding='utf-8'):
            pass
    os.chmod(room.path('x'), 0o600)
    room.run('make', 'state', room.links, STEP)
    room.run('create', 'bare', room.peer_links, STEP)
    room.run('create', 'cached', room.peer_links, STEP)
    runners = {'store': store_round, 'librrd': librrd_round, 'rrdcached': cached_round}
    found = {name: [] for name in runners}
    for k in range(room.rounds):
        for name, runner in runners.items():
            try:
                found[name].append(runner(room, k))
            except (Unmeasured, OSError, AssertionError, subprocess.SubprocessError) as e:
                print(f'rrd.py: {name}: {e}', file=sys.stderr)
    room.figures = {name: tuple(median([r[i] for r in rounds]) for i in (0, 1))
                    for name, rounds in found.items()}
    return room.figures


def main():
    args = arguments(__doc__.split('\n', 1)[0])

    with Room(args) as room:
        note = f'{room.links} files of ours, {room.peer_links} of each peer, {ROWS} rows a call; ours from the journal'

        def beside_librrd():
            f = figures(room)
            compared('CPU a sample into RRD', 'us', 1.3, f['store'][0], f['librrd'][0], 'librrd', note=note)

        def beside_rrdcached():
            f = figures(room)
            compared('CPU a sample into RRD, gathered', 'us', 1.0, f['store'][0], f['rrdcached'][0], 'rrdcached',
                     note='rrdcached with its journal, its clients not counted')

        def device():
            ours, librrd = figures(room)['store'][1], figures(room)['librrd'][1]
            row('device bytes a sample, RRD', 'bytes', '<= 2000', ours=ours, peer=librrd, peer_name='librrd',
                reached=ours is not None and ours <= 2000, note='pages made dirty, write_bytes of /proc/PID/io')

        def sustained():
            cost = figures(room)['store'][0]
            rate = 1e6 / cost if cost else None
            row('samples a second, journal to RRD, one core', '1/s', '>= 100000', ours=rate,
                reached=rate is not None and rate >= 100000, note=f'{room.links} links; the store alone, by its CPU')

        measure(args, (('CPU a sample into RRD', beside_librrd), ('CPU a sample into RRD, gathered', beside_rrdcached),
                       ('device bytes a sample, RRD', device),
                       ('samples a second, journal to RRD, one core', sustained)))


if __name__ == '__main__':
    main()
