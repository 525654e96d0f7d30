#!/usr/bin/python3
"""emulator.py - the emulator itself: is it on time, and does it carry more than any prober sends?

The other rows trust its log; this says how far.
"""

import sys

from bench import Road, Unmeasured, arguments, cpu_seconds, measure, median, row
from probers import Rawping

DELAYS_MS = (0.1, 1, 20, 200)


def on_time(road, rawping, delay_ms):
    """Applied minus planned delay (us) at 1,000 probes/s, for a second."""
    road.start(f'all delay={delay_ms}ms', log=True, exact=True)
    result = rawping(road, 100, 10, rate=1000)
    road.stop()
    if result.lost > 0:
        raise Unmeasured(f'{result.lost} of {result.sent} lost at {delay_ms} ms')
    return road.lateness_us()


def precision(road, rawping, quick):
    late = {d: [on_time(road, rawping, d) for _ in range(1 if quick else 3)] for d in DELAYS_MS}
    late = {d: {k: median(v[k] for v in runs) for k in ('median', 'p99')} for d, runs in late.items()}
    worst = max(v['median'] for v in late.values())
    row('emulator: applied - planned delay, median', 'us', '<= 0.5', ours=worst, reached=worst <= 0.5,
        note='; '.join(f'{d} ms: {v["median"]:.1f}, p99 {v["p99"]:.1f}' for d, v in late.items()))


def throughput(road, rawping, quick):
    """What one core carries: by the emulator's own CPU seconds, since others may want its core."""
    road.start('all delay=1ms')
    dropped = road.device('tx_dropped') + road.stats()['dropped']
    per_second, wall, lost = [], [], 0
    for stamps in ('rx', 'txrx') * (1 if quick else 2):
        cpu, out = cpu_seconds(road.program.pid), road.stats()['out']
        result = rawping(road, 50000, 4 if quick else 10, stamps=stamps, step=0.05)
        per_second.append((road.stats()['out'] - out) / (cpu_seconds(road.program.pid) - cpu))
        wall.append(result.pps)
        lost += result.lost
    dropped = road.device('tx_dropped') + road.stats()['dropped'] - dropped
    row('emulator: echoes carried in a CPU second', '1/s', '>= 250000, none dropped', ours=median(per_second),
        reached=median(per_second) >= 250000 and dropped == 0,
        note=f'by the clock, beside what else ran: {max(wall):.0f}/s; dropped {dropped}, lost {lost}')


def main():
    args = arguments(__doc__)
    rawping = Rawping(args.build)
    with Road(args.build) as road:
        measure(args, (('emulator, on time', lambda: precision(road, rawping, args.quick)),
                       ('emulator, fast', lambda: throughput(road, rawping, args.quick))))
    return 0


if __name__ == '__main__':
    sys.exit(main())
