#!/usr/bin/python3
"""test_crash.py - kill -9 of each daemon in turn, and nothing is lost."""

import os
import random
import signal
import struct
import sys
import time

from lab import INGEST, SUP, Stack, assert_whole, child, main, net, test, wait_for

SEED = int(os.environ.get('SEED', random.randrange(1 << 32)))
dice = random.Random(SEED)
print(f'SEED={SEED}', flush=True)


def five_links(stack):
    for i in range(1, 6):
        stack.link(f'link{i}', 'icmp', f'10.200.1.{i}', count=5, timeout='400ms')


def pause(longest):
    """A moment that nobody can know beforehand: this is the test, not a wait for something."""
    time.sleep(dice.uniform(0.2, longest))


def drained(stack):
    """Waits until the agent has nothing that the collector does not have."""
    stack.await_agent(timeout=70)
    newest = max(r['start_ns'] for r in stack.samples())
    wait_for(lambda: stack.samples() and max(r['start_ns'] for r in stack.samples()) >
             max(newest, time.time_ns() - 4_000_000_000), 60, 'live samples come again', step=0.5)


def tally(records):
    """Counts what the journal says: batches, numbers that are missing, numbers that stand twice."""
    seqs = {}
    for b in (r for r in records if r['type'] == 'batch'):
        seqs.setdefault(b['boot'], []).append(b['seq'])
    lost = sum(max(n) - len(set(n)) for n in seqs.values())
    twice = sum(len(n) - len(set(n)) for n in seqs.values())
    return sum(map(len, seqs.values())), lost, twice


@test
def killed_collector_loses_no_sample(lab):
    lab.start_impair('10.200.0.0/16 delay=5ms')
    stack = Stack(lab, 'collector')
    five_links(stack)
    stack.start(alertd=False)
    for _ in range(6):
        pause(3)
        stack.collector.kill()
        wait_for(lambda: not net.tcp_answers(INGEST, SUP), 10, 'the port is free after kill -9')
        stack.restart(stack.collector)
    drained(stack)
    records = stack.dump()
    batches, lost, twice = tally(records)
    n = assert_whole(records)
    assert n > 30, f'only {n} samples'
    assert lost == twice == 0, (lost, twice)
    print(f'     samples {n}, batches {batches}, lost {lost}, written twice {twice}')
    stack.stop()


@test
def killed_child_is_started_again(lab):
    """ingest, store and web die one after the other; the supervisor stays."""
    lab.start_impair('10.200.0.0/16 delay=5ms')
    stack = Stack(lab, 'children')
    five_links(stack)
    stack.start(alertd=False)
    for role in ('ingest', 'store', 'web', 'ingest', 'store', 'web'):
        old = wait_for(lambda role=role: child(stack, role), 20, f'{role} runs')
        pause(1)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda role=role, old=old: child(stack, role) not in (None, old), 20, f'{role} runs again')
    drained(stack)
    assert stack.collector.running()
    assert_whole(stack.dump())
    stack.stop()


@test
def killed_agent_repeats_and_loses_nothing(lab):
    """What it measured before its death and had on disk arrives, once."""
    lab.start_impair('10.200.0.0/16 delay=5ms')
    stack = Stack(lab, 'agent')
    five_links(stack)
    stack.start(alertd=False)
    wait_for(stack.samples, 20, 'samples')
    for _ in range(4):
        pause(3)
        if dice.random() < 0.5:         # some of it must wait in the spool
            stack.collector.kill()
            pause(2)
        stack.agents['a1'].kill()
        if not stack.collector.running():
            stack.restart(stack.collector)
        stack.restart(stack.agents['a1'])
        stack.await_agent(timeout=70)
    drained(stack)
    batches, lost, twice = tally(stack.dump())
    print(f'     batches {batches}, lost {lost}, written twice {twice}')
    assert batches > 3 and lost == twice == 0, (batches, lost, twice)
    stack.stop()


@test
def killed_alertd_tells_every_change(lab):
    """Faults begin and end while it is dead; each is told, at least once."""
    lab.start_impair('10.200.0.0/16 delay=5ms')
    stack = Stack(lab, 'alertd')
    five_links(stack)
    stack.start()
    for i in range(1, 6):
        stack.await_state(f'link{i}', 'up')
    for i in range(1, 4):
        lab.road(f'set 10.200.1.{i} down=1')
        pause(2)
        stack.alertd.kill()
        pause(2)
        stack.restart(stack.alertd)
        stack.await_incident(link=f'link{i}', timeout=40)
        stack.alertd.kill()
        stack.restart(stack.alertd)
    for i in range(1, 4):
        lab.road(f'set 10.200.1.{i} down=0')
        pause(1)
        stack.alertd.kill()
        stack.restart(stack.alertd)
        stack.await_incident(link=f'link{i}', state='recovered', timeout=60)
    numbers = [i['number'] for i in stack.incidents(all=True) if i['kind'] == 'down']
    assert len(numbers) == 3, f'three faults, incidents {numbers}'

    def untold():
        """The state changes of which no message speaks."""
        texts = stack.outbox()
        return [(i, words) for i in range(1, 4) for words in (('故障', '告警'), ('恢复',))
                if not any(f'link{i}' in t and any(w in t for w in words) for t in texts)]
    wait_for(lambda: not untold(), 30, 'opening and recovery of each link are told')
    print(f'     state changes to be told 6, never told {len(untold())}')
    stack.stop()


@test
def killed_store_fills_its_files(lab):
    """RRD files have a row for every step although store died in between."""
    lab.start_impair('10.200.0.0/16 delay=5ms')
    stack = Stack(lab, 'store')
    stack.collector_conf['store'] = {'age': '1s'}
    stack.link('link1', 'icmp', '10.200.1.1', count=5, timeout='400ms')
    stack.start(alertd=False)
    for _ in range(3):
        pause(3)
        old = wait_for(lambda: child(stack, 'store'), 20, 'store runs')
        os.kill(old, signal.SIGKILL)
        wait_for(lambda old=old: child(stack, 'store') not in (None, old), 20, 'store runs again')
    newest = stack.samples()[-1]['start_ns'] // 1_000_000_000
    path = stack.path('collector', 'state', 'rrd', 'a1', 'link1.rrd')
    wait_for(lambda: os.path.exists(path) and rrd_last(path) >= newest, 30, 'the file has the newest row')
    stack.stop()


def rrd_last(path):
    """Last update of an RRD file, from its live header."""
    with open(path, 'rb') as f:
        ds, rra = struct.unpack_from('<2Q', f.read(128), 24)
        f.seek(128 + ds * 120 + rra * 120)
        return struct.unpack('<q', f.read(8))[0]


if __name__ == '__main__':
    sys.exit(main())
