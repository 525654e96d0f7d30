#!/usr/bin/python3
"""tcp.py - what a TCP connect probe costs and how well it measures, beside the barest loop and a peer.

    tcp.py [--build DIR] [--quick]

Needs root: the emulator answers for 100 targets in a network namespace of this process.
tcp_cost.c runs the agent's own probe and the bare loop (socket, connect, epoll, close) by
turns on one core, the emulator has the other.  One line of JSON for each row:

    CPU        microseconds of CPU for each connect, 100 in flight, 1 ms away; the peer is
               blackbox_exporter, asked over eight connections, whose client is not counted
    RTT error  median RTT less the median of what the emulator did, 100 in flight, 20 ms away;
               in both lies what a packet takes to the emulator and back, some 50 us

Ends with status 0 when each row reached what it should.
"""

import argparse
import csv
import ctypes
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, 'conf', 'run'))

from process import Program, tail, wait_for                             # noqa: E402

CLONE_NEWNET = 0x40000000
TARGET, TARGETS, PORT, WINDOW = '10.200.1.1', 100, 443, 100
TCP = '6'
PEER, PEER_PORT, PEER_CLIENTS = 'prometheus-blackbox-exporter', 9115, 8


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


def cpu_s(pid):
    """User and system time of a process with all its threads."""
    with open(f'/proc/{pid}/stat', encoding='utf-8') as f:
        fields = f.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) == 0


def ask_peer(probes, done):
    """Has the peer probe so many times; those that it calls a success go to done."""
    c = http.client.HTTPConnection('127.0.0.1', PEER_PORT, timeout=10)
    for i in range(probes):
        c.request('GET', f'/probe?module=connect&target=10.200.1.{i % TARGETS + 1}:{PORT}')
        done.append(b'\nprobe_success 1\n' in c.getresponse().read())
    c.close()


def peer_cost(directory, probes):
    """CPU microseconds of the peer for a probe; None: it is not installed."""
    program = shutil.which(PEER)
    if program is None:
        return None
    conf = os.path.join(directory, 'blackbox.yml')
    with open(conf, 'w', encoding='ascii') as f:        # JSON is YAML
        json.dump({'modules': {'connect': {'prober': 'tcp', 'timeout': '2s'}}}, f)
    core = ['taskset', '-c', str(min(os.sched_getaffinity(0)))] if len(os.sched_getaffinity(0)) > 1 else []
    peer = Program('blackbox', [*core, program, '--config.file', conf, '--web.listen-address', f'127.0.0.1:{PEER_PORT}'],
                   os.path.join(directory, 'blackbox.out'))
    peer.start()
    try:
        wait_for(lambda: answers(PEER_PORT), 10, 'the peer listens')
        ask_peer(20, [])
        done, begin = [], cpu_s(peer.pid)
        clients = [threading.Thread(target=ask_peer, args=(probes // PEER_CLIENTS, done)) for _ in range(PEER_CLIENTS)]
        for c in clients:
            c.start()
        for c in clients:
            c.join()
        spent = cpu_s(peer.pid) - begin
    finally:
        peer.stop()
    if sum(done) != probes // PEER_CLIENTS * PEER_CLIENTS:
        sys.exit(f'tcp.py: {PEER}: {sum(done)} of {probes} probes succeeded\n{tail(peer.log)}')
    return spent * 1e6 / len(done)


def row(name, ours, bare, reach, unit, **more):
    """Against the bare loop: the peer, unless more has another one, which leaves it as the limit."""
    ratio = ours / bare if bare > 0 else None
    reached = ratio is not None and ratio <= reach
    print(json.dumps({'row': name, 'ours': round(ours, 2), 'peer': round(bare, 2), 'peer_name': 'bare connect loop',
                      'limit': None, 'ratio': None if ratio is None else round(ratio, 3), 'reach': reach,
                      'reached': reached, 'unit': unit, **more}), flush=True)
    return reached


def cost(build, directory, rounds, probes):
    cpu = {'ours': [], 'bare': []}
    for i in range(rounds):
        for who in ('ours', 'bare') if i % 2 == 0 else ('bare', 'ours'):
            cpu[who].append(measure(build, who, probes)['cpu_us'])
    ours, bare = (statistics.median(cpu[who]) for who in ('ours', 'bare'))
    peer = peer_cost(directory, probes // 10)
    note = f'{PEER} is not installed' if peer is None else f'{ours / peer:.3f} of {PEER}'
    return row('CPU per TCP connect probe', ours, bare, 1.5, 'us CPU', limit=round(bare, 2),
               limit_name='bare connect loop, which the ratio is to', peer=None if peer is None else round(peer, 2),
               peer_name=PEER, note=note)


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
            reached = cost(build, directory, 3 if args.quick else 9, 4000 if args.quick else 20000)
        with Road(build, directory, '20ms', log=True) as road:
            reached &= error(build, road, 3 if args.quick else 7, 2000)
    return 0 if reached else 1


if __name__ == '__main__':
    sys.exit(main())
