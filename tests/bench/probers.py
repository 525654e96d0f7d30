"""probers.py - one way to run ours, the peers and the bare limit, and to read what they say."""

import json
import os
import re
import shlex

from bench import Pace, Unmeasured, addresses, installed, run


class Result:
    """What one prober did: probes sent and answered, CPU, memory, and the RTTs of each target if they were kept."""

    def __init__(self, finished, sent, received, rtt_ns=None, pps=None):
        self.sent, self.received, self.rtt_ns, self.pps = sent, received, rtt_ns, pps
        self.cpu_s, self.wall_s, self.peak_kb = finished.cpu_s, finished.wall_s, finished.peak_kb

    @property
    def lost(self):
        return self.sent - self.received

    @property
    def cpu_us(self):
        """CPU microseconds a probe."""
        return self.cpu_s * 1e6 / self.sent


def _finished(road, argv, timeout, step=0.1):
    pace = Pace(road)
    return run(argv, timeout, pace.look, step, road.nice), pace


def _must_have_sent(name, finished, sent):
    if sent == 0:
        said = (finished.err.strip() or finished.out.strip() or 'nothing').splitlines()[0][:100]
        raise Unmeasured(f'{name} (status {finished.status}) sent nothing: {said}')


class Ours:
    """The agent's ad hoc probe; command: a line of the shell, to hold another build against the peers."""

    def __init__(self, build, command=None):
        self.argv = shlex.split(command) if command else [os.path.join(build, 'linkwatch-agent'), 'probe', 'icmp']

    def __call__(self, road, targets, count, interval_ms, rate, timeout_ms=900, patience=60, step=0.1):
        finished, pace = _finished(road, [
            *self.argv, '--file', road.targets(targets), '--count', str(count), '--interval', str(interval_ms),
            '--timeout', str(timeout_ms), '--rate', str(rate), '--json'], patience, step)
        sent = received = 0
        rtt_ns = {}
        for line in finished.out.splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and 'rtt_ns' in said:
                sent += said['sent']
                received += said['received']
                rtt_ns[said.get('address') or said['target']] = [
                    r if r is not None and r >= 0 else None for r in said['rtt_ns']]
        _must_have_sent('linkwatch-agent probe', finished, sent)
        return Result(finished, sent, received, rtt_ns, pace.pps())


class Rawping:
    """The bare limit; tick_ms as the agent's, stamps by the kernel on both ways; keep: the RTTs too."""

    def __init__(self, build):
        self.path = os.path.join(build, 'tests/bench/rawping')

    def __call__(self, road, targets, count, rate=0, tick_ms=0, window=8192, stamps='txrx', patience=60,
                 step=0.1, keep=False):
        csv = road.path('rawping.csv')
        each = ['-o', csv] if keep else []
        finished, pace = _finished(road, [
            self.path, '-t', addresses(1)[0], '-n', str(targets), '-R', str(count), '-r', str(rate),
            '-k', str(tick_ms), '-W', str(window), '-m', stamps, *each], patience, step)
        if finished.status != 0:
            raise Unmeasured(f'rawping: {finished.err.strip()}')
        said = json.loads(finished.out.splitlines()[-1])
        rtt_ns = {}
        if each:
            with open(csv, encoding='utf-8') as f:
                for target, _, rtt in (l.split(',') for l in f):
                    rtt_ns.setdefault(target, []).append(int(rtt) if int(rtt) >= 0 else None)
        return Result(finished, said['sent'], said['received'], rtt_ns, said['pps'])


def fping(road, targets, count, interval_ms, period_ms, timeout_ms=900, patience=60, step=0.1):
    """fping with its summary only; interval_ms between any two packets, period_ms between two to a target."""
    finished, pace = _finished(road, [
        installed('fping'), '-q', '-c', str(count), '-i', str(interval_ms), '-p', str(period_ms),
        '-t', str(timeout_ms), '-f', road.targets(targets)], patience, step)
    said = re.findall(r'%loss = (\d+)/(\d+)/', finished.err)
    sent = sum(int(s) for s, _ in said)
    if 'sequence numbers' in finished.err:
        raise Unmeasured('fping gave up: "not enough sequence numbers available"')
    _must_have_sent('fping', finished, sent)
    return Result(finished, sent, sum(int(r) for _, r in said), pps=pace.pps())


def fping_exact(road, targets, count):
    """fping, each target once a second, with its RTTs in nanoseconds.

    Its plain output has three digits, 0.1 ms at 20 ms.  Its output for netdata has them all, as
    the mean of a second, which is one RTT here; a second that had none or two is left out.
    """
    finished, _ = _finished(road, [
        installed('fping'), '-N', '-Q', '1', '-c', str(count), '-p', '1000', '-i', str(1000 / targets), '-t', '900',
        '-f', road.targets(targets)], count + 30)
    said = re.findall(r'%loss = (\d+)/(\d+)/', finished.err)
    sent, received = (sum(int(v[i]) for v in said) for i in (0, 1))
    _must_have_sent('fping', finished, sent)
    rtt_ns = {}
    answered = re.compile(r'BEGIN fping\.(\S+)_packets\nSET xmt = (\d+)\nSET rcv = (\d+)\n')
    for block in re.split(r'(?=^BEGIN fping\.\S+_packets$)', finished.out, flags=re.M):
        head, mean = answered.search(block), re.search(r'SET avg = (\d+)', block)
        if head is not None and head[2] != '0':
            rtt_ns.setdefault(head[1].replace('_', '.'), []).append(
                int(mean[1]) if mean is not None and head[2] == head[3] == '1' else None)
    return Result(finished, sent, received, rtt_ns)


def oping(road, targets, count):
    """oping to all targets, each second."""
    finished, _ = _finished(road, [installed('oping'), '-c', str(count), '-i', '1', '-w', '0.9',
                                   *addresses(targets)], count + 60, 1)
    said = re.findall(r'(\d+) packets transmitted, (\d+) received', finished.out)
    sent = sum(int(s) for s, _ in said)
    _must_have_sent('oping', finished, sent)
    return Result(finished, sent, sum(int(r) for _, r in said))


def errors_ns(result, applied):
    """How far each RTT is from the delay that the road really gave it; those answered only."""
    return [r - a for target, rtts in result.rtt_ns.items() for r, a in zip(rtts, applied.get(target, ()))
            if r is not None and a is not None]

