#!/usr/bin/python3
"""loss.py - 800 targets every second on a clean link: who reports loss where there is none?

Ours for five minutes; in the middle of them collectd's ping plugin and oping, for a while each.
"""

import os
import subprocess
import sys
import threading
import time

import probers
from bench import (PROBER_CORE, Road, Unmeasured, addresses, arguments, in_turn, installed, measure, pin, row, usable,
                   wait_for, why_not)

TARGETS = 800


def collectd_conf(directory):
    hosts = '\n'.join(f' Host "{a}"' for a in addresses(TARGETS))
    return (f'Hostname "a"\nFQDNLookup false\nBaseDir "{directory}"\nPIDFile "{directory}.pid"\nInterval 5\n'
            f'LoadPlugin ping\nLoadPlugin csv\n<Plugin csv>\n DataDir "{directory}/csv"\n</Plugin>\n'
            f'<Plugin ping>\n{hosts}\n Interval 1.0\n Timeout 0.9\n</Plugin>\n')


def drop_rates(directory):
    """Every ping_droprate that collectd has written, from all its targets."""
    rates = []
    for base, _, names in os.walk(directory):
        for name in names:
            if name.startswith('ping_droprate'):
                with open(os.path.join(base, name), encoding='utf-8') as f:
                    rates += [float(l.split(',')[1]) for l in f if l[0].isdigit()]
    return [r for r in rates if r == r]         # not a number: nothing was sent yet


def collectd(road, seconds):
    """The share of probes that collectd's ping plugin says was lost."""
    directory = road.path('collectd')
    os.makedirs(directory)
    with open(road.path('collectd.conf'), 'w', encoding='utf-8') as f:
        f.write(collectd_conf(directory))
    p = subprocess.Popen([installed('collectd'), '-f', '-C', road.path('collectd.conf')],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        pin(p.pid, PROBER_CORE)
        os.setpriority(os.PRIO_PROCESS, p.pid, road.nice)
        time.sleep(seconds)             # what is measured is a span of time
    finally:
        p.terminate()
        p.wait(20)
    rates = drop_rates(os.path.join(directory, 'csv'))
    if not rates:
        raise Unmeasured('collectd wrote no ping_droprate')
    return sum(rates) / len(rates)


def oping(road, seconds):
    result = probers.oping(road, TARGETS, seconds)
    return result.lost / result.sent


class Beside(threading.Thread):
    """Our run, while the peers have theirs."""

    def __init__(self, road, prober, seconds):
        super().__init__()
        self.road, self.prober, self.seconds, self.result = road, prober, seconds, None

    def run(self):
        self.result = in_turn(1, ours=lambda: self.prober(self.road, TARGETS, self.seconds, 1000, TARGETS,
                                                          patience=self.seconds + 30, step=1))['ours']


def loss(road, ours, quick):
    seconds = 10 if quick else 300
    road.start('all delay=20ms')
    beside = Beside(road, ours, seconds)
    beside.start()
    try:
        wait_for(lambda: road.device('tx_packets') >= TARGETS or not beside.is_alive(), 10, 'our first second')
        peers = in_turn(1, oping=lambda: oping(road, 4 if quick else 15), collectd=lambda: collectd(
            road, 12 if quick else 45))
    finally:
        beside.join()
    got = (usable(beside.result) or [None])[0]
    said = [why_not(beside.result)] if got is None else [
        f'ours: {got.lost} of {got.sent} lost in {got.wall_s:.0f} s, {got.cpu_us:.1f} us CPU each']
    for name, results in peers.items():
        share = (usable(results) or [None])[0]
        row(f'false losses beside {name}, 800 targets every second for {seconds} s', '%', '0 lost',
            ours=got and got.lost * 100 / got.sent, peer=None if share is None else share * 100, peer_name=name,
            reached=got is not None and got.lost == 0 and got.sent == TARGETS * seconds,
            note='; '.join(filter(None, [*said, why_not(results)])))


def main():
    args = arguments(__doc__, '--ours')
    with Road(args.build) as road:
        measure(args, [('false losses', lambda: loss(road, probers.Ours(args.build, args.ours), args.quick))])
    return 0


if __name__ == '__main__':
    sys.exit(main())
