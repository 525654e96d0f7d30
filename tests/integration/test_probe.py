#!/usr/bin/python3
"""test_probe.py - what the agent measures, held against what was really done to its packets."""

import statistics
import subprocess
import sys

from lab import SNMP, Stack, main, sh, test, wait_for
from servers import Snmpd

ICMP = '1'


def measure(stack, seconds, *links):
    """Waits until each link has so many more samples."""
    have = {l: len(stack.samples(l)) for l in links}
    wait_for(lambda: all(len(stack.samples(l)) >= have[l] + seconds for l in links), seconds + 20,
             f'{seconds} samples of {", ".join(links)}', step=0.5)


def pair(samples, requests):
    """Gives each sample its packets, in the order of sending.

    A packet that left late may lie behind the end of its step, so the first sample tells where
    to begin and from there on each takes as many as it says that it sent; the seam is right
    when every sample's replies fit.
    """
    near = next(i for i, t in enumerate(requests) if int(t['in_ns']) >= samples[0]['start_ns'])

    def fit(first):
        pairs = []
        for s in samples:
            pairs.append((s, requests[first:first + s['sent']]))
            first += s['sent']
        return pairs

    def wrong(pairs):
        return sum(1 for s, packets in pairs
                   if sum(1 for p in packets if p['verdict'] == 'pass') != len(s['rtt_100ns']))
    return min((fit(near + shift) for shift in (0, 1, -1, 2, -2) if near + shift >= 0), key=wrong)


def echoes(lab, address):
    """The requests to address that the emulator saw; a duplicate is no request."""
    return [t for t in lab.truth() if t['dst'] == address and t['proto'] == ICMP and t['dir'] == '0'
            and t['verdict'] not in ('set', 'mark')]


def compare(lab, stack, link, address):
    """Counts must agree to the packet; returns the differences of RTT in ms, and causes."""
    late, causes, compared = [], {}, 0
    packets = sorted(echoes(lab, address), key=lambda t: int(t['in_ns']))
    out = {}                            # when the first copy of each left the emulator
    for p in packets:
        if int(p['out_ns']) > 0:
            out[p['seq'], p['id']] = min(out.get((p['seq'], p['id']), 1 << 62), int(p['out_ns']))
    requests = [p for p in packets if p['verdict'] != 'dup']
    for sample, sent in pair(stack.samples(link)[1:-1], requests):
        for cause, n in sample['causes'].items():
            causes[cause] = causes.get(cause, 0) + n
        passed = [p for p in sent if p['verdict'] == 'pass']
        assert len(sent) == sample['sent'] and all(
            -5e6 < int(p['in_ns']) - sample['start_ns'] < sample['step_ms'] * 1e6 + 500e6 for p in sent), \
            f'{link}: {sample["sent"]} sent by the agent, {len(sent)} seen on the road'
        assert len(passed) == len(sample['rtt_100ns']), \
            f'{link}: {len(sample["rtt_100ns"])} replies, {len(passed)} let through'
        for packet, rtt in zip(passed, sample['rtt_100ns']):
            late.append(rtt / 1e4 - (out[packet['seq'], packet['id']] - int(packet['in_ns'])) / 1e6)
        compared += len(sent)
    assert compared > 100, f'{link}: only {compared} packets compared'
    return late, causes


@test
def icmp_equals_the_truth(lab):
    """Loss, delay, jitter, duplicates and overtaking, at once on five targets."""
    rules = {'clean': 'delay=5ms', 'loss': 'delay=10ms loss=20', 'jitter': 'delay=30ms jitter=10ms dist=normal',
             'dup': 'delay=5ms dup=30', 'reorder': 'delay=5ms reorder=30,60ms'}
    address = {name: f'10.200.1.{i}' for i, name in enumerate(rules, 1)}
    lab.start_impair(*(f'{address[n]} {rules[n]}' for n in rules))
    stack = Stack(lab, 'truth')
    for name in rules:
        stack.link(name, 'icmp', address[name], count=20, timeout='500ms', **{'class': 'C'})
    stack.start(alertd=False)
    measure(stack, 15, *rules)
    for name in rules:
        late, causes = compare(lab, stack, name, address[name])
        late.sort()
        assert late[0] > -1, f'{name}: an RTT {-late[0]:.2f} ms below what the emulator did'
        assert statistics.median(late) < 1, f'{name}: RTT is {statistics.median(late):.2f} ms too long (median)'
        dups = sum(1 for t in echoes(lab, address[name]) if t['verdict'] == 'dup')
        assert (causes.get('duplicate', 0) > 0) == (dups > 0), f'{name}: {causes}, {dups} duplicates'
    stack.stop()


@test
def tcp_tells_the_cause(lab):
    """Open, refused, dropped and unreachable are four things."""
    lab.start_impair('10.200.2.1 tcp=open delay=20ms', '10.200.2.2 tcp=rst', '10.200.2.3 tcp=drop',
                     '10.200.2.4 err=3,1')
    stack = Stack(lab, 'tcp')
    for i, name in enumerate(('open', 'refused', 'dropped', 'unreachable'), 1):
        stack.link(name, 'tcp', f'10.200.2.{i}', port=443, count=4, timeout='400ms')
    stack.start(alertd=False)
    names = ('open', 'refused', 'dropped', 'unreachable')
    measure(stack, 5, *names)
    samples = {n: stack.samples(n)[1:] for n in names}
    for s in samples['open']:
        assert len(s['rtt_100ns']) == s['sent'] == 4 and min(s['rtt_100ns']) >= 200_000, s
    for s in samples['refused']:
        assert s['causes'].get('refused') == 4, s
    for s in samples['dropped']:
        assert not s['rtt_100ns'] and s['causes'].get('timeout') == 4, s
    for s in samples['unreachable']:
        assert not s['rtt_100ns'] and s['causes'].get('host-unreachable') == 4, s
    stack.stop()


@test
def icmp_over_ipv6(lab):
    stack = Stack(lab, 'six')
    stack.link('six', 'icmp', '::1', count=10, timeout='500ms')
    stack.start(alertd=False)
    measure(stack, 3, 'six')
    assert all(len(s['rtt_100ns']) == s['sent'] == 10 for s in stack.samples('six')[1:])
    stack.stop()


@test
def snmp_reads_a_real_device(lab):
    """v2c and v3 with authentication and privacy; a wrong secret is no outage of the device."""
    lab.start(Snmpd(lab.path('device'), prefix=lab.on_host()))
    stack = Stack(lab, 'snmp')
    stack.agent_conf['a1']['snmp_credentials'] = [
        {'name': 'v2c', 'version': 'v2c', 'community_file': stack.secret('community', Snmpd.COMMUNITY)},
        {'name': 'v3', 'version': 'v3', 'user': Snmpd.USER, 'auth': 'sha256', 'priv': 'aes128',
         'auth_secret_file': stack.secret('auth', Snmpd.AUTH), 'priv_secret_file': stack.secret('priv', Snmpd.PRIV)},
        {'name': 'wrong', 'version': 'v3', 'user': Snmpd.USER, 'auth': 'sha256', 'priv': 'aes128',
         'auth_secret_file': stack.secret('bad', 'not the right phrase'),
         'priv_secret_file': stack.secret('priv2', Snmpd.PRIV)},
    ]
    common = {'port': SNMP, 'step': '2s', 'timeout': '1s'}
    stack.link('lo', 'snmp', '127.0.0.1', credential='v2c', interface='lo', **common)
    stack.link('machine', 'snmp', '127.0.0.1', credential='v3', interface='lo', host=True, **common)
    stack.link('denied', 'snmp', '127.0.0.1', credential='wrong', interface='lo', **common)
    stack.start(alertd=False)
    measure(stack, 4, 'lo', 'machine', 'denied')
    last = stack.samples('lo')[-1]['values']
    assert last['oper_status'] == 1 and last['in_bps'] >= 0 and last['out_bps'] >= 0, last
    last = stack.samples('machine')[-1]['values']
    assert 0 < last['mem_ratio'] <= 1 and 0 < last['storage_ratio'] <= 1, last
    assert any(s['values'].get('in_bps', 0) > 0 for s in stack.samples('lo')), 'no traffic on lo was seen'
    for s in stack.samples('denied'):
        assert not s['values'] and 'snmp-auth' in s['causes'], s
    # snmpd itself knows its CPU only after a minute, its ticks after five seconds.
    wait_for(lambda: 0 <= stack.samples('machine')[-1]['values'].get('cpu_ratio', -1) <= 1, 30, 'the CPU load', step=1)
    stack.stop()


@test
def snmp_follows_what_it_reads(lab):
    """Aliases and objects as links.yaml has them; an interface that moves, a device that restarts."""
    def make_interface():
        sh(*lab.on_host('ip', 'link', 'add', 'mv0', 'type', 'veth', 'peer', 'name', 'other0'))
        for name in ('mv0', 'other0'):
            sh(*lab.on_host('ip', 'link', 'set', name, 'up'))

    def index_of_mv0():
        return int(subprocess.run(lab.on_host('cat', '/sys/class/net/mv0/ifindex'), check=True,
                                  capture_output=True).stdout)

    make_interface()
    device = Snmpd(lab.path('moving'), port=SNMP + 2, prefix=lab.on_host(), more='interface_fadeout 0\n'
                   'override .1.3.6.1.2.1.31.1.1.1.18.1 octet_str "uplink to B"\n'
                   'rocommunity from-nine 127.0.0.9\n')
    lab.start(device)
    stack = Stack(lab, 'follow')
    stack.agent_conf['a1']['snmp_credentials'] = [
        {'name': 'v2c', 'version': 'v2c', 'community_file': stack.secret('community', Snmpd.COMMUNITY)},
        {'name': 'nine', 'version': 'v2c', 'community_file': stack.secret('nine', 'from-nine')}]
    common = {'port': SNMP + 2, 'step': '1s', 'timeout': '800ms'}
    packets = '1.3.6.1.2.1.11.1.0'
    stack.link('alias', 'snmp', '127.0.0.1', credential='v2c', alias='up*to ?', **common)
    stack.link('moved', 'snmp', '127.0.0.1', credential='v2c', interface='mv?', **common)
    stack.link('objects', 'snmp', '127.0.0.1', credential='nine', source='127.0.0.9', objects=[
        {'oid': packets, 'name': '请求', 'unit': '个/分', 'scale': 60},
        {'oid': packets, 'name': '请求总数:%', 'unit': 'k', 'scale': 0.001, 'type': 'gauge'}], **common)
    stack.start(alertd=False)
    names = ('alias', 'moved', 'objects')
    measure(stack, 4, *names)
    assert stack.samples('alias')[-1]['values']['oper_status'] == 1, stack.samples('alias')[-1]
    last = stack.samples('objects')[-1]['values']
    assert 60 < last['oid0'] < 60 * 100 and 0 < last['oid1'] < 10, last
    for name in names:
        assert not any(s['causes'] for s in stack.samples(name)[1:]), stack.samples(name)

    # the same name at another index: followed, and no rate is made of two counters
    old = index_of_mv0()
    sh(*lab.on_host('ip', 'link', 'del', 'mv0'))
    make_interface()
    assert index_of_mv0() != old
    wait_for(lambda: any('discontinuity' in s['causes'] for s in stack.samples('moved')), 20, 'the index has moved')
    measure(stack, 3, 'moved')
    samples = stack.samples('moved')
    at = next(i for i, s in enumerate(samples) if 'discontinuity' in s['causes'])
    assert 'in_bps' not in samples[at]['values'] and 'in_bps' in samples[-1]['values'], samples[at:]
    assert samples[-1]['values']['oper_status'] == 1 and not samples[-1]['causes'], samples[-1]

    # a restart is a restart: its counters begin anew, and are not taken for a wrap
    wait_for(lambda: stack.samples('objects')[-1]['values'].get('uptime_s', 0) > 10, 30, 'some uptime')
    device.stop()
    device.start()
    wait_for(lambda: all(any('reboot' in s['causes'] for s in stack.samples(n)) for n in names), 20, 'the restart')
    measure(stack, 2, *names)
    for name in names:
        samples = stack.samples(name)
        first = next(s for s in samples if 'reboot' in s['causes'])
        assert not {'in_bps', 'out_bps', 'oid0'} & set(first['values']), first
        assert all(s['values'].get('in_bps', 0) < 1e9 and s['values'].get('oid0', 0) < 6e4 for s in samples), samples
    stack.stop()


if __name__ == '__main__':
    sys.exit(main())
