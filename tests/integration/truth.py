"""truth.py - holds what an agent says of its echo requests against what was really done to them.

The emulator's log has each request, and each packet that it let go for it, with the time
of both.  A sample has how many requests left in its step and the RTT of those that were
answered, in the order of sending; so every request has its place in both.
"""

import collections
import statistics

from lab import wait_for

ICMP = ('1', '58')
BELOW_NS = 50_000               # the wire cannot be faster than the emulator; stamps differ by less
MS = 1_000_000

Request = collections.namedtuple('Request', 'in_ns deliveries error tos ttl df len')


def address(family, i):
    return f'10.200.1.{i}' if family == 4 else f'fd00:200::1:{i:x}'


def more(stack, n, *links):
    """Waits until each link has n samples more."""
    def counts():
        return collections.Counter(s['link'] for s in stack.samples() if s['link'] in links)
    begin = counts()
    wait_for(lambda: all(now[l] >= begin[l] + n for now in [counts()] for l in links), n + 20,
             f'{n} samples of {len(links)} links', step=0.3)


def by_link(stack):
    found = {}
    for s in stack.samples():
        found.setdefault(s['link'], []).append(s)
    return found


def said(faults):
    """As many as one can read."""
    return '\n'.join(f[:300] for f in faults[:40]) + (f'\n... and {len(faults) - 40} more' if len(faults) > 40 else '')


def requests(log, target):
    """The echo requests to target, oldest first, with what came back: delays in ns, the earliest first."""
    found = {}
    for t in log:
        if t['dst'] != target or t['proto'] not in ICMP or t['dir'] != '0':
            continue
        key = int(t['in_ns']), t['id'], t['seq']
        if t['copy'] == '0':
            r = found.setdefault(key, {'back': []})
            r.update(error=t['verdict'] == 'error', tos=int(t['tos']), ttl=int(t['ttl']), df=int(t['df']),
                     len=int(t['len']))
        if t['verdict'] in ('pass', 'dup', 'error') and int(t['out_ns']) > 0:
            found.setdefault(key, {'back': []})['back'].append(int(t['out_ns']) - key[0])
    return [Request(key[0], sorted(r['back']), r['error'], r['tos'], r['ttl'], r['df'], r['len'])
            for key, r in sorted(found.items()) if 'tos' in r]


def in_time(request, timeout_ns):
    """How long its reply was under way; None: none came in time."""
    if request.error or not request.deliveries or request.deliveries[0] > timeout_ns:
        return None
    assert request.deliveries[0] < timeout_ns - 20 * MS, 'a reply so close to the timeout proves nothing'
    return request.deliveries[0]


def pair(samples, asked, fits):
    """Gives each sample its requests, in the order of sending.

    A request that left late may lie behind the end of its step, so the first sample tells
    where to begin and from there on each takes as many as it says that it sent; the seam
    is where most samples fit.
    """
    near = next((i for i, r in enumerate(asked) if r.in_ns >= samples[0]['start_ns']), len(asked))

    def cut(first):
        pairs = []
        for s in samples:
            pairs.append((s, asked[first:first + s['sent']]))
            first += s['sent']
        return pairs
    return min((cut(near + shift) for shift in (0, 1, -1, 2, -2) if near + shift >= 0),
               key=lambda pairs: sum(1 for s, r in pairs if not fits(s, r)))


def runs(samples):
    """Stretches of steps one after the other in which the agent could see all of its own requests."""
    out = [[]]
    for s in samples:
        if 'local' in s['causes'] or s['flags'] & 4:
            out.append([])
        else:
            out[-1].append(s)
    return [run for run in out if run]


class Comparison:
    """One link, to the packet.  An AssertionError says where the two disagree."""

    def __init__(self, link, samples, asked, timeout_ns):
        self.link, self.timeout_ns = link, timeout_ns
        self.errors_ns = []             # RTT less what was really done
        self.compared = self.lost = 0
        for run in runs(samples):
            for sample, sent in pair(run, asked, self._fits):
                self._one(sample, sent)
        self.causes = collections.Counter()
        for s in samples:
            self.causes.update(s['causes'])
        end = samples[-1]['start_ns'] + samples[-1]['step_ms'] * MS
        inside = [r for r in asked if samples[0]['start_ns'] <= r.in_ns < end]
        self.duplicates = sum(max(0, len(r.deliveries) - 1) for r in inside)
        self.late = sum(1 for r in inside if not r.error and r.deliveries and r.deliveries[0] > timeout_ns)

    def _fits(self, sample, sent):
        return len(sent) == sample['sent'] and \
            sum(1 for r in sent if in_time(r, self.timeout_ns) is not None) == len(sample['rtt_100ns'])

    def _one(self, sample, sent):
        step_ns = sample['step_ms'] * MS
        assert len(sent) == sample['sent'] and all(
            -5 * MS < r.in_ns - sample['start_ns'] < step_ns + 500 * MS for r in sent), \
            f'{self.link}: {sample["sent"]} sent by the agent, {len(sent)} seen on the road ({sample})'
        took = [t for t in (in_time(r, self.timeout_ns) for r in sent) if t is not None]
        assert len(took) == len(sample['rtt_100ns']), \
            f'{self.link}: {len(sample["rtt_100ns"])} replies, {len(took)} let through ({sample})'
        lost = sum(1 for r in sent if not r.error) - len(took)
        assert sample['causes'].get('timeout', 0) == lost, \
            f'{self.link}: {sample["causes"]}, but {lost} were lost ({sample})'
        for rtt, really in zip(sample['rtt_100ns'], took):
            error = rtt * 100 - really
            assert error >= -BELOW_NS, f'{self.link}: an RTT {-error / 1e3:.0f} us below what was done ({sample})'
            self.errors_ns.append(error)
        self.compared += len(sent)
        self.lost += lost

    def extras(self):
        """Duplicates and late replies must be counted, each one."""
        told = self.causes.get('duplicate', 0), self.causes.get('late-reply', 0)
        assert told == (self.duplicates, self.late), \
            f'{self.link}: duplicate, late-reply {told} told, {self.duplicates, self.late} were'

    def median_us(self):
        return statistics.median(self.errors_ns) / 1e3

    def __str__(self):
        errors = sorted(self.errors_ns)
        said = f'{self.link}: {self.compared} requests, {self.lost} lost, {self.duplicates} twice, {self.late} late'
        if errors:
            said += f'; RTT error median {self.median_us():.0f} us, p99 {errors[len(errors) * 99 // 100] / 1e3:.0f} us'
        return said
