#!/usr/bin/python3
"""test_limits.py - an agent that is given little, or asked for much.

Little memory, few descriptors, no name server; plans that are too large, too fast, or
lead out of what its owner allows.  What cannot be done is refused by name or is no
verdict; the rest goes on.
"""

import os
import re
import signal
import socket
import ssl
import struct
import sys
import time

import wire
from lab import INGEST, SNMP, SUP, Stack, child, main, sh, test, wait_for
from truth import address, by_link, more

MIB = 1 << 20
ROOM = 64 * MIB
NOT_OBSERVED = 2


def clean_road(lab):
    lab.start_impair('10.200.0.0/16 delay=5ms', 'fd00:200::/64 delay=5ms', '10.200.2.0/24 tcp=open delay=5ms',
                     '10.200.3.0/24 tcp=drop', '10.200.9.0/24 down=1')


def memory(program):
    """Peaks of a program in MiB: address space, and what was resident."""
    with open(f'/proc/{program.pid}/status', encoding='utf-8') as f:
        found = dict(re.findall(r'^(Vm\w+):\s+(\d+) kB', f.read(), re.M))
    return int(found['VmPeak']) / 1024, int(found['VmHWM']) / 1024


def whole(samples):
    """Was every request that left answered, in each of these?  On a busy machine one may leave too late to be sent."""
    return bool(samples) and all(len(s['rtt_100ns']) == s['sent'] > 0 for s in samples)


@test
def little_memory(lab):
    """Two hundred links of all kinds in 64 MiB of address space."""
    clean_road(lab)
    stack = Stack(lab, 'memory')
    stack.agent_conf['a1']['guard']['allow'].append('localhost')
    stack.agent_conf['a1']['snmp_credentials'] = [
        {'name': 'v2c', 'version': 'v2c', 'community_file': stack.secret('community', 'public')}]
    answered = []
    for i in range(1, 181):
        answered.append(f'l{i}')
        if i <= 70:
            stack.link(f'l{i}', 'icmp', address(4, i), step='2s', count=5)
        elif i <= 140:
            stack.link(f'l{i}', 'icmp', address(6, i), step='2s', count=5)
        elif i <= 160:
            stack.link(f'l{i}', 'icmp', 'localhost', step='2s', count=5, family=4)
        else:
            stack.link(f'l{i}', 'tcp', f'10.200.2.{i}', step='2s', count=5, port=80)
    for i in range(181, 201):           # nobody there
        stack.link(f'l{i}', 'snmp', '127.0.0.1', step='2s', timeout='1s', port=SNMP, credential='v2c', host=True)
    stack.write()
    stack.start_collector()
    agent = stack.start_agent('a1', 'prlimit', f'--as={ROOM}')
    stack.await_agent()
    more(stack, 2, *answered)
    peak, resident = memory(agent)
    stack.stop()
    samples = by_link(stack)
    bad = [l for l in answered if not whole(samples[l][1:])]
    assert not bad, f'{bad}: {samples[bad[0]]}'
    assert len(samples) == 200, f'{len(samples)} links tell something'
    print(f'     200 links: {peak:.1f} MiB of address space, {resident:.1f} MiB resident', flush=True)
    lab.stop(lab.impair)


@test
def few_descriptors(lab):
    """More connects under way than descriptors: those are not sent, no loss; ICMP and the uplink go on."""
    clean_road(lab)
    stack = Stack(lab, 'descriptors')
    busy = [f'tcp{i}' for i in range(1, 101)]
    for i, link in enumerate(busy, 1):
        stack.link(link, 'tcp', f'10.200.3.{i}', port=80, count=2, timeout='900ms')
    stack.link('icmp', 'icmp', address(4, 1), count=10, timeout='400ms')
    stack.write()
    stack.start_collector()
    stack.start_agent('a1', 'prlimit', '--nofile=64')
    stack.await_agent()
    more(stack, 3, 'icmp')
    stack.collector.kill()
    stack.restart(stack.collector)
    begin = time.time_ns()
    wait_for(lambda: any(s['start_ns'] > begin + 1_000_000_000 for s in stack.samples('icmp')), 40,
             'samples after a new session', step=0.5)
    stack.stop()
    samples = by_link(stack)
    assert whole(samples['icmp']), [s for s in samples['icmp'] if not whole([s])][:3]
    told = {}
    for link in busy:
        for s in samples[link]:
            for cause, n in s['causes'].items():
                told[cause] = told.get(cause, 0) + n
            assert s['causes'].get('timeout', 0) == s['sent'], f'{link}: {s}'
    assert told.get('not-sent', 0) + told.get('local', 0) > 100 and told.get('timeout', 0) > 20, told
    lab.stop(lab.impair)


class NoNames:
    """With it, the only name server of the lab is one that never answers."""

    def __init__(self, lab):
        self.path, self.conf = os.path.realpath('/etc/resolv.conf'), lab.path('resolv.conf')

    def __enter__(self):
        with open(self.conf, 'w', encoding='ascii') as f:
            f.write('nameserver 10.200.9.9\n')
        sh('mount', '--bind', self.conf, self.path)

    def __exit__(self, *_):
        sh('umount', self.path)


@test
def refused_and_unknown(lab):
    """Out of the allow-list or over the cap: named to the collector.  Names that nobody resolves: their own
    cause, no loss.  The rest runs on undisturbed, and the end is not delayed."""
    clean_road(lab)
    stack = Stack(lab, 'refused')
    stack.agent_conf['a1']['guard'].update(max_pps=100, allow=['10.0.0.0/8', 'fd00:200::/64', '*.example.test'])
    stack.link('good', 'icmp', address(4, 1), count=10, timeout='400ms')
    stack.link('outside', 'icmp', '192.0.2.1', count=1)
    stack.link('outside6', 'icmp', '2001:db8::1', count=1)
    stack.link('multicast', 'icmp', '224.0.0.1', count=1)
    stack.link('tcp-outside', 'tcp', '192.0.2.2', port=80, count=1)
    stack.link('too-fast', 'icmp', address(4, 2), count=1000, timeout='400ms')
    stack.link('also-good', 'tcp', '10.200.2.1', port=80, count=10, timeout='400ms')
    names = [f'named{i}' for i in range(12)]
    for i, link in enumerate(names):
        stack.link(link, ('icmp', 'tcp')[i % 2], f'host{i}.example.test', count=4, timeout='400ms',
                   **({'port': 80} if i % 2 else {}))
    with NoNames(lab):
        stack.start()
        stack.await_state('good', 'up')
        wait_for(lambda: stack.agent().get('refused_links') == 5, 20, 'alertd knows of five refused links', step=0.5)
        more(stack, 2, 'good', 'also-good', *names)
        begin = time.monotonic()
        stack.lab.stop(stack.agents['a1'])
        took = time.monotonic() - begin
    refused = {r['link']: r['reason'] for r in stack.dump() if r['type'] == 'refused-link'}
    stack.stop()
    assert took < 5, f'the end took {took:.1f} s'
    assert set(refused) == {'outside', 'outside6', 'multicast', 'tcp-outside', 'too-fast'}, refused
    assert 'cap of 100' in refused['too-fast'] and 'allow-list' in refused['outside'], refused
    samples = by_link(stack)
    assert whole(samples['good']) and whole(samples['also-good'])
    assert not set(samples) & set(refused), set(samples)
    for link in names:
        bad = [s for s in samples[link] if not s['flags'] & NOT_OBSERVED or s['sent'] or s['causes'] != {'resolve': 4}]
        assert not bad, f'{link}: {bad[:3]}'
    asked = {t['dst'] for t in lab.truth()}
    assert '10.200.9.9' in asked, 'nobody asked the name server'
    outside = [a for a in asked if a.startswith(('192.', '224.', '2001:')) or a == address(4, 2)]
    assert not outside, outside
    lab.stop(lab.impair)


def with_links(stack, n):
    """One link with a step of a second, n with five: just what must be there, to have room for many."""
    stack.links['links'] = [{'id': 'good', 'agent': 'a1', 'probe': 'icmp', 'target': address(4, 1), 'step': '1s',
                             'timeout': '400ms'}]
    stack.links['links'] += [{'id': f'l{i}', 'agent': 'a1', 'probe': 'icmp', 'target': f'10.200.{16 + i // 250}.'
                              f'{1 + i % 250}', 'step': '5s', 'count': 1} for i in range(n)]
    stack.write()


@test
def large_plans(lab):
    """Too large a file changes nothing and says why; thousands of links are all measured."""
    clean_road(lab)
    stack = Stack(lab, 'large')
    with_links(stack, 0)
    stack.start_collector()
    agent = stack.start_agent('a1', 'prlimit', f'--as={2 * ROOM}')
    stack.await_agent()
    more(stack, 2, 'good')
    for n in (100_000, 25_000, 15_000):
        said = len(stack.collector.said())
        with_links(stack, n)
        stack.collector.send(signal.SIGHUP)
        wait_for(lambda at=said: 'links.yaml refused' in stack.collector.said()[at:], 20, f'{n} links are refused')
        why = stack.collector.said()[said:]
        assert re.search(r'links\.yaml:.*(more than|at most)', why), why
    os.kill(child(stack, 'store'), signal.SIGSTOP)      # a file for each of them is not what is tested here
    with_links(stack, 3000)
    stack.collector.send(signal.SIGHUP)
    wait_for(lambda: '3001 links' in agent.said(), 20, 'the agent has the plan')

    def asked():
        return {t['dst'] for t in lab.truth() if t['dst'].startswith('10.200.') and t['proto'] == '1'}
    wait_for(lambda: len(asked()) >= 3001, 30, 'each of 3,000 targets is asked', step=1)
    more(stack, 2, 'good')
    peak, resident = memory(agent)
    with_links(stack, 0)                # and away with them
    stack.collector.send(signal.SIGHUP)
    wait_for(lambda: '1 links' in agent.said()[-400:], 20, 'the agent has the small plan')
    more(stack, 2, 'good')
    stack.collector.kill()
    stack.stop()
    mine = by_link(stack)['good']
    assert whole(mine), [s for s in mine if not whole([s])][:3]
    print(f'     3,001 links: {peak:.1f} MiB of address space, {resident:.1f} MiB resident', flush=True)
    lab.stop(lab.impair)


class Collector:
    """A collector that has the right certificate and the wrong ideas."""

    def __init__(self, stack):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(stack.path('pki', 'ca.pem'))
        context.load_cert_chain(stack.path('pki', 'collector-main.pem'), stack.path('pki', 'collector-main.key'))
        self.listener = context.wrap_socket(socket.create_server((SUP, INGEST)), server_side=True)
        self.listener.settimeout(20)

    def accept(self):
        """The next session, greeted."""
        self.sock = self.listener.accept()[0]
        self.sock.settimeout(20)
        assert self.receive()[0] == wire.HELLO
        self.sock.sendall(wire.frame(wire.WELCOME, wire.message(f1=1, f2='0.1.0', f4=16, f5=time.time_ns())))

    def receive(self):
        head = self.exactly(8)
        length, kind = struct.unpack('>IB', head[:5])
        return kind, self.exactly(length)

    def exactly(self, n):
        data = b''
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            assert part, 'the agent has closed the session'
            data += part
        return data

    def plan(self, revision, links, patience=6):
        """Sends a plan.  Does the agent say what it makes of it?  A session that ends over it begins anew."""
        self.sock.sendall(wire.frame(wire.PLAN, wire.message(f1=revision) + b''.join(wire.field(2, l) for l in links)))
        until = time.monotonic() + patience
        while (left := until - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                kind, payload = self.receive()
            except TimeoutError:
                break
            except (AssertionError, OSError):
                self.accept()
                break
            if kind == PLAN_RESULT and wire.parse(payload)[1] == revision:
                return True
        return False

    def close(self):
        self.sock.close()
        self.listener.close()


PLAN_RESULT = 4


def tiny(i, target=b'10.200.1.1', step_ms=300_000, probe=1):
    return wire.message(f1=f'{i:x}', f3=probe, f4=target, f6=step_ms, f7=1, f8=400, f9=56)


@test
def rogue_plans(lab):
    """A frame full of links: empty ones, alike ones, wrong ones, ten thousand good ones; in little memory."""
    clean_road(lab)
    stack = Stack(lab, 'rogue')
    stack.write()
    far = Collector(stack)
    agent = stack.start_agent('a1', 'prlimit', f'--as={2 * ROOM}')
    far.accept()
    plans = {
        'nothing in them': [b''] * 100_000, 'all alike': [tiny(1)] * 7_000,
        'outside': [tiny(i, b'192.0.2.1') for i in range(7_000)],
        'of no kind': [tiny(i, probe=99) for i in range(7_000)],
        'too fast': [tiny(i, step_ms=1_000) for i in range(7_000)],
        'good': [tiny(i) for i in range(7_000)],
    }
    silent = []
    for revision, (what, links) in enumerate(plans.items(), 1):
        if not far.plan(revision, links):
            silent.append(what)
        assert agent.running(), f'{what}: {agent.how_it_ended()}'
    peak, resident = memory(agent)
    assert far.plan(100, [tiny(1, step_ms=1_000)]), f'no word on a plain plan, after none on those that are: {silent}'
    while far.receive()[0] != wire.BATCH:
        pass
    assert agent.running() and not silent, f'not a word on plans with links that are: {silent}'
    assert os.path.getsize(agent.log) < 4 * MIB, f'{os.path.getsize(agent.log)} bytes of log'
    far.close()
    lab.stop(agent)
    print(f'     7,000 links: {peak:.1f} MiB of address space, {resident:.1f} MiB resident', flush=True)
    lab.stop(lab.impair)


if __name__ == '__main__':
    sys.exit(main())
