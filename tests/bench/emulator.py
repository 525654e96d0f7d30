#!/usr/bin/python3
"""emulator.py - the emulator itself: is it on time, and does it carry more than any prober sends?

The other rows trust its log; this says how far.
"""

import sys

from bench import Road, Unmeasured, arguments, median, row
from probers import Rawping

DELAYS_MS = (0.1, 1, 20, 200)


def on_time(road, rawping, delay_ms, quick):
    """Applied minus planned delay (us) at 1,000 probes/s."""
    road.start(f'all delay={delay_ms}ms', log=True, exact=True)
    result = rawping(road, 100, 10 if quick else 40, rate=1000)
    road.stop()
    if result.lost > 0:
        raise Unmeasured(f'{result.lost} of {result.sent} lost at {delay_ms} ms')
    return road.lateness_us()


def precision(road, rawping, quick):
    late = {d: on_time(road, rawping, d, quick) for d in DELAYS_MS}
    worst = max(v['median'] for v in late.values())
    row('emulator: applied - planned delay, median', 'us', '<= 0.5', ours=worst, reached=worst <= 0.5,
        note='; '.join(f'{d} ms: {v["median"]:.1f}, p99 {v["p99"]:.1f}' for d, v in late.items()))


def throughput(road, rawping, quick):
    road.start('all delay=1ms', spin_us=2000000)
    full = [road.device('tx_dropped'), road.stats()['dropped']]
    runs = [rawping(road, 50000, 4 if quick else 10, stamps=m, step=0.05) for m in ('rx', 'txrx') * 2]
    dropped = road.device('tx_dropped') - full[0] + road.stats()['dropped'] - full[1]
    lost = sum(r.lost for r in runs)
    best, pps = max(r.pps for r in runs), median(r.pps for r in runs)
    row('emulator: echoes carried by one core', '1/s', '>= 250000, none dropped', ours=pps,
        reached=pps >= 250000 and dropped == 0, note=f'best {best:.0f}; dropped {dropped}, lost {lost}')


def main():
    args = arguments(__doc__)
    rawping = Rawping(args.build)
    with Road(args.build) as road:
        precision(road, rawping, args.quick)
        throughput(road, rawping, args.quick)
    return 0


if __name__ == '__main__':
    sys.exit(main())
