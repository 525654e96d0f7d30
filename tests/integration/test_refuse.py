#!/usr/bin/python3
"""test_refuse.py - who and what the collector does not take, over real TLS.

After each insult the collector still serves the good agent, whose samples arrive whole.
"""

import os
import socket
import ssl
import struct
import sys
import time

import wire
from lab import INGEST, SUP, Stack, assert_whole, main, test, wait_for

REFUSE_VERSION, REFUSE_UNKNOWN, REFUSE_ROLE, REFUSE_STATE, REFUSE_MALFORMED, REFUSE_LINK, REFUSE_TIME, \
    REFUSE_COUNTS, REFUSE_VALUE, REFUSE_ORDER = range(1, 11)


def good_stack(lab, name, agents=('a1', 'a2')):
    lab.start_impair('10.200.0.0/16 delay=5ms')
    stack = Stack(lab, name, agents)
    stack.link('l1', 'icmp', '10.200.1.1', count=5, timeout='400ms')
    if 'a2' in agents:
        stack.link('l2', 'icmp', '10.200.1.2', agent='a2', count=5, timeout='400ms')
    return stack


def client(stack, who=None, pki=None):
    pki = pki or stack.pki
    files = (os.path.join(pki, f'{who}.pem'), os.path.join(pki, f'{who}.key')) if who else ()
    return wire.Client((SUP, INGEST), stack.path('pki', 'ca.pem'), *files)


def turned_away(stack, who=None, pki=None):
    """Is a peer with that certificate kept from a WELCOME?  What it was told."""
    try:
        with client(stack, who, pki) as c:
            c.send(wire.hello())
            while True:
                got = c.receive()
                if got is None:
                    return 'closed'
                assert got[0] != wire.WELCOME, f'{who} was let in'
                if got[0] == wire.REFUSAL:
                    return wire.parse(got[1]).get(3)
    except (ssl.SSLError, ConnectionError) as e:
        return str(e)


def still_well(stack, begin):
    """The good agent's samples went on without a hole."""
    wait_for(lambda: [s for s in stack.samples('l1') if s['start_ns'] > begin], 20, 'samples after the insult')
    assert_whole(stack.dump())
    assert stack.collector.running()


@test
def certificates(lab):
    """None, another authority's, expired, revoked, a server's, an unknown agent's."""
    stack = good_stack(lab, 'certs')
    rogue = lab.path('rogue')
    lab.pki(rogue, 'agent', 'a2')
    lab.pki(stack.pki, 'agent', 'expired', START='20200101000000Z', END='20210101000000Z')
    lab.pki(stack.pki, 'agent', 'early', START='20990101000000Z', END='21000101000000Z')
    lab.pki(stack.pki, 'agent', 'stranger')
    lab.pki(stack.pki, 'revoke', 'agent-a2')
    stack.start(agents=('a1',), alertd=False)
    begin = time.time_ns()
    for who, pki in ((None, None), ('agent-a2', rogue), ('agent-expired', None), ('agent-early', None),
                     ('agent-a2', None), ('collector-main', None), ('web', None)):
        answer = turned_away(stack, who, pki)
        assert not isinstance(answer, int), f'{who}: got as far as a refusal ({answer})'
    assert turned_away(stack, 'agent-stranger') == REFUSE_UNKNOWN
    still_well(stack, begin)
    wait_for(lambda: [r for r in stack.dump() if r['type'] == 'refused' and r['peer'] == 'stranger'], 5,
             'the journal names the stranger')
    stack.stop()


@test
def agent_refuses_a_wrong_collector(lab):
    """A collector of another authority, or of another name, gets no sample."""
    stack = good_stack(lab, 'wrong', agents=('a1',))
    stack.agent_conf['a1']['collector_id'] = 'other'
    stack.write()
    stack.start_collector()
    agent = stack.start_agent()
    wait_for(lambda: 'collector' in agent.said().lower() and 'main' in agent.said(), 15,
             'the agent says who it found instead')
    assert not stack.samples()
    stack.stop()


@test
def frames(lab):
    """Too long, truncated, of no kind, out of turn; plain HTTP; TLS 1.2; silence."""
    stack = good_stack(lab, 'frames')
    stack.start(agents=('a1',), alertd=False)
    begin = time.time_ns()
    ins = {
        'too long': wire.hello() + struct.pack('>IBBH', 256 * 1024, wire.BATCH, 1, 0),
        'huge': wire.hello() + b'\xff\xff\xff\xff\x05\x01\x00\x00',
        'garbage': wire.hello() + os.urandom(4096),
        'no protobuf': wire.hello() + wire.frame(wire.BATCH, b'\xff' * 100),
        'batch before hello': wire.frame(wire.BATCH, wire.batch(begin)),
        'hello twice': wire.hello() + wire.hello(),
        'a feed for an agent': wire.hello() + wire.frame(wire.FEED_START, wire.message(f1=1)),
        'version of tomorrow': wire.hello(versions=(7, 9)),
        'short boot id': wire.hello(boot=b'x'),
    }
    for what, data in ins.items():
        with client(stack, 'agent-a2') as c:
            c.send(data)
            c.sock.settimeout(10)
            last = None
            try:
                while (got := c.receive()) is not None:
                    last = got
            except TimeoutError:
                raise AssertionError(f'{what}: the session goes on') from None
            assert last is None or last[0] != wire.ACK, f'{what}: {last}'
    for raw in (b'GET / HTTP/1.1\r\n\r\n', os.urandom(512), b''):
        with socket.create_connection((SUP, INGEST), 5) as s:
            s.sendall(raw)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        old.wrap_socket(socket.create_connection((SUP, INGEST), 5))
        raise AssertionError('TLS 1.2 was taken')
    except ssl.SSLError:
        pass
    still_well(stack, begin)
    stack.stop()


@test
def batches(lab):
    """Each bad batch is refused with its own reason; a good one behind it is taken, once."""
    stack = good_stack(lab, 'batches')
    stack.start(agents=('a1',), alertd=False)
    now = time.time_ns()
    year = 365 * 86400 * 1_000_000_000
    bad = {
        'link of another agent': (REFUSE_LINK, dict(links=('l1',))),
        'link of nobody': (REFUSE_LINK, dict(links=('nobody',))),
        'path as a link': (REFUSE_MALFORMED, dict(links=('../../etc/passwd',))),
        'far future': (REFUSE_TIME, dict(base_ns=now + 75 * year)),
        'far past': (REFUSE_TIME, dict(base_ns=now - 20 * year)),
        'more replies than packets': (REFUSE_COUNTS, dict(f9=[7], rtt=[1] * 7)),
        'columns of different length': (REFUSE_COUNTS, dict(f8=[1, 1])),
        'replies that are not there': (REFUSE_COUNTS, dict(rtt=[])),
        'link index out of range': (REFUSE_COUNTS, dict(f5=[9])),
        'NaN': (REFUSE_VALUE, dict(f15=[0], f16=[1], f17=struct.pack('<d', float('nan')), f18=[0])),
        'infinity': (REFUSE_VALUE, dict(f15=[0], f16=[1], f17=struct.pack('<d', float('inf')), f18=[0])),
    }
    seq = 0
    boot = os.urandom(16)
    with client(stack, 'agent-a2') as c:
        c.send(wire.hello(boot=boot))
        assert c.until(wire.WELCOME) is not None
        for what, (code, keys) in bad.items():
            seq += 1
            keys = {'base_ns': now, 'links': ('l2',), **keys}
            c.send(wire.frame(wire.BATCH, wire.batch(boot=boot, seq=seq, **keys)))
            got = c.until(wire.REFUSAL)
            assert got is not None, f'{what}: the session was closed without a refusal'
            refusal = wire.parse(got)
            told = refusal.get(3)
            assert told == code or {told, code} <= {REFUSE_MALFORMED, REFUSE_COUNTS, REFUSE_VALUE}, \
                f'{what}: refused with {told} {refusal.get(4)}, not {code}'
            assert refusal.get(2) == seq and refusal.get(4), f'{what}: {refusal}'
        good = seq + 1
        for _ in range(3):              # repeated: taken once, acked each time
            c.send(wire.frame(wire.BATCH, wire.batch(now, boot=boot, seq=good, links=('l2',))))
            while wire.parse(c.until(wire.ACK))[2] != good:
                pass                    # acks of those refused for good may come first
    stored = [r for r in stack.dump() if r['type'] == 'batch' and r['agent'] == 'a2']
    assert [b['seq'] for b in stored] == [good], stored
    still_well(stack, now)
    stack.stop()


if __name__ == '__main__':
    sys.exit(main())
