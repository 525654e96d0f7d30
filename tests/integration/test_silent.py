#!/usr/bin/python3
"""test_silent.py - a dead agent, a cut uplink and a changed plan are no faults of links."""

import sys
import time

from lab import Stack, assert_whole, main, sh, test, wait_for


def road(lab, n):
    lab.start_impair('10.200.0.0/16 delay=5ms')
    stack = Stack(lab, n)
    for i in (1, 2, 3):
        stack.link(f'link{i}', 'icmp', f'10.200.1.{i}', count=5, timeout='400ms')
    stack.start()
    for i in (1, 2, 3):
        stack.await_state(f'link{i}', 'up')
    return stack


@test
def dead_agent_is_silent_not_down(lab):
    stack = road(lab, 'dead')
    stack.agents['a1'].kill()
    incident = stack.await_incident(kind='silent', timeout=60)
    assert incident['agent'] == 'a1', incident
    for i in (1, 2, 3):
        stack.await_state(f'link{i}', 'not-observed')
    assert not [i for i in stack.incidents(all=True) if i['kind'] == 'down'], stack.incidents(all=True)
    stack.restart(stack.agents['a1'])
    for i in (1, 2, 3):
        stack.await_state(f'link{i}', 'up', timeout=60)
    stack.await_incident(number=incident['number'], state='recovered', timeout=90)
    stack.stop()


@test
def cut_uplink_keeps_the_samples(lab):
    """The road to the collector is cut: silence; then all of it comes, whole."""
    stack = road(lab, 'uplink')
    sh('ip', '-n', lab.host, 'link', 'set', 'up1', 'down')
    cut = time.time_ns()
    stack.await_incident(kind='silent', timeout=60)
    sh('ip', '-n', lab.host, 'link', 'set', 'up1', 'up')
    wait_for(lambda: [s for s in stack.samples() if s['start_ns'] > cut + 2_000_000_000], 90,
             'the samples of the cut', step=0.5)
    stack.await_agent(timeout=60)
    wait_for(lambda: max(s['start_ns'] for s in stack.samples()) > time.time_ns() - 4_000_000_000, 30,
             'live samples', step=0.5)
    assert_whole(stack.dump())
    assert not [i for i in stack.incidents(all=True) if i['kind'] == 'down'], stack.incidents(all=True)
    stack.stop()


@test
def plan_changes_without_a_gap(lab):
    """One link comes, one goes, one is changed; those that stay miss no step."""
    stack = road(lab, 'plan')
    stack.link('link4', 'icmp', '10.200.1.4', count=5, timeout='400ms')
    stack.links['links'] = [l for l in stack.links['links'] if l['id'] != 'link3']
    next(l for l in stack.links['links'] if l['id'] == 'link2')['count'] = 10
    stack.reload()
    stack.await_state('link4', 'up')
    wait_for(lambda: any(s['sent'] == 10 for s in stack.samples('link2')), 20, 'link2 sends ten')
    wait_for(lambda: stack.link_state('link3') == '', 20, 'link3 is gone')
    wait_for(lambda: len(stack.samples('link1')) > 5, 20, 'samples from before and after')
    assert_whole([r for r in stack.dump() if r.get('link') in (None, 'link1', 'link4')])
    stack.stop()


@test
def broken_plan_is_refused(lab):
    """The old plan holds on, and linkctl shows where the new one is wrong."""
    stack = road(lab, 'broken')
    stack.link('link4', 'icmp', '10.200.1.4', stepp='1s')
    stack.write()
    said = stack.ctl('reload', status=1)
    assert "unknown key 'stepp'" in said and 'links.yaml:' in said, said
    stack.policy['contactz'] = []
    stack.links['links'].pop()
    stack.write()
    said = stack.ctl('reload', status=1)
    assert 'policy.yaml:' in said and 'contactz' in said, said
    before = len(stack.samples('link1'))
    wait_for(lambda: len(stack.samples('link1')) > before + 2, 20, 'samples go on')
    assert stack.link_state('link4') == ''
    stack.stop()


if __name__ == '__main__':
    sys.exit(main())
