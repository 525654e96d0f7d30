#!/usr/bin/python3
"""test_impair.py - is the emulator itself to be trusted?  Its log and its shares, seen from outside.

A plain sender asks over the real device, a packet socket beside it sees what comes back; what
the emulator writes down must be what came, and its shares those of its rules (five deviations).
"""

import collections
import math
import socket
import statistics
import struct
import sys
import threading
import time

from lab import main, test, wait_for
from netns import checksum, echo, socket_in

MS = 1_000_000
N = 1200                        # requests on each road
RATE_BPS = 60_000               # of road "rate": 75 packets of 100 bytes in a second, of 110 asked for
ROADS = {
    'clean': 'delay=5ms', 'loss': 'loss=10', 'burst': 'ge=5,25,100,0', 'uniform': 'delay=30ms jitter=10ms',
    'normal': 'delay=60ms jitter=10ms dist=normal', 'reorder': 'delay=2ms reorder=20,50ms', 'dup': 'delay=1ms dup=20',
    'corrupt': 'corrupt=20', 'rate': f'rate={RATE_BPS // 1000}k,100ms',
}
PACKET_OUTGOING, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 4, 35, 33

Seen = collections.namedtuple('Seen', 'at source ident seq sound')


class Watcher(threading.Thread):
    """Notes each echo reply that comes in by the emulator's device."""

    def __init__(self, namespace):
        super().__init__(daemon=True)
        self.socket = socket_in(namespace, socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.socket.bind(('road', 3))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.settimeout(0.2)
        self.seen, self.done = [], False

    def run(self):
        while not self.done:
            try:
                data, ancillary, _, address = self.socket.recvmsg(2048, 256)
            except TimeoutError:
                continue
            if address[2] != PACKET_OUTGOING:
                s, ns = struct.unpack('qq', ancillary[0][2][:16])
                self.note(s * 1_000_000_000 + ns, data)
        self.socket.close()

    def note(self, at, data):
        if data[0] >> 4 == 4:
            source, icmp, pseudo = socket.inet_ntop(socket.AF_INET, data[12:16]), data[20:], b''
        else:
            source, icmp = socket.inet_ntop(socket.AF_INET6, data[8:24]), data[40:]
            pseudo = data[8:40] + struct.pack('!II', len(icmp), 58)
        self.seen.append(Seen(at, source, *struct.unpack('!HH', icmp[4:8]), checksum(pseudo + icmp) == 0))


def ask(namespace, roads):
    """N requests on each road in turn, about 4,000 a second in all."""
    out = {4: socket_in(namespace, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
           6: socket_in(namespace, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)}
    begin = time.monotonic()
    for i in range(N):
        for road, (family, target) in roads.items():
            if road.startswith('rate') and i % 2:
                continue
            data = echo(8 if family == 4 else 128, 7, i, bytes(72 if family == 4 else 52))
            out[family].sendto(data, (target, 0))
        late = begin + i * len(roads) / 4000 - time.monotonic()
        if late > 0:
            time.sleep(late)            # the pace is what is asked for
    for s in out.values():
        s.close()


def share(what, hits, n, p):
    assert abs(hits - n * p) <= 5 * math.sqrt(n * p * (1 - p)), f'{what}: {hits} of {n}, not {p:.0%}'


def log_is_true(road, log, seen):
    """Each packet in the log came, at that time and in that state, and no other."""
    came = {}
    for s in seen:
        if s.sound:
            came.setdefault(s.seq, []).append(s.at)
    let = {}
    for t in log:
        if int(t['out_ns']) and t['verdict'] != 'corrupt':
            let.setdefault(int(t['seq']), []).append(int(t['out_ns']))
    assert {k: len(v) for k, v in came.items()} == {k: len(v) for k, v in let.items()}, \
        f'{road}: {sum(map(len, came.values()))} came, {sum(map(len, let.values()))} in the log'
    after = [a - b for k in came for a, b in zip(sorted(came[k]), sorted(let[k]))]
    assert min(after) >= 0 and statistics.median(after) < 2 * MS, \
        f'{road}: came {min(after)} to {max(after)} ns after what the log says'
    assert sum(1 for s in seen if not s.sound) == sum(1 for t in log if t['verdict'] == 'corrupt'), road


def burst_lengths(log):
    lost, run = [], 0
    for t in sorted(log, key=lambda t: int(t['seq'])):
        if t['verdict'] == 'geloss':
            run += 1
        elif run:
            lost.append(run)
            run = 0
    return lost


def shares_are_right(road, log):
    """What the rules ask for, within five deviations.  Of delays: what was meant; a busy machine adds its own."""
    count = collections.Counter(t['verdict'] for t in log)
    first = [t for t in log if t['copy'] == '0' and int(t['out_ns'])]
    delay = [int(t['planned_ns']) / MS for t in first]
    late = [(int(t['out_ns']) - int(t['in_ns'])) / MS - d for t, d in zip(first, delay)]
    assert min(late) >= 0 and statistics.median(late) < 2, f'{road}: {statistics.median(late):.1f} ms later than meant'
    kind = road[:-2]
    if kind == 'loss':
        share(road, count['loss'], N, 0.10)
    elif kind == 'burst':
        lost = burst_lengths(log)
        assert abs(statistics.mean(lost) - 4) < 5 * math.sqrt(0.75) * 4 / math.sqrt(len(lost)), f'{road}: {lost}'
        assert 80 < count['geloss'] < 350, f'{road}: {count}'
    elif kind == 'uniform':
        assert min(delay) >= 20 and abs(statistics.median(delay) - 30) < 1.7, f'{road}: {statistics.median(delay)}'
        assert abs(statistics.pstdev(delay) - 10 / math.sqrt(3)) < 0.7, f'{road}: {statistics.pstdev(delay)}'
    elif kind == 'normal':
        assert abs(statistics.median(delay) - 60) < 2.2, f'{road}: {statistics.median(delay)}'
        assert abs(statistics.pstdev(delay) - 10) < 1.3, f'{road}: {statistics.pstdev(delay)}'
        share(road, sum(1 for d in delay if d > 70), N, 0.1587)
    elif kind == 'reorder':
        share(road, sum(1 for d in delay if d > 50), N, 0.20)
        ends = [int(t['out_ns']) for t in sorted(first, key=lambda t: int(t['seq']))]
        assert sum(1 for a, b in zip(ends, ends[1:]) if b < a) > N / 10, f'{road}: nobody overtakes'
    elif kind in ('dup', 'corrupt'):
        share(road, count[kind], N, 0.20)
    elif kind == 'rate':
        ends = sorted(int(t['in_ns']) + int(t['planned_ns']) for t in first)
        bps = (len(ends) - 1) * 800 * 1e9 / (ends[-1] - ends[0])
        assert 0.95 < bps / RATE_BPS < 1.02, f'{road}: {bps:.0f} bit/s, {count}'
        assert count['qdrop'] > 0 and 90 < max(delay) < 120, f'{road}: {count}, {max(delay)} ms'
    else:
        assert len(first) == N and set(delay) == {5}, f'{road}: {count}'


@test
def what_it_says_is_what_it_does(lab):
    roads = {f'{r}-{f}': (f, f'10.200.3.{i}' if f == 4 else f'fd00:200::3:{i:x}')
             for i, r in enumerate(ROADS, 1) for f in (4, 6)}
    lab.start_impair(*(f'{target} {ROADS[road[:-2]]}' for road, (_, target) in roads.items()))
    watcher = Watcher(lab.host)
    watcher.start()
    ask(lab.host, roads)
    wait_for(lambda: 'queued=0' in lab.road('stats'), 10, 'the road is empty')
    log = [t for t in lab.truth() if t['id'] == '7']
    let = sum(1 for t in log if int(t['out_ns']))
    wait_for(lambda: len(watcher.seen) >= let, 5, f'the watcher has seen all {let}')
    watcher.done = True
    watcher.join()
    wrong = []
    for road, (_, target) in roads.items():
        mine = [t for t in log if t['dst'] == target]
        try:
            log_is_true(road, mine, [s for s in watcher.seen if s.source == target])
            shares_are_right(road, mine)
        except AssertionError as e:
            wrong.append(str(e))
    assert not wrong, '\n'.join(wrong)


if __name__ == '__main__':
    sys.exit(main())
