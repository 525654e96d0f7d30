#!/usr/bin/python3
"""test_power.py - kill -9 and power cuts of a real collector, a few of each (tests/power/power.py does many).

Says its seed; SEED=N in the environment draws the same instants again.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'power'))

import power                                                            # noqa: E402

KILLS, CUTS = 5, 4


def falls(build, seed):
    """Nothing that was acknowledged is lost or stands twice, and the RRD rows are what the samples say."""
    directory = power.scratch()
    try:
        figures, faults = power.campaign(build, directory, seed, KILLS, CUTS)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f'     {json.dumps(figures)}')
    assert not faults, faults
    assert figures['lost'] == 0 and figures['twice'] == 0, figures
    assert figures['samples'] > 200 and figures['kills'] == KILLS and figures['cuts'] == CUTS, figures
    assert figures.get('rrd_wrong', 0) == 0, figures


def a_lie_is_found(build, seed):
    """A collector whose syncs do not reach the disk loses what it acknowledged, and the harness says so."""
    directory = power.scratch()
    try:
        site = power.Site(build, directory, agents=1)
        site.collector.env.pop('LD_PRELOAD')        # what it syncs never gets to the model's disk
        site.loaders[0].start()
        site.collector.start()
        power.wait_for(lambda: site.acked() > 0, 60, 'something is acknowledged', step=0.005)
        site.kill()
        site.disk.cut(random.Random(seed) if seed % 2 else None)
        site.collector.start()
        power.wait_for(lambda: site.loaders[0].forgotten, 60, 'the loss is found')
        site.loaders[0].quit.set()
        site.kill()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    p.add_argument('-b', '--build', default=os.path.join(power.TOP, 'build'))
    args = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = int(os.environ.get('SEED', random.SystemRandom().randrange(1 << 32)))
    print(f'SEED={seed}', flush=True)
    failed = 0
    for test in (falls, a_lie_is_found):
        try:
            test(args.build, seed)
            print(f'ok   {test.__name__}', flush=True)
        except Exception:               # pylint: disable=broad-except
            failed += 1
            print(f'FAIL {test.__name__}\n{traceback.format_exc()}', flush=True)
    print(f'{2 - failed} passed, {failed} failed')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
