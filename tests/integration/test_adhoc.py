#!/usr/bin/python3
"""test_adhoc.py - measuring by hand, and what explain says, held against the emulator's log."""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time

from lab import HOST, SNMP, Stack, main, sh, test, wait_for
from servers import Snmpd, TlsService

LOCALE = {**os.environ, 'LC_ALL': 'C.UTF-8'}


def probe(lab, *args, status=0):
    """Runs `linkwatch-agent probe` on the vendor's host; what it printed."""
    r = subprocess.run(lab.on_host(lab.program('linkwatch-agent'), 'probe', *args), check=False,
                       capture_output=True, text=True, env=LOCALE, timeout=60)
    assert r.returncode == status, f'probe {" ".join(args)}: status {r.returncode}\n{r.stdout}{r.stderr}'
    return r


def objects(r):
    """What --json printed, by target: nothing else may stand there."""
    found = [json.loads(l) for l in r.stdout.splitlines()]
    return {o['target']: o for o in found}


def seen(lab, address, proto='1'):
    """The packets to address that the emulator saw, in their order, copies left out."""
    return sorted((t for t in lab.truth() if t['dst'] == address and t['proto'] == proto and t['dir'] == '0'
                   and t['verdict'] not in ('set', 'mark', 'dup')), key=lambda t: int(t['in_ns']))


def wait_impair(lab, *rules):
    """A road of its own for each test, with a log that begins anew."""
    for name in ('impair.log', 'impair.out'):
        if os.path.exists(lab.path(name)):
            os.unlink(lab.path(name))
    lab.start_impair(*rules)


@test
def icmp_packet_by_packet(lab):
    """Loss, delay and duplicates: each RTT and each loss as the emulator has it."""
    wait_impair(lab, '10.200.1.1 delay=5ms', '10.200.1.2 delay=20ms loss=30', '10.200.1.3 delay=5ms dup=50',
                '10.200.1.4 err=3,1')
    names = [f'10.200.1.{i}' for i in range(1, 5)]
    found = objects(probe(lab, 'icmp', '--json', '--count', '60', '--interval', '25', '--timeout', '300', *names,
                          status=1))
    for name in names[:3]:
        o, truth = found[name], seen(lab, name)
        assert o['sent'] == len(truth) == len(o['rtt_ns']) == 60, f'{name}: {o["sent"]}, {len(truth)} on the road'
        for rtt, t in zip(o['rtt_ns'], truth):
            assert (rtt is not None) == (t['verdict'] == 'pass'), f'{name}: {rtt}, but {t}'
        late = [(rtt - (int(t['out_ns']) - int(t['in_ns']))) / 1e6 for rtt, t in zip(o['rtt_ns'], truth)
                if rtt is not None and name != names[2]]
        assert not late or (min(late) > -1 and statistics.median(late) < 1), f'{name}: off by {late} ms'
        assert o['received'] == sum(r is not None for r in o['rtt_ns'])
        assert abs(o['loss'] - (60 - o['received']) / 60) < 1e-6
        assert o['min_ns'] == min(r for r in o['rtt_ns'] if r is not None)
        assert o['pdv_ns'] == o['p90_ns'] - o['min_ns'] or abs(o['pdv_ns'] - o['p90_ns'] + o['min_ns']) <= 1
    assert found[names[1]]['causes'] == {'timeout': 60 - found[names[1]]['received']}
    assert found[names[2]]['received'] == 60 and found[names[2]]['causes']['duplicate'] > 0
    assert found[names[3]]['received'] == 0 and found[names[3]]['causes'] == {'host-unreachable': 60}


@test
def as_a_person_sees_it(lab):
    """One target: a line each and a histogram.  Several: a table, evenly spread, under the rate."""
    wait_impair(lab, '10.200.2.0/24 delay=2ms', '10.200.2.9 down=1')
    r = probe(lab, 'icmp', '--count', '5', '--interval', '50', '10.200.2.1')
    assert len(re.findall(r'^10\.200\.2\.1: \d  \d+\.\d{3} ms$', r.stdout, re.M)) == 5, r.stdout
    assert '5 sent, 5 answered, 0.0 % lost' in r.stdout and '█' in r.stdout and 'icmp:' not in r.stderr, r
    begin = len(seen(lab, '10.200.2.1'))
    r = probe(lab, 'icmp', '-q', '--count', '100', '--interval', '5', '--timeout', '200', '10.200.2.1')
    times = [int(t['in_ns']) / 1e6 for t in seen(lab, '10.200.2.1')[begin:]]
    near = sum(b - a < 2 for a, b in zip(times, times[1:]))
    assert len(times) == 100 and near < 40, f'{near} of 99 gaps are below 2 ms instead of 5'
    r = probe(lab, 'icmp', '-q', '--count', '2', '--interval', '50', '--timeout', '100', '10.200.2.9', status=1)
    assert '2 sent, 0 answered, 100.0 % lost; timeout 2' in r.stdout, r.stdout
    with open(lab.path('list.txt'), 'w', encoding='utf-8') as f:
        f.write('# the branch\n10.200.2.0/28\n\n10.200.2.20  # gateway\n')
    r = probe(lab, 'icmp', '--file', lab.path('list.txt'), '--count', '4', '--interval', '10', '--timeout', '200',
              '--rate', '100', status=1)
    assert 'one round takes 0.150 s' in r.stderr, r.stderr
    assert '15 targets: 14 answered, 1 did not; 60 sent, 56 answered' in r.stdout, r.stdout
    times = sorted(int(t['in_ns']) for n in (*range(1, 15), 20) for t in seen(lab, f'10.200.2.{n}'))[-60:]
    assert (times[-1] - times[0]) / 1e9 > 0.55, 'faster than --rate'
    gaps = [(b - a) / 1e6 for a, b in zip(times, times[1:])]
    assert 5 < statistics.median(gaps) < 15, f'a burst: {gaps}'


@test
def late_is_lost_and_told(lab):
    """A reply behind the timeout is a loss, and counted as late; what cannot leave is neither."""
    wait_impair(lab, '10.200.9.1 delay=150ms')
    o = objects(probe(lab, 'icmp', '--json', '--count', '4', '--interval', '200', '--timeout', '100', '10.200.9.1',
                      status=1))['10.200.9.1']
    assert o['rtt_ns'] == [None] * 4 and o['causes']['timeout'] == 4 and o['causes']['late-reply'] >= 3, o
    r = probe(lab, 'icmp', '--json', '--count', '2', '--interval', '50', '203.0.113.1', status=1)
    o = objects(r)['203.0.113.1']
    assert o['sent'] == 0 and o['loss'] is None and o['causes'] == {'not-sent': 2}, o
    assert 'cannot send: Network is unreachable' in r.stderr, r.stderr


@test
def first_request_waits_for_the_stamps(lab):
    """The kernel needs a moment before it stamps what comes in; without it the first RTT has a tick in it."""
    wait_impair(lab, '10.200.9.2 delay=1ms')
    begin = time.time_ns()
    o = objects(probe(lab, 'icmp', '--json', '--count', '1', '10.200.9.2'))['10.200.9.2']
    sent = int(seen(lab, '10.200.9.2')[0]['in_ns'])
    assert o['received'] == 1 and sent - begin > 50_000_000, f'sent {(sent - begin) / 1e6:.1f} ms after the start'


@test
def names_and_families(lab):
    """Names are looked up off the loop; one that does not exist is no loss."""
    wait_impair(lab, '10.200.3.0/24 delay=1ms')
    found = objects(probe(lab, 'icmp', '--json', '--count', '2', '--interval', '50', 'localhost', '::1', '10.200.3.1',
                          'no-such-name.invalid', status=2))
    assert found['localhost']['received'] == found['::1']['received'] == found['10.200.3.1']['received'] == 2
    gone = found['no-such-name.invalid']
    assert gone['address'] is None and gone['error'] and gone['sent'] == 0 and gone['loss'] is None, gone
    four = objects(probe(lab, 'icmp', '-4', '--json', '--count', '1', 'localhost'))
    assert four['localhost']['address'] == '127.0.0.1'


@test
def tcp_tells_the_cause(lab):
    wait_impair(lab, '10.200.4.1 tcp=open delay=20ms', '10.200.4.2 tcp=rst', '10.200.4.3 tcp=drop',
                '10.200.4.4 err=3,1')
    found = objects(probe(lab, 'tcp', '--json', '--count', '3', '--interval', '100', '--timeout', '400', '--port', '443',
                          '10.200.4.1:80', *(f'10.200.4.{i}' for i in (2, 3, 4)), status=1))
    opened = found['10.200.4.1']
    assert opened['port'] == 80 and opened['received'] == 3 and opened['min_ns'] >= 20e6 and not opened['causes'], opened
    assert found['10.200.4.2']['causes'] == {'refused': 3} and found['10.200.4.2']['received'] == 3
    assert found['10.200.4.3']['causes'] == {'timeout': 3} and found['10.200.4.3']['rtt_ns'] == [None] * 3
    assert found['10.200.4.4']['causes'] == {'host-unreachable': 3}
    probe(lab, 'tcp', '-q', '--count', '1', '10.200.4.1:80')
    probe(lab, 'tcp', '-q', '--count', '1', '10.200.4.2:80', status=1)


@test
def tcp_shakes_hands(lab):
    """Each request waits for its handshake; one that fails is a reply all the same, and says so."""
    lab.start(TlsService(lab.path('tls'), lab.pki, 443, HOST, lab.on_host()))
    wait_impair(lab, '10.200.4.5 tcp=open delay=5ms')       # opens, and says nothing more
    found = objects(probe(lab, 'tcp', '--tls', '--json', '--count', '3', '--interval', '100', '--timeout', '900',
                          '--server-name', 'service.test', f'{HOST}:443', '10.200.4.5:443', status=1))
    good, stalled = found[HOST], found['10.200.4.5']
    assert good['received'] == 3 and not good['causes'], good
    assert 0 < good['values']['tls_s'] < 0.9 and 700 < good['values']['cert_days'] < 740, good
    assert stalled['received'] == 3 and stalled['causes'] == {'tls': 3} and 'values' not in stalled, stalled
    assert min(stalled['rtt_ns']) >= 5e6, stalled
    said = probe(lab, 'tcp', '--tls', '--count', '1', f'{HOST}:443').stdout
    assert 'cert_days = ' in said, said


@test
def snmp_reads_a_real_device(lab):
    lab.start(Snmpd(lab.path('device'), prefix=lab.on_host()))
    with open(lab.path('community'), 'w', encoding='utf-8') as f:
        f.write(Snmpd.COMMUNITY + '\n')
    os.chmod(lab.path('community'), 0o600)
    args = ('snmp', '--json', '--port', str(SNMP), '--community-file', lab.path('community'), '--interval', '1000')
    o = objects(probe(lab, *args, '--interface', 'lo', '127.0.0.1'))['127.0.0.1']
    assert o['received'] == 2 and o['values']['oper_status'] == 1 and o['values']['in_bps'] >= 0, o
    o = objects(probe(lab, *args, '--count', '1', f'127.0.0.1:{SNMP}'))[f'127.0.0.1']
    assert o['values']['uptime_s'] > 0, o
    stack = Stack(lab, 'conf')
    stack.agent_conf['a1']['snmp_credentials'] = [
        {'name': 'v3', 'version': 'v3', 'user': Snmpd.USER, 'auth': 'sha256', 'priv': 'aes128',
         'auth_secret_file': stack.secret('auth', Snmpd.AUTH), 'priv_secret_file': stack.secret('priv', Snmpd.PRIV)}]
    stack.write()
    o = objects(probe(lab, 'snmp', '--json', '--config', stack.path('a1', 'agent.yaml'), '--credential', 'v3', '--host',
                      '--count', '1', f'127.0.0.1:{SNMP}'))['127.0.0.1']
    assert 0 < o['values']['mem_ratio'] <= 1, o
    with open(lab.path('community'), 'w', encoding='utf-8') as f:
        f.write('wrong\n')
    o = objects(probe(lab, *args, '--count', '1', '--timeout', '500', '127.0.0.1', status=1))['127.0.0.1']
    assert o['received'] == 0 and o['causes'] == {'timeout': 1}, o


@test
def ping_sockets_do(lab):
    """Without any right: it works, and says so once."""
    wait_impair(lab, '10.200.5.1 delay=5ms', '10.200.5.2 err=3,1')
    sh(*lab.on_host('sysctl', '-qw', 'net.ipv4.ping_group_range=0 2147483647'))
    program = [lab.program('linkwatch-agent'), 'probe', 'icmp', '--json', '--count', '5', '--interval', '50']
    copy = lab.path('agent')
    sh('install', '-m', '755', program[0], copy)
    r = subprocess.run(lab.on_host('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', copy,
                                   *program[1:], '10.200.5.1', '10.200.5.2', '::1'),
                       check=False, capture_output=True, text=True, timeout=30)
    found = objects(r)
    assert r.returncode == 1 and 'ping socket' in r.stderr, r
    assert found['10.200.5.1']['received'] == 5 and found['10.200.5.1']['min_ns'] >= 5e6, found
    # the emulator's errors quote eight bytes, which is all that a router must
    assert found['10.200.5.2']['causes'] == {'host-unreachable': 5} and found['::1']['received'] == 5, found
    sh(*lab.on_host('sysctl', '-qw', 'net.ipv4.ping_group_range=1 0'))
    r = subprocess.run(lab.on_host('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', copy,
                                   *program[1:], '10.200.5.1'), check=False, capture_output=True, text=True, timeout=30)
    assert r.returncode == 4 and 'no ICMPv4 socket' in r.stderr, r


@test
def interrupt_tells_what_there_is(lab):
    """Ctrl-C; and by then it is nobody."""
    wait_impair(lab, '10.200.6.1 delay=5ms')
    with subprocess.Popen(lab.on_host(lab.program('linkwatch-agent'), 'probe', 'icmp', '--count', '10000',
                                      '--interval', '20', '10.200.6.1'), stdout=subprocess.PIPE, text=True,
                          env=LOCALE) as p:
        for _ in range(5):
            assert ' ms' in p.stdout.readline()
        with open(f'/proc/{p.pid}/status', encoding='utf-8') as f:
            status = dict(l.rstrip('\n').split(':\t', 1) for l in f)
        assert status['Uid'].split() == ['65534'] * 4 and int(status['CapPrm'], 16) == 0, status
        p.send_signal(signal.SIGINT)
        out = p.stdout.read()
    assert p.returncode == 0, p.returncode
    sent, got = map(int, re.search(r'(\d+) sent, (\d+) answered, 0.0 % lost', out).groups())
    assert 5 <= sent == got < 1000, out


@test
def wrong_use_is_named(lab):
    wait_impair(lab)
    with open(lab.path('list.txt'), 'w', encoding='utf-8') as f:
        f.write('10.200.1.1\n' * 11 + 'a b\n  10.1.1.300\n224.0.0.1\n')
    path = lab.path('list.txt')
    r = probe(lab, 'icmp', '--count', 'x', '--tls', '--file', path, status=3)
    assert "--count is 'x', expected 1..10000" in r.stderr and '--tls does not belong to icmp' in r.stderr
    assert f"{path}:12:1: 'a b' is not a host name or address" in r.stderr, r.stderr
    assert f'{path}:13:3: ' in r.stderr and f"{path}:14:1: '224.0.0.1' is not the address of one host" in r.stderr
    assert not r.stdout and not seen(lab, '10.200.1.1'), 'something was sent'
    probe(lab, status=3)
    probe(lab, 'udp', '10.1.1.1', status=3)


def left(lab):
    """Packets and bytes that the vendor's host has sent into the emulator."""
    tx = json.loads(sh('ip', '-n', lab.host, '-s', '-j', 'link', 'show', 'road'))[0]['stats64']['tx']
    return tx['packets'], tx['bytes']


def datagrams(lab):
    """Datagrams that have left on the vendor's host, by UDP and over IPv4."""
    names, values = (l.split() for l in sh(*lab.on_host('cat', '/proc/net/snmp')).splitlines() if l.startswith('Udp:'))
    return int(values[names.index('OutDatagrams')])


def explain(lab, *args, status=0):
    r = subprocess.run([lab.program('linkwatch-agent'), 'explain', *args], check=False, capture_output=True,
                       text=True, timeout=30)
    assert r.returncode == status, f'explain {" ".join(args)}: status {r.returncode}\n{r.stdout}{r.stderr}'
    return r


@test
def explain_holds(lab):
    """No link sends more than explain says, and each about as much; refused ones send nothing."""
    wait_impair(lab, '10.200.7.1 delay=1ms', '10.200.7.2 delay=1ms', '10.200.7.3 tcp=open', '10.200.7.4 tcp=drop')
    stack = Stack(lab, 'explain')
    stack.agent_conf['a1']['guard'] = {'allow': ['10.200.7.1', '10.200.7.2', '10.200.7.3', '10.200.7.4'],
                                       'max_pps': 100}
    stack.agent_conf['a1']['guard']['allow'].append('127.0.0.1')
    lab.start(Snmpd(lab.path('polled'), prefix=lab.on_host()))
    stack.agent_conf['a1']['snmp_credentials'] = [
        {'name': 'v2c', 'version': 'v2c', 'community_file': stack.secret('community', Snmpd.COMMUNITY)}]
    stack.link('device', 'snmp', '127.0.0.1', port=SNMP, credential='v2c', interface='lo', host=True, timeout='900ms')
    stack.link('small', 'icmp', '10.200.7.1', count=5)
    stack.link('big', 'icmp', '10.200.7.2', count=2, size=1400, ttl=64)
    stack.link('open', 'tcp', '10.200.7.3', port=443, count=2, timeout='900ms')
    stack.link('drop', 'tcp', '10.200.7.4', port=443, count=1, step='2s', timeout='1900ms')
    stack.link('outside', 'icmp', '10.200.8.1', count=5)
    stack.link('much', 'icmp', '10.200.7.1', count=100)
    stack.write()
    conf, links = stack.path('a1', 'agent.yaml'), stack.path('collector', 'links.yaml')
    preview = json.loads(explain(lab, '-c', conf, '--plan', links, '--agent', 'a1', '--json').stdout)
    explain(lab, '-c', conf, status=1)              # no plan has come yet
    stack.start(alertd=False)
    marks = ('small', 'big', 'open', 'drop')
    wait_for(lambda: all(stack.samples(l) for l in marks), 20, 'samples of every link')
    lab.road('mark 1')
    before, polls_before = left(lab), datagrams(lab)
    more = len(stack.samples('drop')) + 2
    wait_for(lambda: len(stack.samples('drop')) >= more, 20, 'two steps of the slowest link more')
    after, polls = left(lab), (datagrams(lab) - polls_before) / 2       # each request has its answer
    told = json.loads(explain(lab, '-c', conf, '--json').stdout)
    text = explain(lab, '-c', conf).stdout
    stack.stop()
    plan = stack.path('a1', 'state', 'plan')
    os.remove(plan)
    for put in (lambda: os.mkfifo(plan), lambda: os.symlink('/dev/zero', plan)):    # by an agent that was taken over
        put()
        explain(lab, '-c', conf, status=1)
        os.remove(plan)
    assert {**told, 'from': ''} == {**preview, 'from': ''}, 'the preview is not what holds'
    by = {l['id']: l for l in told['links']}
    assert told['refused'] == 2 and by['outside']['refused'] == 'not in allow-list', told
    assert by['much']['refused'] == 'over the cap of 100 packets per second', told
    truth = lab.truth()
    begin = next(int(t['in_ns']) for t in truth if t['verdict'] == 'mark')
    span = (int(truth[-1]['in_ns']) - begin) / 1e9
    assert span > 3, f'{span} s are too short to tell'
    for what, a, b in zip(('packets_per_s', 'bytes_per_s'), before, after):
        usual, most = (told[k][what] - by['device'][k][what] for k in ('usual', 'most'))    # it is on another road
        assert 0.8 * usual * (span - 1) < b - a < most * (span + 1), \
            f'{b - a} {what} in {span:.1f} s, explain says {usual} to {most} a second'
    for i, name in enumerate(marks, 1):         # of a connection the emulator notes the SYN alone
        n = sum(1 for t in truth if t['dst'] == f'10.200.7.{i}' and t['dir'] == '0' and
                t['verdict'] not in ('set', 'mark', 'dup') and int(t['in_ns']) >= begin)
        most, usual, step = by[name]['most']['packets_per_s'], by[name]['usual']['packets_per_s'], by[name]['step_s']
        assert n <= most * (span + step), f'{name}: {n} packets in {span:.1f} s, explain says {most} a second at most'
        assert n >= 0.5 * usual * (span - step) or by[name]['probe'] == 'tcp', f'{name}: only {n} packets in {span:.1f} s'
    device = by['device']
    assert device['estimate'] and device['usual']['packets_per_s'] * (span - 1) * 0.5 < polls < \
        device['most']['packets_per_s'] * (span + 1), f'{polls} requests by SNMP in {span:.1f} s: {device}'
    assert not [t for t in truth if t['dst'] == '10.200.8.1'], 'a refused link sent'
    assert 'listens on no port' in text and '10.99.0.1:4433' in text and 'outside: not in allow-list' in text, text


if __name__ == '__main__':
    sys.exit(main())
