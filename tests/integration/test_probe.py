#!/usr/bin/python3
"""test_probe.py - what the agent measures, held against what was really done to its packets."""

import statistics
import sys
import time

from lab import HOST, SNMP, SUP, Program, Stack, main, test, wait_for
from servers import Snmpd, TlsService

ICMP = '1'

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
    # snmpd itself knows its CPU only after a minute.
    wait_for(lambda: 0 <= stack.samples('machine')[-1]['values'].get('cpu_ratio', -1) <= 1, 90, 'the CPU load', step=1)
    stack.stop()


if __name__ == '__main__':
    sys.exit(main())
