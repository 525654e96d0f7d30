#!/usr/bin/python3
"""icmp.py - the agent's ICMP probing beside fping and the kernel's limit.

CPU for a probe, probes a second on one core, and error of the RTT against the emulator's log.
--ours COMMAND measures another program with the agent's options.
"""

import subprocess
import sys

import probers
from bench import (PROBER_CORE, Road, Unmeasured, arguments, compared, in_turn, measure, median, pin, row, usable,
                   why_not)

TICK_MS = 5                             # of the limit, as the agent's own
QUIET_US = 12                           # the limit's error on a quiet machine is 7 to 10 us


def notes(results, *more):
    """Why a prober has no figure, and false losses of those that have one."""
    said = [w for w in map(why_not, results.values()) if w]
    said += [f'{name} lost {lost} of {sum(r.sent for r in usable(v))}' for name, v in results.items()
             if (lost := sum(r.lost for r in usable(v))) > 0]
    return '; '.join([*said, *(m for m in more if m)])


class Bench:
    def __init__(self, args, road):
        self.quick, self.road = args.quick, road
        self.ours = probers.Ours(args.build, args.ours)
        self.rawping = probers.Rawping(args.build)

    # ------------------------------------------------------------- CPU a probe

    def cpu(self, pps):
        """Everybody asks pps targets once a second."""
        name = f'CPU per ICMP probe at {pps:,} probes/s'
        count = (4 if self.quick else 8) if pps <= 1000 else 2 if self.quick else 4
        # fping sleeps too long between packets to reach the rate that it is asked for.
        gap_ms = 1 if pps <= 1000 else 0.1
        self.road.start('all delay=20ms')
        results = in_turn(
            1 if self.quick else 3,
            ours=lambda: self.ours(self.road, pps, count, 1000, pps),
            fping=lambda: probers.fping(self.road, pps, count, gap_ms, 1000),
            limit=lambda: self.rawping(self.road, pps, count, rate=pps, tick_ms=TICK_MS))
        us = {k: median(r.cpu_us for r in usable(v)) for k, v in results.items()}
        rate = median(r.pps for r in usable(results['fping']))
        compared(name, 'us', 0.45, us['ours'], us['fping'], 'fping', limit=us['limit'],
                 limit_name=f'rawping, {TICK_MS} ms tick, TX+RX stamps',
                 note=notes(results, rate and f'fping reached {rate:.0f}/s'))

    # ---------------------------------------------------------- probes a second

    def climb(self, prober, rates):
        """The rate reached at the highest of the rates without one false loss; what became of each."""
        best, said = None, []
        for pps in rates:
            before = self.road.device('tx_dropped')
            result = prober(pps)
            carried = self.road.device('tx_dropped') == before
            said.append(f'{pps // 1000}k asked: {result.pps or 0:.0f}/s, lost {result.lost}, {result.cpu_us:.1f} us each'
                        + ('' if carried else ' (dropped by the road)'))
            if result.lost > 0:
                break
            if result.pps is not None and result.pps > (best or 0):
                best = result.pps
        return best, ', '.join(said)

    def speed(self):
        """50,000 targets, faster and faster; fping's fastest; the limit's fastest."""
        targets, wide = 50000, {'patience': 30, 'step': 0.05}
        self.road.start('all delay=1ms', spin_us=2000000)
        rates = (100000, 150000) if self.quick else (50000, 100000, 125000, 150000, 200000, 250000)
        results = in_turn(
            1,
            ours=lambda: self.climb(lambda pps: self.ours(self.road, targets, 4, targets * 1000 // pps, pps, **wide),
                                    rates),
            fping=lambda: self.climb(lambda pps: probers.fping(self.road, 5000, 2, 1000 / pps, 1000, **wide),
                                     (10000, ) if self.quick else (5000, 10000)),
            limit=lambda: self.climb(lambda pps: self.rawping(self.road, targets, 10, **wide), (300000, )))
        got = {k: (usable(v) or [(None, why_not(v))])[0] for k, v in results.items()}
        best = {k: v[0] for k, v in got.items()}
        if best['ours'] is None and usable(results['ours']):
            best['ours'] = 0            # it lost at every rate
        row('probes/s on one core without one false loss', '1/s', '>= 100000', ours=best['ours'],
            peer=best['fping'], peer_name='fping', limit=best['limit'], limit_name='rawping, TX+RX stamps',
            ratio=best['ours'] / best['fping'] if best['ours'] and best['fping'] else None,
            reached=(best['ours'] or 0) >= 100000,
            note='; '.join(f'{k}: {v[1]}' for k, v in got.items() if v[1]))

    # ----------------------------------------------------------------- accuracy

    def errors(self, delay_ms, prober):
        """Differences between the RTTs of one run and what the road did, in us."""
        self.road.start(f'all delay={delay_ms}ms', log=True, exact=True)
        result = prober()
        self.road.stop()
        errors = probers.errors_ns(result, self.road.applied_ns())
        if len(errors) < result.sent / 4:
            raise Unmeasured(f'{result.sent} sent, {len(errors)} RTTs can be compared')
        return [e / 1e3 for e in errors]

    def accuracy(self, delay_ms, busy):
        """200 targets each second; busy: beside a loop that wants the prober's core.

        Whatever else runs on the machine delays the road itself, which all three see: of several
        rounds that one counts in which the limit was nearest to the truth.
        """
        rounds, (least, most) = [], (1, 1) if self.quick else (2, 4)
        loop = None
        if busy:
            loop = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
            pin(loop.pid, PROBER_CORE)
            self.road.nice = 0
        try:
            while len(rounds) < least or (noise(rounds) > QUIET_US and len(rounds) < most):
                rounds.append(self.accuracy_round(delay_ms))
        finally:
            if loop is not None:
                loop.kill()
                loop.wait()
            self.road.nice = -20
        best = min(rounds, key=lambda r: noise([r]))
        us = {k: median(abs(e) for r in usable(v) for e in r) for k, v in best.items()}
        compared(f'median RTT error at {delay_ms} ms, {"busy core" if busy else "idle"}', 'us',
                 1 / 4 if busy else 1 / 3, us['ours'], us['fping'], 'fping', limit=us['limit'],
                 limit_name='rawping, TX+RX stamps', note='; '.join([
                     *(w for w in map(why_not, best.values()) if w),
                     *(['a noisy machine: the limit itself is far off'] if noise(rounds) > QUIET_US else [])]))

    def accuracy_round(self, delay_ms):
        targets, seconds = 200, 2
        return in_turn(
            1,
            limit=lambda: self.errors(delay_ms, lambda: self.rawping(self.road, targets, seconds, rate=targets,
                                                                         keep=True)),
            ours=lambda: self.errors(delay_ms, lambda: self.ours(self.road, targets, seconds, 1000, targets)),
            fping=lambda: self.errors(delay_ms, lambda: probers.fping_exact(self.road, targets, seconds)))


def noise(rounds):
    """Median error (us) of the limit in the best of the rounds."""
    errors = [median(abs(e) for r in usable(v['limit']) for e in r) for v in rounds]
    return min((e for e in errors if e is not None), default=float('inf'))


def main():
    args = arguments(__doc__, '--ours')
    with Road(args.build) as road:
        bench = Bench(args, road)
        rows = [('cpu 1000', lambda: bench.cpu(1000)), ('cpu 5000', lambda: bench.cpu(5000)), ('speed', bench.speed)]
        rows += [(f'accuracy {d} {"busy" if b else "idle"}', lambda d=d, b=b: bench.accuracy(d, b))
                 for b in (False, True) for d in ((1, 20) if args.quick else (0.1, 1, 20, 200))]
        measure(args, rows)
    return 0


if __name__ == '__main__':
    sys.exit(main())
