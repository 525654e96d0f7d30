#!/usr/bin/python3
"""test_truth.py - what the agent reports of echo requests, packet by packet against the emulator's log."""

import os
import statistics
import sys

import truth
from lab import Stack, main, test, wait_for

ROADS = {
    'bare': 'delay=0', 'clean': 'delay=5ms', 'far': 'delay=200ms', 'loss': 'delay=10ms loss=20',
    'burst': 'delay=10ms ge=5,25,100,0', 'normal': 'delay=30ms jitter=10ms dist=normal',
    'uniform': 'delay=20ms jitter=15ms', 'reorder': 'delay=5ms reorder=30,120ms', 'dup': 'delay=5ms dup=30',
    'corrupt': 'delay=5ms corrupt=30', 'cookie': 'delay=5ms corrupt=30,cookie',
    'rate': 'delay=2ms rate=9k,150ms', 'late': 'delay=5ms reorder=20,900ms',
    'mix': 'delay=20ms jitter=10ms loss=5 ge=2,30,100,0 dup=10 reorder=10,900ms',
    'worse': 'delay=20ms jitter=10ms loss=5 dup=10 corrupt=5 reorder=10,900ms',
}
DAMAGED = ('clean', 'corrupt', 'cookie', 'worse')
QUIET = 'dup=0 reorder=0'       # no more of what is counted where it comes, not where it was asked
TIMEOUT = 400


def address(family, i):
    return f'10.200.1.{i}' if family == 4 else f'fd00:200::1:{i:x}'


def more(stack, n, *links):
    """Waits until each link has n samples more."""
    def counts():
        have = dict.fromkeys(links, 0)
        for s in stack.samples():
            have[s['link']] = have.get(s['link'], 0) + 1
        return have
    begin = counts()
    wait_for(lambda: all(c >= begin[l] + n for l, c in counts().items() if l in begin), n + 20,
             f'{n} samples of {len(links)} links', step=0.5)


def by_link(stack):
    found = {}
    for s in stack.samples():
        found.setdefault(s['link'], []).append(s)
    return found


def measure(lab, name, where, seconds):
    """Runs an agent over the roads of where (link: target) and compares each link; all RTT errors in ns."""
    lab.start_impair(*(f'{where[l]} {ROADS[l[:-2]]}' for l in where))
    stack = Stack(lab, name)
    for link, target in where.items():
        stack.link(link, 'icmp', target, count=20, timeout=f'{TIMEOUT}ms', **{'class': 'C'})
    stack.start(alertd=False)
    more(stack, seconds, *where)
    for target in where.values():
        lab.road(f'set {target} {QUIET}')
    more(stack, 3, *where)
    stack.stop()
    log, samples, wrong, errors = lab.truth(), by_link(stack), [], []
    for link, target in where.items():
        try:
            c = truth.Comparison(link, samples[link], truth.requests(log, target), TIMEOUT * truth.MS)
            if os.environ.get('VERBOSE'):
                print(c)
            c.extras()
            assert c.compared >= 20 * seconds * 0.8, \
                f'{link}: only {c.compared} requests compared, flags {[s["flags"] for s in samples[link]]}'
            assert c.median_us() < 1000, f'{link}: RTT is {c.median_us():.0f} us too long (median)'
            errors += c.errors_ns
        except AssertionError as e:
            wrong.append(str(e))
    lab.stop(lab.impair)
    assert not wrong, '\n'.join(wrong)
    return sorted(errors)


@test
def every_packet(lab):
    """Loss, bursts, jitter, overtaking, duplicates, rate limit, lateness; IPv4 and IPv6 at once."""
    errors = measure(lab, 'truth', {f'{road}-{f}': address(f, i) for i, road in enumerate(ROADS, 1)
                                    for f in (4, 6) if road not in DAMAGED}, 10)
    print(f'     {len(errors)} RTTs too long by {statistics.median(errors) / 1e3:.0f} us (median), '
          f'{errors[len(errors) * 9 // 10] / 1e3:.0f} us (p90)', flush=True)


@test
def every_damaged_packet(lab):
    """A reply with a bit that is wrong is lost, whoever finds it: the kernel by the sum, or we by the cookie."""
    measure(lab, 'damaged', {f'{road}-{f}': address(f, i) for i, road in enumerate(DAMAGED, 1) for f in (4, 6)}, 6)


if __name__ == '__main__':
    sys.exit(main())
