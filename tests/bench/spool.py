#!/usr/bin/python3
"""spool.py - what a spool takes on disk and how fast it drains.

Fills a spool with 72 h of 200 links at 10 s (made-up time, real files), reads it as the
uplink does, and then lets the real agent send it over TLS to the real collector until the
last batch is acknowledged.  Prints one JSON object for each row:

    {"row": ..., "ours": ..., "reach": ..., "reached": ..., "unit": ..., ...}

It needs root (network namespaces of its own) and about 1 GB of disk.
"""

import argparse
import json
import os
import struct
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tests', 'integration'))

from lab import Lab, Stack, sh, wait_for                                # noqa: E402

MIB = 1 << 20
LINKS, STEP, HOURS, COUNT = 200, 10, 72, 10
TICK = os.sysconf('SC_CLK_TCK')
DRAIN_S = 55                            # longest that a drain may take here


def row(name, ours, reach, unit, reached, **more):
    print(json.dumps({'row': name, 'ours': round(ours, 1), 'reach': reach, 'reached': reached, 'unit': unit, **more}),
          flush=True)
    return reached


def cpu(pid):
    """CPU seconds of a process and of those that it waited for."""
    with open(f'/proc/{pid}/stat', encoding='utf-8') as f:
        fields = f.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss(pid, what='VmRSS'):
    with open(f'/proc/{pid}/status', encoding='utf-8') as f:
        return next(int(line.split()[1]) for line in f if line.startswith(what)) / 1024


def children(pid):
    with open(f'/proc/{pid}/task/{pid}/children', encoding='utf-8') as f:
        return [int(p) for p in f.read().split()]


def family(pid):
    return [pid] + [p for c in children(pid) for p in family(c)]


def role(pid, name):
    """The process of a role of the collector."""
    for p in family(pid):
        with open(f'/proc/{p}/cmdline', encoding='utf-8') as f:
            if name in f.read().split('\0'):
                return p
    raise LookupError(name)


def tip(directory):
    """The number behind the last record that a journal published."""
    try:
        with open(os.path.join(directory, 'tip'), 'rb') as f:
            data = f.read(40)
    except FileNotFoundError:
        return 1
    return struct.unpack_from('<Q', data, 8)[0] if len(data) == 40 else 1


def acked(directory):
    """The first batch that is not acknowledged, by the spool's cursor and its segments."""
    try:
        with open(os.path.join(directory, 'cursor.acked'), encoding='ascii') as f:
            return int(f.read().split()[1])
    except FileNotFoundError:
        return 1


def stack_of(lab, spool_program):
    """A collector that knows the links, an agent whose owner allows no probe."""
    stack = Stack(lab, 'drain')
    for i, name in enumerate(sh(spool_program, 'links', str(LINKS)).split()):
        stack.link(name, 'icmp', f'192.0.2.{i % 250 + 1}', step=f'{STEP}s', count=COUNT,
                   short=f'l{i}', short_en=f'l{i}')
    stack.agent_conf['a1']['guard']['allow'] = ['127.0.0.1/32']
    stack.agent_conf['a1']['spool']['max_size'] = '1G'
    return stack


def drain(stack, batches):
    """Starts the agent on its full spool: seconds, CPU of agent and ingest, their peak MiB."""
    journal = stack.path('collector', 'state', 'journal')
    first = tip(journal)
    agent = stack.start_agent()
    begin, launched = None, time.monotonic()
    while True:
        now, at = time.monotonic(), tip(journal)
        if begin is None and at > first + 2:
            begin, start = now, at
            ingest = role(stack.collector.pid, 'ingest')
            pid = family(agent.pid)[-1]
            spent = cpu(pid), cpu(ingest)
        if at > first + batches:
            break
        if now - launched > DRAIN_S:
            break
        assert agent.running() and stack.collector.running(), 'a program ended'
        time.sleep(0.005)
    return {'whole': at > first + batches, 'seconds': now - begin, 'batches': at - start, 'agent_cpu': cpu(pid) - spent[0],
            'ingest_cpu': cpu(ingest) - spent[1], 'agent_mib': rss(pid, 'VmHWM'), 'ingest_mib': rss(ingest, 'VmHWM')}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-b', '--build', default=os.path.join(TOP, 'build'))
    parser.add_argument('--hours', type=int, default=HOURS, help='fill with fewer hours (a look, not the figure)')
    args = parser.parse_args()
    program = os.path.join(args.build, 'tests/bench/spool')
    lab = Lab(args.build)
    stack = stack_of(lab, program)
    spool = stack.path('a1', 'state', 'spool')
    filled = json.loads(sh(program, 'fill', spool, str(LINKS), str(STEP), str(args.hours)))
    per_sample = filled['bytes'] / filled['samples']
    whole = per_sample * LINKS / STEP * HOURS * 3600 / MIB
    ok = row(f'spool: {HOURS} h of {LINKS} links at {STEP} s', whole, 256, 'MiB', whole <= 256,
             bytes_per_sample=round(per_sample, 2), samples=filled['samples'],
             rtts_per_sample=round(filled['rtts'] / filled['samples'], 2))
    read = json.loads(sh(program, 'read', spool))
    rate = filled['samples'] / read['wall_s']
    ok &= row('spool drain, reading alone', rate, 200000, 'samples/s', rate >= 200000, cpu_s=read['cpu_s'])
    stack.write()
    stack.start_collector()
    d = drain(stack, filled['batches'])
    rate = filled['samples'] / filled['batches'] * d['batches'] / d['seconds']
    last = filled['batches']
    if d['whole']:
        wait_for(lambda: acked(spool) > last - 64, 20, 'the spool knows that it is empty')
    ok &= row('spool drain, end to end', rate, 200000, 'samples/s', rate >= 200000 and d['whole'],
              per_busy_core=round(rate * d['seconds'] / max(d['agent_cpu'], d['ingest_cpu'])),
              **{k: round(v, 2) for k, v in d.items()})
    stack.stop()
    taken = sum(os.path.getsize(os.path.join(base, n)) for base, _, names in
                os.walk(stack.path('collector', 'state', 'journal')) for n in names if n.endswith('.seg'))
    aim = 12 + 3 * filled['rtts'] / filled['samples']
    ok &= row('journal of the collector', taken / filled['samples'], round(aim, 1), 'bytes/sample',
              taken / filled['samples'] <= aim)
    lab.close()
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
