#!/usr/bin/python3
"""test_hostile_net.py - forged replies, floods, and a host that stops, loses its road or its room.

None of it may become a reply or a loss: what was not answered was lost, what could not leave or
could not be seen is no verdict, and when it is over the agent goes on by itself.
"""

import random
import signal
import socket
import struct
import sys
import time

import truth
from lab import HOST, Stack, assert_whole, main, sh, test, wait_for
from netns import echo, ip4, socket_in
from truth import address, by_link, more, said

LATE, NOT_OBSERVED, SOCKET_DROPS = 1, 2, 4
TIMEOUT = 400
STOP = 10                       # seconds
KINDS = ('source', 'id', 'seq', 'cookie', 'short', 'long', 'sum')


def health(stack):
    """What the agent last said of itself."""
    return ([r for r in stack.dump() if r['type'] == 'health'] or [{}])[-1]


def icmp_links(stack, n, count=10, first=1):
    """n links to clean targets, of both families in turn; their names."""
    names = []
    for i in range(first, first + n):
        family = 4 if i % 2 else 6
        names.append(f'clean-{family}-{i}')
        stack.link(names[-1], 'icmp', address(family, i), count=count, timeout=f'{TIMEOUT}ms', **{'class': 'C'})
    return names


def clean_road(lab):
    lab.start_impair('10.200.0.0/16 delay=5ms', 'fd00:200::/64 delay=5ms', '10.200.2.0/24 tcp=open delay=5ms',
                     '10.200.3.0/24 tcp=drop')


def no_loss(samples, allow=0):
    """No request of these was called lost, but for so many."""
    samples = list(samples)
    lost = sum(s['sent'] - len(s['rtt_100ns']) for s in samples)
    assert lost <= allow, f'{lost} of {sum(s["sent"] for s in samples)} requests are called lost: ' + \
        str([s for s in samples if s['sent'] != len(s['rtt_100ns'])][:3])


# --------------------------------------------------------------- the road lies

@test
def forged_replies(lab):
    """Before each true reply comes a false one; half of the true ones are lost."""
    where = {f'{kind}-{f}': address(f, i) for i, kind in enumerate(KINDS, 1) for f in (4, 6)
             if (kind, f) != ('sum', 6)}        # test_truth.py damages those
    lab.start_impair(*(f'{where[l]} delay=20ms loss=50 forge={l[:-2]}' for l in where))
    stack = Stack(lab, 'forged')
    for link, target in where.items():
        stack.link(link, 'icmp', target, count=20, timeout=f'{TIMEOUT}ms', **{'class': 'C'})
    stack.start(alertd=False)
    more(stack, 6, *where)              # of which a busy machine may not observe one
    stack.stop()
    log, samples, wrong = lab.truth(), by_link(stack), []
    for link, target in where.items():
        try:
            c = truth.Comparison(link, samples[link][:-1], truth.requests(log, target), TIMEOUT * truth.MS)
            c.extras()
            assert c.compared >= 60, f'{link}: only {c.compared} compared'
        except AssertionError as e:
            wrong.append(str(e))
    lab.stop(lab.impair)
    assert not wrong, said(wrong)


def watch(lab, n):
    """The next n packets of the road that carry an echo reply of IPv4, as (source, ICMP message)."""
    s = socket_in(lab.host, socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    s.bind(('road', 0x0800))
    s.settimeout(5)
    found = []
    while len(found) < n:
        data, where = s.recvfrom(2048)
        if where[2] != 4 and data[9] == 1 and data[20] == 0:
            found.append((socket.inet_ntoa(data[12:16]), data[20:]))
    s.close()
    return found


def forgeries(seen, dice):
    """One forged packet after the other, made of true replies: (source, ICMP message)."""
    while True:
        source, reply = dice.choice(seen)
        ident, seq = struct.unpack('!HH', reply[4:8])
        data = reply[8:]
        other = dice.choice([s for s, _ in seen if s != source])
        stranger = f'192.0.2.{dice.randrange(1, 255)}'
        yield other, echo(0, ident, seq, data)                          # true, but for another link
        yield stranger, echo(0, ident, seq, data)
        yield source, echo(0, ident, dice.randrange(65536), data)       # requests never sent
        yield source, echo(0, ident, seq, data[:4] + dice.randbytes(len(data) - 4))
        yield source, echo(0, dice.randrange(65536), seq, dice.randbytes(56))
        yield source, echo(0, ident, seq, data[:dice.randrange(24)])
        for kind, code in ((3, 1), (11, 0), (3, 4)):                    # what others have sent, or we never did
            quoted = ip4(HOST, source, dice.choice((
                echo(8, dice.randrange(65536), dice.randrange(65536), dice.randbytes(56)),
                echo(8, ident, (seq + 20000) % 65536, dice.randbytes(56)), dice.randbytes(8))))
            yield stranger, echo(kind, 0, 0, quoted)
        yield stranger, dice.randbytes(dice.randrange(1, 64))


def flood(lab, seen, n):
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    dice = random.Random(1)
    for i, (source, message) in zip(range(n), forgeries(seen, dice)):
        out.sendto(ip4(source, HOST, message), (HOST, 0))
        if i % 1000 == 0:               # too large for one frame
            out.sendto(ip4(source, HOST, echo(0, 7, i, dice.randbytes(1400))), (HOST, 0))
    out.close()


def not_clear(samples):
    """Those of them in which the agent could not see all; there must be some that are clear."""
    assert samples
    return [s for s in samples if s['flags'] & (NOT_OBSERVED | SOCKET_DROPS) or len(s['rtt_100ns']) != s['sent']]


@test
def flood_of_forgeries(lab):
    """50,000 as fast as they go: not one reply or loss of them; then as many on an agent that cannot look."""
    clean_road(lab)
    for what in ('all', 'up1'):
        sh(*lab.on_host('sysctl', '-qw', f'net.ipv4.conf.{what}.rp_filter=0'))
    stack = Stack(lab, 'flood')
    links = icmp_links(stack, 20)
    stack.start(alertd=False)
    more(stack, 2, *links)
    seen = watch(lab, 100)
    begin = time.time_ns()
    flood(lab, seen, 50_000)
    flooded = time.time_ns()
    more(stack, 6, *links)              # enough for whole steps between the floods
    stack.agents['a1'].send(signal.SIGSTOP)
    stopped = time.time_ns()
    flood(lab, seen, 50_000)
    stack.agents['a1'].send(signal.SIGCONT)
    end = time.time_ns()
    wait_for(lambda: all(s[-1]['start_ns'] > end + 2_000_000_000 for s in by_link(stack).values()), 30,
             'steps after the flood', step=0.5)
    told = wait_for(lambda: next((h for h in [health(stack)] if h.get('socket_drops', 0) > 0), None),
                    15, 'drops of the socket are told', step=1)
    stack.stop()
    samples = [s for mine in by_link(stack).values() for s in mine]
    no_loss(samples)
    # of ten forgeries in the first flood, when nothing was dropped, two have a true cookie and a wrong source
    assert told['foreign_replies'] >= 10_000, told
    assert any(s['flags'] & SOCKET_DROPS for s in samples if stopped - 1_000_000_000 < s['start_ns'] < end), \
        'no step is marked'
    for a, b in ((0, begin - 1_000_000_000), (flooded + 1_000_000_000, stopped - 1_500_000_000),
                 (end + 1_000_000_000, end + 10**12)):
        blind = not_clear([s for s in samples if a < s['start_ns'] < b])
        assert not blind, f'without a flood: {blind[:3]}'
    late = sum(s['causes'].get('late-reply', 0) + s['causes'].get('duplicate', 0) for s in samples)
    print(f'     100,000 in {(flooded - begin + end - stopped) / 1e9:.1f} s: {told["foreign_replies"]} foreign, '
          f'{late} late or twice, {told["socket_drops"]} dropped', flush=True)
    lab.stop(lab.impair)


# ------------------------------------------------------- our own host fails us

def phase(stack, links, what, seconds=2):
    """Samples whose steps lie whole within the next so many seconds; what is done at the beginning."""
    what()
    begin = time.time_ns()
    more(stack, seconds + 2, *links)
    end = time.time_ns()
    return {link: [s for s in mine if s['start_ns'] > begin and s['start_ns'] + s['step_ms'] * 1_000_000 < end]
            for link, mine in by_link(stack).items() if link in links}


def on_host(lab, *commands):
    return lambda: [sh('ip', '-n', lab.host, *c.split()) for c in commands]


def stop_for_a_while(stack):
    """SIGSTOP: when it began and when it was over."""
    begin = time.time_ns()
    stack.agents['a1'].send(signal.SIGSTOP)
    time.sleep(STOP)                    # the length of the stop is what is tested
    stack.agents['a1'].send(signal.SIGCONT)
    end = time.time_ns()
    wait_for(lambda: all(len(whole(mine, end)) >= 2 for mine in by_link(stack).values()), 30,
             'two whole steps of each link after the stop', step=0.5)
    return begin, end


def whole(samples, since):
    """Those since then of which every request left and was answered."""
    return [s for s in samples if s['start_ns'] > since and len(s['rtt_100ns']) == s['sent'] > 0]


def check_stop(samples, begin, end):
    """The steps of the stop are not observed, not lost; behind it all is as before."""
    for link, mine in samples.items():
        no_loss(s for s in mine if s['start_ns'] > begin - 1_000_000_000)
        inside = [s for s in mine if begin < s['start_ns'] < end - 1_000_000_000]
        assert len(inside) >= STOP - 2 and all(s['flags'] & NOT_OBSERVED for s in inside), f'{link}: {inside[:3]}'
        # a busy machine may let it wait for a processor: those steps say so too
        good = whole(mine, end)
        bad = [s for s in mine if s['start_ns'] > end and s not in good and not s['flags'] & LATE]
        assert len(good) >= 2 and not bad, f'{link}: {len(good)} whole, {bad[:3]}'


@test
def road_goes_and_process_stops(lab):
    """What cannot leave is not lost; when the road is back, or has another address, it goes on by itself.

    Then the process is stopped: those steps are not observed, none is missing, none is called loss.
    """
    clean_road(lab)
    sh(*lab.on_host('sysctl', '-qw', 'net.ipv6.conf.road.keep_addr_on_down=1'))
    stack = Stack(lab, 'down')
    links = icmp_links(stack, 4)
    stack.link('tcp', 'tcp', '10.200.2.1', port=80, count=10, timeout=f'{TIMEOUT}ms')
    links.append('tcp')
    stack.link('bound', 'icmp', '10.200.1.9', count=10, timeout=f'{TIMEOUT}ms', source='10.200.0.1')
    stack.link('device', 'icmp', '10.200.1.10', count=10, timeout=f'{TIMEOUT}ms', device='road')
    links += ['bound', 'device']
    stack.start(alertd=False)
    more(stack, 2, *links)
    down = phase(stack, links, on_host(lab, 'link set road down'))
    up = phase(stack, links, on_host(lab, 'link set road up'))
    moved = phase(stack, links, on_host(lab, 'addr del 10.200.0.1/16 dev road', 'addr add 10.200.0.7/16 dev road'))
    back = phase(stack, ['bound'], on_host(lab, 'addr add 10.200.0.1/32 dev road'))
    stop = stop_for_a_while(stack)
    records = stack.dump()
    stack.stop()
    assert_whole(records)
    check_stop(by_link(stack), *stop)
    wrong = []
    for link in links:
        if len(down[link]) < 2 or not all(s['flags'] & NOT_OBSERVED and s['causes'] == {'not-sent': 10}
                                          for s in down[link]):
            wrong.append(f'{link}, road down: {down[link][:2]}')
        if len(up[link]) < 2 or not all(len(s['rtt_100ns']) == s['sent'] > 0 for s in up[link]):
            wrong.append(f'{link}, road up: {up[link][:2]}')
        if link == 'bound':
            if not all(s['flags'] & NOT_OBSERVED and s['causes'] == {'not-sent': 10} for s in moved[link]):
                wrong.append(f'{link}, without its address: {moved[link][:2]}')
        elif not all(len(s['rtt_100ns']) == s['sent'] > 0 for s in moved[link]):
            wrong.append(f'{link}, address changed: {moved[link][:2]}')
    if not back['bound'] or not all(len(s['rtt_100ns']) == s['sent'] > 0 for s in back['bound']):
        wrong.append(f'bound, its address is back: {back["bound"][:2]}')
    sources = {t['src'] for t in lab.truth() if t['dst'] == address(4, 1)}
    if sources != {'10.200.0.1', '10.200.0.7'}:
        wrong.append(f'sources on the wire: {sources}')
    lab.stop(lab.impair)
    assert not wrong, said(wrong)


if __name__ == '__main__':
    sys.exit(main())
