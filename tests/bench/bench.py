"""bench.py - what every row of the bench needs: a room of its own, an emulated road, CPU seconds.

A row program makes a Road, runs ours, the peer and the limit in turn (A B C A B C ...), and
prints its rows with row(), one line of JSON each.  The machine may be shared and noisy, so
what is compared is CPU time, by medians.  Probers stand on core 0, the emulator on core 1.
"""

import argparse
import csv
import ctypes
import io
import ipaddress
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, 'conf', 'run'))

from process import Program, tail, wait_for                             # noqa: E402

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
PROBER_CORE, ROAD_CORE = 0, 1
QUEUE = 100000                          # packets that the road's device holds


class NotInstalled(Exception):
    """A peer is missing; its row says so."""


class Unmeasured(Exception):
    """A figure could not be had; says why."""


def arguments(description, *more):
    """The options that every row program takes; more are added by name, as flags with a value."""
    p = argparse.ArgumentParser(description=description)
    p.add_argument('-b', '--build', default=os.path.join(TOP, 'build'))
    p.add_argument('--quick', action='store_true', help='fewer probes, for a look')
    p.add_argument('--only', default='', help='only rows whose name holds this')
    for name in more:
        p.add_argument(name)
    args = p.parse_args()
    args.build = os.path.abspath(args.build)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return args


def row(name, unit, reach, ours=None, peer=None, peer_name='', limit=None, limit_name='', ratio=None,
        reached=None, note=''):
    """Prints one row of the table.  ours None: it was not measured."""
    print(json.dumps({'row': name, 'ours': ours, 'peer': peer, 'peer_name': peer_name, 'limit': limit,
                      'limit_name': limit_name, 'ratio': ratio, 'reach': reach,
                      'reached': bool(reached) if ours is not None else False, 'unit': unit, 'note': note},
                     ensure_ascii=False), flush=True)


def measure(args, rows):
    """Calls the measure of each (name, measure) that --only lets through.

    What cannot be measured becomes a row that says why, and the others go on.
    """
    for name, function in rows:
        if args.only not in name:
            continue
        try:
            function()
        except (Unmeasured, NotInstalled, OSError, AssertionError, subprocess.SubprocessError) as e:
            row(name, '', '', note=f'{type(e).__name__}: {e}'.splitlines()[0])


def compared(name, unit, most, ours, peer, peer_name, **more):
    """A row whose ratio ours/peer must be at most `most`; without a peer nothing is reached."""
    ratio = ours / peer if ours is not None and peer else None
    row(name, unit, f'<= {most:.2g} x {peer_name}', ours=ours, peer=peer, peer_name=peer_name, ratio=ratio,
        reached=ratio is not None and ratio <= most, **more)


def installed(program):
    """The path of a peer; NotInstalled."""
    found = shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/usr/local/sbin')
    if found is None:
        raise NotInstalled(program)
    return found


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def pin(pid, core):
    """Puts a process, and what it starts, on one core; on a machine of one core, nothing."""
    if core in os.sched_getaffinity(0) or core < (os.cpu_count() or 1):
        os.sched_setaffinity(pid, {core})


def favour(pid, core=PROBER_CORE, nice=-20):
    """Puts all threads of a running program on one core, before what else runs there."""
    for task in os.listdir(f'/proc/{pid}/task'):
        pin(int(task), core)
        os.setpriority(os.PRIO_PROCESS, int(task), nice)


# --------------------------------------------------------------------- running


class Run:
    """One run of a program to its end: what it used and said."""

    def __init__(self, cpu_s, wall_s, peak_kb, status, out, err):
        self.cpu_s, self.wall_s, self.peak_kb = cpu_s, wall_s, peak_kb
        self.status, self.out, self.err = status, out, err


def peak_rss_kb(pid):
    """The most memory that a process has had (what wait4() says counts the parent before exec)."""
    try:
        with open(f'/proc/{pid}/status', encoding='utf-8') as f:
            return next((int(l.split()[1]) for l in f if l.startswith('VmHWM')), 0)
    except (OSError, ValueError):
        return 0


def cpu_seconds(pid):
    """CPU that a running process has had, all threads, to the nanosecond (its children do not count)."""
    total = 0
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/schedstat', encoding='utf-8') as f:
            total += int(f.read().split()[0])
    return total / 1e9


def run(argv, timeout=60, watch=None, step=0.1, nice=-20):
    """Runs argv on the prober's core; CPU of it and of all its children.  watch() is called every step.

    All probers come before what else runs on the machine, by their niceness, so that this enters
    the figures of none; where they shall be disturbed, nice is 0.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.monotonic()
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        pin(p.pid, PROBER_CORE)
        os.setpriority(os.PRIO_PROCESS, p.pid, nice)
        peak, ended = 0, 0
        try:
            while not ended:
                time.sleep(step)
                peak = max(peak, peak_rss_kb(p.pid))
                if watch is not None:
                    watch()
                if time.monotonic() - begin > timeout:
                    raise Unmeasured(f'{os.path.basename(argv[0])}: not done within {timeout:g} s')
                ended, status, usage = os.wait4(p.pid, os.WNOHANG)
            p.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if not ended:
                p.kill()
                p.wait()
        out.seek(0)
        err.seek(0)
        return Run(usage.ru_utime + usage.ru_stime, time.monotonic() - begin, peak, p.returncode,
                   out.read().decode('utf-8', 'replace'), err.read().decode('utf-8', 'replace'))


def in_turn(rounds, **runners):
    """Calls each of the runners, and again, rounds times; their results by name.

    One that raises NotInstalled or Unmeasured is left out from then on; why is its only result.
    """
    results = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            if results[name] and isinstance(results[name][0], Exception):
                continue
            try:
                results[name].append(runner())
            except (NotInstalled, Unmeasured, OSError) as e:
                results[name] = [e]
    return results


def why_not(results):
    """Why there are no results, or ''."""
    if results and isinstance(results[0], NotInstalled):
        return f'{results[0]} is not installed'
    return str(results[0]) if results and isinstance(results[0], Exception) else ''


def usable(results):
    return [r for r in results if not isinstance(r, Exception)]


# -------------------------------------------------------------------- the road


def addresses(n, first='10.200.1.0'):
    """n targets behind the road, one after the other."""
    base = int(ipaddress.IPv4Address(first))
    return [str(ipaddress.IPv4Address(base + i)) for i in range(n)]


class Road:
    """A network namespace of this process alone, with 10.200.0.0/16 behind the emulator in it."""

    def __init__(self, build):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), 'unshare (root is needed)')
        self.build = build
        self.dir = tempfile.mkdtemp(prefix='linkwatch-bench.')
        self.program = None
        self.log = None
        self.nice = -20                 # of the probers
        subprocess.run(['mount', '--make-rprivate', '/'], check=True)
        # /sys shows the devices of the namespace that mounted it.
        subprocess.run(['mount', '-t', 'sysfs', 'sysfs', '/sys'], check=True)
        subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
        pin(0, PROBER_CORE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def targets(self, n):
        """A file with n targets."""
        path = self.path(f'targets.{n}')
        with open(path, 'w', encoding='utf-8') as f:
            f.write('\n'.join(addresses(n)) + '\n')
        return path

    def start(self, *rules, log=False, spin_us=50, exact=False):
        """Starts the emulator on its core, before everybody else there.

        exact: it always spins and nothing preempts it, but for the 50 ms of each second that the
        kernel keeps for others: right for medians at a small rate, wrong for a large one.
        """
        self.stop()
        self.log = self.path('road.log') if log else None
        impair = os.path.join(self.build, 'tests/impair/impair')
        self.program = Program('impair', [
            impair, 'run', '-a', 'road', '-A', '10.200.0.1/16', '-s', self.path('road.sock'),
            '-p', str(2000000 if exact else spin_us), *(('-l', self.log) if log else ()), *rules], self.path('road.out'))
        self.program.start()
        pin(self.program.pid, ROAD_CORE)
        os.setpriority(os.PRIO_PROCESS, self.program.pid, -20)
        if exact:
            os.sched_setscheduler(self.program.pid, os.SCHED_FIFO, os.sched_param(50))
        wait_for(lambda: 'ready' in self.program.said() or not self.program.running(), 5, 'the emulator')
        if not self.program.running():
            raise Unmeasured(f'emulator: {tail(self.program.log)}')

    def stop(self):
        if self.program is not None:
            self.program.stop()
        self.program = None

    def _impair(self, *args):
        return subprocess.run([os.path.join(self.build, 'tests/impair/impair'), *args], check=True,
                              capture_output=True, text=True).stdout.strip()

    def command(self, text):
        return self._impair('ctl', self.path('road.sock'), text)

    def stats(self):
        """What the emulator counted: in, out, dropped, queued."""
        return {k: int(v) for k, v in (f.split('=') for f in self.command('stats').split())}

    def device(self, counter):
        """A counter of the road's device, such as tx_packets (sent into the road)."""
        with open(f'/sys/class/net/road/statistics/{counter}', encoding='utf-8') as f:
            return int(f.read())

    def lateness_us(self):
        """Applied minus planned delay: median, p90, p99, max.  Only after stop()."""
        said = self._impair('stat', self.log)
        return {k: float(v) for k, v in (f.split('=') for f in said.split() if '=' in f) if k != 'packets'}

    def truth(self):
        """What was really done to each packet, one dict each."""
        if self.program is not None:
            self.command('flush')
        return list(csv.DictReader(io.StringIO(self._impair('dump', self.log))))

    def applied_ns(self):
        """Applied delays of the requests to each address, in the order of sending; None: dropped."""
        applied = {}
        for t in sorted(self.truth(), key=lambda t: int(t['in_ns'])):
            if t['verdict'] in ('pass', 'loss', 'qdrop'):
                out_ns = int(t['out_ns'])
                applied.setdefault(t['dst'], []).append(out_ns - int(t['in_ns']) if out_ns > 0 else None)
        return applied


class Pace:
    """Watches how fast packets go into the road: the rate of the middle of a run."""

    def __init__(self, road):
        self.road = road
        self.first = road.device('tx_packets')
        self.points = []

    def look(self):
        self.points.append((time.monotonic(), self.road.device('tx_packets') - self.first))

    def pps(self):
        """Packets a second between a tenth and nine tenths of what was sent."""
        total = self.points[-1][1] if self.points else 0
        middle = [p for p in self.points if total * 0.1 <= p[1] <= total * 0.9]
        if len(middle) < 2:
            return None
        (t0, n0), (t1, n1) = middle[0], middle[-1]
        return (n1 - n0) / (t1 - t0)
