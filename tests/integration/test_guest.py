#!/usr/bin/python3
"""test_guest.py - the agent as a guest on a vendor's host: what it gives up, whom it obeys, what it owns up to.

It runs as a user without rights, runs nothing and listens to nobody; its owner takes leave back
by SIGHUP; and what its spool had no room for is told, to the sample.
"""

import json
import os
import pwd
import signal
import sys
import time

from lab import Stack, children, main, sh, test, wait_for
from truth import address, by_link, more

USER = 'nobody'
LISTENS = '0A'
MIB = 1 << 20
FORBIDDEN = ('exec', 'fork', 'vfork', 'clone', 'posix_spawn', 'popen', 'system', 'dlopen', 'listen', 'accept')


def status_of(pid):
    with open(f'/proc/{pid}/status', encoding='utf-8') as f:
        return dict(l.rstrip('\n').split(':', 1) for l in f)


def sockets_that_listen(pid):
    """Those of a process that take connections."""
    mine = set()
    for fd in os.listdir(f'/proc/{pid}/fd'):
        try:
            mine.add(os.readlink(f'/proc/{pid}/fd/{fd}'))
        except FileNotFoundError:
            pass                        # closed meanwhile
    found = []
    for name in ('tcp', 'tcp6'):
        with open(f'/proc/{pid}/net/{name}', encoding='utf-8') as f:
            found += [l for l in list(f)[1:] if l.split()[3] == LISTENS and f'socket:[{l.split()[9]}]' in mine]
    return found


def as_user(stack):
    """The agent becomes USER, who may read what the agent reads."""
    stack.agent_conf['a1']['user'] = USER
    who = pwd.getpwnam(USER)
    for name in ('ca.pem', 'crl.pem', 'agent-a1.pem', 'agent-a1.key'):
        os.chown(stack.path('pki', name), who.pw_uid, who.pw_gid)
    return who


def links_of_all_kinds(stack):
    stack.agent_conf['a1']['snmp_credentials'] = [
        {'name': 'v2c', 'version': 'v2c', 'community_file': stack.secret('community', 'public')}]
    stack.link('four', 'icmp', address(4, 1), count=5, timeout='400ms')
    stack.link('six', 'icmp', address(6, 1), count=5, timeout='400ms')
    stack.link('tcp', 'tcp', '10.200.2.1', port=80, count=5, timeout='400ms')
    stack.link('device', 'snmp', '127.0.0.1', credential='v2c', host=True, timeout='400ms')     # nobody there
    return ('four', 'six', 'tcp')


@test
def gives_up_what_it_can(lab):
    """Started as root: another user, for good; no capability, no child, no port, no way to run a program."""
    lab.start_impair('10.200.0.0/16 delay=5ms', 'fd00:200::/64 delay=5ms', '10.200.2.0/24 tcp=open delay=5ms')
    stack = Stack(lab, 'nobody')
    who = as_user(stack)
    links = links_of_all_kinds(stack)
    stack.start(alertd=False)
    more(stack, 3, *links)
    pid = stack.agents['a1'].pid
    status = status_of(pid)
    assert set(status['Uid'].split()) == {str(who.pw_uid)} and set(status['Gid'].split()) == {str(who.pw_gid)}, status
    assert not status['Groups'].split() and int(status['NoNewPrivs']) == 1, status
    for kind in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
        assert int(status[kind], 16) == 0, f'{kind}: {status[kind]}'
    assert int(status['Threads']) == 1 and not children(pid), children(pid)
    assert not sockets_that_listen(pid), sockets_that_listen(pid)
    assert sockets_that_listen(stack.collector.pid) or any(
        sockets_that_listen(c) for c, _ in children(stack.collector.pid)), 'this looks in the wrong place'
    state = os.stat(stack.path('a1', 'state'))
    assert state.st_uid == who.pw_uid and state.st_mode & 0o77 == 0, oct(state.st_mode)
    stack.stop()
    for link in links:
        bad = [s for s in by_link(stack)[link][1:] if len(s['rtt_100ns']) != s['sent'] or not s['sent']]
        assert not bad, f'{link}: {bad[:3]}'
    assert any(r['type'] == 'health' and r['ping_mode'] == 1 for r in stack.dump()), 'no raw socket'
    lab.stop(lab.impair)


@test
def runs_nothing(lab):
    """What would start a program or take a connection is not even linked."""
    out = sh('nm', '-D', '--undefined-only', lab.program('linkwatch-agent'))
    names = {l.split()[-1].split('@')[0] for l in out.splitlines()}
    assert 'connect' in names and 'recvmmsg' in names, f'this reads the wrong thing: {sorted(names)[:20]}'
    assert not [n for n in names if n.lstrip('_').startswith(FORBIDDEN)]


def asked_since(lab, target, ns):
    return [t for t in lab.truth() if t['dst'] == target and t['dir'] == '0' and int(t['in_ns']) > ns]


def hang_up(stack, agent, said, what):
    """SIGHUP; returns when the agent has said what it made of it."""
    stack.write()
    begin = len(agent.said())
    agent.send(signal.SIGHUP)
    wait_for(lambda: said in agent.said()[begin:], 10, what)
    return agent.said()[begin:]


@test
def owner_changes_his_mind(lab):
    """SIGHUP: what is not allowed any more ends, the rest goes on without a gap; a faulty file changes nothing."""
    lab.start_impair('10.200.0.0/16 delay=5ms')
    stack = Stack(lab, 'reload')
    as_user(stack)
    guard = stack.agent_conf['a1']['guard']
    guard['allow'] = [address(4, 11), address(4, 12)]
    for i, link in ((11, 'stays'), (12, 'goes')):
        stack.link(link, 'icmp', address(4, i), count=10, timeout='400ms')
    stack.start(alertd=False)
    agent = stack.agents['a1']
    more(stack, 2, 'stays', 'goes')

    guard['allow'] = [address(4, 11)]
    hang_up(stack, agent, 'reload: done', 'the agent has read it again')
    gone = time.time_ns()
    stack.await_agent()
    more(stack, 3, 'stays')
    assert not asked_since(lab, address(4, 12), gone + 20_000_000), 'it is still asked'
    assert 'link=goes: refused: not in allow-list' in agent.said(), agent.said()
    wait_for(lambda: [r for r in stack.dump() if r['type'] == 'refused-link' and r['link'] == 'goes'], 10,
             'the collector knows')

    guard['allow'] = ['10.200.0.0/33']
    sessions = sum(r['type'] == 'session' for r in stack.dump())
    said = hang_up(stack, agent, 'the old configuration stays', 'the agent says that the file is no good')
    assert "'10.200.0.0/33' in guard.allow" in said, said
    more(stack, 3, 'stays')
    assert sum(r['type'] == 'session' for r in stack.dump()) == sessions, 'its session ended over it'

    guard['allow'] = ['10.200.0.0/16']
    hang_up(stack, agent, 'reload: done', 'the agent has read it a third time')
    more(stack, 3, 'stays', 'goes')
    stack.stop()
    mine = by_link(stack)['stays'][1:]
    steps = [b['start_ns'] - a['start_ns'] for a, b in zip(mine, mine[1:])]
    assert all(abs(s - 1_000_000_000) < 20_000_000 for s in steps), f'steps are missing: {steps}'
    assert all(len(s['rtt_100ns']) == s['sent'] > 0 for s in mine), mine
    lab.stop(lab.impair)


def size_of(directory):
    return sum(os.path.getsize(os.path.join(directory, n)) for n in os.listdir(directory) if n.endswith('.seg'))


@test
def what_had_no_room_is_told(lab):
    """A spool that has become too small: the oldest go, and samples and gaps at the collector make up the whole."""
    stack = Stack(lab, 'gap')
    fill = lab.program('tests/bench/spool')
    for i, name in enumerate(sh(fill, 'links', '20').split()):
        stack.link(name, 'icmp', f'192.0.2.{i + 1}', step='10s', count=10, short=f'l{i}', short_en=f'l{i}')
    stack.agent_conf['a1']['guard']['allow'] = ['127.0.0.1/32']
    stack.agent_conf['a1']['spool']['max_size'] = '6M'
    stack.write()
    spool = stack.path('a1', 'state', 'spool')
    filled = json.loads(sh(fill, 'fill', spool, '20', '10', '15'))      # in files of 4 MiB
    assert filled['bytes'] > 8 * MIB, filled
    stack.start_agent()
    wait_for(lambda: size_of(spool) <= 6 * MIB, 10, 'the spool keeps to its size')
    stack.start_collector()
    stack.await_agent()

    def arrived():
        records = stack.dump()
        got = sum(r['type'] == 'sample' for r in records)
        lost = sum(r['count'] for r in records if r['type'] == 'gap')
        return (got, lost, records) if got + lost >= filled['samples'] else None
    got, lost, records = wait_for(arrived, 30, 'all samples, or word of them', step=1)
    dropped = wait_for(lambda: max(r['spool_dropped'] for r in stack.dump() if r['type'] == 'health') or None, 20,
                       'the agent tells how many it dropped', step=1)
    stack.stop()
    seqs = {r['seq'] for r in records if r['type'] == 'batch'}
    told = {n for r in records if r['type'] == 'gap' for n in range(r['first_seq'], r['last_seq'] + 1)}
    assert got + lost == filled['samples'] and dropped == lost > filled['samples'] / 5, (got, lost, dropped, filled)
    assert got > filled['samples'] / 5, (got, filled)
    assert {r['reason'] for r in records if r['type'] == 'gap'} == {'spool full'}
    missing = set(range(1, max(seqs) + 1)) - seqs - told
    assert not missing, f'batches without a word: {sorted(missing)[:10]}'
    assert max(told) < min(seqs), f'{max(told)} went, {min(seqs)} stayed: not the oldest'
    print(f'     {filled["samples"]} samples, {got} arrived, {lost} told as lost', flush=True)


if __name__ == '__main__':
    sys.exit(main())
