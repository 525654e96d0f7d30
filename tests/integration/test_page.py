#!/usr/bin/python3
"""test_page.py - the page in a real browser on the whole stack, with an incident to look at.

LINKWATCH_SHOTS=DIR keeps pictures of every page there (make shots).
"""

import os
import re
import shlex
import subprocess
import sys

from lab import TOP, WEB, Stack, main, test, wait_for


@test
def page_of_the_whole_stack(lab):
    """Log in, wall, graph, zoom, incident handled to its end, both languages, no console error: tests/web/test_web.py."""
    lab.start_impair('10.200.0.0/16 delay=5ms jitter=2ms')
    stack = Stack(lab, 'page', agents=('a1', 'a2'))
    stack.collector_conf['store'] = {'age': '2s'}
    stack.links['vendors'].append({'id': 'cloud-b', 'code': 'B云', 'code_en': 'B', 'name_en': 'Delta Computing Network',
                                   'name': '长三角一体化示范区算力网络调度中心云平台'})
    stack.links['agents'][1].update({'vendor': 'cloud-b', 'zone': 'xuhui', 'name': '徐汇a2'})
    stack.links['zones'] = [{'id': 'pudong', 'name': '浦东', 'name_en': 'Pudong'},
                            {'id': 'xuhui', 'name': '徐汇', 'name_en': 'Xuhui'}]
    stack.links['chains'].append({'id': 'permits', 'name': '一网通办', 'name_en': 'Permits online'})
    icmp = {'probe': 'icmp', 'count': 5, 'timeout': '400ms'}
    stack.link('minhang', target='10.200.1.3', **icmp)
    stack.link('xuhui', target='10.200.1.2', **icmp, vendor='cloud-b')
    stack.link('pudong', target='10.200.1.1', **icmp, chain='permits', segment='extranet', name='浦东政务外网专线')
    if 'LINKWATCH_SHOTS' in os.environ:     # for the eye; a loaded machine makes such links slow, which is a fault too
        stack.link('access', target='10.200.1.6', **icmp, chain='permits', segment='access', name='接入线路网关')
        stack.link('edge', target='10.200.1.7', **icmp, chain='permits', segment='edge', vendor='cloud-b', name='云边界')
    stack.link('to-a2', target='10.200.1.4', **icmp, reverse='a2/to-a1', name='浦东至徐汇')
    stack.link('to-a1', target='10.200.1.5', agent='a2', **icmp, reverse='a1/to-a2', name='徐汇至浦东')
    stack.start()
    for name in ('pudong', 'xuhui', 'minhang'):
        stack.await_state(name, 'up')
    lab.road('set 10.200.1.1 down=1')
    stack.await_incident(link='pudong', kind='down')
    lab.road('set 10.200.1.3 loss=40')
    wait_for(lambda: len(stack.samples('xuhui')) > 15, 40, 'a quarter of a minute of samples', step=1)
    shots = ['--shots', os.environ['LINKWATCH_SHOTS']] if 'LINKWATCH_SHOTS' in os.environ else []
    r = subprocess.run(
        ['/usr/bin/python3', os.path.join(TOP, 'tests', 'web', 'test_web.py'), *shots], check=False, capture_output=True,
        text=True, timeout=420,
        env={**os.environ, 'LINKWATCH_URL': f'https://127.0.0.1:{WEB}/', 'LINKWATCH_USER': 'admin',
             'LINKWATCH_PASSWORD': 'lab-password', 'LINKWATCH_INCIDENT': '1', 'HOME': lab.dir,
             'LINKWATCH_MEND': shlex.join([lab.program('tests/impair/impair'), 'ctl', lab.path('impair.sock'),
                                           'set 10.200.1.1 down=0'])})
    print(''.join(f'     {l}\n' for l in r.stdout.splitlines()), end='')
    assert r.returncode == 0 and re.search(r'^[1-9]\d* passed, 0 failed$', r.stdout, re.M), r.stdout + r.stderr
    stack.stop()


if __name__ == '__main__':
    sys.exit(main())
