#!/usr/bin/python3
"""test_probe.py - what the agent reads by TCP and SNMP, against real peers (test_truth.py has ICMP)."""

import sys

from lab import SNMP, Stack, main, test, wait_for
from servers import Snmpd


def measure(stack, seconds, *links):
    """Waits until each link has so many more samples."""
    have = {l: len(stack.samples(l)) for l in links}
    wait_for(lambda: all(len(stack.samples(l)) >= have[l] + seconds for l in links), seconds + 20,
             f'{seconds} samples of {", ".join(links)}', step=0.5)


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
    # snmpd itself knows its CPU only after a minute.
    wait_for(lambda: 0 <= stack.samples('machine')[-1]['values'].get('cpu_ratio', -1) <= 1, 90, 'the CPU load', step=1)
    stack.stop()


if __name__ == '__main__':
    sys.exit(main())
