#!/usr/bin/python3
"""test_probe.py - what the agent reads by TCP and SNMP, against real peers (test_truth.py has ICMP)."""

import subprocess
import sys
import time

from lab import HOST, SNMP, SUP, Program, Stack, main, sh, test, wait_for
from servers import Snmpd, TlsService

# Two ports that know no TLS: one greets in clear text, one keeps silent.
GREETER = """
import selectors, socket, sys
wait, open_ = selectors.DefaultSelector(), []
for port in sys.argv[2:]:
    s = socket.create_server((sys.argv[1], int(port)), backlog=64)
    wait.register(s, selectors.EVENT_READ, port == sys.argv[2])
print('ready', flush=True)
while True:
    for key, _ in wait.select():
        c, _ = key.fileobj.accept()
        if key.data:
            c.sendall(b'220 here is no TLS\\r\\n')
        open_ = open_[-20:] + [c]
"""


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


def certificate_dates(days):
    """Dates for pki.sh: a certificate that ends so many days from now."""
    def text(t):
        return time.strftime('%Y%m%d%H%M%SZ', time.gmtime(t))
    now = time.time()
    return {'START': text(now - 400 * 86400), 'END': text(now + days * 86400)}


@test
def tcp_shakes_hands(lab):
    """TLS with a real server: time and days; an expired certificate, garbage and silence are told."""
    service = TlsService(lab.path('tls'), lab.pki, 443, SUP, **certificate_dates(50))
    lab.start(service)
    lab.start(TlsService(lab.path('tls6'), lab.pki, 443, '[::1]', lab.on_host(), **certificate_dates(-3)))
    greeter = Program('greeter', lab.on_host('python3', '-c', GREETER, HOST, '80', '81'), lab.path('greeter.out'))
    lab.start(greeter)
    wait_for(lambda: 'ready' in greeter.said(), 10, 'the greeter listens')
    stack = Stack(lab, 'hands')
    stack.link('good', 'tcp', SUP, port=443, tls=True, server_name='service.test', count=2, timeout='900ms',
               device='up1', ttl=5, dscp=10, source=HOST)
    stack.link('expired', 'tcp', '::1', port=443, tls=True, count=2, timeout='900ms')
    for name, port in (('garbage', 80), ('silent', 81)):
        stack.link(name, 'tcp', HOST, port=port, tls=True, timeout='400ms', count=1)
    stack.start()
    measure(stack, 4, 'good', 'expired', 'garbage', 'silent')
    for link, days in (('good', 50), ('expired', -3)):
        seen = [s for s in stack.samples(link)[1:] if s['values']]
        assert len(seen) >= 3, f'{link}: {len(seen)} samples with a handshake'
        for s in stack.samples(link)[1:]:
            assert len(s['rtt_100ns']) == s['sent'] == 2 and not s['causes'], s
        for v in (s['values'] for s in seen):
            assert 0 < v['tls_s'] < 0.9 and days - 0.1 < v['cert_days'] <= days, (link, v)
    for link in ('garbage', 'silent'):
        samples = stack.samples(link)[1:]
        for s in samples:
            assert len(s['rtt_100ns']) == s['sent'] == 1 and not s['values'] and set(s['causes']) <= {'tls'}, s
        # A loop that comes late may tell it to the next step.
        told = sum(s['causes'].get('tls', 0) for s in samples)
        assert abs(told - len(samples)) <= 1, f'{link}: {told} failures in {len(samples)} steps'
        stack.await_state(link, 'down')
    verdicts = {l['link']: (l['state'], l['cause']) for l in stack.ask('link.list')['links']}
    assert verdicts == {'good': ('up', ''), 'expired': ('up', ''), 'garbage': ('down', 'service'),
                        'silent': ('down', 'service')}, verdicts
    said = service.said()
    assert 'Hostname in TLS extension: "service.test"' in said and 'ERROR' not in said, said[-2000:]
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
