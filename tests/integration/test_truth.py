#!/usr/bin/python3
"""test_truth.py - what the agent reports of echo requests, packet by packet against the emulator's log."""

import os
import statistics
import sys

import truth
from lab import Stack, main, test
from truth import address, by_link, more, said

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
    assert not wrong, said(wrong)
    return sorted(errors)


@test
def every_packet(lab):
    """Loss, bursts, jitter, overtaking, duplicates, rate limit, lateness; IPv4 and IPv6 at once."""
    errors = measure(lab, 'truth', {f'{road}-{f}': address(f, i) for i, road in enumerate(ROADS, 1)
                                    for f in (4, 6) if road not in DAMAGED}, 8)
    print(f'     {len(errors)} RTTs too long by {statistics.median(errors) / 1e3:.0f} us (median), '
          f'{errors[len(errors) * 9 // 10] / 1e3:.0f} us (p90)', flush=True)


@test
def every_damaged_packet(lab):
    """A reply with a bit that is wrong is lost, whoever finds it: the kernel by the sum, or we by the cookie."""
    measure(lab, 'damaged', {f'{road}-{f}': address(f, i) for i, road in enumerate(DAMAGED, 1) for f in (4, 6)}, 4)


CAUSES = {                      # cause: what the road does to IPv4, to IPv6, and keys of the link
    'net-unreachable': ('err=3,0', 'err=1,0', {}), 'host-unreachable': ('err=3,1', 'err=1,3', {}),
    'port-unreachable': ('err=3,3', 'err=1,4', {}), 'prohibited': ('err=3,13', 'err=1,1', {}),
    'ttl-exceeded': ('hops=3', 'hops=3', {'ttl': 3}),
    'too-big': ('mtu=1300', 'mtu=1300', {'size': 1400, 'df': True}),
}


MARKS = {                       # keys of the link: TOS, TTL and DF (of IPv4) that the wire must show
    'plain': ({}, 0, 64, 0), 'marked': ({'dscp': 46, 'ttl': 17}, 184, 17, 0), 'whole': ({'df': True}, 0, 64, 1),
    'large': ({'size': 1400, 'dscp': 8}, 32, 64, 0), 'device': ({'device': 'road', 'df': True}, 0, 64, 1),
    'hundred': ({'ttl': 255, 'dscp': 63, 'df': True, 'size': 24}, 252, 255, 1),
}


def add_causes(stack, rules):
    """A link for each cause, family and length of what is quoted: its cause and target."""
    links = {}
    for i, (cause, (*on_road, keys)) in enumerate(CAUSES.items(), 1):
        for family, rule in zip((4, 6), on_road):
            for j, quote in enumerate(('', 'quote=8', 'quote=200')):
                target, link = address(family, 16 * i + j), f'{cause.split("-")[0]}-{family}-{j}'
                via = '10.200.255.254' if family == 4 else 'fd00:200::ff:1'
                rules.append(f'{target} delay=3ms {rule} {quote} {f"via={via}" if j else ""}')
                links[link] = cause, target
                stack.link(link, 'icmp', target, count=10, timeout=f'{TIMEOUT}ms', **keys)
    for family in (4, 6):               # it does not even fit onto our own device
        links[f'local-{family}-0'] = 'too-big', address(family, 200)
        stack.link(f'local-{family}-0', 'icmp', address(family, 200), count=10, timeout=f'{TIMEOUT}ms', size=2000,
                   df=True)
    return links


def wrong_causes(links, samples, log):
    """Whoever says it, however much it quotes: each lost request has its cause, and one only."""
    for link, (cause, target) in links.items():
        mine, local = samples[link][1:-1], link.startswith('local')
        told = {c: sum(s['causes'].get(c, 0) for s in mine) for s in mine for c in s['causes']}
        if not local:
            told.pop('not-sent', None)  # a busy machine: too late to be sent
        asked = sum(s['sent'] for s in mine)
        if any(s['rtt_100ns'] for s in mine) or (told != {cause: asked} if not local else set(told) != {cause}):
            yield f'{link}: {told} told, {cause} were all of {asked}'
        if not local and not [r for r in truth.requests(log, target) if r.error]:
            yield f'{link}: nothing of it on the road'


def add_marks(stack):
    """A link for each kind of mark and family: its target, and what the wire must show."""
    links = {}
    for i, (name, (keys, *want)) in enumerate(MARKS.items(), 1):
        for family in (4,) if 'device' in keys else (4, 6):     # of IPv6 there is the source instead
            target = address(family, i)
            links[f'{name}-{family}'] = target, want, keys.get('size', 56) + (28 if family == 4 else 48)
            stack.link(f'{name}-{family}', 'icmp', target, count=10, timeout=f'{TIMEOUT}ms', **keys)
    return links


def wrong_marks(links, samples, log):
    """DSCP, TTL, DF and size are on each request, and it is answered."""
    for link, (target, (tos, ttl, df), length) in links.items():
        got = {(r.tos, r.ttl, r.df, r.len) for r in truth.requests(log, target)}
        want = {(tos, ttl, df if link.endswith('4') else 1, length)}
        if got != want:
            yield f'{link}: TOS, TTL, DF, length {got} on the wire, not {want}'
        yield from unanswered(samples[link])


def unanswered(samples):
    bad = [s for s in samples[1:-1] if len(s['rtt_100ns']) != s['sent'] or not s['sent']]
    return [f'{bad[0]["link"]}: {bad[0]}'] if bad else []


@test
def causes_and_marks(lab):
    """What errors say and what requests carry; one that must be cut comes back whole; a device is kept to."""
    stack, rules = Stack(lab, 'causes'), ['10.200.0.0/16 delay=2ms', 'fd00:200::/64 delay=2ms']
    causes, marks = add_causes(stack, rules), add_marks(stack)
    for family in (4, 6):
        stack.link(f'cut-{family}', 'icmp', address(family, 210), count=10, timeout=f'{TIMEOUT}ms', size=4000)
    stack.link('astray', 'icmp', address(4, 211), count=10, timeout=f'{TIMEOUT}ms', device='lo')
    lab.start_impair(*rules)
    stack.start(alertd=False)
    more(stack, 4, *causes, *marks, 'cut-4', 'cut-6')
    stack.stop()
    log, samples = lab.truth(), by_link(stack)
    lab.stop(lab.impair)
    wrong = [*wrong_causes(causes, samples, log), *wrong_marks(marks, samples, log),
             *unanswered(samples['cut-4']), *unanswered(samples['cut-6'])]
    if truth.requests(log, address(4, 211)):
        wrong.append('astray: left by the wrong device')
    assert not wrong, said(wrong)


if __name__ == '__main__':
    sys.exit(main())
