#!/usr/bin/python3
"""test_ctl.py - linkctl against a real alertd: who may do what, JSON everywhere, exit codes."""

import json
import os
import subprocess
import sys
import unicodedata

from lab import Stack, main, test

NOBODY = 65534


def run(stack, *args, uid=None, env=None):
    """Exit status and output; uid: as that user, without root's groups."""
    argv = [stack.lab.program('linkctl'), '--socket', stack.socket, *args]
    if uid is not None:
        argv = ['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', '--', *argv]
    r = subprocess.run(argv, check=False, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=20)
    return r.returncode, r.stdout + r.stderr


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in text)


def stack_with_incident(lab, name, **control):
    lab.start_impair('10.200.0.0/16 delay=5ms')
    stack = Stack(lab, name)
    stack.alertd_conf['control'].update(control)
    stack.link('pudong', 'icmp', '10.200.1.1', count=5, timeout='400ms', name='浦东外网专线')
    stack.link('xuhui', 'icmp', '10.200.1.2', count=5, timeout='400ms', name='徐汇')
    stack.start()
    stack.await_state('pudong', 'up')
    stack.await_state('xuhui', 'up')
    lab.road('set 10.200.1.1 down=1')
    stack.await_incident(link='pudong', kind='down')
    os.chmod(lab.dir, 0o755)
    for directory in (stack.dir, stack.path('alertd')):
        os.chmod(directory, 0o755)
    return stack


@test
def who_may_do_what(lab):
    """A stranger cannot connect; a viewer looks and cannot act; the name of who acts is alertd's."""
    users = [{'login': 'root', 'name': 'zhang', 'role': 'admin'}, {'login': 'nobody', 'name': 'guest', 'role': 'viewer'}]
    stack = stack_with_incident(lab, 'roles', users=users, group='nogroup')
    status, out = run(stack, 'incident', 'list', uid=NOBODY)
    assert status == 0 and 'A-' in out or '浦东' in out, out
    for args in (('incident', 'ack', '1'), ('incident', 'note', '1', 'x'), ('incident', 'close', '1'), ('reload',)):
        status, out = run(stack, *args, uid=NOBODY)
        assert status == 1 and out.strip(), f'{args}: status {status}: {out}'
    assert stack.ask('incident.show', number=1)['incident']['state'] == 'open'
    stranger = 12345
    status, out = run(stack, 'status', uid=stranger)
    assert status == 1 and 'ermission' in out, out
    status, out = run(stack, 'incident', 'ack', '1', '--note', '我来')
    assert status == 0, out
    log = stack.ask('incident.show', number=1)['log']
    assert ('zhang', 'linkctl', '我来') in [(e['actor'], e['channel'], e['note']) for e in log], log
    stack.stop()


@test
def words_and_exit_codes(lab):
    stack = stack_with_incident(lab, 'words')
    good = (('status',), ('incident', 'list'), ('incident', 'list', '--all'), ('incident', 'show', '1'), ('link', 'list'),
            ('link', 'show', 'a1/pudong'), ('agent', 'list'), ('why', 'a1/pudong'))
    for args in good:
        status, out = run(stack, *args)
        assert status == 0 and out.strip(), f'{args}: status {status}: {out}'
        status, out = run(stack, '--json', *args)
        assert status == 0, f'--json {args}: {out}'
        json.loads(out)
    for args in (('incident', 'show', '99'), ('incident', 'ack', '99'), ('link', 'show', 'a1/nothing'),
                 ('incident', 'close', '1')):
        status, out = run(stack, *args)
        assert status == 1 and out.strip(), f'{args}: status {status}: {out}'
    for args in ((), ('nonsense',), ('incident',), ('incident', 'show'), ('incident', 'show', 'x'), ('status', '--no'),
                 ('incident', 'show', '1', '2')):
        status, out = run(stack, *args)
        assert status == 2 and out.strip(), f'{args}: status {status}: {out}'
    # Columns stand under each other although the names are wide.
    _, out = run(stack, '--lang', 'zh', 'link', 'list', env={'LC_ALL': 'C.UTF-8'})
    rows = [l for l in out.splitlines() if l.startswith('a1/')]
    columns = {width(l[:l.index('A云')]) for l in rows}
    assert len(rows) == 2 and len(columns) == 1, out
    # Whoever cannot write must not say that all went well.
    with open('/dev/full', 'w', encoding='utf-8') as full:
        r = subprocess.run([lab.program('linkctl'), '--socket', stack.socket, 'status'], check=False, stdout=full,
                           stderr=subprocess.PIPE)
    assert r.returncode == 1, 'output to a full disk'
    stack.stop()
    status, out = run(stack, 'status')
    assert status == 1 and 'alertd' in out, out


if __name__ == '__main__':
    sys.exit(main())
