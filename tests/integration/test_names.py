#!/usr/bin/python3
"""test_names.py - names of targets and collectors, with a name server that changes its mind and dies."""

import os
import sys

from lab import HERE, HOST, INGEST, SUP, Stack, main, sh, test, wait_for
from process import Program


class NameServer:
    """One on the vendor's host, and a resolv.conf that names it (in this mount namespace)."""

    def __init__(self, lab):
        self.lab = lab
        self.zone = lab.path('zone')
        self.say()
        with open(lab.path('resolv.conf'), 'w', encoding='utf-8') as f:
            f.write('nameserver 127.0.0.1\n')
        os.chmod(lab.path('resolv.conf'), 0o644)
        sh('mount', '--bind', lab.path('resolv.conf'), '/etc/resolv.conf')
        self.program = Program('nameserver', lab.on_host(
            '/usr/bin/python3', os.path.join(HERE, 'nameserver.py'), '127.0.0.1', self.zone), lab.path('nameserver.out'))

    def start(self):
        self.lab.start(self.program)
        wait_for(lambda: 'ready' in self.program.said(), 5, 'the name server listens')

    def say(self, *lines):
        """What the zone holds from now on."""
        with open(self.zone + '.new', 'w', encoding='utf-8') as f:
            f.writelines(line + '\n' for line in lines)
        os.rename(self.zone + '.new', self.zone)

    def asked(self, question):
        return self.program.said().splitlines().count(question)


def next_samples(stack, link, n):
    """The n samples of link that come after the next one, which may have begun before."""
    have = len(stack.samples(link))
    wait_for(lambda: len(stack.samples(link)) >= have + n + 2, n + 20, f'{n} samples of {link}', step=0.3)
    return stack.samples(link)[have + 1:have + 1 + n]


@test
def a_name_moves_and_its_server_dies(lab):
    """Two families are two links; the last address outlives the name server; never an address: not observed."""
    dns = NameServer(lab)
    names = (f'hub.test 600 {SUP}', 'www.test 600 ::1')
    dns.say(f'www.test 0 {SUP}', *names)
    dns.start()
    stack = Stack(lab, 'names')
    stack.agent_conf['a1']['collectors'] = [f'hub.test:{INGEST}']
    stack.link('four', 'tcp', 'www.test', port=INGEST, family=4, count=4, timeout='500ms')
    stack.link('six', 'icmp', 'www.test', family=6, count=4, timeout='500ms')
    stack.link('never', 'icmp', 'never.test', count=4, timeout='500ms')
    stack.start(alertd=False)
    for link in ('four', 'six'):
        for s in next_samples(stack, link, 2):
            assert s['sent'] == len(s['rtt_100ns']) == 4 and not s['causes'], s
    dns.say(f'www.test 0 {HOST}', *names)
    wait_for(lambda: stack.samples('four')[-1]['causes'].get('refused') == 4, 20,
             'the link goes to the new address', step=0.3)
    lab.stop(dns.program)
    agent = stack.agents['a1']
    wait_for(lambda: 'name=www.test (IPv4): cannot be looked up' in agent.said(), 30, 'the failure is told')
    for s in next_samples(stack, 'four', 3):
        assert s['sent'] == len(s['rtt_100ns']) == 4 and s['causes'] == {'refused': 4}, s
    for s in stack.samples('six')[1:]:
        assert s['sent'] == len(s['rtt_100ns']) == 4 and not s['causes'], s
    for s in stack.samples('never')[1:]:
        assert s['sent'] == 0 and s['causes'] == {'resolve': 4}, s
    # the collector goes and comes back while nobody knows its name
    have = len(stack.samples('six'))
    stack.restart(stack.collector)
    wait_for(lambda: len(stack.samples('six')) > have + 3, 60, 'samples come by the last address', step=0.5)
    assert agent.said().count('name=www.test (IPv4): cannot be looked up') == 1, 'a failure is told once'
    stack.stop()
    sh('umount', '/etc/resolv.conf')


@test
def a_server_that_comes_late(lab):
    """Started without a name server: literals are measured, and names as soon as one says them."""
    dns = NameServer(lab)
    dns.say(f'www.test 60 {HOST}')
    stack = Stack(lab, 'late')
    stack.link('literal', 'icmp', HOST, count=4, timeout='500ms')
    stack.link('named', 'icmp', 'www.test', count=4, timeout='500ms')
    stack.start(alertd=False)
    assert all(len(s['rtt_100ns']) == 4 for s in next_samples(stack, 'literal', 2))
    assert all(s['causes'] == {'resolve': 4} for s in next_samples(stack, 'named', 1))
    dns.start()
    wait_for(lambda: len(stack.samples('named')[-1]['rtt_100ns']) == 4, 40, 'the name is measured', step=0.5)
    asked = dns.asked('www.test 1')
    assert asked == 1, f'asked {asked} times within the time to live'
    stack.stop()
    sh('umount', '/etc/resolv.conf')


if __name__ == '__main__':
    sys.exit(main())
