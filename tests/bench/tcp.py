#!/usr/bin/python3
"""tcp.py - what a TCP connect probe costs and how well it measures, beside the barest loop.

    tcp.py [--build DIR] [--quick]

Needs root: the emulator answers for 100 targets in a network namespace of this process.
tcp_cost.c runs the agent's own probe and the bare loop (socket, connect, epoll, close) by
turns on one core, the emulator has the other.  One line of JSON for each row:

    CPU        microseconds of CPU for each connect, 100 in flight, 1 ms away
    RTT error  median RTT less the median of what the emulator did, 100 in flight, 20 ms away;
               in both lies what a packet takes to the emulator and back, some 50 us

Ends with status 0 when each row reached what it should.
"""

import argparse
import csv
import ctypes
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, 'conf', 'run'))

from process import Program, tail, wait_for                             # noqa: E402

CLONE_NEWNET = 0x40000000
TARGET, TARGETS, PORT, WINDOW = '10.200.1.1', 100, 443, 100
TCP = '6'


def pin(pid, core):
    """Puts a process on a core of its own, if there are two."""
    if len(os.sched_getaffinity(0)) > 1 or core == 0:
        os.sched_setaffinity(pid, {core})


class Road:
    """The emulator behind a device of this namespace."""

    def __init__(self, build, directory, delay, log=False):
        self.impair = os.path.join(build, 'tests/impair/impair')
        self.log = os.path.join(directory, 'road.log')
        self.socket = os.path.join(directory, 'road.sock')
        self.program = Program('impair', [self.impair, 'run', '-a', 'road', '-A', '10.200.0.1/16', '-s', self.socket,
                                          *(('-l', self.log) if log else ()), '-p', '50',
                                          f'10.200.0.0/16 tcp=open delay={delay}'],
                               os.path.join(directory, 'road.out'))

    def __enter__(self):
        self.program.start()
        os.sched_setaffinity(self.program.pid, {max(os.sched_getaffinity(0))})
        wait_for(lambda: 'ready' in self.program.said() or not self.program.running(), 5, 'the emulator')
        if not self.program.running():
            sys.exit(f'tcp.py: emulator: {tail(self.program.log)}')
        return self

    def __exit__(self, *_):
        self.program.stop()

    def _ctl(self, command):
        subprocess.run([self.impair, 'ctl', self.socket, command], check=True, stdout=subprocess.DEVNULL)

    def mark(self, number):
        self._ctl(f'mark {number}')

    def delays_us(self, number):
        """What was done to each SYN since that mark."""
        self._ctl('flush')
        dump = subprocess.run([self.impair, 'dump', self.log], check=True, capture_output=True, text=True).stdout
        found, seen = [], False
        for t in csv.DictReader(dump.splitlines()):
            if t['verdict'] == 'mark':
                seen = t['dst'] == f'0.0.0.{number}'
            elif seen and t['proto'] == TCP and t['verdict'] == 'pass':
                found.append((int(t['out_ns']) - int(t['in_ns'])) / 1e3)
        return found


def measure(build, who, probes):
    """One run: the figures that tcp_cost prints."""
    argv = [os.path.join(build, 'tests/bench/tcp_cost'), who, TARGET, str(TARGETS), str(PORT), str(probes),
            str(WINDOW)]
    said = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120,
                          preexec_fn=lambda: pin(0, min(os.sched_getaffinity(0)))).stdout.split()
    figures = dict(zip(said[::2], map(float, said[1::2])))
    if figures['replies'] != probes:
        sys.exit(f'tcp.py: {who}: {figures["replies"]:.0f} replies to {probes} connects')
    return figures


def row(name, ours, peer, reach, unit):
    ratio = ours / peer if peer > 0 else None
    reached = ratio is not None and ratio <= reach
    print(json.dumps({'row': name, 'ours': round(ours, 2), 'peer': round(peer, 2), 'peer_name': 'bare connect loop',
                      'limit': None, 'ratio': None if ratio is None else round(ratio, 3), 'reach': reach,
                      'reached': reached, 'unit': unit}), flush=True)
    return reached


def cost(build, rounds, probes):
    cpu = {'ours': [], 'bare': []}
    for i in range(rounds):
        for who in ('ours', 'bare') if i % 2 == 0 else ('bare', 'ours'):
            cpu[who].append(measure(build, who, probes)['cpu_us'])
    ours, bare = (statistics.median(cpu[who]) for who in ('ours', 'bare'))
    return row('CPU per TCP connect probe', ours, bare, 1.5, 'us CPU')


def error(build, road, rounds, probes):
    off = {'ours': [], 'bare': []}
    for i in range(rounds):
        for k, who in enumerate(off):
            number = 2 * i + k + 1
            road.mark(number)
            rtt = measure(build, who, probes)['rtt_us']
            off[who].append(abs(rtt - statistics.median(road.delays_us(number))))
    ours, bare = (statistics.median(off[who]) for who in ('ours', 'bare'))
    return row('TCP: median RTT error with 100 in flight', ours, bare, 1 / 2, 'us')


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('-b', '--build', default=os.path.join(TOP, 'build'))
    p.add_argument('--quick', action='store_true', help='fewer probes, for a look')
    args = p.parse_args()
    build = os.path.abspath(args.build)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        sys.exit(f'tcp.py: unshare: {os.strerror(ctypes.get_errno())} (root is needed)')
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    with tempfile.TemporaryDirectory(prefix='linkwatch-tcp.') as directory:
        with Road(build, directory, '1ms'):
            reached = cost(build, 3 if args.quick else 9, 4000 if args.quick else 20000)
        with Road(build, directory, '20ms', log=True) as road:
            reached &= error(build, road, 3 if args.quick else 7, 2000)
    return 0 if reached else 1


if __name__ == '__main__':
    sys.exit(main())
