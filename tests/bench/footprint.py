#!/usr/bin/python3
"""footprint.py - what the real agent weighs, with a plan and a collector: CPU and memory.

The agent runs as it does on a vendor's host, under a plan, connected by mutual TLS; beside it
fping at the same rate, and a TLS client that does nothing.
"""

import concurrent.futures
import os
import sys
import time

import bench
from bench import (ROAD_CORE, Program, Unmeasured, addresses, arguments, compared, cpu_seconds, favour, in_turn,
                   installed, median, row, usable, wait_for, why_not)
import probers

sys.path.insert(0, os.path.join(bench.TOP, 'tests', 'integration'))

from lab import SUP, Lab, Stack                                          # noqa: E402

TLS_PORT = 4500


class HostRoad:
    """The lab's emulated road, for probers that run on the vendor's host."""

    def __init__(self, lab):
        self.lab = lab
        self.argv = lab.on_host()

    def targets(self, n):
        path = self.lab.path(f'targets.{n}')
        with open(path, 'w', encoding='utf-8') as f:
            f.write('\n'.join(addresses(n)) + '\n')
        return path

    def path(self, name):
        return self.lab.path(name)


def memory_kb(pid):
    """Resident and proportional size of a process."""
    with open(f'/proc/{pid}/smaps_rollup', encoding='utf-8') as f:
        sizes = {l.split(':')[0]: int(l.split()[1]) for l in f if l.startswith(('Rss:', 'Pss:'))}
    return sizes['Rss'], sizes['Pss']


class Agent:
    """An agent under a plan of links x count ICMP probes in each step, with its collector."""

    def __init__(self, lab, name, links, count, step_s):
        self.stack = Stack(lab, name)
        self.stack.agent_conf['a1']['guard']['max_pps'] = max(1000, 2 * links * count // step_s)
        for i, address in enumerate(addresses(links)):
            self.stack.link(f'l{i}', 'icmp', address, count=count, step=f'{step_s}s', timeout='900ms')
        self.stack.start(alertd=False)
        self.pid = self.stack.agents['a1'].pid
        favour(self.pid)
        favour(self.stack.collector.pid, ROAD_CORE, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.stop()


def echoed(lab):
    """Packets that the road has let go."""
    return int(dict(f.split('=') for f in lab.road('stats').split())['out'])


def settle(lab, pps):
    """Waits until the road carries about pps."""
    def steady():
        before = echoed(lab)
        time.sleep(1)                   # a rate needs a span of time
        return echoed(lab) - before > pps * 0.8
    wait_for(steady, 30, f'{pps} probes/s', step=0)


def planned_cpu(lab, quick):
    """The agent itself at 1,000 probes/s, beside fping at the same rate, before and after."""
    span, count = (5, 3) if quick else (15, 6)
    name = 'CPU per ICMP probe at 1,000 probes/s, the agent under a plan'

    def fping():
        finished = bench.run([*lab.on_host(installed('fping')), '-q', '-c', str(count), '-i', '1', '-p', '1000', '-t',
                              '900', '-f', HostRoad(lab).targets(1000)], 60)
        return finished.cpu_s * 1e6 / max(1, 1000 * count)
    results = in_turn(1, before=fping)
    with Agent(lab, 'thousand', 100, 100, 10) as agent:
        settle(lab, 1000)
        cpu, out = cpu_seconds(agent.pid), echoed(lab)
        time.sleep(span)                # what is measured is a span of time
        sent = echoed(lab) - out
        ours = (cpu_seconds(agent.pid) - cpu) * 1e6 / sent
    results.update(in_turn(1, after=fping))
    peer = median(u for v in results.values() for u in usable(v))
    compared(name, 'us', 0.45, ours, peer, 'fping',
             note='; '.join([f'{sent / span:.0f} probes/s, with samples sent', *filter(None, map(why_not, results.values()))]))


def idle(lab, quick):
    """10 probes/s, the uplink idle: the agent and fping at the same time, side by side."""
    span = 10 if quick else 40
    fping, said = None, ''
    with Agent(lab, 'ten', 100, 1, 10) as agent:
        try:
            fping = Program('fping', [*lab.on_host(installed('fping')), '-l', '-q', '-p', '10000', '-f',
                                      HostRoad(lab).targets(100)], lab.path('fping.log'))
            lab.start(fping)
            favour(fping.pid)
        except bench.NotInstalled as e:
            said = f'{e} is not installed'
        settle(lab, 10)
        pids = [agent.pid] + ([fping.pid] if fping else [])
        before, out = [cpu_seconds(p) for p in pids], echoed(lab)
        time.sleep(span)                # what is measured is a span of time
        spent = [(cpu_seconds(p) - b) * 1e3 / span for p, b in zip(pids, before)]
        rate = (echoed(lab) - out) / span
    if fping:
        lab.stop(fping)
    compared('CPU at 10 probes/s, idle uplink', 'ms/s', 1.0, spent[0], spent[1] if fping else None, 'fping',
             note=said or f'both together {rate:.0f} probes/s')


def memory_tls(lab, quick):
    """200 links and a session, against a client with a session and nothing else."""
    with Agent(lab, 'links', 200, 10, 10) as agent:
        stack = agent.stack
        server = lab.start(Program('s_server', [
            'openssl', 's_server', '-www', '-accept', f'{SUP}:{TLS_PORT}', '-Verify', '2', '-verify_return_error',
            '-tls1_3', '-CAfile', stack.path('pki', 'ca.pem'), '-cert', stack.path('pki', 'collector-main.pem'),
            '-key', stack.path('pki', 'collector-main.key')], lab.path('s_server.log')))
        wait_for(lambda: listens(TLS_PORT) or not server.running(), 5, 'the TLS server')
        bare = lab.start(Program('baretls', [
            *lab.on_host(lab.program('tests/bench/baretls')), SUP, str(TLS_PORT), stack.path('pki', 'ca.pem'),
            stack.path('pki', 'agent-a1.pem'), stack.path('pki', 'agent-a1.key')], lab.path('baretls.log')))
        wait_for(lambda: 'connected' in bare.said() or not bare.running(), 5, 'the bare client')
        if not bare.running():
            raise Unmeasured(f'baretls: {bare.said()}')
        wait_for(lambda: len({s['link'] for s in stack.samples()}) == 200, 40, 'a sample of each link', step=1)
        time.sleep(0 if quick else 10)  # one more step, so that what grows has grown
        ours, peer = memory_kb(agent.pid), memory_kb(bare.pid)
        lab.stop(bare)
        lab.stop(server)
    for i, kind in enumerate(('RSS', 'PSS')):
        compared(f'memory ({kind}), 200 links with TLS', 'KiB', 1.2, ours[i], peer[i], 'bare mutual-TLS client')


def listens(port):
    """Does somebody listen on this port of the namespace?"""
    with open('/proc/net/tcp', encoding='utf-8') as f:
        return any(l.split()[1].endswith(f':{port:04X}') and l.split()[3] == '0A' for l in list(f)[1:])


def memory_targets(lab, ours_command, quick):
    """50,000 targets: the most memory that each has had."""
    road, n = HostRoad(lab), 50000
    count, gap_ms = ('1', '0.01') if quick else ('2', '0.2')
    ours_argv = probers.Ours(lab.build, ours_command).argv
    argv = {
        'ours': lambda: [*ours_argv, '--file', road.targets(n), '--count', count, '--interval', '5000',
                         '--timeout', '1000', '--rate', '20000', '--json'],
        # Twice is slow enough that it does not run out of sequence numbers.
        'fping': lambda: [installed('fping'), '-q', '-c', count, '-p', '10000', '-i', gap_ms, '-t', '900', '-f',
                          road.targets(n)],
    }

    def peak(name):
        finished = bench.run(lab.on_host(*argv[name]()), 60)
        answered = sum(l.startswith('10.200.') or '"rtt_ns"' in l
                       for l in (finished.out + finished.err).splitlines())
        if answered != n:
            raise Unmeasured(f'{name} (status {finished.status}): '
                             + ((finished.err.strip().splitlines() or [f'{answered} targets'])[0])[:100])
        return finished.peak_kb / 1024
    with concurrent.futures.ThreadPoolExecutor(2) as pool:      # memory does not mind company
        both = {k: pool.submit(in_turn, 1, **{k: lambda k=k: peak(k)}) for k in argv}
    results = {k: v.result()[k] for k, v in both.items()}
    ours, fping = (median(usable(results[k])) for k in ('ours', 'fping'))
    row('memory (peak RSS), 50,000 ICMP targets', 'MiB', '<= 32', ours=ours, peer=fping, peer_name='fping',
        ratio=ours / fping if ours and fping else None, reached=ours is not None and ours <= 32,
        note='; '.join(filter(None, map(why_not, results.values()))))


def main():
    args = arguments(__doc__, '--ours')
    lab = Lab(args.build)
    try:
        lab.start_impair('all delay=20ms')
        favour(lab.impair.pid, ROAD_CORE)
        bench.measure(args, (
            ('CPU under a plan', lambda: planned_cpu(lab, args.quick)),
            ('CPU, idle', lambda: idle(lab, args.quick)),
            ('memory of links', lambda: memory_tls(lab, args.quick)),
            ('memory of targets', lambda: memory_targets(lab, args.ours, args.quick))))
    finally:
        lab.close()
    return 0


if __name__ == '__main__':
    sys.exit(main())
